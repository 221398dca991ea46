"""An agent's recorded output: JSON lines of Codex's kind, with whatever a shell printed between them."""

from __future__ import annotations

import json
import shlex

from pydantic import ValidationError

from spark.pdi.raw import RawModel, Text
from spark.records import Record

_SHELLS = frozenset({"bash", "sh", "/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh"})
_WRAPPED_WORDS = 3


class RanCommand(Record):
    """One command of an agent, unwrapped, and what it printed."""

    command: str
    output: str = ""
    exit_code: int | None = None


class Stream(Record):
    """What an agent's recorded output holds."""

    commands: tuple[RanCommand, ...] = ()
    noise_lines: int = 0
    """Lines that are no JSON: shell noise."""
    wrapped: int = 0
    """Commands that stood inside `bash -lc "…"`."""


class _Item(RawModel):
    id: Text = ""
    type: Text = ""
    command: Text = ""
    aggregated_output: Text = ""
    exit_code: int | None = None


class _Event(RawModel):
    type: Text = ""
    item: _Item | None = None


def read_stream(stdout: str) -> Stream:
    """Every command in the order it was started; one that never completed is among them, without exit code."""
    noise = wrapped = 0
    ran: dict[str, RanCommand] = {}
    for number, line in enumerate(stdout.split("\n")):
        if not line.strip():
            continue
        if not line.startswith("{"):
            noise += 1
            continue
        if '"command_execution"' not in line:
            continue
        try:
            event = _Event.model_validate_json(line)
        except ValidationError:
            noise += 1
            continue
        if event.item is None or event.item.type != "command_execution":
            continue
        command = unwrapped(event.item.command)
        key = event.item.id or f"line {number}"
        wrapped += key not in ran and command != event.item.command
        ran[key] = RanCommand(command=command, output=event.item.aggregated_output, exit_code=event.item.exit_code)
    return Stream(commands=tuple(ran.values()), noise_lines=noise, wrapped=wrapped)


def unwrapped(command: str) -> str:
    """The script inside `bash -lc SCRIPT`, or the command itself where it is nothing of the kind."""
    head = command[:16].split(" ", 1)[0]
    if head not in _SHELLS:
        return command
    try:
        parts = shlex.split(command)
    except ValueError:
        return command
    return parts[2] if len(parts) == _WRAPPED_WORDS and parts[1] in {"-lc", "-c"} else command


def is_json_only(text: str) -> bool:
    """Whether every line of a text is a JSON object: an agent's raw output in place of its commands."""
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "[Agent Output]"]
    return bool(lines) and all(_is_object(line) for line in lines)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
