from __future__ import annotations

import threading

from memory.index.shared_lock import SharedLock


def test_readers_are_together_and_a_writer_alone() -> None:
    lock = SharedLock()
    inside = threading.Barrier(3)
    written = threading.Event()
    order: list[str] = []

    def read() -> None:
        with lock.shared():
            inside.wait(30)
            inside.wait(30)
            order.append("read")

    def write() -> None:
        with lock.alone():
            order.append("write")
            written.set()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    inside.wait(30)  # both are in
    writer = threading.Thread(target=write)
    writer.start()
    assert not written.wait(0.05)
    inside.wait(30)
    writer.join()
    for reader in readers:
        reader.join()
    assert order == ["read", "read", "write"]


def test_a_waiting_writer_goes_before_new_readers() -> None:
    lock = SharedLock()
    order: list[str] = []
    wants = threading.Event()

    def write() -> None:
        wants.set()
        with lock.alone():
            order.append("write")

    def read() -> None:
        with lock.shared():
            order.append("read")

    with lock.shared():
        writer = threading.Thread(target=write)
        writer.start()
        wants.wait(30)
        while not lock._waiting:  # it is about to wait
            threading.Event().wait(0.001)
        reader = threading.Thread(target=read)
        reader.start()
    writer.join()
    reader.join()
    assert order == ["write", "read"]


def test_an_error_inside_lets_go() -> None:
    lock = SharedLock()
    for hold in (lock.shared, lock.alone):
        try:
            with hold():
                raise ValueError("inside")
        except ValueError:
            pass
    with lock.alone():
        pass
