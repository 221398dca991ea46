"""Which skills a path means: a SKILL.md, a skill's folder, a folder of those, or a run that distilled some."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from spark.errors import RequestError, SkillError
from spark.skills.install import SKILL_FILE


class Place(NamedTuple):
    """One skill on disk."""

    source: Path
    """Its folder, or a SKILL.md that stands alone, as in a run's task directory."""
    folder: str | None
    """The name that its folder gives it; None where it stands alone."""

    @property
    def file(self) -> Path:
        """The SKILL.md itself."""
        return self.source / SKILL_FILE if self.folder is not None else self.source


def find_skills(path: Path) -> list[Place]:
    """The skills that `path` means, by name; at least one.

    Raises:
        SkillError: there is none. RequestError: a run without a skill. RunError: a damaged run. All of them the user's to mend.
    """
    if path.is_file():
        return [Place(path, None)]
    if (path / "run.json").is_file():
        return _of_run(path)
    if (path / SKILL_FILE).is_file():
        stands_alone = (path.resolve().parent.parent / "run.json").is_file()
        return [Place(path / SKILL_FILE, None) if stands_alone else Place(path, path.resolve().name)]
    found = [Place(child, child.name) for child in _children(path) if (child / SKILL_FILE).is_file()]
    if not found:
        what = "none of them in" if path.is_dir() else "nothing at"
        raise SkillError(f"wanted a {SKILL_FILE}, a folder with one, or a run, found {what} {str(path)!r}")
    return found


def _of_run(path: Path) -> list[Place]:
    from spark.store import RunDir

    run = RunDir(path)
    files = [run.task(name).root / SKILL_FILE for name in sorted(run.info.tasks)]
    found = [Place(file, None) for file in files if file.is_file()]
    if not found:
        raise RequestError(f"no task of the run {str(path)!r} has a skill", hint="see its report.md, or go on with --resume")
    return found


def _children(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []
