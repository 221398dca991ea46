"""Sensitivity: what cannot matter does not, and what the papers say matters does."""

from __future__ import annotations

import pytest
from recorded_runs import RUNS, needs_runs

from spark.pdi.recordings import find, read
from spark.pdi.retrospective import Choices
from spark.pdi.sensitivity import alternatives, name_parts, sensitivity, trigrams


def test_each_alternative_changes_one_thing() -> None:
    base = Choices()
    for one in alternatives(base):
        changed = {name for name, value in one.choices.model_dump().items() if value != getattr(base, name)}
        assert len(changed) == (0 if one.name.startswith("words") else 1), one.name
    assert "log 2" in {one.name for one in alternatives(Choices(log="e"))}


def test_tokenizers() -> None:
    assert name_parts("readFile_v2 HTTPServer") == ["read", "file", "v", "httpserver"]
    assert trigrams("a word") == ["a", "wor", "ord"]


@needs_runs
def test_on_recorded_runs() -> None:
    found = {one.alternative: one for one in sensitivity([read(folder) for folder in find([RUNS])], Choices())}
    assert found["log e"].largest_shift == pytest.approx(0.0, abs=1e-9)
    assert found["log e"].rank_exec == pytest.approx(1.0)
    # flat below 1e-3, harmful above 1e-2 (METHOD §2)
    assert (found["α 1e-06"].rank_exec or 0) > 0.99
    assert (found["α 10"].rank_exec or 0) < 0.5
    assert (found["commands tail8000"].rank_exec or 0) < 0.6
    assert found["undefined zero"].tasks > found["log e"].tasks
