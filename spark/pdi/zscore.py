"""z of the newest of a few values, in the order of summation the released numbers were made with.

A published trigger (−0.5000000000000002) is float noise of one particular order of addition, so that order is kept: running totals below
eight values, eight interleaved accumulators up to 128, halves above. It is also what keeps a later re-run bit for bit equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_LANES = 8
_BLOCK = 128


def ordered_sum(values: Sequence[float]) -> float:
    """The sum of `values`, added pairwise in blocks (the order numpy uses for a contiguous array)."""
    count = len(values)
    if count < _LANES:
        return _chain(0.0, values)
    if count > _BLOCK:
        half = count // 2
        half -= half % _LANES
        return ordered_sum(values[:half]) + ordered_sum(values[half:])
    whole = count - count % _LANES
    a, b, c, d, e, f, g, h = (_chain(values[lane], values[lane + _LANES : whole : _LANES]) for lane in range(_LANES))
    return _chain(((a + b) + (c + d)) + ((e + f) + (g + h)), values[whole:])


def _chain(total: float, values: Sequence[float]) -> float:
    # not sum(): it compensates from Python 3.12 on
    for value in values:
        total += value
    return total


def newest_z(values: Sequence[float]) -> float:
    """How many population standard deviations the last value lies above the mean of all; 0.0 if they do not differ."""
    first = values[0]
    if all(value == first for value in values):
        return 0.0
    mean = ordered_sum(values) / len(values)
    deviations = [value - mean for value in values]
    spread = math.sqrt(ordered_sum([x * x for x in deviations]) / len(values))
    return deviations[-1] / spread if spread else 0.0
