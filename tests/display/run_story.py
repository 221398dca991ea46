"""A made-up run as events: three tasks, one of them circling until an intervention."""

from __future__ import annotations

from collections.abc import Iterator

from spark.events import (
    AttemptStarted,
    Event,
    InfraFailed,
    ModelCalled,
    PdiScored,
    RunFinished,
    RunStarted,
    SandboxOpened,
    SkillWritten,
    StepTaken,
    TaskFinished,
    TaskStarted,
    VerdictReached,
)
from spark.records import Check, Decision, PdiPoint, SandboxInfo, Usage, Verdict

START = 1_700_000_000.0
TASKS = ("stl-mass", "sqlite-repair", "log-incident")


def call(task: str, attempt: int, number: int, *, role: str = "teacher", tokens: int = 1_000, resumed: bool = False) -> ModelCalled:
    usage = Usage(calls=1, prompt_tokens=tokens, completion_tokens=0, usd=tokens / 1e6)
    return ModelCalled(at=START + 3, task=task, attempt=attempt, role=role, number=number, model="m", usage=usage, resumed=resumed)


def verdict(task: str, attempt: int, passed: int, total: int) -> VerdictReached:
    reward = passed / total
    outcome = "solved" if reward == 1 else "partial" if reward else "failed"
    checks = tuple(Check(name=f"c{number}", passed=number < passed) for number in range(total))
    return VerdictReached(
        at=START + 5, task=task, attempt=attempt, verdict=Verdict(outcome=outcome, reward=reward, checks=checks), seconds=4.0
    )


def score(task: str, attempt: int, weighted: float, *, fires: bool = False) -> PdiScored:
    point = PdiPoint(
        step=attempt - 1,
        attempt=attempt,
        proxy_exec=0.1,
        proxy_plan=0.2,
        proxy_oss=0.3,
        raw=weighted,
        weight=1.0,
        weighted=weighted,
        triggered=fires,
        level="soft" if fires else None,
    )
    return PdiScored(
        at=START + 6,
        task=task,
        attempt=attempt,
        point=point,
        decision=Decision(policy="on", level=point.level, signal=point.level, propensity=1),
    )


def begun(task: str, attempt: int) -> Iterator[Event]:
    yield AttemptStarted(at=START + 1, task=task, attempt=attempt)
    yield SandboxOpened(at=START + 2, task=task, attempt=attempt, sandbox=SandboxInfo(provider="local", base="host"), seconds=0.1)
    yield call(task, attempt, 1)
    yield StepTaken(at=START + 4, task=task, attempt=attempt, number=1, command="ls", exit_code=0, seconds=0.1)


def story() -> Iterator[Event]:
    """stl-mass is solved at once, sqlite-repair runs its second attempt after PDI fired, log-incident waits."""
    yield RunStarted(at=START, run="r1", command="distill", tasks=TASKS, tau=-0.5, max_usd=1.0)
    yield TaskStarted(at=START, task="stl-mass", max_attempts=7)
    yield from begun("stl-mass", 1)
    yield verdict("stl-mass", 1, 4, 4)
    yield SkillWritten(task="stl-mass", name="stl-mass", digest="d", claims=5, uncited=1)
    yield TaskFinished(at=START + 9, task="stl-mass", status="solved", attempts=1, reward=1.0, seconds=9.0)
    yield TaskStarted(at=START, task="sqlite-repair", max_attempts=7)
    yield from begun("sqlite-repair", 1)
    yield verdict("sqlite-repair", 1, 1, 4)
    yield call("sqlite-repair", 1, 1, role="memo")
    yield score("sqlite-repair", 1, -1.0, fires=True)
    yield InfraFailed(task="sqlite-repair", attempt=2, error="EndpointError", message="429 [docker] \x1b[31mred\x1b[0m", again=True)
    yield from begun("sqlite-repair", 2)


def ending(counts: dict[str, int]) -> RunFinished:
    return RunFinished.model_validate({"at": START + 60, "counts": counts, "usage": Usage(), "seconds": 60.0})
