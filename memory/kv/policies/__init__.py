"""Cache policies by name: which slots stay. One file each, one interface (`base.KVPolicy`)."""

from __future__ import annotations

from collections.abc import Callable

from memory.kv.policies.base import KVPolicy
from memory.kv.policies.full import Full
from memory.kv.policies.infinipot_v import InfiniPotV
from memory.kv.policies.participative import Participative, deep_forcing
from memory.kv.policies.scissorhands import Scissorhands
from memory.kv.policies.snapkv import SnapKV
from memory.kv.policies.streaming_llm import StreamingLLM

DEFAULT = "participative"

POLICIES: dict[str, Callable[[], KVPolicy]] = {
    "participative": Participative,
    "deep_forcing": deep_forcing,
    "full": Full,
    "streaming_llm": StreamingLLM,
    "scissorhands": Scissorhands,
    "snapkv": SnapKV,
    "infinipot_v": InfiniPotV,
}
"""Each with its defaults; another setting of one is made by calling its class."""


def kv_policy(name: str) -> KVPolicy:
    """The policy of that name. Raises ValueError with the known names."""
    if name not in POLICIES:
        raise ValueError(f"no cache policy {name!r}; there are {', '.join(sorted(POLICIES))}")
    return POLICIES[name]()
