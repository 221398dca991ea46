"""Tables from anywhere: what is read, and every fault by its line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.errors import RequestError
from spark.eval.table import FAULTS_NAMED, Row, read_tables

HEAD = "task,arm,repeat,reward,outcome,model,cost,seconds\n"
WHOLE = [
    Row("a", "baseline", 0, 0.0, "m", 0.5, 3.0),
    Row("a", "skill", 0, 1.0, "m", None, None),
    Row("a", "skill", 1, None, "m", 0.25, 9.5),
    Row("b, or c", "skill", 0, 0.5),
]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path, *more: Path) -> str:
    with pytest.raises(RequestError) as caught:
        list(read_tables([path, *more]))
    return caught.value.message


def test_csv(tmp_path: Path) -> None:
    text = (
        HEAD + 'a,baseline,0,0,failed,m,0.5,3\na,skill,0,1.0,solved,m,,\n\na,skill,1,,errored,m,.25,9.5\n"b, or c",skill,0,0.5,partial,,,\n'
    )
    assert list(read_tables([written(tmp_path, "t.csv", text)])) == WHOLE


def test_json_lines(tmp_path: Path) -> None:
    objects = [
        {"task": "a", "arm": "baseline", "repeat": 0, "reward": 0, "model": "m", "cost": 0.5, "seconds": 3, "extra": [1]},
        {"task": "a", "arm": "skill", "repeat": 0, "outcome": "solved", "model": "m", "cost": None},
        {"task": "a", "arm": "skill", "repeat": 1, "reward": None, "model": "m", "cost": 0.25, "seconds": 9.5},
        {"task": "b, or c", "arm": "skill", "repeat": 0, "reward": 0.5},
    ]
    assert list(read_tables([written(tmp_path, "t.jsonl", "\n".join(map(json.dumps, objects)))])) == WHOLE


def test_only_outcomes_in_any_order_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffOutcome,repeat,arm,task\r\nsolved,3,x,t\r\nErrored,4,x,t\r\n"
    assert list(read_tables([written(tmp_path, "t.CSV", text)])) == [Row("t", "x", 3, 1.0), Row("t", "x", 4, None)]


def test_every_fault_of_a_csv_has_its_line(tmp_path: Path) -> None:
    text = (
        HEAD
        + 'good,a,0,1,,,,\n,a,0,1,,,,\nt,a,-1,1,,,,\nt,a,0,1.5,,,,\nt,a,0,nan,,,,\n"two\nlines",a,x,1,,,,\n'
        + "t,a,0,1,failed,,,\nt,a,0,,partial,,,\nt,a,0,,won,,,\nt,a,0\nt,a,1,1,,,-2,\ngood,a,0,0,,,,\n"
    )
    heading, *faults = refusal(written(tmp_path, "t.csv", text)).splitlines()
    assert heading.endswith("t.csv: 11 faults")
    assert [fault.strip() for fault in faults] == [
        "line 3: task: wanted a name, found ''",
        "line 4: repeat: wanted a whole number from 0, found '-1'",
        "line 5: reward: wanted a number in [0, 1], found '1.5'",
        "line 6: reward: wanted a number in [0, 1], found 'nan'",
        "line 7: repeat: wanted a whole number from 0, found 'x'",
        "line 9: reward 1.0 makes the outcome 'solved', not 'failed'",
        "line 10: outcome: 'partial' wants a reward beside it",
        "line 11: outcome: wanted solved, partial, failed or errored, found 'won'",
        "line 12: wanted 8 cells, found 3",
        "line 13: cost: wanted a number from 0, found '-2'",
        "line 14: task 'good', arm 'a', repeat 0 stands in line 2 already",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "no JSON object"),
        ("[1]", "wanted a JSON object, found [1]"),
        ('{"task": "t", "arm": "a"}', "wanted the columns repeat, reward or outcome, found 'task, arm'"),
        ('{"task": 3, "arm": "a", "repeat": 0, "reward": 1}', "task: wanted a name, found 3"),
        ('{"task": "t", "arm": "a", "repeat": true, "reward": 1}', "repeat: wanted a whole number from 0, found True"),
        ('{"task": "t", "arm": "a", "repeat": 0, "reward": true}', "reward: wanted a number in [0, 1], found True"),
        ('{"task": "t", "arm": "a", "repeat": 0, "reward": NaN}', "NaN is no number"),
        ('{"task": "t", "arm": "a", "repeat": 0, "reward": 1e999}', "reward: wanted a number in [0, 1], found inf"),
        ('{"task": "t", "arm": "a", "repeat": 0, "reward": 1, "reward": 0}', "a key stands there twice"),
        ("[" * 100_000, "no JSON object"),
    ],
)
def test_faults_of_json_lines(line: str, fault: str, tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "t.jsonl", '{"task": "g", "arm": "a", "repeat": 0, "reward": 1}\n\n' + line + "\n"))
    assert "1 fault\n  line 3: " in message
    assert fault in message


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("t.csv", "", "line 1: wanted the columns task, arm, repeat, reward or outcome, found ''"),
        ("t.csv", "task,arm,reward\n", "line 1: wanted the columns repeat, found 'task, arm, reward'"),
        ("t.csv", "task,arm,repeat,reward,task\n", "line 1: column 'task' stands there twice"),
        ("t.csv", HEAD, "wanted trials, found none"),
        ("t.csv", HEAD + 't,a,0,"1"x,,,,\n', "line 2: no CSV from here on"),
        ("t.csv", HEAD.encode() + b"t\xff,a,0,1,,,,\n", "wanted UTF-8, found b'\\xff'"),
        ("t.jsonl", "\n\n", "wanted trials, found none"),
        ("t.txt", HEAD, "wanted a table in .csv or .jsonl, found '.txt'"),
    ],
)
def test_no_table(name: str, text: str | bytes, fault: str, tmp_path: Path) -> None:
    assert fault in refusal(written(tmp_path, name, text))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot read it" in refusal(tmp_path / "none.csv")


def test_a_trial_in_two_tables_is_named_with_both(tmp_path: Path) -> None:
    first = written(tmp_path, "1.csv", HEAD + "t,a,0,1,,,,\n")
    message = refusal(first, written(tmp_path, "2.csv", HEAD + "u,a,0,1,,,,\nt,a,0,1,,,,\n"))
    assert f"line 3: task 't', arm 'a', repeat 0 stands in {first} line 2 already" in message


def test_many_faults_are_counted(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "t.csv", HEAD + ",,,,,,,\n" * 1000))
    assert message.count("\n") == FAULTS_NAMED + 1
    assert message.endswith(f"and {1000 - FAULTS_NAMED} more")


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name, head in (("t.csv", HEAD), ("t.jsonl", "")):
        path = written(folder, name, (head + text).encode(errors="replace"))
        try:
            list(read_tables([path]))
        except RequestError:
            continue


def test_a_large_table_is_read_at_once(tmp_path: Path) -> None:
    """100,000 trials; in seconds of processor time, which other work on the machine does not lengthen much."""
    text = HEAD + "".join(f"task-{n // 50},arm-{n % 2},{n},{n % 3 / 2},,model,0.01,12.5\n" for n in range(100_000))
    path = written(tmp_path, "t.csv", text)
    before = time.process_time()
    assert sum(1 for _ in read_tables([path])) == 100_000
    assert time.process_time() - before < 5
