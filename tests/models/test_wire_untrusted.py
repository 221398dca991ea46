"""Endpoints that echo keys, never stop, or are mistyped."""

from __future__ import annotations

import json
import threading
import time

import pytest
from loopback import Loopback, Reply, chunk, closed_port, page, status, stream, text
from watched import BASH, FAST, KEY, PROMPT, assert_safe, call_delta, watched

from spark.errors import AuthError, BadCompletion, EndpointError, ModelError, RequestError
from spark.models.base import Message
from spark.models.openai import OpenAIModel


@pytest.mark.parametrize(
    "reply",
    [
        status(500, f"boom {KEY} \x1b[31m\x00 {'x' * 250}"),
        status(500, {"error": {"message": f"boom Authorization: Bearer {KEY} \u202e" + "y" * 200}}),
        text(f"data: {{chat.completion.chunk {KEY}"),
        page(f"<html>boom {KEY}</html>"),
        stream({"error": {"message": f"boom {KEY}", "code": 500}}),
        text(f"boom {KEY}", "length"),
    ],
)
def test_an_endpoint_that_echoes_the_key(reply: Reply) -> None:
    with watched(*[reply] * 5) as seen, pytest.raises(ModelError) as caught:
        seen.ask()
    assert_safe(seen, caught.value)


def test_other_keys_in_what_an_endpoint_says_are_not_shown() -> None:
    other = "sk-proj-abcdefghijklmnop0123456789"
    with watched(status(401, f"not {other}, nor Authorization: Bearer qwertyuiop123456")) as seen, pytest.raises(AuthError) as caught:
        seen.ask()
    assert other not in str(caught.value)
    assert "qwertyuiop" not in str(caught.value)


def test_a_key_in_a_completion_is_taken_out() -> None:
    call = call_delta(index=0, id="a", function={"name": "bash", "arguments": json.dumps({"command": f"echo {KEY}"})})
    with watched(stream(chunk({"content": f"your key is {KEY}"}), call, chunk({}, "stop"))) as seen:
        got = seen.ask(tools=[BASH])
    assert KEY not in got.model_dump_json()
    assert got.text == "your key is [key]"


def test_a_dummy_key_does_not_change_texts() -> None:
    with Loopback([text("a dummy for dummies")]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api_key="dummy")
        assert model.complete(PROMPT, max_tokens=9).text == "a dummy for dummies"
        model.close()


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    flood: list[bytes | float] = [b"x" * 65536, 0.02] * 1000
    with watched(*[Reply(flood, status=500)] * 2, wire=FAST.model_copy(update={"attempts": 2})) as seen:
        started = time.monotonic()
        with pytest.raises(EndpointError):
            seen.ask()
        assert time.monotonic() - started < 8


def test_an_event_without_end_is_junk() -> None:
    flood: list[bytes | float] = [b"data: {", *[b"x" * 1_000_000] * 20]
    with watched(*[Reply(flood)] * 3) as seen, pytest.raises(BadCompletion, match="more than"):
        seen.ask()


def test_a_url_or_key_that_cannot_be_is_the_users_fault() -> None:
    for url in ("localhost:8000", "ftp://h/v1", "http://", "http://h:99999/v1", "http://[::1/v1", "http://me:hunter2@h:no/v1"):
        with pytest.raises(RequestError, match="wanted a base URL") as refused:
            OpenAIModel("m", base_url=url, api_key=KEY)
        assert "hunter2" not in str(refused.value)
    with pytest.raises(AuthError, match="no API key"):
        OpenAIModel("m", base_url="http://127.0.0.1:1/v1", api_key=" \n")
    with pytest.raises(RequestError, match="API key") as caught:
        OpenAIModel("m", base_url="http://127.0.0.1:1/v1", api_key="sk-ab\ncd")
    assert "sk-ab" not in str(caught.value)


def test_secrets_in_the_url_are_not_shown() -> None:
    model = OpenAIModel("m", base_url=f"http://user:hunter2@127.0.0.1:{closed_port()}/v1?token=abc", api_key=KEY, wire=FAST)
    with pytest.raises(EndpointError) as caught:
        model.complete(PROMPT, max_tokens=9)
    model.close()
    assert "hunter2" not in str(caught.value)
    assert "token=abc" not in str(caught.value)


def test_many_threads_share_one_model() -> None:
    with Loopback(lambda body: text(body["messages"][-1]["content"])) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api_key=KEY, wire=FAST)
        got: dict[int, str] = {}

        def ask(number: int) -> None:
            got[number] = model.complete([Message(role="user", content=f"n{number}")], max_tokens=9).text

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        model.close()
    assert got == {number: f"n{number}" for number in range(16)}
