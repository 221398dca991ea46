"""Every error this package raises on purpose, and the one broad handler.

    SparkError
    ├── RequestError            exit 2   the request was wrong: a flag, a setting, a file of the user's
    │   ├── TaskError                    a task directory that is broken
    │   │   └── UnsupportedTask          a task we do not run (compose, multi-step, Windows, …), refused by name
    │   ├── SkillError                   a SKILL.md that does not hold to the specification
    │   └── RunError                     a run directory that is locked, damaged, or made from other inputs
    ├── ModelError              exit 3   no usable completion came back
    │   ├── EndpointError                the endpoint failed after all retries (429, 5xx, time-out, unreachable)
    │   ├── AuthError                    the key was refused or is missing
    │   ├── BadCompletion                an answer, but not a completion: empty, HTML, event-stream dump, refusal
    │   ├── CutOffCompletion             the answer hit max_tokens; .text holds what came
    │   ├── ContextOverflow              the prompt does not fit the model
    │   └── ScriptExhausted              a scripted model or a cassette has no further answer
    ├── SandboxError            exit 3   the box failed, not the command in it
    │   └── BuildError                   the image of a task could not be made
    ├── StoreError              exit 3   the run directory cannot be written: disk full, no permission
    ├── BudgetError             exit 1   the next call could overdraw the purse; nothing was spent
    ├── Cancelled               exit 130 the user stopped a task or a run
    └── InternalError           exit 3   a bug here; the traceback is kept in .detail

A command that fails inside a sandbox, an agent that runs out of time, a verifier that says no: none of these is an error.
"""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from spark.records import Usage


class SparkError(Exception):
    """`message` says what was wanted, what was found (repr) and where; `hint` what to do about it."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def kind(self) -> str:
        """The class name, as written in events and results."""
        return type(self).__name__


class RequestError(SparkError):
    """The user's request cannot be carried out as it stands."""

    exit_code = 2


class TaskError(RequestError):
    """A task directory is broken: the author's fault."""


class UnsupportedTask(TaskError):
    """A sound task of a kind this engine does not run."""


class SkillError(RequestError):
    """A SKILL.md does not hold to the specification."""


class RunError(RequestError):
    """A run directory is locked, damaged, or was made from other inputs."""


class ModelError(SparkError):
    """No usable completion came back."""

    usage: Usage | None = None
    """What was paid for nothing, if anything came back at all."""


class EndpointError(ModelError):
    """The endpoint failed after all retries."""


class AuthError(ModelError):
    """The endpoint refused the key."""


class BadCompletion(ModelError):
    """The endpoint answered with something that is no completion."""


class CutOffCompletion(BadCompletion):
    """The completion hit its token limit; `text` is what came before the cut."""

    def __init__(self, message: str, *, text: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.text = text


class ContextOverflow(ModelError):
    """The prompt is longer than the model can read."""


class ScriptExhausted(ModelError):
    """A scripted model or a cassette has no further answer for this call."""


class SandboxError(SparkError):
    """The sandbox itself failed; no fault of the command that ran in it."""


class BuildError(SandboxError):
    """The image of a task could not be made."""


class StoreError(SparkError):
    """A run's files cannot be written."""


class BudgetError(SparkError):
    """The next call could overdraw the purse, so it was not made."""

    exit_code = 1


class Cancelled(SparkError):
    """The user stopped this task or this run."""

    exit_code = 130


class InternalError(SparkError):
    """A bug in this package; `detail` is the traceback."""

    def __init__(self, message: str, *, detail: str) -> None:
        super().__init__(message, hint="this is a bug in spark; SPARK_DEBUG=1 shows the traceback, a run keeps it in events.jsonl")
        self.detail = detail


@contextmanager
def boundary(where: str) -> Generator[None]:
    """Turn whatever is not a SparkError into an InternalError that names `where`: the one broad handler.

    Raises:
        InternalError: for any other Exception. KeyboardInterrupt and SystemExit pass through.
    """
    try:
        yield
    except SparkError:
        raise
    except Exception as error:
        raise InternalError(f"{where}: {type(error).__name__}: {error}", detail="".join(traceback.format_exception(error))) from error
