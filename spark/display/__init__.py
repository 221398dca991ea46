"""Who watches a run: a live table on a terminal, plain lines in a pipe, JSON lines on stdout, or nobody.

All of them are projections of the events. None waits for whoever reads: events are taken in at once and written by a thread of the
reporter's own, so a stalled terminal or pipe costs memory (a few hundred bytes an event), not time.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from spark.display.lines import line_of, visible
from spark.display.view import RunView
from spark.errors import InternalError, boundary
from spark.events import Event

if TYPE_CHECKING:
    from rich.console import Console

    from spark.display.table import Picture

FRAMES_PER_SECOND = 4


class Display(Protocol):
    """A `Reporter` that ends."""

    def on(self, event: Event) -> None:
        """Take one event; never raises, never waits, and may be called from a signal handler."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def pick_reporter(*, as_json: bool = False, quiet: bool = False) -> Display:
    """The display for these flags and this terminal; close it when the run is over."""
    if as_json:
        return LineReporter(sys.stdout, lambda event: event.model_dump_json())
    if quiet:
        return LineReporter(None, lambda _event: None)
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console

        console = Console(stderr=True, force_terminal=True, highlight=False)
        if not console.is_dumb_terminal:
            return LiveReporter(console)
    return LineReporter(sys.stderr, line_of)


class LineReporter:
    """One line for each event that `render` makes one of. Lines wait in memory for a slow reader; one who is gone is forgotten."""

    def __init__(self, stream: TextIO | None, render: Callable[[Event], str | None]) -> None:
        self._stream = stream
        self._render = render
        # Of all queues this one may be put to from a signal handler.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="reporter", daemon=True)
        self._thread.start()

    def on(self, event: Event) -> None:
        """Queue its line."""
        try:
            with boundary("display"):
                line = self._render(event)
        except InternalError as error:
            line = visible(error.message)
        if line is not None:
            self._lines.put(line)

    def close(self) -> None:
        """Write what is queued."""
        self._lines.put(None)
        self._thread.join()

    def _work(self) -> None:
        stream = self._stream
        while (line := self._lines.get()) is not None:
            if stream is None:
                continue
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):  # the reader left, the disk is full, the stream is closed
                stream = None


class LiveReporter:
    """A table that is drawn anew a few times a second, by a thread of its own."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._view = RunView()
        # Held again by a signal handler that interrupts its holder.
        self._lock = threading.RLock()
        # stdout is left alone: it may be a file, and what goes there is data.
        self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=FRAMES_PER_SECOND, redirect_stdout=False)
        self._live.start()

    def on(self, event: Event) -> None:
        """Take it into the view."""
        try:
            with boundary("display"), self._lock:
                self._view.apply(event)
        except InternalError as error:
            self._view.notice = error.message

    def close(self) -> None:
        """Leave the last state on the screen."""
        with suppress(OSError):  # the terminal is gone
            self._live.stop()

    def _picture(self) -> Picture:
        from spark.display.table import Picture

        return Picture(self._view, self._lock)
