"""Whether the next attempt carries an intervention. The signal is on record in every attempt's PDI point, the decision in `injected`.

on            soft or strong as the proxy says
observe, off  never (observe still computes and records)
always-soft   soft after every reflection
random        a coin with a set chance, strong if the attempt before carried one: the control that tells whether the signal matters
"""

from __future__ import annotations

import random

from spark.distill.settings import PdiSettings
from spark.records import Attempt, Level


def intervention(pdi: PdiSettings, attempts: list[Attempt], coin: str) -> Level | None:
    """The intervention for the attempt after `attempts`; `coin` seeds the toss, so a resumed run tosses the same."""
    newest = attempts[-1] if attempts else None
    if newest is None or newest.memo is None:
        return None
    if pdi.policy == "on":
        return newest.pdi.level if newest.pdi else None
    if pdi.policy == "always-soft":
        return "soft"
    if pdi.policy == "random" and random.Random(f"{coin}:{len(attempts)}").random() < pdi.rate:
        return "strong" if newest.injected else "soft"
    return None
