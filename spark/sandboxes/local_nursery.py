"""The nursery: one small process with one thread for each process of ours, from which the keepers of the boxes are forked.

Forking it is cheap and safe, where forking us, with our threads and our size, is neither. It ends when we do, however we end.
"""

from __future__ import annotations

import gc
import marshal
import os
import select
import signal
import socket
from typing import Any, NoReturn

from spark.sandboxes.linux import NEW_USER, hide_arguments, receive, unshare
from spark.sandboxes.local_keeper import PACKET_BYTES, Keeper


def main(fd: int) -> None:
    """One keeper for each packet on the socket `fd`, until its sender is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    hide_arguments()
    gc.disable()
    gc.freeze()  # a collection would write to every page that a fork shares
    orders = socket.socket(fileno=fd)
    orders.set_inheritable(False)
    owner = os.pidfd_open(os.getppid())
    while True:
        ready, _, _ = select.select([orders, owner], [], [])
        if owner in ready:
            return
        packet, fds = receive(orders, PACKET_BYTES)
        if not packet:
            return
        _fork_keeper(packet, fds, owner)


def _fork_keeper(packet: bytes, fds: list[int], owner: int) -> None:
    spec: dict[str, Any] = marshal.loads(packet)
    apart, tell_apart = os.pipe()
    mapped, tell_mapped = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(tell_mapped)
        _become_keeper(spec, fds, owner, tell_apart, mapped)
    for fd in (tell_apart, mapped, *fds):
        os.close(fd)
    try:
        if os.read(apart, 1):
            _map_users(pid, spec["users"])
            os.write(tell_mapped, b"ok")
    except OSError as error:
        os.write(tell_mapped, f"a user namespace with {spec['users']} users is refused: {error.strerror}".encode())
    os.close(apart)
    os.close(tell_mapped)


def _become_keeper(spec: dict[str, Any], fds: list[int], owner: int, tell_apart: int, mapped: int) -> NoReturn:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        orders = socket.socket(fileno=fds[0])
        try:
            unshare(NEW_USER)
            os.write(tell_apart, b"1")
            answer = os.read(mapped, 1_000)
            # No child of this namespace may ever exist: written while we still have the capability, which no command has.
            _write("/proc/sys/user/max_user_namespaces", "0")
        except OSError as error:
            answer = f"a user namespace of its own is refused: {error}".encode()
        if answer == b"ok":
            os.close(tell_apart)
            os.close(mapped)
            Keeper(orders, spec, fds[1:], owner).run()
        else:
            orders.send(b"!" + answer)
    finally:
        os._exit(0)


def _map_users(pid: int, users: int) -> None:
    """The low `users` one to one where we may (root), else root alone, who is us."""
    if users > 1:
        _write(f"/proc/{pid}/uid_map", f"0 0 {users}")
        _write(f"/proc/{pid}/gid_map", f"0 0 {users}")
        return
    _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/uid_map", f"0 {os.geteuid()} 1")
    _write(f"/proc/{pid}/gid_map", f"0 {os.getegid()} 1")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
