"""Commits of all videos as the store announces them. Announcements get lost: whoever waits also looks by itself."""

from __future__ import annotations

from typing import Any

from memory.store.connection import translated

_EVERY_VIDEO = "lw:{*}:commits"


class CommitAnnouncements:
    """One subscription to the commits of every video, those that do not exist yet included. For one thread.

    Args:
        client: a connection of its own.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._channel: Any | None = None

    def wait(self, timeout_s: float) -> bool:
        """Whether something was announced within the time; what came together counts once. Subscribes anew after the
        store was away. Raises StoreUnavailable."""
        try:
            with translated():
                if self._channel is None:
                    self._channel = self._client.pubsub(ignore_subscribe_messages=True)
                    self._channel.psubscribe(_EVERY_VIDEO)
                came = self._channel.get_message(timeout=timeout_s) is not None
                while self._channel.get_message(timeout=0.0) is not None:
                    came = True
                return came
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the subscription."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
