"""Which lines of a Markdown text are prose, which are fences, and which are code between fences.

CommonMark's rules for fenced blocks, less the ones about indentation: a fence may stand anywhere inside a list or a quotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_OPENING = re.compile(r"^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$")
_CLOSING = re.compile(r"^[ \t>]*(`{3,}|~{3,})[ \t]*$")


class Line(NamedTuple):
    """One line, counted from 1, without its end."""

    number: int
    text: str
    kind: Literal["prose", "fence", "code"]


class Fence(NamedTuple):
    """One fenced block, from its opening line to its closing one."""

    first: int
    last: int | None
    """None iff nothing closes it."""
    info: str
    clash: int | None
    """The first line inside that looks like another opening fence: usually this block's own end is missing."""


class Page(NamedTuple):
    """A Markdown text, line by line."""

    lines: tuple[Line, ...]
    fences: tuple[Fence, ...]

    def prose(self) -> Iterator[Line]:
        """The lines outside fenced blocks."""
        return (line for line in self.lines if line.kind == "prose")


def read_page(text: str, *, first_line: int = 1) -> Page:
    """Every line with what it is; `first_line` is the number of the first."""
    lines: list[Line] = []
    fences: list[Fence] = []
    current: Fence | None = None
    mark = ""
    for number, content in enumerate(text.split("\n"), first_line):
        if current is None:
            opening = _OPENING.match(content)
            lines.append(Line(number, content, "fence" if opening else "prose"))
            if opening:
                mark = opening[1]
                current = Fence(number, None, opening[2].strip(), None)
            continue
        closing = _CLOSING.match(content)
        if closing and closing[1].startswith(mark):
            lines.append(Line(number, content, "fence"))
            fences.append(current._replace(last=number))
            current = None
            continue
        lines.append(Line(number, content, "code"))
        inner = _OPENING.match(content)
        if current.clash is None and inner and inner[2].strip() and inner[1].startswith(mark):
            current = current._replace(clash=number)
    if current is not None:
        fences.append(current)
    return Page(tuple(lines), tuple(fences))


def fence_around(text: str, info: str = "") -> str:
    """The text in a fenced block that nothing inside it can close."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{info}\n{text}\n{mark}"
