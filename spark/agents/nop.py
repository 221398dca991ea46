"""The agent that does nothing: whoever scores with it shows a fault of the verifier."""

from __future__ import annotations

from spark.agents.base import OnStep
from spark.records import Limits, Task, Transcript
from spark.sandboxes.base import Sandbox


class NopAgent:
    """Stops at once."""

    name = "nop"

    def run(self, task: Task, instruction: str, sandbox: Sandbox, limits: Limits, on_step: OnStep) -> Transcript:  # noqa: ARG002
        """An empty transcript."""
        return Transcript()
