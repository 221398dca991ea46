"""A model that answers from a list: for tests, demonstrations, and as the fake at the lowest honest seam of an agent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from spark.errors import ModelError, ScriptExhausted
from spark.models.base import Completion, Message, Tool
from spark.models.retry import CHARS_PER_TOKEN
from spark.records import Usage


class ScriptedModel:
    """Answers with `completions` in order, whatever it is asked; an error in the list is raised. Thread-safe.

    A plain text becomes a completion of no cost, its tokens estimated at 4 characters each. `asked` holds what it was asked, in order.

    Raises:
        ValueError: an empty completion, which no model may answer with.
    """

    def __init__(self, completions: Sequence[str | Completion | ModelError], *, name: str = "scripted") -> None:
        if any(_is_empty(item) for item in completions):
            raise ValueError("a completion has text or tool calls; script a BadCompletion instead")
        self.name = name
        self.asked: list[tuple[Message, ...]] = []
        self._completions = tuple(completions)
        self._lock = threading.Lock()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        tools: Sequence[Tool] = (),
        schema: dict[str, Any] | None = None,
    ) -> Completion:
        """The next item of the script.

        Raises:
            ScriptExhausted: there is none.
            ModelError: the item is one.
        """
        del max_tokens, tools, schema
        with self._lock:
            number = len(self.asked)
            self.asked.append(tuple(messages))
        if number >= len(self._completions):
            raise ScriptExhausted(f"the script has {len(self._completions)} answers; call {number + 1} finds none")
        item = self._completions[number]
        if isinstance(item, ModelError):
            raise item
        if isinstance(item, Completion):
            return item
        chars = sum(len(message.content) for message in messages)
        usage = Usage(calls=1, prompt_tokens=chars // CHARS_PER_TOKEN, completion_tokens=len(item) // CHARS_PER_TOKEN, estimated_calls=1)
        return Completion(text=item, model=self.name, usage=usage)


def _is_empty(item: str | Completion | ModelError) -> bool:
    if isinstance(item, Completion):
        return not item.text.strip() and not item.tool_calls
    return isinstance(item, str) and not item.strip()
