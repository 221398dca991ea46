"""Rank statistics, with intervals that resample whole tasks (a task's steps are not independent of one another)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from spark.records import Record

DRAWS = 2000
Row = TypeVar("Row")


class Estimate(Record):
    """A statistic with its interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    """Rows it rests on."""
    tasks: int


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties sharing their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            found[place] = (start + end + 1) / 2
        start = end
    return found


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation; None below three pairs or where either side does not vary."""
    if len(pairs) < 3:
        return None
    x, y = ranks([a for a, _ in pairs]), ranks([b for _, b in pairs])
    mean = (len(pairs) + 1) / 2
    covariance = math.fsum((a - mean) * (b - mean) for a, b in zip(x, y, strict=True))
    spread = math.sqrt(math.fsum((a - mean) ** 2 for a in x) * math.fsum((b - mean) ** 2 for b in y))
    return covariance / spread if spread else None


def auc(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """The chance that a score with a true label exceeds one with a false label, ties half; None if either label is absent.

    It is the Mann–Whitney U over the product of the group sizes.
    """
    positive = sum(label for _, label in pairs)
    negative = len(pairs) - positive
    if not positive or not negative:
        return None
    above = math.fsum(rank for rank, (_, label) in zip(ranks([score for score, _ in pairs]), pairs, strict=True) if label)
    return (above - positive * (positive + 1) / 2) / (positive * negative)


def by_task(
    rows: Mapping[str, Sequence[Row]], statistic: Callable[[Sequence[Row]], float | None], *, seed: int = 0, draws: int = DRAWS
) -> Estimate:
    """`statistic` of all rows, with a 95 % percentile interval from resampling tasks; draws for which it is undefined are left out."""
    tasks = sorted(rows)
    everything = [row for task in tasks for row in rows[task]]
    rng = random.Random(seed)
    drawn: list[float] = []
    for _ in range(draws if len(tasks) > 1 else 0):
        value = statistic([row for task in rng.choices(tasks, k=len(tasks)) for row in rows[task]])
        if value is not None:
            drawn.append(value)
    drawn.sort()
    low, high = (drawn[int(0.025 * len(drawn))], drawn[int(0.975 * len(drawn))]) if drawn else (None, None)
    return Estimate(value=statistic(everything), low=low, high=high, n=len(everything), tasks=len(tasks))
