"""Pictures are well-formed, hold what they should, and survive any name."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from recorded_runs import RUNS, needs_runs
from typer.testing import CliRunner

from spark.cli.pdi import app
from spark.errors import RequestError
from spark.pdi.pictures import heat_map, scatter, trajectory
from spark.pdi.proxy import Proxy
from spark.pdi.recordings import PastAttempt, Recording, read
from spark.pdi.replay import replay
from spark.pdi.sensitivity import Shift
from spark.pdi.svg import save

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@needs_runs
def test_a_trajectory_shows_every_mark() -> None:
    recording = read(RUNS / "mario-coin-counting")
    points = list(replay(recording, Proxy(method="js_divergence", scale="running")))
    shown = texts(trajectory(recording, points, -0.5))
    assert shown.count("soft") == sum(point.level == "soft" for point in points)
    assert shown.count("strong") == sum(point.level == "strong" for point in points)
    assert shown.count("missing") == sum(bool(point.missing) for point in points) == 4
    assert "τ = -0.5" in shown


def test_names_cannot_break_out() -> None:
    evil = "</text><script>alert('x')</script>&"
    assert evil in texts(scatter(evil, "x", "y", [("a", 1.0, 2.0)]))
    assert "a�b" in texts(scatter("a\x00b", "x", "y", []))
    assert texts(trajectory(Recording(task=evil, folder="f", attempts=(PastAttempt(attempt=0),)), [], -0.5))[0] == evil


def test_a_picture_of_nothing_is_a_picture() -> None:
    for svg in (scatter("t", "x", "y", []), heat_map([]), trajectory(Recording(task="t", folder="f"), [], -0.5)):
        assert texts(svg)


def test_the_heat_map_prints_every_number() -> None:
    ranks = {"rank_exec": 0.25, "rank_plan": None, "rank_oss": -1.0, "rank_pdi": 1.0}
    one = Shift(alternative="α <1>", tasks=3, compared=3, **ranks, sign_flips=0, largest_shift=0.1, largest_task="t")
    assert {"α <1>", "0.25", "–", "-1.00", "1.00"} <= set(texts(heat_map([one])))


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path / "picture.gif", tmp_path / "nowhere" / "picture.svg"):
        with pytest.raises(RequestError):
            save(path, scatter("t", "x", "y", []))


@needs_runs
def test_the_commands_draw(tmp_path: Path) -> None:
    gains = tmp_path / "gains.csv"
    gains.write_text("task,gain,gap\n3d-scan-calc,0.3,0.1\nfix-build-google-auto,0.1,0\nr2r-mpc-control,0.5,-0.1\n")
    runs, task = str(RUNS), str(RUNS / "lean4-proof")
    for arguments in (["online", task], ["sensitivity", runs], ["score", runs, "--gains", str(gains)]):
        target = tmp_path / f"{arguments[0]}.svg"
        answer = CliRunner().invoke(app, [*arguments, "--plot", str(target)])
        assert answer.exit_code == 0, answer.output
        assert texts(target.read_text())
    assert texts((tmp_path / "score-gap.svg").read_text())
    assert isinstance(CliRunner().invoke(app, ["online", runs, "--plot", str(tmp_path / "x.svg")]).exception, RequestError)
