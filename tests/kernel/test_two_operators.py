"""Two operators, each with a helper of their own, do 200 things each at the same time.

What remains is one history: lines numbered without a gap, each trial beginning where the one before
ended, and a kernel that holds what the history says. `AITUNE_SEED` repeats a run.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests import counted
from tests.kernel.helper_runner import make_core, places_in
from tests.kernel.kernel_files import value
from tests.kernel.operators import Operator, journal_lines
from tests.kernel.test_helper_real import VM, base, loop, no_guardian, until

from aitune_helper import messages

__all__ = ["base", "loop"]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
]

SEED = int(os.environ.get("AITUNE_SEED", time.time_ns() % 1_000_000))
TIMES = 200
# What may be answered to somebody who is not alone; anything else is a fault of the helper.
FAIR = {"done", "nothing", "Busy", "Stale", "Refused", "NothingPending", "Expired"}


def test_two_operators_make_one_history(base: str, loop: Path) -> None:
    disk = loop.parent.name
    files = {
        "vm.swappiness": VM / "swappiness",
        "vm.overcommit_ratio": VM / "overcommit_ratio",
        f"block.read_ahead_kb@{disk}": loop / "read_ahead_kb",
    }
    before = {target: value(path) for target, path in files.items()}
    choices = {
        "vm.swappiness": ("10", "20", "30", before["vm.swappiness"]),
        "vm.overcommit_ratio": ("60", "70", before["vm.overcommit_ratio"]),
        f"block.read_ahead_kb@{disk}": ("64", "129", "512"),
    }
    operators = [Operator(base, choices, SEED + number) for number in range(2)]
    failures: list[BaseException] = []
    threads = [threading.Thread(target=act, args=(one, operators, failures)) for one in operators]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in operators:
            one.close()
        until(lambda: no_guardian(base))
        now = {target: value(path) for target, path in files.items()}
        assert not failures, f"seed {SEED}: {failures}"
        answers = sum((one.answers for one in operators), Counter[str]())
        counted.add(f"things that two operators did at once (seed {SEED})", answers.total())
        assert {answer.rpartition(" ")[2] for answer in answers} <= FAIR, (SEED, answers)
        assert all_done(operators), (SEED, answers)
        assert answers["apply Busy"], "they were never in each other's way"
        assert follow(journal_lines(places_in(base).journal), before) == now, f"seed {SEED}"
        core = make_core(base)
        assert core.trials.pending() is None
        core.close()
    finally:
        for target, path in files.items():
            path.write_text(before[target])


def all_done(operators: Sequence[Operator]) -> bool:
    """Whether everything that can be done was done at least once, by one or the other."""
    kinds = ("apply", "keep", "revert", "undo", "compare", "switch")
    return all(any(one.answers[f"{kind} done"] for one in operators) for kind in kinds)


def act(operator: Operator, operators: Sequence[Operator], failures: list[BaseException]) -> None:
    try:
        for turn in range(5 * TIMES):
            # What chance leaves out is waited for, within bounds.
            if turn >= TIMES and all_done(operators):
                break
            operator.act()
    except BaseException as error:  # noqa: BLE001 - said by the test, which waits for this thread
        failures.append(error)


def follow(lines: list[dict[str, object]], before: dict[str, str]) -> dict[str, str]:
    """What the kernel holds by the journal, after checking that it is one story."""
    held = dict(before)
    is_open = ""
    number = 0
    for seq, line in enumerate(lines, start=1):
        where = f"seed {SEED}, line {seq}: {line['event']}"
        assert line["seq"] == seq, where
        if "trial" not in line:
            continue
        trial = messages.from_object(messages.Trial, line["trial"])
        if line["event"] == "intent":
            assert not is_open, f"{where}: another was not over"
            assert trial.number == number + 1, where
            is_open, number = trial.id, trial.number
            for item in trial.items:
                assert item.old == held[target(item)], f"{where}: {item}"
        elif line["event"] == "persisted":
            assert trial.number == number, where
        else:
            assert trial.id == is_open, where
            if trial.state not in (messages.APPLYING, messages.PENDING):
                is_open = ""
            if trial.state == messages.KEPT:
                held.update({target(item): item.effective or "" for item in trial.items})
    assert not is_open, "the last one was never ended"
    return held


def target(item: messages.Item) -> str:
    return f"{item.knob}@{item.instance}" if item.instance else item.knob
