"""Who plays in a run: the agent that acts and the scribe that writes, each answer journalled where its attempt lives.

A completion is on disk before it is used, so a run that is killed or an attempt that is tried again never asks (and pays) for it twice.
A run directory is therefore a cassette: `--replay RUN` answers from one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spark.agents.base import Agent
from spark.budget import Purse
from spark.events import Event, ModelCalled, ModelRetried
from spark.models.base import Model
from spark.models.cassette import CallNote, Journal
from spark.records import Task
from spark.store import AttemptDir


@dataclass(frozen=True)
class Tapes:
    """Recorded answers to use and a place to record to, both laid out as <task>/attempt-NN/calls/."""

    replay_from: Path | None = None
    record_to: Path | None = None


@dataclass(frozen=True)
class Cast:
    """Makes the agent and the scribe of each attempt.

    `teacher` acts and `scribe` writes memos and skills; they may be one. `make_agent` is handed the journalled teacher.
    """

    teacher: Model
    writer: Model
    make_agent: Callable[[Model], Agent]
    purse: Purse
    emit: Callable[[Event], None]
    tapes: Tapes = Tapes()

    def agent(self, task: Task, attempt: int, folder: AttemptDir) -> Agent:
        """The agent of one attempt."""
        return self.make_agent(self._journal(self.teacher, "teacher", task, attempt, folder))

    def scribe(self, role: str, task: Task, attempt: int, folder: AttemptDir) -> Model:
        """Whoever answers as `role` (`memo` or `skill`) after one attempt."""
        return self._journal(self.writer, role, task, attempt, folder)

    def _journal(self, inner: Model, role: str, task: Task, attempt: int, folder: AttemptDir) -> Journal:
        def called(note: CallNote) -> None:
            self.emit(
                ModelCalled(
                    task=task.name,
                    attempt=attempt,
                    role=note.role,
                    number=note.number,
                    model=note.model,
                    usage=note.usage,
                    replayed=note.replayed,
                    drifted=note.drifted,
                )
            )

        _address.now = (task.name, attempt, role)
        place = Path(task.name) / folder.root.name / "calls"
        return Journal(
            inner,
            folder=folder.calls,
            role=role,
            purse=self.purse,
            on_call=called,
            replay_from=self.tapes.replay_from and self.tapes.replay_from / place,
            record_to=self.tapes.record_to and self.tapes.record_to / place,
        )


class _Address(threading.local):
    """For whom this thread is asking a model right now: a task keeps to one thread."""

    now: tuple[str, int, str] = ("", 0, "")


_address = _Address()


def retry_events(emit: Callable[[Event], None]) -> Callable[[str, float], None]:
    """What a model calls before it waits and asks again: (reason, seconds)."""

    def on_retry(reason: str, wait_seconds: float) -> None:
        task, attempt, role = _address.now
        emit(ModelRetried(task=task, attempt=attempt, role=role, reason=reason, wait_seconds=wait_seconds))

    return on_retry
