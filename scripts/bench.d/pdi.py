"""PDI, online and retrospective: 100,000 synthetic trajectories of the recorded sizes, beside a straightforward numpy version."""

from __future__ import annotations

import json
import math
import os
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from spark.pdi.divergence import similarity
from spark.pdi.many import measure, measure_all
from spark.pdi.proxy import Observation, Proxy
from spark.pdi.retrospective import Choices, in_population
from spark.pdi.tokens import bag, merged, words

TRAJECTORIES = int(os.environ.get("SPARK_BENCH_TRAJECTORIES", "100000"))
BESIDE = 400
"""Of them, also given to the numpy version: it would need most of an hour for all."""
ON_DISK = 600
POOL = 1500
"""Distinct texts of each kind; trajectories draw from them, and nothing is kept from one trajectory to the next."""
ALPHA = 0.002

# Words per text and steps per trajectory of the 15 released runs at hand: minimum, deciles, maximum. (Failed checks: where there are any.)
SIZES = {
    "commands": (339, 339, 827, 904, 1017, 1088, 1107, 1179, 1238, 1314, 1429),
    "facts": (49, 95, 107, 124, 136, 148, 164, 177, 204, 233, 295),
    "strategy": (50, 93, 115, 120, 140, 148, 153, 154, 177, 198, 339),
    "failed": (1, 2, 5, 5, 6, 6, 6, 12, 12, 19, 62),
    "skill": (1701, 2138, 2875, 2955, 3063, 3085, 3296, 3387, 3543, 4073, 4347),
    "steps": (1, 1, 1, 1, 1, 3, 3, 3, 4, 4, 7),
}
VOCABULARY = {"commands": 350, "facts": 4000, "strategy": 4000, "failed": 4000, "skill": 1100}
"""Words to draw from, so that a text has as many distinct ones as the recorded (214 in commands, 104 in facts, 650 in a skill)."""


@dataclass(frozen=True)
class Step:
    commands: str
    facts: str
    strategy: str
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Trajectory:
    steps: tuple[Step, ...]
    winning: str
    skill: str


def drawn(rng: random.Random, kind: str) -> int:
    deciles = SIZES[kind]
    at = rng.random() * (len(deciles) - 1)
    low = int(at)
    return round(deciles[low] + (at - low) * (deciles[low + 1] - deciles[low]))


@cache
def pool(kind: str) -> list[str]:
    """Texts whose words are distributed as 1/rank, with the punctuation of shell and Markdown between them."""
    rng = random.Random("names")
    names = [f"{rng.choice('abcdefghijklmnopqrstuvwxyz')}{rng.randrange(36**3):x}" for _ in range(VOCABULARY[kind])]
    rng = random.Random(f"pool of {kind}")
    cumulative = np.cumsum(1.0 / np.arange(1, len(names) + 1)).tolist()
    between = (" ", " ", " ", "/", " -", "\n", "', '", ": ", ".", " = ")
    made: list[str] = []
    for _ in range(POOL):
        chosen = rng.choices(names, cum_weights=cumulative, k=drawn(rng, kind))
        made.append("".join(word + rng.choice(between) for word in chosen))
    return made


def trajectory(number: int) -> Trajectory:
    rng = random.Random(number)

    def text(kind: str) -> str:
        return pool(kind)[rng.randrange(POOL)]

    steps = tuple(
        Step(text("commands"), text("facts"), text("strategy"), tuple(text("failed").split("\n"))) for _ in range(drawn(rng, "steps"))
    )
    return Trajectory(steps, text("commands"), text("skill"))


# the measure as METHOD defines it, in plain numpy


def plain_psi(x: str, y: str) -> float:
    a, b = (Counter(re.findall(r"\w+", text.lower())) for text in (x, y))
    vocabulary = sorted(set(a) | set(b))
    if not vocabulary:
        return 0.0
    p = np.array([a[word] for word in vocabulary], dtype=float) + ALPHA
    q = np.array([b[word] for word in vocabulary], dtype=float) + ALPHA
    p, q = p / p.sum(), q / q.sum()
    m = 0.5 * (p + q)
    return float(1.0 - 0.5 * np.sum(p * np.log2(p / m)) - 0.5 * np.sum(q * np.log2(q / m)))


def plain_z(history: Sequence[float]) -> float:
    values = np.array(history)
    return float((values[-1] - values.mean()) / values.std()) if values.std() else 0.0


def plain_online(one: Trajectory) -> list[float]:
    history: tuple[list[float], list[float], list[float]] = ([], [], [])
    found: list[float] = []
    for k, now in enumerate(one.steps):
        scores = [plain_psi(now.commands, now.facts), 0.0, 0.0]
        if k:
            before = one.steps[k - 1]
            scores[1] = plain_psi(before.strategy, now.strategy)
            failed = plain_psi(" ".join(before.failed), " ".join(now.failed))
            scores[2] = 0.5 * plain_psi(before.facts, now.facts) + 0.5 * failed
        for values, score in zip(history, scores, strict=True):
            values.append(score)
        e, p, o = (plain_z(values) for values in history) if k else scores
        found.append(min(1.0, k / 2) * (e - p - o))
    return found


def plain_retrospective(one: Trajectory) -> tuple[float, float, float]:
    executed = plain_psi(one.winning, one.skill)
    planned = plain_psi("\n".join(step.strategy for step in one.steps), one.skill)
    pairs = list(pairwise(one.steps))
    if not pairs:
        return executed, planned, math.nan
    facts = float(np.mean([plain_psi(before.facts, now.facts) for before, now in pairs]))
    failed = float(np.mean([plain_psi(" ".join(before.failed), " ".join(now.failed)) for before, now in pairs]))
    return executed, planned, 0.5 * facts + 0.5 * failed


# ours, on the same texts


def our_online(one: Trajectory) -> list[float]:
    proxy = Proxy(method="js_divergence", scale="running")
    points = [
        proxy.step(Observation(attempt=k, commands=step.commands, facts=step.facts, strategy=step.strategy, failed=step.failed))
        for k, step in enumerate(one.steps)
    ]
    return [point.weighted or 0.0 for point in points]


def our_retrospective(one: Trajectory) -> tuple[float, float, float]:
    skill = bag(one.skill)
    executed = similarity(bag(one.winning), skill) or 0.0
    planned = similarity(merged(bag(step.strategy) for step in one.steps), skill) or 0.0
    facts = [bag(step.facts) for step in one.steps]
    failed = [bag(" ".join(step.failed)) for step in one.steps]
    if len(facts) == 1:
        return executed, planned, math.nan
    same_facts = math.fsum(similarity(x, y) or 0.0 for x, y in pairwise(facts)) / (len(facts) - 1)
    same_failed = math.fsum(similarity(x, y) or 0.0 for x, y in pairwise(failed)) / (len(facts) - 1)
    return executed, planned, 0.5 * same_facts + 0.5 * same_failed


def texts_of(one: Trajectory) -> list[str]:
    """Each text of a trajectory once: to split them into words is the least any implementation does."""
    return [
        one.winning,
        one.skill,
        *(text for step in one.steps for text in (step.commands, step.facts, step.strategy, " ".join(step.failed))),
    ]


def seconds(action: Callable[[Trajectory], object], some: Sequence[Trajectory]) -> float:
    """Of processor time: other programs of the machine do not count."""
    begin = time.process_time()
    for one in some:
        action(one)
    return time.process_time() - begin


def both(one: Trajectory) -> object:
    return our_online(one), our_retrospective(one)


def plain_both(one: Trajectory) -> object:
    return plain_online(one), plain_retrospective(one)


def share(numbers: range) -> int:
    """Work of one process: every trajectory made, measured both ways, and forgotten."""
    return sum(len(our_online(one)) + len(our_retrospective(one)) for one in map(trajectory, numbers))


def warm() -> None:
    for kind in SIZES:
        if kind != "steps":
            pool(kind)


def started(_: int) -> float:
    time.sleep(0.2)
    return time.perf_counter()


def compare() -> None:
    some = [trajectory(number) for number in range(BESIDE)]
    steps = sum(len(one.steps) for one in some)
    for one in some[:50]:
        assert np.allclose(our_retrospective(one), plain_retrospective(one), atol=1e-9, equal_nan=True), "the two versions disagree"
    print(f"{BESIDE} trajectories, {steps} steps; median of 5 rounds, the versions in turns")
    rounds: dict[str, list[float]] = {}
    for _ in range(5):
        for name, action in (
            ("online", our_online),
            ("online, numpy", plain_online),
            ("retrospective", our_retrospective),
            ("retrospective, numpy", plain_retrospective),
            ("end to end", both),
            ("end to end, numpy", plain_both),
        ):
            rounds.setdefault(name, []).append(seconds(action, some))
    middle = {name: sorted(values)[2] for name, values in rounds.items()}
    for name, unit, count in (("online", "step", steps), ("retrospective", "trajectory", BESIDE), ("end to end", "trajectory", BESIDE)):
        ours, plain = middle[name] / count, middle[f"{name}, numpy"] / count
        ratios = sorted(b / a for a, b in zip(rounds[name], rounds[f"{name}, numpy"], strict=True))
        spread = f"{ratios[2]:4.1f} × ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        print(f"  {name:14} {ours * 1e6:8.0f} µs a {unit:11} numpy {plain * 1e6:8.0f} µs    {spread}")
    total = sum(len(words(text)) for one in some for text in texts_of(one))
    floor = seconds(lambda one: [words(text) for text in texts_of(one)], some)
    defining = seconds(lambda one: [re.findall(r"\w+", text.lower()) for text in texts_of(one)], some)
    print(f"  floor: {total / floor / 1e6:.1f} million words a second to split each text once ({total / defining / 1e6:.1f} by the regular")
    print(f"  expression); end to end {total / middle['end to end'] / 1e6:.1f}, numpy {total / middle['end to end, numpy'] / 1e6:.1f}")


def all_of_them() -> None:
    cores = os.cpu_count() or 1
    print(f"{TRAJECTORIES} trajectories, online and retrospective, made and measured")
    took: dict[int, float] = {}
    for workers in sorted({1, min(2, cores), cores}):
        parts = [range(at, min(at + 250, TRAJECTORIES)) for at in range(0, TRAJECTORIES, 250)]
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as processes:
            list(processes.map(started, range(workers)))
            begin = time.perf_counter()
            steps = sum(processes.map(share, parts))
            took[workers] = time.perf_counter() - begin
        per = took[workers] / TRAJECTORIES
        speedup = f"{took[1] / took[workers]:.2f} × one process"
        print(f"  {workers} processes: {took[workers]:7.1f} s, {per * 1e6:6.0f} µs each ({steps} values), {speedup}")


def plain_from_disk(folder: Path) -> tuple[float, float, float]:
    content = json.loads((folder / "attempts.json").read_text())
    memos = [*content["memo_history"], content["exploration_memo"]]

    def section(memo: str, title: str) -> str:
        found = re.search(rf"### {title}\n(.*?)(?=\n### |\Z)", memo, re.DOTALL)
        return found.group(1).strip() if found else ""

    steps = tuple(
        Step("", section(memo, "Verified Facts"), section(memo, "Next Strategy"), tuple(re.findall(r"✗ (.*)", attempt["test_summary"])))
        for memo, attempt in zip(memos, content["attempts"], strict=False)
    )
    return plain_retrospective(Trajectory(steps, content["attempts"][-1]["agent_commands"], (folder / "SKILL.md").read_text()))


def from_disk() -> None:
    """The whole way: find folders, read and check the files, measure, put into the population."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for number in range(ON_DISK):
            one = trajectory(number)
            folder = root / f"task-{number}"
            folder.mkdir()
            memos = [
                f"## Exploration Memo ({k} failed attempts)\n\n### Verified Facts\n{step.facts}\n\n### Next Strategy\n{step.strategy}\n"
                for k, step in enumerate(one.steps, 1)
            ]
            failures = [
                {
                    "attempt": k,
                    "status": "FAIL",
                    "reward": 0.0,
                    "agent_commands": step.commands,
                    "test_summary": "✗ " + "\n✗ ".join(step.failed),
                }
                for k, step in enumerate(one.steps)
            ]
            win = {"attempt": len(failures), "status": "PASS", "reward": 1.0, "agent_commands": one.winning, "test_summary": ""}
            content = {"exploration_memo": memos[-1], "memo_history": memos[:-1], "attempts": [*failures, win]}
            (folder / "attempts.json").write_text(json.dumps(content))
            (folder / "SKILL.md").write_text(one.skill)
        folders = sorted(root.iterdir())
        print(f"{ON_DISK} task folders on disk, retrospective")
        rounds: dict[str, list[float]] = {"ours": [], "numpy": []}
        for _ in range(5):
            for name, action in (("ours", lambda folder: measure(folder, Choices(commands="tail8000"))), ("numpy", plain_from_disk)):
                begin = time.process_time()
                for folder in folders[:BESIDE]:
                    action(folder)
                rounds[name].append(time.process_time() - begin)
        ours, plain = (sorted(rounds[name])[2] / BESIDE for name in ("ours", "numpy"))
        print(f"  files to φ, one core: {ours * 1e6:.0f} µs each, numpy {plain * 1e6:.0f} µs, {plain / ours:.1f} ×")
        for workers in (1, 2):
            begin = time.perf_counter()
            in_population([(one.label, one.phi) for one in measure_all(folders, Choices(commands="tail8000"), workers=workers)])
            print(f"  files to PDI, {workers} processes, their start included: {time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    warm()
    compare()
    from_disk()
    all_of_them()
