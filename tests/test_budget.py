"""The purse: nothing overdraws it, whoever asks at the same time."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.budget import BYTES_PER_TOKEN, PRICES, Purse, Reservation
from spark.errors import BudgetError, CutOffCompletion, RequestError
from spark.records import Usage

MILLION = 1_000_000


def used(prompt: int, completion: int, usd: float | None = None) -> Usage:
    return Usage(calls=1, prompt_tokens=prompt, completion_tokens=completion, usd=usd)


def test_what_is_spent_is_counted_by_role() -> None:
    purse = Purse()
    for role, tokens in [("teacher", 10), ("scribe", 5), ("teacher", 20)]:
        with purse.reserve(role, "m", 100, 50) as held:
            held.settle(used(tokens, 1))
    assert purse.spent("teacher").tokens == 32
    assert purse.spent("nobody") == Usage()
    assert list(purse.by_role()) == ["scribe", "teacher"]
    assert (purse.total().calls, purse.total().tokens) == (3, 38)


def test_dollars_follow_the_price_and_are_unknown_without_one() -> None:
    purse = Purse(prices={"mine": (2.0, 8.0)})
    with purse.reserve("teacher", "mine", 4, 4) as held:
        held.settle(used(MILLION, MILLION // 2))
    assert purse.spent("teacher").usd == pytest.approx(6.0)
    with purse.reserve("scribe", "unheard-of", 4, 4) as held:
        held.settle(used(1, 1))
    assert purse.spent("scribe").usd is None
    assert purse.total().usd is None


def test_dollars_that_are_known_are_kept() -> None:
    assert Purse(prices={"mine": (2.0, 8.0)}).priced("mine", used(MILLION, 0, usd=0.5)).usd == 0.5


def test_the_users_price_comes_first_and_names_are_matched_plainly() -> None:
    assert Purse().price("gpt-4o") == PRICES["gpt-4o"]
    assert Purse().price("openai/gpt-4o-2024-08-06") == PRICES["gpt-4o"]
    assert Purse().price("claude-haiku-4-5-20251001") == PRICES["claude-haiku-4-5"]
    assert Purse().price("gpt-4o-mine") is None
    assert Purse(prices={"gpt-4o": (1.0, 1.0)}).price("openai/gpt-4o") == (1.0, 1.0)
    assert Purse(prices={"openai/gpt-4o": (3.0, 3.0)}).price("openai/gpt-4o") == (3.0, 3.0)


def test_a_call_that_could_take_too_many_tokens_is_not_made() -> None:
    purse = Purse(max_tokens=1000)
    with purse.reserve("teacher", "m", 400 * BYTES_PER_TOKEN, 600) as held:
        held.settle(used(100, 100))
    with pytest.raises(BudgetError, match=r"could take 801 tokens: 200 of 1000 are spent, 0 held") as caught:
        purse.reserve("scribe", "m", 401 * BYTES_PER_TOKEN, 400)
    assert "--max-tokens" in caught.value.hint
    purse.reserve("scribe", "m", 400 * BYTES_PER_TOKEN, 400)


def test_a_call_that_could_cost_too_much_is_not_made() -> None:
    purse = Purse(max_usd=1.0, prices={"m": (1.0, 10.0)})
    with pytest.raises(BudgetError, match=r"could cost \$1.1000: \$0.0000 of \$1 are spent"):
        purse.reserve("teacher", "m", MILLION * BYTES_PER_TOKEN, 10_000)
    assert purse.total() == Usage()


def test_calls_in_flight_count() -> None:
    purse = Purse(max_tokens=100)
    first = purse.reserve("teacher", "m", 0, 60)
    with pytest.raises(BudgetError, match="60 held by calls in flight"):
        purse.reserve("scribe", "m", 0, 60)
    first.settle(used(0, 10))
    with purse.reserve("scribe", "m", 0, 60):
        pass
    assert purse.total().tokens == 10


def test_a_call_that_failed_costs_what_its_error_says() -> None:
    purse = Purse(max_tokens=100)
    error = CutOffCompletion("cut", text="half")
    error.usage = used(5, 7)
    with pytest.raises(CutOffCompletion), purse.reserve("teacher", "m", 0, 60):
        raise error
    with pytest.raises(ZeroDivisionError), purse.reserve("teacher", "m", 0, 60):
        raise ZeroDivisionError
    assert purse.spent("teacher").tokens == 12
    purse.reserve("teacher", "m", 0, 88)


def test_a_call_is_settled_once() -> None:
    purse = Purse()
    with purse.reserve("teacher", "m", 0, 60) as held:
        held.settle(used(1, 1))
        held.settle(used(100, 100))
    assert purse.total().tokens == 2


def test_dollars_cannot_be_limited_for_a_model_without_a_price() -> None:
    purse = Purse(max_usd=5.0)
    for ask in (lambda: purse.require_price("unheard-of"), lambda: purse.reserve("teacher", "unheard-of", 1, 1)):
        with pytest.raises(BudgetError, match="price of model 'unheard-of' is not known") as caught:
            ask()
        assert "unheard-of" in caught.value.hint
    purse.require_price("gpt-4o")
    Purse(max_tokens=9).require_price("unheard-of")


def test_what_was_spent_before_is_restored() -> None:
    purse = Purse(max_tokens=100)
    purse.restore("teacher", used(40, 30, usd=0.0))
    with pytest.raises(BudgetError, match="70 of 100 are spent"):
        purse.reserve("teacher", "m", 0, 31)
    assert purse.spent("teacher").calls == 1


def test_dollars_spent_at_an_unknown_price_stop_a_run_with_a_dollar_limit() -> None:
    purse = Purse(max_usd=1.0, prices={"m": (0.0, 0.0)})
    purse.restore("teacher", used(40, 30))
    with pytest.raises(BudgetError, match="calls made before have no known price"):
        purse.reserve("teacher", "m", 0, 1)


@pytest.mark.parametrize(("usd", "tokens"), [(-1.0, None), (float("nan"), None), (float("inf"), None), (None, -1)])
def test_a_limit_that_is_no_amount_is_refused(usd: float | None, tokens: int | None) -> None:
    with pytest.raises(RequestError, match="0 or more"):
        Purse(usd, tokens)
    with pytest.raises(RequestError, match="price of 'm'"):
        Purse(prices={"m": (-1.0, 2.0)})


@settings(deadline=None, max_examples=60)
@given(
    limit=st.integers(0, 400),
    calls=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 80), st.floats(0, 1)), max_size=25),
    flying=st.integers(1, 4),
)
def test_calls_that_keep_their_bounds_never_overdraw(limit: int, calls: list[tuple[int, int, float]], flying: int) -> None:
    purse = Purse(max_usd=limit / 1e6, max_tokens=limit, prices={"m": (1.0, 1.0)})
    open_calls: list[tuple[Reservation, int, int]] = []
    for prompt, most, share in calls:
        try:
            open_calls.append((purse.reserve("teacher", "m", prompt * BYTES_PER_TOKEN, most), prompt, int(most * share)))
        except BudgetError:
            continue
        if len(open_calls) > flying:
            held, real_prompt, real_answer = open_calls.pop(0)
            held.settle(used(real_prompt, real_answer))
        assert purse.total().tokens <= limit
    for held, real_prompt, real_answer in open_calls:
        held.settle(used(real_prompt, real_answer))
    assert purse.total().tokens <= limit
    assert (purse.total().usd or 0.0) <= limit / 1e6 + 1e-12


def test_threads_together_never_overdraw() -> None:
    purse = Purse(max_tokens=1000)
    start = threading.Barrier(8)
    refused: list[int] = []

    def work() -> None:
        start.wait()
        for _ in range(60):
            try:
                with purse.reserve("teacher", "m", 5 * BYTES_PER_TOKEN, 5) as held:
                    held.settle(used(5, 5))
            except BudgetError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert purse.total().tokens <= 1000
    # In flight at most 8 × 10 tokens stood in the way of a call.
    assert purse.total().tokens > 1000 - 90
    assert purse.total().calls + len(refused) == 480
