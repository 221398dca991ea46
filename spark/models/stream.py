"""The body of an answer, byte by byte: an event stream, or one JSON object where a stream was asked for.

What it is is told by its first bytes, never by its content type, and text is UTF-8 whatever the header says: gateways mislabel both.
"""

from __future__ import annotations

import json
from typing import Any, Literal, cast

from spark.models.answer import Answer
from spark.models.faults import Fault, fault_of_error, readable

MAX_BODY_BYTES = 256 * 1024 * 1024
"""Of one event stream: 400 bytes for each of 600,000 tokens, one token an event. Only its text is kept."""
MAX_LINE_BYTES = 16 * 1024 * 1024
"""Of one event, or of a body that is no stream."""

_BLANK = b" \t\r\n\xef\xbb\xbf"


class Reader:
    """Feed it chunks, `close` it when the body ends. It is `done` once nothing worth waiting for can follow."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.done = False
        self._kind: Literal["unknown", "events", "whole"] = "unknown"
        self._buffer = bytearray()
        self._event: list[str] = []
        self._event_name = ""
        self._event_chars = 0
        self._events = 0
        self._start = b""
        self._total_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            Fault: what came cannot be a completion.
        """
        self._total_bytes += len(chunk)
        self._start += chunk[: max(0, 2000 - len(self._start))]
        self._buffer += chunk
        if self._kind == "unknown":
            # Blanks alone are a way to keep the line open while the model thinks.
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(_BLANK))]
            if not self._buffer:
                return
            self._kind = "whole" if bytes(self._buffer[:1]) in (b"{", b"[", b"<", b'"') else "events"
        if self._kind == "events":
            self._take_lines()
        if max(len(self._buffer), self._event_chars) > MAX_LINE_BYTES or self._total_bytes > MAX_BODY_BYTES:
            raise Fault(f"an answer of more than {MAX_LINE_BYTES} bytes in one piece or {MAX_BODY_BYTES} in all", meaning="junk")

    def close(self) -> Answer:
        """The answer, now that the body has ended.

        Raises:
            Fault: it is torn, or is none.
        """
        if self._kind == "unknown":
            raise Fault("an empty body", meaning="junk")
        if self._kind == "whole":
            self._take_whole(bytes(self._buffer))
            return self.answer
        self._take_line(bytes(self._buffer))
        self._end_event()
        if not self._events and not self.done:
            raise Fault(f"neither JSON nor an event stream: {readable(self._start.decode('utf-8', 'replace'))}", meaning="junk")
        if not self.complete:
            raise Fault(f"the event stream broke off after {self._events} events, before its end was told")
        return self.answer

    @property
    def complete(self) -> bool:
        """Whether the end of the completion was told: by a finish reason or by [DONE]."""
        return self.done or bool(self.answer.finish)

    def _take_whole(self, body: bytes) -> None:
        text = body.decode("utf-8", "replace")
        if text.startswith("<"):
            raise Fault(f"an HTML page: {readable(text)}", meaning="junk")
        try:
            parsed: object = json.loads(text)
        except (ValueError, RecursionError):
            raise Fault(f"JSON that is broken or cut: {text[-200:]}") from None
        if not isinstance(parsed, dict):
            raise Fault(f"JSON that is no completion: {text[:200]}", meaning="junk")
        payload = cast("dict[str, Any]", parsed)
        self.answer.take(payload)
        if not isinstance(payload.get("choices"), list):
            raise Fault(f"JSON that is no completion: {readable(text)}", meaning="junk")

    def _take_lines(self) -> None:
        while not self.done and (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._take_line(line)

    def _take_line(self, line: bytes) -> None:
        # RFC: a line ends with CR LF, LF or CR (WHATWG HTML §9.2.6).
        for part in line.removesuffix(b"\r").split(b"\r"):
            name, _, value = part.partition(b":")
            text = value.removeprefix(b" ").decode("utf-8", "replace")
            if not part:
                self._end_event()
            elif name == b"event":
                self._event_name = text.strip()
            elif name == b"data":
                self._take_data(text)

    def _take_data(self, text: str) -> None:
        if text.strip() == "[DONE]":
            self.done = True
        elif not self.done and not self._event and (payload := _object(text)) is not None:
            # Most events are one line; some servers leave out the blank line between them.
            self._take_event(payload)
        elif not self.done:
            self._event.append(text)
            self._event_chars += len(text)

    def _end_event(self) -> None:
        text, self._event = "\n".join(self._event), []
        if not text.strip():
            self._event_name = ""
            return
        payload = _object(text)
        if payload is None:
            raise Fault(f"an event that is no JSON object: {text[-200:]}")
        self._take_event(payload)

    def _take_event(self, payload: dict[str, Any]) -> None:
        self._events += 1
        name, self._event_name = self._event_name, ""
        if name == "error":
            raise fault_of_error(payload.get("error") or payload)
        self.answer.take(payload)


def _object(text: str) -> dict[str, Any] | None:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else None
