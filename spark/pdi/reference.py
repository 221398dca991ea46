"""The fixed population that `scale=reference` measures against: reference.json beside this file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from pydantic import Field

from spark.records import PdiPoint, Record

_FEWEST = 2


class Spread(Record):
    """One component over the recorded steps."""

    mean: float
    std: float = Field(gt=0)
    """Population standard deviation."""
    n: int = Field(ge=_FEWEST)


class Reference(Record):
    """The three components of one method."""

    proxy_exec: Spread
    proxy_plan: Spread
    proxy_oss: Spread

    def z(self, scores: tuple[float, float, float]) -> tuple[float, float, float]:
        """exec, plan and oss in standard deviations from their recorded means."""
        first, second, third = (
            (score - spread.mean) / spread.std
            for score, spread in zip(scores, (self.proxy_exec, self.proxy_plan, self.proxy_oss), strict=True)
        )
        return first, second, third


class ReferenceFile(Record):
    """reference.json."""

    origin: str
    """Which runs the numbers were computed from."""
    token_overlap: Reference
    js_divergence: Reference


@cache
def reference_file() -> ReferenceFile:
    """The numbers shipped with the package."""
    return ReferenceFile.model_validate_json(files("spark.pdi").joinpath("reference.json").read_bytes())


def population(tasks: Iterable[Sequence[PdiPoint]]) -> Reference | None:
    """The spread of the components over the points of many tasks: exec at every step, plan and oss at steps with a memo before.

    None if any of them has fewer than two values or does not vary. Points that are missing are left out.
    """
    columns: tuple[list[float], list[float], list[float]] = ([], [], [])
    for points in tasks:
        real = [point for point in points if not point.missing]
        columns[0].extend(point.proxy_exec or 0.0 for point in real)
        columns[1].extend(point.proxy_plan or 0.0 for point in real[1:])
        columns[2].extend(point.proxy_oss or 0.0 for point in real[1:])
    spreads = [_spread(values) for values in columns]
    first, second, third = spreads
    return Reference(proxy_exec=first, proxy_plan=second, proxy_oss=third) if first and second and third else None


def _spread(values: Sequence[float]) -> Spread | None:
    if len(values) < _FEWEST or max(values) == min(values):
        return None
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return Spread(mean=mean, std=std, n=len(values)) if std else None


def reference(method: str) -> Reference:
    """The population of `method`, one of `token_overlap` and `js_divergence`."""
    return reference_file().token_overlap if method == "token_overlap" else reference_file().js_divergence
