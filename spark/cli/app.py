"""The typer app of one command, set as all of them are."""

from __future__ import annotations

import typer


def make_app() -> typer.Typer:
    """An app with plain help, no completion options, and no exception printer of its own (`spark.cli.main` is the one)."""
    return typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
