"""Run by test_parallel.py: four jobs of up to thirty 0.1 s steps on two workers, under `interrupts`; each job says how it went."""

from __future__ import annotations

import sys
import time
from functools import partial

from spark.parallel import Brakes, interrupts, run_all

STEPS = 30
brakes = Brakes()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def job(number: int) -> None:
    say(f"job {number} starts")
    for _ in range(STEPS):
        if brakes.stop.is_set():
            say(f"job {number} stopped")
            return
        time.sleep(0.1)
    say(f"job {number} done")


with interrupts(brakes, say):
    left = run_all([partial(job, number) for number in range(4)], workers=2, brakes=brakes)
say(f"{left} left")
