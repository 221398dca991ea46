"""Recordings as they are found: damaged, half there, wrongly decoded, full of error pages."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_runs import RUNS, needs_runs
from typer.testing import CliRunner

from spark.cli.pdi import app
from spark.pdi import raw
from spark.pdi.audit import audit
from spark.pdi.encoding import mended, misread
from spark.pdi.memos import failed_attempts, failed_checks, recover, section
from spark.pdi.proxy import Proxy
from spark.pdi.recordings import find, read
from spark.pdi.replay import replay
from spark.pdi.streams import read_stream, unwrapped


def attempt(number: int, **fields: object) -> dict[str, object]:
    return {"attempt": number, "status": "FAIL", "reward": 0.0, "agent_commands": "ls", "test_summary": "", **fields}


def document(folder: Path, attempts: list[object], memos: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"exploration_memo": memos[-1] if memos else "", "memo_history": memos[:-1], "attempts": attempts}
    (folder / "attempts.json").write_text(json.dumps(content))
    return folder


def kinds(folder: Path) -> set[str]:
    return {fault.kind for fault in read(folder).faults}


def test_sections_end_at_the_next_heading_of_their_rank() -> None:
    memo = "## Exploration Memo (12 failed attempts)\n### Verified Facts\na\n#### deeper\nb\n### Next Strategy\nc\n"
    assert section(memo, "Verified Facts") == "a\n#### deeper\nb"
    assert section(memo, "Next Strategy") == "c"
    assert section(memo, "Attempts Log") == ""
    assert failed_attempts(memo) == 12


@given(
    st.lists(st.sampled_from(["### Verified Facts", "### Verified Facts (3)", "### Next", "#### x", "a", "", " ### b", "## c"])).map(
        "\n".join
    )
)
def test_sections_are_those_of_the_defining_expression(memo: str) -> None:
    found = re.search(r"^### Verified Facts[^\n]*\n(.*?)(?=^### |\Z)", memo, re.DOTALL | re.MULTILINE)
    assert section(memo, "Verified Facts") == (found.group(1).strip() if found else "")


def test_only_crosses_are_failed_checks() -> None:
    assert failed_checks("PASSED:\n  ✓ a\nFAILED:\n  ✗ b::c - x\n✗ d") == ("b::c - x", "d")


def test_memos_find_their_attempts_by_the_count_in_their_heading(tmp_path: Path) -> None:
    memos = [f"## Exploration Memo ({n} failed attempts)\n" for n in (1, 4)]
    recording = read(document(tmp_path / "t", [attempt(n) for n in range(5)], memos))
    assert [past.memo is not None for past in recording.attempts] == [True, False, False, True, False]
    assert {fault.kind for fault in recording.faults} == {"memos do not fit the attempts"}


def test_a_harness_that_died_first_left_a_memo_of_its_own(tmp_path: Path) -> None:
    dead = attempt(0, status="ERROR", test_summary="Execution failed: timed out")
    recording = read(document(tmp_path / "t", [dead, attempt(1)], ["canned", "real"]))
    assert [past.memo for past in recording.attempts] == [None, "real"]
    assert recording.attempts[1].memo_before == "canned"
    assert recording.faults == ()


def test_an_erased_memo_is_no_memo_to_the_released_rules(tmp_path: Path) -> None:
    """An exception of the recorder left an empty text: the step has no facts, and the one after it nothing to compare with."""
    full = "### Verified Facts\nls x\n### Next Strategy\ngo on\n"
    lines: list[dict[str, object]] = []
    for number, (before, after) in enumerate([("", full), (full, ""), ("", full)]):
        lines.append({"type": "execution_result", **attempt(number)})
        lines.append({"type": "reflect_call", "attempt": number, "memo_before": before, "memo_after": after})
    (tmp_path / "trajectory.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    points = list(replay(read(tmp_path), Proxy(method="token_overlap", scale="running", rules="released")))
    assert [point.proxy_exec for point in points] == [0.5, 0.0, 0.5]
    assert [point.proxy_plan for point in points] == [0.0, 0.0, 0.0]
    assert [point.step for point in points] == [0, 1, 1]
    ours = list(replay(read(tmp_path), Proxy(method="token_overlap", scale="running")))
    assert [bool(point.missing) for point in ours] == [False, True, False]
    assert ours[2].proxy_plan == 1.0


def test_one_bad_attempt_costs_no_other(tmp_path: Path) -> None:
    recording = read(document(tmp_path / "t", [attempt(0), {"attempt": "zero"}, attempt(2, reward=7.5)], []))
    assert [past.attempt for past in recording.attempts] == [0, 2]
    assert recording.attempts[1].reward is None
    assert {fault.kind for fault in recording.faults} >= {"not the schema", "reward out of range"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\x00\x01\xff\xfe", "not UTF-8"),
        (b"[]", "not the schema"),
        (b'{"attempts": 3}', "not the schema"),
        (b"[" * 100_000, "not JSON"),
        (b'{"task_name": "caf\xe9"}', "not UTF-8"),
        (b'{"attempts": [{"attempt": 0, "reward": NaN}]}', "reward out of range"),
    ],
)
def test_damage_is_named(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "attempts.json").write_bytes(content)
    assert kind in kinds(tmp_path)


def test_a_lone_surrogate_is_read(tmp_path: Path) -> None:
    (tmp_path / "attempts.json").write_bytes(b'{"task_name": "t\\ud800", "attempts": [{"attempt": 0}]}')
    assert len(read(tmp_path).attempts) == 1


def test_a_long_line_is_skipped_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "LARGEST_LINE_BYTES", 1000)
    good = json.dumps({"type": "execution_result", **attempt(0)})
    (tmp_path / "trajectory.jsonl").write_text(good + "\n" + "x" * 5000 + "\n" + good.replace('"attempt": 0', '"attempt": 1') + "\n")
    recording = read(tmp_path)
    assert [past.attempt for past in recording.attempts] == [0, 1]
    assert [(fault.kind, fault.where[-2:]) for fault in recording.faults] == [("line too long", ":2")]


def test_commands_come_out_of_their_wrapper() -> None:
    assert unwrapped("/bin/bash -lc 'ls -l'") == "ls -l"
    assert unwrapped("""bash -lc "echo 'a'"'!'""") == "echo 'a'!"
    assert unwrapped("bash script.sh") == "bash script.sh"
    assert unwrapped("/bin/bash -lc 'unclosed") == "/bin/bash -lc 'unclosed"


def test_a_stream_with_shell_noise() -> None:
    started = {"type": "item.started", "item": {"id": "i0", "type": "command_execution", "command": "sh -c 'sleep 9'"}}
    done = {
        "type": "item.completed",
        "item": {"id": "i1", "type": "command_execution", "command": "ls", "aggregated_output": "a", "exit_code": 0},
    }
    stream = read_stream("\n".join(["bash: warning", json.dumps(started), json.dumps(done), '{"type": "command_execution"', ""]))
    assert [one.command for one in stream.commands] == ["sleep 9", "ls"]
    assert (stream.noise_lines, stream.wrapped) == (2, 1)


def test_an_event_stream_is_recovered_and_its_losses_counted() -> None:
    chunks = [{"object": "chat.completion.chunk", "choices": [{"delta": {"content": text}}]} for text in ("## It's", ' "so"\n')]
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + 'data: {"object": "chat.completion.chunk", "choi'
    assert recover(stream) == ('## It\'s "so"\n', 1)
    assert recover(f"[LLM ERROR] wrong answer: {stream!r}. Check it.") == ('## It\'s "so"\n', 1)


@given(st.text())
def test_misread_text_is_put_right(text: str) -> None:
    broken = text.encode(errors="ignore").decode("latin-1")
    assert mended(broken) == text.encode(errors="ignore").decode()


def test_sound_text_is_left_alone() -> None:
    sound = "naïve café “quoted” → 3 × 4 … Ω"
    assert mended(sound) == sound
    assert misread(sound) == 0
    assert mended("â€œquotedâ€\x9d") == "“quoted”"


@needs_runs
def test_the_faults_of_the_recorded_runs() -> None:
    found = Counter(fault.kind for folder in find([RUNS]) for fault in audit(folder)[1])
    assert found["memo is an error page"] == 7
    assert found["memo is an event stream"] == 1
    assert found["steps count from −1"] == 2
    assert found["file missing"] == 3
    assert found["shell noise"] == 4
    assert found["skill cut off"] == 4
    assert found["crash scored"] == 4


@needs_runs
def test_audit_names_kind_and_place() -> None:
    answer = CliRunner().invoke(app, ["audit", str(RUNS / "lake-warming-attribution"), "--json"])
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert any(row["kind"] == "skill" and row["where"].endswith("SKILL.md") and "recovered" in row["detail"] for row in rows)
