"""A whole run of `spark distill`: make or resume its directory, take every task through the loop, write the report."""

from __future__ import annotations

import platform
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spark import __version__
from spark.budget import Purse
from spark.distill.loop import finish_task
from spark.distill.report import write_report
from spark.distill.settings import DistillSettings
from spark.distill.work import Crew, Shop, Work
from spark.errors import AuthError, BudgetError, Cancelled, RunError, SandboxError, SparkError, StoreError, boundary
from spark.events import Event, Reporter, RunFinished, RunStarted, TaskFinished, TaskSkipped, TaskStarted, TaskStatus, Warned
from spark.models.callfile import journaled_usage
from spark.parallel import Brakes, interrupts, run_all
from spark.pdi.proxy import Proxy
from spark.prompts import all_digests
from spark.records import Limits, Task, Usage
from spark.sandboxes.base import Provider
from spark.store import RunDir, RunInfo, TaskResult, new_run_name


@dataclass(frozen=True)
class Plan:
    """What to distil and with what; nothing here changes what is found, but for `settings`."""

    settings: DistillSettings
    tasks: tuple[Task, ...]
    output_dir: Path = Path("runs")
    run: str = ""
    """The id of a new run; made up if empty."""
    workers: int = 1
    shared_results: Path | None = None
    resume: Path | None = None


@dataclass
class Summary:
    """How a run ended."""

    run: Path
    results: dict[str, TaskResult] = field(default_factory=dict[str, TaskResult])
    counts: Counter[TaskStatus] = field(default_factory=Counter[TaskStatus])
    failures: list[SparkError] = field(default_factory=list[SparkError])
    stopped: str = ""
    """Why the run ended before every task was taken up or finished; empty otherwise."""
    stopper: SparkError | None = None
    """The failure that ended the run."""
    usage: Usage = field(default_factory=Usage)

    @property
    def exit_code(self) -> int:
        """0 something solved and nothing failed · 1 nothing solved, or the purse is empty · 3 infrastructure failed · 130 stopped."""
        if self.stopper is not None:
            return self.stopper.exit_code
        if any(isinstance(failure, Cancelled) for failure in self.failures):
            return Cancelled.exit_code
        infrastructure = [failure.exit_code for failure in self.failures if failure.exit_code > 1]
        if infrastructure:
            return max(infrastructure)
        return 0 if self.counts["solved"] + self.counts["solved_no_skill"] and not self.failures else 1


def distill(
    plan: Plan,
    directory: RunDir,
    *,
    provider: Provider,
    crew: Callable[[Callable[[Event], None], threading.Event], Crew],
    purse: Purse,
    reporter: Reporter,
) -> Summary:
    """Take every unfinished task of an opened run to its end.

    `crew` makes agent and scribe once it is told where events go and what ends their waits. Infrastructure that fails ends a task, not
    the run; a refused key, an empty purse or a full disk ends the run. One Ctrl-C drains it, a second stops it.

    Raises:
        RunError: another process is writing this run.
    """
    summary = Summary(run=directory.root)
    lock = threading.Lock()

    def emit(event: Event) -> None:
        with lock:
            directory.append(event)
            reporter.on(event)

    brakes = Brakes()
    with directory.locked(), interrupts(brakes, lambda text: reporter.on(Warned(message=text))):
        started = time.monotonic()
        directory.heal()
        for role, usage in journaled_usage(directory.root / "tasks", purse.priced).items():
            purse.restore(role, usage)
        tasks = tuple(task.name for task in plan.tasks)
        tau = None if plan.settings.pdi.policy == "off" else plan.settings.pdi.tau
        emit(
            RunStarted(
                run=directory.info.run,
                command="distill",
                tasks=tasks,
                resumed=plan.resume is not None,
                tau=tau,
                max_usd=purse.max_usd,
                max_tokens=purse.max_tokens,
            )
        )
        shop = Shop(
            run=directory.info.run,
            settings=plan.settings,
            provider=provider,
            crew=crew(emit, brakes.stop),
            emit=emit,
            brakes=brakes,
            make_proxy=partial(_proxy, plan.settings),
        )
        run = _Run(plan, directory, shop, summary)
        left = run_all([partial(run.job, task) for task in run.unfinished()], workers=plan.workers, brakes=brakes)
        try:
            provider.close()
        except SandboxError as error:
            emit(Warned(message=error.message))
        if left or brakes.drain.is_set():
            summary.stopped = summary.stopped or "on request" + (f"; {left} tasks were not begun" if left else "")
        summary.usage = purse.total()
        seconds = time.monotonic() - started
        emit(RunFinished(counts=dict(summary.counts), usage=summary.usage, seconds=seconds, stopped=summary.stopped))
        write_report(directory)
    return summary


@dataclass
class _Run:
    """One run under way."""

    plan: Plan
    directory: RunDir
    shop: Shop
    summary: Summary

    def unfinished(self) -> list[Task]:
        """The tasks still to do; finished ones and those another run has solved are counted and said."""
        todo: list[Task] = []
        for task in self.plan.tasks:
            known = self.directory.task(task.name).result()
            elsewhere = _solved_elsewhere(task, self.plan.shared_results) if known is None and self.plan.shared_results else None
            if known is not None:
                self.summary.results[task.name] = known
                self.summary.counts[known.status] += 1
                self.shop.emit(TaskSkipped(task=task.name, reason=f"finished before: {known.status}"))
            elif elsewhere is not None:
                self.shop.emit(TaskSkipped(task=task.name, reason=f"solved by run {elsewhere}"))
            else:
                self.directory.task(task.name).clear_cancel()
                todo.append(task)
        return todo

    def job(self, task: Task) -> None:
        """Take one task to its end; whatever goes wrong ends in the summary and an event, never in another task."""
        started = time.monotonic()
        place = self.directory.task(task.name)
        reward: float | None = None
        try:
            with boundary(f"task {task.name!r}"):
                self.shop.emit(TaskStarted(task=task.name, max_attempts=self.plan.settings.max_attempts))
                result = finish_task(Work(self.shop, task, place))
            status, reward, reason = result.status, result.reward, result.reason
            self.summary.results[task.name] = result
        except SparkError as error:
            status, reason = self._failed(error)
        self.summary.counts[status] += 1
        seconds = time.monotonic() - started
        finished = TaskFinished(
            task=task.name, status=status, attempts=len(place.attempts()), reward=reward, seconds=seconds, reason=reason
        )
        try:
            self.shop.emit(finished)
        except StoreError as error:
            self._failed(error)

    def _failed(self, error: SparkError) -> tuple[TaskStatus, str]:
        self.summary.failures.append(error)
        if isinstance(error, AuthError | BudgetError | StoreError):
            self.summary.stopper = self.summary.stopper or error
            self.summary.stopped = self.summary.stopper.message
            self.shop.brakes.halt()
        return "cancelled" if isinstance(error, Cancelled | BudgetError) else "errored", f"{error.kind}: {error.message}"


def open_run(plan: Plan, sources: dict[str, str]) -> RunDir:
    """The run directory to write: a new one, or the one to resume after checking that its inputs are the same.

    `sources` says where each task lies, so that a resumed run finds them again.

    Raises:
        RunError: it cannot be made, or what it was made from has changed (both values are named).
    """
    if plan.resume is None:
        return RunDir.create(plan.output_dir, _info(plan.run or new_run_name("distill"), plan, sources))
    directory = RunDir(plan.resume)
    before, now = directory.info, _info(directory.info.run, plan, sources)
    if before.command != "distill":
        raise RunError(f"wanted a run of 'distill' to resume, found one of {before.command!r} in {str(plan.resume)!r}")
    for what in ("settings", "prompts", "tasks"):
        _same(directory.info.run, what, getattr(before, what), getattr(now, what))
    return directory


def _same(run: str, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old != new:
            raise RunError(
                f"cannot resume {run!r}: {what}.{key} was {old!r}, is now {new!r}", hint="put it back as it was, or start a new run"
            )


def _info(run: str, plan: Plan, sources: dict[str, str]) -> RunInfo:
    return RunInfo(
        run=run,
        command="distill",
        created_at=time.time(),
        settings=plan.settings.model_dump(mode="json"),
        versions={"spark": __version__, "python": platform.python_version()},
        git_commit=_git_commit(),
        prompts=all_digests(),
        tasks={task.name: task.digest for task in plan.tasks},
        sources=sources,
        seed=plan.settings.seed,
    )


def _git_commit() -> str | None:
    """The commit of the working directory, if it is a git checkout."""
    try:
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None


def limited(task: Task, settings: DistillSettings) -> Task:
    """The task with its time limits scaled and its steps bounded as asked."""
    limits = {**task.limits.model_dump(), **settings.limits}
    limits |= {
        "agent_seconds": limits["agent_seconds"] * settings.timeout_multiplier,
        "verifier_seconds": limits["verifier_seconds"] * settings.timeout_multiplier,
        "steps": settings.max_steps or limits["steps"],
    }
    return task.model_copy(update={"limits": Limits.model_validate(limits)})


def _proxy(settings: DistillSettings) -> Proxy:
    pdi = settings.pdi
    return Proxy(method=pdi.method, scale=pdi.scale, tau=pdi.tau, warmup=pdi.warmup)


def _solved_elsewhere(task: Task, results: Path) -> str | None:
    """The run under `results` that solved this very task, if any."""
    for path in sorted(results.glob(f"*/tasks/{task.name}/result.json")):
        try:
            result = TaskResult.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if result.task_digest == task.digest and result.status == "solved":
            return path.parents[2].name
    return None
