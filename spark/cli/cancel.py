"""`spark cancel`: stop tasks of a run that another process writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def cancel(
    run: Annotated[Path, typer.Argument(help="The run directory.")],
    tasks: Annotated[list[str], typer.Argument(help="Tasks to stop.", show_default=False)],
) -> int:
    """Stop single tasks of a running run at their next step; the others go on.

    A cancelled task has no result: --resume takes it up again.
    """
    from spark.errors import RequestError
    from spark.store import RunDir

    directory = RunDir(run)
    unknown = sorted(set(tasks) - set(directory.info.tasks))
    if unknown:
        raise RequestError(f"run {directory.info.run!r} has no task {unknown[0]!r}", hint=f"it has {', '.join(directory.info.tasks)}")
    for name in tasks:
        place = directory.task(name)
        if place.result() is not None:
            typer.echo(f"{name} is finished already")
        else:
            place.request_cancel()
            typer.echo(f"{name} stops at its next step")
    return 0
