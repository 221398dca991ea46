"""The four reporters as they are picked: in pipes, on a real pseudo-terminal, and with readers that stall or leave."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from run_story import TASKS, story

from spark.display import LineReporter
from spark.events import Warned, event_adapter

SCRIPT = Path(__file__).with_name("watch_story.py")
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = "0.3"


@pytest.fixture
def took(tmp_path: Path) -> Path:
    """Where watch_story.py writes how many seconds the events took."""
    return tmp_path / "took"


def run(took: Path, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, took, PAUSE_SECONDS, *flags], capture_output=True, text=True, check=True, env={**os.environ, **more}
    )


def open_terminal(columns: int, rows: int) -> tuple[int, int]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return master, slave


def read_all(descriptor: int) -> bytes:
    """What comes until the last writer is gone."""
    said = bytearray()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.2)[0]:
            try:
                piece = os.read(descriptor, 65_536)
            except OSError:  # how a terminal says it
                break
            if not piece:
                break
            said += piece
    os.close(descriptor)
    return bytes(said)


def run_on_terminal(took: Path, columns: int, rows: int, **more: str) -> tuple[str, bytes]:
    """stdout, which is a pipe, and what stderr, a terminal, was sent."""
    master, slave = open_terminal(columns, rows)
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    environment |= {"TERM": "xterm-256color", **more}
    with subprocess.Popen(
        [sys.executable, SCRIPT, took, PAUSE_SECONDS], stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        sent = read_all(master)
        stdout, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    return stdout.decode(), sent


def last_frame(sent: bytes) -> list[str]:
    """The lines of the last drawing, without the terminal's own codes."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", sent.decode().replace("\r", ""))
    start = [found.start() for found in re.finditer(r"task +try", text)][-1]
    return [line.rstrip() for line in text[start:].split("\n")]


def test_a_pipe_gets_plain_lines(took: Path) -> None:
    done = run(took, FORCE_COLOR="1")
    assert done.stdout == "the data\n"
    assert "\x1b" not in done.stderr
    assert "sqlite-repair [1]: PDI -1.00, fires (soft)" in done.stderr
    assert "step_taken" not in done.stderr
    assert "done in 1:00: 1 solved" in done.stderr


def test_json_lines_on_stdout_are_the_events(took: Path) -> None:
    done = run(took, "--json")
    events = [event_adapter.validate_json(line) for line in done.stdout.splitlines()]
    assert [event.kind for event in events[:2]] == ["run_started", "task_started"]
    assert events[-1].kind == "run_finished"
    assert len(events) == len(list(story())) + 2 * 1_000 + 1
    assert done.stderr == ""


def test_quiet_says_nothing(took: Path) -> None:
    done = run(took, "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_a_dumb_terminal_gets_plain_lines(took: Path) -> None:
    _, sent = run_on_terminal(took, 80, 24, TERM="dumb")
    assert b"\x1b" not in sent
    assert b"attempt begins" in sent


def test_a_terminal_gets_a_table_and_stdout_stays_data(took: Path) -> None:
    stdout, sent = run_on_terminal(took, 120, 24)
    assert stdout == "the data\n"
    assert b"\x1b[31m" not in sent.replace(b"\x1b[31m\xc2\xb7", b""), "colour only from us, never from an event"
    head, circling, solved, waiting, totals, money, notice, *_ = last_frame(sent)
    assert head.split() == ["task", "try", "state", "reward", "checks", "PDI", "tokens", "cost", "time"]
    assert circling.startswith("sqlite-repair")
    assert re.split(r"\s{2,}", circling)[1:6] == ["2/7", "step 1", "0.25", "1/4", "····━╋│······ -1.00"]
    assert re.split(r"\s{2,}", solved)[:5] == ["stl-mass", "1/7", "solved", "1.00", "4/4"]
    assert waiting.split() == ["log-incident", "waiting"]
    assert totals == "3 tasks · 1 solved · 1 running · 1 waiting"
    assert money.startswith("$0.004 of $1.000 · 4.0k tokens · ")
    assert notice == "sqlite-repair: EndpointError: 429 [docker] \\x1b[31mred\\x1b[0m"


@pytest.mark.parametrize(("columns", "titles"), [(90, 8), (60, 5), (40, 3)])
def test_a_narrow_terminal_loses_columns_not_lines(took: Path, columns: int, titles: int) -> None:
    frame = last_frame(run_on_terminal(took, columns, 24)[1])
    assert len(frame[0].split()) == titles
    assert max(map(len, frame)) <= columns
    assert [line.split()[0] for line in frame[1:4]] == ["sqlite-repair", "stl-mass", "log-incident"]


def test_a_low_terminal_shows_the_running_task_and_how_many_are_left_out(took: Path) -> None:
    frame = last_frame(run_on_terminal(took, 80, 7)[1])
    assert frame[1].startswith("sqlite-repair")
    assert frame[2] == f"and {len(TASKS) - 1} more"
    assert frame[3].startswith("3 tasks")


def test_no_color_means_none(took: Path) -> None:
    _, sent = run_on_terminal(took, 120, 24, NO_COLOR="1")
    assert not re.search(rb"\x1b\[(3[0-7]|9[0-7]|38)", sent)
    _, sent = run_on_terminal(took, 120, 24)
    assert re.search(rb"\x1b\[(3[0-7]|9[0-7]|38)", sent)


def wait_for(took: Path) -> float:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (took.exists() and took.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return float(took.read_text())


def test_a_pipe_that_is_not_read_does_not_hold_the_run(took: Path) -> None:
    with subprocess.Popen([sys.executable, SCRIPT, took, "0", "--json"], stdout=subprocess.PIPE) as process:
        assert wait_for(took) < 2.0
        time.sleep(0.5)
        assert process.poll() is None, "more than a pipe holds is still to be written"
        assert process.stdout
        assert len(process.stdout.read().splitlines()) == len(list(story())) + 2 * 1_000 + 1
    assert process.returncode == 0


def test_a_terminal_that_is_stopped_does_not_hold_the_run(took: Path) -> None:
    master, slave = open_terminal(120, 24)
    with subprocess.Popen([sys.executable, SCRIPT, took, "1"], stderr=slave, env={**os.environ, "TERM": "xterm"}) as process:
        assert select.select([master], [], [], PATIENCE_SECONDS)[0]
        termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S does
        assert wait_for(took) < 2.0
        time.sleep(2.0)
        assert process.poll() is None, "the last picture is still to be drawn"
        termios.tcflow(slave, termios.TCOON)
        os.close(slave)
        assert last_frame(read_all(master))[1].startswith("sqlite-repair")
    assert process.returncode == 0


def test_a_reader_that_leaves_does_not_end_the_run(took: Path) -> None:
    with subprocess.Popen(
        [sys.executable, SCRIPT, took, PAUSE_SECONDS, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.close()
        process.wait(PATIENCE_SECONDS)
    assert took.exists()


def test_an_event_that_cannot_be_shown_is_one_line_not_a_crash(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_event: object) -> str:
        raise KeyError("no such \x1b[1mfield")

    reporter = LineReporter(sys.stderr, fails)
    reporter.on(Warned(message="x"))
    reporter.close()
    assert capsys.readouterr().err == "display: KeyError: 'no such \\x1b[1mfield'\n"
