"""One task: execute → judge → rewrite the memo → score PDI → intervene → retry until it is solved or attempts run out; then distil.

Failure has three kinds, kept apart. A *failed* attempt was scored by the verifier: it is reflected upon. An *errored* one was not (the
verifier crashed): it uses up its number but feeds neither memo nor PDI. *Infrastructure* (an endpoint, a sandbox) that fails is tried again
at once, with every completion already paid for answered from disk; if it fails for good the task is left unfinished, for --resume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from spark.agents.base import Agent
from spark.distill.distil import distil
from spark.distill.memo import Failure, reflect, retry_instruction, standing_memo
from spark.distill.released import attempts_json, commands, trajectory_jsonl
from spark.distill.settings import DistillSettings
from spark.errors import BadCompletion, BuildError, Cancelled, EndpointError, SandboxError
from spark.events import (
    AttemptStarted,
    Event,
    InfraFailed,
    MemoRefused,
    MemoWritten,
    PdiScored,
    SandboxOpened,
    StepTaken,
    Trimmed,
    VerdictReached,
)
from spark.models.base import Model
from spark.parallel import Brakes
from spark.pdi.intervene import intervention_text
from spark.pdi.policy import coin, decide
from spark.pdi.proxy import Observation, Proxy
from spark.records import Attempt, Level, PdiPoint, SandboxInfo, Step, Task, Trial
from spark.sandboxes.base import Provider
from spark.store import AttemptDir, TaskDir, TaskResult
from spark.trial import Hooks, run_trial

T = TypeVar("T")
INFRA_PAUSE_SECONDS = 1.0
"""Before the first retry of failed infrastructure; doubled for each further one. The client's own retries come before."""


class Crew(Protocol):
    """Who plays: the agent that acts and the scribe that writes, each journalled in its attempt's folder (cast.py)."""

    def agent(self, task: Task, attempt: int, folder: AttemptDir) -> Agent:
        """The agent of one attempt."""
        ...

    def scribe(self, role: str, task: Task, attempt: int, folder: AttemptDir) -> Model:
        """The model that answers as `role`: `memo` or `skill`."""
        ...


@dataclass(frozen=True)
class Shop:
    """What all tasks of a run share."""

    run: str
    settings: DistillSettings
    provider: Provider
    crew: Crew
    emit: Callable[[Event], None]
    brakes: Brakes
    make_proxy: Callable[[], Proxy]


@dataclass
class TaskLoop:
    """One task's way through the loop; `run` takes it from wherever its directory stands to its result."""

    shop: Shop
    task: Task
    place: TaskDir
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    def run(self) -> TaskResult:
        """Finish the task.

        Returns:
            Its result; `solved`, `solved_no_skill` and `unsolved` are on disk, `errored` (no attempt could be scored) is not.

        Raises:
            ModelError, SandboxError: infrastructure failed for good. BudgetError, Cancelled: the run was stopped. StoreError: the disk.
        """
        self.place.clear_cancel()
        self.attempts = self.place.attempts()
        while self.attempts and self.attempts[-1].trial.verdict.outcome == "errored":
            self.attempts.pop()
        proxy = self._rebuilt_proxy()
        while len(self.attempts) < self.shop.settings.max_attempts and not self._solved():
            if self.shop.brakes.drain.is_set():
                raise Cancelled("the run was stopped between two attempts", hint=f"go on with: spark distill --resume {self.shop.run}")
            self._one_attempt(proxy)
            self._write_attempts()
        if all(attempt.trial.verdict.outcome == "errored" for attempt in self.attempts):
            return self._result("errored", reason=self.attempts[-1].trial.verdict.reason)
        authored = self._solved() and self.shop.settings.has_scribe
        skill = distil(self.shop, self.task, self.place, self.attempts, self._patiently) if authored else None
        status = "unsolved" if not self._solved() else "solved" if skill else "solved_no_skill"
        self._write_attempts()
        self.place.write("trajectory.jsonl", trajectory_jsonl(self.task, self.attempts, skill and skill.text()))
        result = self._result(status, skill=skill and skill.name, skill_digest=skill and skill.digest)
        self.place.save_result(result)
        return result

    def _write_attempts(self) -> None:
        # Again at the end: a kill may have come between an attempt and this.
        self.place.write("attempts.json", attempts_json(self.task, self.attempts, self.shop.settings))

    def _solved(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].trial.verdict.outcome == "solved"

    def _result(self, status: str, **more: object) -> TaskResult:
        settings = self.shop.settings
        rewards = [reward for attempt in self.attempts if (reward := attempt.trial.verdict.reward) is not None]
        modes = {attempt.trial.verdict.mode for attempt in self.attempts}
        labels = [text for given, text in (
            (settings.show_verifier, "the scribe saw the verifier"),
            ("shared" in modes, "verified in the agent's own box"),
            (settings.replay is not None, "replayed answers"),
        ) if given]  # fmt: skip
        return TaskResult.model_validate(
            {
                "task": self.task.name,
                "task_digest": self.task.digest,
                "status": status,
                "attempts": len(self.attempts),
                "reward": max(rewards, default=None),
                "labels": tuple(labels),
                **more,
            }
        )

    # one attempt

    def _one_attempt(self, proxy: Proxy) -> None:
        number = len(self.attempts) + 1
        level = self._decided()
        folder = self.place.attempt(number)
        instruction = self._instruction(number, level)
        folder.write_text("instruction.md", instruction)
        self.shop.emit(AttemptStarted(task=self.task.name, attempt=number, injected=level))
        trial = self._trial(number, folder, instruction)
        attempt = Attempt(number=number, injected=level, trial=trial)
        if trial.verdict.outcome in {"failed", "partial"} and self.shop.settings.has_scribe:
            attempt = self._patiently(number, lambda: self._reflected(attempt, folder))
            attempt = self._scored(proxy, attempt)
        folder.save_attempt(attempt)
        self.attempts.append(attempt)

    def _instruction(self, number: int, level: Level | None) -> str:
        memo = standing_memo(self.attempts)
        if memo is None:
            return self.task.instruction
        left = self.shop.settings.max_attempts - number + 1
        advice = intervention_text(level) if level else ""
        return retry_instruction(self.task, memo, attempts_left=left, level=level, advice=advice, on_trim=self._on_trim(number))

    def _trial(self, number: int, folder: AttemptDir, instruction: str) -> Trial:
        known = folder.load_trial()
        if known is not None and known.verdict.outcome != "errored":
            return known
        name = self.task.name

        def opened(info: SandboxInfo, seconds: float) -> None:
            self.shop.emit(SandboxOpened(task=name, attempt=number, sandbox=info, seconds=seconds))

        def step(count: int, taken: Step) -> None:
            self.shop.emit(
                StepTaken(
                    task=name, attempt=number, number=count, command=taken.command[:200], exit_code=taken.exit_code, seconds=taken.seconds
                )
            )
            self._check_stop()

        def once() -> Trial:
            agent = self.shop.crew.agent(self.task, number, folder)
            trial, files = run_trial(
                self.task, instruction, agent, self.shop.provider, mode=self.shop.settings.verify, hooks=Hooks(opened=opened, step=step)
            )
            folder.save_trial(trial, files)
            return trial

        trial = self._patiently(number, once, unscored=lambda trial: trial.verdict.reason)
        self.shop.emit(VerdictReached(task=name, attempt=number, verdict=trial.verdict, seconds=trial.seconds))
        return trial

    def _patiently(self, number: int, action: Callable[[], T], unscored: Callable[[T], str] = lambda _: "") -> T:
        """`action`'s value; infrastructure that fails, and verdicts without a score, get `infra_retries` further tries."""
        tries = self.shop.settings.infra_retries + 1
        for left in reversed(range(tries)):
            self._check_stop()
            try:
                value = action()
            except (EndpointError, BadCompletion, SandboxError) as error:
                again = left > 0 and not isinstance(error, BuildError)
                self._infra(number, error.kind, error.message, again=again)
                if not again:
                    raise
            else:
                reason = unscored(value)
                if not reason:
                    return value
                self._infra(number, "VerifierErrored", reason, again=left > 0)
                if left == 0:
                    return value
            self.shop.brakes.stop.wait(INFRA_PAUSE_SECONDS * 2 ** (tries - 1 - left))
        raise AssertionError("the last try returns or raises")

    def _infra(self, number: int, error: str, message: str, *, again: bool) -> None:
        self.shop.emit(InfraFailed(task=self.task.name, attempt=number, error=error, message=message, again=again))

    def _check_stop(self) -> None:
        if self.shop.brakes.stop.is_set():
            raise Cancelled("the run was stopped", hint=f"go on with: spark distill --resume {self.shop.run}")
        if self.place.cancel_requested():
            raise Cancelled(f"task {self.task.name!r} was cancelled", hint=f"go on with: spark distill --resume {self.shop.run}")

    # reflection and PDI

    def _reflected(self, attempt: Attempt, folder: AttemptDir) -> Attempt:
        name, number = self.task.name, attempt.number
        failure = Failure(
            task=self.task,
            trial=attempt.trial,
            number=number,
            max_attempts=self.shop.settings.max_attempts,
            old=standing_memo(self.attempts),
            reflections=sum(1 for earlier in self.attempts if earlier.trial.verdict.outcome != "errored"),
            verifier_text=self._verifier_text(folder),
        )
        reflection = reflect(
            self.shop.crew.scribe("memo", self.task, number, folder),
            failure,
            lambda problem, final: self.shop.emit(MemoRefused(task=name, attempt=number, reason=problem, final=final)),
            self._on_trim(number),
        )
        for count, draft in enumerate(reflection.drafts[: None if reflection.memo is None else -1], 1):
            folder.write_text(f"memo-refused-{count}.md", draft)
        if reflection.memo:
            folder.write_text("memo.md", reflection.drafts[-1])
            self.shop.emit(MemoWritten(task=name, attempt=number, chars=len(reflection.drafts[-1])))
        return attempt.model_copy(update={"memo": reflection.memo, "memo_problem": reflection.problem})

    def _verifier_text(self, folder: AttemptDir) -> str:
        """The verifier and what it printed, for --show-verifier alone."""
        if not self.shop.settings.show_verifier:
            return ""
        tests = sorted(path for path in (Path(self.task.path) / "tests").rglob("*") if path.is_file())
        shown = [*tests, folder.root / "verifier" / "stdout.txt"]
        return "\n\n".join(f"# {path.name}\n{path.read_text(encoding='utf-8', errors='replace')}" for path in shown if path.exists())

    def _rebuilt_proxy(self) -> Proxy:
        proxy = self.shop.make_proxy()
        for attempt in self.attempts:
            if attempt.memo or attempt.memo_problem:
                _observe(proxy, attempt)
        return proxy

    def _scored(self, proxy: Proxy, attempt: Attempt) -> Attempt:
        pdi, seed = self.shop.settings.pdi, self.shop.settings.seed
        if pdi.policy == "off":
            return attempt
        point = _observe(proxy, attempt)
        thrown = coin(seed, self.task.name, attempt.number)
        decision = decide(point, pdi.policy, coin=thrown, rate=pdi.rate, before=self._decided())
        self.shop.emit(PdiScored(task=self.task.name, attempt=attempt.number, point=point, decision=decision))
        return attempt.model_copy(update={"pdi": point, "decision": decision})

    def _decided(self) -> Level | None:
        """What the newest attempt's reflection led to."""
        newest = self.attempts[-1] if self.attempts else None
        return newest.decision.level if newest and newest.decision else None

    def _on_trim(self, number: int) -> Callable[[str, int, int], None]:
        return lambda what, kept, dropped: self.shop.emit(
            Trimmed(task=self.task.name, attempt=number, what=what, kept_chars=kept, dropped_chars=dropped)
        )


def _observe(proxy: Proxy, attempt: Attempt) -> PdiPoint:
    memo = attempt.memo
    if memo is None:
        return proxy.missing(attempt.number, attempt.memo_problem)
    failed = tuple(check.name for check in attempt.trial.verdict.checks if not check.passed)
    observation = Observation(
        attempt=attempt.number, commands=commands(attempt), facts=memo.verified_facts, strategy=memo.next_strategy, failed=failed
    )
    return proxy.step(observation)
