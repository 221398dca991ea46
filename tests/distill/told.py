"""Recorded attempts for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

from spark.records import Attempt, Check, Limits, Memo, SandboxInfo, Step, Task, Transcript, Trial, Verdict, outcome_of


def task(path: str = "/nowhere", **more: object) -> Task:
    fields = {"name": "weigh", "path": path, "digest": "d", "image_digest": "i", "instruction": "Weigh it.", "limits": Limits()}
    return Task.model_validate({**fields, **more})


def step(command: str, stdout: str = "", exit_code: int | None = 0, stderr: str = "") -> Step:
    return Step(command=command, stdout=stdout, stderr=stderr, exit_code=exit_code)


def attempt(number: int, steps: Sequence[Step], reward: float | None, **more: object) -> Attempt:
    """Checks are given as `checks={"name": passed}`, verified facts as `facts="- …"`."""
    checks = more.get("checks", {})
    facts = more.get("facts")
    verdict = Verdict(
        outcome=outcome_of(reward),
        reward=reward,
        checks=tuple(Check(name=name, passed=passed) for name, passed in checks.items()) if isinstance(checks, dict) else (),  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        reason="" if reward is not None else "the verifier crashed",
    )
    memo = Memo(
        failed_attempts=number, attempts_log="a", last_commands="c", verified_facts=str(facts), error_pattern="e", next_strategy="s"
    )
    trial = Trial(
        task="weigh",
        task_digest="d",
        agent="bash",
        sandbox=SandboxInfo(provider="local", base="Debian 12"),
        transcript=Transcript(steps=tuple(steps), final=str(more.get("final", ""))),
        verdict=verdict,
        seconds=1.0,
    )
    return Attempt(number=number, trial=trial, memo=memo if facts else None)
