"""SKILL.md as a value: read strictly, written in one canonical form.

The form is what the three public validators agree on: skills-ref (strictyaml, no flow style, all scalars strings), Anthropic's and
OpenAI's quick_validate (PyYAML, a closed set of keys). `compatibility` is a key of the specification that OpenAI's refuses: it is
read and kept, and `spark distill` never writes it.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import Field

from spark.errors import SkillError
from spark.records import Record
from spark.skills.front import KEYS, read_front

SHAPE = "a SKILL.md begins with a line `---`, then name: and description:, then a line `---`, then the instructions"


class Skill(Record):
    """A skill's text in parts. Whether it holds to the specification is for `findings` to say."""

    name: str
    description: str
    body: str
    """The Markdown after the front matter, without blank lines around it."""
    license: str | None = None
    compatibility: str | None = None
    allowed_tools: str | None = None
    """Separated by spaces."""
    metadata: dict[str, str] = Field(default_factory=dict)

    def text(self) -> str:
        """The canonical SKILL.md: block YAML, every value in double quotes, one line break at the end."""
        lines = ["---", f"name: {_quoted(self.name)}", f"description: {_quoted(self.description)}"]
        for key, value in (("license", self.license), ("compatibility", self.compatibility), ("allowed-tools", self.allowed_tools)):
            if value is not None:
                lines.append(f"{key}: {_quoted(value)}")
        if self.metadata:
            lines.append("metadata:")
            lines += [f"  {_quoted(key)}: {_quoted(value)}" for key, value in sorted(self.metadata.items())]
        return "\n".join([*lines, "---", "", self.body.strip("\n")]) + "\n"

    @property
    def digest(self) -> str:
        """sha256 of the canonical text, hex."""
        return hashlib.sha256(self.text().encode("utf-8", "replace")).hexdigest()


def _quoted(value: str) -> str:
    """A JSON string is a YAML double-quoted one."""
    return json.dumps(value, ensure_ascii=False)


def parse_skill(text: str, folder_name: str | None = None) -> Skill:
    """The skill in a SKILL.md, whose folder is called `folder_name`.

    Raises:
        SkillError: no front matter, YAML that cannot be read, a key that is unknown or no string, a missing name or description, or a name
            that is not the folder's; names the line.
    """
    front = read_front(text)
    if front.problems:
        line, message = front.problems[0]
        raise SkillError(f"SKILL.md, line {line}: {message}", hint=SHAPE)
    for key in ("name", "description"):
        if key not in front.values:
            raise SkillError(f"SKILL.md, line 1: wanted the key {key!r} in the front matter, found {sorted(front.values)}", hint=SHAPE)
    values = {KEYS[key]: value for key, value in front.values.items()}
    skill = Skill(**values, metadata=front.metadata, body=front.body.strip("\n"))
    if folder_name is not None and skill.name != folder_name:
        raise SkillError(
            f"SKILL.md, line {front.lines['name']}: the name is {skill.name!r}, but the folder is called {folder_name!r}",
            hint="the two must be the same",
        )
    return skill
