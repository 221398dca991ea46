"""A journal around a script, and a conversation to put through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spark.models.base import Completion, Message, Tool
from spark.models.cassette import CallNote, Journal
from spark.models.scripted import ScriptedModel
from spark.records import Usage

SYSTEM = Message(role="system", content="Be brief.")
BASH = Tool(name="bash", description="Run.", parameters={"type": "object"})


def user(text: str) -> Message:
    return Message(role="user", content=text)


def answer(text: str, tokens: int = 10) -> Completion:
    return Completion(text=text, model="m-served", usage=Usage(calls=1, prompt_tokens=tokens, completion_tokens=tokens, usd=None))


def journal(folder: Path, *answers: Any, role: str = "teacher", **more: Any) -> tuple[Journal, list[CallNote], ScriptedModel]:
    notes: list[CallNote] = []
    inner = ScriptedModel(answers, name="m")
    return Journal(inner, folder, role, on_call=notes.append, **more), notes, inner


def talk(model: Journal, turns: int) -> list[str]:
    """A conversation that grows by two messages a turn."""
    history, texts = [SYSTEM, user("start")], list[str]()
    for turn in range(turns):
        got = model.complete(history, max_tokens=50, tools=[BASH])
        texts.append(got.text)
        history += [Message(role="assistant", content=got.text), user(f"go on {turn}")]
    return texts


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
