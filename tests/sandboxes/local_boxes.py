"""What the tests of the local sandbox share: a task with any Dockerfile, and a look at processes from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from task_dir import make

from spark.records import Limits, Task
from spark.sandboxes.base import ExecResult, Sandbox
from spark.tasks import load_task

OFFLINE = 'schema_version = "1.4"\n[environment]\nnetwork_mode = "no-network"\n'
LIMITS = Limits(memory_mib=256, pids=64)


def task_with(root: Path, dockerfile: str, files: Mapping[str, str] | None = None) -> Task:
    """A task whose environment holds the Dockerfile and the files."""
    make(root, OFFLINE)
    (root / "environment/Dockerfile").write_text(dockerfile)
    for name, text in (files or {}).items():
        path = root / "environment" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load_task(root)


def sh(box: Sandbox, command: str, seconds: float = 30.0) -> ExecResult:
    return box.exec(command, timeout_seconds=seconds)


def processes_with(word: str) -> list[int]:
    """Pids of the host whose command line holds `word`."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def until(holds: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether `holds` came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False
