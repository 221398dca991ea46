"""The fixed population that `scale=reference` measures against: reference.json beside this file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from pydantic import Field

from spark.records import Record


class Spread(Record):
    """One component over the recorded steps."""

    mean: float
    std: float = Field(gt=0)
    """Population standard deviation."""
    n: int = Field(ge=2)


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


def reference(method: str) -> Reference:
    """The population of `method`, one of `token_overlap` and `js_divergence`."""
    return reference_file().token_overlap if method == "token_overlap" else reference_file().js_divergence
