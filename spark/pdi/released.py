"""ψ as the released runs computed it: natural logarithm, words in sorted order, every sum in the order of `zscore.ordered_sum`.

Slower than `divergence.similarity` and equal to it within 1e-14. It is here because two values make every z ±1 up to rounding, so a
recorded −0.5 fires or not by the last bit of a ψ.
"""

from __future__ import annotations

import math

from spark.pdi.divergence import ALPHA
from spark.pdi.tokens import Bag
from spark.pdi.zscore import ordered_sum

FEWEST_WORDS = 2


def released_similarity(x: Bag, y: Bag) -> float:
    """ψ in nats, in [1 − ln 2, 1]; 0.0 where the union has fewer than two words. An empty text counts as the uniform distribution."""
    vocabulary = sorted(x.counts.keys() | y.counts.keys())
    if len(vocabulary) < FEWEST_WORDS:
        return 0.0
    p, q = (_distribution(one, vocabulary) for one in (x, y))
    middle = [0.5 * (a + b) for a, b in zip(p, q, strict=True)]
    return 1.0 - (0.5 * _divergence(p, middle) + 0.5 * _divergence(q, middle))


def _distribution(one: Bag, vocabulary: list[str]) -> list[float]:
    smoothed = [one.counts.get(word, 0) + ALPHA for word in vocabulary]
    total = ordered_sum(smoothed)
    return [value / total for value in smoothed]


def _divergence(p: list[float], middle: list[float]) -> float:
    return ordered_sum([a * math.log(a / m) for a, m in zip(p, middle, strict=True)])
