"""Plays seeded scenarios against /app/roster (in a fenced process) and against the reference (here), and compares what came back."""
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE))
from ctrf import run
from driver import play
from reference import NAMES

WORK = Path(tempfile.mkdtemp())
DAYS = ["2023-12-30", "2023-12-31", "2024-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "2024-04-30", "2024-05-01"]
PEOPLE = ["Dana", "Edo", "Fay van Dyk"]
OUTPUT_BYTES = 4_000_000
ANSWER_SECONDS = 20
silent = []  # children that had to be stopped: after one, the rest is not tried


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))


def compare(scenarios):
    for path in (Path("/app/roster"), *Path("/app/roster").rglob("*")):
        assert not path.is_symlink(), "links are not followed"
    assert not silent, "not tried: the package had to be stopped before"
    with open(WORK / "out", "w+b") as out:
        child = subprocess.Popen(
            [sys.executable, "-I", "-B", str(HERE / "driver.py")], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL, cwd=WORK,
            env={"PATH": os.environ.get("PATH", "")}, start_new_session=True, preexec_fn=limits,
        )
        try:
            child.communicate(json.dumps(scenarios).encode(), timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no answer in {ANSWER_SECONDS} seconds") from None
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if child.wait() < 0:
                silent.append(child.pid)
        out.seek(0)
        try:
            came_back = json.loads(out.read(OUTPUT_BYTES))
        except ValueError:
            raise AssertionError("the package gave no answer") from None
    expected = json.loads(json.dumps([play(scenario, NAMES) for scenario in scenarios]))
    assert type(came_back) is list and len(came_back) == len(expected), "not an answer to every scenario"
    wrong = [index for index, pair in enumerate(zip(came_back, expected)) if pair[0] != pair[1]]
    if wrong:
        found, wanted = came_back[wrong[0]], expected[wrong[0]]
        step = next((i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]), 0)
        calls = [f"{target or 'roster'}.{method}{tuple(arguments)}" for _, target, method, arguments in scenarios[wrong[0]][: step + 1]]
        raise AssertionError(f"{len(wrong)} of {len(expected)} scenarios differ from the contract, one of them at: {'; '.join(calls[-3:])}")


def span(rng, top=14, empty=True):
    start, end = sorted((rng.randrange(top), rng.randrange(top)))
    return [start, end if empty else max(end, start + 1)]


def look(*names):
    return [["", name, method, []] for name in names for method in ("spans", "total", "bool")]


def adding():
    rng = random.Random(1)
    for _ in range(150):
        scenario = [["a", "", "SpanSet", []]]
        for _ in range(6):
            scenario += [["", "a", "add", span(rng, empty=False)], *look("a")]
        yield scenario


def removing():
    rng = random.Random(2)
    for _ in range(150):
        # Spans far enough apart that only remove() is on trial.
        scenario = [["a", "", "SpanSet", [[[0, 4], [6, 9], [11, 14]]]]]
        for _ in range(4):
            scenario += [["", "a", "remove", span(rng, 15, empty=False)], *look("a"), ["", "a", "contains", [rng.randrange(15)]]]
        yield scenario


def sets():
    rng = random.Random(3)
    for _ in range(150):
        scenario = [["a", "", "SpanSet", [[span(rng), span(rng)]]], ["b", "", "SpanSet", [[span(rng), span(rng)]]], ["c", "a", "copy", []]]
        for _ in range(4):
            start, end = span(rng)
            scenario += [["", rng.choice("ab"), rng.choice(["add", "remove"]), rng.choice([[start, end], [start, start], [end + 1, start]])]]
        scenario += [["d", "a", "&", ["$b"]], *look("a", "b", "c", "d"), ["", "a", "==", ["$b"]], ["", "a", "gaps", [0, 14]], ["", "b", "gaps", span(rng)]]
        scenario += [["", "a", "covers", span(rng)], ["", "b", "covers", span(rng)], ["", "a", "contains", [rng.randrange(14)]]]
        yield scenario


SHIFTS = [
    "08:00-12:00", "12:00-18:00", "09:30-10:15", "22:00-06:00", "23:00-00:00", "20:00-24:00", "00:00-07:00", "00:00-24:00", "06:00-08:00", "18:00-02:30", "10:00-09:59",
]


def booked(rng, count, shifts=SHIFTS, days=DAYS):
    return [["", "r", "book", [rng.choice(PEOPLE), rng.choice(days), rng.choice(shifts)]] for _ in range(count)]


def ask(rng, name="r"):
    first, last = sorted((rng.choice(DAYS), rng.choice(DAYS)))
    return [
        ["", name, "days", []], ["", name, "on_duty", [rng.choice(DAYS)]], ["", name, "shifts", [rng.choice(PEOPLE), rng.choice(DAYS)]],
        ["", name, "minutes", [rng.choice(PEOPLE), first, last]], ["", "", "dumps", ["$" + name]],
    ]


def nights():
    rng = random.Random(4)
    for day, after in (("2023-12-31", "2024-01-01"), ("2024-02-28", "2024-02-29"), ("2024-02-29", "2024-03-01"), ("2024-04-30", "2024-05-01"), ("2024-03-09", "2024-03-10")):
        for shift in ("22:00-06:00", "23:00-00:00", "20:00-24:00", "18:00-02:30", "24:00-06:00", "10:00-10:00", "24:01-03:00", "9:00-10:00"):
            yield [
                ["r", "", "Roster", []], ["", "r", "book", ["Edo", day, "00:00-24:00"]], ["", "r", "book", ["Edo", after, "00:00-24:00"]],
                ["", "r", "cancel", ["Edo", day, shift]], ["", "r", "shifts", ["Edo", day]], ["", "r", "shifts", ["Edo", after]],
                ["", "r", "book", ["Dana", day, shift]], ["", "r", "shifts", ["Dana", day]], ["", "r", "shifts", ["Dana", after]],
                ["", "r", "cancel", ["Dana", day, shift]], ["", "r", "minutes", ["Dana", day, after]], *ask(rng),
            ]


def clashes():
    rng = random.Random(5)
    for _ in range(40):
        scenario = [["r", "", "Roster", []], *booked(rng, 7, ["22:00-06:00", "18:00-02:30", "05:00-09:00", "01:00-02:00", "02:30-05:00"], DAYS[:3])]
        yield scenario + [["", "r", "shifts", [name, day]] for name in PEOPLE for day in DAYS[:3]] + ask(rng)


def free_time():
    rng = random.Random(6)
    for _ in range(40):
        scenario = [["r", "", "Roster", []], *booked(rng, 4, days=DAYS[:2])]
        for _ in range(6):
            name, day = rng.choice(PEOPLE), rng.choice(DAYS[:2])
            scenario += [["", "r", "free", [name, day]], ["", "r", "free", [name, day, rng.choice(["00:00-24:00", "07:00-19:30", "16:00-24:00", "10:00-12:00"])]]]
            scenario += [["", "r", rng.choice(["book", "cancel", "cancel"]), [name, day, rng.choice(SHIFTS)]], ["", "r", "free", [name, day]]]
        yield scenario


def duty():
    rng = random.Random(7)
    for _ in range(40):
        scenario = [["r", "", "Roster", []], ["e", "", "Roster", []], *booked(rng, 5)]
        scenario += [["", "r", "cancel", [name, day, "00:00-24:00"]] for name in PEOPLE[:2] for day in rng.sample(DAYS, 5)]
        yield [*scenario, *ask(rng), *ask(rng), ["", "e", "free", ["Edo", DAYS[0]]], *ask(rng, "e"), ["f", "", "Roster", []], ["", "e", "==", ["$f"]]]


def copies():
    rng = random.Random(8)
    for _ in range(40):
        scenario = [["r", "", "Roster", []], *booked(rng, 5), *ask(rng), ["w", "r", "what_if", []], ["", "w", "==", ["$r"]]]
        for _ in range(5):
            name, day = rng.choice(PEOPLE), rng.choice(DAYS)
            scenario.append(["", rng.choice("rw"), rng.choice(["book", "cancel"]), [name, day, rng.choice(SHIFTS)]])
            scenario += [["", "r", "free", [name, day]], ["", "w", "free", [name, day]], ["", "w", "==", ["$r"]]]
        yield scenario + ask(rng) + ask(rng, "w")


def texts():
    rng = random.Random(9)
    for _ in range(40):
        scenario = [["r", "", "Roster", []], *booked(rng, 6), ["", "r", "cancel", [PEOPLE[0], rng.choice(DAYS), "00:00-24:00"]], ["t", "", "dumps", ["$r"]]]
        lines = [f"{day}\t{name}\t{rng.choice(SHIFTS)}\n" for name, day in zip(PEOPLE, rng.sample(DAYS, 3))]
        scenario += [["s", "", "loads", ["$t"]], ["", "s", "==", ["$r"]], ["", "", "dumps", ["$s"]], ["u", "", "loads", ["".join(lines)]], ["", "", "dumps", ["$u"]]]
        yield scenario


def commands():
    rng = random.Random(10)
    path = WORK / "roster.txt"
    path.write_text("2024-02-29\tFay van Dyk\t00:00-02:00 08:00-12:00 22:00-06:00\n2024-02-29\tDana\t18:00-00:00\n2023-12-31\tEdo\t20:00-04:00\n", encoding="utf-8")
    for day in DAYS:
        for name in PEOPLE:
            arguments = rng.choice([["free", name, day], ["free", name, day, "00:00-24:00"], ["minutes", name, "2023-12-31", day]])
            yield [["", "", "command", [str(path), *arguments]], ["", "", "command", [str(path), "duty", day]]]


run([
    ("adding spans", 1, lambda: compare(list(adding()))),
    ("removing spans", 1, lambda: compare(list(removing()))),
    ("other promises of SpanSet", 1, lambda: compare(list(sets()))),
    ("night shifts", 1, lambda: compare(list(nights()))),
    ("a clash changes nothing", 1, lambda: compare(list(clashes()))),
    ("free time", 1, lambda: compare(list(free_time()))),
    ("days, duty and minutes", 1, lambda: compare(list(duty()))),
    ("what-if copies", 1, lambda: compare(list(copies()))),
    ("text and back", 1, lambda: compare(list(texts()))),
    ("command line", 1, lambda: compare(list(commands()))),
])
