"""One purse for all roles: tokens and dollars, counted after every call and guarded before it.

A call is let through only if it could not overdraw the purse at its dearest: its prompt at `BYTES_PER_TOKEN` and its answer at the full
`max_tokens`, on top of what is spent and of what calls in flight may still take. One gap remains: a model that asks again within
one call (an empty answer is asked for anew) settles all it spent, which can be more than was held.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from spark.errors import BudgetError, ModelError, RequestError
from spark.records import Usage

PRICES: Mapping[str, tuple[float, float]] = {
    "scripted": (0.0, 0.0),
    "claude-haiku-4-5": (1.0, 5.0),
    "claude-opus-4-5": (5.0, 25.0),
    "claude-opus-4-6": (5.0, 25.0),
    "claude-opus-4-7": (5.0, 25.0),
    "claude-opus-4-8": (5.0, 25.0),
    "claude-sonnet-4-6": (3.0, 15.0),
    "gemini-2.5-flash": (0.30, 2.50),
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1-nano": (0.10, 0.40),
    "gpt-4o": (2.50, 10.0),
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.40),
    "gpt-5.1": (1.25, 10.0),
    "o3": (2.0, 8.0),
    "o4-mini": (1.10, 4.40),
}
"""US dollars per million prompt and completion tokens: the vendors' list prices, read in July 2026.

Models whose price depends on the length of the prompt are left out on purpose (one number would be wrong); cached prompts are
counted in full, so the true bill can be lower. The user's own prices come first.
"""

BYTES_PER_TOKEN = 2
"""UTF-8 bytes of prompt to a token when a call is held back for: English has about 4, hexadecimal and Chinese text 2 to 3."""

_DATE = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$")


class Purse:
    """What may be spent and what was, by role. Thread-safe. No limit is None; `prices` adds to `PRICES` and overrides it.

    Raises:
        RequestError: a limit or a price that is negative or no number.
    """

    def __init__(
        self,
        max_usd: float | None = None,
        max_tokens: int | None = None,
        *,
        prices: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        own = dict(prices or {})
        for what, figure in [
            ("--max-usd", max_usd),
            ("--max-tokens", max_tokens),
            *((f"price of {m!r}", p) for m, two in own.items() for p in two),
        ]:
            if figure is not None and not (math.isfinite(figure) and figure >= 0):
                raise RequestError(f"wanted a number of 0 or more for {what}, found {figure!r}")
        self.max_usd = max_usd
        self.max_tokens = max_tokens
        self._prices = {**PRICES, **own}
        self._lock = threading.Lock()
        self._spent: dict[str, Usage] = {}
        self._held: dict[Reservation, Usage] = {}

    def price(self, model: str) -> tuple[float, float] | None:
        """Dollars per million prompt and completion tokens; None if unknown.

        A dated name (`gpt-4o-2024-08-06`) and one with its vendor before it (`openai/gpt-4o`) have the price of the plain name.
        """
        for name in (model, model.rpartition("/")[2], _DATE.sub("", model.rpartition("/")[2])):
            if name in self._prices:
                return self._prices[name]
        return None

    def priced(self, model: str, usage: Usage) -> Usage:
        """`usage` with its dollars filled in where it has none and the price is known."""
        price = self.price(model)
        if usage.usd is not None or price is None:
            return usage
        return usage.model_copy(update={"usd": (usage.prompt_tokens * price[0] + usage.completion_tokens * price[1]) / 1e6})

    def require_price(self, model: str) -> None:
        """Say at once, before any work, that dollars cannot be limited.

        Raises:
            BudgetError: dollars are limited and this model has no known price.
        """
        if self.max_usd is not None and self.price(model) is None:
            raise BudgetError(
                f"dollars are limited to {self.max_usd:g}, but the price of model {model!r} is not known",
                hint=f'give its price under `prices` in spark.toml ("{model}" = [prompt, completion], dollars per million tokens), '
                "or limit tokens with --max-tokens",
            )

    def reserve(self, role: str, model: str, prompt_bytes: int, max_tokens: int) -> Reservation:
        """Hold what the next call could cost at most; use as a context manager and `settle` inside it.

        Raises:
            BudgetError: the call could overdraw the purse, or its cost cannot be known; nothing is held.
        """
        self.require_price(model)
        worst = Usage(prompt_tokens=math.ceil(prompt_bytes / BYTES_PER_TOKEN), completion_tokens=max_tokens, usd=None)
        worst = self.priced(model, worst)
        held = Reservation(self, role, model)
        with self._lock:
            self._check(role, model, worst)
            self._held[held] = worst
        return held

    def _check(self, role: str, model: str, worst: Usage) -> None:
        spent = _sum(self._spent.values())
        flying = _sum(self._held.values())
        call = f"the next call of the {role} (model {model!r})"
        if self.max_tokens is not None and spent.tokens + flying.tokens + worst.tokens > self.max_tokens:
            raise BudgetError(
                f"{call} could take {worst.tokens} tokens: {spent.tokens} of {self.max_tokens} are spent, "
                f"{flying.tokens} held by calls in flight",
                hint="raise --max-tokens and --resume the run",
            )
        if self.max_usd is None:
            return
        if spent.usd is None:
            raise BudgetError(
                f"dollars are limited to {self.max_usd:g}, but calls made before have no known price",
                hint="give the prices of all models under `prices` in spark.toml, or limit tokens with --max-tokens",
            )
        if spent.usd + (flying.usd or 0.0) + (worst.usd or 0.0) > self.max_usd:
            raise BudgetError(
                f"{call} could cost ${worst.usd or 0.0:.4f}: ${spent.usd:.4f} of ${self.max_usd:g} are spent, "
                f"${flying.usd or 0.0:.4f} held by calls in flight",
                hint="raise --max-usd and --resume the run",
            )

    def _close(self, held: Reservation, usage: Usage | None) -> None:
        with self._lock:
            self._held.pop(held, None)
            if usage is not None:
                self._spent[held.role] = self._spent.get(held.role, Usage()) + self.priced(held.model, usage)

    def restore(self, role: str, usage: Usage) -> None:
        """Count what an earlier process of this run spent."""
        with self._lock:
            self._spent[role] = self._spent.get(role, Usage()) + usage

    def spent(self, role: str) -> Usage:
        """What `role` spent."""
        with self._lock:
            return self._spent.get(role, Usage())

    def by_role(self) -> dict[str, Usage]:
        """What every role spent, by name."""
        with self._lock:
            return dict(sorted(self._spent.items()))

    def total(self) -> Usage:
        """What all roles spent."""
        with self._lock:
            return _sum(self._spent.values())


class Reservation:
    """The dearest a call could be, held until the call is over.

    A call that is never settled costs nothing, but for a ModelError that says what was paid before it.
    """

    def __init__(self, purse: Purse, role: str, model: str) -> None:
        self.role = role
        self.model = model
        self._purse = purse
        self._open = True

    def settle(self, usage: Usage) -> None:
        """Count the real usage instead. Once: later calls change nothing."""
        self._end(usage)

    def _end(self, usage: Usage | None) -> None:
        if self._open:
            self._open = False
            self._purse._close(self, usage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end(error.usage if isinstance(error, ModelError) else None)


def _sum(usages: Iterable[Usage]) -> Usage:
    return sum(usages, Usage())
