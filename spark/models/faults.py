"""What can go wrong between us and an endpoint, and what it means: the one place that reads status codes and error texts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast

Meaning = Literal["again", "junk", "refused", "overflow", "auth", "final"]
"""again: it may work later. junk: an answer that is no completion. refused: the model or a filter declined. final: it will not work."""

TAIL_CHARS = 300
"""Kept of what an endpoint said."""

_AGAIN = frozenset({408, 409, 425, 429})
_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|context window|context size|range of input length"
    r"|(?:prompt|input|request|messages|conversation)(?: length)?(?: is| are)? too (?:long|large)"
    r"|reduce the length of the (?:messages|prompt|input)|token count.{0,80}exceeds|too many input tokens"
)
_FILTERED = re.compile(r"content[ _-]?(?:filter|management policy|policy violation)|responsibleaipolicy")
_CODES: Mapping[str, int] = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "api_error": 500,
    "service_unavailable": 503,
    "timeout": 504,
    "overloaded": 529,
    "overloaded_error": 529,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_request_error": 400,
}
"""Names that endpoints give instead of a status once an event stream has begun."""


class Fault(Exception):
    """One request brought no completion. `said` is what came instead, untrusted; `meaning` overrides what the status says."""

    def __init__(
        self, said: str, *, status: int | None = None, retry_after_seconds: float | None = None, meaning: Meaning | None = None
    ) -> None:
        super().__init__(said)
        self.said = said
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.meaning: Meaning = meaning or _meaning(status, said.lower())


def _meaning(status: int | None, said: str) -> Meaning:
    if status is None:
        return "again"
    if status == 413 or (status != 429 and _OVERFLOW.search(said)):
        return "overflow"
    if status in (401, 403):
        return "auth"
    if status == 400 and _FILTERED.search(said):
        return "refused"
    # Out of credit is told as 429 too, but waiting does not help.
    if status == 429 and "insufficient_quota" in said:
        return "final"
    return "again" if status in _AGAIN or (status >= 500 and status != 501) else "final"


def fault_of_response(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """An answer whose status is no success."""
    said = readable(body.decode("utf-8", "replace"))
    if status < 400:
        said = f"a redirect to {headers.get('location', 'nowhere')} {said}"
    return Fault(said, status=status, retry_after_seconds=retry_after(headers))


def fault_of_error(error: object) -> Fault:
    """An `error` object (or text) inside an answer that claims success."""
    if not isinstance(error, dict):
        return Fault(str(error))
    said = cast("dict[str, Any]", error)
    for key in ("code", "status", "type"):
        told = str(said.get(key)).lower()
        status = int(told) if re.fullmatch(r"[45]\d\d", told) else _CODES.get(told)
        if status is not None:
            return Fault(readable(json.dumps(said)), status=status)
    return Fault(readable(json.dumps(said)))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (a number or an HTTP date, RFC 9110 §10.2.3); None if not told."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        told = headers.get(name, "")
        try:
            seconds = float(told) / unit
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError, OverflowError):
                continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def readable(body: str) -> str:
    """The message of a JSON error with its code, or the words of an HTML page, or the body as it is."""
    stripped = body.strip()
    if stripped.startswith("<"):
        return re.sub(r"<[^<>]{0,2000}>", " ", re.sub(r"(?is)<(style|script)\b[^<]{0,20000}</\1>", " ", stripped))
    try:
        parsed: object = json.loads(stripped)
    except (ValueError, RecursionError):
        return body
    if not isinstance(parsed, dict):
        return body
    outer = cast("dict[str, Any]", parsed)
    inner = outer.get("error", outer)
    if not isinstance(inner, dict):
        return str(inner)
    error = cast("dict[str, Any]", inner)
    words = [str(error[key]) for key in ("message", "detail", "msg") if error.get(key)]
    codes = [str(error[key]) for key in ("code", "type") if error.get(key)]
    return " ".join([*words, *(f"[{code}]" for code in codes)]) if words else body


def tail(said: str, key: str) -> str:
    """The last `TAIL_CHARS` characters of untrusted text, on one line, without control characters and keys."""
    plain = "".join(char if char.isprintable() else " " for char in said[-100_000:])
    plain = " ".join(hide_key(plain, key).split())
    return plain if len(plain) <= TAIL_CHARS else "…" + plain[1 - TAIL_CHARS :]


def hide_key(text: str, key: str) -> str:
    """`text` without `key` and without anything else that looks like one."""
    if len(key) >= 4:
        text = text.replace(key, "[key]")
    return re.sub(r"\b(?:sk|pk|rk|gsk|xai|hf|AIza)[-_A-Za-z0-9]{16,}|(?i:bearer)\s+[-._~+/A-Za-z0-9]{8,}", "[key]", text)
