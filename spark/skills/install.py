"""Put a skill where agents look: a plain copy, nothing executed, nothing overwritten unasked.

Source of the places: the documentation of each agent, as of 2026; `.agents/skills` is the one that several share.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from spark.errors import RequestError, SkillError
from spark.records import Record
from spark.skills.rules import findings
from spark.skills.skill import Skill, parse_skill

SKILL_FILE = "SKILL.md"
MAX_SKILL_BYTES = 10_000_000
"""Of a whole folder; a skill is text and a few scripts."""
_LEFT_OUT = frozenset({".git", "__pycache__", ".DS_Store", "node_modules", ".venv"})


class Place(NamedTuple):
    """Where an agent looks, below a project's root and below the user's home."""

    project: str
    home: str


PLACES: dict[str, Place] = {
    "agents": Place(".agents/skills", ".agents/skills"),
    "claude": Place(".claude/skills", ".claude/skills"),
    "copilot": Place(".github/skills", ".copilot/skills"),
    "cursor": Place(".cursor/skills", ".cursor/skills"),
    "gemini": Place(".gemini/skills", ".gemini/skills"),
    "goose": Place(".goose/skills", ".config/goose/skills"),
    "opencode": Place(".opencode/skills", ".config/opencode/skills"),
    "openhands": Place(".openhands/skills", ".openhands/skills"),
    "qwen": Place(".qwen/skills", ".qwen/skills"),
}
"""`agents` serves Codex, Pi, Cline and Warp as well."""


class Installed(Record):
    """What one installation did, or would do."""

    folder: str
    files: tuple[str, ...]
    """Paths in the folder."""
    state: Literal["new", "same", "replaced"]
    """`same`: exactly these files were there already, nothing was written."""


def place(to: str, *, base: Path, user: bool) -> Path:
    """The directory that `to` means: an agent's name below `base` (the project's root, or the home with `user`), or else a path.

    Raises:
        RequestError: neither an agent's name nor a path (a path has a slash or starts with a dot).
    """
    if known := PLACES.get(to):
        return base / (known.home if user else known.project)
    if "/" in to or to.startswith("."):
        return Path(to)
    raise RequestError(f"wanted an agent's name or a path, found {to!r}", hint=f"agents: {', '.join(PLACES)}; or a path such as ./skills")


def install(source: Path, directory: Path, *, force: bool = False, dry_run: bool = False) -> Installed:
    """Copy a skill to `directory`/<its name>/ and say what was written.

    `source` is a skill's folder, copied whole, or a SKILL.md, copied alone. The copy appears at once or not at all.

    Raises:
        SkillError: the skill breaks the specification, or holds links or too much: its author's fault.
        RequestError: another skill of that name is there and `force` is not given, or something that is no skill: the user's to decide.
    """
    files = skill_files(source)
    skill = _sound(source, files)
    target = directory / skill.name
    state: Literal["new", "same", "replaced"] = "new"
    if target.is_symlink() or (target.exists() and not (target / SKILL_FILE).is_file()):
        raise RequestError(f"wanted to write the skill to {str(target)!r}, found something there that is no skill", hint="move it away")
    if target.exists():
        state = "same" if _contents(target) == files else "replaced"
        if state == "replaced" and not force:
            raise RequestError(
                f"{str(target)!r} holds another skill named {skill.name!r}", hint="compare with `spark skill diff`, or --force"
            )
    if state != "same" and not dry_run:
        _write(target, files, source)
    return Installed(folder=str(target), files=tuple(sorted(files)), state=state)


def skill_files(source: Path) -> dict[str, bytes]:
    """The files of a skill, path → content: of a folder all of them, of a SKILL.md itself alone.

    Raises:
        SkillError: no SKILL.md, a link, something that is no plain file, or more than 10 MB.
    """
    if not source.is_dir():
        if not source.is_file():
            raise SkillError(f"wanted a SKILL.md or the folder of one, found nothing at {str(source)!r}")
        return {SKILL_FILE: _read(source, 0)}
    if not (source / SKILL_FILE).is_file():
        raise SkillError(f"wanted a {SKILL_FILE} in {str(source)!r}, found none")
    return _contents(source)


def _contents(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if _LEFT_OUT.intersection(name.parts):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise SkillError(f"wanted plain files in {str(folder)!r}, found a link or device: {str(name)!r}")
        if path.is_file():
            files[name.as_posix()] = content = _read(path, size)
            size += len(content)
    return files


def _read(path: Path, already_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if already_bytes + size > MAX_SKILL_BYTES:
            raise SkillError(f"wanted at most {MAX_SKILL_BYTES} bytes of skill, found more at {str(path)!r} ({size} bytes)")
        return path.read_bytes()
    except OSError as error:
        raise SkillError(f"cannot read {str(path)!r}: {error.strerror}") from error


def skill_text(source: Path, files: Mapping[str, bytes]) -> str:
    """The SKILL.md among `files` as text.

    Raises:
        SkillError: it is not UTF-8.
    """
    try:
        return files[SKILL_FILE].decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SkillError(f"wanted UTF-8 in the {SKILL_FILE} of {str(source)!r}, found byte {error.object[error.start]:#x}") from error


def _sound(source: Path, files: Mapping[str, bytes]) -> Skill:
    text = skill_text(source, files)
    wrong = [finding for finding in findings(text, files=frozenset(files)) if finding.severity == "error"]
    if wrong:
        raise SkillError(f"{str(source)!r} is no sound skill: {wrong[0]}", hint=f"`spark skill check` lists all {len(wrong)} error(s)")
    return parse_skill(text)


def _write(target: Path, files: Mapping[str, bytes], source: Path) -> None:
    """Write beside the target, then put it in place; a replaced skill is removed last."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".spark-", dir=target.parent) as scratch:
            fresh = Path(scratch) / "new"
            for name, content in files.items():
                path = fresh / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                if source.is_dir():
                    shutil.copymode(source / name, path)
            if target.exists():
                target.rename(Path(scratch) / "old")
            fresh.rename(target)
    except OSError as error:
        raise RequestError(f"cannot write the skill to {str(target)!r}: {error.strerror or error}") from error
