"""Scripts are safe on a cluster: each touches declared keys alone, and each call's keys live in one slot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from memory.store.connection import SCRIPTS
from memory.store.embedded import EmbeddedValkey
from memory.store.redis_store import RedisStore
from tests.contracts.store_cases import cube, full, record

CALL = re.compile(r"redis\.call\(\s*'(\w+)'(?:,\s*([^,)\s]+))?")
KEYLESS = {"TIME", "PUBLISH"}  # a channel is not a key


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_touches_declared_keys_alone(name: str) -> None:
    source = (resources.files("memory") / "scripts" / f"{name}.lua").read_text()
    calls = CALL.findall(source)
    assert len(calls) == source.count("redis.call(")
    for command, first in calls:
        if command not in KEYLESS:
            assert re.fullmatch(r"KEYS\[\d\]|unpack\(KEYS", first), f"{command} {first}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisStore]:
    with EmbeddedValkey(tmp_path) as server:
        store = RedisStore.at_socket(server.socket)
        yield store
        store.close()


def test_the_keys_of_each_call_live_in_one_slot(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: dict[str, set[int]] = {}
    original = type(store._scripts).run

    def noted(self: Any, name: str, keys: Any, args: Any = ()) -> Any:
        slots = {key_slot(key.encode()) for key in keys}
        assert len(slots) == 1, (name, keys)
        ran.setdefault(name, set()).update(slots)
        return original(self, name, keys, args)

    monkeypatch.setattr(type(store._scripts), "run", noted)
    store.prepare()
    for video_id in ("v1", "v2"):
        store.create_video(record(video_id, sha256=video_id * 32))
        store.commit(video_id, full(store.claim(video_id), 0, 16, [cube(0)]))
        store.update_video(video_id, name="b")
    store.delete_video("v1")
    store.repair()
    assert set(ran) == set(SCRIPTS) - {"rewrite", "restart", "settle"}, "those run in the test of migration"
    assert len(ran["commit"]) == 2
