"""Run by test_reporters.py: show a run the way `pick_reporter` picks, and write how long taking its events took to the file named first."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from run_story import START, ending, story

from spark.display import pick_reporter

took, pause_seconds, *flags = sys.argv[1:]
reporter = pick_reporter(as_json="--json" in flags, quiet="--quiet" in flags)
late = time.time() - START
steps = [event for event in story() if event.kind == "step_taken" and event.task == "sqlite-repair"]
time.sleep(float(pause_seconds))
started = time.monotonic()
for event in [*story(), *steps * 1_000]:
    reporter.on(event.model_copy(update={"at": event.at + late}))
Path(took).write_text(str(time.monotonic() - started))
time.sleep(float(pause_seconds))
reporter.on(ending({"solved": 1}))
reporter.close()
if not flags:
    sys.stdout.write("the data\n")
