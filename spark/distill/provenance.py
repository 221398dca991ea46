"""Citations: which claim of a skill rests on which evidence.

The scribe ends every procedural line with its items in square brackets, `[e3]` or `[e3, e7]`. The marks are taken out of the file that
ships, and what they said goes into provenance.json with the line numbers of that clean file. They do not stay as HTML comments: every agent
that loads the skill would pay for them and might take `e3` for something it can look up, while provenance.json lies beside the file for
whoever audits it.

What is a claim, outside sections that only describe (overview, when to use, …):
    a list item or numbered step (an item without a mark of its own rests on what its parent item cites)
    a paragraph one of whose sentences tells the reader to do something
    a fenced block, or a table: cited on the line before it, on a line of its own after it, or within it
Headings and other prose are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from spark.records import Claim, Evidence, Provenance, Record
from spark.skills import Skill
from spark.skills.markdown import Line, read_page

PROVENANCE_FILE = "provenance.json"
CLAIM_CHARS = 200
_MARK = r"\[\s*e\d+(?:\s*(?:[,;]|and|-|–|to)\s*e?\d+)*\s*\](?!\()"
_MARKS = re.compile(rf"(?:[ \t]+|^|(?<=[.,;:!?)`*|\]\"']))\(?{_MARK}\)?(?:[ \t]*{_MARK})*")
_CODE_MARK = re.compile(rf"(?:^|[ \t]*(?:#|//|--|;|%|<!--))[ \t]*{_MARK}[ \t]*(?:-->)?[ \t]*$")
_CLOSING_MARK = re.compile(rf"^([ \t>]*(?:`{{3,}}|~{{3,}}))[ \t]*({_MARK})[ \t]*$", re.MULTILINE)
_OPENING_MARK = re.compile(rf"^([ \t>]*(?:`{{3,}}|~{{3,}})[\w+-]+)[ \t]*({_MARK})[ \t]*$", re.MULTILINE)
_RANGE = re.compile(r"e(\d+)\s*(?:-|–|to)\s*e?(\d+)|e?(\d+)")
_MAX_RANGE = 50
_CODE_SPAN = re.compile(r"(`{1,3}).*?\1")
_ITEM = re.compile(r"^([ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(.*)$")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_DESCRIPTIVE = re.compile(
    r"\b(?:overview|introduction|when (?:to|not to|this)|use this|purpose|scope|background|about|applies|applicability|summary|glossary|"
    r"terms|inputs?|prerequisites?|requirements?|environment|references?|license|see also)\b",
    re.IGNORECASE,
)
_VERBS = """
    add adjust always apply ask assert assume avoid back begin build cast check choose clean close collect combine compare compile
    compute confirm convert copy count create cross-check decide decode define delete derive detect determine discard do don't download
    drop dump edit ensure escape estimate evaluate examine execute expect export extract fall feed filter find finish fit fix follow
    format generate get give go group guard handle hash identify ignore import include inspect install interpret invert isolate iterate
    join keep label leave list load locate log look loop make map mark match measure merge mind move multiply never normalise normalize
    note omit open order parse pass patch pick pin plan prefer prepare preserve print probe produce profile pull push put query quote
    raise re-run read rebuild recompute record recover re-check redirect reduce reject remember remove rename repeat replace report
    require reproduce rerun resample resolve restart restore return reuse review round run sample save scan search select send separate
    set show simulate skip solve sort split start stop store strip subtract sum swap take test then track train transform treat trim
    truncate try turn unpack update use validate verify wait walk watch work wrap write
"""
_LEAD_IN = r"(?:first|next|then|finally|now|also|please|(?:if|when) [^,.]{3,80}|(?:to|before|after) [^,.]{3,60}),?\s+"
_IMPERATIVE = re.compile(rf"(?:^|[.!?:]\s+|\*\*\s*)(?:{_LEAD_IN})?\**(?:{'|'.join(map(re.escape, _VERBS.split()))})\b", re.IGNORECASE)
"""A sentence that begins with one of these verbs, after a lead-in at most, tells the reader to do something."""


class Extracted(Record):
    """A skill without its marks, and what they said."""

    text: str
    claims: tuple[Claim, ...]
    """Those that cite known items; line numbers are those of `text`."""
    uncited: tuple[str, ...]
    """Claims that cite nothing known, each with its line number in `text`."""
    unknown: tuple[str, ...]
    """Cited items that do not exist."""


@dataclass
class _Block:
    """One claim-to-be: an item, a paragraph, a fenced block or a table."""

    kind: Literal["item", "paragraph", "code", "table"]
    line: int
    lines: list[str]
    cited: list[str] = field(default_factory=list[str])
    indent: int = 0
    described: bool = False
    """It stands in a section that only describes."""
    introduces: bool = False
    """It ends in a colon and what it announces follows: that is the claim."""


def extract(text: str, evidence: Evidence) -> Extracted:
    """Take the marks out of a whole SKILL.md and read them against the evidence."""
    clean, cited = _without_marks(text)
    known = {item.id for item in evidence.items}
    claims: list[Claim] = []
    uncited: list[str] = []
    for block, items in _attributed(list(_blocks(clean, cited))):
        shown = _shown(block)
        found = tuple(item for item in dict.fromkeys(items) if item in known)
        if found:
            claims.append(Claim(line=block.line, text=shown, items=found))
        elif _is_claim(block):
            uncited.append(f"line {block.line}: {shown}")
    every = dict.fromkeys(item for items in cited.values() for item in items)
    return Extracted(text=clean, claims=tuple(claims), uncited=tuple(uncited), unknown=tuple(item for item in every if item not in known))


def _without_marks(text: str) -> tuple[str, dict[int, list[str]]]:
    """The text without marks, and which items are cited on which of its lines.

    A line that held nothing but marks is gone; what it cited belongs to the last line with text before it.
    """
    kept: list[str] = []
    cited: dict[int, list[str]] = {}
    last_text = 0
    dropped = False
    apart = _OPENING_MARK.sub(r"\2\n\1", _CLOSING_MARK.sub(r"\1\n\2", text))
    for line in read_page(apart).lines:
        clean, items = _strip(line)
        if items and not clean.strip():
            cited.setdefault(last_text, []).extend(items)
            dropped = True
            continue
        if dropped and not clean and kept and not kept[-1]:
            continue
        dropped = False
        kept.append(clean)
        if clean.strip():
            last_text = len(kept)
            cited.setdefault(last_text, []).extend(items)
    # A file that ended in a mark would now end in blank lines.
    return "\n".join(kept).rstrip("\n") + "\n", {line: items for line, items in cited.items() if items and line}


def _strip(line: Line) -> tuple[str, list[str]]:
    """A line without its marks, and the items they name. In code, only a mark in a comment at the end of a line, or alone, is one."""
    if line.kind == "fence":
        return line.text, []
    if line.kind == "code":
        mark = _CODE_MARK.search(line.text)
        return (line.text[: mark.start()], _items(mark[0])) if mark else (line.text, [])
    hidden = _CODE_SPAN.sub(lambda span: "`" * len(span[0]), line.text)
    marks = list(_MARKS.finditer(hidden))
    if not marks:
        return line.text, []
    ends = [0, *(mark.end() for mark in marks)]
    starts = [*(mark.start() for mark in marks), len(line.text)]
    kept = "".join(line.text[end:start] for end, start in zip(ends, starts, strict=True))
    return kept.rstrip(), [item for mark in marks for item in _items(mark[0])]


def _items(mark: str) -> list[str]:
    found: list[str] = []
    for first, last, single in _RANGE.findall(mark):
        numbers = range(int(first), min(int(last), int(first) + _MAX_RANGE) + 1) if first else [int(single)]
        found += [f"e{number}" for number in numbers]
    return found


def _blocks(clean: str, cited: dict[int, list[str]]) -> Iterator[_Block]:
    """The blocks below the front matter, headings left out, each with what is cited on its lines."""
    page = read_page(clean)
    described = False
    current: _Block | None = None
    for line in page.lines[_body_start(clean) :]:
        heading = _HEADING.match(line.text) if line.kind == "prose" else None
        if heading:
            described = _DESCRIPTIVE.search(heading[1]) is not None
        started = None if heading or not _is_text(line) else _begun(line, current, described=described)
        if current is not None and (started is not None or heading or (line.kind == "prose" and not line.text.strip())):
            yield current
            current = None
        current = started or current
        if current is not None:
            current.lines.append(line.text)
            current.cited += cited.get(line.number, [])
            if line.kind == "fence" and len(current.lines) > 1:
                yield current
                current = None
    if current is not None:
        yield current


def _is_text(line: Line) -> bool:
    return line.kind != "prose" or bool(line.text.strip())


def _begun(line: Line, current: _Block | None, *, described: bool) -> _Block | None:
    """The block that a line begins; None where it goes on with the current one."""
    if line.kind != "prose":
        return None if current is not None and current.kind == "code" else _Block("code", line.number, [], described=described)
    item = _ITEM.match(line.text)
    if item:
        return _Block("item", line.number, [], indent=len(item[1].expandtabs(4)), described=described)
    if line.text.lstrip().startswith("|"):
        return None if current is not None and current.kind == "table" else _Block("table", line.number, [], described=described)
    return (
        None if current is not None and current.kind in ("item", "paragraph") else _Block("paragraph", line.number, [], described=described)
    )


def _body_start(clean: str) -> int:
    """How many lines the front matter takes."""
    lines = clean.split("\n")
    if lines[0] != "---":
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line == "---"), 0)


def _attributed(blocks: list[_Block]) -> Iterator[tuple[_Block, list[str]]]:
    """Each block with what it cites: its own items, else its parent item's; code and tables also what stands right before them."""
    parents: list[tuple[int, list[str]]] = []
    before: list[str] = []
    for block, after in zip_longest(blocks, blocks[1:]):
        items = block.cited
        if block.kind == "item":
            parents = [(indent, given) for indent, given in parents if indent < block.indent]
            items = items or (parents[-1][1] if parents else [])
            parents.append((block.indent, items))
        elif block.kind == "paragraph":
            parents = []
            block.introduces = after is not None and after.kind != "paragraph" and block.lines[-1].rstrip().endswith(":")
        else:
            items = items or before
        before = items
        yield block, items


def _is_claim(block: _Block) -> bool:
    if block.described or block.introduces:
        return False
    return block.kind != "paragraph" or _IMPERATIVE.search(" ".join(block.lines).strip()) is not None


def _shown(block: _Block) -> str:
    lines = [line.strip() for line in block.lines if line.strip()]
    if block.kind == "code":
        lines = lines[1:-1] or lines
    item = _ITEM.match(block.lines[0]) if block.kind == "item" else None
    text = " ".join([item[2], *lines[1:]] if item else lines)
    return text if len(text) <= CLAIM_CHARS else text[: CLAIM_CHARS - 2] + " …"


def provenance_problems(skill: Skill, folder: Path) -> list[str]:
    """What the provenance.json beside a skill says against it; nothing where there is none."""
    path = folder / PROVENANCE_FILE
    if not path.is_file():
        return []
    try:
        provenance = Provenance.model_validate_json(path.read_bytes())
    except ValueError:
        return [f"{PROVENANCE_FILE} cannot be read"]
    found = [f"cites nothing: {claim}" for claim in provenance.uncited] + [
        f"cites {item}, which does not exist" for item in provenance.unknown
    ]
    if provenance.skill_digest != skill.digest:
        found.insert(0, f"the file was changed after {PROVENANCE_FILE} was written: its claims may stand on other lines")
    return found
