"""Where the recorded runs lie: not part of the project, so whatever needs them is skipped where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_SHARED = Path(os.environ.get("SPARK_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
RUNS = _SHARED / "data" / "spark-trajectories"
GOLDEN = _SHARED / "data" / "golden"

needs_runs = pytest.mark.skipif(not RUNS.is_dir(), reason=f"the recorded runs are not at {RUNS} (set SPARK_SHARED)")
