"""The author: evidence → SKILL.md, or no skill. One call and at most two repairs; what ships has passed every rule.

A draft is refused for: no usable completion, a break of the specification or a suspicion of harm (spark/skills, warnings included), an
answer of this instance, or nothing in it that rests on evidence. Claims without a citation, or with one that does not exist, are sent back
once; if they come again they are kept on record in the provenance instead.

The skill's name is the scribe's, as long as it is valid and no answer: the kind of task is for the scribe to name, and a name made from the
task's own would tie the skill to this instance. An invalid one is a problem like any other. Of the other keys none is taken over:
a licence is not the scribe's to give, and `allowed-tools` would grant rights.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Self

from pydantic import model_validator

from spark.distill.answers import instance_answers, leaks
from spark.distill.evidence import evidence_markdown
from spark.distill.provenance import Extracted, extract
from spark.errors import BadCompletion, ContextOverflow, CutOffCompletion, SkillError
from spark.models.base import Message, Model
from spark.prompts import render
from spark.records import Evidence, Provenance, Record, Task
from spark.skills import Skill, parse_skill, problems
from spark.skills.markdown import fence_around, read_page
from spark.skills.rules import MAX_LINES

__all__ = ["Authored", "instance_answers", "write_skill"]

DRAFTS = 3
SKILL_TOKENS = 16_000
"""A skill has fewer than 5,000; the rest is for marks and for models that think aloud."""
MAX_WORDS = 2_500
"""What the scribe is asked for: about 4,000 tokens, so that a little more still passes."""
_DRAFT_CHARS = 40_000
_MAX_PROBLEMS = 40


class Authored(Record):
    """A skill and its provenance, or neither, and then what was wrong with the last draft."""

    skill: Skill | None = None
    provenance: Provenance | None = None
    problems: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.skill is None) != (self.provenance is None) or (self.skill is None) != bool(self.problems):
            raise ValueError("a skill comes with its provenance, or there are problems instead")
        return self


class _Judged(NamedTuple):
    sound: tuple[Skill, Extracted] | None
    """What can ship; None if anything in `faults` forbids it."""
    faults: list[str]
    uncited: list[str]
    """What is wrong with its citations."""


def write_skill(
    scribe: Model,
    task: Task,
    evidence: Evidence,
    *,
    answers: frozenset[str],
    run: str,
    on_refused: Callable[[tuple[str, ...], bool], None],
) -> Authored:
    """The skill that the scribe distils from the evidence.

    `answers` are this instance's (`instance_answers`), `run` goes into the provenance. `on_refused` hears what was wrong with each refused
    draft and whether it was the last.

    Raises:
        ModelError: the endpoint failed. A completion that is bad or cut off is a refused draft instead; evidence that does not fit the
            model ends the matter, for asking again cannot help.
    """
    wrong: tuple[str, ...] = ()
    repair = ""
    spare: tuple[Skill, Extracted] | None = None  # sound, and back for its citations alone: ships if nothing better comes
    sent_back = False
    for turn in range(1, DRAFTS + 1):
        last = turn == DRAFTS
        try:
            draft, failure = _draft(scribe, _question(task, evidence, repair))
        except ContextOverflow as error:
            wrong = (f"the evidence does not fit the model: {error.message}",)
            on_refused(wrong, spare is None)
            break
        judged = _Judged(None, [failure], []) if failure else _judge(draft, evidence, answers)
        spare = judged.sound or spare
        if judged.sound and (sent_back or last or not judged.uncited):
            break
        wrong = tuple((judged.faults + judged.uncited)[:_MAX_PROBLEMS])
        sent_back = sent_back or bool(judged.uncited)
        on_refused(wrong, last and spare is None)
        repair = "\n\n" + render("skill-repair", problems="\n".join(f"- {problem}" for problem in wrong), draft=_shown(draft))
    if spare is None:
        return Authored(problems=wrong)
    skill, extracted = spare
    return Authored(skill=skill, provenance=_provenance(task, run, skill, extracted))


def _question(task: Task, evidence: Evidence, repair: str) -> list[Message]:
    shown = evidence_markdown(evidence).strip()
    return [
        Message(role="system", content=render("skill-author", max_lines=str(MAX_LINES), max_words=str(MAX_WORDS))),
        Message(role="user", content=render("skill-evidence", task=task.name, last=evidence.items[-1].id, evidence=shown, repair=repair)),
    ]


def _draft(scribe: Model, question: list[Message]) -> tuple[str, str]:
    """What came back, and why it is no draft at all (empty if it is one)."""
    try:
        return scribe.complete(question, max_tokens=SKILL_TOKENS).text, ""
    except CutOffCompletion as error:
        return error.text, f"the answer was cut off at its limit of {SKILL_TOKENS} tokens: write a shorter file"
    except BadCompletion as error:
        return "", f"there was no usable answer: {error.message}"


def _judge(draft: str, evidence: Evidence, answers: frozenset[str]) -> _Judged:
    text = _unwrapped(draft)
    try:
        read = parse_skill(text)
    except SkillError as error:
        return _Judged(None, problems(text, strict=True) or [error.message], [])
    marked = Skill(name=read.name, description=" ".join(read.description.split()), body=read.body)
    extracted = extract(marked.text(), evidence)
    clean = parse_skill(extracted.text)
    shipped = clean.text()
    faults = problems(shipped, name=clean.name, files={"SKILL.md"}, strict=True)
    faults += [f"line {leak.line}: {leak.found!r} is an answer of this instance: say how to find it" for leak in leaks(shipped, answers)]
    if not extracted.claims:
        faults.append("nothing in the file cites an item of the evidence")
    uncited = [f"{claim!r} cites no item of the evidence" for claim in extracted.uncited]
    uncited += [f"the cited item {item} does not exist" for item in extracted.unknown]
    return _Judged(None if faults else (clean, extracted), faults, uncited)


def _unwrapped(draft: str) -> str:
    """The file without a fence around all of it and without blank lines before it."""
    text = draft.replace("\r\n", "\n").strip() + "\n"
    wrapped = re.match(r"```(?:markdown|md|yaml|text)?[ \t]*\n(?=---\n)", text)
    if not wrapped:
        return text
    inner = text[wrapped.end() :].rstrip()
    last = read_page(inner).fences[-1:]
    closes = bool(last) and last[0].last is None and inner.endswith("\n```")
    return inner.removesuffix("```").rstrip() + "\n" if closes else inner + "\n"


def _shown(draft: str) -> str:
    """The draft as a block it cannot break out of; of a monstrous one the beginning."""
    if not draft.strip():
        return "(there is none)"
    text = draft.strip()
    cut = f"\n[… {len(text) - _DRAFT_CHARS} characters left out …]" if len(text) > _DRAFT_CHARS else ""
    return fence_around(text[:_DRAFT_CHARS] + cut, "markdown")


def _provenance(task: Task, run: str, skill: Skill, extracted: Extracted) -> Provenance:
    return Provenance(
        task=task.name,
        run=run,
        skill_digest=skill.digest,
        claims=extracted.claims,
        uncited=extracted.uncited,
        unknown=extracted.unknown,
    )
