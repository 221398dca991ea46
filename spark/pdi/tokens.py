"""Words of a text, and the bag they make. Each text is read once; everything else works on its bag."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

Words = Callable[[str], list[str]]
"""A tokenizer."""

_WORD = re.compile(r"\w+")
_SEPARATORS = "spark.separators"
_ASCII = bytes(ord(chr(code).lower()) if chr(code).isalnum() or chr(code) == "_" else ord(" ") for code in range(128)) + b" " * 128
"""Every ASCII character that can stand in a word, lower-cased; a space for every other."""


def _as_space(error: UnicodeError) -> tuple[str, int]:
    """Codec handler: characters outside ASCII that cannot stand in a word become a space; others are an error."""
    if not isinstance(error, UnicodeEncodeError) or any(map(str.isalnum, error.object[error.start : error.end])):
        raise error
    return " ", error.end


codecs.register_error(_SEPARATORS, _as_space)


def words(text: str) -> list[str]:
    r"""The words of a text in order, repeats kept: `\w+` of the lower-cased text (METHOD §2).

    Text whose letters and digits are all ASCII is translated and split, which takes half the time of the regular expression and finds the
    same words.
    """
    try:
        plain = text.encode("ascii", _SEPARATORS)
    except UnicodeEncodeError:
        return _WORD.findall(text.lower())
    return plain.translate(_ASCII).decode("ascii").split()


class Bag:
    """A text as counts of its words; order is forgotten."""

    __slots__ = ("_histogram", "counts", "total")

    def __init__(self, counts: Mapping[str, int], total: int) -> None:
        self.counts = counts
        self.total = total
        """Words in the text, repeats counted."""
        self._histogram: Mapping[int, int] | None = None

    @property
    def histogram(self) -> Mapping[int, int]:
        """How many distinct words occur so many times; counted when first asked for."""
        if self._histogram is None:
            self._histogram = Counter(self.counts.values())
        return self._histogram


def bag(text: str, tokenizer: Words = words) -> Bag:
    """The bag of a text's words."""
    found = tokenizer(text)
    return Bag(Counter(found), len(found))


def merged(bags: Iterable[Bag]) -> Bag:
    """The bag of one or more texts one after another."""
    first, *others = bags
    if not others:
        return first
    counts = Counter(first.counts)
    for one in others:
        counts.update(one.counts)
    return Bag(counts, counts.total())


EMPTY = bag("")
