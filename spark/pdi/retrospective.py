"""Retrospective PDI of finished tasks (METHOD §2; arXiv 2605.09192, eq. 1–2).

    φ_exec = ψ(commands of the winning attempt, SKILL.md)        φ_plan = ψ(all Next Strategy sections, SKILL.md)
    φ_oss  = ½·mean ψ(facts before, now) + ½·mean ψ(failed before, now)        over consecutive memos
    PDI    = z(φ_exec) − z(φ_plan) − z(φ_oss)                    population z across the tasks that have the component

Departures: what cannot be computed is None, not 0, and such a task stands outside the population of what it lacks; reflections that failed
are left out. `Choices(undefined="zero", missing="text", commands="tail8000", log="e")` gives the published convention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from spark.pdi.divergence import ALPHA, LogBase, similarity, smoothed_similarity
from spark.pdi.material import CommandsFrom, Group, Material, MemoBags, Missing, Reading
from spark.pdi.tokens import Bag, merged
from spark.records import Record

Undefined = Literal["null", "zero"]
PlanOf = Literal["joined", "mean", "last"]


class Choices(Record):
    """What METHOD leaves open. Every report names them."""

    undefined: Undefined = "null"
    commands: CommandsFrom = "all"
    missing: Missing = "drop"
    log: LogBase = "2"
    alpha: Annotated[float, Field(gt=0)] = ALPHA
    plan: PlanOf = "joined"

    def reading(self) -> Reading:
        """How texts are taken from a recording under these choices."""
        return Reading(commands=self.commands, missing=self.missing)

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.model_dump().items())


class Phi(Record):
    """The three components of one task, each in [0, 1] with log base 2; None where it cannot be computed."""

    phi_exec: float | None
    phi_plan: float | None
    phi_oss: float | None


class Scored(Phi):
    """One task in its population."""

    task: str
    folder: str
    group: Group
    memos: int
    notes: tuple[str, ...]
    z_exec: float | None
    z_plan: float | None
    z_oss: float | None
    pdi: float | None


def phi(material: Material, choices: Choices) -> Phi:
    """The components of one task."""

    def psi(x: Bag, y: Bag) -> float | None:
        compare = similarity if choices.missing == "drop" else smoothed_similarity
        return compare(x, y, alpha=choices.alpha, base=choices.log)

    skill, commands, memos = material.skill, material.commands, material.memos
    found = Phi(
        phi_exec=psi(commands, skill) if commands is not None and skill is not None else None,
        phi_plan=_plan([memo.strategy for memo in memos], skill, choices.plan, psi) if memos and skill is not None else None,
        phi_oss=_ossification(memos, psi),
    )
    if choices.undefined == "zero":
        return Phi(phi_exec=found.phi_exec or 0.0, phi_plan=found.phi_plan or 0.0, phi_oss=found.phi_oss or 0.0)
    return found


Psi = Callable[[Bag, Bag], float | None]


def _plan(strategies: Sequence[Bag], skill: Bag, plan: PlanOf, psi: Psi) -> float | None:
    if plan == "joined":
        return psi(merged(strategies), skill)
    return psi(strategies[-1], skill) if plan == "last" else _mean(psi(one, skill) for one in strategies)


def _ossification(memos: Sequence[MemoBags], psi: Psi) -> float | None:
    pairs = list(pairwise(memos))
    facts = _mean(psi(before.facts, now.facts) for before, now in pairs)
    failed = _mean(psi(before.failed, now.failed) for before, now in pairs)
    return None if facts is None or failed is None else 0.5 * facts + 0.5 * failed


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


class Label(Record):
    """What is kept of a task once its texts have been measured."""

    task: str
    folder: str
    group: Group
    memos: int
    notes: tuple[str, ...] = ()


def label_of(material: Material) -> Label:
    """The label of a task's material."""
    return Label(task=material.task, folder=material.folder, group=material.group, memos=len(material.memos), notes=material.notes)


def score(materials: Iterable[Material], choices: Choices) -> list[Scored]:
    """Every task with its φ, z and PDI, in the order given. Unsolved tasks have φ_oss at most and are in no population."""
    return in_population([(label_of(material), phi(material, choices)) for material in materials])


def in_population(measured: Sequence[tuple[Label, Phi]]) -> list[Scored]:
    """The z-scores and PDI of measured tasks."""
    inside = [label.group != "unsolved" for label, _ in measured]

    def z(values: Sequence[float | None]) -> list[float | None]:
        return z_scores([value if counts else None for value, counts in zip(values, inside, strict=True)])

    z_exec = z([one.phi_exec for _, one in measured])
    z_plan = z([one.phi_plan for _, one in measured])
    z_oss = z([one.phi_oss for _, one in measured])
    rows: list[Scored] = []
    for (label, one), e, p, o in zip(measured, z_exec, z_plan, z_oss, strict=True):
        rows.append(
            Scored(
                **label.model_dump(),
                **one.model_dump(),
                z_exec=e,
                z_plan=p,
                z_oss=o,
                pdi=None if e is None or p is None or o is None else e - p - o,
            )
        )
    return rows


def z_scores(values: Sequence[float | None]) -> list[float | None]:
    """Population z of the values that are there; 0.0 for all where they do not differ. The order of the tasks changes no digit."""
    known = [value for value in values if value is not None]
    if not known:
        return [None] * len(values)
    mean = math.fsum(known) / len(known)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
    flat = max(known) == min(known) or spread == 0.0
    return [None if value is None else 0.0 if flat else (value - mean) / spread for value in values]
