"""Trials of Harbor jobs: commands, rewards and checks, whatever the agent calls its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spark.pdi.audit import audit
from spark.pdi.material import gather
from spark.pdi.recordings import find, read
from spark.pdi.retrospective import Choices, score


def trial(folder: Path, arguments: list[object], *, reward: str | None = "1.0") -> Path:
    (folder / "agent").mkdir(parents=True)
    (folder / "verifier").mkdir()
    steps = [
        {
            "step_id": number,
            "source": "agent",
            "message": "",
            "tool_calls": [{"tool_call_id": f"c{number}", "function_name": "bash", "arguments": one}],
            "observation": {"results": [{"source_call_id": f"c{number}", "content": f"out {number}"}]},
        }
        for number, one in enumerate(arguments, 1)
    ]
    content = {
        "schema_version": "ATIF-v1.8",
        "session_id": "s",
        "agent": {"name": "a"},
        "steps": [{"step_id": 0, "source": "user"}, *steps],
    }
    (folder / "agent/trajectory.json").write_text(json.dumps(content))
    (folder / "result.json").write_text(json.dumps({"task_name": "weigh", "verifier_result": None}))
    if reward is not None:
        (folder / "verifier/reward.txt").write_text(reward)
    tests = [{"name": "mass", "status": "passed"}, {"name": "units", "status": "failed"}]
    (folder / "verifier/ctrf.json").write_text(json.dumps({"results": {"tests": tests}}))
    return folder


def test_commands_of_different_agents(tmp_path: Path) -> None:
    arguments: list[object] = [
        {"command": "bash -lc 'ls -l'"},
        {"cmd": ["bash", "-lc", "echo 'a b'"]},
        {"commands": [{"keystrokes": "cd x\n"}, {"keystrokes": "make\n", "duration": 1}]},
        '{"code": "print(1)"}',
        {"path": "no command"},
        None,
    ]
    (past,) = read(trial(tmp_path / "t", arguments)).attempts
    assert [one.command for one in past.ran] == ["ls -l", "echo 'a b'", "cd x\nmake\n", "print(1)"]
    assert past.ran[1].output == "out 2"


def test_a_trial_is_scored_as_far_as_it_goes(tmp_path: Path) -> None:
    job = tmp_path / "job"
    solved = trial(job / "weigh__a", [{"command": "python3 weigh.py part.stl"}])
    (solved / "SKILL.md").write_text("Run python3 weigh.py on the part.")
    trial(job / "weigh__b", [{"command": "ls"}], reward="0")
    trial(job / "weigh__c", [{"command": "ls"}], reward=None)
    recordings = [read(folder) for folder in find([job])]
    assert [(one.task, one.attempts[0].reward, one.attempts[0].died) for one in recordings] == [
        ("weigh", 1.0, False),
        ("weigh", 0.0, False),
        ("weigh", None, True),
    ]
    assert recordings[0].attempts[0].summary == "✓ mass\n✗ units"
    rows = score([gather(one, Choices().reading()) for one in recordings], Choices())
    assert [(row.group, row.phi_exec is None) for row in rows] == [("one-shot", False), ("unsolved", True), ("unsolved", True)]
    assert {fault.kind for fault in audit(job / "weigh__c")[1]} == {"no reward"}


@pytest.mark.parametrize(
    "content", [b"", b"[" * 5000, b'{"steps": 3}', b"\xff\xfe", b'{"steps": [{"tool_calls": [{"arguments": [1, {}]}]}]}']
)
def test_a_damaged_trajectory_is_no_crash(content: bytes, tmp_path: Path) -> None:
    folder = trial(tmp_path / "t", [])
    (folder / "agent/trajectory.json").write_bytes(content)
    recording, _ = audit(folder)
    assert recording.attempts[0].ran == ()
