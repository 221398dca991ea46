"""The ten bundled tasks: the oracle scores 1, doing nothing 0, misreadings less than 1, and hostile outputs 0 without a crash."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spark.agents.bash import BashAgent
from spark.agents.nop import NopAgent
from spark.agents.oracle import OracleAgent
from spark.models.base import Completion, ToolCall
from spark.models.scripted import ScriptedModel
from spark.sandboxes.base import Provider
from spark.tasks import load_task
from spark.trial import run_trial

TASKS = Path(__file__).parents[1] / "tasks-no-skills"
NAMES = sorted(path.name for path in TASKS.iterdir())
MAX_ENVIRONMENT_BYTES = 200_000

MISREADINGS = [
    (task, entry)
    for task, entries in tomllib.loads((Path(__file__).parent / "data/misreadings.toml").read_text()).items()
    for entry in entries
]

HOSTILE = {
    "a link to the tests": "ln -s /tests/expected.json {0}",
    "a directory": "mkdir -p {0}/x",
    "300 MB": "truncate -s 300M {0}",
    "deep JSON": "python3 -c 'print(\"[\" * 200000)' > {0}",
    "not numbers": """echo '{{"parts": NaN, "routes": [], "firings": [{{"start": []}}], "cost_cents": NaN, "requests": 1e999}}' > {0}""",
    "noise": "head -c 20000 /dev/urandom > {0}",
    "nothing": ": > {0}",
}


def test_there_are_ten() -> None:
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_scores_one_and_doing_nothing_zero(provider: Provider, name: str) -> None:
    task = load_task(TASKS / name)
    solved = run_trial(task, task.instruction, OracleAgent(), provider)[0].verdict
    assert (solved.reward, solved.mode) == (1.0, "clean"), solved
    idle = run_trial(task, task.instruction, NopAgent(), provider)[0].verdict
    assert idle.reward == 0.0
    assert [check.name for check in idle.checks] == [check.name for check in solved.checks]
    assert len(solved.checks) >= 4
    assert not any(check.passed for check in idle.checks)


@pytest.mark.parametrize(("name", "wrong"), MISREADINGS, ids=[f"{task}: {entry['what']}" for task, entry in MISREADINGS])
def test_a_misreading_falls_short(tmp_path: Path, provider: Provider, name: str, wrong: dict[str, str]) -> None:
    shutil.copytree(TASKS / name, tmp_path / name)
    solution = tmp_path / name / "solution" / wrong["file"]
    text = solution.read_text()
    assert wrong["has"] in text
    solution.write_text(text.replace(wrong["has"], wrong["instead"]))
    trial = run_trial(load_task(tmp_path / name), "", OracleAgent(), provider)[0]
    assert trial.transcript.steps[0].exit_code == 0, "it crashes, which proves nothing"
    assert trial.verdict.reward is not None
    assert trial.verdict.reward < 1


@pytest.mark.parametrize("name", NAMES)
def test_hostile_outputs_score_zero_and_crash_nothing(provider: Provider, name: str) -> None:
    task = load_task(TASKS / name)
    for label, command in HOSTILE.items():
        made = "; ".join(f"mkdir -p $(dirname {out}); rm -rf {out}; {command.format(out)}" for out in task.outputs)
        call = ToolCall(id="c", name="bash", arguments=json.dumps({"command": made}))
        agent = BashAgent(ScriptedModel([Completion(text="", tool_calls=(call,)), "done"]), tool_mode="tools")
        assert run_trial(task, task.instruction, agent, provider)[0].verdict.reward == 0.0, label


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_small_and_keeps_its_answer_to_itself(name: str) -> None:
    files = [path for path in (TASKS / name / "environment").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MAX_ENVIRONMENT_BYTES
    assert not {path.name for path in files} & {"expected.json", "check.py", "solve.py", "make_data.py"}
    helper = (TASKS / NAMES[0] / "tests/ctrf.py").read_bytes()
    assert (TASKS / name / "tests/ctrf.py").read_bytes() == helper
    assert os.access(TASKS / name / "tests/test.sh", os.X_OK)


def test_the_verifiers_copies_are_the_agents_files() -> None:
    for name, mine, theirs in (("tide-light-game", "engine.py", "game/engine.py"), ("kiln-week-plan", "studio.json", "studio.json")):
        assert (TASKS / name / "tests" / mine).read_bytes() == (TASKS / name / "environment/data" / theirs).read_bytes()


@pytest.mark.parametrize("name", ["attic-replay", "csv-shop-merge", "heat-meter-days", "log-incident-report"])
def test_data_and_answer_come_from_the_seed(tmp_path: Path, name: str) -> None:
    made = shutil.copytree(TASKS / name, tmp_path / name)
    subprocess.run([sys.executable, "-I", "-B", str(made / "tests/make_data.py")], check=True, capture_output=True)
    for path in (path for part in ("environment", "tests") for path in (made / part).rglob("*") if path.is_file()):
        kept, again = (TASKS / name / path.relative_to(made)).read_bytes(), path.read_bytes()
        if path.suffix == ".gz":
            kept, again = gzip.decompress(kept), gzip.decompress(again)
        assert kept == again, path.name
