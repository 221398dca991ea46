"""The reference solution as an agent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spark.agents.oracle import OracleAgent
from spark.errors import RequestError, TaskError
from spark.records import Task, Transcript
from spark.sandboxes.base import Sandbox
from spark.tasks import fill_env


def solve(task: Task, box: Sandbox) -> Transcript:
    return OracleAgent().run(task, task.instruction, box, task.limits, lambda _number, _step: None)


def test_the_whole_solution_is_there_while_it_runs_and_gone_after(task: Task, box: Sandbox) -> None:
    solution = Path(task.path) / "solution"
    (solution / "lib").mkdir()
    (solution / "lib/part.sh").write_text("echo part\n")
    (solution / "solve.sh").write_text("#!/bin/bash\nset -e\nbash /solution/lib/part.sh\nls /solution\necho $0 $DEBIAN_FRONTEND\n")
    transcript = solve(task, box)
    assert transcript.steps[0].stdout == "part\nlib\nsolve.sh\n/solution/solve.sh noninteractive\n"
    assert box.read("/solution/solve.sh", max_bytes=10) is None


def test_the_shebang_counts_and_no_x_bit_is_needed(task: Task, box: Sandbox) -> None:
    (Path(task.path) / "solution/solve.sh").write_text("#!/usr/bin/tail -n1\nsecond line\n")
    assert solve(task, box).steps[0].stdout == "second line\n"


def test_the_environment_of_the_solution(task: Task, box: Sandbox) -> None:
    (Path(task.path) / "solution/solve.sh").write_text("echo [$A] [$B]\n")
    task = task.model_copy(update={"solution_env": {"A": "${HOME_TOWN}", "B": "${B:-two}"}})
    assert solve(fill_env(task, {"HOME_TOWN": "Ulm"}), box).steps[0].stdout == "[Ulm] [two]\n"
    with pytest.raises(RequestError, match="not set: HOME_TOWN"):
        solve(fill_env(task, {}), box)


def test_without_a_solution_there_is_no_oracle(task: Task, box: Sandbox) -> None:
    shutil.rmtree(Path(task.path) / "solution")
    with pytest.raises(TaskError, match=r"wants solution/solve\.sh"):
        solve(task, box)
