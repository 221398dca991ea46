"""A whole run of `spark distill`: make or resume its directory, take every task through the loop, write the report."""

from __future__ import annotations

import platform
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spark import __version__
from spark.budget import Purse
from spark.cast import Cast, Tapes
from spark.distill.loop import Shop, TaskLoop
from spark.distill.settings import DistillSettings
from spark.errors import AuthError, BudgetError, Cancelled, RequestError, RunError, SparkError, StoreError, boundary
from spark.events import Event, Reporter, RunFinished, RunStarted, TaskFinished, TaskSkipped, TaskStarted, TaskStatus, Warned
from spark.models.cassette import journaled_usage
from spark.pdi.proxy import Proxy
from spark.prompts import all_digests
from spark.records import Limits, Task, Usage
from spark.sandboxes.base import Provider
from spark.store import RunDir, RunInfo, TaskResult


@dataclass(frozen=True)
class Plan:
    """What to distil and with what; nothing here changes what is found, but for `settings`."""

    settings: DistillSettings
    tasks: tuple[Task, ...]
    output_dir: Path = Path("runs")
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
    usage: Usage = Usage()

    @property
    def exit_code(self) -> int:
        """0 something solved and nothing failed · 1 nothing solved, or the purse is empty · 3 infrastructure failed · 130 stopped."""
        if any(isinstance(failure, Cancelled) for failure in self.failures):
            return Cancelled.exit_code
        infrastructure = [failure.exit_code for failure in self.failures if failure.exit_code > 1]
        if infrastructure:
            return max(infrastructure)
        return 0 if self.counts["solved"] + self.counts["solved_no_skill"] and not self.failures else 1


@dataclass
class _Run:
    """One run under way."""

    plan: Plan
    directory: RunDir
    shop: Shop
    summary: Summary

    def job(self, task: Task) -> None:
        """Take one task to its end; whatever goes wrong ends in the summary and an event, never in another task."""
        started = time.monotonic()
        place = self.directory.task(task.name)
        self.shop.emit(TaskStarted(task=task.name, max_attempts=self.plan.settings.max_attempts))
        loop = TaskLoop(self.shop, task, place)
        status: TaskStatus
        try:
            with boundary(f"task {task.name!r}"):
                result = loop.run()
            status, reward, reason = result.status, result.reward, result.reason
            self.summary.results[task.name] = result
        except SparkError as error:
            status = "cancelled" if isinstance(error, Cancelled | BudgetError) else "errored"
            reward, reason = None, f"{error.kind}: {error.message}"
            self.summary.failures.append(error)
            if isinstance(error, AuthError | BudgetError | StoreError):
                self.summary.stopped = self.summary.stopped or error.message
                self.shop.stop.set()
        self.summary.counts[status] += 1
        seconds = time.monotonic() - started
        finished = TaskFinished(task=task.name, status=status, attempts=len(loop.attempts), reward=reward, seconds=seconds, reason=reason)
        self.shop.emit(finished)


def open_run(plan: Plan) -> RunDir:
    """The run directory to write: a new one, or the one to resume after checking that its inputs are the same.

    Raises:
        RunError: it cannot be made, or what it was made from has changed (both values are named).
    """
    if plan.resume is None:
        return RunDir.create(plan.output_dir, "distill", lambda run: _info(run, plan))
    directory = RunDir(plan.resume)
    before, now = directory.info, _info(directory.info.run, plan)
    if before.command != "distill":
        raise RunError(f"wanted a run of 'distill' to resume, found one of {before.command!r} in {str(plan.resume)!r}")
    for what, old, new in (
        *(("setting", {key: value}, {key: now.settings.get(key)}) for key, value in before.settings.items()),
        *(("prompt", {key: value}, {key: now.prompts.get(key)}) for key, value in before.prompts.items()),
        *(("task", {key: value}, {key: now.tasks.get(key)}) for key, value in before.tasks.items()),
    ):
        if old != new:
            raise RunError(
                f"cannot resume {directory.info.run!r}: {what} {next(iter(old))!r} was {next(iter(old.values()))!r}, "
                f"is now {next(iter(new.values()))!r}",
                hint="start a new run, or put it back as it was",
            )
    return directory


def _info(run: str, plan: Plan) -> RunInfo:
    return RunInfo(
        run=run,
        command="distill",
        created_at=time.time(),
        settings=plan.settings.model_dump(mode="json"),
        versions={"spark": __version__, "python": platform.python_version()},
        git_commit=None,
        prompts=all_digests(),
        tasks={task.name: task.digest for task in plan.tasks},
        seed=plan.settings.seed,
    )


def limited(task: Task, settings: DistillSettings) -> Task:
    """The task with its limits scaled and bounded as asked."""
    limits = task.limits
    scaled = Limits.model_validate(
        {
            **limits.model_dump(),
            "agent_seconds": limits.agent_seconds * settings.timeout_multiplier,
            "verifier_seconds": limits.verifier_seconds * settings.timeout_multiplier,
            "steps": settings.max_steps or limits.steps,
        }
    )
    return task.model_copy(update={"limits": scaled})


def make_proxy(settings: DistillSettings, task: str) -> Proxy:
    """The proxy of one task."""
    del task
    pdi = settings.pdi
    return Proxy(method=pdi.method, scale=pdi.scale, tau=pdi.tau, warmup=pdi.warmup)


def solved_elsewhere(task: Task, results: Path) -> str | None:
    """The run under `results` that solved this very task, if any."""
    for path in sorted(results.glob(f"*/tasks/{task.name}/result.json")):
        result = TaskResult.model_validate_json(path.read_bytes())
        if result.task_digest == task.digest and result.status == "solved":
            return path.parents[2].name
    return None
