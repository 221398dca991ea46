"""The studies of `spark pdi`: how far a number can be trusted, and what it rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spark.cli.rows import Json, Paths, complain, show, warn
from spark.errors import RequestError

app = typer.Typer()


@app.command()
def calibrate(
    paths: Paths,
    *,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    write_reference: Annotated[Path | None, typer.Option(help="Write these runs' means and deviations to this file.")] = None,
    origin: Annotated[str, typer.Option(help="Where these runs come from, written into that file.")] = "",
    as_json: Json = False,
) -> None:
    """How well each setting of the proxy, and plain signals beside it, foretell that the next attempt brings no progress."""
    from spark.pdi.calibrate import calibrate as calibrated
    from spark.pdi.calibrate import reference_of
    from spark.pdi.recordings import find, read

    recordings = [read(folder) for folder in find(paths)]
    for recording in recordings:
        complain(recording.faults)
    found = calibrated(recordings, seed=seed)
    columns = ("signal", "tau", "auc", "low", "high", "n", "tasks", "fires", "before_success", "delay", "caught")
    show(columns, (one.model_dump() for one in found), as_json=as_json)
    sure = [one.signal for one in found if one.beats_chance]
    warn(f"shown to beat chance on tasks it was not fitted to: {'; '.join(dict.fromkeys(sure)) or 'nothing'}")
    if write_reference is not None:
        reference = reference_of(recordings, origin or f"{len(recordings)} recordings")
        if reference is None:
            raise RequestError("--write-reference wants steps whose components vary, found too few of them")
        write_reference.write_text(reference.model_dump_json(indent=2) + "\n", encoding="utf-8")
