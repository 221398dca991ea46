"""Workers, and what one, two and three Ctrl-C do to a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from spark.parallel import Brakes, interrupts, run_all

SCRIPT = Path(__file__).with_name("interrupted.py")


@contextmanager
def interrupted(times: int) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """The script after its first two jobs have started and it was sent so many SIGINTs; with the lines it has written at the end."""
    lines: list[str] = []
    with subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines += [process.stdout.readline().strip() for _ in range(2)]
        for _ in range(times):
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=60)
        lines += said.splitlines()
        yield process, [*lines, *complaint.splitlines()[-1:]]


def test_one_interrupt_lets_what_runs_finish_and_starts_nothing() -> None:
    with interrupted(1) as (process, lines):
        assert process.returncode == 0
        assert sorted(lines) == [
            "2 left",
            "finishing the attempts under way; Ctrl-C again to stop at once",
            "job 0 done",
            "job 0 starts",
            "job 1 done",
            "job 1 starts",
        ]


def test_two_interrupts_stop_at_the_next_step() -> None:
    started = time.monotonic()
    with interrupted(2) as (process, lines):
        assert process.returncode == 0
        assert lines[-1] == "2 left"
        assert {"stopping", "job 0 stopped", "job 1 stopped"} <= set(lines)
    assert time.monotonic() - started < 2.8, "a job of 3 s was not waited for"


def test_three_interrupts_are_the_systems_own() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from spark.parallel import *\nwith interrupts(Brakes(), print):\n print('up', flush=True); time.sleep(30)",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode != 0
    assert complaint.strip().endswith("KeyboardInterrupt")


def test_never_more_workers_than_asked_for_and_each_job_once() -> None:
    lock, running, most, done = threading.Lock(), 0, 0, list[int]()

    def job(number: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
            done.append(number)

    def numbered(number: int) -> Callable[[], None]:
        return lambda: job(number)

    assert run_all([numbered(number) for number in range(20)], workers=3, brakes=Brakes()) == 0
    assert sorted(done) == list(range(20))
    assert 1 < most <= 3


def test_jobs_start_in_order() -> None:
    order: list[int] = []
    jobs: list[Callable[[], None]] = [lambda: order.append(0), lambda: order.append(1), lambda: order.append(2)]
    run_all(jobs, workers=1, brakes=Brakes())
    assert order == [0, 1, 2]


def test_brakes_pulled_by_a_job_leave_the_rest_unstarted() -> None:
    brakes, done = Brakes(), list[int]()

    def first() -> None:
        done.append(0)
        brakes.halt()

    assert run_all([first, lambda: done.append(1), lambda: done.append(2)], workers=1, brakes=brakes) == 2
    assert done == [0]
    assert brakes.stop.is_set()


def test_no_jobs_are_no_work() -> None:
    assert run_all([], workers=4, brakes=Brakes()) == 0


def test_the_old_handler_comes_back_and_other_threads_leave_it_alone() -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with interrupts(Brakes(), said.append):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before

    def elsewhere() -> None:
        with interrupts(Brakes(), said.append):
            pass

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
