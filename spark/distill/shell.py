"""What a shell command does, as far as its text shows: which programs it runs, which files it writes.

Read from the text alone and from general knowledge of Unix tools; no knowledge of any task. It errs towards "writes nothing": a program
of the agent's own that writes files is known only by what its source says.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOW_SIGNAL = _names(
    """ls cat pwd echo printf head tail less more wc file stat tree find which type whoami id env date true clear history sleep
    cd export set du df nl uname hostname command grep egrep fgrep rg sed sort uniq cut tr"""
)
"""They look and do not change: kept only when their output goes into a file."""
_WRITES_LAST = _names("cp mv install ln rsync scp")
_WRITES_ALL = _names("touch mkdir tee rm rmdir truncate chmod chown unlink shred patch ed ex")
_WRITES_SOMETHING = _names("tar unzip zip gzip gunzip bzip2 xz make cmake ninja split csplit dd apply_patch")
_EDIT_IN_PLACE = _names("sed perl ruby")
_IN_PLACE = re.compile(r"-[a-zA-Z]*i|--in-place")
_OUTPUT_FLAGS = {
    **dict.fromkeys(("gcc", "cc", "g++", "c++", "clang", "ld", "sort"), frozenset({"-o"})),
    "curl": frozenset({"-o", "--output"}),
    "wget": frozenset({"-O"}),
}
_INSTALLERS = re.compile(
    r"\b(?:pip3?|uv|npm|yarn|pnpm|apt(?:-get)?|apk|dnf|yum|conda|gem|cargo|go)\s+(?:-\S+\s+)*(?:install|add|get|build)\b"
)
_GIT_WRITES = re.compile(
    r"\bgit\s+(?:-\S+\s+)*(?:apply|am|commit|checkout|restore|reset|merge|rebase|cherry-pick|revert|clone|mv|rm|stash)\b"
)
_SQL_WRITES = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|CREATE\s+(?:TABLE|INDEX|VIEW)|ALTER\s+TABLE|DROP\s+TABLE|VACUUM|REINDEX)\b"
)
_CHANGES = (_INSTALLERS, _GIT_WRITES, _SQL_WRITES)
_CODE_WRITES = re.compile(
    r"\bopen\([^)\n]{0,200},\s*(?:mode\s*=\s*)?['\"][rb]?[wax+]|\.write(?:_text|_bytes|lines|rows?|File(?:Sync)?)?\(|\bdump\("
    r"|\.to_(?:csv|json|excel|parquet)\(|\bsave\w*\(|\bshutil\.(?:copy|move|rmtree)|\bos\.(?:rename|replace|remove|unlink|makedirs|mkdir)\(|\.commit\(\)"
)
_HEREDOC = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1")
_ASSIGNMENT = re.compile(r"\w+=")
_LITERAL_PATH = re.compile(r"['\"]([^'\"\s]*[./][^'\"\s]*)['\"]")
_WRAPPERS = frozenset({"bash", "sh", "zsh", "dash", "ksh"})
_PREFIXES = _names("sudo env time nohup exec timeout nice xargs then do else elif ! { } if while until")
_NO_PROGRAM = _names("for case esac fi done function [ [[ test")
_OPERATORS = frozenset(";&|()\n")


@dataclass(frozen=True)
class Heredoc:
    """A text given inside a command."""

    marker: str
    body: str


@dataclass(frozen=True)
class Reading:
    """A command as understood."""

    programs: tuple[str, ...]
    """Names of the programs run, in order, without their directories."""
    writes: frozenset[str]
    """Paths written, as the command spells them."""
    changes: bool
    """Whether it changes files or the system, paths known or not."""
    whole: dict[str, str]
    """Path → content, where the command writes a whole file from a text given inside it."""

    @property
    def low_signal(self) -> bool:
        """It only looks."""
        return not self.changes and all(name in LOW_SIGNAL for name in self.programs)


def unwrap(command: str) -> str:
    """The command inside `bash -lc '…'` (any shell, any path, nested too); other commands as they are."""
    text = command.strip()
    for _ in range(3):
        try:
            words = shlex.split(text)
        except ValueError:
            return text
        if len(words) < 3 or words[0].rpartition("/")[2] not in _WRAPPERS:
            return text
        flags = words[1:-1]
        if not all(re.fullmatch(r"-[a-z]+", flag) for flag in flags) or not flags[-1].endswith("c"):
            return text
        text = words[-1].strip()
    return text


def read_command(command: str) -> Reading:
    """What an unwrapped command does."""
    plain, documents = _without_heredocs(command)
    simple = _simple_commands(plain)
    whole = _whole_files(simple, documents)
    stored = set(whole.values())
    run = "\n".join([plain, *(document.body for document in documents if document.body not in stored)])
    code = [line for line in run.split("\n") if _CODE_WRITES.search(line)]
    writes = {path for words, targets in simple for path in [*targets, *_written_by(words)]}
    writes |= {match[1] for line in code for match in _LITERAL_PATH.finditer(line)}
    programs = tuple(name for words, _ in simple if (name := _program(words)))
    changes = bool(writes or code or _WRITES_SOMETHING.intersection(programs) or any(rule.search(run) for rule in _CHANGES))
    return Reading(programs, frozenset(writes), changes, whole)


def _without_heredocs(command: str) -> tuple[str, list[Heredoc]]:
    """The command without the texts given inside it, and those texts."""
    kept: list[str] = []
    documents: list[Heredoc] = []
    pending: list[str] = []
    body: list[str] = []
    for line in command.split("\n"):
        if pending:
            if line.strip() == pending[0]:
                documents.append(Heredoc(pending.pop(0), "\n".join(body) + "\n"))
                body = []
            else:
                body.append(line)
            continue
        pending = [match[2] for match in _HEREDOC.finditer(line)]
        kept.append(line)
    if pending:
        documents.append(Heredoc(pending[0], "\n".join(body) + "\n"))
    return "\n".join(kept), documents


def _simple_commands(plain: str) -> list[tuple[list[str], list[str]]]:
    """Words and redirection targets of each simple command."""
    found: list[tuple[list[str], list[str]]] = []
    words: list[str] = []
    targets: list[str] = []
    expects = ""
    for token in _tokens(plain):
        if token and set(token) <= _OPERATORS:
            if words or targets:
                found.append((words, targets))
            words, targets, expects = [], [], ""
        elif token and set(token) <= set("<>&|"):
            expects = token
            if words and words[-1].isdigit() and ">" in token:
                words.pop()
        elif expects:
            if ">" in expects and not expects.endswith(">&") and not token.startswith(("/dev/", "&")):
                targets.append(token)
            elif expects.startswith("<<"):
                words.append(f"<<{token}")
            expects = ""
        else:
            words.append(token)
    if words or targets:
        found.append((words, targets))
    return found


def _tokens(plain: str) -> list[str]:
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # a quote that never closes: the words are still worth having
        return re.findall(r"\n|[;&|<>()]+|[^\s;&|<>()]+", plain)


def _program(words: list[str]) -> str:
    for word in words:
        name = word.rpartition("/")[2]
        if _ASSIGNMENT.match(word) or name in _PREFIXES or word.startswith(("-", "<<")) or re.fullmatch(r"\d+[smh]?", word):
            continue
        return "" if word.startswith("#") or name in _NO_PROGRAM else name
    return ""


def _written_by(words: list[str]) -> list[str]:
    name = _program(words)
    operands = [word for word in words[_index(words, name) + 1 :] if not word.startswith(("-", "<<"))]
    if name in _WRITES_ALL:
        return operands
    if name in _WRITES_LAST:
        return operands[-1:] if len(operands) > 1 else []
    if name in _EDIT_IN_PLACE and any(_IN_PLACE.match(word) for word in words):
        return operands[-1:] if len(operands) > 1 else []
    given = [word.removeprefix("of=") for word in words if name == "dd" and word.startswith("of=")]
    flags = _OUTPUT_FLAGS.get(name, frozenset())
    return given + [after for flag, after in pairwise(words) if flag in flags]


def _index(words: list[str], name: str) -> int:
    """Where the program stands among the words of its command; -1 if nowhere."""
    return next((index for index, word in enumerate(words) if name and word.rpartition("/")[2] == name), -1)


def _whole_files(simple: list[tuple[list[str], list[str]]], documents: list[Heredoc]) -> dict[str, str]:
    """`cat > path <<EOF` and `tee path <<EOF`: which path gets which text."""
    found: dict[str, str] = {}
    bodies = {document.marker: document.body for document in documents}
    for words, targets in simple:
        markers = [word[2:] for word in words if word.startswith("<<")]
        body = next((bodies[marker] for marker in markers if marker in bodies), None)
        if body is not None and _program(words) in {"cat", "tee", ""}:
            for path in targets or _written_by(words):
                found[path] = body
    return found
