"""What answers ask for, read from untrusted text."""

from __future__ import annotations

import json

import pytest

from spark.agents.wishes import MAX_COMMAND_BYTES, bash_tool, shell_blocks, wish, wish_of_call, wish_of_text
from spark.models.base import ToolCall


def call(arguments: str, name: str = "bash") -> ToolCall:
    return ToolCall(id="1", name=name, arguments=arguments)


def test_a_call() -> None:
    assert wish_of_call(call('{"command": "ls -la", "why": "to see"}')).command == "ls -la"
    assert wish_of_call(call('{"command": "a\nb"}')).command == "a\nb"
    assert json.dumps(bash_tool().parameters)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "no JSON"),
        ('{"command": "ls"', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('"ls"', "no string `command`"),
        ("null", "no string `command`"),
        ('{"cmd": "ls"}', "no string `command`"),
        ('{"command": ["ls"]}', "no string `command`"),
        ('{"command": " \\n"}', "empty"),
        ('{"command": "a\\u0000b"}', "NUL"),
        ('{"command": "a\\ud800b"}', "surrogate"),
    ],
)
def test_arguments_that_cannot_be_run(arguments: str, said: str) -> None:
    asked = wish_of_call(call(arguments))
    assert asked.command == ""
    assert said in asked.refusal


def test_an_unknown_tool_and_a_huge_command() -> None:
    assert "'python'" in wish_of_call(call('{"command": "1"}', name="python")).refusal
    assert wish("é" * (MAX_COMMAND_BYTES // 2)).refusal == ""
    assert str(MAX_COMMAND_BYTES + 1) in wish("x" + "é" * (MAX_COMMAND_BYTES // 2)).refusal


@pytest.mark.parametrize(
    ("text", "command", "thought"),
    [
        ("Look:\n```bash\nls\n```\nThen more.", "ls", "Look:\nThen more."),
        ("```sh\r\nls\r\npwd\r\n```\r\n", "ls\npwd", ""),
        ("1. So:\n   ```shell\n   cat <<E\n     x\n   E\n   ```", "cat <<E\n  x\nE", "1. So:"),
        ("````bash\ncat > a.md <<E\n```\nx\n```\nE\n````", "cat > a.md <<E\n```\nx\n```\nE", ""),
        ("~~~bash\necho '```'\n~~~", "echo '```'", ""),
        ("```json\n{}\n```\n```Bash title\nls\n```", "ls", "{}"),
        ("```text\n```bash\nnot this\n```\n```bash\nthis\n```", "this", "```bash\nnot this"),
    ],
)
def test_one_block(text: str, command: str, thought: str) -> None:
    asked = wish_of_text(text)
    assert asked is not None
    assert (asked.command, asked.thought, asked.refusal) == (command, thought, "")


@pytest.mark.parametrize("text", ["Done.", "```python\nprint(1)\n```", "Use `bash` or ```bash ls``` inline.", ""])
def test_no_block_means_done(text: str) -> None:
    assert wish_of_text(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [("```bash\na\n```\n```bash\nb\n```", "found 2 blocks"), ("```bash\nls", "not closed"), ("```bash\n\n```", "empty")],
)
def test_blocks_that_are_not_run(text: str, said: str) -> None:
    asked = wish_of_text(text)
    assert asked is not None
    assert asked.command == ""
    assert said in asked.refusal


def test_a_million_backticks_take_no_time() -> None:
    assert shell_blocks("`" * 1_000_000 + "\n" + "```bash x" * 100_000)[0] == []
