"""Rows of a report: JSON lines when asked, a table on a terminal, tab-separated columns in a pipe."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark.errors import RequestError

if TYPE_CHECKING:
    from spark.pdi.raw import Fault

Paths = Annotated[list[Path], typer.Argument(help="Run directories, folders of released runs, or single task folders.", show_default=False)]
Plot = Annotated[Path | None, typer.Option(help="Draw it into this .svg or .png file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]


def show(columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, as_json: bool) -> None:
    """Write the `columns` of each row to stdout."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps({name: row[name] for name in columns}))
        return
    cells = ([_cell(row[name]) for name in columns] for row in rows)
    if not sys.stdout.isatty():
        # the heading waits for the first row: a refused request leaves stdout empty
        heading = ["\t".join(columns)]
        for line in cells:
            typer.echo("\n".join([*heading, "\t".join(line)]))
            heading = []
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*columns, box=None)
    for line in cells:
        table.add_row(*map(escape, line))
    Console().print(table)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write the `columns` of each row to stdout as RFC 4180 with a heading; None is an empty cell."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)


def write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write the `columns` of each row to a file.

    Raises:
        RequestError: pyarrow is not installed, or the file cannot be written.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise RequestError("--parquet wants the package pyarrow, found none", hint="pip install pyarrow, or take --csv") from None
    try:
        parquet.write_table(arrow.table({name: [row[name] for row in rows] for name in columns}), path)
    except OSError as error:
        raise RequestError(f"{path}: cannot be written ({error.strerror})") from error


def warn(line: str) -> None:
    """Write a line to stderr."""
    typer.echo(line, err=True)


def complain(faults: Iterable[Fault]) -> None:
    """Name each fault of a recording on stderr, one a line."""
    for fault in faults:
        warn(f"{fault.kind}: {fault.where}" + (f": {fault.detail}" if fault.detail else ""))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """The text with whatever could steer a terminal replaced: files may hold anything."""
    return "".join(char if char.isprintable() else "�" for char in text)
