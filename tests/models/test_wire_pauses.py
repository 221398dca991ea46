"""Time-outs, waits between tries, and how they end."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from loopback import Reply, chunk, event, status, text, wait_until
from watched import FAST, PROMPT, watched

from spark.errors import Cancelled, EndpointError
from spark.models.retry import Wire


@pytest.mark.parametrize("pieces", [[5.0], [event(chunk({"content": "half"})), 5.0]])
def test_a_slow_endpoint_times_out(pieces: list[bytes | float]) -> None:
    with watched(Reply(pieces), text("fine"), wire=FAST.model_copy(update={"timeout_seconds": 0.3})) as seen:
        assert seen.ask().text == "fine"
    assert "within 0.3 s" in seen.retries[0][0]


def test_a_trickle_is_not_endless() -> None:
    trickle: list[bytes | float] = [piece for _ in range(100) for piece in (b": still here\n\n", 0.05)]
    with watched(Reply(trickle), text("fine"), wire=FAST.model_copy(update={"timeout_seconds": 0.4})) as seen:
        started = time.monotonic()
        assert seen.ask().text == "fine"
        assert time.monotonic() - started < 3


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "0"}, 0.0, 0.0),
        ({"Retry-After": "0.05"}, 0.05, 0.05),
        ({"retry-after-ms": "30", "Retry-After": "60"}, 0.03, 0.03),
        ({"Retry-After": "http-date:2"}, 0.5, 2.0),
        ({"Retry-After": "http-date:-60"}, 0.0, 0.0),
        ({"Retry-After": "3600"}, 0.2, 0.2),
        ({"Retry-After": "soon"}, 0.0005, 0.001),
        ({"Retry-After": "nan"}, 0.0005, 0.001),
    ],
)
def test_retry_after_is_kept(headers: dict[str, str], low: float, high: float) -> None:
    sent = {name: http_date(float(value.split(":")[1])) if value.startswith("http-date") else value for name, value in headers.items()}
    cap = 2.0 if "http-date:2" in headers.values() else 0.2
    with watched(status(429, headers=sent), text("fine"), wire=FAST.model_copy(update={"longest_retry_after_seconds": cap})) as seen:
        started = time.monotonic()
        seen.ask()
        took = time.monotonic() - started
    [(_, wait)] = seen.retries
    assert low <= wait <= high
    assert took >= wait


def test_waits_double_up_to_a_limit_and_are_the_same_for_one_seed() -> None:
    wire = Wire(attempts=6, first_wait_seconds=0.004, longest_wait_seconds=0.016, seed=3)
    runs: list[list[float]] = []
    for _ in range(2):
        with watched(*[status(500)] * 6, wire=wire) as seen, pytest.raises(EndpointError):
            seen.ask()
        runs.append([wait for _, wait in seen.retries])
    assert runs[0] == runs[1]
    for wait, top in zip(runs[0], [0.004, 0.008, 0.016, 0.016, 0.016], strict=True):
        assert top / 2 <= wait <= top
    assert len({wait / top for wait, top in zip(runs[0], [0.004, 0.008, 0.016, 0.016, 0.016], strict=True)}) == 5


def test_cancel_ends_a_wait() -> None:
    cancel = threading.Event()
    with watched(status(429, headers={"Retry-After": "60"}), wire=FAST, cancel=cancel) as seen:
        threading.Timer(0.2, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            seen.ask()
        assert time.monotonic() - started < 2


def test_cancel_ends_an_answer_under_way_and_only_for_the_task_it_is_bound_to() -> None:
    drip: list[bytes | float] = [piece for _ in range(200) for piece in (event(chunk({"content": "a"})), 0.05)]
    with watched(Reply(drip), text("fine")) as seen:
        cancel = threading.Event()
        mine = seen.model.bound(on_retry=None, cancel=cancel)
        caught: list[BaseException] = []

        def ask() -> None:
            try:
                mine.complete(PROMPT, max_tokens=9)
            except Cancelled as error:
                caught.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert wait_until(lambda: len(seen.endpoint.asked) == 1)
        cancel.set()
        thread.join(5)
        assert len(caught) == 1
        assert seen.ask().text == "fine"
