"""What goes wrong at the command line: the exit code, a message that says what was wanted and found, a hint, and never a traceback."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import loopback
import mind
import pytest

from spark.store import RunDir


def spark(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`spark distill` in a folder of its own, with nothing of this machine's environment but the path."""
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), **environment}
    command = [sys.executable, "-m", "spark", "distill", *arguments]
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    mind.number_tasks(tmp_path / "tasks", 2)
    return tmp_path / "tasks"


def test_no_task_and_no_run(tmp_path: Path) -> None:
    done = spark(cwd=tmp_path)
    assert done.returncode == 2
    assert "no tasks were named" in done.stderr
    assert "hint:" in done.stderr


def test_no_model(tasks: Path, tmp_path: Path) -> None:
    done = spark(str(tasks), cwd=tmp_path)
    assert done.returncode == 2
    assert "--model" in done.stderr


def test_no_key_for_an_endpoint_elsewhere(tasks: Path, tmp_path: Path) -> None:
    done = spark(str(tasks), "--model", "m", "--base-url", "https://models.example/v1", cwd=tmp_path)
    assert done.returncode == 3
    assert "OPENAI_API_KEY" in done.stderr
    assert not list(tmp_path.glob("runs/*")), "nothing was begun"


def test_a_broken_task_toml(tasks: Path, tmp_path: Path) -> None:
    (tasks / "number-00" / "task.toml").write_text("schema_version = \n")
    done = spark(str(tasks), "--model", "m", cwd=tmp_path)
    assert done.returncode == 2
    assert "number-00" in done.stderr
    assert "line 1" in done.stderr


def test_a_link_out_of_the_task(tasks: Path, tmp_path: Path) -> None:
    (tasks / "number-00" / "environment" / "shadow").symlink_to("/etc/shadow")
    done = spark(str(tasks), "--model", "m", cwd=tmp_path)
    assert done.returncode == 2
    assert "/etc/shadow" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--verify", "hard"], "verify"),
        (["--pdi", "maybe"], "pdi.policy"),
        (["--tool-mode", "x"], "tool_mode"),
        (["--max-retries", "0"], "max-retries"),
        (["--timeout-multiplier", "-1"], "timeout_multiplier"),
        (["--tasks", "number-7"], "number-0"),
        (["--sandbox", "dokcer"], "docker"),
        (["--agent", "bsh"], "bash"),
        (["--no-such-flag"], "no-such-flag"),
        (["--replay", "nowhere"], "nowhere"),
    ],
)
def test_flags_that_make_no_sense(tasks: Path, tmp_path: Path, flags: list[str], said: str) -> None:
    done = spark(str(tasks), "--model", "m", "--base-url", "http://127.0.0.1:9/v1", *flags, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "error:" in done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_a_wrong_key_stops_the_run_at_once(tasks: Path, tmp_path: Path) -> None:
    with loopback.Loopback(lambda _body: loopback.status(401, {"error": {"message": "bad key"}})) as endpoint:
        done = spark(
            str(tasks),
            "--model",
            "m",
            "--base-url",
            endpoint.url,
            "--sandbox",
            "local",
            cwd=tmp_path,
            OPENAI_API_KEY="sk-secret-0123456789",
        )
        assert len(endpoint.asked) == 1
    assert done.returncode == 3
    assert "key" in done.stderr
    assert "sk-secret" not in done.stderr + done.stdout
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"sk-secret" not in path.read_bytes(), path


def test_an_endpoint_that_is_not_there(tasks: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{loopback.closed_port()}/v1"
    done = spark(
        str(tasks), "--model", "m", "--base-url", url, "--sandbox", "local", "--tasks", "number-00", "--infra-retries", "0", cwd=tmp_path
    )
    assert done.returncode == 3
    assert url in done.stderr
    assert "--resume" in done.stderr


def test_a_place_that_cannot_be_written(tasks: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = spark(str(tasks), "--agent", "oracle", "--sandbox", "local", "--output-dir", str(tmp_path / "file"), cwd=tmp_path)
    assert done.returncode == 2
    assert "file" in done.stderr


def test_a_full_disk(tasks: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here (not root)")
    try:
        done = spark(str(tasks), "--agent", "oracle", "--sandbox", "local", "--output-dir", str(small), cwd=tmp_path)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert done.returncode == 3, done.stderr
    assert "No space left" in done.stderr
    assert "--resume" in done.stderr


def oracle_run(tasks: Path, tmp_path: Path) -> Path:
    """A finished run."""
    done = spark(str(tasks), "--agent", "oracle", "--sandbox", "local", cwd=tmp_path)
    assert done.returncode in (0, 1, 3), done.stderr
    return next((tmp_path / "runs").iterdir())


def test_two_processes_on_one_run(tasks: Path, tmp_path: Path) -> None:
    run = oracle_run(tasks, tmp_path)
    with (run / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = spark("--resume", str(run), cwd=tmp_path)
    assert done.returncode == 2
    assert "another process" in done.stderr


def test_resume_refuses_what_changed_and_names_both_values(tasks: Path, tmp_path: Path) -> None:
    run = oracle_run(tasks, tmp_path)
    done = spark("--resume", str(run), "--max-retries", "3", cwd=tmp_path)
    assert done.returncode == 2
    assert "max_attempts was 1, is now 3" in done.stderr
    before = RunDir(run).info.tasks["number-00"]
    (tasks / "number-00" / "instruction.md").write_text("Another one.\n")
    done = spark("--resume", str(run), cwd=tmp_path)
    assert done.returncode == 2
    assert before in done.stderr
    assert "number-00" in done.stderr


def test_resume_of_what_is_no_run(tmp_path: Path) -> None:
    done = spark("--resume", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "run.json" in done.stderr


def test_a_dry_run_begins_nothing(tasks: Path, tmp_path: Path) -> None:
    done = spark(str(tasks), "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert "number-01" in done.stdout
    assert not list(tmp_path.glob("runs/*"))
