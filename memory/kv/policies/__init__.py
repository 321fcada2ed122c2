"""Cache policies by name: which slots stay. One file each, one interface (`base.KVPolicy`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from encoders.registry import Registry
from memory.kv.policies.base import KVPolicy
from memory.kv.policies.full import Full
from memory.kv.policies.infinipot_v import InfiniPotV
from memory.kv.policies.participative import Participative, deep_forcing
from memory.kv.policies.scissorhands import Scissorhands
from memory.kv.policies.snapkv import SnapKV
from memory.kv.policies.streaming_llm import StreamingLLM

DEFAULT = "participative"

PolicyFactory = Callable[[], KVPolicy]
"""Makes a policy with its defaults; another setting of one is made by calling its class."""


@cache
def default_policies() -> Registry[PolicyFactory]:
    """The policies that come with Longwatch, and those of other distributions (`longwatch.policies`)."""
    built_in: dict[str, PolicyFactory | str] = {
        "participative": Participative,
        "deep_forcing": deep_forcing,
        "full": Full,
        "streaming_llm": StreamingLLM,
        "scissorhands": Scissorhands,
        "snapkv": SnapKV,
        "infinipot_v": InfiniPotV,
    }
    return Registry("cache policy", "longwatch.policies", built_in)


def kv_policy(name: str) -> KVPolicy:
    """The policy of that name. Raises `UnknownName` with the known names."""
    return default_policies().get(name)()
