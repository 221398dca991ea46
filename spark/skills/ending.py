"""Signs that a text was cut off: where a model hits its limit, the end is missing, not the beginning."""

from __future__ import annotations

import re

from spark.skills.markdown import Line, Page

_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+\[[ xX]\])?(?:[ \t]+|$)")
_STRUCTURE = re.compile(r"^[ \t]*(?:[|>]|#{1,6}(?:[ \t]|$)|(?:[-*_][ \t]*){3,}$|<)")
_HANGING = re.compile(
    r"(?:[,:;(\[{–—]|(?<=\s)[-+=/&]|\b(?:a|an|the|and|or|of|to|in|with|for|from|by|is|are|that|which|this|if|when|as|at|on|into|than)\*{0,2})$"
)
_WORDS_OF_A_SENTENCE = 4
_SIBLINGS = 3


def cut_off(page: Page) -> list[tuple[int, str]]:
    """The last line, if it cannot be an end. An open fence is not reported here."""
    last = _last(page)
    if last is None or last.kind != "prose":
        return []
    if reason := _unfinished(_last_block(page, last), last.text):
        return [(last.number, f"the text seems cut off: it ends {reason}: {last.text.strip()[-60:]!r}")]
    return []


def _unfinished(block: str, line: str) -> str:
    content = _ITEM.sub("", line).strip()
    plain = re.sub(r"(`{1,3}).{0,1000}?\1", "", block, flags=re.DOTALL)
    tests = (
        ("with a heading", re.match(r"^[ \t]*#{1,6}([ \t]|$)", line)),
        ("with an empty list item", not content),
        ("in the middle of a sentence", _HANGING.search(content)),
        ("inside a code span", "`" in plain),
        ("inside bold text", plain.count("**") % 2),
        ("inside brackets", plain.count("(") > plain.count(")") or plain.count("[") > plain.count("]")),
        ("without a full stop", _is_sentence(line)),
    )
    return next((reason for reason, true in tests if true), "")


def _is_sentence(line: str) -> bool:
    """A line of running prose that ends in a letter or digit."""
    if _ITEM.match(line) or _STRUCTURE.match(line):
        return False
    return len(line.split()) >= _WORDS_OF_A_SENTENCE and line.strip()[-1].isalnum()


def cut_off_list(page: Page) -> list[tuple[int, str]]:
    """The last list item, if all its siblings end in a full stop and it does not."""
    last = _last(page)
    if last is None or last.kind != "prose" or not _ITEM.match(last.text):
        return []
    indent = _indent(last.text)
    siblings: list[str] = []
    for line in reversed(page.lines[: last.number - page.lines[0].number]):
        if line.kind != "prose" or _STRUCTURE.match(line.text) or (line.text.strip() and _indent(line.text) < indent):
            break
        if _ITEM.match(line.text) and _indent(line.text) == indent:
            siblings.append(line.text.strip())
    if len(siblings) >= _SIBLINGS and last.text.strip()[-1].isalnum() and all(text[-1] in ".!?" for text in siblings):
        return [(last.number, f"the last list item seems cut off, the others end in a full stop: {last.text.strip()[-60:]!r}")]
    return []


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _last(page: Page) -> Line | None:
    return next((line for line in reversed(page.lines) if line.text.strip()), None)


def _last_block(page: Page, last: Line) -> str:
    """The lines from the last blank line, fence or list item on."""
    block: list[str] = []
    for line in reversed(page.lines[: last.number - page.lines[0].number + 1]):
        if line.kind != "prose" or not line.text.strip():
            break
        block.append(line.text)
        if _ITEM.match(line.text):
            break
    return "\n".join(reversed(block))
