"""A loopback endpoint that answers as it is told, for tests of the real client: the wire is real, only the far end is ours.

    with Loopback([status(429, headers={"Retry-After": "0"}), text("hello")]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api_key="k", wire=FAST)

The replies are given in order; a function takes the request's body instead and makes each reply.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

Json = dict[str, Any]
EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass
class Reply:
    """One answer: its pieces are sent as chunks, a number is a pause in seconds; `cut` drops the line before the end is told."""

    pieces: Sequence[bytes | float] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: bool = False
    hang_up: bool = False
    """Drop the line without a word."""
    until_closed: bool = False
    """The end of the body is the end of the connection (no chunks, no length)."""


@dataclass
class Asked:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    """By name in lower case."""
    body: Json


def status(code: int, body: str | Json | list[Json] = "", headers: dict[str, str] | None = None) -> Reply:
    """A refusal."""
    content = body if isinstance(body, str) else json.dumps(body)
    return Reply([content.encode()], code, headers or {})


def page(html: str) -> Reply:
    """A web page with status 200, as captive portals and wrong base URLs give."""
    return Reply([html.encode()], headers={"Content-Type": "text/html"})


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    """One chat.completion.chunk."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "served", "choices": choices, **more}


def event(payload: Json) -> bytes:
    """A chunk as a server-sent event, its text in UTF-8."""
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def stream(*payloads: Json, done: bool = True, content_type: str = EVENT_STREAM, cut: bool = False, until_closed: bool = False) -> Reply:
    """An event stream of these payloads."""
    pieces = [*map(event, payloads), *([DONE] if done else [])]
    return Reply(pieces, headers={"Content-Type": content_type}, cut=cut, until_closed=until_closed)


def text(content: str, finish: str = "stop", usage: tuple[int, int] | None = (11, 7), content_type: str = EVENT_STREAM) -> Reply:
    """A streamed answer of this text, a few characters a chunk."""
    parts = [chunk({"content": content[at : at + 5]}) for at in range(0, len(content), 5)]
    told = [] if usage is None else [chunk(usage={"prompt_tokens": usage[0], "completion_tokens": usage[1]})]
    return stream(chunk({"role": "assistant", "content": ""}), *parts, chunk({}, finish), *told, content_type=content_type)


def whole(message: Json, finish: str = "stop", **more: Any) -> Reply:
    """A plain JSON completion, as servers give that do not stream."""
    body = {
        "id": "c1",
        "object": "chat.completion",
        "model": "served",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    return Reply([json.dumps({**body, **more}, ensure_ascii=False).encode()], headers={"Content-Type": "application/json"})


def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast("int", probe.getsockname()[1])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away early is what many tests are about.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Loopback:
    """The endpoint, served while the context is open. `asked` holds the requests in order of arrival."""

    def __init__(self, replies: Iterable[Reply] | Callable[[Json], Reply]) -> None:
        self.asked: list[Asked] = []
        self._make = replies if callable(replies) else None
        self._replies = None if callable(replies) else iter(replies)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                raw = self.rfile.read(length)
                if len(raw) < length:  # the client died while it asked
                    self.close_connection = True
                    return
                body = cast("Json", json.loads(raw or b"{}"))
                reply = outer._next(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                outer._send(self, reply)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _next(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            if self._make is not None:
                return self._make(asked.body)
            assert self._replies is not None
            return next(self._replies, status(418, "the test has no further reply"))

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.hang_up:
            handler.close_connection = True
            return
        chunked = not reply.until_closed
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        handler.end_headers()
        for piece in reply.pieces:
            if isinstance(piece, float | int):
                self._stop.wait(piece)
            elif piece:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                handler.wfile.flush()
        if reply.cut or not chunked:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        else:
            handler.wfile.write(b"0\r\n\r\n")


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
