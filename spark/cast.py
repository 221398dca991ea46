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
from spark.models.cassette import CallNote, Journal, Tape
from spark.records import Task
from spark.store import AttemptDir

ModelSource = Callable[[Callable[[str, float], None], threading.Event], Model]
"""A model, bound to what it calls before it waits and asks again (reason, seconds) and to the event that ends its waits."""


@dataclass(frozen=True)
class Tapes:
    """Recorded answers to use, and a place to record to; both laid out as <task>/attempt-NN/calls/."""

    replay_from: Path | None = None
    record_to: Path | None = None


@dataclass(frozen=True)
class Cast:
    """Makes the agent and the scribe of each attempt.

    `teacher` acts, `writer` writes memos and skills; they may be one. `make_agent` is handed the journalled teacher.
    """

    teacher: ModelSource
    writer: ModelSource
    make_agent: Callable[[Model], Agent]
    purse: Purse
    emit: Callable[[Event], None]
    tapes: Tapes
    cancel: threading.Event

    def agent(self, task: Task, attempt: int, folder: AttemptDir) -> Agent:
        """The agent of one attempt."""
        return self.make_agent(self._journal(self.teacher, "teacher", task, attempt, folder))

    def scribe(self, role: str, task: Task, attempt: int, folder: AttemptDir) -> Model:
        """Whoever answers as `role` (`memo` or `skill`) after one attempt."""
        return self._journal(self.writer, role, task, attempt, folder)

    def _journal(self, source: ModelSource, role: str, task: Task, attempt: int, folder: AttemptDir) -> Journal:
        def called(note: CallNote) -> None:
            self.emit(ModelCalled(task=task.name, attempt=attempt, **note.model_dump()))

        def waits(reason: str, wait_seconds: float) -> None:
            self.emit(ModelRetried(task=task.name, attempt=attempt, role=role, reason=reason, wait_seconds=wait_seconds))

        place = Path(task.name) / folder.root.name / folder.calls.name
        tape = Tape(
            replay_from=self.tapes.replay_from and self.tapes.replay_from / place,
            record_to=self.tapes.record_to and self.tapes.record_to / place,
            strict_replay=self.tapes.replay_from is not None,
        )
        return Journal(source(waits, self.cancel), folder.calls, role, purse=self.purse, tape=tape, on_call=called)
