"""Our runs in the released SPARK schema: attempts.json and trajectory.jsonl, so that one reader serves theirs and ours.

Departures: attempts whose verdict is errored carry `reward: null` and status `ERROR`; `agent_commands` holds every command whole
(theirs: the last 8,000 characters); scores that could not be computed are left out of the PDI history rather than written as 0.
"""

from __future__ import annotations

import json
from typing import Any

from spark.distill.memo import checks_text, memo_markdown
from spark.distill.settings import DistillSettings
from spark.records import Attempt, Step, Task

_STATUS = {"solved": "PASS", "partial": "PARTIAL", "failed": "FAIL", "errored": "ERROR"}


def attempts_json(task: Task, attempts: list[Attempt], settings: DistillSettings) -> str:
    """attempts.json of one task."""
    memos = [memo_markdown(attempt.memo) for attempt in attempts if attempt.memo]
    return _dump(
        {
            "task_name": task.name,
            "max_retries": settings.max_attempts,
            "exploration_memo": memos[-1] if memos else "",
            "memo_history": memos[:-1],
            "attempts": [_attempt(attempt) for attempt in attempts],
            "pdi": {
                "enabled": settings.pdi.policy != "off",
                "observe_only": settings.pdi.policy == "observe",
                "warmup": settings.pdi.warmup,
                "threshold": settings.pdi.tau,
                "method": settings.pdi.method,
                "scale": settings.pdi.scale,
                "history": [_snapshot(attempt) for attempt in attempts if attempt.pdi and not attempt.pdi.missing],
            },
        }
    )


def trajectory_jsonl(task: Task, attempts: list[Attempt], skill: str | None) -> str:
    """trajectory.jsonl of one task: an execution, a reflection and a PDI line an attempt, then the skill and a summary."""
    lines: list[dict[str, Any]] = []
    before = ""
    for attempt in attempts:
        lines.append({"type": "execution_result", **_attempt(attempt), **_execution(attempt)})
        if attempt.memo:
            after = memo_markdown(attempt.memo)
            lines.append({"type": "reflect_call", "attempt": attempt.number - 1, "memo_before": before, "memo_after": after})
            before = after
        if attempt.pdi and not attempt.pdi.missing:
            lines.append({"type": "pdi_snapshot", "attempt": attempt.number - 1, **_snapshot(attempt)})
    if skill is not None:
        lines.append({"type": "skill_gen_call", "attempt": attempts[-1].number - 1, "response": skill})
    rewards = [attempt.trial.verdict.reward for attempt in attempts]
    lines.append(
        {
            "type": "task_summary",
            "task_name": task.name,
            "success": any(reward == 1.0 for reward in rewards),
            "total_attempts": len(attempts),
            "reward_trajectory": rewards,
            "status_trajectory": [_STATUS[attempt.trial.verdict.outcome] for attempt in attempts],
        }
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    verdict = attempt.trial.verdict
    return {
        "attempt": attempt.number - 1,
        "status": _STATUS[verdict.outcome],
        "reward": verdict.reward,
        "agent_commands": commands(attempt),
        "test_summary": _test_summary(attempt),
        "n_passed": sum(check.passed for check in verdict.checks),
        "n_tests": len(verdict.checks),
    }


def commands(attempt: Attempt) -> str:
    """Every command of the attempt, whole, one after another."""
    return "\n".join(step.command for step in attempt.trial.transcript.steps)


def _test_summary(attempt: Attempt) -> str:
    verdict = attempt.trial.verdict
    return f"Infrastructure error: {verdict.reason}" if verdict.outcome == "errored" else checks_text(attempt.trial)


def _execution(attempt: Attempt) -> dict[str, Any]:
    events = [_command_event(number, step) for number, step in enumerate(attempt.trial.transcript.steps)]
    if attempt.trial.transcript.final:
        message = {"id": "final", "type": "agent_message", "text": attempt.trial.transcript.final}
        events.append({"type": "item.completed", "item": message})
    return {
        "success": attempt.trial.verdict.outcome == "solved",
        "agent_stdout_full": "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events),
        "error": attempt.trial.verdict.reason,
    }


def _command_event(number: int, step: Step) -> dict[str, Any]:
    return {
        "type": "item.completed",
        "item": {
            "id": f"item_{number}",
            "type": "command_execution",
            "command": step.command,
            "aggregated_output": step.stdout + step.stderr,
            "exit_code": step.exit_code,
            "status": "failed" if step.exit_code is None else "completed",
        },
    }


def _snapshot(attempt: Attempt) -> dict[str, Any]:
    point = attempt.pdi
    if point is None:
        return {}
    return {
        "step": point.step,
        "proxy_exec": point.proxy_exec,
        "proxy_plan": point.proxy_plan,
        "proxy_oss": point.proxy_oss,
        "raw_pdi": point.raw,
        "weight": point.weight,
        "weighted_pdi": point.weighted,
        "triggered": point.triggered,
        "level": point.level,
    }


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
