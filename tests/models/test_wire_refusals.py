"""Requests that an endpoint will not take: wrong keys, prompts too long, parts it does not know."""

from __future__ import annotations

import pytest
from loopback import Json, Loopback, status, stream, text
from watched import BASH, FAST, KEY, PROMPT, SCHEMA, assert_safe, watched

from spark.errors import AuthError, ContextOverflow, EndpointError
from spark.models.base import Message, ToolCall
from spark.models.openai import OpenAIModel


@pytest.mark.parametrize("code", [401, 403])
def test_a_wrong_key(code: int) -> None:
    with watched(status(code, {"error": {"message": f"Incorrect API key provided: {KEY}"}}), text("never")) as seen:
        with pytest.raises(AuthError, match="Incorrect API key provided") as caught:
            seen.ask()
        assert len(seen.endpoint.asked) == 1
    assert KEY not in str(caught.value) + caught.value.hint


OVERFLOWS = {
    "openai": status(400, {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"}}),
    "anthropic": status(
        400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}}
    ),
    "llama.cpp": status(
        400, {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}
    ),
    "gemini": status(
        400, [{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed"}}]
    ),
    "older server": status(500, {"error": "Requested tokens (9000) exceed context window of 4096"}),
    "gateway": status(413, "<html><h1>413 Request Entity Too Large</h1></html>"),
    "in the stream": stream({"error": {"message": "too long", "code": "context_length_exceeded"}}),
}


@pytest.mark.parametrize("case", OVERFLOWS)
def test_a_prompt_that_does_not_fit(case: str) -> None:
    with watched(OVERFLOWS[case], text("never")) as seen:
        with pytest.raises(ContextOverflow) as caught:
            seen.ask()
        assert len(seen.endpoint.asked) == 1
    assert_safe(seen, caught.value)


def test_a_rate_limit_that_speaks_of_tokens_is_no_overflow() -> None:
    body = {"error": {"message": "Request too large for m: Limit 30000 tokens per min", "code": "rate_limit_exceeded"}}
    with watched(status(429, body), text("fine")) as seen:
        assert seen.ask().text == "fine"


def test_out_of_credit_is_not_waited_for() -> None:
    broke = status(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    with watched(broke, text("never")) as seen, pytest.raises(EndpointError, match="insufficient_quota") as caught:
        seen.ask()
    assert "credit" in caught.value.hint


def test_a_wrong_address_says_so() -> None:
    with (
        watched(status(404, {"error": {"message": "model 'm' not found"}})) as seen,
        pytest.raises(EndpointError, match="not found") as caught,
    ):
        seen.ask()
    assert "base URL" in caught.value.hint


def test_a_redirect_is_not_followed() -> None:
    with Loopback([text("elsewhere")]) as elsewhere, watched(status(302, headers={"Location": f"{elsewhere.url}/x"})) as seen:
        with pytest.raises(EndpointError, match="redirect"):
            seen.ask()
        assert elsewhere.asked == []


def refuses(words: str, *keys: str, code: int = 400) -> Loopback:
    """An endpoint that refuses any request with one of these keys."""
    return Loopback(lambda body: status(code, {"error": {"message": words}}) if any(key in body for key in keys) else text("fine"))


PARTS: list[tuple[str, str, Json]] = [
    ("stream_options", "Unrecognized request argument supplied: stream_options", {}),
    ("stream_options", "Extra inputs are not permitted: body.stream_options", {}),
    ("stream", "streaming is not supported by this model", {}),
    ("tools", "registry/gemma does not support tools", {"tools": [BASH]}),
    ("tools", '"auto" tool choice requires --enable-auto-tool-choice', {"tools": [BASH]}),
    ("response_format", "Invalid parameter: 'response_format' of type 'json_schema' is not supported", {"schema": SCHEMA}),
    ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {}),
    ("stream_options", "Bad request", {}),
    ("response_format", "Bad request", {"schema": SCHEMA}),
]


@pytest.mark.parametrize(("key", "words", "more"), PARTS)
def test_a_part_that_is_refused_is_left_out_and_never_sent_again(key: str, words: str, more: Json) -> None:
    with refuses(words, key) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api_key=KEY, wire=FAST)
        assert model.complete(PROMPT, max_tokens=100, **more).text == "fine"
        refused = len(endpoint.asked) - 1
        assert 1 <= refused <= 2
        assert model.complete(PROMPT, max_tokens=100, **more).text == "fine"
        assert len(endpoint.asked) == refused + 2
        if key == "max_tokens":
            assert endpoint.asked[-1].body["max_completion_tokens"] == 100
        model.close()


def test_a_temperature_is_sent_and_left_out_where_it_is_not_known() -> None:
    words = "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported."
    with refuses(words, "temperature") as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api_key=KEY, wire=FAST.model_copy(update={"temperature": 0.2}))
        assert model.complete(PROMPT, max_tokens=9).text == "fine"
        model.close()
    assert [asked.body.get("temperature") for asked in endpoint.asked] == [0.2, None]


def test_where_tools_are_refused_their_history_goes_as_text() -> None:
    call = ToolCall(id="a", name="bash", arguments='{"command": "ls"}')
    history = (
        *PROMPT,
        Message(role="assistant", content="Look.", tool_calls=(call,)),
        Message(role="tool", content="a.txt", tool_call_id="a"),
    )
    with refuses("this model does not support tools", "tools") as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api_key=KEY, wire=FAST)
        model.complete(history, max_tokens=9, tools=[BASH])
        model.close()
    sent = endpoint.asked[-1].body["messages"]
    assert sent[2] == {"role": "assistant", "content": 'Look.\nbash {"command": "ls"}'}
    assert sent[3] == {"role": "user", "content": "a.txt"}


def test_a_refusal_that_stays_is_told_and_nothing_is_learnt_from_it() -> None:
    bad = status(400, {"error": {"message": "messages[0] is malformed"}})
    with watched(*[bad] * 3, text("fine")) as seen:
        with pytest.raises(EndpointError, match="malformed"):
            seen.ask()
        assert seen.ask().text == "fine"
    assert len(seen.endpoint.asked) == 4
    assert "stream_options" in seen.endpoint.asked[-1].body


def test_a_schema_is_sent_as_a_response_format() -> None:
    with watched(text('{"a": 1}')) as seen:
        assert seen.ask(schema=SCHEMA).text == '{"a": 1}'
    assert seen.endpoint.asked[0].body["response_format"]["json_schema"]["schema"] == SCHEMA
