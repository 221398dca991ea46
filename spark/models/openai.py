"""Any OpenAI-compatible endpoint: the openai SDK carries the request, what comes back is read and judged here.

    Ask ──▶ build (request.py) ──▶ SDK ──▶ bytes ──▶ Reader (stream.py) ──▶ Answer.result (answer.py) ──▶ Completion
               ▲                                       │ Fault (faults.py)
               └─── again, or with a part left out ────┴──▶ ModelError                    (the loop: retry.py)

Retries are ours alone (the SDK's are off): an endpoint that fails is asked `attempts` times in all, one whose answer is no
completion twice more. Redirects are not followed: they turn a POST into a GET, or carry a prompt where nobody meant it to go.
"""

from __future__ import annotations

import copy
import random
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spark.errors import AuthError, RequestError
from spark.models.base import Completion, Message, Tool
from spark.models.faults import Fault, fault_of_response
from spark.models.request import Ask, Part
from spark.models.retry import Call, Caller, OnRetry, Wire

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0
CONNECTIONS = 256
"""At once, to one endpoint."""
REFUSAL_BYTES = 64 * 1024
"""Read of the body of an answer whose status is no success."""
REFUSAL_SECONDS = 20.0


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint. Thread-safe; nothing is opened before the first call.

    Raises:
        AuthError: no key was given.
        RequestError: the URL is none, or the key could not be sent: the user's fault.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str,
        wire: Wire | None = None,
        on_retry: OnRetry | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self.name = name
        wire = wire or Wire()
        self._link = _Link(base_url or DEFAULT_BASE_URL, api_key, wire.timeout_seconds)
        self._caller = Caller(name, self._link, wire, random.Random(wire.seed), on_retry, cancel or threading.Event())

    def bound(self, *, on_retry: OnRetry | None, cancel: threading.Event) -> OpenAIModel:
        """The same endpoint over the same connections, for one task: `cancel` ends its waits and its answers under way."""
        other = copy.copy(self)
        other._caller = replace(self._caller, on_retry=on_retry, cancel=cancel)
        return other

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        self._link.close()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        tools: Sequence[Tool] = (),
        schema: dict[str, Any] | None = None,
    ) -> Completion:
        """As in `Model`; `usage` counts every request that was answered, and `usd` is None (the purse knows prices).

        Raises:
            Cancelled: `cancel` was set.
        """
        return Call(self._caller, Ask(messages, max_tokens, tools, schema)).run()


class _Link:
    """The connections to one endpoint, and what it was found to refuse."""

    def __init__(self, base_url: str, api_key: str, timeout_seconds: float) -> None:
        self.shown = _shown(base_url)
        self.key = api_key.strip()
        if not self.key:
            raise AuthError(f"no API key for {self.shown!r}", hint="give one; an endpoint that needs none takes any word")
        if not (self.key.isascii() and self.key.isprintable()) or " " in self.key:
            raise RequestError("the API key holds characters that no key has (blanks, control or non-ASCII characters)")
        self.without: frozenset[Part] = frozenset()
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._client: OpenAI | None = None

    def remember(self, without: frozenset[Part]) -> None:
        with self._lock:
            self.without |= without

    def stream(self, body: dict[str, Any], feed: Callable[[bytes], bool]) -> None:
        import httpx2
        import openai

        completions = self._open().chat.completions.with_streaming_response
        rest = {key: value for key, value in body.items() if key not in ("model", "messages")}
        try:
            with completions.create(model=body["model"], messages=body["messages"], extra_body=rest) as response:
                for chunk in response.iter_bytes():
                    if not feed(chunk):
                        break
        except (openai.APITimeoutError, httpx2.TimeoutException):
            raise Fault(f"no answer within {self._timeout_seconds:g} s") from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError) as error:
            cause = error.__cause__ or error
            raise Fault(f"no connection, or a broken one: {type(cause).__name__}: {cause}") from None

    def _open(self) -> OpenAI:
        with self._lock:
            if self._client is None:
                self._client = _client(self._base_url, self.key, self._timeout_seconds)
                weakref.finalize(self, self._client.close)
            return self._client

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None


def _shown(base_url: str) -> str:
    """The URL without its secrets."""
    try:
        parts = urlsplit(base_url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        pass
    raise RequestError(f"wanted a base URL like http://127.0.0.1:8000/v1, found {base_url.rpartition('@')[2]!r}")


def _client(base_url: str, key: str, timeout_seconds: float) -> OpenAI:
    import httpx2
    from openai import OpenAI

    timeout = httpx2.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))
    http = httpx2.Client(
        timeout=timeout,
        limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        event_hooks={"response": [_refuse]},
    )
    return OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=0, http_client=http)


def _refuse(response: httpx2.Response) -> None:
    """Turn a status that is no success into a Fault here, before the SDK reads a body without end."""
    import httpx2

    if response.is_success:
        return
    body = bytearray()
    deadline = time.monotonic() + REFUSAL_SECONDS
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > REFUSAL_BYTES or time.monotonic() > deadline:
                break
    except (httpx2.HTTPError, httpx2.StreamError):
        body += b" (the rest did not come)"
    raise fault_of_response(response.status_code, response.headers, bytes(body[:REFUSAL_BYTES]))
