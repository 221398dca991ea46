"""The front matter of a SKILL.md, read so strictly that every public validator reads the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

KEYS = {
    "name": "name",
    "description": "description",
    "license": "license",
    "compatibility": "compatibility",
    "allowed-tools": "allowed_tools",
}
"""Key of the front matter → field of Skill; `metadata`, the sixth, is a mapping."""
MAX_FRONT_CHARS = 16_000
"""Longer than the longest description, compatibility and a page of metadata; no YAML beyond it is parsed."""
_STRING = "tag:yaml.org,2002:str"


@dataclass
class Front:
    """What was read and what could not be; lines are counted from 1 in the whole file."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    lines: dict[str, int] = field(default_factory=dict[str, int])
    """Key → line."""
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    body: str = ""
    body_line: int = 1
    """The line on which `body` starts."""


def read_front(text: str) -> Front:
    """The front matter of a whole file. Without one, everything is body and the problem says so."""
    front = Front(body=text)
    opening = re.match(r"---[ \t]*\n", text)
    if not opening or opening[0] != "---\n":
        front.problems.append((1, f"wanted a first line '---', found {text[:40].splitlines()[:1] or ['']}"))
        return front
    closing = re.compile(r"^---[ \t]*$", re.MULTILINE).search(text, 4)
    if not closing:
        front.problems.append((1, "the front matter is not closed by a line '---'"))
        return front
    source = text[4 : closing.start()]
    front.body = text[closing.end() + 1 :]
    front.body_line = text.count("\n", 0, closing.end()) + 2
    if len(source) > MAX_FRONT_CHARS:
        front.problems.append((2, f"the front matter has {len(source)} characters; at most {MAX_FRONT_CHARS} are read"))
    elif "---" in source:
        line = 2 + source.count("\n", 0, source.index("---"))
        front.problems.append((line, "'---' inside the front matter: skills-ref takes it for its end"))
    else:
        _read_yaml(source, front)
    return front


def _read_yaml(source: str, front: Front) -> None:
    import yaml

    try:
        front.problems += [(line + 2, message) for line, message in _beyond_plain_yaml(source)]
        root = cast("yaml.Node | None", yaml.compose(source, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 2 if mark else 2
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        front.problems.append((line, f"the front matter is no YAML: {reason}"))
        return
    if not isinstance(root, yaml.MappingNode):
        front.problems.append((2, "the front matter is no mapping of keys to values"))
        return
    for key_node, value in root.value:
        _read_entry(key_node, value, front)


def _beyond_plain_yaml(source: str) -> list[tuple[int, str]]:
    """What PyYAML takes and strictyaml refuses."""
    import yaml

    found: list[tuple[int, str]] = []
    events = cast("Iterator[yaml.Event]", yaml.parse(source, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]
    for event in events:
        line: int = event.start_mark.line
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            found.append((line, "anchors and aliases are not allowed in the front matter"))
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
            found.append((line, f"YAML tags are not allowed in the front matter, found {event.tag!r}"))
        if isinstance(event, yaml.CollectionStartEvent) and event.flow_style:
            found.append((line, "flow style ([…] or {…}) is not allowed in the front matter: use block style, or quote the value"))
    return found


def _read_entry(key_node: yaml.Node, value: yaml.Node, front: Front) -> None:
    line = key_node.start_mark.line + 2
    key = _string(key_node)
    if key is None:
        front.problems.append((line, f"wanted a plain key, found {key_node.value!r}"))
    elif key in front.lines:
        front.problems.append((line, f"the key {key!r} stands twice"))
    elif key == "metadata":
        front.lines[key] = line
        _read_metadata(value, front)
    elif key not in KEYS:
        front.lines[key] = line
        front.problems.append((line, f"unknown key {key!r}; allowed are {', '.join([*KEYS, 'metadata'])}"))
    else:
        front.lines[key] = line
        _keep(front.values, key, value, front)


def _read_metadata(node: yaml.Node, front: Front) -> None:
    import yaml

    if not isinstance(node, yaml.MappingNode):
        front.problems.append((front.lines["metadata"], "metadata is no mapping of strings to strings"))
        return
    for key_node, value in node.value:
        key = _string(key_node)
        line = key_node.start_mark.line + 2
        if key is None or key in front.metadata:
            front.problems.append((line, f"wanted a new quoted key in metadata, found {key_node.value!r}"))
        else:
            _keep(front.metadata, key, value, front)


def _keep(place: dict[str, str], key: str, node: yaml.Node, front: Front) -> None:
    text = _string(node)
    if text is None:
        what = node.tag.rpartition(":")[2]
        front.problems.append((node.start_mark.line + 2, f"wanted a string for {key!r}, found {what}: put it in double quotes"))
    else:
        place[key] = text


def _string(node: yaml.Node) -> str | None:
    """The text of a scalar that every YAML reader takes for a string."""
    import yaml

    return node.value if isinstance(node, yaml.ScalarNode) and node.tag == _STRING else None
