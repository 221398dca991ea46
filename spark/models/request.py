"""The body of a request, and what to leave out for an endpoint that does not know all of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spark.models.answer import mended
from spark.models.base import Message, Tool, ToolCall
from spark.models.faults import Fault

Part = Literal["stream_options", "max_tokens", "response_format", "temperature", "tools", "stream"]
"""A part of a request that some endpoints refuse. Without `max_tokens`, the limit goes under its newer name."""

_NAMES: tuple[tuple[Part, tuple[str, ...]], ...] = (
    ("stream_options", ("stream_options", "include_usage")),
    ("max_tokens", ("max_completion_tokens",)),
    ("response_format", ("response_format", "json_schema", "json schema", "structured output", "grammar")),
    ("temperature", ("temperature",)),
    ("tools", ("tool", "function call", "functions")),
    ("stream", ("stream",)),
)
_REFUSALS = (
    *("support", "unrecogni", "unknown", "not permitted", "not allowed", "extra ", "unexpected", "require"),
    *("not available", "not enabled", "disabled", "unavailable", "not implemented", "only the default"),
)
_SILENT: tuple[Part, ...] = ("stream_options", "response_format", "stream")
"""Tried one by one when a refusal names nothing."""


@dataclass(frozen=True)
class Ask:
    """What `complete` was asked."""

    messages: Sequence[Message]
    max_tokens: int
    tools: Sequence[Tool]
    schema: dict[str, Any] | None

    @property
    def chars(self) -> int:
        """Characters of the prompt."""
        tools = sum(len(tool.description) + len(json.dumps(tool.parameters)) for tool in self.tools)
        return tools + sum(len(m.content) + sum(len(c.arguments) for c in m.tool_calls) for m in self.messages)

    @property
    def first_call(self) -> int:
        """A number for the first tool call of the answer that no earlier one of this conversation has."""
        return sum(len(message.tool_calls) for message in self.messages)


def build(model: str, ask: Ask, temperature: float | None, without: Collection[Part]) -> dict[str, Any]:
    """The JSON body of POST /chat/completions."""
    has_tools = bool(ask.tools) and "tools" not in without
    body: dict[str, Any] = {"model": model, "messages": [_message(m, "tools" not in without) for m in ask.messages]}
    body["max_completion_tokens" if "max_tokens" in without else "max_tokens"] = ask.max_tokens
    if temperature is not None and "temperature" not in without:
        body["temperature"] = temperature
    if has_tools:
        body["tools"] = [{"type": "function", "function": tool.model_dump()} for tool in ask.tools]
    if ask.schema is not None and "response_format" not in without:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": ask.schema}}
    if "stream" not in without:
        body["stream"] = True
        if "stream_options" not in without:
            body["stream_options"] = {"include_usage": True}
    return body


def refused_part(fault: Fault, body: Collection[str]) -> Part | None:
    """The part of `body` (its keys) that this fault refuses, as far as can be told: to be left out of the next try."""
    said = fault.said.lower()
    if fault.status not in (400, 404, 422, 501):
        return None
    named: list[Part] = [part for part, names in _NAMES if any(name in said for name in names)]
    if named and any(word in said for word in _REFUSALS):
        return next((part for part in named if part in body), None)
    if named or fault.status == 404:
        return None
    return next((part for part in _SILENT if part in body), None)


def _message(message: Message, tools: bool) -> dict[str, Any]:
    text = mended(message.content)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id or "", "content": text} if tools else {"role": "user", "content": text}
    if not message.tool_calls:
        return {"role": message.role, "content": text}
    if not tools:
        calls = "\n".join(f"{call.name} {mended(call.arguments)}" for call in message.tool_calls)
        return {"role": message.role, "content": f"{text}\n{calls}".strip()}
    return {"role": message.role, "content": text or None, "tool_calls": [_call(call) for call in message.tool_calls]}


def _call(call: ToolCall) -> dict[str, Any]:
    # Some servers parse the arguments of earlier calls and fail on those that are no JSON object.
    arguments = mended(call.arguments)
    try:
        sound = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        sound = False
    function = {"name": call.name, "arguments": arguments if sound else json.dumps({"invalid": arguments} if arguments else {})}
    return {"id": call.id, "type": "function", "function": function}
