"""One box: a container that is started when its first command comes, and started again after all its processes were killed."""

from __future__ import annotations

import io
import shlex
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spark.errors import SandboxError
from spark.records import SandboxInfo
from spark.sandboxes import docker_files as files
from spark.sandboxes.base import DEFAULT_OUTPUT_BYTES, Change, ExecResult, Packed
from spark.sandboxes.docker_engine import Engine
from spark.sandboxes.docker_exec import END_COMMAND, Command, Output, Running, begin, drain, follow, refused

_END_SECONDS = 10.0
"""For ending a command from inside, before the whole box is ended from outside."""
_STARTS = 3
_REMOVE_SECONDS = 120.0
_REMOVED_AT_ONCE = 200
_LOST = "�"
"""What the engine writes for bytes of a name that are no UTF-8."""


class Defaults(NamedTuple):
    """How commands start unless told otherwise, and what is known of the image."""

    user: str
    cwd: str
    env: Mapping[str, str]
    rm: str
    """Its own `rm`, by its path."""
    known: dict[str, bool]
    """Paths asked for before, and whether they are in the image: shared by its boxes."""


class DockerBox:
    """A box until `release`. One command at a time: others wait."""

    def __init__(self, engine: Engine, container: str, defaults: Defaults, info: SandboxInfo) -> None:
        self.info = info
        self.container = container
        self.defaults = defaults
        self._engine = engine
        self._one_command = threading.RLock()
        self._state = threading.Lock()
        self._started = False
        self._touched = False
        self._open = True

    def exec(
        self,
        command: str,
        *,
        timeout_seconds: float,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        output_bytes: int = DEFAULT_OUTPUT_BYTES,
    ) -> ExecResult:
        """As the contract says. A directory that is not there, or a command too long for the kernel, is the command's failure (126).

        A box whose processes all died, by the agent's own hand or for want of memory, is started again.
        """
        full = {**self.defaults.env, **(env or {})}
        order = Command(("bash", "-c", command), user or self.defaults.user, full, cwd or self.defaults.cwd)
        return self._exec(order, timeout_seconds, output_bytes)

    def _exec(self, command: Command, timeout_seconds: float, output_bytes: int = DEFAULT_OUTPUT_BYTES) -> ExecResult:
        if reason := refused(command):
            return ExecResult(exit_code=126, stdout="", stderr=f"spark: cannot run {command.argv[0]}: {reason}\n", seconds=0.0)
        output = Output(output_bytes)
        with self._one_command:
            running = self._begin(command)
            try:
                code = follow(self._engine, running, output, timeout_seconds)
                if code is None:
                    self._end(running, output)
            finally:
                running.stream.close()
        return output.result(code, time.monotonic() - running.started)

    def _begin(self, command: Command) -> Running:
        for _ in range(_STARTS):
            self._start()
            running = begin(self._engine, self.container, command)
            if running is not None:
                return running
            with self._state:
                self._started = False
        raise SandboxError(f"a box died {_STARTS} times before it could take a command", hint="is its memory limit too low?")

    def _start(self) -> None:
        self._check_open()
        with self._state:
            self._touched = True
            if not self._started:
                self._engine.start(self.container)
                self._started = True

    def _end(self, running: Running, output: Output) -> None:
        """End a command that ran into its limit."""
        ender = begin(self._engine, self.container, Command(("bash", "-c", END_COMMAND), "0:0", {"LC_ALL": "C"}, "/"))
        ended: int | None = 137
        if ender is not None:
            try:
                ended = follow(self._engine, ender, Output(1_000), _END_SECONDS)
            finally:
                ender.stream.close()
        if ended != 0 or follow(self._engine, running, output, _END_SECONDS / 2) is None:
            self.kill_processes()
            drain(running, output)

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """As the contract says; whatever stands in the way, a directory too, gives place."""
        path = files.plain(path)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.mode, member.size, member.mtime = mode, len(data), int(time.time())
            tar.addfile(member, io.BytesIO(data))
        self._put(files.ancestors(path), buffer.getvalue())

    def read(self, path: str, *, max_bytes: int) -> bytes | None:
        """As the contract says; nothing in /proc, /sys and /dev is a regular file."""
        self._check_open()
        return files.read(self._engine, self.container, files.plain(path), max_bytes)

    def pack(self, paths: Sequence[str], *, max_bytes: int) -> Packed:
        """As the contract says."""
        self._check_open()
        return files.pack(self._engine, self.container, paths, max_bytes)

    def unpack(self, archive: bytes) -> None:
        """As the contract says; absolute names, `..`, devices and hard links are refused."""
        if (above := files.checked(archive)) is not None:
            self._put(above, archive)

    def _put(self, above: Sequence[str], archive: bytes) -> None:
        self._check_open()
        fresh = files.missing(above, self._exists)
        self._touched = True
        self._engine.put(self.container, files.directories(fresh) + archive)

    def _exists(self, path: str) -> bool:
        if self._touched:
            return self._engine.stat(self.container, path) is not None
        known = self.defaults.known
        if path not in known:
            known[path] = self._engine.stat(self.container, path) is not None
        return known[path]

    def remove(self, paths: Sequence[str]) -> None:
        """As the contract says. The box's `rm` does it, since the engine cannot; that it did is seen from outside.

        Raises:
            SandboxError: something is still there, or the box failed.
        """
        self._check_open()
        there = [path for path in map(files.plain, paths) if _LOST in path or self._exists(path)]
        for first in range(0, len(there), _REMOVED_AT_ONCE):
            some = there[first : first + _REMOVED_AT_ONCE]
            said = self._exec(Command(self._removal(some), "0:0", {"LC_ALL": "C"}, "/"), _REMOVE_SECONDS)
            if left := [path for path in some if self._exists(path)]:
                raise SandboxError(f"{len(left)} paths of a box could not be removed, {left[0]} for one: {said.stderr[-500:]!r}")

    def _removal(self, paths: Sequence[str]) -> tuple[str, ...]:
        if not any(_LOST in path for path in paths):
            return (self.defaults.rm, "-rf", "--", *paths)
        # A name that is no UTF-8 is known to us only in outline; whatever fits it goes.
        patterns = " ".join("*".join(map(shlex.quote, path.split(_LOST))) for path in paths)
        return ("bash", "-c", f"{shlex.quote(self.defaults.rm)} -rf -- {patterns}")

    def kill_processes(self) -> None:
        """As the contract says: from outside, by ending the container. /dev/shm is empty afterwards; a command under way ends with 137."""
        self._check_open()
        with self._state:
            if self._started:
                self._engine.kill(self.container)
                self._started = False

    def changes(self) -> tuple[Change, ...]:
        """As the contract says. What lies in a VOLUME of the image is not seen. A change of a directory's own mode is seen only if
        nothing below it changed."""
        self._check_open()
        if not self._touched:
            return ()
        return files.changes((entry["Path"], entry["Kind"]) for entry in self._engine.diff(self.container))

    def restore(self, pristine: str, paths: Sequence[str]) -> None:
        """Make `paths` as they are in the container `pristine`, which nobody has touched; no process of the box survives it.

        What is not in the image is first emptied, and what is, laid back, both from outside; only then does anything of the box run, and
        what was emptied is deleted.

        Raises:
            SandboxError: the box failed.
        """
        self.kill_processes()
        known = [path for path in paths if _LOST not in path]
        back = files.originals(self._engine, pristine, known)
        if known:
            self._engine.put(self.container, back.archive)
        self.remove((*back.absent, *(path for path in paths if _LOST in path)))

    def release(self) -> bool:
        """Close it, leaving the container; whether it was open."""
        with self._state:
            was_open, self._open = self._open, False
        return was_open

    def handed_over(self, defaults: Defaults, info: SandboxInfo) -> DockerBox:
        """A new box around the same container, none of whose processes survive; this one is closed.

        Starting a container again gives it new namespaces, /dev/shm, /etc/hosts and /etc/resolv.conf.
        """
        self.kill_processes()
        self.release()
        box = DockerBox(self._engine, self.container, defaults, info)
        box._touched = self._touched
        return box

    def _check_open(self) -> None:
        if not self._open:
            raise SandboxError("this box is closed")
