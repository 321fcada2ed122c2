"""What the store needs of its servers besides commands: that none evicts, and that an old log is rewritten.

Part of `RedisStore`; not what is stored. Works on one server and on every primary of a cluster.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import redis
from redis.cluster import RedisCluster

from memory.errors import StoreError
from memory.store.connection import translated

_REWRITE_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What was found of one server. `append_only` False means that a power cut can lose commits."""

    version: str
    eviction: str
    append_only: bool


def check_servers(client: Any) -> list[ServerReport]:
    """One report a server. Raises StoreError where one may evict keys, which would lose memories silently."""
    with translated():
        if isinstance(client, RedisCluster):
            nodes: list[Any] = client.get_primaries()  # type: ignore[no-untyped-call]
            infos = [client.info(target_nodes=node) for node in nodes]
        else:
            infos = [client.info()]
    reports = [ServerReport(_version(i), str(i["maxmemory_policy"]), bool(i["aof_enabled"])) for i in infos]
    for report in reports:
        if report.eviction != "noeviction":
            raise StoreError(f"the server's maxmemory-policy is {report.eviction}; set it to noeviction")
    return reports


def _version(info: dict[str, Any]) -> str:
    """Valkey reports the Redis version it is compatible with beside its own."""
    own = info.get("valkey_version")
    return f"Valkey {own}" if own else f"Redis {info['redis_version']}"


def rewrite_log(client: Any) -> bool:
    """Has one server rewrite its append-only file. False where an earlier rewrite went on for more than 5 s; the server
    rewrites by itself once the file has doubled."""
    deadline = time.monotonic() + _REWRITE_WAIT_S
    with translated():
        while int(client.info("persistence")["aof_rewrite_in_progress"]):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        try:
            client.bgrewriteaof()
        except redis.ResponseError as error:
            if "in progress" not in str(error):
                raise
            return False
    return True
