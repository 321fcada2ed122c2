"""The one place that uses redis-py: clients, scripts, key names, and its errors translated into ours.

`memory.store.redis_store` and `memory.store.catalog` decide what is written.

Keys of one video (they share a hash tag, so on a cluster they live together; ids may not hold braces):

    lw:{<id>}:video    hash: the record, one JSON text a field, and epoch, next_step, commits, mark, layout, gone
    lw:{<id>}:state    the last full IngestState
    lw:{<id>}:open     the open cube, where there is one
    lw:{<id>}:cubes    hash ordinal -> closed cube without its keys
    lw:{<id>}:keys     hash ordinal -> span and keys
    lw:{<id>}:commits  a channel, not a key: commit numbers; ``deleted`` at the end

Whatever else is called ``lw:{<id>}:…`` goes with the video too.

Keys across videos (derivable, mended by `RedisStore.repair`; the schema by `memory.store.migration`):

    lw:videos    sorted set of ids by creation        lw:content   hash content identity -> id
    lw:numbers   the last video number given out      lw:deleting  set of ids whose deletion has begun
    lw:schema    hash: the layout's version, and an identity given once
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from memory.errors import ImpossibleVideoId, StoreError, StoreFull, StoreUnavailable

VIDEOS = "lw:videos"
CONTENT = "lw:content"
NUMBERS = "lw:numbers"
DELETING = "lw:deleting"
SCHEMA = "lw:schema"

TIMEOUT_S = 10.0
"""How long a call waits for its answer where nobody waits for it at once."""

_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.BusyLoadingError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
    RedisClusterException,
    OSError,
)
_AWAY_ANSWERS = ("MISCONF", "LOADING", "NOREPLICAS", "CLUSTERDOWN", "BUSY")


def translate(error: Exception) -> StoreError:
    """redis-py's error as one of ours. Its own text stays behind, in the cause."""
    if isinstance(error, redis.exceptions.OutOfMemoryError) or str(error).startswith("OOM"):
        return StoreFull("the store is full: its server may not use more memory")
    if str(error).startswith("MISCONF"):
        return StoreUnavailable("the store takes no writes: its server cannot save them")
    if isinstance(error, _AWAY) or str(error).startswith(_AWAY_ANSWERS):
        return StoreUnavailable("the store does not answer")
    return StoreError("the store refused a command")


@contextmanager
def translated() -> Iterator[None]:
    """Turns redis-py's errors into ours."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise translate(error) from error


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """Key names of one video. Refuses an id with braces or without characters with ImpossibleVideoId."""

    id: str

    def __post_init__(self) -> None:
        if not self.id or any(c in self.id for c in "{}"):
            raise ImpossibleVideoId(self.id)

    def __getitem__(self, part: str) -> str:
        return f"lw:{{{self.id}}}:{part}"

    @property
    def video(self) -> str:
        return self["video"]

    @property
    def all(self) -> list[str]:
        """In the order in which the scripts take them."""
        return [self[part] for part in ("video", "state", "open", "cubes", "keys")]


def commits_channel(video_id: str) -> str:
    """Where a video's commit numbers are published."""
    return RedisKeys(video_id)["commits"]


def _retry() -> Retry:
    """Rides out a restart of the embedded server: five more tries over about a second where the connection broke. A
    command that ran into its time limit is not sent again."""
    return Retry(ExponentialBackoff(cap=0.5, base=0.05), 5, supported_errors=(redis.ConnectionError,))


def connect(url: str, *, timeout_s: float = TIMEOUT_S, cluster: bool | None = False) -> Any:
    """A client for ``redis://``, ``rediss://`` or ``unix://``; `cluster` for a cluster's node, None asks the server."""
    with translated():
        if cluster or (cluster is None and _is_cluster(url, timeout_s)):
            return RedisCluster.from_url(url, socket_timeout=timeout_s, retry=_retry())
        return redis.Redis.from_url(url, socket_timeout=timeout_s, retry=_retry())


def _is_cluster(url: str, timeout_s: float) -> bool:
    with redis.Redis.from_url(url, socket_timeout=timeout_s, retry=_retry()) as node:
        return bool(node.info("cluster")["cluster_enabled"])


def connect_socket(path: Path, *, timeout_s: float = TIMEOUT_S) -> Any:
    """A client for a unix socket, such as `EmbeddedValkey.socket`."""
    return redis.Redis(unix_socket_path=str(path), socket_timeout=timeout_s, retry=_retry())


@contextmanager
def sent(client: Any, *command: Any) -> Iterator[Callable[[], Any]]:
    """Sends a command at once; the call, made once and inside this context, waits for the answer as the server writes
    it. A cluster is asked with the call, and so is, with retries, a server whose connection broke."""
    if isinstance(client, RedisCluster):
        yield lambda: _answer(client, command)
        return
    with translated():
        connection = client.connection_pool.get_connection()
    waiting = False

    def answer() -> Any:
        nonlocal waiting
        if waiting:
            with translated(), suppress(redis.ConnectionError):
                reply = connection.read_response()
                waiting = False
                return reply
        return _answer(client, command)

    try:
        with translated(), suppress(redis.ConnectionError):  # the call reports it, and tries again
            connection.send_command(*command)
            waiting = True
        yield answer
    finally:
        if waiting:
            connection.disconnect()  # or whoever has it next would take this answer for theirs
        client.connection_pool.release(connection)


def _answer(client: Any, command: Sequence[Any]) -> Any:
    with translated():
        return client.execute_command(*command)


SCRIPTS = (
    *("create", "claim", "commit", "update", "tombstone", "remove", "swap", "raise"),
    *("rewrite", "restart", "settle", "schema", "doom"),
)


class Scripts:
    """The Lua scripts beside this module, registered with one client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def _load(self, name: str) -> Any:
        source = (resources.files("memory") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")
        return self._client.register_script(source)

    @cached_property
    def _registered(self) -> dict[str, Any]:
        return {name: self._load(name) for name in SCRIPTS}

    def run(self, name: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Runs one script; loads it again where the server forgot it."""
        with translated():
            return self._registered[name](keys=list(keys), args=list(args))
