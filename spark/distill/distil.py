"""After success: evidence, skill, provenance, each on disk; or no skill, said so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spark.distill.author import Authored, instance_answers, write_skill
from spark.distill.evidence import build_evidence, evidence_markdown
from spark.events import SkillRefused, SkillWritten, Trimmed
from spark.records import Attempt, Task
from spark.skills import Skill
from spark.store import EVIDENCE_FILE, SKILL_FILE, TaskDir

if TYPE_CHECKING:
    from spark.distill.loop import Shop

Patiently = Callable[[int, Callable[[], Authored]], Authored]


def distil(shop: Shop, task: Task, place: TaskDir, attempts: list[Attempt], patiently: Patiently) -> Skill | None:
    """The skill of a solved task, written with its evidence and provenance; None if every draft was refused.

    Raises:
        ModelError: the endpoint failed for good. BudgetError, Cancelled: the run was stopped.
    """
    winner = attempts[-1]
    folder = place.attempt(winner.number)
    evidence, trims = build_evidence(task, attempts, (Path(task.path) / "environment" / "Dockerfile").read_text(errors="replace"))
    for trim in trims:
        shop.emit(Trimmed(task=task.name, attempt=winner.number, what=trim.what, kept_chars=trim.kept, dropped_chars=trim.dropped))
    place.write("evidence.md", evidence_markdown(evidence))
    place.write(EVIDENCE_FILE, evidence.model_dump_json(indent=1))
    authored = patiently(
        winner.number,
        lambda: write_skill(
            shop.crew.scribe("skill", task, winner.number, folder),
            task,
            evidence,
            answers=instance_answers(task, folder.final_outputs()),
            run=shop.run,
            on_refused=lambda problems, final: shop.emit(SkillRefused(task=task.name, problems=problems, final=final)),
        ),
    )
    if authored.skill is None or authored.provenance is None:
        return None
    skill, provenance = authored.skill, authored.provenance
    place.write(SKILL_FILE, skill.text())
    place.write("provenance.json", provenance.model_dump_json(indent=1))
    shop.emit(
        SkillWritten(task=task.name, name=skill.name, digest=skill.digest, claims=len(provenance.claims), uncited=len(provenance.uncited))
    )
    return skill
