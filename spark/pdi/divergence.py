"""ψ, one minus the Jensen–Shannon divergence of two smoothed bags of words (METHOD §2; arXiv 2605.09192, eq. 1).

For counts c over the union vocabulary V:  P(w) = (c(w) + α) / (Σc + α|V|),  M = ½(P_x + P_y),
JS = ½KL(P_x‖M) + ½KL(P_y‖M),  ψ = 1 − JS.

A word's term depends on its pair of counts alone, and texts have few distinct pairs: a term is computed once per pair and added as often
as the pair occurs. The sum is exactly rounded (`math.fsum`, and a multiplication split so that it loses nothing), so the result has the
same bits as adding every word's term on its own, in any order: neither the order of a set nor the hash seed can reach it.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

from spark.pdi.tokens import Bag

ALPHA = 0.002
"""Smoothing per word of the union vocabulary (METHOD §2)."""

LogBase = Literal["2", "e"]

_SPLIT = float(2**27 + 1)
"""Veltkamp's constant: cuts a double into two halves of 26 bits."""


def similarity(x: Bag, y: Bag, *, alpha: float = ALPHA, base: LogBase = "2") -> float | None:
    """ψ of two bags: 1 for equal distributions, in [0, 1] with base 2 and in [1 − ln 2, 1] with base e.

    None where either text has no word: it then has no distribution to compare. (Smoothing would make it the uniform one, for which ψ is
    near 0.96 with anything.) Symmetric to the last bit. `alpha` > 0.
    """
    return smoothed_similarity(x, y, alpha=alpha, base=base) if x.total and y.total else None


def smoothed_similarity(x: Bag, y: Bag, *, alpha: float = ALPHA, base: LogBase = "2") -> float:
    """ψ as smoothing leaves it, a text without words being the uniform distribution; 0.0 if neither has one.

    Rounding may leave JS outside its range by an ulp; ψ is held inside.
    """
    if len(x.counts) < len(y.counts):
        x, y = y, x
    if not x.counts:
        return 0.0
    pairs, size = _pairs(x, y)
    scale_x, scale_y = x.total + alpha * size, y.total + alpha * size
    log = math.log2 if base == "2" else math.log
    parts: list[float] = []
    for a, b, times in pairs:
        p, q = (a + alpha) / scale_x, (b + alpha) / scale_y
        middle = 0.5 * (p + q)
        term = 0.5 * (p * log(p / middle) + q * log(q / middle))
        if times == 1:
            parts.append(term)
        else:
            shifted = _SPLIT * term
            high = shifted - (shifted - term)
            parts += (times * high, times * (term - high))
    return min(1.0, max(0.0, 1.0 - math.fsum(parts)))


def _pairs(x: Bag, y: Bag) -> tuple[list[tuple[int, int, int]], int]:
    """Each distinct pair of counts of the union vocabulary with how many words have it, and the size of that vocabulary."""
    only_x = dict(x.histogram)
    size = len(x.counts)
    found: list[tuple[int, int, int]] = []
    for (a, b), times in Counter(zip(map(x.counts.get, y.counts), y.counts.values(), strict=True)).items():
        if a is None:
            found.append((0, b, times))
            size += times
        else:
            found.append((a, b, times))
            only_x[a] -= times
    found += [(a, 0, times) for a, times in only_x.items() if times]
    return found, size
