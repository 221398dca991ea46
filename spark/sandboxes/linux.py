"""The few Linux calls Python does not have, by way of libc. Every failure is an OSError with its errno."""

from __future__ import annotations

import ctypes
import os
import platform
import socket

NEW_MOUNT, NEW_CGROUP, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
NO_MAGIC_LINKS, NO_SYMLINKS, BENEATH, IN_ROOT = 0x02, 0x04, 0x08, 0x10
PROC_MAGIC = 0x9FA0
_CLOSE_RANGE, _OPENAT2 = 436, 437  # one number on all architectures
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING = 1
_SET_DUMPABLE, _CAPBSET_READ, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 4, 23, 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_OPENAT2_TRIES = 200
_MAX_DESCRIPTORS = 16
_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _checked(result: int, what: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what or None)
    return result


def unshare(namespaces: int) -> None:
    """Leave namespaces for fresh ones."""
    _checked(_libc.unshare(namespaces))


def enter(pidfd: int, namespaces: int) -> None:
    """Join the namespaces of the process behind `pidfd` (Linux 5.8); the pid namespace counts for children only."""
    _checked(_libc.setns(pidfd, namespaces))


def keep_capabilities(mask: int) -> None:
    """Have exactly these capabilities, effective and permitted; inherit none."""
    words = (ctypes.c_uint32 * 6)(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0, mask >> 32, mask >> 32, 0)
    _checked(_libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), words))


def bound_capabilities(mask: int) -> None:
    """No program started from here on gains any other capability."""
    for capability in range(64):
        if not mask >> capability & 1 and _libc.prctl(_CAPBSET_READ, capability, 0, 0, 0) == 1:
            _checked(_libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0))


def seal() -> None:
    """No new privileges, no tracing by others, no keys of the session we came from."""
    _checked(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0))
    if keyctl := _KEYCTL.get(platform.machine()):
        _libc.syscall(keyctl, _JOIN_SESSION_KEYRING, None)  # fails where the kernel has no keyrings: then there are none to lose


def close_from(lowest: int) -> None:
    """Close every descriptor from `lowest` on (Linux 5.9)."""
    _checked(_libc.syscall(_CLOSE_RANGE, lowest, 0xFFFFFFFF, 0))


def receive(channel: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """One packet, and the descriptors that came with it, which no program started from here inherits."""
    packet, fds, _, _ = socket.recv_fds(channel, size, _MAX_DESCRIPTORS)
    for fd in fds:
        os.set_inheritable(fd, False)
    return packet, fds


def hide_arguments() -> None:
    """Blank our command line, which any process that sees ours in /proc could read."""
    with open("/proc/self/stat", "rb") as stat:  # noqa: PTH123  # pathlib is not worth its import in a program this small
        fields = stat.read().rpartition(b") ")[2].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memset(start, 0, end - start)


def open_inside(root: int, path: str | bytes, flags: int, *, mode: int = 0, resolve: int = IN_ROOT | NO_MAGIC_LINKS) -> int:
    """Open `path` as if the directory `root` were `/`: no link, `..` or race leads out of it (openat2, Linux 5.6)."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    for _ in range(_OPENAT2_TRIES):
        fd: int = _libc.syscall(_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        if ctypes.get_errno() != 11:  # EAGAIN: something was renamed meanwhile, so the kernel could not be sure
            break
    return _checked(-1, os.fsdecode(path))


def names_in(directory: int) -> list[str]:
    """What the open directory holds."""
    return os.listdir(directory)


def file_system(fd: int) -> int:
    """The magic number of the file system `fd` lies on."""
    buffer = (ctypes.c_long * 64)()
    _checked(_libc.fstatfs(fd, buffer))
    return buffer[0]
