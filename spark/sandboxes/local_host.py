"""What of the host is underneath a box: its system directories, and of /etc and /var what any program needs and anybody may know.

    /usr, /bin, /lib, …   the host's own, read-only. Left out: /usr/local, which is the administrator's and not the system's; and, where we
                          are root, every file that another user could not read, for in the box one would still be root
    /etc                  chosen names, and of those what everybody may read and what holds no password in a URL; no shadow, no keys,
                          no host names, no people: accounts of the system only
    /var, /opt, /home, …  empty directories as in a fresh image

It is made once for each state of the host and user, in the cache, and is the lowest layer of every image.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spark.sandboxes.local_changes import OPAQUE

LAYOUT = 1
"""Counts up when what is made here changes, so that old bases are not used."""
PYTHON_PREFIX = "/opt/python"
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = re.compile(
    r"alternatives|bash\.bashrc|ca-certificates(\.conf)?|crypto-policies|debian_version|fonts|gai\.conf|host\.conf|inputrc|issue|java.*"
    r"|ld\.so\.(cache|conf|conf\.d)|locale\.(alias|conf|gen)|localtime|login\.defs|magic(\.mime)?|mime\.types|mke2fs\.conf|networks"
    r"|perl|pki|protocols|python3.*|rpc|services|sgml|shells|skel|ssl|terminfo|timezone|vim|xattr\.conf|xml|(lsb|os|[a-z]+)-release"
)
_PASSWORD_IN_URL = re.compile(rb"://[^/\s:@]+:[^/\s@]+@")
_MAX_ETC_FILE_BYTES = 4_000_000
_EMPTY = re.findall(
    r"\S+",
    "app dev etc home logs media mnt opt proc root run run/lock solution srv sys tests tmp usr "
    "var var/backups var/cache var/lib var/local var/log var/mail var/opt var/spool var/tmp",
)
_LOCAL = ("bin", "etc", "games", "include", "lib", "sbin", "share", "share/man", "src")
_SKELETON_DEPTH = 3
_SYSTEM_ID = 1_000
_NOBODY = 65_534
_STATE = (
    "/var/lib/dpkg/status",
    "/lib/apk/db/installed",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/pacman/local",
    "/etc/ld.so.cache",
    "/usr/bin",
)
_FILES = {
    "etc/hostname": "box\n",
    "etc/hosts": "127.0.0.1 localhost box\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/nsswitch.conf": "".join(f"{name}: files\n" for name in ("passwd", "group", "shadow")) + "hosts: files dns\n",
    "etc/resolv.conf": "",
}


class Base(NamedTuple):
    """The lowest layer."""

    name: str
    """What it is called in results: `host:debian-12.11`."""
    mounts: tuple[str, ...]
    """Top directories of the host that are shown."""
    python: str | None
    """The Python to bind at /opt/python where the system has none that is new enough."""
    hidden: tuple[str, ...]
    """What must be covered because an unprivileged user of the host could not read it."""


def host_name() -> str:
    """The host's system, as in `host:debian-12.11`."""
    release = platform.freedesktop_os_release()
    version = release.get("VERSION_ID", "")
    if release.get("ID") == "debian":
        with suppress(OSError):
            version = Path("/etc/debian_version").read_text().strip() or version
    return f"host:{release.get('ID', 'linux')}" + (f"-{version}" if version else "")


def host_identity() -> str:
    """Hex; another one whenever the system underneath, its Python, our user or this module has changed."""
    facts: list[object] = [LAYOUT, host_name(), platform.machine(), os.geteuid(), sys.base_prefix, sys.version]
    for path in (*_STATE, os.path.realpath("/usr/bin/python3")):
        with suppress(OSError):
            found = os.stat(path)  # noqa: PTH116
            facts.append((path, found.st_mtime_ns, found.st_size))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def make_base(directory: Path, *, copied: bool) -> Base:
    """Write the lowest layer into `directory`, one subdirectory for each mount; with `copied`, only what boxes copy.

    Raises:
        OSError: the disk is full, or keeps no extended attributes (which `copied` does without).
    """
    root = directory / "root"
    root.mkdir()
    root.chmod(0o755)
    for name in _EMPTY:
        _folder(root / name, 0o1777 if name in ("tmp", "var/tmp") else 0o700 if name == "root" else 0o755)
    (root / "var/run").symlink_to("/run")
    (root / "var/lock").symlink_to("/run/lock")
    mounts = tuple(_system_directories(root))
    _write_etc(root / "etc")
    hidden = tuple(_unreadable(mounts))
    python = _python()
    if copied:
        _make_local(directory / "usr.local", python)
        _folder(directory / "empty")
    else:
        _overlay_layers(directory, mounts, hidden)
        _make_local(directory / "usr/local", python)
        os.setxattr(directory / "usr/local", OPAQUE, b"y")
    if python:
        _folder(root / PYTHON_PREFIX.lstrip("/"))
    base = Base(host_name(), mounts, python, hidden)
    (directory / "base.json").write_text(json.dumps(base._asdict()))
    return base


def read_base(directory: Path) -> Base:
    """What `make_base` wrote down."""
    found = json.loads((directory / "base.json").read_text())
    return Base(found["name"], tuple(found["mounts"]), found["python"], tuple(found["hidden"]))


def _folder(path: Path, mode: int = 0o755) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(mode)


def _system_directories(root: Path) -> Iterable[str]:
    for name in _SYSTEM:
        here = Path("/") / name
        if here.is_symlink():
            (root / name).symlink_to(here.readlink())
        elif here.is_dir():
            _folder(root / name)
            yield name


def _write_etc(etc: Path) -> None:
    with os.scandir("/etc") as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if _ETC.fullmatch(entry.name):
                copy_public(Path(entry.path), etc / entry.name)
    for name, text in _FILES.items():
        target = etc.parent / name
        target.unlink(missing_ok=True)
        target.write_text(text)
    (etc / "mtab").symlink_to("/proc/self/mounts")
    people = [user for user in pwd.getpwall() if user.pw_uid and (user.pw_uid < _SYSTEM_ID or user.pw_uid == _NOBODY)]
    lines = ["root:x:0:0:root:/root:/bin/bash"]
    lines += [f"{user.pw_name}:x:{user.pw_uid}:{user.pw_gid}:{user.pw_name}:{user.pw_dir}:{user.pw_shell}" for user in people]
    (etc / "passwd").write_text("\n".join(lines) + "\n")
    groups = [group for group in grp.getgrall() if group.gr_gid < _SYSTEM_ID or group.gr_gid == _NOBODY]
    (etc / "group").write_text("".join(f"{group.gr_name}:x:{group.gr_gid}:\n" for group in groups))


def copy_public(source: Path, target: Path) -> None:
    """A copy of what everybody may read, less files with a password in a URL; owners are ours."""
    found = source.lstat()
    if stat.S_ISLNK(found.st_mode):
        target.symlink_to(source.readlink())
    elif stat.S_ISDIR(found.st_mode) and found.st_mode & 0o005 == 0o005:
        _folder(target)
        for child in source.iterdir():
            copy_public(child, target / child.name)
    elif stat.S_ISREG(found.st_mode) and found.st_mode & 0o004 and found.st_size <= _MAX_ETC_FILE_BYTES:
        content = source.read_bytes()
        if not _PASSWORD_IN_URL.search(content):
            target.write_bytes(content)
            target.chmod(found.st_mode & 0o755)
            os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))  # compiled Python is valid by it


def _unreadable(mounts: Iterable[str]) -> Iterable[str]:
    """Where we are root: what others may not read."""
    for mount in () if os.geteuid() else mounts:
        for folder, directories, files in os.walk(f"/{mount}"):
            for name in [*files, *directories]:
                path = f"{folder}/{name}"
                mode = os.lstat(path).st_mode
                readable = mode & 0o005 == 0o005 if stat.S_ISDIR(mode) else mode & 0o004
                if readable or stat.S_ISLNK(mode) or path.startswith("/usr/local/"):
                    continue
                yield path
                if name in directories:
                    directories.remove(name)


def _overlay_layers(directory: Path, mounts: Iterable[str], hidden: Iterable[str]) -> None:
    for mount in mounts:
        _folder(directory / mount)
        if os.geteuid():
            _skeleton(Path("/") / mount, directory / mount)
    for path in hidden:
        whiteout = directory / path.lstrip("/")
        whiteout.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(whiteout, stat.S_IFCHR, 0)


def _skeleton(system: Path, layer: Path) -> None:
    """Where we are not root, the host's directories belong to nobody in the box. Empty ones of ours over them make the upper levels
    writable: files there can then be added, replaced and deleted, though not changed in place."""
    for folder, directories, _ in os.walk(system):
        inner = Path(folder).relative_to(system)
        if len(inner.parts) >= _SKELETON_DEPTH:
            directories.clear()
        _folder(layer / inner)


def _make_local(local: Path, python: str | None) -> None:
    """An empty /usr/local, but for names of Python that images have and the host may lack."""
    shutil.rmtree(local, ignore_errors=True)
    _folder(local)
    for name in _LOCAL:
        _folder(local / name)
    target = f"{PYTHON_PREFIX}/bin/python3" if python else "/usr/bin/python3"
    names = ("python3", "python") if python else () if Path("/usr/bin/python").exists() else ("python",)
    for name in names:
        (local / "bin" / name).symlink_to(target)


def _python() -> str | None:
    """The prefix of a Python to bring along, if the system's own is missing or older than 3.11."""
    try:
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
            env={},
            check=False,
            capture_output=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return sys.base_prefix
    return None if done.returncode == 0 else sys.base_prefix


def make_packages(directory: Path) -> None:
    """What apt and dpkg need to know of the host, as a layer of its own: only images that run them have it."""
    root = directory / "root"
    for name in ("etc", "var", "var/lib", "var/lib/apt", "var/lib/apt/lists", "var/lib/apt/lists/partial", "var/log", "var/log/apt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("var/cache", "var/cache/apt", "var/cache/apt/archives", "var/cache/apt/archives/partial"):
        (root / name).mkdir(parents=True, exist_ok=True)
    copy_public(Path("/etc/apt"), root / "etc/apt")
    copy_public(Path("/etc/dpkg"), root / "etc/dpkg")
    copy_public(Path("/var/lib/dpkg"), root / "var/lib/dpkg")
    for path in (root, *root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
