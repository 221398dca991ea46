"""Our own runs, written in the released schema, are recomputed to the bit from their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from task_dir import make

from spark.distill.attempt import observe
from spark.distill.released import attempts_json, trajectory_jsonl
from spark.distill.settings import DistillSettings
from spark.pdi.proxy import Method, Proxy, Scale
from spark.pdi.recordings import ATTEMPTS_FILE, TRAJECTORY_FILE, read
from spark.pdi.replay import replay
from spark.records import Attempt, Check, Memo, PdiPoint, SandboxInfo, Step, Transcript, Trial, Verdict
from spark.tasks import load_task

texts = st.text(st.sampled_from("ab cé→`'\"\\\n-#✗"), min_size=1, max_size=40).map(lambda text: "x " + text.replace("\n#", "\n.") + " y")
kinds = st.sampled_from(["memo", "memo", "memo", "refused", "errored"])


def attempt(number: int, kind: str, words: tuple[str, str, str]) -> Attempt:
    commands, facts, strategy = words
    verdict = (
        Verdict(outcome="errored", reward=None, reason="the verifier crashed")
        if kind == "errored"
        else Verdict(outcome="failed", reward=0.0, checks=(Check(name=f"t{number % 2}", passed=False), Check(name="u", passed=True)))
    )
    trial = Trial(
        task="t",
        task_digest="0",
        agent="bash",
        sandbox=SandboxInfo(provider="local", base="host"),
        transcript=Transcript(steps=tuple(Step(command=line, exit_code=0) for line in (commands, "ls"))),
        verdict=verdict,
        seconds=1.0,
    )
    memo = Memo(
        failed_attempts=number, attempts_log="l", last_commands="c", verified_facts=facts, error_pattern="e", next_strategy=strategy
    )
    return Attempt(
        number=number, trial=trial, memo=memo if kind == "memo" else None, memo_problem="no sections" if kind == "refused" else ""
    )


@pytest.mark.parametrize("kept", [{ATTEMPTS_FILE, TRAJECTORY_FILE}, {TRAJECTORY_FILE}])
@given(rows=st.lists(st.tuples(kinds, st.tuples(texts, texts, texts)), min_size=1, max_size=6), data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recomputed_to_the_bit(tmp_path: Path, kept: set[str], rows: list[tuple[str, tuple[str, str, str]]], data: st.DataObject) -> None:
    method: Method = data.draw(st.sampled_from(["token_overlap", "js_divergence"]))
    scale: Scale = data.draw(st.sampled_from(["running", "reference"]))
    task = load_task(make(tmp_path / "task")) if not (tmp_path / "task").exists() else load_task(tmp_path / "task")
    live = Proxy(method=method, scale=scale)
    attempts: list[Attempt] = []
    points: list[PdiPoint] = []
    for number, (kind, words) in enumerate(rows, 1):
        made = attempt(number, kind, words)
        if kind != "errored":
            points.append(observe(live, made))
            made = made.model_copy(update={"pdi": points[-1]})
        attempts.append(made)
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    written = {ATTEMPTS_FILE: attempts_json(task, attempts, DistillSettings()), TRAJECTORY_FILE: trajectory_jsonl(task, attempts, None)}
    for name, content in written.items():
        (folder / name).unlink(missing_ok=True)
        if name in kept:
            (folder / name).write_text(content, encoding="utf-8")
    again = list(replay(read(folder), Proxy(method=method, scale=scale)))
    assert [(point.attempt + 1, bool(point.missing)) for point in again] == [(point.attempt, bool(point.missing)) for point in points]
    same = {"attempt", "missing"}
    assert [point.model_dump(exclude=same) for point in again] == [point.model_dump(exclude=same) for point in points]
