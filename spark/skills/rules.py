"""What a SKILL.md must hold to: one small rule per demand, in one table.

An `error` breaks a public validator, misleads an agent or does harm for certain; a `warning` is a suspicion or a recommendation. What this
package writes itself is held to both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from spark.records import Record
from spark.skills import ending, scan
from spark.skills.front import Front, read_front
from spark.skills.markdown import Page, read_page

Severity = Literal["error", "warning"]
Found = tuple[int, str]
"""A line, counted from 1, and what is wrong there."""

MAX_NAME = 64
MAX_DESCRIPTION = 1024
MAX_COMPATIBILITY = 500
MAX_LINES = 500
MAX_TOKENS = 5_000
BYTES_PER_TOKEN = 4
"""A rough measure of UTF-8 text for any tokenizer; hence only a warning."""
FINDINGS_PER_RULE = 20
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_RESERVED = re.compile(r"claude|anthropic", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:when(?:ever)?|if|while|use (?:for|to|in|on|with|this|it|before|after)|used? (?:for|to|by)|for (?:tasks|any|work|jobs)|applies|"
    r"needs? to|asks? (?:to|for)|asked to|helps)\b",
    re.IGNORECASE,
)


class Finding(Record):
    """One thing that is wrong with a skill."""

    severity: Severity
    rule: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message} [{self.rule}]"


@dataclass(frozen=True)
class Draft:
    """A SKILL.md as the rules see it."""

    text: str
    front: Front
    page: Page
    """The body alone; its lines are numbered as in the file."""
    folder: str | None
    files: Collection[str] | None
    """Paths in the skill's folder; None if not known."""

    def value(self, key: str) -> Iterator[tuple[int, str]]:
        """Line and text of a key, if it is there."""
        if key in self.front.values:
            yield self.front.lines[key], self.front.values[key]


Check = Callable[[Draft], Iterable[Found]]


class Rule(NamedTuple):
    """A demand and how to see that it is not met."""

    name: str
    severity: Severity
    check: Check


def _front_matter(draft: Draft) -> Iterable[Found]:
    return draft.front.problems


def _required(draft: Draft) -> Iterable[Found]:
    missing = [key for key in ("name", "description") if key not in draft.front.lines]
    return [(1, f"the front matter has no {key!r}") for key in missing if not draft.front.problems or draft.front.lines]


def _name(draft: Draft) -> Iterable[Found]:
    for line, name in draft.value("name"):
        if not _NAME.fullmatch(name):
            yield line, f"wanted a name of a-z, 0-9 and single hyphens inside, found {name!r}"
        if len(name) > MAX_NAME:
            yield line, f"the name has {len(name)} characters, at most {MAX_NAME} are allowed"


def _folder(draft: Draft) -> Iterable[Found]:
    for line, name in draft.value("name"):
        if draft.folder is not None and name != draft.folder:
            yield line, f"the name is {name!r}, but the folder is called {draft.folder!r}"


def _description(draft: Draft) -> Iterable[Found]:
    for line, text in draft.value("description"):
        if not text.strip():
            yield line, "the description is empty"
        if len(text) > MAX_DESCRIPTION:
            yield line, f"the description has {len(text)} characters, at most {MAX_DESCRIPTION} are allowed"


def _when(draft: Draft) -> Iterable[Found]:
    for line, text in draft.value("description"):
        if text.strip() and (len(text.split()) < 6 or not _WHEN.search(text)):
            yield line, "the description should say what the skill does and when to use it ('Use when …')"


def _angles(draft: Draft) -> Iterable[Found]:
    for key, text in [*draft.front.values.items(), *(("metadata", value) for value in draft.front.metadata.values())]:
        if "<" in text or ">" in text:
            yield draft.front.lines[key], f"'<' and '>' are not allowed in the front matter ({key})"


def _reserved(draft: Draft) -> Iterable[Found]:
    for key in ("name", "description"):
        for line, text in draft.value(key):
            if word := _RESERVED.search(text):
                yield line, f"{word[0]!r} is a reserved word and not allowed in the {key}"


def _front_ascii(draft: Draft) -> Iterable[Found]:
    for key, text in draft.front.values.items():
        if not text.isascii():
            odd = "".join(sorted({char for char in text if not char.isascii()}))[:20]
            yield draft.front.lines[key], f"only ASCII is safe in the front matter, found {odd!r} in the {key}"


def _compatibility(draft: Draft) -> Iterable[Found]:
    for line, _ in draft.value("compatibility"):
        yield line, "OpenAI's validator refuses the key 'compatibility': say it in the body"


def _compatibility_length(draft: Draft) -> Iterable[Found]:
    for line, text in draft.value("compatibility"):
        if len(text) > MAX_COMPATIBILITY:
            yield line, f"compatibility has {len(text)} characters, at most {MAX_COMPATIBILITY} are allowed"


def _body(draft: Draft) -> Iterable[Found]:
    if not draft.front.body.strip():
        yield draft.front.body_line, "nothing stands below the front matter"


def _lines(draft: Draft) -> Iterable[Found]:
    count = draft.text.rstrip("\n").count("\n") + 1
    if count >= MAX_LINES:
        yield count, f"the file has {count} lines, fewer than {MAX_LINES} are allowed"


def _tokens(draft: Draft) -> Iterable[Found]:
    count = len(draft.front.body.encode("utf-8", "replace")) // BYTES_PER_TOKEN
    if count >= MAX_TOKENS:
        yield draft.front.body_line, f"the body has about {count} tokens, fewer than {MAX_TOKENS} are wanted"


def _fences(draft: Draft) -> Iterable[Found]:
    for fence in draft.page.fences:
        if fence.last is None:
            yield fence.first, "the code fence opened here is never closed"
        if fence.clash is not None:
            yield fence.clash, f"a code fence opens here inside the one opened on line {fence.first}: an end is missing"


def _links_missing(draft: Draft) -> Iterable[Found]:
    return scan.links_missing(draft.page, draft.files)


def _of_text(check: Callable[[str], Iterable[Found]]) -> Check:
    return lambda draft: check(draft.text)


def _of_page(check: Callable[[Page], Iterable[Found]]) -> Check:
    return lambda draft: check(draft.page)


RULES: tuple[Rule, ...] = (
    Rule("not-a-skill", "error", _of_text(scan.machine_output)),
    Rule("front-matter", "error", _front_matter),
    Rule("required-keys", "error", _required),
    Rule("name", "error", _name),
    Rule("folder", "error", _folder),
    Rule("description", "error", _description),
    Rule("description-when", "warning", _when),
    Rule("angle-brackets", "error", _angles),
    Rule("reserved-words", "error", _reserved),
    Rule("front-ascii", "warning", _front_ascii),
    Rule("compatibility", "warning", _compatibility),
    Rule("compatibility-length", "error", _compatibility_length),
    Rule("body", "error", _body),
    Rule("lines", "error", _lines),
    Rule("tokens", "warning", _tokens),
    Rule("fences", "error", _fences),
    Rule("cut-off", "error", _of_page(ending.cut_off)),
    Rule("cut-off-list", "warning", _of_page(ending.cut_off_list)),
    Rule("hidden-characters", "error", _of_text(scan.hidden)),
    Rule("mojibake", "warning", _of_text(scan.mojibake)),
    Rule("secrets", "error", _of_text(scan.secrets)),
    Rule("harm", "warning", _of_text(scan.harm)),
    Rule("injection", "warning", _of_text(scan.injection)),
    Rule("verifier", "warning", _of_text(scan.verifier)),
    Rule("links-out", "error", _of_page(scan.links_out)),
    Rule("links-web", "warning", _of_page(scan.links_web)),
    Rule("links-missing", "error", _links_missing),
)


def findings(text: str, *, name: str | None = None, files: Collection[str] | None = None) -> tuple[Finding, ...]:
    """All that is wrong with a SKILL.md, errors first, then by line; at most 20 of one rule.

    `name` is the folder's name and `files` the paths in that folder; what is None is not checked.
    """
    text = text.replace("\r\n", "\n")
    front = read_front(text)
    draft = Draft(text, front, read_page(front.body, first_line=front.body_line), name, files)
    found = [
        Finding(severity=rule.severity, rule=rule.name, line=line, message=message)
        for rule in RULES
        for line, message in islice(rule.check(draft), FINDINGS_PER_RULE)
    ]
    return tuple(sorted(found, key=lambda finding: (finding.severity, finding.line)))


def problems(text: str, *, name: str | None = None, files: Collection[str] | None = None, strict: bool = False) -> list[str]:
    """The errors as lines of text; with `strict`, the warnings too."""
    return [str(finding) for finding in findings(text, name=name, files=files) if strict or finding.severity == "error"]
