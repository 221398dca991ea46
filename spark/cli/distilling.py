"""From the options of `spark distill` to a run: settings resolved, pieces put together, the end said in one line."""

from __future__ import annotations

import random
import threading
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from pydantic import ValidationError

from spark.budget import Purse
from spark.cast import Cast, ModelSource, Tapes
from spark.config import Config, Endpoint, host_environment, load, shown_url
from spark.display import pick_reporter, visible
from spark.distill.run import Plan, Summary, distill, limited, open_run
from spark.distill.settings import DistillSettings
from spark.errors import RequestError
from spark.events import in_words
from spark.models.base import Model
from spark.plugins import load as load_plugin
from spark.sandboxes.pick import pick_provider
from spark.store import RunDir, new_run_name
from spark.tasks import fill_env, find_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from spark.events import Event
    from spark.records import Task

WITHOUT_MODEL = frozenset({"oracle", "nop"})
"""Agents that ask nobody. What they solve is not distilled."""


@dataclass(frozen=True)
class Options:
    """What does not change what is found."""

    tasks: Path | None
    only: tuple[str, ...]
    limit: int | None
    shuffle: bool
    workers: int | None
    max_usd: float | None
    max_tokens: int | None
    output_dir: Path | None
    resume: Path | None
    shared_results: Path | None
    record: Path | None
    dry_run: bool
    as_json: bool
    quiet: bool


def run(asked: dict[str, Any], options: Options) -> int:
    """Distil as asked; returns the exit code."""
    summary = run_for_summary(asked, options)
    return summary.exit_code if summary else 0


def run_for_summary(asked: dict[str, Any], options: Options) -> Summary | None:
    """Distil as asked and say how it ended; None after a dry run."""
    before = RunDir(options.resume) if options.resume else None
    settings, config = _resolve(asked, options, before)
    tasks, sources = _tasks(options, before, settings)
    run_name = before.info.run if before else new_run_name("distill")
    plan = Plan(
        settings=settings,
        run=run_name,
        tasks=tasks,
        output_dir=config.output_dir,
        workers=config.parallelism,
        shared_results=options.shared_results,
        resume=options.resume,
    )
    if options.dry_run:
        typer.echo(_would(plan, config))
        return None
    purse = Purse(config.max_usd, config.max_tokens, prices=config.prices)
    crew = _crew(settings, config, purse, options.record)
    provider = pick_provider(settings.sandbox, run_name)
    directory = open_run(plan, sources)
    with closing(pick_reporter(as_json=options.as_json, quiet=options.quiet)) as reporter:
        summary = distill(plan, directory, provider=provider, crew=crew, purse=purse, reporter=reporter)
    _say(summary, as_json=options.as_json)
    return summary


def _resolve(asked: dict[str, Any], options: Options, before: RunDir | None) -> tuple[DistillSettings, Config]:
    """Flags over the resumed run's own settings, or over the configuration."""
    given = {key: value for key, value in asked.items() if value is not None and key != "pdi"}
    given_pdi = {key: value for key, value in asked["pdi"].items() if value is not None}
    stored = before.info.settings if before else {}
    flags: dict[str, Any] = {
        "model": given.get("model", stored.get("model") or None),
        "base_url": given.get("base_url", stored.get("base_url")),
        "summary_model": given.get("summary_model", stored.get("summary_model") or None),
        "summary_base_url": given.get("summary_base_url", stored.get("summary_base_url")),
        "sandbox": given.get("sandbox", stored.get("sandbox")),
        "parallelism": options.workers,
        "max_usd": options.max_usd,
        "max_tokens": options.max_tokens,
        "output_dir": options.output_dir,
    }
    config = load(flags)
    found = {
        "model": config.model,
        "base_url": shown_url(config.base_url),
        "summary_model": config.summary_model or config.model,
        "summary_base_url": shown_url(config.summary_base_url or config.base_url),
        "sandbox": config.sandbox,
        "limits": stored.get("limits", config.limits),
    }
    if given.get("replay", stored.get("replay")):
        found |= {"base_url": None, "summary_base_url": None}
    if given.get("agent", stored.get("agent")) in WITHOUT_MODEL:
        found |= {"model": "", "base_url": None, "summary_model": "", "summary_base_url": None}
        given = {"max_attempts": 1, **given}
    try:
        settings = DistillSettings.model_validate({**stored, **given, **found, "pdi": {**stored.get("pdi", {}), **given_pdi}})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise RequestError(f"{name}: {first['msg']}, found {first['input']!r:.100}", hint="see `spark distill --help`") from None
    return settings, config


def _tasks(options: Options, before: RunDir | None, settings: DistillSettings) -> tuple[tuple[Task, ...], dict[str, str]]:
    """The tasks in the order they are taken, limited as asked, and where each lies."""
    if before and not options.tasks:
        found = [task for source in before.info.sources.values() for task in find_tasks(Path(source))]
    elif options.tasks:
        found = find_tasks(options.tasks, only=options.only)
    else:
        raise RequestError("no tasks were named", hint="give a task or a folder of tasks, or --resume RUN")
    if options.shuffle:
        random.Random(settings.seed).shuffle(found)
    found = found[: options.limit]
    host = host_environment()
    return tuple(fill_env(limited(task, settings), host) for task in found), {task.name: task.path for task in found}


def _crew(
    settings: DistillSettings, config: Config, purse: Purse, record: Path | None
) -> Callable[[Callable[[Event], None], threading.Event], Cast]:
    if settings.agent in WITHOUT_MODEL or settings.replay:
        teacher = writer = partial(_silent, settings.model or "recorded")
    else:
        teacher, writer = _endpoint(config.teacher(), settings), _endpoint(config.scribe(), settings)
        purse.require_price(settings.model)
        purse.require_price(settings.summary_model)
    agent = load_plugin("agents", settings.agent)

    def make_agent(model: Model) -> Any:
        if settings.agent in WITHOUT_MODEL:
            return agent()
        return agent(model, tool_mode=settings.tool_mode, command_seconds=settings.command_seconds)

    tapes = Tapes(replay_from=_tape(settings.replay), record_to=record)
    return lambda emit, cancel: Cast(teacher, writer, make_agent, purse, emit, tapes, cancel)


def _endpoint(endpoint: Endpoint, settings: DistillSettings) -> ModelSource:
    from spark.models.openai import OpenAIModel
    from spark.models.retry import Wire

    model = OpenAIModel(
        endpoint.model,
        base_url=endpoint.base_url,
        api_key=endpoint.api_key.get_secret_value(),
        wire=Wire(temperature=settings.temperature, seed=settings.seed),
    )
    return lambda waits, cancel: model.bound(on_retry=waits, cancel=cancel)


def _silent(name: str, *_: object) -> Model:
    """A model that has no answers of its own: all of them are recorded, or none is asked for."""
    from spark.models.scripted import ScriptedModel

    return ScriptedModel([], name=name)


def _tape(replay: str | None) -> Path | None:
    """A recording, or the tasks of a run directory."""
    if replay is None:
        return None
    path = Path(replay)
    if not path.is_dir():
        raise RequestError(f"wanted a recording or a run directory to replay, found none at {replay!r}")
    return path / "tasks" if (path / "run.json").exists() else path


def _would(plan: Plan, config: Config) -> str:
    settings = plan.settings
    who = (
        settings.agent
        if settings.agent in WITHOUT_MODEL
        else f"{settings.agent} with {settings.model} at {settings.base_url or 'a recording'}"
    )
    lines = [
        f"would distil {len(plan.tasks)} tasks, {plan.workers} at a time, {settings.max_attempts} attempts each, into {plan.output_dir}/",
        f"agent: {who} · scribe: {settings.summary_model or '–'} · sandbox: {settings.sandbox} · pdi: {settings.pdi.policy}",
        f"limits: {config.max_usd or 'no'} dollars, {config.max_tokens or 'no'} tokens",
        *(
            f"  {visible(task.name)}  {task.limits.steps} commands, {task.limits.agent_seconds:.0f} s, {task.digest[:12]}"
            for task in plan.tasks
        ),
    ]
    return "\n".join(lines)


def _say(summary: Summary, *, as_json: bool) -> None:
    """The last lines: what came of it and where it lies."""
    counts = ", ".join(f"{count} {in_words(status)}" for status, count in sorted(summary.counts.items())) or "nothing to do"
    typer.echo(f"{counts} · report: {summary.run / 'report.md'}", err=as_json)
    if summary.stopped:
        typer.echo(f"stopped: {visible(summary.stopped)}", err=True)
    for failure in {failure.message: failure for failure in summary.failures}.values():
        typer.echo(f"error: {visible(failure.message)}", err=True)
        if failure.hint:
            typer.echo(f"hint: {visible(failure.hint)}", err=True)
    if summary.failures or summary.stopped:
        typer.echo(f"hint: go on with `spark distill --resume {summary.run}`", err=True)
