"""What every model must do, whoever answers: an endpoint over the wire, a script, a journal on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from loopback import Loopback, Reply, chunk, page, status, stream, text

from spark.errors import BadCompletion, CutOffCompletion, EndpointError, ModelError
from spark.models.base import Completion, Message, Model, Tool, ToolCall
from spark.models.cassette import Journal, Tape
from spark.models.openai import OpenAIModel
from spark.models.retry import Wire
from spark.models.scripted import ScriptedModel
from spark.records import Usage

Item = str | ToolCall | ModelError
Make = Callable[[Sequence[Item]], Model]

PROMPT = (Message(role="system", content="Be brief."), Message(role="user", content="List the files."))
BASH = Tool(name="bash", description="Run a command.", parameters={"type": "object", "properties": {"command": {"type": "string"}}})
CALL = ToolCall(id="a", name="bash", arguments='{"command": "ls"}')


def replies(item: Item) -> list[Reply]:
    """What an endpoint sends for the model behind it to give `item`."""
    if isinstance(item, ToolCall):
        piece = {"index": 0, "id": item.id, "function": {"name": item.name, "arguments": item.arguments}}
        return [stream(chunk({"tool_calls": [piece]}), chunk({}, "tool_calls"))]
    if isinstance(item, CutOffCompletion):
        return [text(item.text, "length")]
    if isinstance(item, BadCompletion):
        return [page("<html>no</html>")] * 3
    return [status(500)] * 2 if isinstance(item, ModelError) else [text(item)]


def script(items: Sequence[Item]) -> ScriptedModel:
    usage = Usage(calls=1, prompt_tokens=11, completion_tokens=7)
    return ScriptedModel([Completion(text="", tool_calls=(item,), usage=usage) if isinstance(item, ToolCall) else item for item in items])


@pytest.fixture(params=["endpoint", "script", "journal", "resumed journal", "replayed recording"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Make]:
    kind = cast("str", request.param)
    with ExitStack() as stack:

        def build(items: Sequence[Item]) -> Model:
            if kind == "endpoint":
                endpoint = stack.enter_context(Loopback([reply for item in items for reply in replies(item)]))
                model = OpenAIModel("m", base_url=endpoint.url, api_key="dummy", wire=Wire(attempts=2, first_wait_seconds=0.001))
                stack.callback(model.close)
                return model
            if kind == "script":
                return script(items)
            if kind == "journal":
                return Journal(script(items), tmp_path / "calls", "teacher")
            first = Journal(script(items), tmp_path / "calls", "teacher")
            for _ in items:
                first.complete(PROMPT, max_tokens=20, tools=[BASH])
            if kind == "resumed journal":
                return Journal(script([]), tmp_path / "calls", "teacher")
            return Journal(ScriptedModel([]), tmp_path / "run", "teacher", tape=Tape(replay_from=tmp_path / "calls", strict_replay=True))

        yield build


def test_it_has_a_name(make: Make) -> None:
    assert make(["a"]).name


def test_answers_come_in_order(make: Make) -> None:
    model = make(["eins", "zwei — ü", "drei"])
    assert [model.complete(PROMPT, max_tokens=20).text for _ in range(3)] == ["eins", "zwei — ü", "drei"]


def test_a_tool_call_comes_whole(make: Make) -> None:
    got = make([CALL]).complete(PROMPT, max_tokens=20, tools=[BASH])
    assert got.tool_calls == (CALL,)
    assert got.text == ""


def test_usage_counts_one_call_and_its_tokens(make: Make) -> None:
    usage = make(["some words for an answer"]).complete(PROMPT, max_tokens=20).usage
    assert usage.calls == 1
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0


def test_a_schema_is_taken(make: Make) -> None:
    assert make(['{"a": 1}']).complete(PROMPT, max_tokens=20, schema={"type": "object"}).text == '{"a": 1}'


# Errors are not on disk: what answers from there has none to raise.
@pytest.mark.parametrize("make", ["endpoint", "script", "journal"], indirect=True)
@pytest.mark.parametrize("error", [EndpointError("down"), BadCompletion("junk"), CutOffCompletion("cut", text="half a")])
def test_an_error_is_of_its_kind_and_the_next_call_is_not_harmed(make: Make, error: ModelError) -> None:
    model = make([error, "fine"])
    with pytest.raises(ModelError) as caught:
        model.complete(PROMPT, max_tokens=20)
    assert type(caught.value) is type(error)
    if isinstance(caught.value, CutOffCompletion):
        assert caught.value.text == "half a"
    assert model.complete(PROMPT, max_tokens=20).text == "fine"


def test_an_end_is_an_error_not_silence(make: Make) -> None:
    model = make(["a"])
    model.complete(PROMPT, max_tokens=20)
    with pytest.raises(ModelError):
        model.complete(PROMPT, max_tokens=20)


def test_it_is_thread_safe(make: Make) -> None:
    texts = [f"answer {number}" for number in range(12)]
    model = make(texts)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(model.complete(PROMPT, max_tokens=20).text)) for _ in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == sorted(texts)
