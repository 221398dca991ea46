"""`spark compare` as a user meets it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spark.cli.compare import app
from spark.errors import RequestError

HEAD = "task,arm,repeat,reward,model,cost,seconds\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The skill helps on three tasks, hurts on one, does nothing on one; one trial errored."""
    rates = {"alpha": (0, 1), "beta": (0, 1), "gamma": (0, 1), "delta": (1, 0), "omega": (1, 1)}
    lines = [
        f"{task},{arm},{repeat},{rate},,0.01,2\n"
        for task, pair in rates.items()
        for arm, rate in zip(("baseline", "generated"), pair, strict=True)
        for repeat in range(3)
    ]
    path = tmp_path / "results.csv"
    path.write_text(HEAD + "".join(lines) + "omega,generated,9,,,0.01,2\n")
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "spark", "compare", *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_the_report_names_every_task(table: Path) -> None:
    answer = CliRunner().invoke(app, [str(table), "--margin", "0.1"])
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "Arms: means over tasks with 95 % intervals"
    heading = lines[1].split("\t")
    assert heading == ["arm", "tasks", "trials", "errored", "pass rate", "reward if errored were 0", "if 1"]
    generated = dict(zip(heading, next(line for line in lines if line.startswith("generated\t")).split("\t"), strict=True))
    assert (generated["tasks"], generated["trials"], generated["errored"]) == ("5", "16", "1")
    assert generated["pass rate"].startswith("0.800 [")
    at = lines.index("generated: improved 3")
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["alpha", "beta", "gamma"]
    assert lines[at + 4] == "generated: degraded 1"
    assert lines[at + 5].startswith("  delta  -1.000 [")
    assert lines[at + 5].endswith("1.000 (n 3) to 0.000 (n 3)")
    assert lines[at + 6] == "generated: unchanged 1: omega"
    assert "not shown (±0.1" in answer.stdout
    assert "the test can give no p below 0.125" in answer.stderr
    assert "note:" not in answer.stdout


def test_json_is_one_object(table: Path) -> None:
    done = run(table, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [one["arm"] for one in found["arms"]] == ["baseline", "generated"]
    pair = found["pairs"][0]
    assert pair["reward"]["value"] == pytest.approx(0.4)
    assert pair["test"] == {"p": 0.625, "exact": True, "drawn": 0, "least": 0.125, "n": 4}
    assert "NaN" not in done.stdout
    assert run(table, "--json").stdout == done.stdout


def test_several_tables_are_one_study(table: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"task": "alpha", "arm": "human", "repeat": 0, "outcome": "solved"}) + "\n")
    found = json.loads(CliRunner().invoke(app, [str(table), str(more), "--json"]).stdout)
    assert [pair["arm"] for pair in found["pairs"]] == ["generated", "human"]


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "task,arm,repeat,reward\n" + "".join(f"[red]\x1b[2J,{arm},0,{reward}\n" for arm, reward in (("baseline", 0), ("\x1bx", 1)))
    )
    answer = CliRunner().invoke(app, [str(path)])
    assert answer.exit_code == 0
    assert "\x1b" not in answer.stdout + answer.stderr
    assert "[red]�[2J" in answer.stdout


def test_faults_leave_stdout_empty(table: Path) -> None:
    table.write_text(table.read_text() + "x,baseline,0,2,,,\n")
    done = run(table)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"line {table.read_text().count(chr(10))}: reward: wanted a number in [0, 1], found '2'" in done.stderr
    assert "hint: columns:" in done.stderr


def test_a_wrong_request_is_refused(table: Path) -> None:
    answer = CliRunner().invoke(app, [str(table), "--baseline", "nobody"])
    assert isinstance(answer.exception, RequestError)
    assert "found the arms 'baseline', 'generated'" in answer.exception.message


def test_ten_thousand_trials_in_five_seconds(tmp_path: Path) -> None:
    """Five students' worth of arms over 200 tasks; in seconds of processor time, which other work on the machine does not lengthen much."""
    rng = random.Random(1)
    lines = [
        f"task-{task},{arm},{repeat},{int(rng.random() < 0.5)},{model},0.01,{rng.random()}\n"
        for model in ("small", "large")
        for arm in ("baseline", "generated", "human", "sham", "other")
        for task in range(200)
        for repeat in range(5)
    ]
    path = tmp_path / "t.csv"
    path.write_text(HEAD + "".join(lines))
    before = time.process_time()
    answer = CliRunner().invoke(app, [str(path)])
    assert answer.exit_code == 0
    assert time.process_time() - before < 5
