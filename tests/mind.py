"""A deterministic mind for tests of whole runs: it plays teacher and scribe for tasks that ask for a number in a file.

What it says depends on the conversation alone, so a run that is interrupted and resumed hears the same. Task `number-N` is solved after
N % 3 failed attempts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import loopback
from task_dir import make

from spark.models.base import Completion, Message, Tool, ToolCall
from spark.records import Task, Usage
from spark.tasks import load_task

TOML = """schema_version = "1.4"
artifacts = ["/app/out.txt"]
[environment]
network_mode = "no-network"
[verifier]
timeout_sec = 20
"""
TEST = """#!/bin/bash
[ "$(cat /app/out.txt 2>/dev/null)" = {number} ] && r=1 || r=0
echo $r > /logs/verifier/reward.txt
[ $r = 1 ] && s=passed || s=failed
echo '{{"results": {{"tests": [{{"name": "the number is there", "status": "'$s'"}}]}}}}' > /logs/verifier/ctrf.json
"""
MEMO = """## Exploration Memo ({count} failed attempts)

### Attempts Log
- #{count}: wrote a wrong number

### Commands From Last Attempt
```bash
echo wrong > /app/out.txt
```

### Verified Facts
- /app can be written, seen {count} times

### Current Error Pattern
- the number is there: fails

### Next Strategy
- write the number the task names, try {count}
"""
SKILL = """---
name: "number-files"
description: "Writes a requested number to a file. Use when a task asks for a single number in a text file."
---

# Number files

## Procedure

1. Write the number that the task names with echo into the file it names. [{item}]
2. Read the file back and compare it with the task. [{item}]
"""


def number_task(root: Path, number: int) -> Task:
    """A task that wants `number` in /app/out.txt."""
    make(root, TOML)
    (root / "instruction.md").write_text(f"Write the number {number} to /app/out.txt.\n")
    (root / "environment/Dockerfile").write_text("FROM python:3.11-slim\nWORKDIR /app\n")
    (root / "tests/test.sh").write_text(TEST.format(number=number))
    (root / "solution/solve.sh").write_text(f"#!/bin/bash\necho {number} > /app/out.txt\n")
    return load_task(root)


def number_tasks(root: Path, count: int) -> list[Task]:
    """Tasks number-00 … in a folder."""
    return [number_task(root / f"number-{number:02d}", number) for number in range(count)]


def answer(system: str, user: str, turn: int) -> tuple[str, str | None]:
    """What the mind says, and the command it wants run, if any. `turn` counts its own earlier answers."""
    failures = re.search(r"\((\d+) failed attempts\)", user)
    if "exploration memo" in system:
        wanted = re.search(r"\((\d+) failed attempts\)", system)
        return MEMO.format(count=wanted.group(1) if wanted else 1), None
    if "SKILL.md" in system:
        item = re.search(r"\be\d+\b", user)
        return SKILL.format(item=item.group() if item else "e1"), None
    number = re.search(r"Write the number (\d+)", user)
    assert number is not None, user
    right = int(number.group(1)) % 3 <= (int(failures.group(1)) if failures else 0)
    script = ["ls /app", f"echo {number.group(1) if right else 'wrong'} > /app/out.txt", "cat /app/out.txt"]
    return ("on it", script[turn]) if turn < len(script) else ("The number is in the file.", None)


class Mind:
    """The mind as a model of the package."""

    name = "mind"

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,  # noqa: ARG002
        tools: Sequence[Tool] = (),  # noqa: ARG002
        schema: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Completion:
        """As any model."""
        text, command = answer(messages[0].content, messages[1].content, sum(message.role == "assistant" for message in messages))
        calls = (ToolCall(id="c1", name="bash", arguments=json.dumps({"command": command})),) if command else ()
        return Completion(
            text=text, tool_calls=calls, model="mind", usage=Usage(calls=1, prompt_tokens=100, completion_tokens=20, usd=None)
        )


def reply(body: dict[str, Any]) -> loopback.Reply:
    """The mind behind an endpoint."""
    messages = body["messages"]
    text, command = answer(messages[0]["content"], messages[1]["content"], sum(message["role"] == "assistant" for message in messages))
    if command is None:
        return loopback.text(text)
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "bash", "arguments": json.dumps({"command": command})}}
    usage = loopback.chunk(usage={"prompt_tokens": 100, "completion_tokens": 20})
    return loopback.stream(
        loopback.chunk({"role": "assistant", "content": text, "tool_calls": [call]}), loopback.chunk({}, "tool_calls"), usage
    )
