"""Memos: read strictly, rewritten by a scribe that may fail, injected within bounds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.distill.memo import (
    INJECTED_CHARS,
    Failure,
    MemoProblem,
    clip,
    commands_text,
    memo_markdown,
    parse_memo,
    reflect,
    retry_instruction,
)
from spark.errors import BadCompletion, EndpointError
from spark.models.scripted import ScriptedModel
from spark.records import Check, Limits, Memo, SandboxInfo, Step, Task, Transcript, Trial, Verdict

GOOD = """## Exploration Memo (9 failed attempts)

### Attempts Log
- #1: guessed

### Commands From Last Attempt
```bash
cat data
### not a section, a comment in a script
```

### Verified Facts
- the file is little-endian

### Current Error Pattern
- the total is off

### Next Strategy
1. read the header first
"""


def task(tmp_path: Path) -> Task:
    return Task(name="t", path=str(tmp_path), digest="d", image_digest="i", instruction="Do it.", limits=Limits())


def trial(steps: tuple[Step, ...] = ()) -> Trial:
    verdict = Verdict(outcome="partial", reward=0.5, checks=(Check(name="total", passed=False), Check(name="shape", passed=True)))
    info = SandboxInfo(provider="local", base="host")
    return Trial(
        task="t", task_digest="d", agent="bash", sandbox=info, transcript=Transcript(steps=steps, stop="steps"), verdict=verdict, seconds=1
    )


def ignore(_what: str, _kept: int, _dropped: int) -> None: ...


class Cuts(list[tuple[str, int, int]]):
    """Hears what is cut."""

    def hear(self, what: str, kept: int, dropped: int) -> None:
        self.append((what, kept, dropped))


def test_the_five_sections_are_read_and_written_back() -> None:
    memo = parse_memo(GOOD.replace("### not", "# not"), failed_attempts=1)
    assert memo.verified_facts == "- the file is little-endian"
    assert "# not a section" in memo.last_commands
    assert memo_markdown(memo).startswith("## Exploration Memo (1 failed attempts)\n\n### Attempts Log")
    assert parse_memo(memo_markdown(memo), failed_attempts=1) == memo


def test_a_comment_in_a_code_block_is_no_section() -> None:
    assert "### not a section" in parse_memo(GOOD, failed_attempts=1).last_commands


def test_a_fence_around_it_and_words_before_it_are_tolerated() -> None:
    assert parse_memo(f"```markdown\n{GOOD}```", failed_attempts=2) == parse_memo(f"Here it is:\n\n{GOOD}", failed_attempts=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Error code: 502 - {'error': 'bad gateway'}",
        'data: {"id":"1","object":"chat.completion.chunk","choices":[{"delta":{"content":"## Exploration Memo"}}]}',
        "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        GOOD.replace("### Verified Facts", "### Facts"),
        GOOD.replace("- the total is off", ""),
        GOOD.replace("### Next Strategy\n1. read the header first\n", ""),
        GOOD + "\n### Verified Facts\n- again\n",
        GOOD + "\n### Afterthoughts\nmore\n",
    ],
)
def test_what_is_no_memo_is_refused(text: str) -> None:
    with pytest.raises(MemoProblem):
        parse_memo(text, failed_attempts=1)


def test_recorded_memos_are_read_and_recorded_errors_refused() -> None:
    shared = Path(os.environ.get("SPARK_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "spark-trajectories"
    if not shared.is_dir():
        pytest.skip(f"the recorded runs are not at {shared}")
    read = 0
    refused: list[str] = []
    for path in sorted(shared.glob("*/attempts.json")):
        for text in json.loads(path.read_bytes())["memo_history"]:
            try:
                parse_memo(text, failed_attempts=1)
                read += 1
            except MemoProblem:
                refused.append(text)
    assert (read, len(refused)) == (23, 7)
    assert all(text.startswith("[LLM ERROR]") for text in refused)


def test_a_refused_reflection_is_asked_for_again_with_the_reason(tmp_path: Path) -> None:
    scribe = ScriptedModel(["nonsense", GOOD])
    heard: list[tuple[str, bool]] = []
    failure = Failure(task=task(tmp_path), trial=trial(), number=1, max_attempts=3, old=None, reflections=0)
    found = reflect(scribe, failure, lambda problem, final: heard.append((problem, final)), ignore)
    assert found.memo is not None
    assert found.memo.failed_attempts == 1
    assert found.drafts == ("nonsense", GOOD)
    assert [final for _, final in heard] == [False]
    assert "wanted the sections" in heard[0][0]


def test_three_refusals_leave_no_memo_and_an_endpoint_failure_is_none(tmp_path: Path) -> None:
    failure = Failure(task=task(tmp_path), trial=trial(), number=2, max_attempts=3, old=None, reflections=1)
    heard: list[bool] = []
    found = reflect(ScriptedModel(["a", BadCompletion("empty"), "b"]), failure, lambda _, final: heard.append(final), ignore)
    assert found.memo is None
    assert found.problem
    assert heard == [False, False, True]
    with pytest.raises(EndpointError):
        reflect(ScriptedModel([EndpointError("down")]), failure, lambda _, final: heard.append(final), ignore)


def test_the_scribe_is_told_checks_by_name_and_never_what_the_verifier_printed(tmp_path: Path) -> None:
    scribe = ScriptedModel([GOOD])
    steps = (Step(command="cat data", stdout="seen", exit_code=0, seconds=1),)
    failure = Failure(task=task(tmp_path), trial=trial(steps), number=1, max_attempts=3, old=None, reflections=0)
    reflect(scribe, failure, lambda _, __: None, ignore)
    asked = [message.content for message in scribe.asked[0]]
    assert "✗ total\n✓ shape" in asked[1]
    assert "cat data" in asked[1]
    assert "limit of commands" in asked[1]
    assert "<verifier>" not in asked[1]


def memo(**fields: str) -> Memo:
    base = {key: "x" for key in ("attempts_log", "last_commands", "verified_facts", "error_pattern", "next_strategy")}
    return Memo.model_validate({"failed_attempts": 1, **base, **fields})


def test_what_the_next_attempt_is_told(tmp_path: Path) -> None:
    notes = memo(next_strategy="try the header", verified_facts="little-endian")
    plain = retry_instruction(task(tmp_path), notes, attempts_left=2, level=None, advice="", on_trim=ignore)
    soft = retry_instruction(task(tmp_path), notes, attempts_left=2, level="soft", advice="Reconsider.", on_trim=ignore)
    strong = retry_instruction(task(tmp_path), notes, attempts_left=2, level="strong", advice="Stop.", on_trim=ignore)
    assert plain.startswith("Do it.")
    assert "this one included: 2" in plain
    assert "try the header" in plain
    assert "follow Next Strategy" in plain
    assert "Reconsider." in soft
    assert "try the header" in soft
    assert "try the header" not in strong
    assert "### Next Strategy" not in strong
    assert "Verified Facts and Current Error Pattern" in strong
    assert "Stop." in strong
    for text in (soft, strong):
        assert "PDI" not in text
        assert "proxy" not in text.lower()


def test_a_huge_memo_is_cut_and_the_cut_is_on_record(tmp_path: Path) -> None:
    cuts = Cuts()
    told = retry_instruction(
        task(tmp_path),
        memo(last_commands="y" * 250_000),
        attempts_left=1,
        level=None,
        advice="",
        on_trim=cuts.hear,
    )
    assert len(told) < INJECTED_CHARS + 2_000
    assert [what for what, _, _ in cuts] == ["memo"]
    assert cuts[0][1] + cuts[0][2] == len(memo_markdown(memo(last_commands="y" * 250_000)))


@given(st.text(max_size=300), st.integers(3, 100))
def test_clipping_accounts_for_every_character(text: str, limit: int) -> None:
    cuts = Cuts()
    clipped = clip(text, limit, "x", cuts.hear)
    if len(text) <= limit:
        assert clipped == text
        assert not cuts
    else:
        assert cuts == [("x", limit, len(text) - limit)]
        assert clipped.startswith(text[: limit * 2 // 3])


def test_old_outputs_go_first_when_commands_do_not_fit() -> None:
    steps = tuple(Step(command=f"step-{n}", stdout="z" * 1900, exit_code=0) for n in range(60))
    cuts: list[str] = []
    shown = commands_text(steps, lambda what, _kept, _dropped: cuts.append(what))
    assert "step-59" in shown
    assert "step-0\n" not in shown
    assert cuts == ["commands"]
    assert "[60] $ step-59" in shown
