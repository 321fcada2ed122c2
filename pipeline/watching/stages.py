"""Iterators that run in threads of their own, each a bounded number of items ahead of who takes from it.

A line of them is a pipeline: the slowest sets the pace, and no more than the bounds allow waits in memory. Leaving
ends all of them at once, also those that wait for one another.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class _Left(Exception):
    """The line was left: whoever still waits in it ends."""


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Waiting(Generic[T]):
    """Items between a thread and who takes them."""

    def __init__(self, depth: int) -> None:
        self.items: deque[T | _End] = deque()
        self.depth = depth


class Stages:
    """A context manager around threads that feed one another; leaving it stops, closes and joins all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._left = False
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Stages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._left = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def ahead(self, items: Iterator[T], depth: int, name: str = "prefetch") -> Iterator[T]:
        """`items` in order, taken in a thread of that name, at most `depth` of them waiting. The thread closes `items`;
        an error inside is raised where the taker stands, after what came before it."""
        waiting: _Waiting[T] = _Waiting(depth)
        thread = threading.Thread(target=self._run, args=(items, waiting), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return self._taken(waiting)

    def _run(self, items: Iterator[T], waiting: _Waiting[T]) -> None:
        error: BaseException | None = None
        try:
            try:
                for item in items:
                    self._put(waiting, item)
            finally:
                close = getattr(items, "close", None)
                if close is not None:
                    close()
        except _Left:
            return
        except BaseException as caught:  # noqa: BLE001 - handed to the taker, who raises it
            error = caught
        with self._changed:
            waiting.items.append(_End(error))
            self._changed.notify_all()

    def _put(self, waiting: _Waiting[T], item: T) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._left or len(waiting.items) < waiting.depth)
            if self._left:
                raise _Left
            waiting.items.append(item)
            self._changed.notify_all()

    def _taken(self, waiting: _Waiting[T]) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._left or len(waiting.items) > 0)
                if self._left:
                    raise _Left
                item = waiting.items.popleft()
                self._changed.notify_all()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item


def in_order(call: Callable[[T], U], items: Iterable[T], at_once: int) -> Iterator[tuple[T, U]]:
    """Each item with what `call` makes of it, in order; so many calls run `at_once`, in threads where it is more than
    one. An error among the items, or of a call, is raised after what came before it."""
    if at_once == 1:
        yield from ((item, call(item)) for item in items)
        return
    source = iter(items)
    failed: Exception | None = None
    waiting: deque[tuple[T, Future[U]]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised below
                failed = error
                break
            waiting.append((item, pool.submit(call, item)))
            if len(waiting) == at_once:
                yield _result(waiting)
        while waiting:
            yield _result(waiting)
    if failed is not None:
        raise failed


def _result(waiting: deque[tuple[T, Future[U]]]) -> tuple[T, U]:
    item, future = waiting.popleft()
    return item, future.result()


@contextmanager
def prefetched(items: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """One iterator in a line of its own."""
    with Stages() as line:
        yield line.ahead(items, depth)
