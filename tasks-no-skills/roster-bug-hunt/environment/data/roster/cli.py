"""Commands: free NAME DAY [OPENING] · duty DAY · minutes NAME FIRST LAST."""

from pathlib import Path

from .store import loads


def main(argv):
    path, command, *rest = argv
    roster = loads(Path(path).read_text(encoding="utf-8"))
    if command == "free":
        print("\n".join(roster.free(*rest)))
    elif command == "duty":
        print("\n".join(roster.on_duty(*rest)))
    elif command == "minutes":
        print(roster.minutes(*rest))
    else:
        raise SystemExit(f"unknown command: {command}")
