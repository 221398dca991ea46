"""The answers of one instance: literals that a skill must not carry, because they solve this instance and no other.

They come from `tests/` (numbers, strings in expected structures, expected files) and from the final outputs. Taken off is whatever stands
in the instruction or in a text file of `environment/`, and what is common knowledge (common.py).

What counts as telling (literals.py):
    numbers of at least four significant digits: 12, 0.5, 1500 and 99.9 turn up anywhere
    strings with digits and letters (`SRV-0042`) and dates; other words only as values of outputs and expected files
A file with more than 900 different such numbers is a data set, not an answer: a number of four or five digits would meet one by chance.
Short answers (42, "yes") cannot be told from ordinary text; against them stands only what the scribe is asked.
"""

from __future__ import annotations

import gzip
import re
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from spark.distill.literals import MIN_DIGITS, NUMBER, decimal, is_telling_number, telling_literals, telling_numbers
from spark.records import Task

MAX_FILE_BYTES = 5_000_000
"""Read of each file."""
CHANCE = 0.01
"""Of a random number meeting an answer: more answers demand more digits."""
_SOURCE = frozenset({".py", ".sh"})


class Leak(NamedTuple):
    """An answer that stands in a text."""

    line: int
    found: str


def instance_answers(task: Task, outputs: Mapping[str, bytes]) -> frozenset[str]:
    """The literals that would give this instance away, numbers as plain decimals; `outputs`: name → content of what the agent left."""
    root = Path(task.path)
    found: set[str] = set()
    for path in _files(root / "tests"):
        found |= telling_literals(path.name, _text(path), words=path.suffix not in _SOURCE)
    for name, content in outputs.items():
        found |= telling_literals(name, _decoded(content[:MAX_FILE_BYTES]), words=Path(name).suffix not in _SOURCE)
    environment = _files(root / "environment")
    known = [task.instruction, *task.outputs, *(path.name for path in environment), *map(_text, environment)]
    return frozenset(_unknown(found, known))


def leaks(text: str, answers: frozenset[str]) -> list[Leak]:
    """Where a text holds an answer: strings as whole words, numbers by value, also rounded or cut off to the digits that stand there."""
    numbers = sorted(Decimal(answer) for answer in answers if NUMBER.fullmatch(answer))
    strings = sorted((answer for answer in answers if answer in text and not NUMBER.fullmatch(answer)), key=len, reverse=True)
    words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, strings))})(?!\w)") if strings else None
    digits = _needed_digits(len(numbers))
    found: list[Leak] = []
    for number, line in enumerate(text.split("\n"), 1):
        found += [Leak(number, match[0]) for match in words.finditer(line)] if words else []
        found += [Leak(number, match[0]) for match in NUMBER.finditer(line) if _meets(match[0], numbers, digits)]
    return found


def _needed_digits(count: int) -> int:
    """The significant digits from which a chance meeting with one of `count` answers is rarer than CHANCE."""
    digits = MIN_DIGITS
    while count > CHANCE * 9 * 10 ** (digits - 1):
        digits += 1
    return digits


def _meets(token: str, numbers: list[Decimal], digits: int) -> bool:
    value = decimal(token)
    if value is None or not is_telling_number(value, digits):
        return False
    exponent = value.as_tuple().exponent
    last_place = Decimal(1).scaleb(min(0, exponent) if isinstance(exponent, int) else 0)
    index = bisect_left(numbers, value - last_place / 2)
    return index < len(numbers) and numbers[index] < value + last_place


def _unknown(found: Iterable[str], known: list[str]) -> Iterator[str]:
    """What stands in none of the known texts; a number not even in another unit, a power of ten away."""
    given = {_digits(number) for text in known for number in telling_numbers(text)}
    for answer in found:
        if NUMBER.fullmatch(answer):
            if _digits(answer) not in given:
                yield answer
        elif not any(answer in text for text in known):
            yield answer


def _digits(number: str) -> str:
    """The significant digits alone."""
    return number.replace(".", "").strip("0")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _decoded(file.read(MAX_FILE_BYTES))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return ""


def _decoded(content: bytes) -> str:
    """The text in a file; empty for a binary one."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        return ""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
