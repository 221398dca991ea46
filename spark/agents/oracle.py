"""The agent that knows the answer: it runs the task's reference solution, as Harbor does."""

from __future__ import annotations

from pathlib import Path

from spark.agents.base import OnStep
from spark.errors import TaskError
from spark.records import Limits, Step, Task, Transcript
from spark.sandboxes.base import Sandbox
from spark.tasks import resolve_env
from spark.tree import tree_archive

SCRIPT = "/solution/solve.sh"
_ENV = {"DEBIAN_FRONTEND": "noninteractive"}
"""What Harbor adds."""


class OracleAgent:
    """Lays solution/ down at /solution, runs solve.sh where commands start, and takes /solution away again."""

    name = "oracle"

    def run(self, task: Task, instruction: str, sandbox: Sandbox, limits: Limits, on_step: OnStep) -> Transcript:  # noqa: ARG002
        """One step; `time` if the script was killed at the agent's time limit. A script that fails is no error.

        Raises:
            TaskError: the author's fault: there is no solution/solve.sh.
            RequestError: the user's: the solution wants environment variables that are not set.
            SandboxError: the box failed.
        """
        solution = Path(task.path) / "solution"
        if not (solution / "solve.sh").is_file():
            raise TaskError(f"task {task.name!r}: the oracle wants solution/solve.sh, found none in {task.path}")
        env = _ENV | resolve_env(task.solution_env, {}, where=f"the solution of task {task.name!r}")
        sandbox.unpack(tree_archive(solution, "solution"))
        # Few clones keep the x bit of a script, and Harbor does not ask for it.
        sandbox.write(SCRIPT, (solution / "solve.sh").read_bytes(), mode=0o755)
        try:
            ran = sandbox.exec(
                SCRIPT, timeout_seconds=limits.agent_seconds, user=task.agent_user, env=env, output_bytes=limits.output_bytes
            )
        finally:
            sandbox.remove(("/solution",))
        step = Step(
            command=SCRIPT,
            stdout=ran.stdout,
            stderr=ran.stderr,
            exit_code=ran.exit_code,
            seconds=ran.seconds,
            dropped_bytes=ran.dropped_bytes,
        )
        on_step(1, step)
        return Transcript(steps=(step,), stop="time" if ran.exit_code is None else "finished")
