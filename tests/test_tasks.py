"""Real task directories, good and bad."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from spark.errors import RequestError, TaskError, UnsupportedTask
from spark.records import Task
from spark.tasks import fill_env, find_tasks, load_task, resolve_env
from spark.tree import scan, tree_archive

OLD = """version = "1.0"
[metadata]
difficulty = "hard"
tags = ["stl", "csv"]
anything = { goes = 1 }
[agent]
timeout_sec = 120.5
user = 1000
[verifier]
timeout_sec = 60
[environment]
build_timeout_sec = 30
cpus = 2
memory = "1.5G"
storage = "10G"
allow_internet = false
"""
NEW = """schema_version = "1.4"
artifacts = ["/app/out.json", {source = "/app/dir/", exclude = ["*.tmp"], service = "main"}]
[task]
name = "org/name"
keywords = ["stl", "more"]
[verifier]
environment_mode = "separate"
env = {GRADE = "${GRADE:-a:-b}"}
[environment]
memory_mb = 512
network_mode = "no-network"
workdir = "/app"
skills_dir = "/skills"
env = {HOME_TOWN = "${TOWN}", PLAIN = "a ${TOWN}"}
[solution.env]
SEED = "7"
"""


def make(root: Path, toml: str = 'schema_version = "1.4"\n') -> Path:
    """A sound task at `root`."""
    for part in ("environment", "tests", "solution"):
        (root / part).mkdir(parents=True)
    (root / "instruction.md").write_text("Write 7 to /app/out.txt.\n")
    (root / "task.toml").write_text(toml)
    (root / "environment/Dockerfile").write_text("FROM debian:bookworm-slim\n")
    (root / "tests/test.sh").write_text("echo 1 > /logs/verifier/reward.txt\n")
    (root / "solution/solve.sh").write_text("echo 7 > /app/out.txt\n")
    return root


def test_old_names(tmp_path: Path) -> None:
    task = load_task(make(tmp_path / "old-one", OLD))
    limits = task.limits
    assert (limits.agent_seconds, limits.verifier_seconds, limits.build_seconds) == (120.5, 60, 30)
    assert (limits.memory_mib, limits.cpus, limits.network) == (1536, 2.0, False)
    assert (task.name, task.agent_user, task.difficulty, task.tags) == ("old-one", "1000", "hard", ("stl", "csv"))
    assert task.warnings == ()


def test_new_names(tmp_path: Path) -> None:
    task = load_task(make(tmp_path / "new", NEW))
    assert task.outputs == ("/app/out.json", "/app/dir", "/logs/artifacts")
    assert (task.workdir, task.ships_skills, task.limits.memory_mib, task.limits.network) == ("/app", "/skills", 512, False)
    assert task.tags == ("stl", "more")
    assert task.env["HOME_TOWN"] == "${TOWN}"
    assert len(task.warnings) == 1
    assert "exclude" in task.warnings[0]


def test_the_shortest_task_has_network_and_the_default_limits(tmp_path: Path) -> None:
    task = load_task(make(tmp_path / "short", ""))
    assert task.limits.network
    assert task.limits.agent_seconds == 600
    assert task.outputs == ()


@pytest.mark.parametrize(
    ("toml", "outputs"),
    [
        ('artifacts = ["/a/b"]', ("/a/b",)),
        ('artifacts = ["/a/b"]\n[verifier]\nenvironment_mode = "shared"', ()),
        ('[verifier]\nenvironment_mode = "separate"', ("/logs/artifacts",)),
    ],
)
def test_outputs_follow_the_verifier_mode(tmp_path: Path, toml: str, outputs: tuple[str, ...]) -> None:
    assert load_task(make(tmp_path / "t", toml)).outputs == outputs


def test_new_network_name_beats_the_old_one(tmp_path: Path) -> None:
    task = load_task(make(tmp_path / "t", '[environment]\nallow_internet = false\nnetwork_mode = "public"'))
    assert task.limits.network


def test_unknown_keys_warn(tmp_path: Path) -> None:
    task = load_task(
        make(tmp_path / "t", 'shiny = 1\nschema_version = "1.9"\n[agent]\nmood = "good"\n[environment.healthcheck]\ncommand = "true"')
    )
    warned = " / ".join(task.warnings)
    assert "'shiny'" in warned
    assert "'agent.mood'" in warned
    assert "1.9" in warned
    assert "healthcheck" in warned


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[[steps]]\nname = "one"', "multi-step"),
        ('[environment]\nos = "Windows"', "Windows"),
        ("[environment]\ngpus = 1", "gpus = 1"),
        ('[environment.tpu]\ntype = "v6e"\ntopology = "2x2"', "tpu"),
        ('[[environment.mcp_servers]]\nname = "x"', "mcp_servers"),
        ('[environment]\nnetwork_mode = "allowlist"\nallowed_hosts = ["example.com"]', "allowlist"),
        ('[agent]\nnetwork_mode = "no-network"', "network of its own for the agent"),
        ("[verifier.environment]\ncpus = 1", "[verifier.environment]"),
        ('[[verifier.collect]]\ncommand = "true"', "collect hooks"),
        ('artifacts = [{source = "/x", service = "db"}]', "sidecar service 'db'"),
        ('schema_version = "2.0"', "schema '2.0'"),
    ],
)
def test_what_is_not_run_is_refused_by_name(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(UnsupportedTask, match="not run here") as refused:
        load_task(make(tmp_path / "t", toml))
    assert said in refused.value.message


def test_all_reasons_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedTask) as refused:
        load_task(make(tmp_path / "t", '[environment]\nos = "windows"\ngpus = 2'))
    assert "Windows" in refused.value.message
    assert "gpus = 2" in refused.value.message


@pytest.mark.parametrize(
    ("toml", "added", "removed", "said"),
    [
        ("", "environment/docker-compose.yaml", "", "compose"),
        ("", "steps/one/instruction.md", "instruction.md", "steps/"),
        ('[verifier]\nenvironment_mode = "separate"', "tests/Dockerfile", "", "tests/Dockerfile"),
        ('[environment]\ndocker_image = "debian:bookworm-slim"', "", "environment/Dockerfile", "prebuilt image"),
    ],
)
def test_files_that_are_not_run(tmp_path: Path, toml: str, added: str, removed: str, said: str) -> None:
    root = make(tmp_path / "t", toml)
    if added:
        (root / added).parent.mkdir(parents=True, exist_ok=True)
        (root / added).write_text("x\n")
    if removed:
        (root / removed).unlink()
    with pytest.raises(UnsupportedTask) as refused:
        load_task(root)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("a = [1,\nb = 2\n", "line 2"),
        ('[agent]\ntimeout_sec = "ten"', "agent.timeout_sec: should be a valid number, found 'ten'"),
        ("[agent]\ntimeout_sec = inf", "agent.timeout_sec"),
        ("[agent]\ntimeout_sec = 0", "greater than 0, found 0"),
        ("[environment]\ncpus = true", "environment.cpus"),
        ("version = 1.0", "schema_version: should be a valid string, found 1.0"),
        ('[environment]\nmemory = "two"', "found 'two'"),
        ('[environment]\nmemory = "2G"\nmemory_mb = 1000', "disagree"),
        ('[environment]\nworkdir = "app"', "environment.workdir"),
        ('[environment]\nnetwork_mode = "none"', "'no-network'"),
        ("agent = 3", "agent: should be"),
        ('artifacts = ["out.txt"]', "absolute path"),
        ('artifacts = ["/app/../etc"]', "absolute path"),
        ('artifacts = ["/"]', "absolute path"),
    ],
)
def test_mistakes_in_the_toml_are_located(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(TaskError) as refused:
        load_task(make(tmp_path / "t", toml))
    assert not isinstance(refused.value, UnsupportedTask)
    assert said in refused.value.message


def test_every_wrong_type_is_named_and_no_value_of_an_environment(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as refused:
        load_task(make(tmp_path / "t", "[agent]\ntimeout_sec = []\n[environment]\nmemory_mb = 1.5\n[verifier.env]\nTOKEN = 918273"))
    said = refused.value.message
    assert "agent.timeout_sec" in said
    assert "environment.memory_mb" in said
    assert "verifier.env.TOKEN" in said
    assert "918273" not in said


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


@pytest.mark.parametrize("name", ["with space", "-rf", "ü", "x" * 101])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(TaskError, match="wanted a name"):
        load_task(make(tmp_path / name))


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


def test_templates_are_filled_from_the_given_mapping_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWN", "not this")
    task = load_task(make(tmp_path / "t", NEW))
    filled = fill_env(task, {"TOWN": "Ulm"})
    assert filled.env == {"HOME_TOWN": "Ulm", "PLAIN": "a ${TOWN}"}
    assert filled.verifier_env == {"GRADE": "a:-b"}
    assert filled.digest == task.digest
    with pytest.raises(RequestError, match="TOWN"):
        fill_env(task, {})


def test_only_the_oracle_needs_the_environment_of_the_solution(tmp_path: Path) -> None:
    task = load_task(make(tmp_path / "t", '[solution.env]\nA = "${A}"\nB = "${B:-}"'))
    filled = fill_env(task, {})
    assert filled.solution_env == {"A": "${A}", "B": ""}
    with pytest.raises(RequestError, match="oracle wants environment variables that are not set: A"):
        resolve_env(filled.solution_env, {}, where="the oracle")
