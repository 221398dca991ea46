"""Words of a text, and the bag they make. Each text is read once; everything else works on its bag."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    r"""The words of a text in order, repeats kept: `\w+` of the lower-cased text (METHOD §2)."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True, slots=True)
class Bag:
    """A text as counts of its words; order is forgotten."""

    counts: Mapping[str, int]
    total: int
    """Words in the text, repeats counted."""
    histogram: Mapping[int, int]
    """How many distinct words occur so many times."""


def bag(text: str) -> Bag:
    """The bag of a text's words."""
    counts = Counter(words(text))
    return Bag(counts=counts, total=counts.total(), histogram=Counter(counts.values()))


EMPTY = bag("")
