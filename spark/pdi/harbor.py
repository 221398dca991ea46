"""A trial of a Harbor job: its ATIF trajectory, its reward and its checks. There are no memos in it, so it has φ_exec at most."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from spark.pdi.raw import LARGEST_FILE_BYTES, Fault, Model, RawModel, Report, Text, parse
from spark.pdi.streams import RanCommand, unwrapped
from spark.records import Record

_COMMAND_KEYS = ("command", "cmd", "commands", "keystrokes", "script", "code", "input")
"""Arguments of a tool call that hold what is run, in the order they are looked for; agents differ."""


class HarborTrial(Record):
    """What one trial left."""

    task: str = ""
    reward: float | None = None
    """None where the verifier left none, or none in [0, 1]."""
    summary: str = ""
    n_passed: int = 0
    n_tests: int = 0
    ran: tuple[RanCommand, ...] = ()


class _Call(RawModel):
    tool_call_id: Text = ""
    arguments: Any = None


class _Result(RawModel):
    source_call_id: Text = ""
    content: Any = None


class _Observation(RawModel):
    results: tuple[_Result, ...] = ()


class _Step(RawModel):
    tool_calls: tuple[_Call, ...] | None = None
    observation: _Observation | None = None


class _Trajectory(RawModel):
    steps: tuple[_Step, ...] = ()


class _Rewards(RawModel):
    rewards: dict[str, float] | None = None


class _Outcome(RawModel):
    task_name: Text = ""
    verifier_result: _Rewards | None = None


class _Flat(RawModel):
    reward: float | None = None


class _Test(RawModel):
    name: Text = ""
    status: Text = ""


class _Tests(RawModel):
    tests: tuple[_Test, ...] = ()


class _Ctrf(RawModel):
    results: _Tests = _Tests()


def read_trial(folder: Path, atif: str, report: Report) -> HarborTrial:
    """One trial directory; what is missing or damaged is reported and left empty."""
    trajectory = _load(_Trajectory, folder / atif, report) or _Trajectory()
    outcome = _load(_Outcome, folder / "result.json", report) or _Outcome()
    ctrf = _load(_Ctrf, folder / "verifier/ctrf.json", report)
    tests = ctrf.results.tests if ctrf else ()
    return HarborTrial(
        task=outcome.task_name,
        reward=_reward(folder, outcome, report),
        summary="\n".join(f"{'✓' if test.status == 'passed' else '✗'} {test.name}" for test in tests),
        n_passed=sum(test.status == "passed" for test in tests),
        n_tests=len(tests),
        ran=tuple(one for step in trajectory.steps for one in _ran(step)),
    )


def _load(model: type[Model], path: Path, report: Report) -> Model | None:
    try:
        if not path.exists():
            return None
        if path.stat().st_size > LARGEST_FILE_BYTES:
            report(Fault(kind="file too long", where=str(path), detail=f"more than {LARGEST_FILE_BYTES} bytes"))
            return None
        source = path.read_bytes()
    except OSError as error:
        report(Fault(kind="unreadable", where=str(path), detail=error.strerror or type(error).__name__))
        return None
    return parse(model, source, str(path), report)


def _reward(folder: Path, outcome: _Outcome, report: Report) -> float | None:
    """The reward of result.json, else of the verifier's own files: reward.json before reward.txt."""
    rewards = (outcome.verifier_result.rewards if outcome.verifier_result else None) or {}
    if not rewards:
        flat = _load(_Flat, folder / "verifier/reward.json", report)
        rewards = {"reward": flat.reward} if flat and flat.reward is not None else {}
    value = rewards.get("reward", next(iter(rewards.values()), None))
    if value is None:
        try:
            value = float((folder / "verifier/reward.txt").read_bytes()[:64])
        except (OSError, ValueError):
            report(Fault(kind="no reward", where=str(folder)))
            return None
    if math.isfinite(value) and 0.0 <= value <= 1.0:
        return value
    report(Fault(kind="reward out of range", where=str(folder), detail=repr(value)))
    return None


def _ran(step: _Step) -> list[RanCommand]:
    results = {result.source_call_id: _words(result.content) for result in step.observation.results} if step.observation else {}
    alone = next(iter(results.values()), "")
    found: list[RanCommand] = []
    for call in step.tool_calls or []:
        if command := _command(call.arguments):
            found.append(RanCommand(command=command, output=results.get(call.tool_call_id, alone if len(results) == 1 else "")))
    return found


def _command(arguments: object) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return ""
    if not isinstance(arguments, Mapping):
        return ""
    named = cast("Mapping[str, object]", arguments)
    value = next((named[key] for key in _COMMAND_KEYS if key in named), None)
    if isinstance(value, str):
        return unwrapped(value)
    if not isinstance(value, list):
        return ""
    # some agents send several keystrokes at once, others one command in pieces
    parts = cast("list[object]", value)
    several = [_command(cast("object", part)) for part in parts if isinstance(part, Mapping)]
    return "".join(several) if several else unwrapped(shlex.join(map(str, parts)))


def _words(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) if content is not None else ""
