"""The contract of an agent: it reads an instruction, acts in a box, and leaves a transcript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from spark.records import Limits, Step, Task, Transcript
from spark.sandboxes.base import Sandbox

OnStep = Callable[[int, Step], None]
"""Called after each command with its 1-based number: it may raise Cancelled, which ends the attempt."""


class Agent(Protocol):
    """Who acts in a trial."""

    name: str

    def run(self, task: Task, instruction: str, sandbox: Sandbox, limits: Limits, on_step: OnStep) -> Transcript:
        """Work until done or a limit is reached; running out of time, steps or context is a way to stop, not an error.

        Raises:
            ModelError: no completion could be had (not ContextOverflow, which ends the transcript as `context`).
            SandboxError: the box failed.
        """
        ...
