"""SKILL.md: parse, check against the specification, scan, write, install."""

from spark.skills.install import PLACES, Installed, install, place
from spark.skills.rules import Finding, findings, problems
from spark.skills.skill import Skill, parse_skill

__all__ = ["PLACES", "Finding", "Installed", "Skill", "findings", "install", "parse_skill", "place", "problems"]
