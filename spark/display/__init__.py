"""Who watches a run: a live table on a terminal, plain lines in a pipe, JSON lines on stdout, or nobody.

All of them are projections of the events. None waits for whoever reads: events are taken in at once and written by a thread of the
reporter's own, so a stalled terminal or pipe costs memory (a few hundred bytes an event), not time.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from spark.display.lines import line_of, visible
from spark.display.view import RunView
from spark.errors import InternalError, boundary
from spark.events import Event
from spark.records import Record

if TYPE_CHECKING:
    from rich.console import Console

    from spark.display.table import Picture

FRAMES_PER_SECOND = 4


class Bounds(Record):
    """What a display shows beside events: the limits a run was given; None where there is none."""

    tau: float | None = None
    """Below it PDI fires; None where PDI is off."""
    max_usd: float | None = None
    max_tokens: int | None = None


class Display(Protocol):
    """A `Reporter` that ends."""

    def on(self, event: Event) -> None:
        """Take one event; never raises, never waits."""
        ...

    def note(self, text: str) -> None:
        """Show a line that is no event, such as what a Ctrl-C does. Never raises, never waits; safe in a signal handler."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def pick_reporter(*, as_json: bool = False, quiet: bool = False, bounds: Bounds | None = None) -> Display:
    """The display for these flags and this terminal; close it when the run is over."""
    if as_json:
        return LineReporter(sys.stdout, lambda event: event.model_dump_json(), notes=sys.stderr)
    if quiet:
        return LineReporter(None, lambda _event: None, notes=sys.stderr)
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console

        console = Console(stderr=True, force_terminal=True, highlight=False)
        if not console.is_dumb_terminal:
            return LiveReporter(console, bounds or Bounds())
    return LineReporter(sys.stderr, line_of, notes=sys.stderr)


class LineReporter:
    """One line for each event that `render` makes one of. Lines wait in memory for a slow reader; one who is gone is forgotten."""

    def __init__(self, stream: TextIO | None, render: Callable[[Event], str | None], *, notes: TextIO | None) -> None:
        self._stream = stream
        self._render = render
        self._notes = notes
        self._lines: queue.SimpleQueue[tuple[TextIO | None, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="reporter", daemon=True)
        self._thread.start()

    def on(self, event: Event) -> None:
        """Queue its line."""
        try:
            with boundary("display"):
                line = self._render(event)
        except InternalError as error:
            line = None
            self.note(error.message)
        if line is not None:
            self._lines.put((self._stream, line))

    def note(self, text: str) -> None:
        """Queue a line to stderr."""
        self._lines.put((self._notes, visible(text)))

    def close(self) -> None:
        """Write what is queued."""
        self._lines.put(None)
        self._thread.join()

    def _work(self) -> None:
        gone: set[TextIO] = set()
        while (entry := self._lines.get()) is not None:
            stream, line = entry
            if stream is None or stream in gone:
                continue
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):  # the reader left, the disk is full, the stream is closed
                gone.add(stream)


class LiveReporter:
    """A table that is drawn anew a few times a second, by a thread of its own."""

    def __init__(self, console: Console, bounds: Bounds) -> None:
        from rich.live import Live

        self._view = RunView()
        self._lock = threading.Lock()
        self._bounds = bounds
        self._said = ""
        # stdout is left alone: it may be a file, and what goes there is data.
        self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=FRAMES_PER_SECOND, redirect_stdout=False)
        self._live.start()

    def on(self, event: Event) -> None:
        """Take it into the view."""
        try:
            with boundary("display"), self._lock:
                self._view.apply(event)
        except InternalError as error:
            self.note(error.message)

    def note(self, text: str) -> None:
        """Below the table, until the next one."""
        self._said = text

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._live.stop()

    def _picture(self) -> Picture:
        from spark.display.table import Picture

        return Picture(self._view, self._lock, self._bounds, self._said)
