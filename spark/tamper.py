"""Which changes of an agent a verifier must not be shown.

In snapshot mode the verifier reads the agent's own file system, so whatever the agent planted on the verifier's path would speak for
it. Held back are, and nothing else:

    1  overwritten or deleted files of the image where programs and libraries live, and of the loader's and shell's configuration
    2  a new program that shadows one the image already finds on PATH
    3  files that a Python or a pytest runs by itself: sitecustomize, usercustomize, *.pth, a conftest or pytest configuration at the root
    4  a module at a working directory's top that shadows the standard library or pytest, unless the instruction asks for that file
    5  the verifier's own places: /tests, /solution, /logs

New files in system directories stay: an agent may install what it needs. Every path held back is on record in the verdict. What remains
possible is what any verifier that runs the agent's code allows; tasks that declare their outputs (clean mode) do not have the problem.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import PurePosixPath

from spark.sandboxes.base import Change

_PROGRAM_ROOTS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
_BIN_FOLDERS = frozenset({"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"})
_LOADER_FILES = re.compile(
    r"^/etc/(ld\.so\..*|profile|profile\.d/.*|bash\.bashrc|bashrc|environment|zsh/.*|python[^/]*/.*|pip\.conf|inputrc)$"
)
_HOME_STARTUP = re.compile(r"^/(root|home/[^/]+)/\.(bashrc|bash_profile|profile|bash_login|zshrc|zshenv|pydistutils\.cfg|config/pip/.*)$")
_AUTORUN_PYTHON = re.compile(r"/(sitecustomize|usercustomize)(\.py|\.pyc|/.*|\.[^/]*\.so)$|/(site|dist)-packages/[^/]+\.pth$")
_ROOT_PYTEST = frozenset({"/conftest.py", "/pytest.ini", "/.pytest.ini", "/pyproject.toml", "/tox.ini", "/setup.cfg"})
_VERIFIER_PLACES = ("/tests", "/solution", "/logs")
_STANDARD_MODULES = sys.stdlib_module_names
_PYTEST_MODULES = frozenset({"pytest", "_pytest", "pluggy", "iniconfig", "packaging", "exceptiongroup", "pygments"})


def _under(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


def _shadows_module(path: PurePosixPath, workdir: str) -> bool:
    """Whether it is, or is part of, a module at the working directory's top with a reserved name.

    A folder without __init__ shadows no module that is installed. The standard library always is; pytest and its parts may not be.
    """
    try:
        inner = path.relative_to(workdir)
    except ValueError:
        return False
    top = inner.parts[0].split(".")[0] if inner.parts else ""
    if path.suffix not in {".py", ".pyc", ".so"}:
        return False
    if len(inner.parts) == 1 or (len(inner.parts) == 2 and path.name.split(".")[0] == "__init__"):
        return top in _STANDARD_MODULES or top in _PYTEST_MODULES
    return top in _PYTEST_MODULES


def withheld(changes: Iterable[Change], *, commands: frozenset[str], workdir: str, instruction: str) -> tuple[str, ...]:
    """The paths among `changes` that the verifier is not shown, sorted.

    Args:
        changes: what the agent did to the image's file system.
        commands: names of programs on PATH in the pristine image.
        workdir: where the verifier starts.
        instruction: what the agent was asked; a module whose file name stands in it is no plant.
    """
    changes = tuple(changes)
    folders = {str(PurePosixPath(change.path).parent) for change in changes}
    held: set[str] = set()
    for change in changes:
        path = PurePosixPath(change.path)
        place = str(path)
        in_programs = _under(place, _PROGRAM_ROOTS)
        overwrites = in_programs and change.kind != "added" and place not in folders
        shadows = str(path.parent) in _BIN_FOLDERS and change.kind == "added" and path.name in commands
        module = path.name not in instruction and _shadows_module(path, workdir)
        autorun = _AUTORUN_PYTHON.search(place) or _LOADER_FILES.match(place) or _HOME_STARTUP.match(place)
        if overwrites or shadows or module or autorun or place in _ROOT_PYTEST or _under(place, _VERIFIER_PLACES):
            held.add(place)
    return tuple(sorted(held))
