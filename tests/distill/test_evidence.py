"""Evidence from transcripts: what is chosen, what is cut, what is told."""

from __future__ import annotations

import re

import pytest
from told import attempt, step, task

from spark.distill.evidence import COMMANDS_CHARS, INSTRUCTION_CHARS, LESSONS_CHARS, build_evidence, evidence_markdown
from spark.distill.keys import key_commands, read_steps
from spark.distill.lessons import cautions, changes, normalised, recoveries, signatures
from spark.records import Evidence

OUTPUT = "/app/report.json"
SCRIPT = "cat > /app/solve.py <<'EOF'\nimport json\njson.dump({{'mass': {value}}}, open('/app/report.json', 'w'))\nEOF"
DOCKERFILE = "FROM python:3.11-slim\nRUN pip install numpy\n"

WINNING = [
    step("ls -la /app", "scan.stl"),
    step("python3 -c \"import table; print('density', table.d)\"", "density 7.8501"),
    step("python3 -c 'import trimesh'", stderr="ModuleNotFoundError: No module named 'trimesh'", exit_code=1),
    step(SCRIPT.format(value=1)),
    step("python3 /app/solve.py"),
    step("bash -lc 'echo scratch > /app/notes.txt'"),
    step(SCRIPT.format(value="2 * 7.8501")),
    step("python3 /app/solve.py", "written"),
    step("python3 -c \"import json; assert json.load(open('/app/report.json'))['mass'] > 0\""),
    step("cat /app/report.json", '{"mass": 15.7002}'),
]


def texts(evidence: Evidence, kind: str) -> list[str]:
    return [item.text for item in evidence.items if item.kind == kind]


def test_commands_are_chosen_by_what_they_do() -> None:
    keys = {key.ran.number: key for key in key_commands(read_steps(WINNING), [OUTPUT])}
    assert set(keys) == {2, 4, 5, 6, 7, 8, 9}, "looking (1, 10) and failing (3) are out"
    assert "its work reaches the final state" in keys[7].signals
    assert "its work reaches the final state" in keys[8].signals, "it runs what 7 wrote"
    assert keys[4].signals == ("changes files", "replaced by a later version")
    assert "its output is used by a later command" in keys[2].signals
    assert "its work reaches the final state" not in keys[6].signals, "nothing declared comes of it"
    assert keys[9].signals[-1] == "run after the last change"
    assert keys[7].rank > keys[6].rank > keys[4].rank


def test_without_declared_outputs_whatever_was_written_is_the_final_state() -> None:
    keys = {key.ran.number: key for key in key_commands(read_steps(WINNING), [])}
    assert "its work reaches the final state" in keys[6].signals


def test_all_six_blocks_in_order_numbered() -> None:
    failed = attempt(1, [step("python3 x.py", stderr="KeyError: 'id'", exit_code=1)], 0.5, checks={"mass": False}, facts="- It is binary.")
    won = attempt(2, WINNING, 1.0, checks={"mass": True, "schema": True}, final="Done.")
    evidence, trims = build_evidence(task(outputs=(OUTPUT,)), [failed, won], DOCKERFILE)
    assert trims == ()
    assert [item.id for item in evidence.items] == [f"e{number}" for number in range(1, len(evidence.items) + 1)]
    assert list(dict.fromkeys(item.kind for item in evidence.items)) == ["task", "command", "check", "lesson", "environment", "output"]
    assert texts(evidence, "command")[0].startswith("Command 2 of 10, exit 0")
    assert texts(evidence, "check") == ["Attempt 2 was verified (clean): reward 1, 2 of 2 checks passed:\n- mass\n- schema"]
    lessons = texts(evidence, "lesson")
    assert lessons[0] == "Attempt 1 partial with reward 0.5; 0 of 1 checks passed; 1 commands, ended by finished; failing: mass."
    assert "Verified before the winning attempt: It is binary." in lessons
    assert texts(evidence, "environment")[:2] == ["base image: python:3.11-slim", "Python packages: numpy"]
    assert "file system the run really had: Debian 12 (local)" in texts(evidence, "environment")
    assert texts(evidence, "output")[-1] == "The agent's last words:\nDone."
    assert not any("echo scratch" in text and "bash -lc" in text for text in texts(evidence, "command")), "wrappers are off"


def test_an_attempt_that_was_never_scored_is_no_evidence() -> None:
    crashed = attempt(1, [step("crash", exit_code=1, stderr="fatal: gateway")], None)
    evidence, _ = build_evidence(task(), [crashed, attempt(2, WINNING, 1.0)], DOCKERFILE)
    assert "gateway" not in evidence_markdown(evidence)
    assert "Attempt 1" not in evidence_markdown(evidence)


def test_sizes_are_bounded_and_every_cut_is_told() -> None:
    steps = [step(f"python3 tool.py --case {n} > out{n}.txt  # {'x' * 6_000}", "y" * 5_000) for n in range(40)]
    won = attempt(2, steps, 1.0, checks={f"check {n} {'z' * 90}": True for n in range(100)}, final="w" * 10_000)
    lost = attempt(1, [], 0.0, facts="\n".join(f"- fact {n} {'q' * 4_000}" for n in range(30)))
    evidence, trims = build_evidence(task(instruction="i" * 20_000), [lost, won], DOCKERFILE)
    commands, lessons = (sum(map(len, texts(evidence, kind))) for kind in ("command", "lesson"))
    assert commands <= COMMANDS_CHARS
    assert lessons <= LESSONS_CHARS
    assert len(evidence_markdown(evidence)) < 75_000
    told = {trim.what for trim in trims}
    assert {
        "instruction",
        "key commands",
        "command 40",
        "output of command 40",
        "checks",
        "lessons",
        "last words",
        "end of the output",
    } <= told
    assert all(trim.dropped > 0 for trim in trims)
    assert next(trim for trim in trims if trim.what == "instruction")[1:] == (INSTRUCTION_CHARS, 20_000 - INSTRUCTION_CHARS)


def test_nothing_in_an_item_can_close_its_fence() -> None:
    evidence, _ = build_evidence(task(instruction="```\n# Not a heading\n`````"), [attempt(1, WINNING, 1.0)], DOCKERFILE)
    shown = evidence_markdown(evidence)
    assert "``````text\n```\n# Not a heading\n`````\n``````" in shown
    assert re.findall(r"^### (e\d+)", shown, re.MULTILINE) == [item.id for item in evidence.items]


def test_no_word_of_a_task_decides() -> None:
    """The same commands under other names are chosen alike."""
    renamed = [step(s.command.replace("solve", "zq").replace("report", "qz"), s.stdout, s.exit_code, s.stderr) for s in WINNING]
    one = [(key.ran.number, key.signals) for key in key_commands(read_steps(WINNING), [OUTPUT])]
    assert one == [(key.ran.number, key.signals) for key in key_commands(read_steps(renamed), ["/app/qz.json"])]


def test_failures_seen_more_than_once_are_signatures() -> None:
    missing = step("python3 a.py", stderr="Traceback (most recent call last):\nFileNotFoundError: /app/x1/in.csv line 12", exit_code=1)
    again = step("python3 b.py", stderr="FileNotFoundError: /app/x2/in.csv line 99", exit_code=1)
    once = step("python3 c.py", stderr="ValueError: bad", exit_code=1)
    harmless = step("python3 d.py", stderr="ValueError: bad", exit_code=0)
    attempts = [
        attempt(1, [missing, once], 0.0, checks={"mass": False, "schema": False}),
        attempt(2, [again, harmless], 0.0, checks={"mass": False, "schema": True}),
        attempt(3, [], 1.0),
    ]
    assert signatures(attempts) == [
        "Check 'mass' failed in 2 attempts.",
        "This error came 2 times: FileNotFoundError: .../in.csv line N",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("error at 0x7f12ab: /tmp/a/b.py:12", "error at 0x9912cd: /var/c/b.py:345"),
        ("took 1.25 s   in all", "took 17 s in all"),
        ("digest 0123456789abcdef", "digest fedcba9876543210"),
    ],
)
def test_one_failure_is_one_signature(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_facts_say_how_long_they_held() -> None:
    facts = [
        "- Header is 80 bytes.\n- Units are mm.",
        "- Units are cm.\n- The header is 80 bytes long.",
        "1. The header is 80 bytes.\n2. New.",
    ]
    memos = [memo for n, text in enumerate(facts, 1) if (memo := attempt(n, [], 0.0, facts=text).memo)]
    assert cautions(memos) == [
        "Held as a verified fact in the last 3 memos: The header is 80 bytes.",
        "Verified before the winning attempt: New.",
    ]
    assert cautions([]) == []


def test_what_changed_at_the_end_is_shown_as_a_diff() -> None:
    lost = attempt(1, [step(SCRIPT.format(value=1)), step("python3 /app/solve.py")], 0.0, checks={"mass": False, "schema": True})
    won = attempt(2, [step(SCRIPT.format(value=2)), step("python3 /app/solve.py")], 1.0, checks={"mass": True, "schema": True})
    gained, diff, commands = changes(lost, won)
    assert gained == "Failed in attempt 1 and passed in attempt 2: mass."
    assert diff.startswith("How /app/solve.py changed:")
    assert "-json.dump({'mass': 1}" in diff
    assert "+json.dump({'mass': 2}" in diff
    assert "python3 /app/solve.py" not in commands.splitlines()


def test_a_failure_and_what_mended_it_stand_together() -> None:
    steps = [
        step("python3 parse.py --utf8 a.csv", stderr="UnicodeDecodeError: invalid byte 0xe9", exit_code=1),
        step("python3 other.py"),
        step("python3 parse.py --latin1 a.csv"),
        step("cat nothing", stderr="cat: nothing: No such file", exit_code=1),
        step("sleep 99", exit_code=None),
    ]
    (told,) = recoveries(attempt(1, steps, 1.0))
    assert told.splitlines() == [
        "Command 1 failed with exit code 1: UnicodeDecodeError: invalid byte 0xe9",
        "It was: python3 parse.py --utf8 a.csv",
        "What worked then (command 3): python3 parse.py --latin1 a.csv",
    ]
