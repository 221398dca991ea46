"""What is done about a point, and the odds that go on record."""

from __future__ import annotations

import pytest

from spark.pdi.policy import Policy, coin, decide
from spark.records import Level, PdiPoint


def point(*, weight: float = 1.0, level: Level | None = None) -> PdiPoint:
    return PdiPoint(
        step=1,
        attempt=2,
        proxy_exec=0.0,
        proxy_plan=0.0,
        proxy_oss=0.0,
        raw=-1.0,
        weight=weight,
        weighted=-weight,
        triggered=level is not None,
        level=level,
    )


@pytest.mark.parametrize(
    ("policy", "injected"), [("on", "strong"), ("observe", None), ("off", None), ("always-soft", "soft"), ("random", "soft")]
)
def test_each_policy_on_a_strong_signal(policy: Policy, injected: Level | None) -> None:
    decision = decide(point(level="strong"), policy, coin=0.1)
    assert (decision.level, decision.signal) == (injected, "strong")


def test_the_coin_carries_its_odds() -> None:
    heads, tails = (decide(point(), "random", coin=value, rate=0.25, before="soft") for value in (0.2, 0.3))
    assert (heads.level, heads.propensity) == ("strong", 0.25)
    assert (tails.level, tails.propensity) == (None, 0.75)


@pytest.mark.parametrize("policy", ["random", "always-soft"])
def test_no_intervention_where_the_signal_could_not_fire(policy: Policy) -> None:
    assert decide(point(weight=0.0), policy).level is None


def test_a_certain_coin_is_no_coin() -> None:
    assert decide(point(), "random", coin=0.999, rate=1.0).propensity == 1.0
    assert decide(point(), "random", coin=0.0, rate=0.0).level is None


def test_the_coin_is_fair_and_depends_on_its_arguments_alone() -> None:
    throws = [coin(seed, task, attempt) for seed in range(10) for task in ("a", "b") for attempt in range(50)]
    assert 0.45 < sum(throws) / len(throws) < 0.55
    assert len(set(throws)) == len(throws)
    assert coin(1, "t", 2) == coin(1, "t", 2)
