"""Many recordings measured at once: each is read, measured and forgotten, in worker processes where there are enough of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from spark.pdi.material import gather
from spark.pdi.raw import Fault
from spark.pdi.recordings import read
from spark.pdi.retrospective import Choices, Label, Phi, label_of, phi
from spark.records import Record

ENOUGH = 64
"""Folders from which on workers pay for their start."""
_CHUNK = 16
_WAVE = 4096


class Measured(Record):
    """One recording, measured."""

    label: Label
    phi: Phi
    faults: tuple[Fault, ...]


def measure(folder: Path, choices: Choices, *, fix_encoding: bool = False) -> Measured:
    """One task folder, measured."""
    recording = read(folder, fix_encoding=fix_encoding)
    material = gather(recording, choices.reading())
    return Measured(label=label_of(material), phi=phi(material, choices), faults=recording.faults)


def measure_all(folders: Iterable[Path], choices: Choices, *, fix_encoding: bool = False, workers: int = 0) -> Iterator[Measured]:
    """Each folder measured, in order. `workers` 0 takes one per core where there are at least 64 folders, else none."""
    one = partial(measure, choices=choices, fix_encoding=fix_encoding)
    waiting = iter(folders)
    first = list(islice(waiting, ENOUGH))
    count = workers or (os.cpu_count() or 1 if len(first) == ENOUGH else 1)
    if count == 1:
        yield from map(one, first)
        yield from map(one, waiting)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, first, chunksize=_CHUNK)
        # waves, because map() takes its whole input before the first result
        while wave := list(islice(waiting, _WAVE)):
            yield from pool.map(one, wave, chunksize=_CHUNK)
