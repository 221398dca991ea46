"""`spark compare`: the statistics of `spark eval` for results from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.rows import printable, show, warn

if TYPE_CHECKING:
    from spark.eval.results import ArmResult, Comparison, PairResult, TaskChange
    from spark.pdi.ranks import Estimate

app = typer.Typer()

Tables = Annotated[list[Path], typer.Argument(help="Results of trials, .csv or .jsonl.", show_default=False)]


@app.command()
def compare(
    tables: Tables,
    *,
    baseline: Annotated[str | None, typer.Option(help="The arm the others are held against.", show_default="baseline")] = None,
    margin: Annotated[float | None, typer.Option(help="Test whether rewards differ by less than this.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Which arm is better, by how much, and how sure that is. Columns: task, arm, repeat, reward or outcome; model, cost, seconds."""
    from spark.eval.compare import compare as compared
    from spark.eval.table import read_tables

    found = compared(read_tables(tables), baseline=baseline, margin=margin, seed=seed)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    _report(found)
    for note in found.notes:
        warn(f"note: {printable(note)}")


def _report(found: Comparison) -> None:
    _table("Arms: means over tasks with 95 % intervals", [_arm(one) for one in found.arms])
    _table("pass@k (tasks), cost and time", [_more(one) for one in found.arms])
    _table(f"Differences from {found.baseline}, paired by task", [_pair(one) for one in found.pairs])
    _table("One trial a task: difference in pass rate", [row for one in found.pairs if (row := _single(one))])
    for pair in found.pairs:
        _tasks(pair)


def _tasks(pair: PairResult) -> None:
    who = _who(pair)
    for name, changes in (("improved", pair.improved), ("degraded", pair.degraded)):
        _line(f"{who}: {name} {len(changes)}")
        for change in changes:
            _line(f"  {_change(change)}")
    _line(f"{who}: unchanged {len(pair.unchanged)}" + "".join(f"{',' if at else ':'} {one.task}" for at, one in enumerate(pair.unchanged)))
    if pair.unpaired:
        _line(f"{who}: not scored in both arms {len(pair.unpaired)}: {', '.join(pair.unpaired)}")


def _who(one: ArmResult | PairResult) -> str:
    return " ".join(part for part in (one.model, one.arm) if part)


def _line(text: str) -> None:
    typer.echo(printable(text))


def _table(title: str, rows: list[dict[str, str]]) -> None:
    """Columns that say nothing are left out, and a table of nothing but names."""
    if rows and all(row.get("pass rate") == row.get("reward") for row in rows):
        rows = [{("pass rate" if name == "reward" else name): cell for name, cell in row.items() if name != "pass rate"} for row in rows]
    columns = list(dict.fromkeys(name for row in rows for name, cell in row.items() if cell))
    if set(columns) <= {"model", "arm"}:
        return
    _line(title)
    show(columns, [{name: row.get(name, "") for name in columns} for row in rows], as_json=False)
    typer.echo()


def _arm(one: ArmResult) -> dict[str, str]:
    return {
        "model": one.model,
        "arm": one.arm,
        "tasks": str(one.reward.tasks),
        "trials": str(one.trials),
        "errored": str(one.errored),
        "reward": _figure(one.reward),
        "pass rate": _figure(one.passed),
        "reward if errored were 0": _figure(one.worst) if one.errored else "",
        "if 1": _figure(one.best) if one.errored else "",
        "pass rate (Wilson)": _figure(one.wilson) if one.wilson else "",
    }


def _more(one: ArmResult) -> dict[str, str]:
    return {
        "model": one.model,
        "arm": one.arm,
        **{f"pass@{at.k}": f"{_figure(at.share)} ({at.share.tasks})" for at in one.pass_at},
        "usd a solved trial": _figure(one.usd_per_solved, "{:.4g}") if one.usd_per_solved else "",
        "seconds a trial": _figure(one.seconds, "{:.3g}") if one.seconds else "",
    }


def _pair(one: PairResult) -> dict[str, str]:
    same = one.equivalence
    return {
        "model": one.model,
        "arm": one.arm,
        "tasks": str(one.reward.tasks),
        "reward": _figure(one.reward, "{:+.3f}"),
        "pass rate": _figure(one.passed, "{:+.3f}"),
        "p": _p(one.test.p) + ("" if one.test.exact else " (sampled)") if one.test else "-",
        "p Holm": _p(one.p_holm) if one.p_holm is not None else "-",
        "reward if errored went against": _figure(one.worst, "{:+.3f}") if _has_errors(one) else "",
        "went for": _figure(one.best, "{:+.3f}") if _has_errors(one) else "",
        "equivalent": f"{'yes' if same.equivalent else 'not shown'} (±{same.margin:g}, p {_p(same.p)})" if same else "",
    }


def _has_errors(one: PairResult) -> bool:
    return (one.worst.value, one.worst.tasks) != (one.reward.value, one.reward.tasks)


def _single(one: PairResult) -> dict[str, str] | None:
    if one.mcnemar is None or one.newcombe is None:
        return None
    return {
        "model": one.model,
        "arm": one.arm,
        "tasks": str(one.newcombe.tasks),
        "difference (Newcombe)": _figure(one.newcombe, "{:+.3f}"),
        "discordant": str(one.mcnemar.n),
        "p (McNemar)": _p(one.mcnemar.p),
    }


def _change(one: TaskChange) -> str:
    difference = f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
    return f"{one.task}  {difference}  {one.baseline:.3f} (n {one.baseline_n}) to {one.arm:.3f} (n {one.arm_n})"


def _figure(found: Estimate, form: str = "{:.3f}") -> str:
    if found.value is None:
        return "-"
    value = form.format(found.value)
    if found.low is None or found.high is None:
        return value
    return f"{value} [{form.format(found.low)}, {form.format(found.high)}]"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
