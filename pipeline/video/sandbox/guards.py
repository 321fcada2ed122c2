"""Locks the decoding child down before it touches media: limits, network, other files, system calls.

Each function works on the calling process, for good. A guard that the platform lacks is not pretended: `shut` returns
the names of the guards that took. The limits' values are in `pipeline.video.sampling.SandboxConfig`; the parent keeps
the time a child may take.

Linux only, besides the limits: user and network namespaces (unshare(2)), Landlock (kernel 5.13 and later), seccomp
filters (x86_64 and arm64). Tried on x86_64; the numbers for arm64 are from the kernel's generic table.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import struct
import sys
from collections.abc import Iterable

MOST_THREADS = 128
MOST_FILES = 64
CPU_GRACE_S = 2
"""So long after its processor time is up a child that ignores SIGXCPU is ended with SIGKILL."""

_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_THREAD = 0x10000000, 0x40000000, 0x10000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_LANDLOCK_FILES = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
"""Every kind of access to files that a version of Landlock knows; from version 5 on 0xFFFF."""

_MACHINES = {"x86_64": (0xC000003E, 0, 317), "aarch64": (0xC00000B7, 1, 277)}
"""Audit number, column of `_REFUSED`, number of seccomp(2)."""

_CLONE, _CLONE3 = (56, 220), 435
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # the network, and anything that can be talked to
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206), "sendmsg": (46, 211),
    "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199), "accept4": (288, 242), "sendmmsg": (307, 269),
    # other programs and processes
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "kill": (62, 129),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "rt_tgsigqueueinfo": (297, 240), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "setpriority": (141, 140), "ioprio_set": (251, 30),
    # files, besides reading
    "truncate": (76, 45), "ftruncate": (77, 46), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None), "creat": (85, None), "link": (86, None),
    "linkat": (265, 37), "unlink": (87, None), "unlinkat": (263, 35), "symlink": (88, None), "symlinkat": (266, 36),
    "mknod": (133, None), "mknodat": (259, 33), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "open_by_handle_at": (304, 265),
    # the kernel's wider surface
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104),
}  # fmt: skip

_TGKILL, _PRLIMIT64, _FCNTL = (234, 131), (302, 261), (72, 25)
_OWNERS = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: with them the kernel would send other processes signals."""

_ALLOW, _REFUSE, _MISSING, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
"""What a filter answers: go on, EPERM, ENOSYS, the end of the process."""

_LOAD, _EQUAL, _ABOVE, _SOME, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
"""Of classic BPF (linux/filter.h): load, jump if equal, jump if not less, jump if any bit is set, return."""

_NUMBER_AT, _AUDIT_AT, _FIRST_AT, _SECOND_AT = 0, 4, 16, 24
"""Of a call: its number, the machine, the low halves of its first and its second argument (little-endian)."""


def die_with(lifeline: int) -> None:
    """From here on this process ends when the last writer of the pipe `lifeline` is gone, whatever it is doing then:
    the kernel sends SIGIO, which nobody catches. (PR_SET_PDEATHSIG would also fire when only the parent's *thread*
    that started the child ends.) Where a system ignores SIGIO, the limit of processor time is what remains."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poller = select.poll()
    poller.register(lifeline, select.POLLIN)
    if poller.poll(0):  # gone already
        os._exit(1)


def bound(memory_bytes: int, cpu_s: int) -> None:
    """Limits of memory (address space), processor time, open files; no core files."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu_s, grace=CPU_GRACE_S)
    _limit(resource.RLIMIT_NOFILE, MOST_FILES)


def leave_network() -> bool:
    """Moves this process, which must have one thread, into a user and a network namespace of its own, where there is
    no interface and nobody to be root of. False where the platform refuses."""
    if not sys.platform.startswith("linux"):
        return False
    if _libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    # Threads are counted anew in the namespace, so that the user's other processes do not use the limit up.
    _limit(resource.RLIMIT_NPROC, MOST_THREADS)
    return True


def shut(media_fd: int, code: Iterable[str]) -> tuple[str, ...]:
    """Gives up writing files, opening any file but `media_fd`'s and those below the folders `code` (libraries import
    parts of themselves late), and every system call in `_REFUSED`. Returns the names of what took: some of
    ``landlock`` and ``seccomp``."""
    _limit(resource.RLIMIT_FSIZE, 0)
    if not sys.platform.startswith("linux"):
        return ()
    _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return (("landlock",) if _landlock(media_fd, code) else ()) + (("seccomp",) if _seccomp() else ())


def _limit(kind: int, most: int, *, grace: int = 0) -> None:
    """Sets the soft limit, and the hard one by `grace` above it; never raises a lower one."""
    hard = resource.getrlimit(kind)[1]
    ends = most + grace if hard == resource.RLIM_INFINITY else min(most + grace, hard)
    resource.setrlimit(kind, (min(most, ends), ends))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _landlock(media_fd: int, code: Iterable[str]) -> bool:
    libc = _libc()
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rules = struct.pack("=Q", _LANDLOCK_FILES.get(version, 0xFFFF))
    rules += struct.pack("=Q", 0b11) if version >= 4 else b""  # bind and connect of TCP
    rules += struct.pack("=Q", 0b11) if version >= 6 else b""  # abstract unix sockets, signals
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        return False
    try:
        _allow(ruleset, media_fd, _READ_FILE)
        for folder in code:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            _allow(ruleset, fd, _READ_FILE | _READ_FOLDER)
            os.close(fd)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, fd: int, access: int) -> None:
    if _libc().syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", access, fd), 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_add_rule")


def _seccomp() -> bool:
    """A filter for all threads: what it refuses fails with EPERM."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None or sys.maxsize < 2**32:
        return False
    audit, column, number = machine
    code = _filter(audit, column, os.getpid())
    program = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(program))
    took: int = _libc().syscall(number, 1, 1, header)  # SECCOMP_SET_MODE_FILTER, FILTER_FLAG_TSYNC
    return took == 0


def _filter(audit: int, column: int, own_pid: int) -> bytes:
    """The program: one table of refused calls, then the calls whose arguments decide."""
    lines = [_line(_LOAD, 0, 0, _AUDIT_AT), _line(_EQUAL, 1, 0, audit), _line(_GIVE, 0, 0, _KILL)]
    lines += [_line(_LOAD, 0, 0, _NUMBER_AT)]
    lines += [_line(_ABOVE, 0, 1, 0x40000000), _line(_GIVE, 0, 0, _REFUSE)]  # another way of calling (x32)
    lines += [_line(_EQUAL, 0, 1, _CLONE3), _line(_GIVE, 0, 0, _MISSING)]  # its flags cannot be read; libc uses clone
    for numbers in _REFUSED.values():
        call = numbers[column]
        if call is not None:
            lines += [_line(_EQUAL, 0, 1, call), _line(_GIVE, 0, 0, _REFUSE)]
    lines += _by_argument(_TGKILL[column], _FIRST_AT, (own_pid,), _ALLOW, _REFUSE)  # libc's raise and abort
    lines += _by_argument(_PRLIMIT64[column], _FIRST_AT, (0,), _ALLOW, _REFUSE)
    lines += _by_argument(_FCNTL[column], _SECOND_AT, _OWNERS, _REFUSE, _ALLOW)
    lines += [_line(_EQUAL, 0, 3, _CLONE[column]), _line(_LOAD, 0, 0, _FIRST_AT)]
    lines += [_line(_SOME, 1, 0, _CLONE_THREAD), _line(_GIVE, 0, 0, _REFUSE), _line(_GIVE, 0, 0, _ALLOW)]
    return b"".join(lines)


def _by_argument(call: int, offset: int, values: tuple[int, ...], among: int, otherwise: int) -> list[bytes]:
    """What a call is answered when the argument at `offset` is one of `values`, and when it is not."""
    many = len(values)
    lines = [_line(_EQUAL, 0, many + 3, call), _line(_LOAD, 0, 0, offset)]
    lines += [_line(_EQUAL, many - index, 0, value) for index, value in enumerate(values)]
    return [*lines, _line(_GIVE, 0, 0, otherwise), _line(_GIVE, 0, 0, among)]


def _line(code: int, yes: int, no: int, value: int) -> bytes:
    """One instruction; `yes` and `no` are the lines to skip."""
    return struct.pack("=HBBI", code, yes, no, value)
