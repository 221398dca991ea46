"""Texts of recorded reflections: the sections of a memo, and what can be saved of a reply that was stored raw."""

from __future__ import annotations

import json
import re

FACTS = "Verified Facts"
STRATEGY = "Next Strategy"

_COUNTED = re.compile(r"^## Exploration Memo \((\d{1,6}) failed attempts?\)", re.MULTILINE)
_ERROR = "[LLM ERROR]"
_DECODER = json.JSONDecoder()
_EVENT = "chat.completion.chunk"


def section(memo: str, title: str) -> str:
    """The text under `### title`, up to the next heading of that rank or the end; empty if there is none."""
    heading = f"### {title}"
    start = 0 if memo.startswith(heading) else memo.find(f"\n{heading}") + 1
    if not start and not memo.startswith(heading):
        return ""
    line_end = memo.find("\n", start)
    if line_end < 0:
        return ""
    end = memo.find("\n### ", line_end)
    return memo[line_end : len(memo) if end < 0 else end].strip()


def failed_attempts(memo: str) -> int | None:
    """The N of `## Exploration Memo (N failed attempts)`, or None."""
    found = _COUNTED.search(memo)
    return int(found.group(1)) if found else None


def failed_checks(summary: str) -> tuple[str, ...]:
    """The names on the ✗ lines of a test summary, in order."""
    lines = (line.strip() for line in summary.splitlines())
    return tuple(line.removeprefix("✗").strip() for line in lines if line.startswith("✗"))


def is_error_page(text: str) -> bool:
    """Whether a stored reply is an error of the endpoint and no text of the model's."""
    return text.lstrip().startswith(_ERROR)


def is_event_dump(text: str) -> bool:
    """Whether a stored reply is the raw event stream of a completion."""
    return _EVENT in text[:4096]


def recover(text: str) -> tuple[str, int]:
    """What the model wrote in an event stream that was stored raw, and how many events of the stream could not be read."""
    if is_error_page(text):
        # an error message quotes the stream with its backslashes doubled and its apostrophes escaped
        text = text.replace("\\\\", "\\").replace("\\'", "'")
    written: list[str] = []
    lost = 0
    for event in text.split("data: ")[1:]:
        if event.startswith("[DONE]"):
            continue
        try:
            chunk, _ = _DECODER.raw_decode(event)
            written += (choice["delta"].get("content") or "" for choice in chunk["choices"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            lost += 1
    return "".join(written), lost
