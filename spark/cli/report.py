"""`spark report`: what a run came to, written again from its directory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run directory, finished or not.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> int:
    """Write the report of a run again, and show it.

    report.md and report.json are derived files: nothing else of the run changes.
    """
    from spark.distill.report import report_markdown, write_report
    from spark.store import RunDir

    written = write_report(RunDir(run))
    typer.echo(written.model_dump_json(indent=1) if as_json else report_markdown(written), nl=as_json)
    return 0
