"""What could have been known after each reflection, and whether the next attempt then brought progress.

A step counts from the second observation of its task on. Progress is a higher reward or more passed tests than at the step itself
(METHOD §3); the next attempt is the next one that did not die with its infrastructure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from spark.pdi.divergence import similarity
from spark.pdi.memos import failed_checks, is_event_dump, recover
from spark.pdi.proxy import Method, Proxy, Scale
from spark.pdi.recordings import PastAttempt, Recording
from spark.pdi.reference import Reference
from spark.pdi.replay import replay
from spark.pdi.tokens import bag
from spark.records import PdiPoint


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to set the proxy."""

    method: Method
    scale: Scale
    warmup: int

    def __str__(self) -> str:
        return f"{self.method} {self.scale} W={self.warmup}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came after one step."""

    stalled: bool
    solved: bool


def points_of(recording: Recording, setting: Setting, against: Reference | None = None) -> list[PdiPoint]:
    """The points of a recording, on the reference scale against `against` if it is given."""
    proxy = Proxy(method=setting.method, scale=setting.scale, warmup=setting.warmup)
    if against is not None:
        proxy.population = against
    return list(replay(recording, proxy))


def outcomes(recording: Recording) -> dict[int, Outcome]:
    """What came after each attempt that had a next one, by attempt."""
    lived = [past for past in recording.attempts if not past.died]
    return {
        past.attempt: Outcome(
            stalled=not (_reward(after) > _reward(past) or after.n_passed > past.n_passed or after.solved), solved=after.solved
        )
        for past, after in pairwise(lived)
    }


def eligible(points: Iterable[PdiPoint]) -> list[PdiPoint]:
    """The points at which the proxy can fire: real ones from the second on."""
    return [point for point in points if point.weight]


def simple_signals(recording: Recording, attempts: Iterable[int]) -> dict[int, dict[str, float]]:
    """Plain signals at each of `attempts` (those of eligible points), by name; the larger, the more a stall is to be expected."""
    lived = [past for past in recording.attempts if not past.died]
    place = {past.attempt: index for index, past in enumerate(lived)}
    return {attempt: _signals(lived, place[attempt]) for attempt in attempts if place.get(attempt)}


def _signals(lived: Sequence[PastAttempt], at: int) -> dict[str, float]:
    now, before = lived[at], lived[at - 1]
    failures = [frozenset(failed_checks(past.summary)) for past in lived[: at + 1]]
    repeats = next((back for back in range(1, at + 1) if failures[at - back] != failures[at]), at + 1) - 1
    known = {word for past in lived[:at] for word in bag(past.commands).counts}
    words = bag(now.commands).counts.keys()
    memo_now, memo_before = bag(_memo(now)), bag(_memo(before))
    return {
        "attempts so far": float(at),
        "reward so far, less": -max(_reward(past) for past in lived[: at + 1]),
        "reward slope, less": _reward(before) - _reward(now) + (before.n_passed - now.n_passed) / max(1, now.n_tests),
        "same failures again": float(repeats),
        "command novelty, less": -len(words - known) / len(words) if words else 0.0,
        "memo churn, less": similarity(memo_before, memo_now) or 0.0,
    }


def _memo(past: PastAttempt) -> str:
    memo = past.memo or ""
    return recover(memo)[0] if is_event_dump(memo) else memo


def _reward(past: PastAttempt) -> float:
    return past.reward or 0.0
