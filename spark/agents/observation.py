"""What a model is shown of a command: exit code, both streams cut to head and tail, nothing invisible."""

from __future__ import annotations

import re

from spark.prompts import render
from spark.sandboxes.base import ExecResult

# C0 and C1 controls but tab and line feed, zero-width and bidirectional marks, line separators, lone surrogates, tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def observe(ran: ExecResult, *, chars: int) -> str:
    """The observation of one command, at most about `chars` characters of output in it.

    stdout and stderr may have half of `chars` each, and what the other one leaves over. What is cut is counted in the text.
    """
    stdout, stderr = visible(ran.stdout).rstrip("\n"), visible(ran.stderr).rstrip("\n")
    half = chars // 2
    if ran.exit_code is None:
        status = render("agent-killed", seconds=f"{ran.seconds:.0f}")
    else:
        status = render("agent-exit", code=str(ran.exit_code))
    return render(
        "agent-observation",
        status=status,
        stdout=head_and_tail(stdout, max(half, chars - len(stderr))),
        stderr=head_and_tail(stderr, max(half, chars - len(stdout))),
    )


def visible(text: str) -> str:
    """`text` with every invisible or control character but tab and line feed written as an escape."""
    return _INVISIBLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def head_and_tail(text: str, chars: int) -> str:
    """The first and the last half of `chars` characters, with a line between that says how many are missing; `text` itself if it fits."""
    if len(text) <= chars:
        return text
    head = chars // 2
    tail = chars - head
    return f"{text[:head]}\n{render('agent-dropped', chars=str(len(text) - chars))}\n{text[len(text) - tail :]}"
