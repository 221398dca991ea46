"""What each claim of a skill rests on, line by line: beyond bags of words, the overlap with single pieces of evidence.

A claim is a line of SKILL.md that says something. Its weight is the sum over its distinct words of ln(1 + N/df), so words that stand in all
evidence count little; words that carry grammar and no content do not count; where a line quotes code, only the code counts. An item of
evidence supports a claim if it holds at least 0.4 of that weight. Items are twenty lines at most, overlapping by ten: a whole script would
hold the words of anything.

On ten recorded runs, 60 lines planted in each: of lines taken from other tasks' skills 93 % are marked as resting on nothing or on a
plan alone (recall), and of all planted lines so marked, quotes of the winning run among them, 99.8 % are of that kind (precision). Of the
skills' own lines 39 % are so marked: much of them is advice that nothing on record bears out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from spark.pdi.memos import STRATEGY, is_event_dump, recover, section
from spark.pdi.recordings import Recording
from spark.pdi.streams import is_json_only
from spark.pdi.tokens import words
from spark.records import Record

Basis = Literal["executed", "seen", "verified", "planned", "nowhere"]
SUPPORTED = 0.4
"""Least share of a claim's word weight that an item must hold to support it; chosen on the recorded runs."""
FEWEST_WORDS = 3
"""A line with fewer distinct words makes no claim."""
WINDOW_LINES = 20
LARGEST_OUTPUT_CHARS = 20_000
"""Of one command's output, taken as evidence."""
_FEWEST_QUOTED = 2
_UNSEEN = 0.5
"""df of a word that no evidence holds."""
_GRAMMAR = frozenset(
    words(
        """
        a all also always an and any are as at be before but by can check could did do does each ensure every first for from had has have
        how if in into is it its make may must never no not of on once one only or should so such sure than that the their them then there
        these they this to use used using via was were what when where which while will with without would you your
        """
    )
)
_ORDER: tuple[Basis, ...] = ("executed", "seen", "verified", "planned")


class Item(Record):
    """One piece of evidence."""

    id: str
    basis: Basis
    text: str


class Grounded(Record):
    """One claim and its best support."""

    line: int
    """From 1."""
    text: str
    basis: Basis
    support: float
    """Share of the claim's word weight that the best item of `basis` holds; of the best item anywhere where the basis is nowhere."""
    item: str
    """That item's id."""


def evidence_items(recording: Recording) -> list[Item]:
    """All evidence of a recording: what the solving attempt ran and saw, the recorded commands of the others, test summaries, plans."""
    found: list[Item] = []

    def add(basis: Basis, name: str, text: str) -> None:
        found.extend(Item(id=f"{name}:{start}", basis=basis, text=part) for start, part in _windows(text))

    for past in recording.attempts:
        for number, one in enumerate(past.ran, 1):
            add("executed", f"attempt {past.attempt} command {number}", one.command)
            add("seen", f"attempt {past.attempt} output {number}", one.output[:LARGEST_OUTPUT_CHARS])
        if not past.ran and not is_json_only(past.commands):
            add("executed", f"attempt {past.attempt} commands", past.commands)
        add("verified", f"attempt {past.attempt} checks", past.summary)
        if past.memo:
            memo = recover(past.memo)[0] if is_event_dump(past.memo) else past.memo
            add("planned", f"attempt {past.attempt} plan", section(memo, STRATEGY))
    return found


def _windows(text: str) -> list[tuple[int, str]]:
    """Overlapping pieces of a text with the number of their first line, from 1; blank lines are left out."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    starts = range(0, max(1, len(lines) - WINDOW_LINES // 2), WINDOW_LINES // 2)
    return [(lines[at][0], "\n".join(line for _, line in lines[at : at + WINDOW_LINES])) for at in starts] if lines else []


def content_words(text: str) -> frozenset[str]:
    """The words a claim is judged by: those of its quoted code if it quotes any, else all but grammar."""
    quoted = frozenset(words(" ".join(re.findall(r"`([^`]+)`", text)))) - _GRAMMAR
    return quoted if len(quoted) >= _FEWEST_QUOTED else frozenset(words(text)) - _GRAMMAR


def claims(skill: str) -> list[tuple[int, str]]:
    """The lines of a skill that say something, with their numbers from 1: neither front matter, headings, fences nor rules."""
    lines = skill.splitlines()
    start = 0
    if lines and lines[0].strip() == "---":
        start = next((number for number, line in enumerate(lines[1:], 2) if line.strip() == "---"), 0)
    found: list[tuple[int, str]] = []
    in_code = False
    for number, line in enumerate(lines[start:], start + 1):
        text = line.strip()
        if text.startswith("```"):
            in_code = not in_code
        elif (in_code or not re.match(r"#{1,6} ", text)) and len(set(words(text))) >= FEWEST_WORDS and content_words(text):
            found.append((number, text))
    return found


def ground(skill: str, items: Iterable[Item]) -> list[Grounded]:
    """Every claim of a skill with the strongest basis that supports it, in the order executed, seen, verified, planned, nowhere."""
    evidence = _Evidence(list(items))
    return [evidence.grounded(number, text) for number, text in claims(skill)]


class _Evidence:
    """The items by the words they hold."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.holders: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            for word in frozenset(words(item.text)):
                self.holders.setdefault(word, []).append(place)

    def weight(self, word: str) -> float:
        return math.log1p(len(self.items) / (len(self.holders.get(word, ())) or _UNSEEN))

    def grounded(self, number: int, text: str) -> Grounded:
        weights = [(word, self.weight(word)) for word in sorted(content_words(text))]
        total = math.fsum(weight for _, weight in weights) or 1.0
        held: dict[int, float] = {}
        for word, weight in weights:
            for place in self.holders.get(word, ()):
                held[place] = held.get(place, 0.0) + weight / total
        best: dict[Basis, int] = {}
        for place, share in sorted(held.items()):
            basis = self.items[place].basis
            if basis not in best or share > held[best[basis]]:
                best[basis] = place
        for basis in _ORDER:
            if basis in best and held[best[basis]] >= SUPPORTED:
                return self._of(number, text, basis, held, best[basis])
        nearest = max(best.values(), key=held.__getitem__, default=None)
        return self._of(number, text, "nowhere", held, nearest)

    def _of(self, number: int, text: str, basis: Basis, held: Mapping[int, float], place: int | None) -> Grounded:
        item = "" if place is None else self.items[place].id
        return Grounded(line=number, text=text, basis=basis, support=0.0 if place is None else min(1.0, held[place]), item=item)
