"""Checks /app/release.lst and /app/answers.json against expected.json, which make_data.py wrote from a model of the commands."""
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import read_output, run

EXPECTED = json.loads((HERE / "expected.json").read_text())


def table(text):
    """path -> (hash, mode)"""
    rows = [line.split(" ", 2) for line in text.split("\n")[1:] if line]
    assert all(len(row) == 3 for row in rows), "a line is not hash, mode, path"
    return {path: (digest, mode) for digest, mode, path in rows}


WANTED = table(EXPECTED["release"])


def release():
    return read_output("/app/release.lst", 100_000).decode("utf-8")


def header(position, name):
    words = release().split("\n")[0].split(" ")
    wanted = EXPECTED["release"].split("\n")[0].split(" ")
    assert len(words) == len(wanted) and words[::2] == wanted[::2], "the first line has another form"
    assert words[position] == wanted[position], f"{name} is wrong"


def paths():
    found = set(table(release()))
    assert found == set(WANTED), f"{len(set(WANTED) - found)} files missing, {len(found - set(WANTED))} surplus"


def column(index, name):
    found = table(release())
    wrong = sum(path not in found or found[path][index] != row[index] for path, row in WANTED.items())
    assert not wrong, f"{name} missing or wrong for {wrong} of {len(WANTED)} files"


def exact():
    assert release() == EXPECTED["release"], "not byte for byte the list"


def answers():
    found = json.loads(read_output("/app/answers.json"))
    wrong = sorted(key for key, value in EXPECTED["answers"].items() if found.get(key) != value)
    assert not wrong, f"wrong: {', '.join(wrong)}"


run([
    ("stage", 0.5, lambda: header(1, "stage")),
    ("version", 0.5, lambda: header(3, "version")),
    ("build number", 1, lambda: header(5, "build number")),
    ("files listed", 2, paths),
    ("modes", 2, lambda: column(1, "mode")),
    ("contents", 3, lambda: column(0, "hash")),
    ("byte for byte", 1, exact),
    ("terminal, time and directory of the run", 1, answers),
])
