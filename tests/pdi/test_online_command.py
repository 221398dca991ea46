"""`spark pdi online` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recorded_runs import RUNS, needs_runs
from typer.testing import CliRunner

from spark.cli.pdi import ONLINE_COLUMNS, app
from spark.errors import RequestError

MEMO = "## Exploration Memo ({n} failed attempts)\n\n### Verified Facts\n{facts}\n\n### Next Strategy\n{strategy}\n"


def write_run(folder: Path, *, memos: list[str]) -> None:
    folder.mkdir(parents=True)
    attempts = [
        {"attempt": n, "status": "FAIL", "reward": 0.0, "agent_commands": f"ls {n}", "test_summary": "FAILED (fix these):\n  ✗ t::a"}
        for n in range(len(memos))
    ]
    document = {"task_name": "mine", "exploration_memo": memos[-1], "memo_history": memos[:-1], "attempts": attempts}
    (folder / "attempts.json").write_text(json.dumps(document))


def test_one_object_a_line(tmp_path: Path) -> None:
    memos = [MEMO.format(n=n, facts=f"ls shows {n}", strategy="look again") for n in (1, 2, 3)]
    write_run(tmp_path / "run" / "tasks" / "mine", memos=memos)
    answer = CliRunner().invoke(app, ["online", str(tmp_path / "run"), "--json"])
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [tuple(row) for row in rows] == [ONLINE_COLUMNS] * 3
    assert [(row["task"], row["attempt"], row["step"]) for row in rows] == [("mine", 0, 0), ("mine", 1, 1), ("mine", 2, 2)]
    assert answer.stderr == ""


def test_an_error_page_is_missing_and_says_why(tmp_path: Path) -> None:
    write_run(tmp_path / "t", memos=[MEMO.format(n=1, facts="ls", strategy="go"), "[LLM ERROR] 502 Bad Gateway"])
    answer = CliRunner().invoke(app, ["online", str(tmp_path / "t"), "--json"])
    last = json.loads(answer.stdout.splitlines()[-1])
    assert (last["raw"], last["weighted"], last["triggered"], last["level"]) == (None, None, False, None)
    assert "error page" in answer.stderr


def test_a_pipe_gets_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "t", memos=[MEMO.format(n=1, facts="ls", strategy="go")])
    answer = CliRunner().invoke(app, ["online", str(tmp_path / "t")])
    assert answer.stdout.splitlines()[0].split("\t") == list(ONLINE_COLUMNS)
    assert len(answer.stdout.splitlines()) == 2


@pytest.mark.parametrize("arguments", [["nowhere"], ["."], [".", "--compat", "released", "--scale", "reference"]])
def test_a_wrong_request_is_refused(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["online", *arguments])
    assert isinstance(answer.exception, RequestError)
    assert "found" in answer.exception.message


@needs_runs
def test_the_hash_seed_never_changes_a_digit() -> None:
    script = "from spark.cli.pdi import app; app()"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, "online", str(RUNS / "r2r-mpc-control"), "--json"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
