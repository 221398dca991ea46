"""The recorded runs, computed again: they are the only independent witness of the online proxy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from recorded_runs import GOLDEN, RUNS, needs_runs

from spark.pdi.proxy import Method, Proxy
from spark.pdi.recordings import ATTEMPTS_FILE, TRAJECTORY_FILE, Recording, find, read
from spark.pdi.replay import agreement, replay
from spark.records import PdiPoint

pytestmark = needs_runs


def released(recording: Recording, method: Method = "token_overlap") -> list[PdiPoint]:
    return list(replay(recording, Proxy(method=method, scale="running", rules="released")))


def test_every_recorded_snapshot_is_reproduced() -> None:
    agreed = known = 0
    for folder in find([RUNS]):
        recording = read(folder)
        points = released(recording)
        assert len(points) == len(recording.snapshots)
        same, recorded = agreement(points, recording.snapshots)
        agreed, known = agreed + same, known + recorded
    assert (agreed, known) == (44, 44)


@pytest.mark.parametrize("method", ["token_overlap", "js_divergence"])
def test_golden_values_bit_for_bit(method: Method) -> None:
    golden = json.loads((GOLDEN / f"{method}.json").read_text())
    recordings = {recording.task: recording for recording in map(read, find([RUNS]))}
    for task, steps in golden.items():
        points = released(recordings[task], method)
        computed = [[p.step, p.proxy_exec, p.proxy_plan, p.proxy_oss, p.raw, p.weight, p.weighted, p.triggered, p.level] for p in points]
        assert computed == [list(step.values()) for step in steps], task


@pytest.mark.parametrize("kept", [ATTEMPTS_FILE, TRAJECTORY_FILE])
def test_either_file_is_enough(kept: str, tmp_path: Path) -> None:
    agreed = known = 0
    for folder in find([RUNS]):
        if (folder / kept).exists():
            alone = tmp_path / folder.name
            alone.mkdir()
            shutil.copy(folder / kept, alone / kept)
            recording = read(alone)
            assert recording.faults == ()
            same, _ = agreement(released(recording), read(folder).snapshots)
            agreed, known = agreed + same, known + len(read(folder).snapshots)
    assert agreed == known == 40


def test_our_rules_leave_out_what_nobody_observed() -> None:
    points = list(replay(read(RUNS / "quantum-numerical-simulation"), Proxy(method="js_divergence", scale="running")))
    assert [point.attempt for point in points] == [0, 2, 4, 5, 6, 7, 8, 9]
    assert [point.attempt for point in points if point.missing] == [6, 7, 8, 9]


def test_a_memo_stored_as_an_event_stream_is_read() -> None:
    points = list(replay(read(RUNS / "3d-scan-calc"), Proxy(method="token_overlap", scale="running")))
    assert [point.missing for point in points] == [""] * 8
    assert points[5].proxy_exec is not None and points[5].proxy_exec > 0.2
