"""What an answer asks for: commands to run, or why what it asks for cannot be run. Answers are untrusted text."""

from __future__ import annotations

import json
import re
from typing import NamedTuple, cast

from spark.models.base import Tool, ToolCall
from spark.prompts import render

MAX_COMMAND_BYTES = 100_000
"""Below what Linux takes as one argument (128 KiB)."""
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^`\s]*)[^`]*$")
_SHELLS = frozenset({"bash", "sh", "shell"})


class Wish(NamedTuple):
    """One command, or the reason why there is none."""

    command: str = ""
    refusal: str = ""
    thought: str = ""


class Block(NamedTuple):
    """One fenced block marked as shell."""

    command: str
    closed: bool


def bash_tool() -> Tool:
    """The one tool."""
    command = {"type": "string", "description": render("agent-tool-command")}
    parameters = {"type": "object", "properties": {"command": command}, "required": ["command"], "additionalProperties": False}
    return Tool(name="bash", description=render("agent-tool"), parameters=parameters)


def wish_of_call(call: ToolCall) -> Wish:
    """What a tool call asks for. Raw line breaks inside its JSON strings are let pass, as many models write them."""
    if call.name != "bash":
        return _bad_call(f"there is no tool {call.name!r:.60}")
    try:
        arguments: object = json.loads(call.arguments, strict=False)
    except (ValueError, RecursionError) as error:
        return _bad_call(f"the arguments are no JSON ({error})")
    command = cast("dict[str, object]", arguments).get("command") if isinstance(arguments, dict) else None
    if not isinstance(command, str):
        return _bad_call("the arguments hold no string `command`")
    return wish(command)


def wish(command: str) -> Wish:
    """The command, unless no shell could be given it."""
    size = len(command.encode("utf-8", "surrogatepass"))
    if not command.strip():
        problem = "the command is empty"
    elif "\0" in command or re.search("[\ud800-\udfff]", command):
        problem = "the command holds a NUL or half a surrogate pair"
    elif size > MAX_COMMAND_BYTES:
        problem = f"the command is {size} bytes long, the most is {MAX_COMMAND_BYTES}; write long files in pieces"
    else:
        return Wish(command)
    return Wish(refusal=render("agent-bad-command", problem=problem))


def shell_blocks(text: str) -> tuple[list[Block], str]:
    """Every fenced block marked bash, sh or shell, in order, and the text beside them.

    A fence is closed by one that is as long or longer (CommonMark §4.5).
    """
    blocks: list[Block] = []
    beside: list[str] = []
    lines: list[str] = []
    fence, indent, shell = "", "", False
    for line in text.replace("\r\n", "\n").split("\n"):
        match = _FENCE.match(line)
        if not fence and match:
            indent, fence, shell, lines = match[1], match[2], match[3].lower() in _SHELLS, []
        elif fence and match and not match[3] and match[2].startswith(fence):
            blocks += [Block("\n".join(lines), closed=True)] * shell
            fence = ""
        elif fence and shell:
            lines.append(line.removeprefix(indent))
        else:
            beside.append(line)
    if fence and shell:
        blocks.append(Block("\n".join(lines), closed=False))
    return blocks, "\n".join(beside).strip()


def wish_of_text(text: str) -> Wish | None:
    """The command of the one block; a refusal if there are several or it is not closed; None if there is none: the agent is done.

    Several blocks are not run in turn: they were written before the first one's result was known.
    """
    blocks, beside = shell_blocks(text)
    if not blocks:
        return None
    if len(blocks) == 1 and blocks[0].closed:
        return wish(blocks[0].command)._replace(thought=beside)
    return not_one_block("one that is not closed" if len(blocks) == 1 else f"{len(blocks)} blocks")


def not_one_block(found: str) -> Wish:
    """The refusal of a text answer that holds no single closed block."""
    return Wish(refusal=render("agent-one-block", found=found))


def _bad_call(problem: str) -> Wish:
    return Wish(refusal=render("agent-bad-call", problem=problem))
