"""What holds a box to its limits here: control groups of version 1 or 2 where we may make them, else the limits of single processes.

    memory   cgroup: all processes together.      prlimit: each process's own data, so no limit in sum
    pids     cgroup.                              prlimit: held for an ordinary user, whose count is per user namespace; void for root
    cpus     cgroup.                              without: not held

Which of them hold is found out by making a group, and is on record in every result.
"""

from __future__ import annotations

import os
import re
import resource
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spark.records import Limits

CONTROLLERS = {"memory": "memory", "pids": "pids", "cpus": "cpu"}
"""Our name of a limit → the kernel's name of its controller."""
_PERIOD_MICROSECONDS = 100_000
_REMOVE_TRIES = 100
_REMOVE_PAUSE_SECONDS = 0.02
_OWN_PROCESSES = 3  # the keeper, bwrap and pid 1 count as processes of the box's user namespace


class Group(NamedTuple):
    """The control groups of one box."""

    directories: tuple[str, ...] = ()

    def descriptors(self) -> list[int]:
        """Open files through which a process joins, one for each group; the caller closes them."""
        return [os.open(f"{directory}/cgroup.procs", os.O_WRONLY) for directory in self.directories]

    def remove(self) -> None:
        """Delete them as soon as the last process is gone; at most 2 s."""
        for directory in self.directories:
            for _ in range(_REMOVE_TRIES):
                try:
                    os.rmdir(directory)  # noqa: PTH106
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(_REMOVE_PAUSE_SECONDS)
                else:
                    break


class Groups:
    """Where groups can be made for which limit, found out once."""

    def __init__(self) -> None:
        first, second = candidates(_text(Path("/proc/self/mountinfo")), _text(Path("/proc/self/cgroup")))
        self.parents: dict[str, Path] = {limit: parent for limit, parent in first.items() if _works(limit, parent)}
        """Limit → the directory a box's group goes into."""
        missing = [limit for limit in CONTROLLERS if limit not in self.parents]
        best: dict[str, Path] = {}
        for parent in second if missing else ():
            # A process is in one group of version 2 only, so one parent must do for all that is missing.
            works = {limit: parent for limit in missing if _works(limit, parent)}
            best = max(best, works, key=len)
            if len(best) == len(missing):
                break
        self.parents |= best

    def make(self, name: str, limits: Limits) -> Group:
        """The groups of a box, with its limits set.

        Raises:
            OSError: they cannot be made any more.
        """
        made: dict[str, None] = {}
        for limit, parent in self.parents.items():
            directory = f"{parent}/{name}"
            if directory not in made:
                os.mkdir(directory)  # noqa: PTH102  # a box is opened in milliseconds, and each Path costs some microseconds
                made[directory] = None
            _set(limit, directory, limits)
        return Group(tuple(made))

    def rlimits(self, limits: Limits) -> list[tuple[int, int]]:
        """The limits of single processes that stand in for missing groups, and no core files."""
        wanted = [(resource.RLIMIT_CORE, 0)]
        if "memory" not in self.parents:
            wanted.append((resource.RLIMIT_DATA, limits.memory_mib * 2**20))
        if "pids" not in self.parents and _counts_by_namespace():
            wanted.append((resource.RLIMIT_NPROC, limits.pids + _OWN_PROCESSES))
        return wanted

    def held(self, *, network: bool) -> tuple[str, ...]:
        """The limits that are really enforced, for the record."""
        holds = {
            "memory": "memory" in self.parents,
            "pids": "pids" in self.parents or _counts_by_namespace(),
            "cpus": "cpus" in self.parents,
            "network": not network,
        }
        return tuple(name for name, held in holds.items() if held)

    def notes(self) -> tuple[str, ...]:
        """What falls short, in words."""
        facts = {
            "memory is limited for each process, not in sum: no control group can be made here": "memory" not in self.parents,
            "the number of processes is not limited: no control group can be made here": "pids" not in self.parents
            and not _counts_by_namespace(),
            "processor time is not limited: no control group can be made here": "cpus" not in self.parents,
        }
        return tuple(note for note, holds in facts.items() if holds)


def _counts_by_namespace() -> bool:
    """Whether RLIMIT_NPROC counts the processes of the box alone: since Linux 5.14, and never for root."""
    version = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    return os.geteuid() != 0 and version >= (5, 14)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def candidates(mounts: str, own: str) -> tuple[dict[str, Path], list[Path]]:
    """Where to try to make groups, for a process with these /proc/self/mountinfo and /proc/self/cgroup.

    Returns:
        Limit → its version 1 hierarchy; and for what is not there, the version 2 group the process is in and the ones above it, in order.
    """
    groups = [line.split(":", 2) for line in own.splitlines()]
    paths = {name: path for _, names, path in groups for name in names.split(",")}
    first: dict[str, Path] = {}
    second: list[Path] = []
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        kind, *_, options = right.split()
        if kind == "cgroup":
            for limit, controller in CONTROLLERS.items():
                if controller in options.split(",") and controller in paths:
                    first[limit] = _below(point, root, paths[controller])
        elif kind == "cgroup2":
            here = _below(point, root, paths.get("", "/"))
            second += [parent for parent in (here, *here.parents) if parent.is_relative_to(point)]
    return first, second


def _below(point: str, root: str, path: str) -> Path:
    relative = path.removeprefix(root.rstrip("/")) if path.startswith(root) else ""
    here = Path(point + "/" + relative.strip("/"))
    return here if here.is_dir() else Path(point)


def _works(limit: str, parent: Path) -> bool:
    """Whether a group can be made in `parent` whose limit can be set and which a process can join."""
    control = parent / "cgroup.subtree_control"
    if control.exists() and CONTROLLERS[limit] not in _text(control).split():
        with suppress(OSError):  # refused where processes live in this very group: then a group above may do
            control.write_text(f"+{CONTROLLERS[limit]}")
    group = Group((f"{parent}/spark-probe-{os.getpid()}-{secrets.token_hex(4)}",))
    try:
        Path(group.directories[0]).mkdir()
        _set(limit, group.directories[0], Limits())
        return os.access(f"{group.directories[0]}/cgroup.procs", os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK)
    except OSError:
        return False
    finally:
        group.remove()


def _set(limit: str, directory: str, limits: Limits) -> None:
    version_2 = os.access(f"{directory}/cgroup.controllers", os.F_OK)
    if limit == "memory":
        size = str(limits.memory_mib * 2**20)
        names = ("memory.max", "memory.swap.max") if version_2 else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        _write(f"{directory}/{names[0]}", size)
        with suppress(OSError):  # there is no such file without swap accounting
            _write(f"{directory}/{names[1]}", "0" if version_2 else size)
    elif limit == "pids":
        _write(f"{directory}/pids.max", str(limits.pids))
    else:
        quota = max(1_000, int(limits.cpus * _PERIOD_MICROSECONDS))
        if version_2:
            _write(f"{directory}/cpu.max", f"{quota} {_PERIOD_MICROSECONDS}")
        else:
            _write(f"{directory}/cpu.cfs_period_us", str(_PERIOD_MICROSECONDS))
            _write(f"{directory}/cpu.cfs_quota_us", str(quota))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
