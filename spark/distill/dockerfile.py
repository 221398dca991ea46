"""What a Dockerfile says about the environment: base images, packages, places. Read, never run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_INSTALL = {
    "apt packages": re.compile(r"\bapt(?:-get)?\s+(?:-\S+\s+)*install\s+(.*)"),
    "apk packages": re.compile(r"\bapk\s+(?:-\S+\s+)*add\s+(.*)"),
    "rpm packages": re.compile(r"\b(?:dnf|yum|microdnf)\s+(?:-\S+\s+)*install\s+(.*)"),
    "Python packages": re.compile(r"\b(?:pip3?|uv\s+pip|python3?\s+-m\s+pip)\s+(?:-\S+\s+)*install\s+(.*)"),
    "npm packages": re.compile(r"\b(?:npm|yarn|pnpm)\s+(?:-\S+\s+)*(?:install|add|i)\s+(.*)"),
    "conda packages": re.compile(r"\b(?:conda|mamba|micromamba)\s+(?:-\S+\s+)*install\s+(.*)"),
}
_TAKES_VALUE = frozenset(
    {"-r", "--requirement", "-i", "--index-url", "--extra-index-url", "-t", "--target", "-c", "--channel", "-n", "--name"}
)


def environment_lines(dockerfile: str) -> list[str]:
    """`what: values` lines: base images, packages by manager, copied files, working directory, names (never values) of variables."""
    found: dict[str, list[str]] = {}
    for word, rest in _instructions(dockerfile):
        for what, values in _facts(word, rest):
            known = found.setdefault(what, [])
            known += [value for value in values if value not in known]
    return [f"{what}: {', '.join(values)}" for what, values in found.items() if values]


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    kept = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\[ \t]*\n", " ", kept).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.isalpha() and rest:
            yield word.upper(), rest.strip()


def _facts(word: str, rest: str) -> Iterator[tuple[str, list[str]]]:
    if word == "FROM":
        yield "base image", [next(part for part in [*rest.split(), rest] if not part.startswith("--"))]
    elif word == "WORKDIR":
        yield "working directory", [rest]
    elif word in ("COPY", "ADD"):
        yield "files put there", [rest]
    elif word == "ENV":
        yield "environment variables", re.findall(r"(?:^|\s)(\w+)=", rest) or [rest.split(maxsplit=1)[0]]
    elif word == "RUN":
        yield from _installed(rest)


def _installed(command: str) -> Iterator[tuple[str, list[str]]]:
    for part in re.split(r"&&|\|\||;|\n", command):
        for what, pattern in _INSTALL.items():
            if match := pattern.search(part):
                yield what, _operands(match[1])
                break


def _operands(arguments: str) -> list[str]:
    try:
        words = shlex.split(arguments)
    except ValueError:
        words = arguments.split()
    found: list[str] = []
    skip = False
    for word in words:
        if skip or word.startswith("-"):
            skip = word in _TAKES_VALUE
        elif re.fullmatch(r"[\w@./+:=<>~!\[\],*-]+", word):
            found.append(word)
    return found
