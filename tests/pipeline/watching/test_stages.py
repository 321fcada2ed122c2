from __future__ import annotations

import threading
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.watching.stages import Stages, in_order, prefetched


class Counting:
    """0, 1, 2 …; knows how many were made and whether it was closed."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self.made = 0
        self.closed = threading.Event()
        self.reached = threading.Condition()
        self._count, self._fails_at = count, fails_at

    def items(self) -> Iterator[int]:
        try:
            for number in range(self._count):
                if number == self._fails_at:
                    raise OSError("the disk is gone")
                with self.reached:
                    self.made += 1
                    self.reached.notify_all()
                yield number
        finally:
            self.closed.set()

    def await_made(self, count: int) -> None:
        with self.reached:
            assert self.reached.wait_for(lambda: self.made >= count, timeout=10)


@given(st.lists(st.integers(), max_size=40), st.integers(1, 9))
@settings(deadline=None, max_examples=50)
def test_items_come_in_order(items: list[int], depth: int) -> None:
    with prefetched(iter(items), depth) as ahead:
        assert list(ahead) == items


def test_an_error_is_raised_where_the_consumer_stands_after_what_came_before() -> None:
    source = Counting(9, fails_at=3)
    with prefetched(source.items(), 2) as ahead:
        assert [next(ahead) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="disk"):
            next(ahead)
    assert source.closed.is_set()


def test_leaving_closes_the_iterator_and_ends_the_thread() -> None:
    source = Counting(1000)
    with prefetched(source.items(), 4) as ahead:
        assert next(ahead) == 0
    assert source.closed.is_set()
    assert source.made <= 6
    assert "prefetch" not in [thread.name for thread in threading.enumerate()]


def test_leaving_by_an_error_closes_the_iterator_too() -> None:
    source = Counting(1000)
    with pytest.raises(KeyError), prefetched(source.items(), 4):
        raise KeyError
    assert source.closed.is_set()


def test_an_error_nobody_came_to_is_not_raised() -> None:
    source = Counting(9, fails_at=2)
    with prefetched(source.items(), 1) as ahead:
        assert next(ahead) == 0
    assert source.closed.is_set()


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_it_runs_ahead_but_not_far(depth: int) -> None:
    """Waiting items, and the one in hand that does not fit."""
    source = Counting(1000)
    with prefetched(source.items(), depth) as ahead:
        source.await_made(depth + 1)
        for taken in range(20):
            assert next(ahead) == taken
            assert source.made <= taken + depth + 2
            source.await_made(taken + 1 + depth + 1)


def test_the_iterator_runs_in_another_thread() -> None:
    def threads() -> Iterator[int]:
        yield threading.get_ident()

    with prefetched(threads(), 1) as ahead:
        assert list(ahead) != [threading.get_ident()]


def test_an_iterator_without_close_will_do() -> None:
    with prefetched(iter([1, 2]), 1) as ahead:
        assert next(ahead) == 1


def test_a_line_of_stages_keeps_the_order_and_its_bounds() -> None:
    source = Counting(60)
    with Stages() as line:
        made = line.ahead(source.items(), 2)
        doubled = line.ahead((2 * number for number in made), 3)
        for taken, number in enumerate(line.ahead((number + 1 for number in doubled), 1)):
            assert number == 2 * taken + 1
            assert source.made <= taken + 1 + (2 + 1) + (3 + 1) + (1 + 1)
    assert taken == 59


def test_an_error_in_the_middle_of_a_line_comes_out_at_its_end_after_what_was_before() -> None:
    def halves(numbers: Iterator[int]) -> Iterator[float]:
        for number in numbers:
            yield 6 / (2 - number)

    source = Counting(1000)
    with Stages() as line:
        last = line.ahead(map(str, line.ahead(halves(line.ahead(source.items(), 2)), 2)), 2)
        assert [next(last), next(last)] == ["3.0", "6.0"]
        with pytest.raises(ZeroDivisionError):
            next(last)
    assert source.closed.is_set()


def test_leaving_ends_stages_that_wait_for_one_another() -> None:
    """The first waits for an event that never comes, until it is left."""
    source, here = Counting(3), threading.Event()

    def slow() -> Iterator[int]:
        yield from source.items()
        here.wait()

    with Stages() as line:
        last = line.ahead(map(abs, line.ahead(map(abs, line.ahead(slow(), 4)), 4)), 4)
        assert [next(last), next(last), next(last)] == [0, 1, 2]
        here.set()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_calls_that_run_at_once_come_in_order(at_once: int) -> None:
    assert list(in_order(lambda item: item * item, range(9), at_once)) == [(item, item * item) for item in range(9)]


def test_so_many_calls_run_at_once_and_no_more() -> None:
    both, running, most = threading.Barrier(2), [], []

    def call(item: int) -> int:
        running.append(item)
        most.append(len(running))
        both.wait(30)  # nobody goes on alone
        running.remove(item)
        return item

    assert [result for _, result in in_order(call, range(6), 2)] == list(range(6))
    assert max(most) == 2


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("where", ["items", "call"])
def test_an_error_comes_after_what_was_before_it(at_once: int, where: str) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        if where == "items":
            raise OSError("gone")

    def call(item: int) -> int:
        if where == "call" and item == 3:
            raise OSError("gone")
        return item

    taken: list[int] = []
    with pytest.raises(OSError, match="gone"):
        taken.extend(item for item, _ in in_order(call, items(), at_once))
    assert taken == list(range(5 if where == "items" else 3))
