"""A directory somebody else wrote: walked without following links, digested in a stream, packed into the same tar every time.

Digest and archive see the same thing, which is what git keeps: paths, contents, the x bit and link targets. Owners, times and the rest of
the mode are left out, so a clone made under another umask is the same task. Junk that tools leave behind is no part of it.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from spark.errors import TaskError

JUNK = frozenset({"__pycache__", ".pytest_cache", ".DS_Store", "Thumbs.db"})
LISTED_PROBLEMS = 20


class Entry(NamedTuple):
    """One thing below the root, by its relative path with forward slashes."""

    path: str
    host: Path
    kind: Literal["file", "directory", "link"]
    executable: bool = False
    target: str = ""


def scan(root: Path) -> tuple[Entry, ...]:
    """Everything below `root` but junk (and `.git` at the top), sorted by path.

    Raises:
        TaskError: the author's fault: a link that is absolute or leads out of `root`, a socket, pipe or device, something unreadable.
            Every such problem is named, up to 20.
    """
    entries: list[Entry] = []
    problems: list[str] = []
    boundary = os.path.realpath(root)
    for found in _walk(root, "", problems):
        if found.kind == "link" and (reason := link_problem(found, boundary)):
            problems.append(reason)
        entries.append(found)
    if problems:
        shown = problems[:LISTED_PROBLEMS] + [f"and {len(problems) - LISTED_PROBLEMS} more"] * (len(problems) > LISTED_PROBLEMS)
        raise TaskError(f"{root}: wanted plain files and directories that stay inside, found: " + "; ".join(shown))
    return tuple(sorted(entries, key=lambda entry: os.fsencode(entry.path)))


def link_problem(link: Entry, boundary: str) -> str:
    """Why a link may not stand, or "": it must be relative and end below `boundary`, a real path (what it names need not exist)."""
    if link.target.startswith("/"):
        return f"{link.path} is a link to the absolute path {link.target!r}"
    end = os.path.realpath(link.host)
    if end != boundary and not end.startswith(boundary.rstrip("/") + "/"):
        return f"{link.path} is a link to {link.target!r}, out of {boundary}"
    return ""


def _walk(root: Path, top: str, problems: list[str]) -> Generator[Entry]:
    pending = [top]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(root / here) as listing:
                children = list(listing)
        except OSError as error:
            problems.append(f"{here or '.'}/ cannot be read ({error.strerror})")
            continue
        for child in children:
            path = f"{here}/{child.name}" if here else child.name
            if child.name in JUNK or path == ".git":
                continue
            entry = _entry(child, path)
            if entry is None:
                problems.append(f"{path} is no file, directory or link")
                continue
            if entry.kind == "directory":
                pending.append(path)
            elif entry.kind == "file" and not os.access(entry.host, os.R_OK):
                problems.append(f"{path} cannot be read (Permission denied)")
            yield entry


def _entry(child: os.DirEntry[str], path: str) -> Entry | None:
    if child.is_symlink():
        return Entry(path, Path(child.path), "link", target=str(Path(child.path).readlink()))
    if child.is_dir(follow_symlinks=False):
        return Entry(path, Path(child.path), "directory")
    mode = child.stat(follow_symlinks=False).st_mode
    if stat.S_ISREG(mode):
        return Entry(path, Path(child.path), "file", executable=bool(mode & stat.S_IXUSR))
    return None


def fingerprints(entries: Iterable[Entry]) -> dict[str, str]:
    """Path → kind, x bit and sha256 of the content (of the target, for a link), each file read once and in pieces.

    Raises:
        TaskError: a file vanished or became unreadable meanwhile.
    """
    return {entry.path: f"{entry.kind} {'x' if entry.executable else '-'} {_content(entry)}" for entry in entries}


def _content(entry: Entry) -> str:
    if entry.kind != "file":
        return hashlib.sha256(os.fsencode(entry.target)).hexdigest()
    try:
        with entry.host.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise TaskError(f"{entry.host} cannot be read ({error.strerror})") from error


def tree_digest(prints: Mapping[str, str], under: str = "") -> str:
    """sha256, hex, of all fingerprints, or of those below the directory `under`, with paths relative to it."""
    prefix = f"{under}/" if under else ""
    total = hashlib.sha256()
    for path in sorted(prints, key=os.fsencode):
        if path.startswith(prefix):
            name = os.fsencode(path.removeprefix(prefix))
            total.update(f"{len(name)} ".encode() + name + f" {prints[path]}\n".encode())
    return total.hexdigest()


def tree_archive(host_dir: Path, prefix: str) -> bytes:
    """An uncompressed tar of all that `scan` finds in `host_dir`, each member below `prefix`, the same bytes for the same digest.

    Owner root, time 0, mode 755 for directories and executables, 644 for other files; `prefix` itself is a member, without leading slash.

    Raises:
        TaskError: as `scan`.
    """
    packed = io.BytesIO()
    base = prefix.strip("/")
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        if base:
            archive.addfile(_member(base, Entry("", host_dir, "directory")))
        for entry in scan(host_dir):
            member = _member(f"{base}/{entry.path}" if base else entry.path, entry)
            if entry.kind != "file":
                archive.addfile(member)
                continue
            with entry.host.open("rb") as stream:
                member.size = os.fstat(stream.fileno()).st_size
                archive.addfile(member, stream)
    return packed.getvalue()


def _member(name: str, entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if entry.kind == "directory" or entry.executable else 0o644
    if entry.kind == "directory":
        member.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
    return member
