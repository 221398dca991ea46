"""A drawing area with axes, written as SVG by hand. Lines differ by dash and marker, not by colour, so prints in grey can be read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import import_module
from pathlib import Path

from spark.errors import RequestError

FONT = "font-family='sans-serif' font-size='11'"
LONGEST_NAME = 40
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")
INKS = ("#000000", "#1f5fa8", "#b3400e", "#4d7a1f", "#7a3d99")


def safe(text: str) -> str:
    """Any text as XML: escaped, without the characters that XML cannot hold."""
    return escape("".join(char if char.isprintable() else "�" for char in text))


class Panel:
    """A rectangle of the page with its own scales. x grows to the right, y upwards."""

    def __init__(self, box: tuple[float, float, float, float], x: tuple[float, float], y: tuple[float, float]) -> None:
        """`box` is left, top, width and height in pixels; `x` and `y` are the ends of the scales."""
        self.left, self.top, self.width, self.height = box
        self.x, self.y = _wide(x), _wide(y)
        self.parts: list[str] = [
            f"<rect x='{self.left}' y='{self.top}' width='{self.width}' height='{self.height}' fill='none' stroke='#888'/>"
        ]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixels of a point."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return round(self.left + across * self.width, 2), round(self.top + (1 - up) * self.height, 2)

    def axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_title: str, y_title: str) -> None:
        """Ticks with their numbers, and titles."""
        for value in x_ticks:
            x, y = self.at(value, self.y[0])
            self.parts.append(f"<line x1='{x}' y1='{y}' x2='{x}' y2='{y + 4}' stroke='#888'/>")
            self.text(x, y + 16, f"{value:g}", anchor="middle")
        for value in y_ticks:
            x, y = self.at(self.x[0], value)
            self.parts.append(f"<line x1='{x - 4}' y1='{y}' x2='{x}' y2='{y}' stroke='#888'/>")
            self.text(x - 7, y + 4, f"{value:g}", anchor="end")
        self.text(self.left + self.width / 2, self.top + self.height + 32, x_title, anchor="middle")
        self.text(self.left, self.top - 7, y_title)

    def text(self, x: float, y: float, text: str, *, anchor: str = "start") -> None:
        """Words at a pixel."""
        self.parts.append(f"<text x='{round(x, 2)}' y='{round(y, 2)}' {FONT} text-anchor='{anchor}'>{safe(text)}</text>")

    def line(self, points: Sequence[tuple[float, float] | None], style: int) -> None:
        """A line through points, broken where there is none."""
        pieces: list[list[str]] = [[]]
        for point in points:
            if point is None:
                pieces.append([])
            else:
                x, y = self.at(*point)
                pieces[-1].append(f"{x},{y}")
                self.parts.append(f"<circle cx='{x}' cy='{y}' r='2' fill='{INKS[style]}'/>")
        for piece in pieces:
            if len(piece) > 1:
                dash = f" stroke-dasharray='{DASHES[style]}'" if DASHES[style] else ""
                self.parts.append(f"<polyline points='{' '.join(piece)}' fill='none' stroke='{INKS[style]}' stroke-width='1.5'{dash}/>")

    def rule(self, y: float, text: str) -> None:
        """A dotted level with words at its right end."""
        x, height = self.at(self.x[1], y)
        self.parts.append(f"<line x1='{self.left}' y1='{height}' x2='{x}' y2='{height}' stroke='#666' stroke-dasharray='2 2'/>")
        self.text(x + 4, height + 4, text)

    def mark(self, x: float, y: float, shape: str, text: str = "") -> None:
        """A `circle`, a `square` or a `triangle` at a point, hollow, with words beside it."""
        a, b = self.at(x, y)
        shapes = {
            "circle": f"<circle cx='{a}' cy='{b}' r='4' fill='none' stroke='#000'/>",
            "square": f"<rect x='{a - 5}' y='{b - 5}' width='10' height='10' fill='none' stroke='#000' stroke-width='2'/>",
            "triangle": f"<path d='M {a} {b - 7} L {a + 6} {b + 5} L {a - 6} {b + 5} Z' fill='none' stroke='#000' stroke-width='1.5'/>",
        }
        self.parts.append(shapes[shape])
        if text:
            right = a > self.left + self.width / 2
            shown = text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
            self.text(a - 7 if right else a + 7, b - 5, shown, anchor="end" if right else "start")

    def legend(self, names: Sequence[str]) -> None:
        """The line styles by name, right of the panel."""
        x = self.left + self.width + 12
        for style, name in enumerate(names):
            y = self.top + 8 + 16 * style
            dash = f" stroke-dasharray='{DASHES[style]}'" if DASHES[style] else ""
            self.parts.append(f"<line x1='{x}' y1='{y}' x2='{x + 26}' y2='{y}' stroke='{INKS[style]}' stroke-width='1.5'{dash}/>")
            self.text(x + 31, y + 4, name)


def _wide(ends: tuple[float, float]) -> tuple[float, float]:
    return ends if ends[1] > ends[0] else (ends[0] - 0.5, ends[0] + 0.5)


def page(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """The whole SVG document."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'>"
    ground = f"<rect width='{width}' height='{height}' fill='#fff'/>"
    heading = f"<text x='14' y='20' font-family='sans-serif' font-size='13' font-weight='bold'>{safe(title)}</text>"
    return "\n".join([head, f"<title>{safe(title)}</title>", ground, heading, *parts, "</svg>", ""])


def save(path: Path, svg: str) -> None:
    """Write a picture: SVG as it is, PNG by way of cairosvg.

    Raises:
        RequestError: the name ends in neither, cairosvg is not there, or the file cannot be written.
    """
    if path.suffix not in {".svg", ".png"}:
        raise RequestError(f"--plot wants a name in .svg or .png, found {path.name!r}")
    try:
        if path.suffix == ".svg":
            path.write_text(svg, encoding="utf-8")
            return
        path.write_bytes(import_module("cairosvg").svg2png(bytestring=svg.encode(), scale=2))
    except ImportError:
        raise RequestError("a PNG wants the package cairosvg, found none", hint="pip install cairosvg, or take .svg") from None
    except OSError as error:
        raise RequestError(f"{path}: cannot be written ({error.strerror or error})") from error
