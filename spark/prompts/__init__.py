"""Every word that is sent to a model, as Markdown files with `{{fields}}`: strict, filled in one pass, digests on record.

A file `memo-scribe.md` is the prompt `memo-scribe`. Its last line break is no part of it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_FIELD = re.compile(r"\{\{([a-z_]+)\}\}")


def render(name: str, /, **fields: str) -> str:
    """The prompt with every `{{field}}` replaced; what the values hold is never expanded.

    Raises:
        ValueError: a bug of the caller: no such prompt, or its fields are not exactly those given.
    """
    text = _content(name).decode().removesuffix("\n")
    wanted = set(_FIELD.findall(text))
    if wanted != set(fields):
        raise ValueError(f"prompt {name!r} wants the fields {sorted(wanted)}, found {sorted(fields)}")
    return _FIELD.sub(lambda match: fields[match[1]], text)


def digest(name: str) -> str:
    """sha256 of the prompt as it stands on disk, hex.

    Raises:
        ValueError: no such prompt.
    """
    return hashlib.sha256(_content(name)).hexdigest()


def all_digests() -> dict[str, str]:
    """Name → digest of every prompt, sorted by name."""
    return {path.stem: digest(path.stem) for path in sorted(_FOLDER.glob("*.md"))}


def _content(name: str) -> bytes:
    path = _FOLDER / f"{name}.md"
    if path.parent != _FOLDER or not path.is_file():
        raise ValueError(f"no prompt named {name!r}")
    return path.read_bytes()
