"""What is done about a point: the signal obeyed, watched, ignored, or replaced by a coin, with the odds on record.

Only randomised interventions can tell whether the signal is worth anything: a step that fired changes what comes next. So `random`
gives the same texts by a coin, and every decision carries what the signal would have done and how likely the action taken was.
"""

from __future__ import annotations

import hashlib

from spark.records import Decision, Level, PdiPoint, Policy, Share

DEFAULT_POLICY: Policy = "observe"
"""No setting of the proxy is shown to beat chance on held-out tasks (proxy.py), so what it may do has to be asked for."""


def decide(point: PdiPoint, policy: Policy, *, coin: float = 0.0, rate: Share = 0.5, before: Level | None = None) -> Decision:
    """The decision after `point`.

    `coin` lies in [0, 1) and is used by `random` alone, which injects where it falls below `rate`, at any step where the signal
    could fire.
    `before` is the level injected after the point before: under `random` an injection that follows one is strong.
    """
    eligible = bool(point.weight) and not point.missing
    if policy == "on":
        return Decision(policy=policy, level=point.level, signal=point.level, propensity=1.0)
    if policy == "always-soft" and eligible:
        return Decision(policy=policy, level="soft", signal=point.level, propensity=1.0)
    if policy == "random" and eligible:
        heads = coin < rate
        level = ("strong" if before else "soft") if heads else None
        return Decision(policy=policy, level=level, signal=point.level, propensity=rate if heads else 1.0 - rate)
    return Decision(policy=policy, level=None, signal=point.level, propensity=1.0)


def coin(seed: int, task: str, attempt: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments, so a resumed run throws the same coin."""
    digest = hashlib.sha256(f"{seed}\n{task}\n{attempt}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56
