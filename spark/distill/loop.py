"""One task: execute → judge → rewrite the memo → score PDI → intervene → retry until it is solved or attempts run out; then distil.

Failure has three kinds, kept apart. A *failed* attempt was scored by the verifier: it is reflected upon. An *errored* one was not (the
verifier crashed): it uses up its number but feeds neither memo nor PDI. *Infrastructure* (an endpoint, a sandbox) that fails is tried again
at once, with every completion already paid for answered from disk; if it fails for good the task is left unfinished, for --resume.
"""

from __future__ import annotations

from spark.distill.attempt import next_attempt, observe
from spark.distill.distil import distil
from spark.distill.released import attempts_json, trajectory_jsonl
from spark.distill.settings import DistillSettings
from spark.distill.work import Work
from spark.events import TaskStatus
from spark.pdi.proxy import Proxy
from spark.records import Attempt
from spark.skills import Skill
from spark.store import TaskResult


def finish_task(work: Work) -> TaskResult:
    """Take one task to its end, from wherever its directory stands.

    Returns:
        Its result; `solved`, `solved_no_skill` and `unsolved` are on disk, `errored` (no attempt could be scored) is not.

    Raises:
        ModelError, SandboxError: infrastructure failed for good. BudgetError, Cancelled: the run was stopped. StoreError: the disk.
    """
    attempts = work.place.attempts()
    while attempts and attempts[-1].trial.verdict.outcome == "errored":
        attempts.pop()
    proxy = _rebuilt(work.shop.make_proxy(), attempts)
    while len(attempts) < work.settings.max_attempts and not _solved(attempts):
        work.check_stop(between_attempts=True)
        attempts.append(next_attempt(work, attempts, proxy))
        _write_attempts(work, attempts)
    if all(attempt.trial.verdict.outcome == "errored" for attempt in attempts):
        return _result(work, attempts, "errored", None)
    skill = distil(work, attempts) if _solved(attempts) and work.settings.has_scribe else None
    # Again: a kill may have come between the last attempt and this file.
    _write_attempts(work, attempts)
    work.place.write("trajectory.jsonl", trajectory_jsonl(work.task, attempts, skill and skill.text()))
    status: TaskStatus = "unsolved" if not _solved(attempts) else "solved" if skill else "solved_no_skill"
    result = _result(work, attempts, status, skill)
    work.place.save_result(result)
    return result


def _solved(attempts: list[Attempt]) -> bool:
    return bool(attempts) and attempts[-1].trial.verdict.outcome == "solved"


def _rebuilt(proxy: Proxy, attempts: list[Attempt]) -> Proxy:
    """The proxy as it stood after these attempts."""
    for attempt in attempts:
        if attempt.memo or attempt.memo_problem:
            observe(proxy, attempt)
    return proxy


def _write_attempts(work: Work, attempts: list[Attempt]) -> None:
    work.place.write("attempts.json", attempts_json(work.task, attempts, work.settings))


def _result(work: Work, attempts: list[Attempt], status: TaskStatus, skill: Skill | None) -> TaskResult:
    rewards = [reward for attempt in attempts if (reward := attempt.trial.verdict.reward) is not None]
    return TaskResult(
        task=work.name,
        task_digest=work.task.digest,
        status=status,
        attempts=len(attempts),
        reward=max(rewards, default=None),
        skill=skill and skill.name,
        skill_digest=skill and skill.digest,
        reason=attempts[-1].trial.verdict.reason if status == "errored" else "",
        labels=tuple(_labels(work.settings, attempts)),
    )


def _labels(settings: DistillSettings, attempts: list[Attempt]) -> list[str]:
    """What a reader of the result must know."""
    labels: list[str] = []
    if settings.show_verifier:
        labels.append("the scribe saw the verifier")
    if any(attempt.trial.verdict.mode == "shared" for attempt in attempts):
        labels.append("verified in the agent's own box")
    if settings.replay is not None:
        labels.append("replayed answers")
    return labels
