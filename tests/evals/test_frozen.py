"""The dated questions are frozen: answers are made better against them, never they against the answers.

Whoever corrects one says so in docs/adr and changes its digest here.
"""

from __future__ import annotations

import pytest

from encoders.digest import file_sha256
from serve.evals.sets import HERE

FROZEN = {
    "clips": "9f2452e257e2271a22e7be3dd3bc3d948bb44d49080863f20012026ff5bff5db",
    "sample": "9c58a2951fa93b1949b8621e0413c45b02cbf74c5fa95f69482cc219276cad5c",
    "wheels": "b41c1cd9288f71439f7e76ccf12c2cb809d0a942536e39aa2854b57b4cfa3702",
}


@pytest.mark.parametrize(("name", "digest"), FROZEN.items())
def test_the_questions_are_what_they_were(name: str, digest: str) -> None:
    assert file_sha256(HERE / "questions" / f"{name}.json") == digest
