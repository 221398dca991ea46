"""`spark pdi`: the measure itself, recomputed from recorded runs, ours or released."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from spark.cli.rows import complain, show
from spark.errors import RequestError

app = typer.Typer(no_args_is_help=True)

Paths = Annotated[list[Path], typer.Argument(help="Run directories, folders of released runs, or single task folders.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]

ONLINE_COLUMNS = ("task", "attempt", "step", "proxy_exec", "proxy_plan", "proxy_oss", "raw", "weight", "weighted", "triggered", "level")


@app.callback()
def pdi() -> None:
    """Recompute and study PDI from recorded runs, ours or released."""


@app.command()
def online(
    paths: Paths,
    *,
    method: Annotated[
        Literal["token_overlap", "js_divergence"] | None,
        typer.Option(help="How texts are compared.", show_default="js_divergence; token_overlap with --compat released"),
    ] = None,
    scale: Annotated[
        Literal["running", "reference"] | None,
        typer.Option(help="z against this task's steps so far, or a fixed population.", show_default="reference; running with --compat"),
    ] = None,
    tau: Annotated[float, typer.Option(help="Fires below this.")] = -0.5,
    warmup: Annotated[int, typer.Option(min=1, help="Steps until the signal has its full weight.")] = 2,
    compat: Annotated[Literal["released"] | None, typer.Option(help="Follow the released runs to the letter.")] = None,
    as_json: Json = False,
) -> None:
    """The online proxy after each reflection."""
    from spark.pdi.proxy import DEFAULT_METHOD, DEFAULT_SCALE, Proxy
    from spark.pdi.recordings import find, read
    from spark.pdi.replay import agreement, replay

    if compat and scale == "reference":
        raise RequestError("--compat released wants --scale running, found 'reference'", hint="leave one of the two out")
    method = method or ("token_overlap" if compat else DEFAULT_METHOD)
    scale = scale or ("running" if compat else DEFAULT_SCALE)
    rules = compat or "ours"
    checked: list[tuple[int, int]] = []

    def rows() -> Iterator[dict[str, object]]:
        for folder in find(paths):
            recording = read(folder)
            complain(recording.faults)
            points = list(replay(recording, Proxy(method=method, scale=scale, tau=tau, warmup=warmup, rules=rules)))
            checked.append(agreement(points, recording.snapshots))
            for point in points:
                if point.missing:
                    typer.echo(f"missing: {recording.folder}: attempt {point.attempt}: {point.missing}", err=True)
                yield {"task": recording.task, **point.model_dump()}

    show(ONLINE_COLUMNS, rows(), as_json=as_json)
    if compat and method == "token_overlap" and checked:
        agreed, known = (sum(counts) for counts in zip(*checked, strict=True))
        typer.echo(f"{agreed} of {known} recorded snapshots agree to four decimals, levels included", err=True)
