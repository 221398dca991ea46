"""Whether an endpoint answers, and what it serves: one GET /models."""

from __future__ import annotations

import json
import time
from typing import Any

from spark.errors import AuthError, EndpointError
from spark.records import Record

PROBE_SECONDS = 5.0
"""In all, connecting included."""
_BODY_BYTES = 4_000_000


class Served(Record):
    """What an endpoint says of itself: the models it lists, or None where it has no list."""

    status: int
    models: tuple[str, ...] | None


def served(base_url: str, api_key: str) -> Served:
    """Ask once; redirects are not followed, so that the key goes nowhere else.

    Raises:
        EndpointError: nobody answers in time, or with a server's error: the endpoint's fault.
        AuthError: the key was refused.
    """
    import httpx2

    body = bytearray()
    deadline = time.monotonic() + PROBE_SECONDS
    try:
        # A server that sends a byte now and then would outlive the client's own time limit, which starts again with each.
        with httpx2.stream("GET", f"{base_url}/models", headers={"Authorization": f"Bearer {api_key}"}, timeout=PROBE_SECONDS) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _BODY_BYTES or time.monotonic() > deadline:
                    break
    except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise EndpointError(f"no answer from {base_url!r}: {type(error).__name__}: {error}") from None
    if response.status_code in (401, 403):
        raise AuthError(f"{base_url!r} refuses the key (status {response.status_code})")
    if response.status_code >= 500:
        raise EndpointError(f"{base_url!r} answers with status {response.status_code}")
    return Served(status=response.status_code, models=_listed(bytes(body)) if response.status_code == 200 else None)


def _listed(body: bytes) -> tuple[str, ...] | None:
    try:
        document: Any = json.loads(body)
        return tuple(sorted(str(entry["id"]) for entry in document["data"]))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
