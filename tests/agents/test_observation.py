"""What a model is shown of a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.agents.observation import head_and_tail, observe, visible
from spark.sandboxes.base import ExecResult


def ran(stdout: str = "", stderr: str = "", exit_code: int | None = 0, seconds: float = 0.1) -> ExecResult:
    return ExecResult(exit_code=exit_code, stdout=stdout, stderr=stderr, seconds=seconds)


def test_both_streams_and_the_exit_code() -> None:
    assert observe(ran("a\n", "b\n", 2), chars=1000) == "exit code 2\n<stdout>\na\n</stdout>\n<stderr>\nb\n</stderr>"


def test_a_time_out_is_said_plainly() -> None:
    assert observe(ran(exit_code=None, seconds=12.04), chars=1000).startswith("killed after 12 s")


def test_long_output_keeps_head_and_tail_and_counts_the_rest() -> None:
    text = "".join(f"{number:04}\n" for number in range(2000))
    seen = observe(ran(text), chars=1000)
    assert seen.count("\n") < 250
    assert "0000\n0001" in seen
    assert "1999\n</stdout>" in seen
    assert "8999 characters left out here" in seen


def test_one_stream_may_use_what_the_other_leaves() -> None:
    assert "left out" not in observe(ran("o" * 900, "e" * 100), chars=1000)
    assert "left out" not in observe(ran("o" * 100, "e" * 900), chars=1000)
    both = observe(ran("o" * 900, "e" * 900), chars=1000)
    assert both.count("400 characters left out") == 2
    assert observe(ran("o" * 900, "e" * 200), chars=1000).count("100 characters left out") == 1


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\rb", "a\\rb"),
        ("\u202e", "\\u202e"),
        ("\x00", "\\x00"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_hidden_characters_are_shown(hidden: str, shown: str) -> None:
    assert visible(hidden) == shown


def test_tabs_letters_and_symbols_stay() -> None:
    assert visible("a\tb\nü ✓ 漢 🙂") == "a\tb\nü ✓ 漢 🙂"


@given(st.text(), st.integers(0, 50))
def test_what_is_kept_and_what_is_counted_make_the_whole(text: str, chars: int) -> None:
    cut = head_and_tail(text, chars)
    if len(text) <= chars:
        assert cut == text
    else:
        assert cut.startswith(text[: chars // 2])
        assert cut.endswith(text[len(text) - (chars - chars // 2) :])
        assert f"{len(text) - chars} characters" in cut
    visible(text).encode("utf-8")
