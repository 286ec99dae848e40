"""Our own files, flipped, torn or something else: no fall, no wrong write, and it is said.

Clocks that jump belong here too: what a helper believes about time is as little its own.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import counted
from tests.unit.helper.conftest import OPS, Bench, StillGuardian
from tests.unit.helper.fake_kernel import FILES, VM

from aitune_helper import guardian, messages
from aitune_helper.places import Places
from aitune_helper.server import Core
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = int(os.environ.get("AITUNE_SEED", "20261124"))
ROUNDS = 60
NAMES = ("trial", "public", "owned", "journal", "lock", "sysctl")
SWAPPINESS, RATIO = VM + "swappiness", VM + "overcommit_ratio"
# What may be written after the damage: what the open trial found, and what it wants.
HONEST = {(SWAPPINESS, "60"), (SWAPPINESS, "10"), (RATIO, "50"), (RATIO, "70")}


def elsewhere(tmp_path: Path, name: object) -> Places:
    base = tmp_path / str(name)
    base.mkdir()
    return Places(f"{base}/run", f"{base}/state", f"{base}/etc")


def lived(places: Places) -> Bench:
    """A machine with a past: something kept for the next boot, and something open."""
    bench = Bench(places)
    kept = bench.apply(("vm.overcommit_ratio", "", "70"), persist=True)
    bench.core.trials.keep(kept.id, OPS, persist=True)
    bench.apply(("vm.swappiness", "", "10"))
    bench.kernel.writes.clear()
    return bench


def flipped(chance: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def torn(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def overwritten(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.randrange(1, 40)) + data[at:]


def zeroed(chance: random.Random, data: bytes) -> bytes:
    """As a file system gives back what was never on disk."""
    at = chance.randrange(len(data))
    return data[:at] + bytes(len(data) - at)


def swapped_digits(chance: random.Random, data: bytes) -> bytes:
    """Still well formed, but another value."""
    digits = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    found = bytearray(data)
    if digits:
        found[chance.choice(digits)] = ord(chance.choice("0123456789"))
    return bytes(found)


@pytest.mark.parametrize("damage", [flipped, torn, overwritten, zeroed, swapped_digits])
@pytest.mark.parametrize("name", NAMES)
def test_damaged_at_random(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    damage: Callable[[random.Random, bytes], bytes],
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    chance = random.Random(f"{SEED} {name}")  # noqa: S311 - to be repeated, not to be secret
    for number in range(ROUNDS):
        bench = lived(elsewhere(tmp_path, number))
        path = Path(getattr(bench.places, name))
        before = path.read_bytes()
        after = damage(chance, before)
        path.write_bytes(after)
        live_on(bench, name, said=after != before)
    counted.add(f"times a file of ours was damaged (seed {SEED})", ROUNDS)


def live_on(bench: Bench, name: str, *, said: bool) -> None:
    """Start, look, let the deadline pass, start again, and use it: all of it is as ever."""
    bench.restart()
    damaged_record = use(bench)
    bench.now += 100
    bench.restart()
    damaged_record |= use(bench)
    assert set(bench.kernel.writes) <= HONEST
    record_is_lost = name == "trial" and said and Path(bench.places.trial + ".corrupt-1").exists()
    assert bench.kernel.files[SWAPPINESS] == ("10" if record_is_lost else "60")
    notices = " ".join(bench.core.hello(OPS).notices)
    if record_is_lost:
        assert damaged_record
        assert bench.places.trial + ".corrupt-1" in notices
    # Everything can be used again: nobody has to repair anything by hand.
    if name not in ("owned", "sysctl"):
        again = bench.apply(("vm.overcommit_ratio", "", "50"), persist=True)
        kept = bench.core.trials.keep(again.id, OPS, persist=True).trial
        assert kept.state == messages.KEPT


def use(bench: Bench) -> bool:
    """Call everything; a fault is an answer. Says whether a damaged record was told of."""
    core = bench.core
    trial = core.trials.pending()
    wanted = bench.wanted(("vm.overcommit_ratio", "", "50"))
    told = False
    for act in (
        lambda: core.hello(OPS),
        lambda: core.trials.journal.history(100),
        lambda: core.apply(wanted, OPS) and None,
        lambda: core.extend(trial.id, 60.0, OPS) if trial else None,
        lambda: guardian.look(core.trials),
    ):
        try:
            act()
        except Fault as fault:
            told |= fault.error.endswith("Corrupt")
    pending = core.trials.pending()
    if pending is not None and pending != trial:
        core.trials.revert(pending.id, OPS)
    return told


def into_folder(path: Path) -> None:
    path.mkdir()


def into_fifo(path: Path) -> None:
    os.mkfifo(path)


def into_link(path: Path) -> None:
    target = path.parent / "target"
    target.write_text("theirs")
    path.symlink_to(target)


def into_dead_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def into_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's name is a short one
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("become", [into_folder, into_fifo, into_link, into_dead_link, into_socket])
@pytest.mark.parametrize("name", NAMES)
def test_something_else_in_its_place(
    tmp_path: Path, name: str, become: Callable[[Path], None]
) -> None:
    """It is answered or refused, never followed; taken away again, all is well."""
    bench = lived(elsewhere(tmp_path, "here"))
    path = Path(getattr(bench.places, name))
    saved = path.read_bytes()
    path.unlink()
    become(path)
    for _ in range(2):
        with contextlib.suppress(Fault):
            bench.restart()
            use(bench)
    assert set(bench.kernel.writes) <= HONEST
    target_ = path.parent / "target"
    assert not target_.exists() or target_.read_text() == "theirs"
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(saved)
    path.chmod(0o600)
    bench.now += 100
    bench.restart()
    bench.core.trials.expire()
    assert bench.kernel.files[SWAPPINESS] == "60"


# -- clocks ----------------------------------------------------------------------------------------


def core_with(bench: Bench, *, clock: Callable[[], float], wall: Callable[[], float]) -> Core:
    return Core(
        bench.kernel, bench.places, clock=clock, wall=wall, min_ttl_s=0.5, guardian=StillGuardian
    )


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0, -1_700_000_000.0, 1e12])
def test_the_wall_clock_may_jump_during_a_trial(bench: Bench, jump: float) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    now = 1_700_000_000.0 + jump
    core = core_with(bench, clock=lambda: bench.now, wall=lambda: now)
    assert core.trials.expire() is None
    assert core.trials.pending() == trial
    bench.now += 59
    assert core.trials.expire() is None
    assert core.trials.keep(trial.id, OPS, persist=False).trial.state == messages.KEPT
    assert [entry.number for entry in core.trials.journal.history(9).trials] == [1]


def test_after_a_night_in_suspend_all_is_put_back(bench: Bench) -> None:
    """The clock of deadlines counts suspended time: at waking up the trial is long over."""
    trial = bench.apply(("vm.swappiness", "", "10"))
    bench.now += 8 * 3600
    with pytest.raises(Fault) as raised:
        bench.core.trials.keep(trial.id, OPS, persist=True)
    assert raised.value.error.endswith("Expired")
    assert bench.kernel.state() == FILES


def test_suspended_while_applying(bench: Bench) -> None:
    """The deadline went by within a write; whoever comes first puts all back, once."""

    def asleep(number: int) -> None:
        if number == 1:
            bench.now += 8 * 3600

    bench.kernel.after_write = asleep
    trial = bench.apply(("vm.swappiness", "", "10"), ("vm.overcommit_ratio", "", "70"))
    assert trial.state == messages.PENDING, "the steps after waking have renewed it"
    bench.now += 61
    bench.restart()
    assert bench.kernel.state() == FILES


@pytest.mark.parametrize("behind", [-5.0, 5.0])
def test_two_helpers_whose_clocks_differ(bench: Bench, behind: float) -> None:
    """There is one clock since boot; were there two, the earlier deadline would hold, for both."""
    trial = bench.apply(("vm.swappiness", "", "10"))
    other = core_with(bench, clock=lambda: bench.now + behind, wall=lambda: 0.0)
    bench.now += 58
    ended = other.trials.expire()
    assert (ended is not None) == (behind > 2)
    if ended is None:
        assert bench.core.trials.keep(trial.id, OPS, persist=False).trial.state == messages.KEPT
    else:
        with pytest.raises(Fault):
            bench.core.trials.keep(trial.id, OPS, persist=False)
        assert bench.kernel.state() == FILES
