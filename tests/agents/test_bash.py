"""The built-in agent, with a scripted model and a real shell."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from spark.agents.bash import BashAgent
from spark.errors import AuthError, BadCompletion, Cancelled, ContextOverflow, CutOffCompletion, EndpointError, ModelError
from spark.models.base import Completion, Message, Tool, ToolCall
from spark.models.scripted import ScriptedModel
from spark.records import Limits, Step, Task, Transcript
from spark.sandboxes.base import Sandbox

CUT_OFF = CutOffCompletion("cut off", text="I will now write a very long")
OVERFLOW = ContextOverflow("too long")
EMPTY = BadCompletion("empty")
NO_TOOLS = EndpointError("model 'm' at http://127.0.0.1:1/v1 failed: 400 this model does not support tools")
LIMITS = Limits.model_validate({"agent_seconds": 60, "steps": 20})


class Watched:
    """A scripted model that also notes which tools it was offered."""

    def __init__(self, *answers: str | Completion | ModelError, pause_seconds: float = 0.0) -> None:
        self.script = ScriptedModel(answers)
        self.name = self.script.name
        self.offered: list[tuple[str, ...]] = []
        self.pause_seconds = pause_seconds

    @property
    def asked(self) -> list[tuple[Message, ...]]:
        return self.script.asked

    def complete(
        self, messages: Sequence[Message], *, max_tokens: int, tools: Sequence[Tool] = (), schema: dict[str, Any] | None = None
    ) -> Completion:
        self.offered.append(tuple(tool.name for tool in tools))
        time.sleep(self.pause_seconds)
        return self.script.complete(messages, max_tokens=max_tokens, tools=tools, schema=schema)


def call(*commands: str, text: str = "") -> Completion:
    """An answer that calls bash once for each command."""
    return calls(*(("bash", json.dumps({"command": command})) for command in commands), text=text)


def calls(*wanted: tuple[str, str], text: str = "") -> Completion:
    made = tuple(ToolCall(id=f"c{number}", name=name, arguments=arguments) for number, (name, arguments) in enumerate(wanted))
    return Completion(text=text, tool_calls=made)


def block(command: str, language: str = "bash") -> str:
    return f"I try this.\n```{language}\n{command}\n```"


def run(box: Sandbox, task: Task, model: Watched, *, limits: Limits = LIMITS, **settings: Any) -> Transcript:
    return BashAgent(model, **settings).run(task, task.instruction, box, limits, lambda _number, _step: None)


def last(model: Watched) -> str:
    """The newest message the model was shown."""
    return model.asked[-1][-1].content


def test_a_linear_history_from_the_instruction_to_a_plain_answer(box: Sandbox, task: Task) -> None:
    model = Watched(call("echo 7 > out.txt; pwd", text="First."), call("cat out.txt"), "It is done.")
    transcript = run(box, task, model)
    assert (transcript.stop, transcript.final) == ("finished", "It is done.")
    assert [(step.command, step.stdout, step.exit_code, step.thought) for step in transcript.steps] == [
        ("echo 7 > out.txt; pwd", "/app\n", 0, "First."),
        ("cat out.txt", "7\n", 0, ""),
    ]
    assert [message.role for message in model.asked[-1]] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert model.asked[-1][1].content == task.instruction
    assert last(model).startswith("exit code 0\n<stdout>\n7\n</stdout>")
    assert model.offered == [("bash",)] * 3


def test_the_agent_is_told_its_limits_and_nothing_of_the_verifier(box: Sandbox, task: Task) -> None:
    model = Watched("Done.")
    run(box, task, model, tool_mode="tools", command_seconds=33.0, observation_chars=444)
    told = model.asked[0][0].content
    assert all(f"{number} " in told for number in (33, 444, 20, 60))
    assert "/tests" not in told
    assert "reward" not in told


def test_files_outlive_a_command_and_the_shell_does_not(box: Sandbox, task: Task) -> None:
    transcript = run(box, task, Watched(call("cd /; X=1; touch /app/here"), call("pwd; echo [$X]; ls"), "Done."))
    assert transcript.steps[1].stdout == "/app\n[]\nhere\n"


def test_several_calls_run_in_order_and_each_is_answered(box: Sandbox, task: Task) -> None:
    good, bad = '{"command": "echo %s >> log"}', '{"command": '
    model = Watched(
        calls(("bash", good % "a"), ("python", good % "b"), ("bash", bad), ("bash", good % "c"), text="Go."), call("cat log"), "Done."
    )
    transcript = run(box, task, model)
    assert [step.command for step in transcript.steps] == ["echo a >> log", "echo c >> log", "cat log"]
    assert [step.thought for step in transcript.steps] == ["Go.", "", ""]
    assert transcript.steps[-1].stdout == "a\nc\n"
    answers = model.asked[1][3:]
    assert [(message.role, message.tool_call_id) for message in answers] == [("tool", f"c{number}") for number in range(4)]
    assert "'python'" in answers[1].content
    assert "no JSON" in answers[2].content


def test_text_mode_runs_one_block_a_turn(box: Sandbox, task: Task) -> None:
    model = Watched(block("echo 7 > out.txt"), block("cat out.txt", "sh"), "Done.")
    transcript = run(box, task, model, tool_mode="text")
    assert [step.stdout for step in transcript.steps] == ["", "7\n"]
    assert [step.thought for step in transcript.steps] == ["I try this."] * 2
    assert [message.role for message in model.asked[-1]] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert model.offered == [()] * 3
    assert "```bash" in model.asked[0][0].content


def test_several_blocks_are_sent_back(box: Sandbox, task: Task) -> None:
    model = Watched(block("touch a") + "\n" + block("touch b"), block("ls"), "Done.")
    transcript = run(box, task, model, tool_mode="text")
    assert [(step.command, step.stdout) for step in transcript.steps] == [("ls", "")]
    assert "found 2 blocks" in model.asked[1][-1].content


def test_a_call_where_text_was_asked_for_is_sent_back(box: Sandbox, task: Task) -> None:
    model = Watched(call("touch a"), "Done.")
    transcript = run(box, task, model, tool_mode="text")
    assert transcript.steps == ()
    assert "found a tool call" in last(model)


def test_auto_turns_to_text_when_the_first_answer_is_a_block(box: Sandbox, task: Task) -> None:
    model = Watched(block("echo 7"), block("echo 8"), "Done.")
    transcript = run(box, task, model)
    assert [step.stdout for step in transcript.steps] == ["7\n", "8\n"]
    assert model.offered == [("bash",), (), ()]
    assert "exactly one in each answer" in model.asked[1][0].content


def test_auto_turns_to_text_when_the_endpoint_refuses_tools(box: Sandbox, task: Task) -> None:
    model = Watched(NO_TOOLS, block("echo 7"), "Done.")
    transcript = run(box, task, model)
    assert [step.stdout for step in transcript.steps] == ["7\n"]
    assert model.offered == [("bash",), (), ()]
    assert [message.role for message in model.asked[1]] == ["system", "user"]


def test_auto_asks_again_when_the_tool_may_never_have_reached_the_model(box: Sandbox, task: Task) -> None:
    model = Watched("I would list the files.", block("echo 7"), "Done.")
    transcript = run(box, task, model)
    assert ([step.stdout for step in transcript.steps], transcript.final) == (["7\n"], "Done.")
    assert "found none" in model.asked[1][-1].content
    assert model.offered == [("bash",), (), ()]
    assert run(box, task, Watched("Nothing to do.", "Really nothing.")).final == "Really nothing."


def test_once_tools_have_worked_a_block_is_just_text(box: Sandbox, task: Task) -> None:
    transcript = run(box, task, Watched(call("echo 7"), block("echo 8")))
    assert [step.stdout for step in transcript.steps] == ["7\n"]
    assert transcript.final == block("echo 8")


def test_tools_mode_never_turns(box: Sandbox, task: Task) -> None:
    assert run(box, task, Watched(block("echo 8")), tool_mode="tools").steps == ()
    with pytest.raises(EndpointError, match="does not support tools"):
        run(box, task, Watched(NO_TOOLS, "Done."), tool_mode="tools")


@pytest.mark.parametrize("error", [EndpointError("failed after 6 tries: 503"), AuthError("no key")])
def test_an_endpoint_that_fails_is_raised(box: Sandbox, task: Task, error: ModelError) -> None:
    with pytest.raises(type(error)):
        run(box, task, Watched(error, "Done."))


def test_a_command_is_killed_at_its_limit_and_the_agent_goes_on(box: Sandbox, task: Task) -> None:
    model = Watched(call("echo before; sleep 30"), call("echo after"), "Done.")
    transcript = run(box, task, model, command_seconds=0.5)
    first, second = transcript.steps
    assert (first.exit_code, first.stdout, second.stdout) == (None, "before\n", "after\n")
    assert first.seconds < 10
    assert "killed after" in model.asked[1][-1].content


def test_no_command_gets_more_time_than_the_agent_has(box: Sandbox, task: Task) -> None:
    started = time.monotonic()
    transcript = run(
        box, task, Watched(call("sleep 30", "touch never"), call("touch never")), limits=LIMITS.model_copy(update={"agent_seconds": 1.0})
    )
    assert time.monotonic() - started < 10
    assert (transcript.stop, len(transcript.steps)) == ("time", 1)


def test_an_answer_that_comes_too_late_is_not_run(box: Sandbox, task: Task) -> None:
    model = Watched(call("touch late", text="Now."), pause_seconds=0.3)
    transcript = run(box, task, model, limits=LIMITS.model_copy(update={"agent_seconds": 0.2}))
    assert (transcript.stop, transcript.steps, transcript.final) == ("time", (), "Now.")
    assert box.exec("ls", timeout_seconds=20).stdout == ""


def test_steps_end_the_run_in_the_middle_of_an_answer(box: Sandbox, task: Task) -> None:
    transcript = run(box, task, Watched(call("echo 1", "echo 2", "echo 3")), limits=LIMITS.model_copy(update={"steps": 2}))
    assert (transcript.stop, [step.stdout for step in transcript.steps]) == ("steps", ["1\n", "2\n"])


def test_what_cannot_be_run_counts_as_a_step(box: Sandbox, task: Task) -> None:
    model = Watched(*[calls(("bash", "nonsense"))] * 3)
    transcript = run(box, task, model, limits=LIMITS.model_copy(update={"steps": 3}))
    assert (transcript.stop, transcript.steps) == ("steps", ())


def test_context_overflow_keeps_what_was_done(box: Sandbox, task: Task) -> None:
    transcript = run(box, task, Watched(call("echo 7"), OVERFLOW))
    assert (transcript.stop, len(transcript.steps)) == ("context", 1)


def test_a_cut_off_answer_is_sent_back_once(box: Sandbox, task: Task) -> None:
    model = Watched(CUT_OFF, call("echo 7"), CUT_OFF, "Done.")
    transcript = run(box, task, model)
    assert (transcript.stop, len(transcript.steps)) == ("finished", 1)
    assert model.asked[1][-2].content == CUT_OFF.text
    assert "cut off at its limit of 8192 tokens" in model.asked[1][-1].content
    assert run(box, task, Watched(CUT_OFF, CUT_OFF, "Done.")).stop == "context"


def test_an_unusable_answer_is_sent_back_once(box: Sandbox, task: Task) -> None:
    transcript = run(box, task, Watched(call("echo 7"), EMPTY, "Done."))
    assert (transcript.stop, transcript.final) == ("finished", "Done.")
    with pytest.raises(BadCompletion):
        run(box, task, Watched(EMPTY, EMPTY, "Done."))


def test_long_and_strange_output_is_bounded_and_visible(box: Sandbox, task: Task) -> None:
    model = Watched(call("seq 100000; printf '\\033[31m\\377' >&2"), "Done.")
    run(box, task, model, observation_chars=2000)
    assert len(last(model)) < 2300
    assert "characters left out" in last(model)
    assert "\\x1b[31m\ufffd" in last(model)


def test_steps_are_told_as_they_are_taken_and_may_be_the_last(box: Sandbox, task: Task) -> None:
    told: list[tuple[int, str]] = []

    def on_step(number: int, step: Step) -> None:
        told.append((number, step.stdout))
        if number == 2:
            raise Cancelled("enough")

    model = Watched(call("echo 1", "echo 2", "echo 3"), "Done.")
    with pytest.raises(Cancelled):
        BashAgent(model).run(task, task.instruction, box, LIMITS, on_step)
    assert told == [(1, "1\n"), (2, "2\n")]
