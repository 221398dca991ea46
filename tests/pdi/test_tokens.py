"""Words: the fast way and the defining regular expression find the same."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from spark.pdi.tokens import bag, merged, words


def defined(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@given(st.text())
def test_words_are_those_of_the_definition(text: str) -> None:
    assert words(text) == defined(text)


@given(st.text(st.sampled_from("aZ_9 -→✓…éİΣς中٣²Ⅷ\n\t\x1f\x85")))
def test_words_among_symbols_and_letters_of_all_kinds(text: str) -> None:
    assert words(text) == defined(text)


def test_every_symbol_there_is() -> None:
    for char in map(chr, range(0x110000)):
        if char.isalnum() or unicodedata.category(char) in {"Cn", "Co", "Cs"}:
            continue
        text = f"a{char}B"
        if words(text) != defined(text):
            raise AssertionError(f"U+{ord(char):04X}: {words(text)} is not {defined(text)}")


@given(st.lists(st.text(st.sampled_from("ab c")), min_size=1))
def test_bags_merge_as_texts_join(texts: list[str]) -> None:
    one, other = merged(map(bag, texts)), bag(" ".join(texts))
    assert (one.counts, one.total, one.histogram) == (other.counts, other.total, other.histogram)


def test_a_bag_counts() -> None:
    one = bag("Run run_it, run 2x")
    assert (dict(one.counts), one.total, dict(one.histogram)) == ({"run": 2, "run_it": 1, "2x": 1}, 4, {2: 1, 1: 2})
