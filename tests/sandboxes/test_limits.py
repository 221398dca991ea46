"""Finding out where limits can be held: by what the kernel says of its control groups, and by trying."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from spark.records import Limits
from spark.sandboxes.limits import Groups, candidates

LINE = "36 25 0:32 {root} {point} rw,nosuid shared:10 - {kind} {kind} rw,{options}\n"


def mounts(*lines: tuple[str, str, Path, str]) -> str:
    """/proc/self/mountinfo with (kind, root, mount point, options) and something else besides."""
    return "25 1 8:1 / / rw - ext4 /dev/vda rw\n" + "".join(
        LINE.format(kind=kind, root=root, point=point, options=options) for kind, root, point, options in lines
    )


def test_version_1(tmp_path: Path) -> None:
    for name in ("memory/user.slice", "cpu,cpuacct", "pids"):
        (tmp_path / name).mkdir(parents=True)
    text = mounts(
        ("cgroup", "/", tmp_path / "memory", "memory"),
        ("cgroup", "/", tmp_path / "cpu,cpuacct", "cpu,cpuacct"),
        ("cgroup", "/", tmp_path / "pids", "pids"),
        ("cgroup", "/", tmp_path / "freezer", "freezer"),
    )
    found = candidates(text, "4:memory:/user.slice\n3:cpu,cpuacct:/\n2:pids:/gone.slice\n1:name=systemd:/x\n")
    assert found == ({"memory": tmp_path / "memory/user.slice", "cpus": tmp_path / "cpu,cpuacct", "pids": tmp_path / "pids"}, [])


def test_version_2_climbs(tmp_path: Path) -> None:
    """A group with processes in it can have no children with limits, so the ones above are tried after it."""
    (tmp_path / "user.slice/app.scope").mkdir(parents=True)
    found = candidates(mounts(("cgroup2", "/", tmp_path, "nsdelegate")), "0::/user.slice/app.scope\n")
    assert found == ({}, [tmp_path / "user.slice/app.scope", tmp_path / "user.slice", tmp_path])


def test_both_versions_and_a_mount_of_a_part(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two/inner").mkdir(parents=True)
    text = mounts(("cgroup", "/docker/abc", tmp_path / "one", "memory"), ("cgroup2", "/docker/abc", tmp_path / "two", "x"))
    found = candidates(text, "1:memory:/docker/abc\n0::/docker/abc/inner\n")
    assert found == ({"memory": tmp_path / "one"}, [tmp_path / "two/inner", tmp_path / "two"])


@pytest.mark.parametrize(("text", "own"), [("", ""), ("25 1 8:1 / / rw - ext4 /dev/vda rw\n", "0::/\n")])
def test_no_groups_at_all(text: str, own: str) -> None:
    assert candidates(text, own) == ({}, [])


def test_what_holds_is_what_could_be_made() -> None:
    """On this very machine: what is called held was made and set, and what was not is named in a note."""
    groups = Groups()
    limits = Limits(memory_mib=64, pids=20, cpus=0.5)
    made = groups.make(f"spark-test-limits-{os.getpid()}", limits)
    try:
        held = set(groups.held(network=False))
        assert set(groups.parents) | {"network"} <= held | {"pids"}
        assert len(groups.notes()) == len({"memory", "pids", "cpus"} - held)
        written = {
            path.read_text().strip() for directory in made.directories for path in Path(directory).iterdir() if path.name in READABLE
        }
        wanted = {"memory": str(64 * 2**20), "pids": "20"}
        assert {value for name, value in wanted.items() if name in groups.parents} <= written
    finally:
        made.remove()
    assert not [directory for directory in made.directories if Path(directory).exists()]


READABLE = {"memory.max", "memory.limit_in_bytes", "pids.max"}


def test_without_groups_single_processes_are_limited() -> None:
    groups = Groups()
    groups.parents = {}
    limits = dict(groups.rlimits(Limits(memory_mib=64, pids=20)))
    assert limits[resource.RLIMIT_CORE] == 0
    assert limits[resource.RLIMIT_DATA] == 64 * 2**20
    assert (resource.RLIMIT_NPROC in limits) == (os.geteuid() != 0), "root is not bound by it"
    assert "memory" not in groups.held(network=True)
    assert any("sum" in note for note in groups.notes())
