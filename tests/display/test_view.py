"""The fold from events to what is shown, and the words for them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_story import START, TASKS, begun, call, ending, story

from spark.display.lines import LINE_CHARS, clock, count, dollars, line_of, visible
from spark.display.table import PDI_CELLS, pdi_bar
from spark.display.view import fold
from spark.events import RunStarted, TaskFinished, TaskStarted, Warned, event_adapter
from spark.records import Usage


def test_the_fold_of_a_run_in_the_middle() -> None:
    view = fold(story())
    solved, circling, waiting = (view.tasks[name] for name in TASKS)
    assert (solved.status, solved.running, solved.state, solved.skill, solved.elapsed(START + 99)) == (
        "solved",
        False,
        "solved",
        "stl-mass",
        9.0,
    )
    assert (circling.running, circling.state, circling.attempt, circling.max_attempts, circling.elapsed(START + 99)) == (
        True,
        "step 1",
        2,
        7,
        99.0,
    )
    assert circling.verdict is not None
    assert (circling.verdict.reward, circling.pdi and circling.pdi.triggered) == (0.25, True)
    assert (waiting.state, waiting.status, waiting.elapsed(START)) == ("waiting", None, 0.0)
    assert view.counts() == {"solved": 1, "running": 1, "waiting": 1}
    assert (view.usage.calls, view.usage.tokens, view.usage.usd) == (4, 4_000, pytest.approx(0.004))
    assert (view.tau, view.max_usd, view.max_tokens) == (-0.5, 1.0, None)
    assert "429" in view.notice


def test_the_fold_is_the_same_from_disk() -> None:
    events = list(story())
    assert fold(event_adapter.validate_json(event.model_dump_json()) for event in events) == fold(events)


def test_an_answer_from_disk_is_counted_once() -> None:
    resumed = RunStarted(at=START + 100, run="r1", command="distill", tasks=TASKS, resumed=True)
    events = [*story(), resumed]
    view = fold(events)
    assert view.counts() == {"solved": 1, "waiting": 2}, "the process that ran sqlite-repair is gone"
    before = view.usage
    again = TaskStarted(at=START + 100, task="sqlite-repair", max_attempts=7)
    view = fold([*events, again, call("sqlite-repair", 2, 1, resumed=True)])
    assert view.usage == before
    view = fold([*events, again, call("sqlite-repair", 2, 1, resumed=True), call("sqlite-repair", 2, 2)])
    assert view.usage.calls == before.calls + 1
    assert view.tasks["sqlite-repair"].elapsed(START + 103) == 3.0


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    unknown = call("a", 1, 1).model_copy(update={"usage": Usage(calls=1, prompt_tokens=5, usd=None)})
    assert fold([call("a", 1, 2), unknown]).usage == Usage(calls=2, prompt_tokens=1_005, usd=None)


def test_the_end_counts_what_this_process_finished() -> None:
    view = fold([*story(), ending({"solved": 1})])
    assert (view.finished_now, view.end is not None) == (1, True)


def test_tasks_nobody_announced_are_shown() -> None:
    assert list(fold(begun("stray", 1)).tasks) == ["stray"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é ✓ 漢", "plain é ✓ 漢"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("a\u202etxt.exe\u2066", "a\\u202etxt.exe\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\x9b31m\u2028", "\\x9b31m\\u2028"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_visible_text_prints_and_keeps_newlines_only_when_asked(text: str) -> None:
    visible(text).encode("utf-8")
    assert not set(visible(text)) & {"\n", "\r", "\x1b", "\u202e"}
    assert visible(text, keep_newlines=True).count("\n") == text.count("\n")


def test_lines_name_time_task_and_attempt() -> None:
    lines = [line for event in story() if (line := line_of(event))]
    said = [line.split(" ", 1)[1] for line in lines]
    assert said == [
        "run r1: 3 tasks",
        "stl-mass [1]: attempt begins",
        "stl-mass [1]: solved, reward 1, 4 of 4 checks (0:04)",
        "stl-mass: skill 'stl-mass' written: 5 claims, 1 without evidence",
        "stl-mass: solved after 1 attempt, 0:09",
        "sqlite-repair [1]: attempt begins",
        "sqlite-repair [1]: partial, reward 0.25, 1 of 4 checks (0:04)",
        "sqlite-repair [1]: PDI -1.00, fires (soft)",
        "sqlite-repair [2]: EndpointError: 429 [docker] \\x1b[31mred\\x1b[0m; tried again",
        "sqlite-repair [2]: attempt begins",
    ]


def test_a_long_message_is_cut_and_says_so() -> None:
    line = line_of(Warned(message="x" * 5_000))
    assert line is not None
    assert len(line) < LINE_CHARS + 60
    assert line.endswith("more characters in events.jsonl)")


def test_a_cancelled_task_gives_its_reason() -> None:
    line = line_of(TaskFinished(task="t", status="cancelled", attempts=2, reward=None, seconds=3_700, reason="stopped"))
    assert line is not None
    assert line.endswith(" t: cancelled after 2 attempts, 1:01:40: stopped")


def test_figures_are_short() -> None:
    assert [count(number) for number in (0, 999, 1_000, 12_345, 999_999, 12_345_678)] == ["0", "999", "1.0k", "12.3k", "1.0M", "12.3M"]
    assert [clock(seconds) for seconds in (-1, 0, 59.9, 60, 3_599, 3_600)] == ["0:00", "0:00", "0:59", "1:00", "59:59", "1:00:00"]
    assert [dollars(usd) for usd in (None, 0, 1.2345, 12.345)] == ["–", "$0.000", "$1.234", "$12.35"]


@pytest.mark.parametrize(
    ("score", "tau", "bar"),
    [
        (0.0, None, "······│······"),
        (-1.0, -0.5, "····━╋│······"),
        (1.0, -0.5, "·····┊│━━····"),
        (-9.0, -0.5, "━━━━━╋│······"),
        (9.0, None, "······│━━━━━━"),
    ],
)
def test_the_pdi_bar(score: float, tau: float | None, bar: str) -> None:
    assert pdi_bar(score, tau) == bar
    assert len(pdi_bar(score, tau, ascii_only=True)) == PDI_CELLS
    assert pdi_bar(score, tau, ascii_only=True).isascii()
