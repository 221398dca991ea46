"""Results from anywhere: CSV or JSON lines with the columns task, arm, repeat, reward or outcome, and if known model, cost, seconds."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn, TextIO, TypeAlias, cast

from spark.errors import RequestError
from spark.records import outcome_of

COLUMNS = ("task", "arm", "repeat", "reward", "outcome", "model", "cost", "seconds")
FAULTS_NAMED = 50
"""Faults told one by one; the rest are counted."""
_HINT = "columns: task, arm, repeat, reward (0 to 1, empty if errored) or outcome (solved, partial, failed, errored); model, cost, seconds"
_LARGEST_CELL = 1 << 20
_QUOTED = 60

Format = Literal["csv", "jsonl"]
_Fields: TypeAlias = Mapping[str, object]
_Cell: TypeAlias = tuple[str, str, str]


class Row(NamedTuple):
    """One trial. It is no record: a table may hold a million."""

    task: str
    arm: str
    repeat: int
    reward: float | None
    """In [0, 1]; None iff the trial errored."""
    model: str = ""
    usd: float | None = None
    seconds: float | None = None


def read_tables(paths: Iterable[Path]) -> Iterator[Row]:
    """The trials of all tables in order, one at a time.

    Raises:
        RequestError: a table cannot be read, or has faults; it names each with its line once that table is read through.
    """
    seen: dict[_Cell, dict[int, tuple[Path, int]]] = {}
    for path in paths:
        faults: list[str] = []
        count = 0
        with _opened(path) as stream:
            for line, fields in _lines(path, stream, faults):
                try:
                    row = _row(fields)
                    _once(row, (path, line), seen)
                except ValueError as error:
                    faults.append(f"line {line}: {error}")
                    continue
                count += 1
                yield row
        if faults:
            more = f"\n  and {len(faults) - FAULTS_NAMED} more" if len(faults) > FAULTS_NAMED else ""
            listed = "\n  ".join(faults[:FAULTS_NAMED])
            raise RequestError(f"{path}: {len(faults)} fault{'s' * (len(faults) > 1)}\n  {listed}{more}", hint=_HINT)
        if not count:
            raise RequestError(f"{path}: wanted trials, found none", hint=_HINT)


@contextmanager
def _opened(path: Path) -> Generator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except OSError as error:
        raise RequestError(f"{path}: wanted a table, cannot read it ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: wanted UTF-8, found {error.object[error.start : error.start + 1]!r}", hint=_HINT) from error


def format_of(path: Path) -> Format:
    """How a table is written, by the end of its name.

    Raises:
        RequestError: it is neither.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        return "csv"
    if ending in {".jsonl", ".ndjson"}:
        return "jsonl"
    raise RequestError(f"{path}: wanted a table in .csv or .jsonl, found {ending!r}")


def _lines(path: Path, stream: TextIO, faults: list[str]) -> Iterator[tuple[int, _Fields]]:
    return _json_lines(stream, faults) if format_of(path) == "jsonl" else _csv_lines(stream, faults)


def _csv_lines(stream: TextIO, faults: list[str]) -> Iterator[tuple[int, _Fields]]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(stream, strict=True)
    line = 1
    try:
        heading = [name.strip().lower() for name in next(reader, None) or ()]
        missing = _missing(heading)
        if missing:
            faults.append(f"line 1: {missing}")
            return
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(heading):
                yield line, dict(zip(heading, cells, strict=True))
            elif cells:
                faults.append(f"line {line}: wanted {len(heading)} cells, found {len(cells)}")
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append(f"line {line}: no CSV from here on ({error})")


def _missing(heading: Sequence[str]) -> str:
    wanted = [name for name in ("task", "arm", "repeat") if name not in heading]
    if "reward" not in heading and "outcome" not in heading:
        wanted.append("reward or outcome")
    twice = sorted({name for name in heading if name in COLUMNS and heading.count(name) > 1})
    if wanted:
        return f"wanted the columns {', '.join(wanted)}, found {', '.join(heading)[:200]!r}"
    return f"column {twice[0]!r} stands there twice" if twice else ""


def _json_lines(stream: TextIO, faults: list[str]) -> Iterator[tuple[int, _Fields]]:
    for line, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            value: object = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            faults.append(f"line {line}: no JSON object ({str(error)[:100]})")
            continue
        if isinstance(value, dict):
            fields = cast("_Fields", value)
            missing = _missing(list(fields))
            if missing:
                faults.append(f"line {line}: {missing}")
            else:
                yield line, fields
        else:
            faults.append(f"line {line}: wanted a JSON object, found {_shown(value)}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands there twice")
    return fields


def _once(row: Row, at: tuple[Path, int], seen: dict[_Cell, dict[int, tuple[Path, int]]]) -> None:
    repeats = seen.setdefault((row.model, row.arm, row.task), {})
    first = repeats.setdefault(row.repeat, at)
    if first != at:
        where = f"line {first[1]}" if first[0] == at[0] else f"{first[0]} line {first[1]}"
        raise ValueError(f"task {row.task!r}, arm {row.arm!r}, repeat {row.repeat} stands in {where} already")


def _row(fields: _Fields) -> Row:
    return Row(
        task=_name(fields, "task"),
        arm=_name(fields, "arm"),
        repeat=_repeat(fields["repeat"]),
        reward=_reward(fields),
        model=_name(fields, "model") if fields.get("model") not in (None, "") else "",
        usd=_amount(fields, "cost"),
        seconds=_amount(fields, "seconds"),
    )


def _name(fields: _Fields, column: str) -> str:
    value = fields[column]
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise ValueError(f"{column}: wanted a name, found {_shown(value)}")
    return text


def _repeat(value: object) -> int:
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() and len(value) < 10 else value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"repeat: wanted a whole number from 0, found {_shown(value)}")
    return value


def _reward(fields: _Fields) -> float | None:
    reward = _number(fields.get("reward"), "reward", lambda value: value <= 1, "a number in [0, 1]")
    raw = fields.get("outcome")
    outcome = raw.strip().lower() if isinstance(raw, str) else raw
    if outcome in (None, ""):
        return reward
    if outcome not in ("solved", "partial", "failed", "errored"):
        raise ValueError(f"outcome: wanted solved, partial, failed or errored, found {_shown(raw)}")
    if reward is None:
        if outcome == "partial":
            raise ValueError("outcome: 'partial' wants a reward beside it")
        return {"solved": 1.0, "failed": 0.0}.get(str(outcome))
    if outcome != outcome_of(reward):
        raise ValueError(f"reward {reward} makes the outcome {outcome_of(reward)!r}, not {_shown(raw)}")
    return reward


def _amount(fields: _Fields, column: str) -> float | None:
    return _number(fields.get(column), column, lambda _: True, "a number from 0")


def _number(value: object, column: str, fits: Callable[[float], bool], wanted: str) -> float | None:
    if value is None or value == "":
        return None
    number = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    if not (math.isfinite(number) and number >= 0 and fits(number)):
        raise ValueError(f"{column}: wanted {wanted}, found {_shown(value)}")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"
