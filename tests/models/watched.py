"""A model on a loopback endpoint, and what it told of its retries."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from loopback import Json, Loopback, Reply, chunk

from spark.errors import ModelError
from spark.models.base import Completion, Message, Tool
from spark.models.openai import OpenAIModel
from spark.models.retry import Wire

KEY = "unlike-any-known-0123456789"
FAST = Wire(first_wait_seconds=0.001, longest_wait_seconds=0.01, timeout_seconds=10, seed=7)
PROMPT = (Message(role="system", content="You are brief."), Message(role="user", content="Wie heißt die Straße?"))
BASH = Tool(name="bash", description="Run a command.", parameters={"type": "object", "properties": {"command": {"type": "string"}}})
SCHEMA: Json = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


class Watched:
    """A model on a loopback endpoint, and what it told of its retries."""

    def __init__(self, endpoint: Loopback, wire: Wire, cancel: threading.Event | None) -> None:
        self.endpoint = endpoint
        self.retries: list[tuple[str, float]] = []
        self.model = OpenAIModel(
            "m", base_url=endpoint.url, api_key=KEY, wire=wire, on_retry=lambda why, wait: self.retries.append((why, wait)), cancel=cancel
        )

    def ask(self, *, tools: Sequence[Tool] = (), schema: Json | None = None) -> Completion:
        return self.model.complete(PROMPT, max_tokens=100, tools=tools, schema=schema)


@contextmanager
def watched(*replies: Reply, wire: Wire = FAST, cancel: threading.Event | None = None) -> Generator[Watched]:
    with Loopback(replies) as endpoint:
        seen = Watched(endpoint, wire, cancel)
        try:
            yield seen
        finally:
            seen.model.close()


def call_delta(**piece: Any) -> Json:
    return chunk({"tool_calls": [piece]})


def assert_safe(seen: Watched, error: ModelError) -> None:
    """Neither the error nor a word about a retry shows the key, a control character, or more than a tail of what came."""
    shown = [error.message, error.hint, *(why for why, _ in seen.retries)]
    assert all(KEY not in words and len(words) < 600 and words.isprintable() for words in shown)
    assert KEY not in repr(error.__dict__)
