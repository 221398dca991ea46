"""Which sandbox a run uses."""

from __future__ import annotations

from spark.errors import SandboxError
from spark.plugins import load
from spark.sandboxes.base import Provider


def pick_provider(name: str, run: str) -> Provider:
    """The sandbox provider called `name`; `auto` is Docker if its engine answers, else the local sandbox.

    `run` labels everything it makes.

    Raises:
        SandboxError: it cannot work here; the hint says what to do.
        RequestError: there is no provider of that name.
    """
    names = ("docker", "local") if name == "auto" else (name,)
    reasons: list[str] = []
    for candidate in names:
        provider: Provider = load("sandboxes", candidate)(run)
        reason = provider.unavailable()
        if reason is None:
            return provider
        provider.close()
        reasons.append(f"{candidate}: {reason}")
    raise SandboxError(f"no sandbox can be opened here: {'; '.join(reasons)}", hint="spark doctor says what is missing")
