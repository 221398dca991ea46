"""The evidence a skill may rest on: six blocks of numbered items, built from the structured transcripts alone (METHOD §1).

    task         the instruction, the declared outputs
    command      the key commands of the winning run, chosen by general signals (keys.py), whole wherever they fit
    check        what the verifier said of the winning run
    lesson       the way of the attempts, failures seen more than once, facts that held, what changed at the end (lessons.py)
    environment  base image, packages, tools
    output       the end of the winning run

Departures from the published distiller:
    1  Nothing is classified by words of a benchmark.
    2  Every command is seen, not the last 8,000 characters; every cut is reported.
    3  Attempts that were never scored are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spark.distill.dockerfile import environment_lines
from spark.distill.keys import Key, key_commands, read_steps
from spark.distill.lessons import lessons
from spark.distill.memo import OnTrim, clip
from spark.records import Attempt, Evidence, EvidenceItem, EvidenceKind, Task
from spark.skills.markdown import fence_around

INSTRUCTION_CHARS = 8_000
COMMAND_CHARS = 4_000
OUTPUT_CHARS = 1_000
"""Of one command's output beside the command."""
COMMANDS_CHARS = 32_000
"""Of all key commands with their outputs."""
LESSON_CHARS = 3_000
LESSONS_CHARS = 18_000
CHECKS_CHARS = 4_000
TAIL_CHARS = 3_000
MAX_TOOLS = 40

_TITLES: dict[EvidenceKind, str] = {
    "task": "Task",
    "command": "Key commands of the winning run",
    "check": "Verification",
    "lesson": "Lessons",
    "environment": "Environment",
    "output": "End of the winning run",
}


class Trim(NamedTuple):
    """One cut: what was cut, the characters kept and the characters dropped."""

    what: str
    kept: int
    dropped: int


class _Piece(NamedTuple):
    kind: EvidenceKind
    attempt: int | None
    text: str


def build_evidence(task: Task, attempts: Sequence[Attempt], dockerfile: str) -> tuple[Evidence, tuple[Trim, ...]]:
    """The evidence of a solved task and every cut that was made; some 70,000 characters at most.

    `attempts` in order, the last one solved; errored ones among them are left out. `dockerfile` is the text of the task's own.
    """
    scored = [attempt for attempt in attempts if attempt.trial.verdict.reward is not None]
    winner = scored[-1]
    trims: list[Trim] = []

    def on_trim(what: str, kept: int, dropped: int) -> None:
        trims.append(Trim(what, kept, dropped))

    pieces = [
        *_task_pieces(task, on_trim),
        *_command_pieces(task, winner, on_trim),
        *_check_pieces(winner, on_trim),
        *_lesson_pieces(scored, on_trim),
        *_environment_pieces(winner, dockerfile, on_trim),
        *_output_pieces(winner, on_trim),
    ]
    items = tuple(
        EvidenceItem(id=f"e{number}", kind=piece.kind, attempt=piece.attempt, text=piece.text)
        for number, piece in enumerate((piece for piece in pieces if piece.text.strip()), 1)
    )
    return Evidence(task=task.name, items=items), tuple(trims)


def _task_pieces(task: Task, on_trim: OnTrim) -> list[_Piece]:
    pieces = [_Piece("task", None, clip(task.instruction.strip(), INSTRUCTION_CHARS, "instruction", on_trim))]
    if task.outputs:
        pieces.append(_Piece("task", None, "Declared outputs: " + ", ".join(task.outputs)))
    return pieces


def _command_pieces(task: Task, winner: Attempt, on_trim: OnTrim) -> list[_Piece]:
    """The best-ranked commands that fit together, newest first among equals, told in their order."""
    steps = read_steps(winner.trial.transcript.steps)
    keys = key_commands(steps, task.outputs)
    left = COMMANDS_CHARS
    chosen: dict[int, str] = {}
    dropped = 0
    for key in sorted(keys, key=lambda key: (-key.rank, -key.ran.number)):
        text = _command_text(key, len(steps), on_trim)
        if len(text) > left:
            dropped += len(text)
            continue
        left -= len(text)
        chosen[key.ran.number] = text
    if dropped:
        on_trim("key commands", COMMANDS_CHARS - left, dropped)
    return [_Piece("command", winner.number, chosen[number]) for number in sorted(chosen)]


def _command_text(key: Key, count: int, on_trim: OnTrim) -> str:
    ran = key.ran
    told = ", ".join([f"Command {ran.number} of {count}", "exit 0", *key.signals])
    output = clip(ran.output.strip(), OUTPUT_CHARS, f"output of command {ran.number}", on_trim)
    command = clip(ran.command, COMMAND_CHARS, f"command {ran.number}", on_trim)
    return f"{told}\n$ {command}" + (f"\n--- output ---\n{output}" if output else "")


def _check_pieces(winner: Attempt, on_trim: OnTrim) -> list[_Piece]:
    verdict = winner.trial.verdict
    passed = [check.name for check in verdict.checks if check.passed]
    text = f"Attempt {winner.number} was verified ({verdict.mode}): reward {verdict.reward:g}"
    if passed:
        names = "\n".join(f"- {name}" for name in passed)
        text += f", {len(passed)} of {len(verdict.checks)} checks passed:\n{clip(names, CHECKS_CHARS, 'checks', on_trim)}"
    return [_Piece("check", winner.number, text)]


def _lesson_pieces(scored: Sequence[Attempt], on_trim: OnTrim) -> list[_Piece]:
    left = LESSONS_CHARS
    pieces: list[_Piece] = []
    dropped = 0
    for lesson in lessons(scored):
        text = clip(lesson.text, LESSON_CHARS, "lesson", on_trim)
        if len(text) > left:
            dropped += len(text)
            continue
        left -= len(text)
        pieces.append(_Piece("lesson", lesson.attempt, text))
    if dropped:
        on_trim("lessons", LESSONS_CHARS - left, dropped)
    return pieces


def _environment_pieces(winner: Attempt, dockerfile: str, on_trim: OnTrim) -> list[_Piece]:
    lines = environment_lines(dockerfile)
    sandbox = winner.trial.sandbox
    steps = read_steps(winner.trial.transcript.steps)
    tools = dict.fromkeys(name for ran in steps if ran.succeeded for name in ran.reading.programs if "/" not in name)
    lines.append(f"file system the run really had: {sandbox.base} ({sandbox.provider})")
    if tools:
        lines.append("programs that worked: " + ", ".join(list(tools)[:MAX_TOOLS]))
    return [_Piece("environment", None, clip(line, LESSON_CHARS, "environment", on_trim)) for line in lines]


def _output_pieces(winner: Attempt, on_trim: OnTrim) -> list[_Piece]:
    transcript = winner.trial.transcript
    printed = "\n".join(ran.output for ran in read_steps(transcript.steps[-3:]) if ran.output)
    pieces: list[_Piece] = []
    if len(printed) > TAIL_CHARS:
        on_trim("end of the output", TAIL_CHARS, len(printed) - TAIL_CHARS)
    for told, text in (
        ("Printed last", printed[-TAIL_CHARS:]),
        ("The agent's last words", clip(transcript.final, TAIL_CHARS, "last words", on_trim)),
    ):
        if text.strip():
            pieces.append(_Piece("output", winner.number, f"{told}:\n{text.strip()}"))
    return pieces


def evidence_markdown(evidence: Evidence) -> str:
    """evidence.md, and what the scribe reads: every item under its number, its text in a fence that it cannot close."""
    parts = [f"# Evidence: {evidence.task}"]
    kind: EvidenceKind | None = None
    for item in evidence.items:
        if item.kind != kind:
            kind = item.kind
            parts.append(f"## {_TITLES[kind]}")
        seen = f" (attempt {item.attempt})" if item.attempt is not None else ""
        parts.append(f"### {item.id}{seen}\n\n{fence_around(item.text, 'text')}")
    return "\n\n".join(parts) + "\n"
