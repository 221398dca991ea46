"""Real task directories, good and bad, one and many."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from task_dir import make

from spark.errors import RequestError, TaskError, UnsupportedTask
from spark.records import Task
from spark.tasks import find_tasks, load_task


@pytest.mark.parametrize("missing", ["task.toml", "instruction.md", "environment/Dockerfile", "tests/test.sh"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    root = make(tmp_path / "t")
    (root / missing).unlink()
    with pytest.raises(TaskError, match=missing):
        load_task(root)


def test_a_task_without_solution_loads(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    shutil.rmtree(root / "solution")
    assert load_task(root).name == "t"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b" \n\n", "empty"), (b"ok \xff no", "byte 0xff at offset 3"), (b"x" * 200_001, "200000"), (b"<!-- a canary -->\n\n", "empty")],
)
def test_instructions_nobody_can_follow(tmp_path: Path, content: bytes, said: str) -> None:
    root = make(tmp_path / "t")
    (root / "instruction.md").write_bytes(content)
    with pytest.raises(TaskError, match=said):
        load_task(root)


def test_canary_lines_are_not_shown(tmp_path: Path) -> None:
    root = make(tmp_path / "t")
    (root / "instruction.md").write_bytes(b"<!-- benchmark CANARY 1 -->\r\n# canary 2\r\n\r\nDo it.\r\n# canary in the text\r\n")
    assert load_task(root).instruction == "Do it.\n# canary in the text\n"


@pytest.mark.parametrize("name", ["with space", "-rf", "ü", "x" * 101])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(TaskError, match="wanted a name"):
        load_task(make(tmp_path / name))


def folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        make(tmp_path / "tasks" / name)
    (tmp_path / "tasks/.git").mkdir()
    (tmp_path / "tasks/README.md").write_text("x")
    (tmp_path / "tasks/helpers").mkdir()
    return tmp_path / "tasks"


def names(tasks: list[Task]) -> list[str]:
    return [task.name for task in tasks]


def test_find_one_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = folder(tmp_path, "b", "a", "c")
    assert names(find_tasks(tasks)) == ["a", "b", "c"]
    assert names(find_tasks(tasks / "b")) == ["b"]
    assert names(find_tasks(tasks, only=["c", "a"])) == ["a", "c"]
    assert names(find_tasks(tasks, exclude=["c"])) == ["a", "b"]
    monkeypatch.chdir(tasks / "a")
    assert names(find_tasks(Path())) == ["a"]


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    tasks = folder(tmp_path, "csv-repair", "log-shift")
    with pytest.raises(RequestError, match="'csv-repare'") as refused:
        find_tasks(tasks, only=["csv-repare", "log-shift"])
    assert refused.value.hint == "did you mean csv-repair?"
    with pytest.raises(RequestError, match="'zzz'"):
        find_tasks(tasks, exclude=["zzz"])
    with pytest.raises(RequestError, match="left"):
        find_tasks(tasks, exclude=["csv-repair", "log-shift"])


def test_no_task_at_all_says_what_a_task_looks_like(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(TaskError) as refused:
            find_tasks(path)
        assert "task.toml" in refused.value.hint
    (tmp_path / "file").write_text("x")
    with pytest.raises(TaskError, match="Not a directory"):
        find_tasks(tmp_path / "file")


def test_every_broken_task_of_a_folder_is_listed(tmp_path: Path) -> None:
    tasks = folder(tmp_path, "good", "no-toml", "windows", "bad-toml")
    (tasks / "no-toml/task.toml").unlink()
    (tasks / "windows/task.toml").write_text('[environment]\nos = "windows"')
    (tasks / "bad-toml/task.toml").write_text("x =")
    with pytest.raises(TaskError) as refused:
        find_tasks(tasks)
    assert not isinstance(refused.value, UnsupportedTask)
    said = refused.value.message
    assert "3 of 4" in said
    assert all(name in said for name in ("no-toml", "windows", "bad-toml"))
    assert names(find_tasks(tasks, only=["good"])) == ["good"]


def test_a_link_to_a_task_keeps_the_name_of_the_link(tmp_path: Path) -> None:
    tasks = folder(tmp_path, "a")
    make(tmp_path / "away")
    (tasks / "linked").symlink_to("../away")
    found = find_tasks(tasks)
    assert names(found) == ["a", "linked"]
    assert found[1].path == str((tmp_path / "away").resolve())
