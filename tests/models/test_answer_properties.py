"""What must hold for any bytes an endpoint may send."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import DONE, chunk, event

from spark.errors import CutOffCompletion
from spark.models.answer import mended, without_thinking
from spark.models.faults import TAIL_CHARS, Fault, fault_of_response, readable, tail
from spark.models.stream import Reader

KEY = "sk-live-0123456789abcdefghij"
anything = st.text(max_size=60)


def read(body: bytes, cuts: list[int]) -> tuple[str, list[tuple[str, str]]]:
    reader = Reader()
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        reader.feed(body[start:end])
    text, calls = reader.close().result(0)
    return text, [(call.name, call.arguments) for call in calls]


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=8),
    st.lists(st.integers(0, 10_000), max_size=30),
)
def test_an_answer_does_not_depend_on_where_its_bytes_are_cut(parts: list[str], cuts: list[int]) -> None:
    # "x" first: neither empty nor thinking nor a dump, whatever follows.
    wanted = "x" + "".join(parts).replace("<think>", "").replace("</think>", "")
    pieces = [{"content": "x"}, *({"content": part.replace("<think>", "").replace("</think>", "")} for part in parts)]
    arguments = json.dumps({"command": wanted}, ensure_ascii=False)
    half = len(arguments) // 2
    calls = [
        {"index": 0, "id": "a", "function": {"name": "bash", "arguments": arguments[:half]}},
        {"index": 0, "function": {"arguments": arguments[half:]}},
    ]
    body = (
        b"".join(event(chunk(piece)) for piece in [*pieces, *({"tool_calls": [call]} for call in calls)]) + event(chunk({}, "stop")) + DONE
    )
    assert read(body, cuts) == (wanted, [("bash", arguments)])
    assert read(body.replace(b"\n", b"\r\n"), cuts) == (wanted, [("bash", arguments)])


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from([b"data: ", b"{", b"}", b"\n\n", b"[DONE]", b'"choices":', b"[", b"]", b"null", b'"error"', b":", b"1"])
        ).map(b"".join),
    ),
    st.lists(st.integers(0, 300), max_size=5),
)
def test_no_bytes_make_anything_but_a_completion_or_a_fault(body: bytes, cuts: list[int]) -> None:
    try:
        text, calls = read(body, cuts)
    except (Fault, CutOffCompletion):
        return
    assert text.strip() or calls


KEYS = (
    *("choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments", "index", "id"),
    *("error", "usage", "finish_reason", "code", "text", "refusal", "model"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None, max_examples=300)
@given(json_values, st.booleans())
def test_no_json_makes_anything_but_a_completion_or_a_fault(value: object, streamed: bool) -> None:
    body = json.dumps({"choices": [value], "error": None} if not isinstance(value, dict) else value).encode()
    try:
        text, calls = read(b"data: " + body + b"\n\n" + DONE if streamed else body, [])
    except (Fault, CutOffCompletion):
        return
    assert text.strip() or calls
    text.encode()
    assert all(call[0] for call in calls)


@given(st.text(st.characters(), max_size=30))
def test_mended_text_can_be_written_and_whole_text_is_not_changed(text: str) -> None:
    fixed = mended(text)
    fixed.encode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert fixed == text


@given(anything, anything)
def test_text_around_a_think_block_is_kept(before: str, after: str) -> None:
    before, after = (part.replace("<", "").replace(">", "") for part in (before, after))
    assert without_thinking(f"{before}<think>hm</think>{after}") == (before + after).lstrip()
    assert without_thinking(before) == before


@pytest.mark.parametrize("hostile", ["<think>" * 300_000, "</think>" * 300_000, "<think></think>" * 200_000])
def test_many_tags_take_no_long_time(hostile: str) -> None:
    started = time.monotonic()
    without_thinking(hostile)
    assert time.monotonic() - started < 5


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_tail_is_short_and_has_no_key(before: str, after: str) -> None:
    told = tail(readable(f"{before} {KEY} {after}"), KEY)
    assert len(told) <= TAIL_CHARS
    assert KEY not in told
    assert told.isprintable()


@pytest.mark.parametrize(
    "hostile", ["<" * 100_000, "<style " * 20_000, "<script><" * 10_000, "[" * 100_000, '{"error":' * 20_000, "prompt " * 20_000]
)
def test_hostile_bodies_take_no_long_time(hostile: str) -> None:
    started = time.monotonic()
    fault = fault_of_response(400, {}, hostile[: 64 * 1024].encode())
    tail(fault.said, KEY)
    assert time.monotonic() - started < 5
