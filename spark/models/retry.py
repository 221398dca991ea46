"""One completion from an endpoint that may fail: ask, judge, wait, ask again, or say why not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from pydantic import Field

from spark.errors import AuthError, BadCompletion, Cancelled, ContextOverflow, CutOffCompletion, EndpointError, ModelError
from spark.models.answer import Answer
from spark.models.base import Completion, ToolCall
from spark.models.faults import Fault, hide_key, tail
from spark.models.request import Ask, Part, build, refused_part
from spark.models.stream import Reader
from spark.records import Record, Usage

CHARS_PER_TOKEN = 4
"""English text in the tokenizers of today's models; used where an endpoint reports no usage."""
MOST_TOKENS = 1_000_000_000
"""A report of more than this in one answer is not believed."""
JUNK_RETRIES = 2
SECRET_CHARS = 16
"""A key of at least this length is a secret; a shorter one is a dummy, a word like any other."""

OnRetry = Callable[[str, float], None]
"""Called before each wait with the reason, in a line, and the seconds to come."""


class Line(Protocol):
    """The connection to one endpoint. Thread-safe."""

    key: str
    shown: str
    """The endpoint's address, without secrets."""
    without: frozenset[Part]
    """What this endpoint was found to refuse."""

    def remember(self, without: frozenset[Part]) -> None:
        """A request without these parts was answered."""
        ...

    def stream(self, body: dict[str, Any], feed: Callable[[bytes], bool]) -> None:
        """POST the body and pass on what comes, until `feed` says it is enough.

        Raises:
            Fault: no answer, one whose status is no success, or a line that broke.
        """
        ...


class Wire(Record):
    """How an endpoint is asked."""

    attempts: int = Field(default=5, ge=1)
    """Requests in all when the endpoint fails."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """For one request, from its start to the last byte."""
    temperature: float | None = None
    """None leaves it to the endpoint."""
    first_wait_seconds: float = Field(default=1.0, ge=0)
    """Before the first retry; doubled each time, less up to half of it at random."""
    longest_wait_seconds: float = Field(default=60.0, ge=0)
    longest_retry_after_seconds: float = Field(default=120.0, ge=0)
    """An endpoint that wants a longer pause gets this one."""
    seed: int | None = None
    """Of the random part of the waits."""


@dataclass
class Caller:
    """Who asks: the model's name and line, and the task that waits for it."""

    name: str
    line: Line
    wire: Wire
    jitter: random.Random
    on_retry: OnRetry | None
    cancel: threading.Event


class Call:
    """One completion: as many requests as it takes."""

    def __init__(self, caller: Caller, ask: Ask) -> None:
        self._by = caller
        self._line = caller.line
        self._ask = ask
        self._without: frozenset[Part] = caller.line.without
        self._failures = 0
        self._junk = 0
        self._spent = Usage()

    def run(self) -> Completion:
        """The completion, or one of the errors that `Model.complete` lists, or Cancelled."""
        while True:
            self._check_cancel()
            body = build(self._by.name, self._ask, self._by.wire.temperature, self._without)
            try:
                answer = self._request(body)
                self._line.remember(self._without)
                text, calls = answer.result(self._ask.first_call)
            except CutOffCompletion as cut:
                raise self._cut_off(cut.text) from None
            except Fault as fault:
                self._after(fault, body)
            else:
                return self._completion(answer, text, calls)

    def _completion(self, answer: Answer, text: str, calls: tuple[ToolCall, ...]) -> Completion:
        calls = tuple(call.model_copy(update={"arguments": self._without_key(call.arguments)}) for call in calls)
        served = hide_key("".join(filter(str.isprintable, answer.model[:200])), self._line.key)
        return Completion(text=self._without_key(text), tool_calls=calls, model=served or self._by.name, usage=self._spent)

    def _without_key(self, text: str) -> str:
        # An endpoint that echoes its request must not bring the key onto the disk.
        key = self._line.key
        return text.replace(key, "[key]") if len(key) >= SECRET_CHARS else text

    def _request(self, body: dict[str, Any]) -> Answer:
        started = time.monotonic()
        reader = Reader()
        try:
            self._line.stream(body, lambda chunk: self._feed(reader, chunk, started))
            return reader.close()
        except Fault:
            # A line that breaks after the end was told has cost nothing.
            if reader.complete:
                return reader.answer
            raise
        finally:
            if not reader.answer.empty:
                self._spent += _usage(reader.answer, self._ask.chars, time.monotonic() - started)

    def _feed(self, reader: Reader, chunk: bytes, started: float) -> bool:
        self._check_cancel()
        if time.monotonic() - started > self._by.wire.timeout_seconds:
            raise Fault(f"no complete answer within {self._by.wire.timeout_seconds:g} s")
        reader.feed(chunk)
        return not reader.done

    def _after(self, fault: Fault, body: dict[str, Any]) -> None:
        """Wait, or leave something out, or raise."""
        part = refused_part(fault, body) if fault.meaning == "final" else None
        if part is not None and part not in self._without:
            self._without = self._without.union((part,))
            self._tell(f"the endpoint refuses {part!r}; asked again without: {self._said(fault)}", 0.0)
            return
        wire = self._by.wire
        if fault.meaning == "junk":
            self._junk += 1
            tries_left = JUNK_RETRIES + 1 - self._junk
        else:
            self._failures += 1
            tries_left = wire.attempts - self._failures
        if fault.meaning not in ("again", "junk") or tries_left <= 0:
            self._give_up(fault)
        wait = self._wait_seconds(fault)
        self._tell(f"{_status(fault)}{self._said(fault)}", wait)
        self._by.cancel.wait(wait)

    def _wait_seconds(self, fault: Fault) -> float:
        wire = self._by.wire
        if fault.retry_after_seconds is not None:
            return min(fault.retry_after_seconds, wire.longest_retry_after_seconds)
        doubled = wire.first_wait_seconds * 2.0 ** min(self._failures + self._junk - 1, 30)
        return min(doubled, wire.longest_wait_seconds) * self._by.jitter.uniform(0.5, 1.0)

    def _give_up(self, fault: Fault) -> NoReturn:
        where = f"model {self._by.name!r} at {self._line.shown}"
        said = f"{_status(fault)}{self._said(fault)}"
        error: ModelError
        if fault.meaning == "auth":
            error = AuthError(f"{where} refused the key: {said}", hint="check the API key and that it may use this model")
        elif fault.meaning == "overflow":
            error = ContextOverflow(f"the prompt ({self._ask.chars} characters) does not fit {where}: {said}")
        elif fault.meaning == "refused":
            error = BadCompletion(f"{where} declined to answer: {said}")
        elif fault.meaning == "junk":
            hint = "check that the base URL is an OpenAI-compatible API (most end in /v1)"
            error = BadCompletion(f"{where} sent no completion, {self._junk} times: {said}", hint=hint)
        else:
            tries = f" after {self._failures} tries" if self._failures > 1 else ""
            error = EndpointError(f"{where} failed{tries}: {said}", hint=_hint(fault, self._line.shown))
        error.usage = self._spent
        raise error from None

    def _cut_off(self, text: str) -> CutOffCompletion:
        error = CutOffCompletion(
            f"model {self._by.name!r} at {self._line.shown}: the answer was cut off at {self._ask.max_tokens} tokens: "
            f"{tail(text, self._line.key)!r}",
            text=self._without_key(text),
            hint="allow longer answers",
        )
        error.usage = self._spent
        return error

    def _said(self, fault: Fault) -> str:
        return tail(fault.said, self._line.key)

    def _tell(self, reason: str, wait: float) -> None:
        if self._by.on_retry is not None:
            self._by.on_retry(reason, wait)

    def _check_cancel(self) -> None:
        if self._by.cancel.is_set():
            raise Cancelled(f"stopped while asking model {self._by.name!r}")


def _status(fault: Fault) -> str:
    return f"HTTP {fault.status}: " if fault.status is not None else ""


def _hint(fault: Fault, shown: str) -> str:
    if fault.status is None:
        return "is the endpoint running and reachable from here?"
    if fault.status in (404, 405) or fault.status < 400:
        return f"check the base URL (most end in /v1) and the model's name; {shown.rstrip('/')}/models lists what is served"
    if fault.status == 402 or (fault.status == 429 and fault.meaning == "final"):
        return "the account behind this key is out of credit"
    if fault.status == 429:
        return "wait, or ask for less at once with --parallelism"
    return "the endpoint does not take this request" if fault.meaning == "final" else "the endpoint is in trouble; try again later"


def _usage(answer: Answer, prompt_chars: int, seconds: float) -> Usage:
    prompt, completion = (_tokens(answer.usage.get(key)) for key in ("prompt_tokens", "completion_tokens"))
    return Usage(
        calls=1,
        prompt_tokens=-(-prompt_chars // CHARS_PER_TOKEN) if prompt is None else prompt,
        completion_tokens=-(-answer.chars // CHARS_PER_TOKEN) if completion is None else completion,
        seconds=seconds,
        usd=None,
        estimated_calls=int(prompt is None or completion is None),
    )


def _tokens(told: object) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= MOST_TOKENS else None
