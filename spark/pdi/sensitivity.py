"""How much each open choice of retrospective PDI matters: one alternative at a time against the choices in force."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spark.pdi.material import Material, Reading, gather
from spark.pdi.ranks import spearman
from spark.pdi.recordings import Recording
from spark.pdi.retrospective import Choices, Scored, score
from spark.pdi.tokens import Words, words
from spark.records import Record

ALPHAS = (1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 0.1, 1.0, 10.0)


def case_kept(text: str) -> list[str]:
    r"""`\w+` of the text as it is."""
    return re.findall(r"\w+", text)


def spaced(text: str) -> list[str]:
    """Whatever stands between white space, lower-cased."""
    return text.lower().split()


def letters(text: str) -> list[str]:
    """Runs of letters, lower-cased: no numbers, no underscores."""
    return re.findall(r"[^\W\d_]+", text.lower())


def name_parts(text: str) -> list[str]:
    """The parts of snake_case and camelCase names, lower-cased."""
    return letters(re.sub(r"([a-z])([A-Z])", r"\1 \2", text))


def trigrams(text: str) -> list[str]:
    """Every three characters of each word."""
    return [word[at : at + 3] for word in words(text) for at in range(max(1, len(word) - 2))]


TOKENIZERS: dict[str, Words] = {
    "case kept": case_kept,
    "white space": spaced,
    "letters": letters,
    "parts of names": name_parts,
    "trigrams": trigrams,
}


@dataclass(frozen=True, slots=True)
class Alternative:
    """One choice changed."""

    name: str
    choices: Choices
    words: Words = words


class Shift(Record):
    """What one alternative does to the ranking and the values; over tasks that have the value both ways."""

    alternative: str
    tasks: int
    """Tasks with a PDI under the alternative."""
    compared: int
    rank_exec: float | None
    """Spearman's rank correlation with the values under the choices in force."""
    rank_plan: float | None
    rank_oss: float | None
    rank_pdi: float | None
    sign_flips: int
    largest_shift: float | None
    """Of any task's PDI, in standard deviations of its components."""
    largest_task: str


def alternatives(base: Choices) -> list[Alternative]:
    """Every alternative to `base`, one change each."""

    def other(name: str, **change: object) -> Alternative:
        return Alternative(name, Choices.model_validate(base.model_dump() | change))

    found = [other(f"log {log}", log=log) for log in ("2", "e") if log != base.log]
    found += [other(f"α {alpha:g}", alpha=alpha) for alpha in ALPHAS if alpha != base.alpha]
    found += [Alternative(f"words: {name}", base, tokenizer) for name, tokenizer in TOKENIZERS.items()]
    found += [other(f"commands {which}", commands=which) for which in ("all", "tail8000") if which != base.commands]
    found += [other(f"plan {which}", plan=which) for which in ("joined", "mean", "last") if which != base.plan]
    found += [other(f"failed reflections {which}", missing=which) for which in ("drop", "text") if which != base.missing]
    found += [other(f"undefined {which}", undefined=which) for which in ("null", "zero") if which != base.undefined]
    return found


def sensitivity(recordings: Sequence[Recording], base: Choices) -> list[Shift]:
    """The shift under every alternative."""
    gathered: dict[Reading, list[Material]] = {}

    def scored(alternative: Alternative) -> list[Scored]:
        choices = alternative.choices
        how = Reading(commands=choices.commands, missing=choices.missing, words=alternative.words)
        if how not in gathered:
            gathered[how] = [gather(recording, how) for recording in recordings]
        return [one for one in score(gathered[how], choices) if one.group != "unsolved"]

    reference = scored(Alternative("", base))
    return [_shift(one.name, reference, scored(one)) for one in alternatives(base)]


def _shift(name: str, before: Sequence[Scored], after: Sequence[Scored]) -> Shift:
    both = list(zip(before, after, strict=True))
    pdi = [(a.task, a.pdi, b.pdi) for a, b in both if a.pdi is not None and b.pdi is not None]
    task, largest = max(((task, abs(b - a)) for task, a, b in pdi), key=lambda pair: pair[1], default=("", None))
    return Shift(
        alternative=name,
        tasks=sum(one.pdi is not None for one in after),
        compared=len(pdi),
        rank_exec=_rank([(a.phi_exec, b.phi_exec) for a, b in both]),
        rank_plan=_rank([(a.phi_plan, b.phi_plan) for a, b in both]),
        rank_oss=_rank([(a.phi_oss, b.phi_oss) for a, b in both]),
        rank_pdi=_rank([(a, b) for _, a, b in pdi]),
        sign_flips=sum((a > 0) != (b > 0) for _, a, b in pdi),
        largest_shift=largest,
        largest_task=task,
    )


def _rank(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    return spearman([(a, b) for a, b in pairs if a is not None and b is not None])
