"""The online proxy: its rules one by one, with values small enough to work out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.pdi.intervene import drops_strategy, intervention_text
from spark.pdi.proxy import Method, Observation, Proxy, Rules, Scale
from spark.pdi.zscore import newest_z, ordered_sum


def seen(attempt: int, commands: str = "ls", facts: str = "ls", strategy: str = "go", failed: tuple[str, ...] = ()) -> Observation:
    return Observation(attempt=attempt, commands=commands, facts=facts, strategy=strategy, failed=failed)


def overlap(scale: Scale = "running", rules: Rules = "ours", tau: float = -0.5) -> Proxy:
    return Proxy(method="token_overlap", scale=scale, tau=tau, rules=rules)


def test_the_first_step_by_hand() -> None:
    point = overlap().step(seen(1, commands="cat a.txt", facts="a txt has rows"))
    assert (point.proxy_exec, point.proxy_plan, point.proxy_oss) == (0.5, 0.0, 0.0)
    assert (point.raw, point.weight, point.weighted, point.triggered) == (0.5, 0.0, 0.0, False)


def test_the_second_step_by_hand() -> None:
    proxy = overlap()
    proxy.step(seen(1, commands="a", facts="a b", strategy="x y", failed=("t1", "t2")))
    point = proxy.step(seen(2, commands="q", facts="a c", strategy="x z", failed=("t1",)))
    assert point.proxy_exec == 0.0
    assert point.proxy_plan == pytest.approx(1 / 3)
    assert point.proxy_oss == pytest.approx(0.5 * 1 / 3 + 0.5 * 1 / 2)
    # two values: z is −1 for the exec that fell, +1 for the plan and oss that rose
    assert point.raw == pytest.approx(-3.0)
    assert (point.weight, point.level) == (0.5, "soft")


def test_soft_then_strong_then_soft_again() -> None:
    proxy = overlap(scale="reference", tau=0.0)
    old: dict[str, Any]
    new: dict[str, Any]
    old, new = {"facts": "a b", "strategy": "x y", "failed": ("t",)}, {"facts": "c d", "strategy": "u v", "failed": ("s",)}
    steps = [("a b", old), ("zzz", old), ("zzz", old), ("c d", new), ("zzz", new)]
    levels = [proxy.step(seen(n, commands=commands, **memo)).level for n, (commands, memo) in enumerate(steps, 1)]
    assert levels == [None, "soft", "strong", None, "soft"]


def test_a_missing_observation_changes_nothing_but_the_step_number() -> None:
    with_gap, without = overlap(scale="reference", tau=0.5), overlap(scale="reference", tau=0.5)
    first, second, third = seen(1), seen(2, commands="q"), seen(3, commands="q")
    with_gap.step(first)
    without.step(first)
    assert with_gap.step(second).level == without.step(second).level == "soft"
    gap = with_gap.missing(3, "the reflection was refused")
    assert (gap.step, gap.raw, gap.weighted, gap.triggered, gap.missing) == (2, None, None, False, "the reflection was refused")
    after, direct = with_gap.step(third), without.step(third)
    assert after.step == 3
    assert after.level == direct.level == "strong"
    assert after.model_dump(exclude={"step"}) == direct.model_dump(exclude={"step"})


def test_a_tie_does_not_fire_whatever_the_rounding() -> None:
    # exec rises, plan and oss rise: z = 1 − 1 − 1 up to rounding, weight ½
    pairs = [(i / 97, j / 89) for i in range(1, 40) for j in range(1, 40) if i / 97 < j / 89]
    noisy = sum(newest_z([low, high]) != 1.0 for low, high in pairs)
    assert noisy > 0
    proxy = overlap()
    proxy.step(seen(1, commands="a", facts="a b c d e f g", strategy="s t u"))
    point = proxy.step(seen(2, commands="a b", facts="a b c d e f g", strategy="s t u", failed=("t",)))
    assert point.weighted == pytest.approx(-0.5)
    assert not point.triggered


def test_an_empty_text_is_like_nothing_in_ours_and_like_everything_in_the_released() -> None:
    plan = " ".join(f"word{index % 30}" for index in range(40))

    def compared_with_nothing(rules: Rules) -> float | None:
        proxy = Proxy(method="js_divergence", scale="running", rules=rules)
        proxy.step(seen(1, strategy=""))
        return proxy.step(seen(2, strategy=plan)).proxy_plan

    assert compared_with_nothing("ours") == 0.0
    assert compared_with_nothing("released") == pytest.approx(0.98, abs=0.02)


def test_the_reference_scale_is_continuous_from_the_second_step() -> None:
    raws = set[float]()
    for words in range(1, 8):
        proxy = Proxy(method="js_divergence", scale="reference")
        proxy.step(seen(1, facts="a b c d e f g h", strategy="a b c"))
        raw = proxy.step(seen(2, commands="a b c d e f g h"[: 2 * words], facts="a b c d e f g h", strategy="a b c")).raw
        assert raw is not None
        raws.add(raw)
    assert len(raws) == 7


@given(
    st.sampled_from(["token_overlap", "js_divergence"]),
    st.sampled_from(["running", "reference"]),
    st.lists(st.tuples(st.sampled_from(["a b", "b c", "", "d"]), st.sampled_from(["a", "b d", ""])), min_size=1, max_size=12),
    st.data(),
)
def test_fed_again_it_is_the_same_proxy(method: Method, scale: Scale, pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    observations = [seen(n, commands=c, facts=f, strategy=c + f, failed=(f,)) for n, (c, f) in enumerate(pairs, 1)]
    whole = Proxy(method=method, scale=scale)
    points = [whole.step(one) for one in observations]
    cut = data.draw(st.integers(0, len(observations)))
    again = Proxy(method=method, scale=scale)
    for one in observations[:cut]:
        again.step(one)
    assert [again.step(one) for one in observations[cut:]] == points[cut:]


values = st.lists(st.integers(-1000, 1000).map(lambda n: n / 8), min_size=2, max_size=20)


@given(values, st.sampled_from([0.25, 2.0, 8.0]), st.integers(-64, 64))
def test_z_is_affine_invariant(history: list[float], scale: float, shift: int) -> None:
    assert newest_z([scale * value + shift for value in history]) == pytest.approx(newest_z(history), abs=1e-9)
    assert newest_z([-value for value in history]) == pytest.approx(-newest_z(history), abs=1e-9)


def test_z_of_equal_values_is_zero() -> None:
    assert newest_z([0.1, 0.1, 0.1]) == 0.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=700))
def test_sums_are_in_the_order_numpy_adds(history: list[float]) -> None:
    import numpy

    assert ordered_sum(history) == float(numpy.sum(numpy.array(history, dtype=float)))


def test_the_texts_name_no_score_and_no_measure() -> None:
    for level in ("soft", "strong"):
        text = intervention_text(level).lower()
        assert len(text) > 200
        for word in ("pdi", "divergence", "score", "metric", "proxy", "threshold", "{{"):
            assert word not in text
    assert drops_strategy("strong") and not drops_strategy("soft") and not drops_strategy(None)
