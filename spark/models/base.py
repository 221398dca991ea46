"""The contract of a model.

`complete` returns a completion that is neither empty nor silently cut off, or raises one of the ModelErrors drawn in errors.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from spark.records import Record, Usage


class ToolCall(Record):
    """A call the model asks for; `arguments` is the JSON text as it came."""

    id: str
    name: str
    arguments: str


class Message(Record):
    """One turn. `tool_calls` only from the assistant, `tool_call_id` only on a tool's answer."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Tool(Record):
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class Completion(Record):
    """What came back: text, tool calls, or both; never neither."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    model: str = ""
    usage: Usage = Usage()


class Model(Protocol):
    """Whoever answers. Thread-safe."""

    name: str

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        tools: Sequence[Tool] = (),
        schema: dict[str, Any] | None = None,
    ) -> Completion:
        """The next assistant turn. With `schema`, the text is JSON asked for by that schema (not yet validated).

        Raises:
            EndpointError: the endpoint's fault, after all retries.
            AuthError: the user's key.
            BadCompletion, CutOffCompletion: the model's or a gateway's fault.
            ContextOverflow: the caller's prompt is too long.
            ScriptExhausted: a script or recording ended.
        """
        ...
