"""The built-in agent: one tool, a shell; one linear history; it ends when the model answers without a call.

Decisions, where the format leaves room:
1. A model without tools writes fenced ```bash blocks (`text`). Exactly one a turn is run; several, or an open one, are sent back.
2. `auto` offers the tool, and turns to `text` for good if the endpoint refuses tools or the first answer calls none: many endpoints drop
   tools silently. If that answer holds no block either, it is sent back once, so nobody stops because the tool never reached the model.
3. What cannot be run (broken arguments, an unknown tool, several blocks) is answered with the reason and counts as a step.
4. An answer that is cut off or empty is sent back once. Twice in a row, a cut-off stops the agent as `context`, an empty answer is raised.
5. No command is given more time than the agent has left. The model's own time counts too, but a request under way is not broken off.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Literal

from spark.agents.base import OnStep
from spark.agents.observation import head_and_tail, observe
from spark.agents.wishes import Wish, bash_tool, not_one_block, wish_of_call, wish_of_text
from spark.errors import BadCompletion, ContextOverflow, CutOffCompletion, EndpointError, ModelError
from spark.models.base import Completion, Message, Model
from spark.prompts import render
from spark.records import Limits, Step, Stop, Task, Transcript
from spark.sandboxes.base import Sandbox

ToolMode = Literal["auto", "tools", "text"]
_KEPT_OF_CUT_OFF_CHARS = 2_000
_REFUSES_TOOLS = re.compile(r"\btools?\b|tool_choice|tool[ _-]call|function[ _-]call", re.IGNORECASE)


class BashAgent:
    """Hands a model a shell in the box. Holds no state between runs, so one may serve many threads."""

    name = "bash"

    def __init__(
        self,
        model: Model,
        *,
        tool_mode: ToolMode = "auto",
        command_seconds: float = 120.0,
        observation_chars: int = 16_000,
        max_tokens: int = 8_192,
    ) -> None:
        """`command_seconds` is the most one command gets, `observation_chars` the most a model sees of one command's output."""
        self.model = model
        self.tool_mode: ToolMode = tool_mode
        self.command_seconds = command_seconds
        self.observation_chars = observation_chars
        self.max_tokens = max_tokens

    def run(self, task: Task, instruction: str, sandbox: Sandbox, limits: Limits, on_step: OnStep) -> Transcript:
        """Work until the model is done or a limit is reached.

        Raises:
            ModelError: no completion could be had, but for ContextOverflow and cut-off answers, which stop the agent.
            SandboxError: the box failed.
        """
        return _Work(self, task, sandbox, limits, on_step).until_done(instruction)


@dataclass
class _Work:
    """One run: its history and where it stands."""

    agent: BashAgent
    task: Task
    sandbox: Sandbox
    limits: Limits
    on_step: OnStep
    mode: ToolMode = "auto"
    deadline: float = 0.0
    asked: int = 0
    """Commands asked for so far, run or refused."""
    spoilt: bool = False
    """The last answer could not be used."""
    final: str = ""
    messages: list[Message] = field(default_factory=list[Message])
    steps: list[Step] = field(default_factory=list[Step])

    def until_done(self, instruction: str) -> Transcript:
        self.mode = self.agent.tool_mode
        self.deadline = time.monotonic() + self.limits.agent_seconds
        self.messages = [self._system(), Message(role="user", content=instruction)]
        stop = self._limit()
        while stop is None:
            try:
                answer = self._ask()
            except ModelError as error:
                stop = self._after(error)
                continue
            self.spoilt = False
            stop = self._follow(answer) or self._limit()
        return Transcript(steps=tuple(self.steps), stop=stop, final=self.final)

    def _system(self) -> Message:
        agent = self.agent
        text = render(
            "agent-system",
            how=render("agent-how-text" if self.mode == "text" else "agent-how-tools"),
            command_seconds=f"{agent.command_seconds:g}",
            observation_chars=str(agent.observation_chars),
            steps=str(self.limits.steps),
            agent_seconds=f"{self.limits.agent_seconds:g}",
        )
        return Message(role="system", content=text)

    def _limit(self) -> Stop | None:
        if time.monotonic() >= self.deadline:
            return "time"
        return "steps" if self.asked >= self.limits.steps else None

    def _ask(self) -> Completion:
        tools = () if self.mode == "text" else (bash_tool(),)
        return self.agent.model.complete(tuple(self.messages), max_tokens=self.agent.max_tokens, tools=tools)

    def _after(self, error: ModelError) -> Stop | None:
        """What to do about an answer that did not come: stop, ask differently (None), or give up and raise."""
        if isinstance(error, ContextOverflow):
            return "context"
        if self.mode == "auto" and _refuses_tools(error):
            self._use_text()
            return self._limit()
        if not isinstance(error, BadCompletion):
            raise error
        cut_off = isinstance(error, CutOffCompletion)
        if self.spoilt:
            if cut_off:
                return "context"
            raise error
        self.spoilt = True
        if cut_off and error.text.strip():
            self.messages.append(Message(role="assistant", content=head_and_tail(error.text, _KEPT_OF_CUT_OFF_CHARS)))
        complaint = render("agent-cut-off", max_tokens=str(self.agent.max_tokens)) if cut_off else render("agent-unusable")
        self.messages.append(Message(role="user", content=complaint))
        return self._limit()

    def _use_text(self) -> None:
        self.mode = "text"
        self.messages[0] = self._system()

    def _follow(self, answer: Completion) -> Stop | None:
        """Run what the answer asks for; `finished` if it asks for nothing."""
        undecided = self.mode == "auto"
        if undecided and answer.tool_calls:
            self.mode = "tools"
        elif undecided:
            self._use_text()
        self.final = answer.text.strip() or self.final
        calls = () if self.mode == "text" else answer.tool_calls
        self.messages.append(Message(role="assistant", content=answer.text, tool_calls=calls))
        wishes = self._wishes(answer, sure=not undecided)
        if not wishes:
            return "finished"
        for wish, call_id in wishes:
            if (stop := self._limit()) is not None:
                return stop
            self.asked += 1
            content = wish.refusal or self._run(wish)
            self.messages.append(Message(role="tool" if calls else "user", content=content, tool_call_id=call_id))
        return None

    def _wishes(self, answer: Completion, *, sure: bool) -> list[tuple[Wish, str | None]]:
        if self.mode != "text":
            first = answer.text.strip()
            return [(wish_of_call(call)._replace(thought=first * (number == 0)), call.id) for number, call in enumerate(answer.tool_calls)]
        found = wish_of_text(answer.text)
        if found is None and (answer.tool_calls or not sure):
            found = not_one_block("a tool call" if answer.tool_calls else "none")
        return [] if found is None else [(found, None)]

    def _run(self, wish: Wish) -> str:
        ran = self.sandbox.exec(
            wish.command,
            timeout_seconds=max(0.001, min(self.agent.command_seconds, self.deadline - time.monotonic())),
            user=self.task.agent_user,
            output_bytes=self.limits.output_bytes,
        )
        step = Step(
            command=wish.command,
            stdout=ran.stdout,
            stderr=ran.stderr,
            exit_code=ran.exit_code,
            seconds=ran.seconds,
            dropped_bytes=ran.dropped_bytes,
            thought=wish.thought,
        )
        self.steps.append(step)
        self.on_step(len(self.steps), step)
        return observe(ran, chars=self.agent.observation_chars)


def _refuses_tools(error: ModelError) -> bool:
    """An endpoint that cannot do tools says so in a 400 or the like; the words are all that endpoints have in common."""
    return (
        isinstance(error, BadCompletion | EndpointError)
        and not isinstance(error, CutOffCompletion)
        and bool(_REFUSES_TOOLS.search(error.message))
    )
