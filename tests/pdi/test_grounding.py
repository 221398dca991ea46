"""Grounding of claims: by hand, and on recorded skills into which lines were planted."""

from __future__ import annotations

import json
import random

from recorded_runs import RUNS, needs_runs
from typer.testing import CliRunner

from spark.cli.pdi import app
from spark.pdi.grounding import Basis, Grounded, Item, claims, content_words, evidence_items, ground
from spark.pdi.material import skill_text
from spark.pdi.recordings import Recording, find, read
from spark.pdi.tokens import words

UNFOUNDED: tuple[Basis, ...] = ("nowhere", "planned")
PLANTED = 60

ITEMS = [
    Item(id="c1", basis="executed", text="python3 convert.py --scale 0.001 part.stl"),
    Item(id="o1", basis="seen", text="volume 12.5 watertight True"),
    Item(id="v1", basis="verified", text="✓ test_mass_within_tolerance"),
    Item(id="p1", basis="planned", text="try the marching cubes algorithm on a voxel grid"),
]


def bases(skill: str) -> list[Basis]:
    return [one.basis for one in ground(skill, ITEMS)]


def test_each_basis_by_hand() -> None:
    skill = """---
name: stl
description: weigh parts by converting them
---
# Convert the part first
Run `convert.py --scale 0.001` on the part.
The mesh is watertight, its volume is 12.5.
The check test_mass_within_tolerance must pass.
Use marching cubes on a voxel grid.
Multiply by the density of titanium alloy.
"""
    assert bases(skill) == ["executed", "seen", "verified", "planned", "nowhere"]
    assert [line for line, _ in claims(skill)] == [6, 7, 8, 9, 10]


def test_code_is_a_claim_and_its_comments_are_not_headings() -> None:
    assert claims("```bash\n# convert the part\npython3 convert.py part\n```\n# Convert the part\n") == [
        (2, "# convert the part"),
        (3, "python3 convert.py part"),
    ]


def test_quoted_code_is_what_counts() -> None:
    assert content_words("Then always look at `convert.py --scale` with care") == {"convert", "py", "scale"}


def test_no_evidence_supports_nothing() -> None:
    (one,) = ground("Multiply by the density.", [])
    assert (one.basis, one.support, one.item) == ("nowhere", 0.0, "")


def recorded() -> dict[str, tuple[Recording, str]]:
    found: dict[str, tuple[Recording, str]] = {}
    for folder in find([RUNS]):
        recording, skill = read(folder), skill_text(folder, [])
        if skill and any(past.ran for past in recording.attempts):
            found[recording.task] = recording, skill
    return found


def flagged(grounded: list[Grounded]) -> int:
    return sum(one.basis in UNFOUNDED for one in grounded)


@needs_runs
def test_planted_lines_are_found_and_quoted_ones_are_not_accused() -> None:
    rng = random.Random(3)
    runs = recorded()
    planted = accused = found = quoted = own = own_flagged = 0
    for task, (recording, skill) in runs.items():
        items = evidence_items(recording)
        mine = {text for _, text in claims(skill)}
        foreign = [text for other, (_, theirs) in runs.items() if other != task for _, text in claims(theirs) if text not in mine]
        ran = [one.command for past in recording.attempts for one in past.ran]
        telling = [line.strip()[:100] for command in ran for line in command.splitlines() if len(set(words(line))) > 3]
        false_lines = ground("\n".join(rng.sample(foreign, PLANTED)), items)
        true_lines = ground("\n".join(f"Run `{line}` and look at what it prints." for line in rng.sample(telling, PLANTED)), items)
        lines = ground(skill, items)
        planted, found = planted + len(false_lines), found + flagged(false_lines)
        quoted, accused = quoted + len(true_lines), accused + flagged(true_lines)
        own, own_flagged = own + len(lines), own_flagged + flagged(lines)
    recall, precision = found / planted, found / (found + accused)
    assert (round(recall, 2), round(precision, 2), round(own_flagged / own, 2)) == (0.93, 1.0, 0.39)


@needs_runs
def test_explain_marks_every_claim() -> None:
    answer = CliRunner().invoke(app, ["explain", str(RUNS / "lean4-proof"), "--json"])
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {row["basis"] for row in rows} == {"executed", "seen", "verified", "planned", "nowhere"}
    assert "executed" in answer.stderr and "nowhere" in answer.stderr
