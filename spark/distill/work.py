"""What a run's tasks share, and one task under way: how it is stopped, how patient it is with infrastructure, whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from spark.agents.base import Agent
from spark.distill.settings import DistillSettings
from spark.errors import BadCompletion, BuildError, Cancelled, EndpointError, SandboxError
from spark.events import Event, InfraFailed, Trimmed
from spark.models.base import Model
from spark.parallel import Brakes
from spark.pdi.proxy import Proxy
from spark.records import Task
from spark.sandboxes.base import Provider
from spark.store import AttemptDir, TaskDir

T = TypeVar("T")
INFRA_PAUSE_SECONDS = 1.0
"""Before the first retry of failed infrastructure; doubled for each further one. The client's own retries come before."""


class Crew(Protocol):
    """Who plays: the agent that acts and the scribe that writes, each journalled in its attempt's folder (cast.py)."""

    def agent(self, task: Task, attempt: int, folder: AttemptDir) -> Agent:
        """The agent of one attempt."""
        ...

    def scribe(self, role: str, task: Task, attempt: int, folder: AttemptDir) -> Model:
        """The model that answers as `role`: `memo` or `skill`."""
        ...


@dataclass(frozen=True)
class Shop:
    """What all tasks of a run share."""

    run: str
    settings: DistillSettings
    provider: Provider
    crew: Crew
    emit: Callable[[Event], None]
    brakes: Brakes
    make_proxy: Callable[[], Proxy]


@dataclass(frozen=True)
class Work:
    """One task under way in a run."""

    shop: Shop
    task: Task
    place: TaskDir

    @property
    def name(self) -> str:
        """The task's."""
        return self.task.name

    @property
    def settings(self) -> DistillSettings:
        """The run's."""
        return self.shop.settings

    def emit(self, event: Event) -> None:
        """Tell the run."""
        self.shop.emit(event)

    def check_stop(self, *, between_attempts: bool = False) -> None:
        """Go on, unless someone wants this run or this task to stop.

        Raises:
            Cancelled: someone does.
        """
        if self.shop.brakes.stop.is_set() or (between_attempts and self.shop.brakes.drain.is_set()):
            raise Cancelled("the run was stopped")
        if self.place.cancel_requested():
            raise Cancelled(f"task {self.name!r} was cancelled")

    def patiently(self, attempt: int, action: Callable[[], T], unscored: Callable[[T], str] = lambda _: "") -> T:
        """`action`'s value; infrastructure that fails, and a value that `unscored` gives a reason for, get `infra_retries` further tries.

        Raises:
            EndpointError, BadCompletion, SandboxError: it failed for good. Cancelled: someone stopped the task.
        """
        for left in reversed(range(self.settings.infra_retries + 1)):
            self.check_stop()
            try:
                value = action()
            except (EndpointError, BadCompletion, SandboxError) as error:
                again = left > 0 and not isinstance(error, BuildError)
                self._failed(attempt, error.kind, error.message, again=again)
                if not again:
                    raise
            else:
                reason = unscored(value)
                if reason:
                    self._failed(attempt, "VerifierErrored", reason, again=left > 0)
                if not reason or not left:
                    return value
            self.shop.brakes.stop.wait(INFRA_PAUSE_SECONDS * 2 ** (self.settings.infra_retries - left))
        raise AssertionError("the last try returns or raises")

    def _failed(self, attempt: int, error: str, message: str, *, again: bool) -> None:
        self.emit(InfraFailed(task=self.name, attempt=attempt, error=error, message=message, again=again))

    def trimming(self, attempt: int) -> Callable[[str, int, int], None]:
        """What is to be called for every text that is cut: (what, characters kept, characters dropped)."""
        return lambda what, kept, dropped: self.emit(
            Trimmed(task=self.name, attempt=attempt, what=what, kept_chars=kept, dropped_chars=dropped)
        )
