"""ψ against hand-computed values, scipy, and a slow, obvious definition."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from spark.pdi.divergence import ALPHA, LogBase, similarity
from spark.pdi.released import released_similarity
from spark.pdi.tokens import EMPTY, bag, words

texts = st.lists(st.sampled_from(["a", "b", "c", "dd", "ee", "run", "the"]), min_size=1, max_size=60).map(" ".join)


def slow_similarity(x: str, y: str, alpha: float, base: LogBase) -> float:
    """The definition, word by word; every sum exactly rounded."""
    wx, wy = words(x), words(y)
    vocabulary = sorted({*wx, *wy})
    log = math.log2 if base == "2" else math.log
    terms: list[float] = []
    for word in vocabulary:
        p = (wx.count(word) + alpha) / (len(wx) + alpha * len(vocabulary))
        q = (wy.count(word) + alpha) / (len(wy) + alpha * len(vocabulary))
        m = 0.5 * (p + q)
        terms.append(0.5 * (p * log(p / m) + q * log(q / m)))
    exact = sum((Fraction(term) for term in terms), Fraction(0))
    return min(1.0, max(0.0, 1.0 - float(exact)))


@pytest.mark.parametrize(
    ("x", "y", "bits", "nats"),
    [
        ("a b c", "a b c", 1.0, 1.0),
        ("a b", "c d", 0.020743, 0.321231),
        ("run pytest tests", "run pytest -q tests -x", 0.769527, 0.840249),
        ("a a b", "a b b", 0.918518, 0.943521),
    ],
)
def test_known_values(x: str, y: str, bits: float, nats: float) -> None:
    assert similarity(bag(x), bag(y)) == pytest.approx(bits, abs=1e-6)
    assert similarity(bag(x), bag(y), base="e") == pytest.approx(nats, abs=1e-6)


def test_an_empty_text_has_no_similarity() -> None:
    assert similarity(EMPTY, bag("a b")) is None
    assert similarity(EMPTY, EMPTY) is None


@given(texts, texts, st.sampled_from([1e-10, ALPHA, 0.5, 10.0]), st.sampled_from(["2", "e"]))
def test_bit_exact_against_the_definition(x: str, y: str, alpha: float, base: LogBase) -> None:
    assert similarity(bag(x), bag(y), alpha=alpha, base=base) == slow_similarity(x, y, alpha, base)


@given(texts, texts)
def test_symmetric_and_bounded(x: str, y: str) -> None:
    one, other = similarity(bag(x), bag(y)), similarity(bag(y), bag(x))
    assert one == other
    assert one is not None and 0.0 <= one <= 1.0
    in_nats = similarity(bag(x), bag(y), base="e")
    assert in_nats is not None and 1 - math.log(2) - 1e-12 <= in_nats <= 1.0


@given(texts)
def test_one_on_itself(x: str) -> None:
    assert similarity(bag(x), bag(x)) == 1.0


@given(texts, texts, st.data())
def test_word_order_is_forgotten(x: str, y: str, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(x.split()))
    assert similarity(bag(" ".join(shuffled)), bag(y)) == similarity(bag(x), bag(y))


@given(texts, texts, st.integers(2, 5))
def test_common_scaling_changes_nothing_without_smoothing(x: str, y: str, times: int) -> None:
    one = similarity(bag(x), bag(y), alpha=1e-13)
    repeated = similarity(bag(" ".join([x] * times)), bag(" ".join([y] * times)), alpha=1e-13)
    assert one == pytest.approx(repeated, abs=1e-9)


@given(texts, texts)
def test_agrees_with_scipy(x: str, y: str) -> None:
    cx, cy = bag(x).counts, bag(y).counts
    vocabulary = sorted({*cx, *cy})
    p = [cx.get(word, 0) + ALPHA for word in vocabulary]
    q = [cy.get(word, 0) + ALPHA for word in vocabulary]
    divergence = float(jensenshannon(p, q, base=2)) ** 2 if p != q else 0.0
    assert similarity(bag(x), bag(y)) == pytest.approx(1 - divergence, abs=1e-9)


@given(texts, texts)
def test_the_released_order_of_sums_differs_in_the_last_bits_only(x: str, y: str) -> None:
    if len({*words(x), *words(y)}) > 1:
        assert released_similarity(bag(x), bag(y)) == pytest.approx(similarity(bag(x), bag(y), base="e"), abs=1e-12)


def test_released_oddities() -> None:
    assert released_similarity(bag("a"), bag("a")) == 0.0
    many = " ".join(f"w{index}" for index in range(200))
    assert released_similarity(EMPTY, bag(many)) > 0.999
