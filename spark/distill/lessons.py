"""What a run teaches beside its commands: the way it went, what kept failing, what held, what changed at the end.

Attempts that were never scored (errored) teach nothing and are not among what these functions are given.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spark.distill.keys import Ran, read_steps
from spark.distill.shell import LOW_SIGNAL
from spark.records import Attempt, Memo

SAME_FACT = 0.5
"""Jaccard overlap of words from which two bullets of rewritten memos are taken for one fact; a choice."""
MAX_SIGNATURES = 12
MAX_FACTS = 20
MAX_RECOVERIES = 6
RECOVERY_REACH = 4
"""Later successes of the same program among which the one that mended a failure is looked for."""
MAX_DIFFS = 3
MAX_NEW_COMMANDS = 12
LINE_CHARS = 200
_ERROR_LINE = re.compile(
    r"\b\w*(?:Error|Exception|Warning)\b\s*:|\b(?:fatal|error|failed|panic)\b\s*:|command not found|No such file|[Pp]ermission denied|"
    r"not found$|cannot |[Ss]yntax error|Traceback|Segmentation fault|Killed"
)
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+(.*)$")


class Lesson(NamedTuple):
    """One lesson and the attempt it was seen in; None where it spans several."""

    attempt: int | None
    text: str


def lessons(attempts: Sequence[Attempt]) -> list[Lesson]:
    """All lessons of the scored attempts, the last of which won, in the order in which they are told."""
    failed, winner = attempts[:-1], attempts[-1]
    found = [Lesson(attempt.number, _summary(attempt)) for attempt in attempts]
    found += [Lesson(None, text) for text in signatures(attempts)]
    found += [Lesson(winner.number, text) for text in recoveries(winner)]
    found += [Lesson(None, text) for text in cautions([attempt.memo for attempt in failed if attempt.memo])]
    if failed:
        found += [Lesson(winner.number, text) for text in changes(failed[-1], winner)]
    return found


def _summary(attempt: Attempt) -> str:
    verdict, transcript = attempt.trial.verdict, attempt.trial.transcript
    passed = sum(check.passed for check in verdict.checks)
    failing = [check.name for check in verdict.checks if not check.passed]
    parts = [
        f"Attempt {attempt.number} {verdict.outcome} with reward {verdict.reward:g}",
        f"{passed} of {len(verdict.checks)} checks passed" if verdict.checks else "the verifier names no checks",
        f"{len(transcript.steps)} commands, ended by {transcript.stop}",
    ]
    if attempt.injected:
        parts.append(f"after a {attempt.injected} nudge to reconsider")
    if failing:
        parts.append("failing: " + ", ".join(failing[:MAX_SIGNATURES]))
    return "; ".join(parts) + "."


def signatures(attempts: Sequence[Attempt]) -> list[str]:
    """Failures seen more than once, most frequent first: checks by the number of attempts, error lines by the number of commands."""
    checks = Counter(normalised(name) for attempt in attempts for name in _failing(attempt))
    errors = Counter(line for attempt in attempts for ran in read_steps(attempt.trial.transcript.steps) for line in _error_lines(ran))
    found = [(count, f"Check {name!r} failed in {count} attempts.") for name, count in checks.items() if count > 1]
    found += [(count, f"This error came {count} times: {line}") for line, count in errors.items() if count > 1]
    return [text for _, text in sorted(found, key=lambda pair: -pair[0])[:MAX_SIGNATURES]]


def _failing(attempt: Attempt) -> set[str]:
    return {check.name for check in attempt.trial.verdict.checks if not check.passed}


def _error_lines(ran: Ran) -> set[str]:
    """The normalised error lines of one failed command, `Traceback` headings aside."""
    if ran.succeeded:
        return set()
    lines = (line.strip() for line in ran.output.splitlines() if len(line) <= 2_000 and _ERROR_LINE.search(line))
    return {normalised(line)[:LINE_CHARS] for line in lines if not line.startswith("Traceback")}


def normalised(line: str) -> str:
    """A line with what differs between two occurrences of one failure replaced: numbers, addresses, directories, blanks."""
    line = re.sub(r"0x[0-9a-fA-F]+|\b[0-9a-f]{12,}\b", "HEX", line)
    line = re.sub(r"(?:/[\w.+-]+)+/(?=[\w.+-])", ".../", line)
    return " ".join(re.sub(r"\d+(?:\.\d+)?", "N", line).split())


def recoveries(attempt: Attempt) -> list[str]:
    """Commands of a run that failed, each with its error and the most alike of the next few that worked with one of the same programs."""
    steps = read_steps(attempt.trial.transcript.steps)
    found: list[str] = []
    for index, ran in enumerate(steps):
        error = _last_error(ran)
        if ran.succeeded or not error:
            continue
        programs = set(ran.reading.programs) - LOW_SIGNAL
        worked = [later for later in steps[index + 1 :] if later.succeeded and programs & set(later.reading.programs)][:RECOVERY_REACH]
        better = max(worked, key=lambda later: _jaccard(_words(ran.command), _words(later.command)), default=None)
        if better is not None:
            found.append(
                f"Command {ran.number} failed with {_exit(ran)}: {error}\nIt was: {_head(ran.command)}\n"
                f"What worked then (command {better.number}): {_head(better.command)}"
            )
    return found[:MAX_RECOVERIES]


def _exit(ran: Ran) -> str:
    return "a time-out" if ran.step.exit_code is None else f"exit code {ran.step.exit_code}"


def _last_error(ran: Ran) -> str:
    lines = [line.strip() for line in ran.output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.search(line[:2_000])]
    return (errors or lines or [""])[-1][:LINE_CHARS]


def _head(command: str, limit: int = 2 * LINE_CHARS) -> str:
    return command if len(command) <= limit else command[:limit] + " …"


def cautions(memos: Sequence[Memo]) -> list[str]:
    """The facts of the last memo, each with how many memos in a row had held it by then."""
    if not memos:
        return []
    earlier = [[_words(fact) for fact in _bullets(memo.verified_facts)] for memo in memos[:-1]]
    found: list[str] = []
    for fact in _bullets(memos[-1].verified_facts)[:MAX_FACTS]:
        held = 1
        for facts in reversed(earlier):
            if not any(_jaccard(_words(fact), known) >= SAME_FACT for known in facts):
                break
            held += 1
        found.append(
            f"Held as a verified fact in the last {held} memos: {fact}" if held > 1 else f"Verified before the winning attempt: {fact}"
        )
    return found


def _bullets(section: str) -> list[str]:
    """The list items of a section with their continuations; all of it where it has no items."""
    items: list[list[str]] = []
    for line in section.splitlines():
        bullet = _BULLET.match(line)
        if bullet and not (items and line.startswith((" ", "\t"))):
            items.append([bullet[1].strip()])
        elif items and line.strip():
            items[-1].append(line.strip())
    return [" ".join(lines) for lines in items] or [text for text in [section.strip()] if text]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def changes(last_failed: Attempt, winner: Attempt) -> list[str]:
    """What the winning attempt did otherwise than the last that failed: checks gained, files rewritten, commands that are new."""
    gained = sorted(_failing(last_failed) - _failing(winner))
    before, after = read_steps(last_failed.trial.transcript.steps), read_steps(winner.trial.transcript.steps)
    found = [f"Failed in attempt {last_failed.number} and passed in attempt {winner.number}: {', '.join(gained)}."] if gained else []
    found += list(_file_diffs(before, after))[:MAX_DIFFS]
    known = {" ".join(ran.command.split()) for ran in before}
    new = [ran for ran in after if ran.succeeded and not ran.reading.low_signal and " ".join(ran.command.split()) not in known]
    if new and len(new) < len(after):
        listed = "\n".join(f"- {_head(ran.command, LINE_CHARS)}" for ran in new[:MAX_NEW_COMMANDS])
        found.append(f"Commands of attempt {winner.number} that attempt {last_failed.number} did not have:\n{listed}")
    return found


def _file_diffs(before: Sequence[Ran], after: Sequence[Ran]) -> Iterator[str]:
    """Unified diffs of the files that both runs wrote whole, last version against last version."""
    old = {path: text for ran in before for path, text in ran.reading.whole.items()}
    new = {path: text for ran in after for path, text in ran.reading.whole.items()}
    for path, text in new.items():
        if path in old and old[path] != text:
            lines = difflib.unified_diff(
                old[path].splitlines(), text.splitlines(), "last failed attempt", "winning attempt", n=2, lineterm=""
            )
            yield f"How {path} changed:\n" + "\n".join(lines)
