"""The answer scan: what gives an instance away, and what does not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from told import task

from spark.distill.answers import instance_answers, leaks
from spark.tasks import load_task

TEST_PY = '''"""Checks a report of 8765.4321 units."""
EXPECTED = {"mass": 34648.1275, "server": "SRV-0042", "owner": "Nordwind Handels GmbH", "year": 2024, "tolerance": 0.001}
DENSITIES = [7.8501, 2.7, 9.80665, 3.14159, 65536, 1500]

def test_mass():
    """The mass is 5551.25 grams."""
    assert report["opened"] == "2024-03-05T10:15:30Z", "the mass of the largest part"
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("tests", "environment/data"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "tests/check.py").write_text(TEST_PY)
    (tmp_path / "environment/data/densities.csv").write_text("id;density\n1;7.8501\n")
    return tmp_path


def test_literals_of_the_verifier_and_the_outputs_are_answers(root: Path) -> None:
    (root / "tests/expected.json").write_text(json.dumps({"winner": "saffron", "status": "passed", "rows": [{"id": "QX-17", "n": 12}]}))
    outputs = {
        "app/report.json": json.dumps({"total": 191.150454, "best": "Alba Longa", "count": 40417}).encode(),
        "app/table.csv": b"name,cents\nMarta Kowalska,271828\n",
        "app/scan.stl": bytes(range(256)) * 4,
    }
    answers = instance_answers(task(str(root)), outputs)
    assert answers == {
        "34648.1275", "8765.4321", "5551.25", "SRV-0042", "2024-03-05T10:15:30Z",
        "saffron", "QX-17", "191.150454", "Alba Longa", "40417", "Marta Kowalska", "271828",
    }  # fmt: skip


def test_what_the_agent_is_given_is_no_answer(root: Path) -> None:
    text = "The server SRV-0042 weighs 34,648.1275 g; write /app/out.json.\n"
    (root / "environment/data/log.gz").write_bytes(gzip.compress(b"opened 2024-03-05T10:15:30Z\n"))
    (root / "environment/data/note.txt").write_bytes("8765,4321 is 8765.4321 für".encode("cp1252"))
    (root / "environment/data/broken.gz").write_bytes(b"\x1f\x8bnonsense")
    outputs = {"app/report.json": b'{"mass_kg": 34.6481275, "density": 7850.1}'}
    assert instance_answers(task(str(root), instruction=text), outputs) == {"5551.25"}


def test_identifiers_in_plain_text_count_by_themselves(root: Path) -> None:
    answers = instance_answers(task(str(root)), {"app/release.lst": b"23d613e95739fa903f73 640 parts/two words.txt\n"})
    assert [leak.found for leak in leaks("The hash is 23d613e95739fa903f73.", answers)] == ["23d613e95739fa903f73"]


def test_of_code_only_numbers_count(root: Path) -> None:
    outputs = {"app/fix.js": b"const discount = 0.18253; let name = 'flux capacitor 88';"}
    answers = instance_answers(task(str(root)), outputs)
    assert "0.18253" in answers
    assert "flux capacitor 88" not in answers


def test_a_data_set_is_not_an_answer(root: Path) -> None:
    rows = "\n".join(f"{number / 7:.5f}" for number in range(10_000, 12_000))
    assert instance_answers(task(str(root)), {"app/big.csv": rows.encode()}) == instance_answers(task(str(root)), {})


@pytest.mark.parametrize(
    "text",
    [
        "34648.1275",
        "34,648.13 g",
        "about 34648.1",
        "34648",
        "-34648.1275",
        "SRV-0042",
        "`SRV-0042`",
        "(2024-03-05T10:15:30Z)",
        "3.46481275e4",
    ],
)
def test_answers_are_found_however_they_are_written(root: Path, text: str) -> None:
    answers = instance_answers(task(str(root)), {})
    assert [(leak.line, leak.found in text) for leak in leaks(f"Line one.\nIt is {text}.\n", answers)] == [(2, True)]


@pytest.mark.parametrize(
    "text",
    [
        "34650",
        "34.648",
        "346481275",
        "SRV-00421",
        "SRV-004",
        "xSRV-0042",
        "2024-03-05",
        "1500",
        "65536",
        "3.1416",
        "9.80665",
        "v34648.1275.2",
    ],
)
def test_what_only_resembles_an_answer_is_none(root: Path, text: str) -> None:
    assert leaks(f"It is {text} here.", instance_answers(task(str(root)), {})) == []


def test_more_answers_demand_more_digits() -> None:
    few, many = (frozenset(f"{1_000_003 + 7919 * number}" for number in range(count)) for count in (10, 800))
    assert leaks("1000003", few)
    assert leaks("1000003", many)
    assert leaks("The count is 1000.0 here", few) == leaks("The count is 1000.0 here", many) == []
    short_few, short_many = (frozenset(f"{1003 + 7 * number}" for number in range(count)) for count in (10, 800))
    assert leaks("1003", short_few)
    assert leaks("1003", short_many) == [], "with 800 of them one in eleven such numbers would be found by chance"


BUNDLED = sorted(path.parent for path in (Path(__file__).parents[2] / "tasks-no-skills").glob("*/instruction.md"))


@pytest.mark.parametrize("folder", BUNDLED, ids=lambda folder: folder.name)
def test_honest_text_about_a_bundled_task_gives_nothing_away(folder: Path) -> None:
    """A reference solution says as much of the work as any skill could, and computes its answers."""
    answers = instance_answers(load_task(folder), {})
    for path in sorted(path for path in folder.glob("solution/**/*") if path.is_file()):
        assert leaks(path.read_text(), answers) == []
