"""What the agent is told when the proxy fires. It never sees a score or the name of the measure (METHOD §3)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from spark.records import Level


@cache
def intervention_text(level: Level) -> str:
    """The Markdown that stands beside the memo at this level (`spark/prompts/pdi-soft.md`, `pdi-strong.md`)."""
    return files("spark.prompts").joinpath(f"pdi-{level}.md").read_text(encoding="utf-8").strip()


def drops_strategy(level: Level | None) -> bool:
    """Whether the injected copy of the memo loses its Next Strategy and its closing line points at Verified Facts and Current Error
    Pattern instead. The stored memo keeps the section."""
    return level == "strong"
