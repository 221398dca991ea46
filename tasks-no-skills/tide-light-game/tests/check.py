"""Replays /app/moves.txt on this directory's own copy of the game."""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import engine
from ctrf import read_output, run

TURNS = 90


def replayed():
    """The state after the whole recording, or after the turn that won."""
    lines = read_output("/app/moves.txt", 20_000).decode("utf-8").splitlines()
    state = engine.start()
    for line in lines:
        state, _ = engine.step(state, line[:80])
    return state


def shelf(relic):
    assert replayed()["things"][relic] == "lantern room", f"the {relic} is not in the lantern room when the recording ends"


def won():
    assert replayed()["won"], "the beacon is not lit"


def quickly():
    state = replayed()
    assert state["won"] and state["turn"] <= TURNS, f"the beacon is not lit within {TURNS} turns"


run([*((f"the {relic} is on the shelf", 1, lambda relic=relic: shelf(relic)) for relic in engine.RELICS), ("the beacon is lit", 2, won), ("within 90 turns", 4, quickly)])
