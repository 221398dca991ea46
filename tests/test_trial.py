"""The trial: what counts, what does not, and that a forged reward never does. Real shell, real boxes."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from spark.agents.bash import BashAgent
from spark.agents.nop import NopAgent
from spark.agents.oracle import OracleAgent
from spark.errors import SandboxError
from spark.models.base import Completion, ToolCall
from spark.models.scripted import ScriptedModel
from spark.records import Task, Verdict, VerifyMode
from spark.sandboxes.base import Provider
from spark.sandboxes.pick import pick_provider
from spark.tasks import load_task
from spark.trial import run_trial

# The verifier runs python3 and reads the agent's file, as most do.
HONEST = """#!/bin/bash
cd /app
python3 - <<'EOF'
import json, pathlib
out = pathlib.Path("/app/out.txt")
good = out.exists() and out.read_text().strip() == "7"
pathlib.Path("/logs/verifier/reward.txt").write_text("1" if good else "0")
tests = [{"name": "out.txt holds 7", "status": "passed" if good else "failed"}, {"name": "later", "status": "skipped"}]
pathlib.Path("/logs/verifier/ctrf.json").write_text(json.dumps({"results": {"tests": tests}}))
EOF
"""


@pytest.fixture(scope="module", params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def provider(request: pytest.FixtureRequest) -> Generator[Provider]:
    try:
        chosen = pick_provider(str(request.param), "test-trial")
    except SandboxError as error:
        pytest.skip(f"this sandbox cannot work here: {error.message}")
    yield chosen
    chosen.close()


def make_task(root: Path, *, test: str = HONEST, outputs: tuple[str, ...] = ("/app/out.txt",)) -> Task:
    """A task that wants 7 in /app/out.txt."""
    for part in ("environment", "tests", "solution"):
        (root / part).mkdir(parents=True)
    (root / "instruction.md").write_text("Write 7 to /app/out.txt.\n")
    (root / "task.toml").write_text(
        f'schema_version = "1.4"\nartifacts = {list(outputs)!r}\n[environment]\nnetwork_mode = "no-network"\n[verifier]\ntimeout_sec = 20\n'
    )
    (root / "environment/Dockerfile").write_text("FROM python:3.11-slim\nWORKDIR /app\n")
    (root / "tests/test.sh").write_text(test)
    (root / "solution/solve.sh").write_text("#!/bin/bash\necho 7 > /app/out.txt\n")
    return load_task(root)


def acting(*commands: str) -> BashAgent:
    """The built-in agent, told by a script what to run."""
    calls = [Completion(text="", tool_calls=(ToolCall(id="c", name="bash", arguments=_json(command)),)) for command in commands]
    return BashAgent(ScriptedModel([*calls, "done"]), tool_mode="tools")


def _json(command: str) -> str:
    return json.dumps({"command": command})


def verdict_of(task: Task, agent: Any, provider: Provider, mode: VerifyMode | None = None) -> Verdict:
    return run_trial(task, task.instruction, agent, provider, mode=mode)[0].verdict


@pytest.mark.parametrize("mode", ["clean", "snapshot", "shared"])
def test_oracle_passes_and_nop_fails(tmp_path: Path, provider: Provider, mode: VerifyMode) -> None:
    task = make_task(tmp_path / "seven")
    good = verdict_of(task, OracleAgent(), provider, mode)
    assert (good.outcome, good.reward, good.mode) == ("solved", 1.0, mode)
    assert [(check.name, check.passed) for check in good.checks] == [("out.txt holds 7", True)]
    assert verdict_of(task, NopAgent(), provider, mode).reward == 0.0


def test_the_default_mode_follows_the_declared_outputs(tmp_path: Path, provider: Provider) -> None:
    assert verdict_of(make_task(tmp_path / "a"), OracleAgent(), provider).mode == "clean"
    assert verdict_of(make_task(tmp_path / "b", outputs=()), OracleAgent(), provider).mode == "snapshot"


FORGERIES = {
    "a process left behind": "nohup bash -c 'while :; do mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt; sleep 0.01; done' "
    "> /dev/null 2>&1 & disown",
    "a reward written before": "mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt; "
    "echo '{\"reward\": 1}' > /logs/verifier/reward.json",
    "an edited test.sh": "mkdir -p /tests; echo 'echo 1 > /logs/verifier/reward.txt' > /tests/test.sh; chmod 555 /tests/test.sh",
    "a shadowed python3": "for d in /usr/local/sbin /usr/local/bin /usr/bin; do "
    "printf '#!/bin/bash\\necho 1 > /logs/verifier/reward.txt\\n' > $d/python3; chmod +x $d/python3; done",
    "a sitecustomize": "for d in $(/usr/bin/env python3 -c 'import site,sysconfig; "
    'print(*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib"))\'); do mkdir -p $d; '
    "echo 'import os; os.system(\"mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt\"); os._exit(0)' > $d/sitecustomize.py; "
    "cp $d/sitecustomize.py $d/usercustomize.py; echo 'import sitecustomize' > $d/zz.pth; done",
    "a shadowed json module": "echo 'import os; os.system(\"echo 1 > /logs/verifier/reward.txt\"); os._exit(0)' > /app/json.py",
}


@pytest.mark.parametrize("mode", ["clean", "snapshot"])
@pytest.mark.parametrize("attack", FORGERIES)
def test_a_forged_reward_does_not_count(tmp_path: Path, provider: Provider, attack: str, mode: VerifyMode) -> None:
    verdict = verdict_of(make_task(tmp_path / "seven"), acting(FORGERIES[attack]), provider, mode)
    assert (verdict.outcome, verdict.reward) == ("failed", 0.0), verdict


@pytest.mark.parametrize("attack", ["a process left behind", "a reward written before", "an edited test.sh"])
def test_even_a_shared_box_resists_what_it_can(tmp_path: Path, provider: Provider, attack: str) -> None:
    assert verdict_of(make_task(tmp_path / "seven"), acting(FORGERIES[attack]), provider, "shared").reward == 0.0


WRITE_R = "echo $r > /logs/verifier/reward.txt\n"
PYTEST_LIKE = """#!/bin/bash
cd /app
# what pytest does by itself: import conftest.py from the root that an ini file marks, and the module named on the command line
for ini in /pytest.ini /pyproject.toml /tox.ini /setup.cfg; do
  if [ -e $ini ] && [ -e /conftest.py ]; then python3 /conftest.py; fi
done
python3 -m pytest --version >/dev/null 2>&1
[ -e /logs/verifier/reward.txt ] || echo 0 > /logs/verifier/reward.txt
"""


@pytest.mark.parametrize(
    "plant",
    [
        'printf \'[pytest]\\n\' > /pytest.ini; echo \'open("/logs/verifier/reward.txt","w").write("1")\' > /conftest.py',
        'echo \'open("/logs/verifier/reward.txt","w").write("1")\' > /app/pytest.py',
        "mkdir /app/pytest; cp /dev/null /app/pytest/__init__.py; "
        'echo \'open("/logs/verifier/reward.txt","w").write("1")\' > /app/pytest/__main__.py',
    ],
)
def test_planted_pytest_files_are_held_back_and_named(tmp_path: Path, provider: Provider, plant: str) -> None:
    verdict = verdict_of(make_task(tmp_path / "seven", test=PYTEST_LIKE), acting(plant), provider, "snapshot")
    assert verdict.reward == 0.0
    assert verdict.discarded


def test_what_an_agent_may_do_is_kept(tmp_path: Path, provider: Provider) -> None:
    """New programs, new packages and changes to ordinary files reach the verifier in snapshot mode."""
    test = "#!/bin/bash\nif mytool && [ -e /etc/mine.conf ] && [ -e /app/calendar_notes.py ]; then r=1; else r=0; fi\n" + WRITE_R
    install = (
        "printf '#!/bin/bash\\ntrue\\n' > /usr/local/bin/mytool; chmod +x /usr/local/bin/mytool; echo x > /etc/mine.conf; "
        "echo > /app/calendar_notes.py"
    )
    verdict = verdict_of(make_task(tmp_path / "seven", test=test, outputs=()), acting(install), provider)
    assert verdict.mode == "snapshot"
    if "read-only" in " ".join(verdict.discarded):
        pytest.skip("the system directories of this sandbox cannot be written")
    assert verdict.reward == 1.0, verdict


def test_clean_mode_takes_the_outputs_as_they_are(tmp_path: Path, provider: Provider) -> None:
    """A declared directory replaces the image's: what the agent deleted stays deleted, links are left out."""
    task_root = tmp_path / "seven"
    test = "#!/bin/bash\nif [ -e /app/old ] || [ -L /app/link ] || [ ! -e /app/new ]; then r=0; else r=1; fi\n" + WRITE_R
    make_task(task_root, test=test, outputs=("/app",))
    (task_root / "environment/old").write_text("old")
    (task_root / "environment/Dockerfile").write_text("FROM python:3.11-slim\nWORKDIR /app\nCOPY old /app/old\n")
    verdict = verdict_of(load_task(task_root), acting("rm /app/old; touch /app/new; ln -s /etc/passwd /app/link"), provider)
    assert verdict.reward == 1.0, verdict
    assert any("link" in item for item in verdict.discarded)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("#!/bin/bash\nexit 1\n", "wrote no reward"),
        ("#!/bin/bash\nsleep 60\n", "time limit"),
        ("#!/bin/bash\necho nonsense > /logs/verifier/reward.txt\n", "nonsense"),
        ("#!/bin/bash\necho 1.5 > /logs/verifier/reward.txt\n", "1.5"),
        ("#!/bin/bash\necho nan > /logs/verifier/reward.txt\n", "nan"),
        ('#!/bin/bash\necho \'{"a": 1, "b": 0}\' > /logs/verifier/reward.json\n', "reward"),
        ("#!/bin/bash\necho '{\"reward\": true}' > /logs/verifier/reward.json\n", "reward"),
        ("#!/bin/bash\necho 1 > /logs/verifier/reward.txt; echo '[[' > /logs/verifier/reward.json\n", "JSON"),
    ],
)
def test_a_broken_verifier_is_errored_not_zero(tmp_path: Path, provider: Provider, test: str, said: str) -> None:
    root = tmp_path / "seven"
    make_task(root, test=test)
    (root / "task.toml").write_text((root / "task.toml").read_text().replace("timeout_sec = 20", "timeout_sec = 2"))
    verdict = verdict_of(load_task(root), OracleAgent(), provider)
    assert (verdict.outcome, verdict.reward) == ("errored", None)
    assert said in verdict.reason


@pytest.mark.parametrize(("reward", "outcome"), [('{"reward": 0.25}', "partial"), ('{"accuracy": 1}', "solved"), ("1.0", "solved")])
def test_reward_json_counts_first(tmp_path: Path, provider: Provider, reward: str, outcome: str) -> None:
    test = f"#!/bin/bash\necho 0 > /logs/verifier/reward.txt; echo '{reward}' > /logs/verifier/reward.json; exit 7\n"
    assert verdict_of(make_task(tmp_path / "seven", test=test), NopAgent(), provider).outcome == outcome


def test_the_agent_never_meets_the_tests_or_the_solution(tmp_path: Path, provider: Provider) -> None:
    task = make_task(tmp_path / "seven")
    looking = acting("ls -d /tests /solution; find / -name solve.sh -o -name test.sh 2>/dev/null")
    trial, _ = run_trial(task, task.instruction, looking, provider)
    seen = trial.transcript.steps[0]
    assert "solve.sh" not in seen.stdout
    assert "test.sh" not in seen.stdout
    assert "/tests" not in seen.stdout.split() or provider.name == "local", "the local sandbox has an empty /tests"
