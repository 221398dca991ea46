"""A sound task on disk, for tests to use or to break."""

from __future__ import annotations

from pathlib import Path


def make(root: Path, toml: str = 'schema_version = "1.4"\n') -> Path:
    """A sound task at `root`."""
    for part in ("environment", "tests", "solution"):
        (root / part).mkdir(parents=True)
    (root / "instruction.md").write_text("Write 7 to /app/out.txt.\n")
    (root / "task.toml").write_text(toml)
    (root / "environment/Dockerfile").write_text("FROM debian:bookworm-slim\n")
    (root / "tests/test.sh").write_text("echo 1 > /logs/verifier/reward.txt\n")
    (root / "solution/solve.sh").write_text("echo 7 > /app/out.txt\n")
    return root
