"""The online proxy of PDI: after each reflection, does the next plan still rest on what was seen? (arXiv 2605.09192, alg. 1)

After the reflection of 0-based step k, with the commands c, the memo's facts and strategy, and the failed checks:

    exec = sim(c → facts)    plan = sim(strategy before, strategy now)    oss = ½ sim(facts before, now) + ½ sim(failed before, now)
    raw  = z(exec) − z(plan) − z(oss)         at the first observation: exec − plan − oss, with plan = oss = 0
    d    = min(1, k/W) · raw                  fires iff k ≥ 1 and d < τ; strong iff the step before fired, else soft

Departures, none of which holds under `rules="released"`:

1. k counts the observations, not the attempts: an attempt whose reflection failed adds nothing to warm up on.
2. A missing observation has no scores and enters no history. The next step is compared with the last real one, and "the step before"
   for soft or strong is the last real one too: a failed reflection does not undo the warning that was given before it.
3. A text without words is like nothing: sim = 0, as in `token_overlap` (smoothing gives ψ ≈ 0.96 with anything).
4. Equal texts of one word have ψ = 1 (released: 0).
5. d within 1e-9 of τ is a tie and does not fire (with two values z is ±1 up to rounding, and d = −0.5 is common).

The defaults. On the 15 released runs at hand (22 steps with a next attempt, 15 of them without progress, 7 tasks; `spark pdi calibrate`):
AUC of −d for "the next attempt brings no progress", 95 % interval over tasks, on tasks the reference population was not taken from; and
the shares of all steps and of the steps right before a solution at which it fires with τ = −0.5:

    token_overlap  running    .352 [.02, .72]    .79  .75        js_divergence  running    .424 [.05, .74]    .79  .75
    token_overlap  reference  .514 [.00, .89]    .42  .50        js_divergence  reference  .648 [.08, .95]    .29  .25

The reference scale is continuous from the second observation on and fires half as often; ψ sees counts where a Jaccard index sees sets. So
the default is js_divergence against the reference. No setting is shown to beat chance (nor is any plain signal: attempts used up, reward,
repeated failures, novelty of commands, change of the memo, or all together), so what the signal may do is `observe` by default.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from spark.pdi.divergence import similarity
from spark.pdi.reference import reference
from spark.pdi.released import released_similarity
from spark.pdi.tokens import EMPTY, Bag, bag
from spark.pdi.zscore import newest_z
from spark.records import PdiPoint, Record

Method = Literal["token_overlap", "js_divergence"]
Scale = Literal["running", "reference"]
Rules = Literal["ours", "released"]

DEFAULT_METHOD: Method = "js_divergence"
DEFAULT_SCALE: Scale = "reference"
TAU = -0.5
WARMUP = 2
TIE = 1e-9


class Observation(Record):
    """What the proxy sees of one failed attempt and the reflection on it."""

    attempt: int
    commands: str
    facts: str
    """The memo's Verified Facts."""
    strategy: str
    """The memo's Next Strategy."""
    failed: tuple[str, ...] = ()
    """Names of the failed checks."""


@dataclass(frozen=True, slots=True)
class _Seen:
    facts: Bag = EMPTY
    strategy: Bag = EMPTY
    failed: Bag = EMPTY
    names: frozenset[str] = frozenset()


class Proxy:
    """The state of one task's proxy. Feeding the same observations again, in order, gives the same points and the same state."""

    def __init__(self, *, method: Method, scale: Scale, tau: float = TAU, warmup: int = WARMUP, rules: Rules = "ours") -> None:
        """`tau` is a threshold on d (below fires), `warmup` the W above in steps, at least 1."""
        self.method: Method = method
        self.scale: Scale = scale
        self.tau = tau
        self.warmup = warmup
        self.rules: Rules = rules
        self.next_step = 0
        """The number the next step gets; recordings whose count is off set it."""
        self.population = reference(method)
        """What `scale="reference"` measures against; calibration on held-out tasks sets its own."""
        self._before: _Seen | None = None
        self._values: tuple[list[float], list[float], list[float]] = ([], [], [])
        self._fired = False

    def step(self, observation: Observation) -> PdiPoint:
        """The point of an attempt that was reflected on."""
        commands = bag(observation.commands)
        now = _Seen(
            facts=bag(observation.facts),
            strategy=bag(observation.strategy),
            failed=bag(" ".join(observation.failed)),
            names=frozenset(observation.failed),
        )
        scores = self._components(commands, now)
        for values, score in zip(self._values, scores, strict=True):
            values.append(score)
        raw = self._raw(scores)
        number = self.next_step
        k = number if self.rules == "released" else len(self._values[0]) - 1
        weight = min(1.0, k / self.warmup)
        weighted = weight * raw
        fired = k >= 1 and weighted < (self.tau if self.rules == "released" else self.tau - TIE)
        level = ("strong" if self._fired else "soft") if fired else None
        self._before, self._fired, self.next_step = now, fired, number + 1
        return PdiPoint(
            step=number,
            attempt=observation.attempt,
            proxy_exec=scores[0],
            proxy_plan=scores[1],
            proxy_oss=scores[2],
            raw=raw,
            weight=weight,
            weighted=weighted,
            triggered=fired,
            level=level,
        )

    def missing(self, attempt: int, why: str) -> PdiPoint:
        """The point of an attempt whose reflection failed: no scores, `why` on record, the state unchanged but for the step's number."""
        number = self.next_step
        self.next_step = number + 1
        return PdiPoint(
            step=number,
            attempt=attempt,
            proxy_exec=None,
            proxy_plan=None,
            proxy_oss=None,
            raw=None,
            weight=None,
            weighted=None,
            missing=why,
        )

    def follow(self, texts: tuple[str, str, tuple[str, ...]] | None) -> None:
        """Compare the next step with these facts, strategy and failed checks, or with nothing: for recordings in which it did not follow
        the step before."""
        if texts is None:
            self._before = None
            return
        facts, strategy, failed = texts
        self._before = _Seen(bag(facts), bag(strategy), bag(" ".join(failed)), frozenset(failed))

    def _components(self, commands: Bag, now: _Seen) -> tuple[float, float, float]:
        before = self._before
        if self.method == "token_overlap":
            known = now.facts.counts.keys()
            grounded = len(commands.counts.keys() & known) / len(known) if known else 0.0
            if before is None:
                return grounded, 0.0, 0.0
            facts, failed = _jaccard(before.facts.counts.keys(), known), _jaccard(before.names, now.names)
            return grounded, _jaccard(before.strategy.counts.keys(), now.strategy.counts.keys()), 0.5 * facts + 0.5 * failed
        grounded = self._psi(commands, now.facts) if now.facts.total else 0.0
        if before is None:
            return grounded, 0.0, 0.0
        facts, failed = self._psi(before.facts, now.facts), self._psi(before.failed, now.failed)
        return grounded, self._psi(before.strategy, now.strategy), 0.5 * facts + 0.5 * failed

    def _psi(self, x: Bag, y: Bag) -> float:
        if self.rules == "released":
            return released_similarity(x, y)
        return similarity(x, y) or 0.0

    def _raw(self, scores: tuple[float, float, float]) -> float:
        if len(self._values[0]) == 1:
            z = scores
        elif self.scale == "running":
            z = tuple(newest_z(values) for values in self._values)
        else:
            z = self.population.z(scores)
        return z[0] - z[1] - z[2]


def _jaccard(x: Set[str], y: Set[str]) -> float:
    union = len(x | y)
    return len(x & y) / union if union else 0.0
