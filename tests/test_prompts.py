"""Prompt files: strict fields, one pass, digests."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import spark.prompts
from spark.prompts import all_digests, digest, render

FOLDER = Path(spark.prompts.__file__).parent


def test_every_field_is_filled_once_and_never_expanded_again() -> None:
    said = render("agent-observation", status="{{stdout}}", stdout="{{stderr}} {{status}} \\1 {", stderr="")
    assert said == "{{stdout}}\n<stdout>\n{{stderr}} {{status}} \\1 {\n</stdout>\n<stderr>\n\n</stderr>"


@pytest.mark.parametrize("fields", [{}, {"code": "1", "more": "2"}, {"Code": "1"}])
def test_missing_and_surplus_fields_are_bugs(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"'agent-exit' wants the fields \['code'\]"):
        render("agent-exit", **fields)


@pytest.mark.parametrize("name", ["no-such", "../prompts/agent-exit", "", "agent-exit.md"])
def test_no_such_prompt(name: str) -> None:
    with pytest.raises(ValueError, match="no prompt named"):
        render(name)


def test_digests_are_of_the_files() -> None:
    digests = all_digests()
    assert sorted(digests) == sorted(path.stem for path in FOLDER.glob("*.md"))
    assert digests["agent-exit"] == digest("agent-exit") == hashlib.sha256((FOLDER / "agent-exit.md").read_bytes()).hexdigest()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_every_brace_in_a_prompt_is_a_field(path: Path) -> None:
    """A field misspelt with a capital or a blank would be sent to the model as it stands."""
    left = re.sub(r"\{\{[a-z_]+\}\}", "", path.read_text())
    assert "{{" not in left
    assert "}}" not in left
    assert path.read_text().strip()
