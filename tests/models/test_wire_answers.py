"""What a good answer is made of, in all the shapes endpoints give it."""

from __future__ import annotations

import json

import pytest
from loopback import DONE, Json, Reply, chunk, event, stream, text, whole
from watched import BASH, KEY, PROMPT, call_delta, watched

from spark.errors import BadCompletion
from spark.models.base import Message, ToolCall


def test_a_streamed_answer_comes_whole_with_its_usage() -> None:
    with watched(text("Die Straße heißt Übergang.")) as seen:
        got = seen.ask()
    assert (got.text, got.tool_calls, got.model) == ("Die Straße heißt Übergang.", (), "served")
    assert (got.usage.calls, got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.estimated_calls) == (1, 11, 7, 0)
    assert got.usage.usd is None
    assert got.usage.seconds > 0
    [asked] = seen.endpoint.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["stream"] is True
    assert asked.body["stream_options"] == {"include_usage": True}
    assert asked.body["max_tokens"] == 100
    assert asked.body["messages"][1] == {"role": "user", "content": "Wie heißt die Straße?"}
    assert "temperature" not in asked.body


@pytest.mark.parametrize(
    "content_type",
    ["text/event-stream; charset=ISO-8859-1", "text/event-stream", "text/plain; charset=latin-1", "application/octet-stream"],
)
def test_text_is_utf8_whatever_the_header_says(content_type: str) -> None:
    with watched(text("Größe — 数 — 😀", content_type=content_type)) as seen:
        assert seen.ask().text == "Größe — 数 — 😀"


def test_plain_json_with_a_latin1_header_is_utf8_too() -> None:
    reply = whole({"role": "assistant", "content": "für Übung"})
    reply.headers["Content-Type"] = "application/json; charset=ISO-8859-1"
    with watched(reply) as seen:
        assert seen.ask().text == "für Übung"


def test_bytes_split_inside_a_character_do_no_harm() -> None:
    raw = event(chunk({"content": "Straße 😀"})) + event(chunk({}, "stop"))
    with watched(Reply([raw[at : at + 1] for at in range(len(raw))])) as seen:
        assert seen.ask().text == "Straße 😀"


def test_surrogate_halves_in_two_chunks_are_joined() -> None:
    halves = [
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00 \\udc00"}}]}\n\n',
    ]
    with watched(Reply([*halves, DONE])) as seen:
        got = seen.ask().text
    assert got == "😀 \ufffd"
    got.encode()


def test_another_success_is_a_success() -> None:
    reply = text("made")
    reply.status = 201
    with watched(reply) as seen:
        assert seen.ask().text == "made"


def test_no_usage_is_estimated_and_said_so() -> None:
    with watched(text("x" * 40, usage=None)) as seen:
        usage = seen.ask().usage
    assert (usage.completion_tokens, usage.estimated_calls) == (10, 1)
    assert usage.prompt_tokens == -(-sum(len(message.content) for message in PROMPT) // 4)


@pytest.mark.parametrize("told", [{"prompt_tokens": -5, "completion_tokens": 3}, {"prompt_tokens": "9", "completion_tokens": 10**15}, {}])
def test_a_usage_that_cannot_be_is_not_believed(told: Json) -> None:
    with watched(stream(chunk({"content": "12345678"}), chunk({}, "stop"), chunk(usage=told))) as seen:
        usage = seen.ask().usage
    assert usage.prompt_tokens > 0
    assert usage.estimated_calls == 1


def test_plain_json_in_answer_to_a_stream_request() -> None:
    call = {"id": "c9", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    reply = whole(
        {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls", usage={"prompt_tokens": 3, "completion_tokens": 4}
    )
    with watched(reply) as seen:
        got = seen.ask(tools=[BASH])
    assert got.tool_calls == (ToolCall(id="c9", name="bash", arguments='{"command": "ls"}'),)
    assert got.usage.tokens == 7
    assert seen.endpoint.asked[0].body["tools"][0]["function"]["name"] == "bash"


@pytest.mark.parametrize(
    ("came", "text_left"),
    [
        ("<think>hm, let me see</think>\n\nforty-two", "forty-two"),
        ("so the opening tag was eaten\n</think>\n\nforty-two", "forty-two"),
        ("<think>a</think>one <think>b</think>two", "one two"),
        ("plain `</think>` talk", "plain `</think>` talk"),
        ("answer first <think>never closed", "answer first <think>never closed"),
    ],
)
def test_thinking_is_removed(came: str, text_left: str) -> None:
    with watched(text(came)) as seen:
        assert seen.ask().text == text_left


def test_reasoning_deltas_are_ignored() -> None:
    with watched(
        stream(chunk({"reasoning_content": "hm"}), chunk({"reasoning": "well"}), chunk({"content": "yes"}), chunk({}, "stop"))
    ) as seen:
        assert seen.ask().text == "yes"


@pytest.mark.parametrize(
    "reply", [text("<think>only this</think>"), text("<think>not even closed"), stream(chunk({"reasoning_content": "hm"}, "stop"))]
)
def test_thinking_alone_is_no_completion(reply: Reply) -> None:
    with watched(reply, reply, reply, text("never asked for")) as seen:
        with pytest.raises(BadCompletion, match="nothing but thinking"):
            seen.ask()
        assert len(seen.endpoint.asked) == 3


FRAGMENTS: dict[str, tuple[list[Json], list[tuple[str, str, str]]]] = {
    "by the book": (
        [
            call_delta(index=0, id="a", type="function", function={"name": "bash", "arguments": ""}),
            call_delta(index=0, function={"arguments": '{"comm'}),
            call_delta(index=0, function={"arguments": 'and": "ls"}'}),
            call_delta(index=1, id="b", function={"name": "bash", "arguments": '{"command": "pwd"}'}),
        ],
        [("a", "bash", '{"command": "ls"}'), ("b", "bash", '{"command": "pwd"}')],
    ),
    "no index": (
        [
            call_delta(id="a", function={"name": "bash", "arguments": '{"comm'}),
            call_delta(function={"arguments": 'and": "ls"}'}),
            call_delta(id="b", function={"name": "bash", "arguments": "{}"}),
        ],
        [("a", "bash", '{"command": "ls"}'), ("b", "bash", "{}")],
    ),
    "no id": (
        [
            call_delta(index=0, function={"name": "bash", "arguments": '{"command": "ls"}'}),
            call_delta(index=1, function={"name": "bash", "arguments": "{}"}),
        ],
        [("call_0", "bash", '{"command": "ls"}'), ("call_1", "bash", "{}")],
    ),
    "neither, whole calls": (
        [
            call_delta(function={"name": "bash", "arguments": '{"command": "ls"}'}),
            call_delta(function={"name": "bash", "arguments": '{"command": "pwd"}'}),
        ],
        [("call_0", "bash", '{"command": "ls"}'), ("call_1", "bash", '{"command": "pwd"}')],
    ),
    "index 0 for all": (
        [
            call_delta(index=0, id="a", function={"name": "bash", "arguments": '{"command": "ls"}'}),
            call_delta(index=0, id="b", function={"name": "bash", "arguments": '{"command": "pwd"}'}),
        ],
        [("a", "bash", '{"command": "ls"}'), ("b", "bash", '{"command": "pwd"}')],
    ),
    "one id for two calls": (
        [
            call_delta(index=0, id="a", function={"name": "bash", "arguments": "{}"}),
            call_delta(index=1, id="a", function={"name": "bash", "arguments": "{}"}),
        ],
        [("a", "bash", "{}"), ("call_1", "bash", "{}")],
    ),
    "name repeated, arguments as an object": (
        [
            call_delta(index=0, id="a", function={"name": "bash", "arguments": '{"command":'}),
            call_delta(index=0, id="a", function={"name": "bash", "arguments": ' "ls"}'}),
            call_delta(index=1, id="b", function={"name": "bash", "arguments": {"command": "pwd"}}),
        ],
        [("a", "bash", '{"command": "ls"}'), ("b", "bash", '{"command": "pwd"}')],
    ),
}


@pytest.mark.parametrize("case", FRAGMENTS)
def test_tool_calls_are_put_together(case: str) -> None:
    deltas, wanted = FRAGMENTS[case]
    with watched(stream(*deltas, chunk({}, "tool_calls"))) as seen:
        got = seen.ask(tools=[BASH]).tool_calls
    assert [(call.id, call.name, call.arguments) for call in got] == wanted


def test_made_up_call_ids_are_new_in_the_conversation() -> None:
    earlier = ToolCall(id="call_0", name="bash", arguments="{}")
    history = (
        *PROMPT,
        Message(role="assistant", content="", tool_calls=(earlier,)),
        Message(role="tool", content="ok", tool_call_id="call_0"),
    )
    with watched(stream(call_delta(function={"name": "bash", "arguments": "{}"}), chunk({}, "stop"))) as seen:
        got = seen.model.complete(history, max_tokens=9, tools=[BASH])
    assert got.tool_calls[0].id == "call_1"
    assert seen.endpoint.asked[0].body["messages"][2]["tool_calls"][0]["id"] == "call_0"
    assert seen.endpoint.asked[0].body["messages"][3] == {"role": "tool", "tool_call_id": "call_0", "content": "ok"}


@pytest.mark.parametrize("broken", ['{"command": ', "ls -l", "", "[1]"])
def test_broken_arguments_go_back_to_the_endpoint_as_json(broken: str) -> None:
    history = (*PROMPT, Message(role="assistant", content="", tool_calls=(ToolCall(id="a", name="bash", arguments=broken),)))
    with watched(text("ok")) as seen:
        seen.model.complete(history, max_tokens=9, tools=[BASH])
    sent = json.loads(seen.endpoint.asked[0].body["messages"][2]["tool_calls"][0]["function"]["arguments"])
    assert sent == ({"invalid": broken} if broken else {})
