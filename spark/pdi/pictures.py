"""The pictures of the measure: one task step by step, PDI against gain, ossification against gap, and what each choice shifts."""

from __future__ import annotations

from collections.abc import Sequence

from spark.pdi.recordings import Recording
from spark.pdi.sensitivity import Shift
from spark.pdi.svg import FONT, Panel, page, safe
from spark.records import PdiPoint

_WIDTH = 760
_CELL = (78, 20)


def trajectory(recording: Recording, points: Sequence[PdiPoint], tau: float) -> str:
    """One task: rewards and proxies above, d with its threshold below; a triangle is a soft mark, a square a strong one."""
    attempts = [past.attempt for past in recording.attempts]
    ends = (min(attempts, default=0), max(attempts, default=1))
    upper = Panel((60, 50, 520, 190), ends, (0.0, 1.0))
    upper.axes(attempts, (0.0, 0.5, 1.0), "", "reward and proxies")
    upper.line([None if past.reward is None else (past.attempt, past.reward) for past in recording.attempts], 0)
    upper.line([_point(point, point.proxy_exec) for point in points], 1)
    # before the second memo there is nothing to compare: their 0 is a convention
    upper.line([_point(point, point.proxy_plan if point.weight else None) for point in points], 2)
    upper.line([_point(point, point.proxy_oss if point.weight else None) for point in points], 3)
    upper.legend(("reward", "exec", "plan", "ossification"))
    scores = [point.weighted for point in points if point.weighted is not None]
    lower = Panel((60, 290, 520, 170), ends, (min([*scores, tau, -1.0]) - 0.3, max([*scores, tau, 1.0]) + 0.3))
    lower.axes(attempts, sorted({round(lower.y[0]), -1, 0, 1, round(lower.y[1])}), "attempt", "d")
    lower.line([_point(point, point.weighted) for point in points], 0)
    lower.rule(tau, f"τ = {tau:g}")
    for point in points:
        if point.level and point.weighted is not None:
            lower.mark(point.attempt, point.weighted, "triangle" if point.level == "soft" else "square", point.level)
        elif point.missing:
            lower.text(lower.at(point.attempt, lower.y[0])[0], lower.top + lower.height - 4, "missing", anchor="middle")
    return page(_WIDTH, 510, recording.task, [*upper.parts, *lower.parts])


def _point(point: PdiPoint, value: float | None) -> tuple[float, float] | None:
    return None if value is None else (point.attempt, value)


def scatter(title: str, x_title: str, y_title: str, points: Sequence[tuple[str, float, float]]) -> str:
    """Named points."""
    xs, ys = [x for _, x, _ in points] or [0.0], [y for _, _, y in points] or [0.0]
    margin_x, margin_y = 0.08 * (max(xs) - min(xs)), 0.08 * (max(ys) - min(ys))
    panel = Panel((70, 50, 560, 360), (min(xs) - margin_x, max(xs) + margin_x), (min(ys) - margin_y, max(ys) + margin_y))
    panel.axes(_ticks(panel.x), _ticks(panel.y), x_title, y_title)
    for name, x, y in points:
        panel.mark(x, y, "circle", name)
    return page(_WIDTH, 470, title, panel.parts)


def _ticks(ends: tuple[float, float]) -> list[float]:
    return [round(ends[0] + part * (ends[1] - ends[0]) / 4, 2) for part in range(5)]


def heat_map(shifts: Sequence[Shift]) -> str:
    """Rank correlation of each component under each alternative: the lighter the cell, the more the choice matters; the number is in it."""
    columns = (("exec", "rank_exec"), ("plan", "rank_plan"), ("ossification", "rank_oss"), ("PDI", "rank_pdi"))
    parts: list[str] = []
    for column, (name, _) in enumerate(columns):
        parts.append(f"<text x='{220 + column * _CELL[0]}' y='48' {FONT} text-anchor='middle'>{name}</text>")
    for row, shift in enumerate(shifts):
        top = 56 + row * _CELL[1]
        parts.append(f"<text x='172' y='{top + 14}' {FONT} text-anchor='end'>{safe(shift.alternative)}</text>")
        for column, (_, field) in enumerate(columns):
            value = getattr(shift, field)
            left = 181 + column * _CELL[0]
            grey = 255 if value is None else round(255 - 110 * max(0.0, value))
            shown = "–" if value is None else f"{value:.2f}"
            box = f"x='{left}' y='{top}' width='{_CELL[0]}' height='{_CELL[1]}'"
            parts.append(f"<rect {box} fill='rgb({grey},{grey},{grey})' stroke='#fff'/>")
            parts.append(f"<text x='{left + _CELL[0] / 2}' y='{top + 14}' {FONT} text-anchor='middle'>{shown}</text>")
    return page(540, 70 + len(shifts) * _CELL[1], "Rank correlation with the choices in force", parts)
