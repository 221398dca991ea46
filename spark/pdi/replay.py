"""The proxy computed again from a recording: by our rules, or by those of the released runs to the letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spark.pdi.memos import FACTS, STRATEGY, failed_checks, is_error_page, is_event_dump, recover, section
from spark.pdi.proxy import Observation, Proxy
from spark.pdi.raw import RawSnapshot
from spark.pdi.recordings import PastAttempt, Recording
from spark.records import PdiPoint

_DEAD_AGENT = "[Agent Output]"
"""Where the recorder found no command it stored the agent's raw output behind this mark."""


def replay(recording: Recording, proxy: Proxy) -> Iterator[PdiPoint]:
    """One point per failed attempt that was, or should have been, reflected on; `proxy` must be fresh.

    By our rules an attempt that died with its infrastructure is left out; one whose agent never ran a command because its endpoint failed,
    and a reflection that is an error page or lacks its sections, is missing. A memo stored as a raw event stream is recovered. By the
    released rules all of these are texts like any other.
    """
    return _released(recording, proxy) if proxy.rules == "released" else _ours(recording, proxy)


def _ours(recording: Recording, proxy: Proxy) -> Iterator[PdiPoint]:
    for past in recording.attempts:
        if past.solved or past.died:
            continue
        memo = past.memo or ""
        if is_event_dump(memo):
            memo, _ = recover(memo)
        if why := _missing(past, memo):
            yield proxy.missing(past.attempt, why)
        else:
            yield proxy.step(_observation(past, memo))


def _missing(past: PastAttempt, memo: str) -> str:
    if past.memo is None:
        return "no reflection on record"
    if is_error_page(memo):
        return "the reflection is an error page"
    if not section(memo, FACTS) and not section(memo, STRATEGY):
        return "the reflection has neither facts nor a strategy"
    if past.commands.startswith(_DEAD_AGENT):
        return "the agent's endpoint failed before it ran a command"
    return ""


def _released(recording: Recording, proxy: Proxy) -> Iterator[PdiPoint]:
    shift: int | None = None
    memos = 0
    summary_before = ""
    for past in recording.attempts:
        if past.memo is not None:
            # failed checks are those of the attempt before, reflected on or not; an empty memo is no memo
            before = past.memo_before
            memos = max(memos, 1) if before else memos
            proxy.follow((section(before, FACTS), section(before, STRATEGY), failed_checks(summary_before)) if before else None)
            if shift is None:
                # the oldest runs counted one memo less: their first step is −1
                shift = -1 if recording.snapshots and recording.snapshots[0].step == memos - 1 else 0
            proxy.next_step = memos + shift
            yield proxy.step(_observation(past, past.memo))
            memos += bool(past.memo)
        summary_before = past.summary


def _observation(past: PastAttempt, memo: str) -> Observation:
    return Observation(
        attempt=past.attempt,
        commands=past.commands,
        facts=section(memo, FACTS),
        strategy=section(memo, STRATEGY),
        failed=failed_checks(past.summary),
    )


def agreement(points: Sequence[PdiPoint], snapshots: Sequence[RawSnapshot]) -> tuple[int, int]:
    """How many recorded snapshots equal the computed points, to four decimals and with their levels, and how many are on record."""
    agreed = sum(_agrees(point, snapshot) for point, snapshot in zip(points, snapshots, strict=False))
    return agreed, len(snapshots)


def _agrees(point: PdiPoint, snapshot: RawSnapshot) -> bool:
    scores = (point.proxy_exec, point.proxy_plan, point.proxy_oss, point.raw, point.weight, point.weighted)
    recorded = (
        snapshot.proxy_exec,
        snapshot.proxy_plan,
        snapshot.proxy_oss,
        snapshot.raw_pdi,
        snapshot.weight,
        snapshot.weighted_pdi,
    )
    return (point.step, point.triggered, point.level) == (snapshot.step, snapshot.triggered, snapshot.level) and all(
        score is not None and known is not None and round(score, 4) == round(known, 4)
        for score, known in zip(scores, recorded, strict=True)
    )
