"""The real client against a loopback endpoint that does what endpoints do on bad days."""

from __future__ import annotations

import json
import time

import pytest
from loopback import DONE, Reply, chunk, closed_port, event, page, status, stream, text, whole
from watched import FAST, KEY, PROMPT, assert_safe, call_delta, watched

from spark.errors import BadCompletion, CutOffCompletion, EndpointError
from spark.models.openai import OpenAIModel

DUMP = "".join(event(chunk({"content": part})).decode() for part in ("Hel", "lo")) + "data: [DONE]\n\n"
JUNK = {
    "a web page": (page("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"), "Please sign in"),
    "an event-stream dump as the answer": (text(DUMP), "raw text of an event stream"),
    "a dump in plain JSON": (whole({"role": "assistant", "content": DUMP}), "raw text of an event stream"),
    "an empty text": (text(""), "an empty answer"),
    "blank text": (text(" \n\t"), "an empty answer"),
    "an empty body": (Reply([]), "an empty body"),
    "only the end": (stream(), "an empty answer"),
    "plain words": (Reply([b"upstream connect error or disconnect"]), "upstream connect error"),
    "other JSON": (Reply([b'{"hello": "world"}']), "JSON that is no completion"),
    "a list": (Reply([b'[{"a": 1}]']), "JSON that is no completion"),
    "a nameless call": (stream(call_delta(index=0, id="a", function={"arguments": "{}"}), chunk({}, "stop")), "without a name"),
}


@pytest.mark.parametrize("case", JUNK)
def test_junk_is_asked_for_twice_more_then_told(case: str) -> None:
    reply, words = JUNK[case]
    with watched(reply, reply, reply, text("too late")) as seen:
        with pytest.raises(BadCompletion, match=words) as caught:
            seen.ask()
        assert len(seen.endpoint.asked) == 3
    assert not isinstance(caught.value, CutOffCompletion)
    assert seen.endpoint.url in caught.value.message
    assert len(seen.retries) == 2
    assert_safe(seen, caught.value)


@pytest.mark.parametrize("case", JUNK)
def test_one_piece_of_junk_does_no_harm(case: str) -> None:
    with watched(JUNK[case][0], text("fine")) as seen:
        assert seen.ask().text == "fine"


def test_what_junk_cost_is_counted() -> None:
    with watched(text("", usage=(50, 1)), text("fine", usage=(50, 2))) as seen:
        usage = seen.ask().usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (2, 100, 3)
    with watched(*[text("", usage=(50, 1))] * 3) as seen, pytest.raises(BadCompletion) as caught:
        seen.ask()
    assert caught.value.usage is not None
    assert (caught.value.usage.calls, caught.value.usage.tokens) == (3, 153)


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS"])
def test_a_cut_off_answer_is_an_error_with_its_text(finish: str) -> None:
    with watched(text("half a sen", finish)) as seen:
        with pytest.raises(CutOffCompletion, match="cut off at 100 tokens") as caught:
            seen.ask()
        assert len(seen.endpoint.asked) == 1
    assert caught.value.text == "half a sen"
    assert caught.value.usage is not None
    assert caught.value.usage.tokens == 18


REFUSALS = {
    "refusal field": (stream(chunk({"refusal": "I cannot "}), chunk({"refusal": "help."}), chunk({}, "stop")), "refused: I cannot help."),
    "content filter": (text("", "content_filter"), "withheld.*content_filter"),
    "safety": (text("half", "SAFETY"), "withheld.*safety"),
    "filtered prompt": (status(400, {"error": {"message": "The response was filtered", "code": "content_filter"}}), "content_filter"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_told_at_once(case: str) -> None:
    reply, words = REFUSALS[case]
    with watched(reply, text("never asked for")) as seen:
        with pytest.raises(BadCompletion, match=words) as caught:
            seen.ask()
        assert len(seen.endpoint.asked) == 1
    assert_safe(seen, caught.value)


HALF = {
    "cut inside an event": Reply(
        [event(chunk({"content": "half"})), b'data: {"choi'], headers={"Content-Type": "text/event-stream"}, cut=True
    ),
    "cut between events": stream(chunk({"content": "half"}), done=False, cut=True),
    "a clean end without an end told": stream(chunk({"content": "half"}), done=False),
    "closed without length": stream(chunk({"content": "half"}), done=False, until_closed=True),
    "broken JSON inside": Reply([event(chunk({"content": "a"})), b"data: {broken\n\n", DONE]),
    "cut plain JSON": Reply([b'{"choices": [{"message": {"content": "ha'], until_closed=True),
    "500": status(500, "oops"),
    "502 page": status(502, "<html><body>Bad gateway</body></html>"),
    "503": status(503),
    "504": status(504),
    "529": status(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "429": status(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
    "a head and no more": Reply([], cut=True),
    "not a word": Reply(hang_up=True),
    "error event": Reply([event(chunk({"content": "a"})), b'event: error\ndata: {"message": "boom"}\n\n']),
    "error in the stream": stream(chunk({"content": "a"}), {"error": {"message": "boom", "code": 502}}),
    "error by name": stream({"error": {"message": "boom", "type": "server_error"}}),
    "error as text": stream({"error": "boom"}),
    "error in plain JSON": Reply([b'{"error": {"message": "boom", "code": "429"}}']),
    "finish_reason error": text("half", "error"),
}


@pytest.mark.parametrize("case", HALF)
def test_a_failure_is_asked_again(case: str) -> None:
    with watched(HALF[case], HALF[case], text("fine")) as seen:
        assert seen.ask().text == "fine"
        assert len(seen.endpoint.asked) == 3
        assert len(seen.retries) == 2


@pytest.mark.parametrize("case", HALF)
def test_a_failure_that_stays_is_the_endpoints(case: str) -> None:
    with watched(*[HALF[case]] * 9, wire=FAST.model_copy(update={"attempts": 3})) as seen:
        with pytest.raises(EndpointError, match="failed after 3 tries") as caught:
            seen.ask()
        assert len(seen.endpoint.asked) == 3
    assert seen.endpoint.url in caught.value.message
    assert caught.value.hint
    assert_safe(seen, caught.value)


def test_all_of_it_in_turns() -> None:
    bad_day = [status(429, headers={"Retry-After": "0"}), status(500, "x"), JUNK["a web page"][0], HALF["cut inside an event"], text("")]
    with watched(*bad_day, text("Grüße", content_type="text/event-stream; charset=ISO-8859-1")) as seen:
        assert seen.ask().text == "Grüße"
    assert len(seen.retries) == 5


def test_an_answer_whose_end_was_told_counts_though_the_line_breaks_then() -> None:
    with watched(stream(chunk({"content": "whole"}), chunk({}, "stop"), done=False, cut=True)) as seen:
        assert seen.ask().text == "whole"


def test_the_client_does_not_wait_for_a_line_that_stays_open_after_done() -> None:
    with watched(Reply([event(chunk({"content": "whole"})), DONE, 30.0])) as seen:
        started = time.monotonic()
        assert seen.ask().text == "whole"
        assert time.monotonic() - started < 5


def test_blanks_and_comments_keep_the_line_open() -> None:
    pieces: list[bytes | float] = [b": wait\n\n", b"\r\n", b"event: ping\r\n\r\n", *[event(chunk({"content": c})) for c in "ab"], DONE]
    with watched(Reply(pieces)) as seen:
        assert seen.ask().text == "ab"


def test_events_without_blank_lines_and_events_of_many_lines() -> None:
    single = b"".join(event(chunk({"content": c})).replace(b"\n\n", b"\n") for c in "ab")
    many = "".join(f"data: {line}\r\n" for line in json.dumps(chunk({"content": "c"}, "stop"), indent=1).splitlines()).encode() + b"\r\n"
    with watched(Reply([single, b"\n", many])) as seen:
        assert seen.ask().text == "abc"


def test_another_choice_is_not_mixed_in() -> None:
    other = {"object": "chat.completion.chunk", "choices": [{"index": 1, "delta": {"content": "OTHER"}, "finish_reason": None}]}
    with watched(stream(chunk({"content": "mine"}), other, chunk({}, "stop"))) as seen:
        assert seen.ask().text == "mine"


def test_nobody_listens() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    reasons: list[str] = []
    model = OpenAIModel("m", base_url=url, api_key=KEY, wire=FAST, on_retry=lambda why, _: reasons.append(why))
    with pytest.raises(EndpointError, match="refused") as caught:
        model.complete(PROMPT, max_tokens=9)
    model.close()
    assert url in caught.value.message
    assert len(reasons) == 4
