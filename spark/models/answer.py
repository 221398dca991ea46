"""From what an endpoint sent to a text and tool calls that can be trusted to be a completion."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from spark.errors import CutOffCompletion
from spark.models.base import ToolCall
from spark.models.faults import Fault, fault_of_error

MAX_TEXT_CHARS = 8 * 1024 * 1024
"""Of one answer; the longest answers of known models are below a tenth of it."""
MAX_CALLS = 128

_CUT_OFF = frozenset({"length", "max_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "recitation", "refusal", "prohibited_content", "blocklist"})
_BROKEN = frozenset({"error", "insufficient_system_resource", "abort", "malformed_function_call"})
_OPEN, _CLOSE = "<think>", "</think>"


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""

    def add(self, call_id: str, name: str, arguments: str) -> None:
        self.id = self.id or call_id
        # Some gateways repeat the whole name with every piece of the arguments.
        self.name += "" if name == self.name else name
        self.arguments += arguments

    def ends_before(self, call_id: str, name: str, arguments: str) -> bool:
        """Whether a piece that claims to belong here starts another call: some gateways give every call the index 0, or none."""
        if not name or (call_id and call_id == self.id):
            return False
        return bool(call_id and self.id) or bool(arguments and self.name and _is_object(self.arguments))


@dataclass
class Answer:
    """One answer as it is put together from pieces."""

    texts: list[str] = field(default_factory=list[str])
    refusals: list[str] = field(default_factory=list[str])
    calls: list[_Call] = field(default_factory=list[_Call])
    finish: str = ""
    model: str = ""
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    thought: bool = False
    chars: int = 0
    _by_index: dict[int, _Call] = field(default_factory=dict[int, _Call])

    def take(self, payload: dict[str, Any]) -> None:
        """Add one chunk of a stream, or a whole completion.

        Raises:
            Fault: the payload is an error, or the answer grows past all bounds.
        """
        if payload.get("error") or payload.get("object") == "error":
            raise fault_of_error(payload.get("error") or payload)
        self.model = self.model or _text(payload.get("model"))
        self.usage = _mapping(payload.get("usage")) or self.usage
        for choice in map(_mapping, _items(payload.get("choices"))):
            # `n` is never asked for, so whatever has another index is not ours.
            if choice.get("index") in (0, None):
                self._take_choice(choice)
        if self.chars > MAX_TEXT_CHARS or len(self.calls) > MAX_CALLS:
            raise Fault(f"an answer of more than {MAX_TEXT_CHARS} characters or {MAX_CALLS} tool calls", meaning="junk")

    def _take_choice(self, choice: dict[str, Any]) -> None:
        if choice.get("error"):
            raise fault_of_error(choice["error"])
        self.finish = _text(choice.get("finish_reason")).lower() or self.finish
        delta = _mapping(choice.get("delta"))
        if not delta and not self.texts and not self.calls:
            delta = _mapping(choice.get("message"))
        self._add(self.texts, _content(delta.get("content")))
        self._add(self.refusals, _text(delta.get("refusal")))
        self.thought = self.thought or bool(delta.get("reasoning_content") or delta.get("reasoning"))
        for piece in map(_mapping, _items(delta.get("tool_calls"))):
            self._take_call(piece)

    def _add(self, pieces: list[str], text: str) -> None:
        if text:
            pieces.append(text)
            self.chars += len(text)

    def _take_call(self, piece: dict[str, Any]) -> None:
        function = _mapping(piece.get("function"))
        name, given = _text(function.get("name")), function.get("arguments")
        arguments = json.dumps(given) if isinstance(given, dict) else _text(given)
        call_id, index = _text(piece.get("id")), piece.get("index")
        call = self._by_index.get(index) if isinstance(index, int) else self._unnumbered(call_id)
        if call is None or call.ends_before(call_id, name, arguments):
            call = _Call()
            self.calls.append(call)
        if isinstance(index, int):
            self._by_index[index] = call
        call.add(call_id, name, arguments)
        self.chars += len(name) + len(arguments)

    def _unnumbered(self, call_id: str) -> _Call | None:
        if call_id:
            return next((call for call in self.calls if call.id == call_id), None)
        return self.calls[-1] if self.calls else None

    @property
    def empty(self) -> bool:
        """Whether nothing that costs anything came."""
        return not (self.chars or self.thought or self.usage)

    def result(self, first_call: int) -> tuple[str, tuple[ToolCall, ...]]:
        """The text without its thinking, and the tool calls; ids that are missing or double are made from `first_call`.

        Raises:
            CutOffCompletion: the answer hit a limit.
            Fault: it is no completion.
        """
        text = without_thinking(mended("".join(self.texts)))
        if self.finish in _BROKEN:
            raise Fault(f"the endpoint gave up: finish_reason {self.finish!r}: {text[-200:]}")
        if self.finish in _FILTERED:
            raise Fault(f"the answer was withheld: finish_reason {self.finish!r}", meaning="refused")
        if self.refusals and not text.strip() and not self.calls:
            raise Fault(f"the model refused: {mended(''.join(self.refusals))}", meaning="refused")
        if _is_dump(text):
            raise Fault("the raw text of an event stream came as the answer", meaning="junk")
        if self.finish in _CUT_OFF:
            raise CutOffCompletion("cut off", text=text)
        if not text.strip() and not self.calls:
            what = "nothing but thinking" if self.thought or "".join(self.texts).strip() else "an empty answer"
            raise Fault(f"{what} (finish_reason {self.finish!r})", meaning="junk")
        if any(not call.name for call in self.calls):
            raise Fault("a tool call without a name", meaning="junk")
        return text, self._calls(first_call)

    def _calls(self, first: int) -> tuple[ToolCall, ...]:
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for number, call in enumerate(self.calls, first):
            call_id = mended(call.id) if call.id and call.id not in seen else f"call_{number}"
            seen.add(call_id)
            calls.append(ToolCall(id=call_id, name=mended(call.name), arguments=mended(call.arguments)))
        return tuple(calls)


def without_thinking(text: str) -> str:
    """`text` less its `<think>…</think>` blocks; a block whose opening or closing tag is missing is cut where it must have been."""
    if _OPEN not in text and _CLOSE not in text:
        return text
    kept: list[str] = []
    at = 0
    while (start := text.find(_OPEN, at)) >= 0:
        kept.append(text[at:start])
        end = text.find(_CLOSE, start)
        if end < 0:
            # Thinking that never ended; inside a text that had begun, the tag is only talk.
            at = start if "".join(kept).strip() else len(text)
            break
        at = end + len(_CLOSE)
    rest = "".join([*kept, text[at:]])
    # A chat template may have eaten the opening tag; a tag in quotes is talk about tags.
    orphan = rest.find(_CLOSE)
    if orphan >= 0 and rest[max(0, orphan - 1) : orphan] not in ("`", "'", '"'):
        rest = rest[orphan + len(_CLOSE) :]
    return rest.lstrip()


def mended(text: str) -> str:
    """`text` with surrogate halves joined, or replaced where they stand alone, so that it can be written as UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_dump(text: str) -> bool:
    start = text.lstrip()[:2000]
    return start.startswith("data:") and start[5:].lstrip().startswith("{") and "chat.completion.chunk" in start


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _content(value: object) -> str:
    """Content is text, or a list of parts with text in them."""
    return _text(value) or "".join(_text(_mapping(part).get("text")) for part in _items(value))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
