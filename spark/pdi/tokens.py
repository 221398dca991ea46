"""Words of a text, and the bag they make. Each text is read once; everything else works on its bag."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Words = Callable[[str], list[str]]
"""A tokenizer."""

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


def bag(text: str, tokenizer: Words = words) -> Bag:
    """The bag of a text's words."""
    return _of(Counter(tokenizer(text)))


def merged(bags: Iterable[Bag]) -> Bag:
    """The bag of several texts one after another."""
    counts = Counter[str]()
    for one in bags:
        counts.update(one.counts)
    return _of(counts)


def _of(counts: Counter[str]) -> Bag:
    return Bag(counts=counts, total=counts.total(), histogram=Counter(counts.values()))


EMPTY = bag("")
