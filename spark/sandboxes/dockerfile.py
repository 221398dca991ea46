"""A Dockerfile as a list of instructions: what can be run honestly without Docker, or a refusal that names instruction and line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from spark.errors import TaskError, UnsupportedTask

_DIRECTIVE = re.compile(r"^#\s*([A-Za-z]+)\s*=\s*(\S.*?)\s*$")
_INSTRUCTION = re.compile(r"^([A-Za-z]+)(?:\s+(.*))?$", re.DOTALL)
_FLAG = re.compile(r"^--([a-z][a-z0-9-]*)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<-?\s*[\"']?[A-Za-z_]")
_VARIABLE = re.compile(r"\\(.)|\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\})", re.DOTALL)
_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_.-]*)=")
_SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash"})
_WITHOUT_EFFECT = frozenset({"CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "VOLUME"})
_KNOWN = _WITHOUT_EFFECT | {"ADD", "ARG", "COPY", "ENV", "FROM", "ONBUILD", "RUN", "SHELL", "USER", "WORKDIR"}
_COPY_FLAGS = frozenset({"chown", "chmod", "link"})
_URL = re.compile(r"^([a-z][a-z0-9+.-]*://|git@)")
_ARCHIVE = re.compile(r"\.(tar|tar\.(gz|bz2|xz|zst)|tgz|tbz2?|txz)$")


class Instruction(NamedTuple):
    """One instruction, with its line, its flags and everything after them."""

    line: int
    name: str
    flags: tuple[tuple[str, str], ...]
    value: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"Dockerfile line {self.line}: {self.name}"

    def words(self) -> list[str] | None:
        """The strings of the exec form, `["a", "b"]`; None for the shell form."""
        if not self.value.startswith("["):
            return None
        try:
            found: object = json.loads(self.value)
        except (ValueError, RecursionError):
            return None
        if isinstance(found, list) and all(isinstance(word, str) for word in found):  # pyright: ignore[reportUnknownVariableType]
            return found  # pyright: ignore[reportUnknownVariableType]
        return None


def refuse(instruction: Instruction, what: str) -> UnsupportedTask:
    """The error for what is not run here."""
    return UnsupportedTask(f"{instruction.where}: {what} is not run by the local sandbox", hint="use --sandbox docker for this task")


def parse(text: str) -> list[Instruction]:
    """The instructions, checked.

    Raises:
        TaskError: the author's fault: no FROM, an unknown instruction, a broken line.
        UnsupportedTask: more than one stage, another base than a system, a URL, a heredoc, another shell, …
    """
    instructions: list[Instruction] = []
    for line, statement in _statements(text):
        instructions.append(_instruction(line, statement))
        _check(instructions[-1])  # before the next line is read, which may be the body of a heredoc
    stages = [instruction for instruction in instructions if instruction.name == "FROM"]
    if not stages or instructions[0].name not in ("ARG", "FROM"):
        raise TaskError("the Dockerfile does not begin with FROM")
    if len(stages) > 1:
        raise refuse(stages[1], "a second stage")
    return instructions


def _statements(text: str) -> list[tuple[int, str]]:
    """Whole statements with the number of their first line: continued lines joined, comments and empty lines left out."""
    statements: list[tuple[int, str]] = []
    first, parts = 0, list[str]()
    directives = True
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        bare = line.strip()
        if directives and (found := _DIRECTIVE.match(bare)):
            if found[1].lower() == "escape" and found[2] != "\\":
                raise UnsupportedTask(f"Dockerfile line {number}: an escape character of its own is not run by the local sandbox")
            continue
        directives = False
        if not bare or bare.startswith("#"):
            continue
        first = first or number
        continued = bare.endswith("\\")
        parts.append(line.rstrip()[:-1] if continued else line.rstrip())
        if not continued:
            statements.append((first, "".join(parts)))
            first, parts = 0, []
    return [*statements, (first, "".join(parts))] if parts else statements


def _instruction(line: int, statement: str) -> Instruction:
    found = _INSTRUCTION.match(statement.strip())
    name = found[1].upper() if found else ""
    if found is None or name not in _KNOWN:
        raise TaskError(f"Dockerfile line {line}: wanted an instruction, found {statement.strip()[:60]!r}")
    value = (found[2] or "").strip()
    flags: list[tuple[str, str]] = []
    while name in ("FROM", "RUN", "COPY", "ADD") and (flag := _FLAG.match(value)):
        flags.append((flag[1], flag[2] or ""))
        value = value[flag.end() :]
    if not value and name not in _WITHOUT_EFFECT:
        raise TaskError(f"Dockerfile line {line}: {name} of nothing")
    return Instruction(line, name, tuple(flags), value)


def _check(instruction: Instruction) -> None:
    name, value = instruction.name, instruction.value
    if name in ("RUN", "COPY", "ADD") and _HEREDOC.search(value):
        raise refuse(instruction, "a heredoc")
    if name == "ONBUILD":
        raise refuse(instruction, "ONBUILD")
    if name == "SHELL" and ((words := instruction.words()) is None or len(words) < 2 or words[0] not in _SHELLS):
        raise refuse(instruction, f"the shell {value}")
    if name == "FROM":
        _check_from(instruction)
    if name == "RUN":
        _check_run(instruction)
    if name in ("COPY", "ADD"):
        _check_copy(instruction)


def _check_from(instruction: Instruction) -> None:
    if instruction.flags:
        raise refuse(instruction, f"the flag --{instruction.flags[0][0]}")
    if instruction.value.split()[0].lower() == "scratch":
        raise refuse(instruction, "an image without a system (scratch)")


def _check_run(instruction: Instruction) -> None:
    for flag, setting in instruction.flags:
        if flag == "mount" and "type=cache" in setting.split(","):
            continue  # a cache may always be empty
        raise refuse(instruction, f"the flag --{flag}={setting}")


def _check_copy(instruction: Instruction) -> None:
    for flag, setting in instruction.flags:
        if flag == "from":
            raise refuse(instruction, f"a copy from another stage or image ({setting})")
        if flag not in _COPY_FLAGS:
            raise refuse(instruction, f"the flag --{flag}")
    sources_and_target(instruction, {})


def sources_and_target(instruction: Instruction, variables: Mapping[str, str]) -> tuple[list[str], str]:
    """What a COPY or ADD copies, and where to, with the variables filled in.

    Raises:
        TaskError: there are not two words.
        UnsupportedTask: a source is a URL, or an archive that ADD would unpack.
    """
    words = [expand(word, variables) for word in instruction.words() or split_words(instruction.value)]
    if len(words) < 2:
        raise TaskError(f"{instruction.where}: wanted sources and a target, found {instruction.value!r}")
    for source in words[:-1]:
        if _URL.match(source):
            raise refuse(instruction, f"a URL ({source})")
        if instruction.name == "ADD" and _ARCHIVE.search(source):
            raise refuse(instruction, f"an archive to unpack ({source})")
    return words[:-1], words[-1]


def assignments(instruction: Instruction) -> list[tuple[str, str]]:
    """The names and raw values of an ENV: `A=1 B="2 3"`, or the old form `A 1`.

    Raises:
        TaskError: it is neither.
    """
    if not _ASSIGNMENT.match(instruction.value):
        name, _, value = instruction.value.partition(" ")
        return [(name, value.strip())]
    pairs: list[tuple[str, str]] = []
    for word in split_words(instruction.value):
        if not _ASSIGNMENT.match(word):
            raise TaskError(f"{instruction.where}: wanted NAME=value, found {word!r}")
        name, _, value = word.partition("=")
        pairs.append((name, value))
    return pairs


def split_words(text: str) -> list[str]:
    """Words as Docker splits them, quotes and backslashes still in them: at blanks outside of quotes."""
    return re.findall(r"(?:\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|[^\s\\'\"]|[\\'\"])+", text, re.DOTALL)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `$A`, `${A}`, `${A:-b}` and `${A:+b}` filled in and quotes taken away; nothing is filled in between single quotes."""
    pieces: list[str] = []
    for piece in re.findall(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|(?:\\.|[^'\"\\])+|['\"\\]", text, re.DOTALL):
        if len(piece) > 1 and piece[0] == piece[-1] == "'":
            pieces.append(piece[1:-1])
        elif len(piece) > 1 and piece[0] == piece[-1] == '"':
            pieces.append(_filled(piece[1:-1], variables, quoted=True))
        else:
            pieces.append(_filled(piece, variables, quoted=False))
    return "".join(pieces)


def _filled(text: str, variables: Mapping[str, str], *, quoted: bool) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1] if not quoted or found[1] in '"$\\' else found[0]
        name, operator, word = found[2] or found[3], found[4], found[5]
        value = variables.get(name, "")
        if operator == "-":
            return value or _filled(word, variables, quoted=quoted)
        if operator == "+":
            return _filled(word, variables, quoted=quoted) if value else ""
        return value

    return _VARIABLE.sub(one, text)
