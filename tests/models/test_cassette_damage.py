"""Killed processes, torn files, full disks: nothing finished is lost, nothing is paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from talking import answer, journal, talk, user

from spark.errors import RunError
from spark.models.callfile import journaled_usage, read_call


def damage(path: Path, kind: str) -> bytes:
    whole = path.read_bytes()
    stored = json.loads(whole)
    content = {
        "torn": whole[: len(whole) // 2],
        "empty": b"",
        "zeros": b"\0" * 100,
        "other JSON": b"[1, 2]",
        "deep": b"[" * 100_000,
        "not UTF-8": b"\xff\xfe" + whole,
        "unknown key": json.dumps({**stored, "more": 1}).encode(),
        "of another call": json.dumps({**stored, "number": 7}).encode(),
        "no completion": json.dumps({**stored, "completion": {**stored["completion"], "text": " "}}).encode(),
    }[kind]
    path.write_bytes(content)
    return content


@pytest.mark.parametrize(
    "kind", ["torn", "empty", "zeros", "other JSON", "deep", "not UTF-8", "unknown key", "of another call", "no completion"]
)
def test_a_damaged_file_counts_as_none_and_is_kept(tmp_path: Path, kind: str) -> None:
    talk(journal(tmp_path, "a", "b", "c")[0], 3)
    content = damage(tmp_path / "0002-teacher.json", kind)
    assert journaled_usage(tmp_path)["teacher"].calls == 2
    again, _, inner = journal(tmp_path, "b2")
    assert talk(again, 3) == ["a", "b2", "c"]
    assert len(inner.asked) == 1
    assert (tmp_path / "0002-teacher.json.damaged-1").read_bytes() == content
    damage(tmp_path / "0002-teacher.json", "empty")
    assert talk(journal(tmp_path, "b3")[0], 3) == ["a", "b3", "c"]
    assert (tmp_path / "0002-teacher.json.damaged-2").exists()
    assert (tmp_path / "0002-teacher.json.damaged-1").read_bytes() == content


def test_a_folder_that_cannot_be_there_is_told_before_anything_is_paid(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("a file where the folder should be")
    model, _, inner = journal(tmp_path / "calls", answer("a"))
    with pytest.raises(RunError, match=r"0001-teacher\.json"):
        model.complete([user("x")], max_tokens=5)
    assert inner.asked == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from spark.budget import Purse
from spark.errors import StoreError
from spark.models.base import Completion, Message
from spark.models.cassette import Journal
from spark.models.scripted import ScriptedModel
from spark.records import Usage

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
purse = Purse()
paid = Completion(text="a", usage=Usage(calls=1, prompt_tokens=3, completion_tokens=4))
try:
    Journal(ScriptedModel([paid]), Path(sys.argv[1]), "teacher", purse=purse).complete([Message(role="user", content="x")], max_tokens=5)
except StoreError as error:
    print(error.message, purse.spent("teacher").tokens)
"""


def test_a_disk_that_takes_no_more_is_told_and_what_was_paid_is_counted(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert done.stdout.endswith(" 7\n")
    assert read_call(tmp_path / "0001-teacher.json", on_damage="leave") is None


CHILD = """
import sys, time
from pathlib import Path
from spark.models.base import Completion, Message
from spark.models.cassette import Journal
from spark.records import Usage

class Paid:
    name = "m"
    def complete(self, messages, *, max_tokens, tools=(), schema=None):
        # The price is a line in a file: what was paid can be counted from outside.
        with open(sys.argv[2], "a") as bill:
            bill.write(f"{len(messages)}\\n")
        return Completion(text=f"answer {len(messages)}", usage=Usage(calls=1, prompt_tokens=1, completion_tokens=1))

model = Journal(Paid(), Path(sys.argv[1]), "teacher")
history = []
for turn in range(int(sys.argv[3])):
    history.append(Message(role="user", content=f"turn {turn}"))
    print(model.complete(history, max_tokens=5).text, flush=True)
"""


def test_kills_between_calls_lose_nothing(tmp_path: Path) -> None:
    turns, kills = 60, 8
    bill = tmp_path / "bill"
    command = [sys.executable, "-c", CHILD, str(tmp_path / "calls"), str(bill), str(turns)]
    for kill in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(1 + kill * 7):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        child.wait()
        whole = [path for path in (tmp_path / "calls").iterdir() if not path.name.startswith(".")]
        # An answer may have been paid and lost only if the kill fell between its coming and its file.
        assert len(whole) <= len(bill.read_text().splitlines()) <= len(whole) + kill + 1
    paid_before = len(bill.read_text().splitlines())
    stored_before = len(list((tmp_path / "calls").glob("[0-9]*.json")))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"answer {turn + 1}" for turn in range(turns)]
    assert len(bill.read_text().splitlines()) - paid_before == turns - stored_before
    assert journaled_usage(tmp_path)["teacher"].calls == turns
    assert not list((tmp_path / "calls").glob("*.damaged-*"))
