"""Directories somebody else wrote: links, special files, digests, archives."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from task_dir import make

from spark.errors import TaskError
from spark.tasks import load_task
from spark.tree import scan, tree_archive


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("environment/passwd", "/etc/passwd"),
        ("environment/up", "../../elsewhere"),
        ("instruction.md", "/etc/hostname"),
        ("environment/answers", "../tests/test.sh"),
        ("tests/deep/er/link", "../../../../x"),
    ],
)
def test_links_out_are_refused(tmp_path: Path, link: str, target: str) -> None:
    root = make(tmp_path / "t")
    (root / link).unlink(missing_ok=True)
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(target)
    with pytest.raises(TaskError, match=link):
        load_task(root)


def test_a_link_to_a_link_out_is_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    (root / "environment/a").symlink_to("b")
    (root / "environment/b").symlink_to("../../..")
    with pytest.raises(TaskError, match=r"environment/a.*environment/b|environment/b.*environment/a"):
        load_task(root)


def test_a_whole_part_must_not_be_a_link(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    (root / "tests").rename(root / "other")
    (root / "tests").symlink_to("other")
    with pytest.raises(TaskError, match="tests is a link"):
        load_task(root)


def test_links_inside_are_kept(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    (root / "environment/current").symlink_to("Dockerfile")
    (root / "environment/loop").symlink_to("loop")
    before = load_task(root)
    (root / "environment/current").unlink()
    (root / "environment/current").symlink_to("nowhere-yet")
    assert load_task(root).image_digest != before.image_digest


def test_special_files_are_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    os.mkfifo(root / "environment/pipe")
    with pytest.raises(TaskError, match="environment/pipe is no file"):
        load_task(root)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """In a process that may not read just anything, as root may."""
    root = make(tmp_path / "t")
    (root / "tests/secret.txt").write_text("x")
    (root / "tests/secret.txt").chmod(0)
    (root / "solution").chmod(0)
    code = "import sys; from pathlib import Path; from spark.tasks import load_task; load_task(Path(sys.argv[1]))"
    humbly = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run([*humbly, sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=False)
    (root / "solution").chmod(0o755)
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("spark.errors.TaskError")
    assert "tests/secret.txt cannot be read" in last
    assert "solution/ cannot be read" in last


def test_the_digest_is_what_git_keeps(tmp_path: Path) -> None:
    one, two = make(tmp_path / "a" / "t"), make(tmp_path / "b" / "t")
    os.utime(two / "instruction.md", (1, 1))
    (two / "tests/test.sh").chmod(0o600)
    (two / "tests/__pycache__").mkdir()
    (two / "tests/__pycache__/x.pyc").write_bytes(b"x")
    (two / ".DS_Store").write_bytes(b"x")
    (two / ".git").mkdir()
    (two / ".git/HEAD").write_text("x")
    first, second = load_task(one), load_task(two)
    assert (first.digest, first.image_digest) == (second.digest, second.image_digest)

    (two / "tests/test.sh").chmod(0o755)
    executable = load_task(two)
    assert executable.digest != first.digest
    assert executable.image_digest == first.image_digest

    (two / "tests/test.sh").chmod(0o644)
    (two / "environment/data.csv").write_text("1\n")
    assert load_task(two).image_digest != first.image_digest


def test_moving_bytes_between_files_changes_the_digest(tmp_path: Path) -> None:
    one, two = make(tmp_path / "a" / "t"), make(tmp_path / "b" / "t")
    (one / "environment/x").write_text("ab")
    (one / "environment/y").write_text("c")
    (two / "environment/x").write_text("a")
    (two / "environment/y").write_text("bc")
    assert load_task(one).image_digest != load_task(two).image_digest


def test_a_huge_file_is_not_read_into_memory(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    with (root / "environment/huge.log").open("wb") as stream:
        stream.truncate(300_000_000)
    tracemalloc.start()
    load_task(root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_the_same_tree_makes_the_same_archive(tmp_path: Path) -> None:
    one, two = make(tmp_path / "a"), make(tmp_path / "b")
    for root in (one, two):
        (root / "solution/run.py").write_text("print(1)\n")
        (root / "solution/run.py").chmod(0o755)
        (root / "solution/link").symlink_to("run.py")
        (root / "solution/empty").mkdir()
    os.utime(two / "solution/run.py", (1, 1))
    (two / "solution/solve.sh").chmod(0o640)
    packed = tree_archive(one / "solution", "/solution")
    assert packed == tree_archive(two / "solution", "/solution")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = {member.name: member for member in archive.getmembers()}
        solve = archive.extractfile("solution/solve.sh")
        assert solve is not None
        assert solve.read() == b"echo 7 > /app/out.txt\n"
    assert sorted(members) == ["solution", "solution/empty", "solution/link", "solution/run.py", "solution/solve.sh"]
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
    assert [members[f"solution/{name}"].mode for name in ("run.py", "solve.sh", "empty")] == [0o755, 0o644, 0o755]
    assert members["solution/link"].linkname == "run.py"


def test_an_archive_never_follows_a_link_out(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/x").symlink_to("../secret")
    with pytest.raises(TaskError, match="out of"):
        tree_archive(tmp_path / "part", "part")


def test_many_problems_are_counted(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"link{number}").symlink_to("/etc")
    with pytest.raises(TaskError, match="and 10 more"):
        scan(tmp_path)
