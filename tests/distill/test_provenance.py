"""Citations: taken out of the file, read against the evidence, reported where they are missing or wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.distill.provenance import extract, provenance_problems
from spark.records import Evidence, EvidenceItem, Provenance
from spark.skills import Skill, parse_skill

EVIDENCE = Evidence(task="t", items=tuple(EvidenceItem(id=f"e{number}", kind="command", text="x") for number in range(1, 10)))
DRAFT = """---
name: "weigh-parts"
description: "Weigh parts. Use when a scan is given."
---

# Weigh parts

This is what the skill is about.

## When to use

- The input is a binary STL.

## Procedure

1. Read the 80-byte header. [e1]
   It says how units are written.
   - Check the triangle count.
   - Take `a[e2]` as it is [e2, e77].
2. Parse the records [e3-e5]. Then join them.

```python
first = rows[e1]
second = 2  # [e6]
```

3. Sum up.

[e7]

Run the script:

```bash
python3 weigh.py
```

[e8]

The volume is signed.

Always compare both volumes.

## Pitfalls

| symptom | cure |
|---|---|
| negative | turn it [e9] |

- Nothing is cited here.
"""


def body(text: str) -> str:
    return Skill(name="a", description="Do it. Use when asked.", body=text).text()


def test_a_whole_file() -> None:
    found = extract(DRAFT, EVIDENCE)
    lines = found.text.split("\n")
    cited = {claim.text: claim.items for claim in found.claims}
    assert cited == {
        "Read the 80-byte header. It says how units are written.": ("e1",),
        "Check the triangle count.": ("e1",),
        "Take `a[e2]` as it is.": ("e2",),
        "Parse the records. Then join them.": ("e3", "e4", "e5"),
        "first = rows[e1] second = 2": ("e6",),
        "Sum up.": ("e7",),
        "python3 weigh.py": ("e8",),
        "| symptom | cure | |---|---| | negative | turn it |": ("e9",),
    }
    for claim in found.claims:
        shown = lines[claim.line - 1].strip()
        assert shown.startswith("```") or claim.text.startswith(re.sub(r"^(?:-|\d\.) ", "", shown))
    assert [re.sub(r"line \d+: ", "", text) for text in found.uncited] == ["Always compare both volumes.", "Nothing is cited here."]
    for text in found.uncited:
        number, _, claim = text.removeprefix("line ").partition(": ")
        assert claim in lines[int(number) - 1]
    assert found.unknown == ("e77",)


def test_the_file_that_ships_is_clean_and_canonical() -> None:
    text = extract(DRAFT, EVIDENCE).text
    assert not re.search(r"\[e\d", text.replace("a[e2]", "").replace("rows[e1]", ""))
    assert "\n\n\n" not in text
    assert parse_skill(text).text() == text
    assert "   - Take `a[e2]` as it is.\n" in text
    assert "| negative | turn it |\n" in text


@pytest.mark.parametrize(
    ("marked", "clean", "items"),
    [
        ("- Do it. [e1]", "- Do it.", ("e1",)),
        ("- Do it [e1].", "- Do it.", ("e1",)),
        ("- Do it.[e1][e2]", "- Do it.", ("e1", "e2")),
        ("- Do it [e1] and that [e2, e3].", "- Do it and that.", ("e1", "e2", "e3")),
        ("- [e1] Do it.", "- Do it.", ("e1",)),
        ("- Do it ([e1; e2]).", "- Do it.", ("e1", "e2")),
        ("- Do it. [e1 – e3]", "- Do it.", ("e1", "e2", "e3")),
        ("- Do it. [e1 and e2]", "- Do it.", ("e1", "e2")),
        ("- **Do it.** [e1]", "- **Do it.**", ("e1",)),
        ("- Run `x`[e1]", "- Run `x`", ("e1",)),
        ("- Do it. [e1, e1]", "- Do it.", ("e1",)),
    ],
)
def test_ways_to_write_a_mark(marked: str, clean: str, items: tuple[str, ...]) -> None:
    found = extract(body(marked), EVIDENCE)
    assert found.text == body(clean)
    (claim,) = found.claims
    assert claim.items == items


@pytest.mark.parametrize(
    "text", ["- See [e1](x.md).", "- Use a[e1].", "- Use `[e1]` there.", "- See [1] and [e] and [e1x].", "- Do [x] it."]
)
def test_what_only_looks_like_a_mark_stays(text: str) -> None:
    found = extract(body(text), EVIDENCE)
    assert found.text == body(text)
    assert found.claims == ()
    assert len(found.uncited) == 1


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("# Title\n\nA description of it all.", 0),
        ("## Overview\n\n- One thing.\n- Use it well.", 0),
        ("## When to use\n\n- When there is a file.", 0),
        ("## Procedure\n\n1. One.\n2. Two.", 2),
        ("## Procedure\n\nUse the header.", 1),
        ("## Procedure\n\nThe header is long. If it is short, use the trailer instead.", 1),
        ("## Procedure\n\nThe header is long.", 0),
        ("## Procedure\n\n**Never** trust it.", 1),
        ("## Procedure\n\nRun these:\n\n```bash\nls\n```", 1),
        ("## Procedure\n\n```bash\nls\n```\n\n```bash\nls\n```", 2),
        ("## Pitfalls\n\n| a | b |\n|---|---|\n| c | d |", 1),
        ("## Verification\n\n- [ ] Count the rows.", 1),
        ("## Procedure\n\n- One\n  goes on\n\n  and on.", 1),
    ],
)
def test_what_is_a_claim(text: str, claims: int) -> None:
    found = extract(body(text), EVIDENCE)
    assert len(found.uncited) == claims, found.uncited


def test_code_rests_on_the_line_before_it_too() -> None:
    found = extract(body("## Procedure\n\n1. Run it: [e1]\n\n   ```bash\n   ls\n   ```\n\n2. Stop. [e2]"), EVIDENCE)
    assert [claim.items for claim in found.claims] == [("e1",), ("e1",), ("e2",)]
    assert found.uncited == ()


@pytest.mark.parametrize(
    ("fence", "end"), [("```bash [e1]", "```"), ("```bash", "``` [e1]"), ("```bash", "```\n[e1]"), ("[e1]\n```bash", "```")]
)
def test_a_mark_on_a_fence_is_the_blocks(fence: str, end: str) -> None:
    found = extract(body(f"# Title\n\nUse it. [e2]\n\n{fence}\nls\n{end}"), EVIDENCE)
    assert found.text == body("# Title\n\nUse it.\n\n```bash\nls\n```")
    assert all("e1" in claim.items for claim in found.claims if claim.text == "ls")


MARKS = st.sampled_from(["", " [e1]", " [e2, e3]", " [e40]", "\n\n[e4]", "\n[e5]", "\n\n[e6]\n"])
LINES = st.sampled_from(
    ["1. Do it.", "- Do that.", "  - Nested.", "Use it.", "Prose here.", "# Head", "```\ncode\n```", "| a |\n|---|", "", "`x`"]
)


@given(st.lists(st.tuples(LINES, MARKS), min_size=1, max_size=12))
def test_line_numbers_are_those_of_the_file_that_ships(pieces: list[tuple[str, str]]) -> None:
    marked = body("# Head\n" + "\n".join(line + mark for line, mark in pieces).rstrip())
    found = extract(marked, EVIDENCE)
    assert parse_skill(found.text).text() == found.text
    assert extract(found.text, EVIDENCE).text == found.text
    lines = found.text.split("\n")
    for claim in found.claims:
        first = lines[claim.line - 1]
        assert first.strip()
        assert first.startswith("```") or claim.text.split()[0] in first
    assert ("e40" in found.unknown) == any(mark == " [e40]" for _, mark in pieces)


def test_provenance_beside_a_skill_is_held_against_it(tmp_path: Path) -> None:
    skill = Skill(name="a", description="Do it. Use when asked.", body="1. Do it.")
    assert provenance_problems(skill, tmp_path) == []
    provenance = Provenance(task="t", run="r", skill_digest=skill.digest, claims=(), uncited=("line 6: Do it.",), unknown=("e9",))
    (tmp_path / "provenance.json").write_text(provenance.model_dump_json())
    assert provenance_problems(skill, tmp_path) == ["cites nothing: line 6: Do it.", "cites e9, which does not exist"]
    edited = skill.model_copy(update={"body": "1. Do that."})
    assert "changed after" in provenance_problems(edited, tmp_path)[0]
    (tmp_path / "provenance.json").write_text("{")
    assert provenance_problems(skill, tmp_path) == ["provenance.json cannot be read"]
