"""One worker of the sweep: runs an operation again and again, each time killed at another call.

`python helper_killer.py BASE OPERATION;… KNOB@INSTANCE=VALUE…` prints one JSON object an operation.
Everything is imported once; each run is a fork that strace is attached to, so that a point costs
little more than waiting for its deadline. Several workers run side by side, each with settings of
its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tests.kernel.helper_runner import NoGuardian, make_core, make_trials, parse, places_in

from aitune_helper import apply, guardian, kernelfs, messages, plan, writing
from aitune_helper.kernelfs import RealKernel
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import ArmChanges, Caller
from aitune_helper.state import LockedError, hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_helper.messages import Trial
    from aitune_helper.server import Core

ROOT = Caller(0, "root", attested=True)
# The time for one step, after which a helper that died while applying is given up.
STEP_GRACE_S = 0.15
TTL_S = 0.15
# Long enough to begin with keeping what another process has applied.
OPEN_S = 0.5
PATIENCE_S = 20.0
# A trial of half a second can be over before a busy machine gets to keeping it.
TRIES = 4
_LOOK_S = 0.002
# Every call by which a process changes anything outside of itself. `?`: not on every architecture.
CALLS = (
    "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "flock", "?rename",
    "renameat", "renameat2", "?link", "linkat", "?symlink", "symlinkat", "?unlink", "unlinkat",
    "?mkdir", "mkdirat", "?rmdir", "?chmod", "fchmod", "fchmodat", "?chown", "fchown", "fchownat",
    "sendto", "sendmsg", "connect", "bind", "?fork", "?vfork", "clone", "clone3", "kill",
    "pidfd_send_signal", "openat",
)  # fmt: skip
_TRACED = re.compile(r"(?:\d+ +)?(\w+)\(")


R = TypeVar("R")


class TooLateError(Exception):
    """What was to be done without any kill failed: a deadline came first."""


class State(NamedTuple):
    """What a kill may not leave half done: the kernel's values, and the files read at boot."""

    values: tuple[tuple[str, str], ...]
    at_boot: tuple[tuple[str, bytes], ...]


class Operation(NamedTuple):
    """What is killed.

    Attributes:
        act: Done by the process that is killed.
        prepare: Opens the trial that it acts on, if any; done by a process of its own.
        first: What lies before that trial, and has to stay whatever becomes of it.
        guarded: Whether a guardian watches; without one, the next start of the helper has to do.
    """

    act: Callable[[Station, Core], object]
    prepare: Callable[[Station, Core], object] = lambda station, core: None
    first: Callable[[Station, Core], object] = lambda station, core: None
    guarded: bool = True


class Station:
    """A directory for state, and settings of the kernel that nobody else touches meanwhile."""

    def __init__(self, base: str, texts: list[str]) -> None:
        self.base = base
        self.texts = texts
        self._kernel = RealKernel()
        self.targets = list(self._targets())
        self.before = self.state()

    def _targets(self) -> set[tuple[str, str]]:
        found = set()
        for text in self.texts:
            change = parse(text)
            knob = KNOBS[change.knob]
            nodes = plan.nodes_of_pool(self._kernel, knob, change.instance)
            found |= {(node.id, instance) for node, instance in nodes}
            found |= {
                (name, change.instance)
                for name in (knob.id, *knob.coupled)
                if kernelfs.exists(self._kernel, KNOBS[name], change.instance)
            }
        return found

    def state(self) -> State:
        etc = Path(self.base, "etc")
        files = (path for path in sorted(etc.rglob("*")) if path.is_file())
        return State(
            tuple((f"{name}@{instance}", self.value(name, instance))
                  for name, instance in sorted(self.targets)),
            tuple((str(path.relative_to(etc)), path.read_bytes()) for path in files),
        )  # fmt: skip

    def value(self, name: str, instance: str) -> str:
        return plan.reading(self._kernel, KNOBS[name], instance)

    def reset(self) -> None:
        """Set everything as it was, and forget the rest."""
        _wait(self._is_cleared)
        Path(self.base).mkdir()
        self.set_back()
        assert self.state() == self.before, "the test itself cannot put the settings back"

    def _is_cleared(self) -> bool:
        """Remove all state; a guardian that was still starting may write there once more."""
        shutil.rmtree(self.base, ignore_errors=True)
        return not Path(self.base).exists()

    def set_back(self) -> None:
        """Write the first values; of a pair that zero each other, the one that was not 0."""
        order = sorted(
            self.before.values, key=lambda pair: (pair[1] == "0", "scheduler" not in pair[0])
        )
        for target, old in order:
            name, _, instance = target.partition("@")
            if self.value(name, instance) != old:
                self._kernel.write(KNOBS[name].file(instance), old)

    def open(self, core: Core, ttl_s: float, **named: object) -> Trial:
        return self._apply(core, ttl_s, self.texts, **named)

    def fail(self, core: Core) -> Trial:
        """Apply with a last item that the plan takes and the kernel refuses: more than the tags."""
        return self._apply(core, TTL_S, [_impossible(text) for text in self.texts])

    def _apply(self, core: Core, ttl_s: float, texts: list[str], **named: object) -> Trial:
        changes = tuple(parse(text) for text in texts)
        wanted = apply.Wanted(changes, core.plan(changes, force=False).hash, ttl_s)
        return core.apply(wanted._replace(**named), ROOT)  # type: ignore[arg-type]

    def compare(self, core: Core, ttl_s: float) -> Trial:
        """Open a comparison of the machine as it is with what is wanted; the former is in force."""
        arms = (ArmChanges("A", ()), ArmChanges("B", tuple(parse(text) for text in self.texts)))
        wanted = apply.Wanted((), core.plan((), force=False, arms=arms).hash, ttl_s, arms=arms)
        return core.apply(wanted, ROOT)

    def keep(self, core: Core, trial: Trial | None) -> None:
        assert trial is not None
        core.trials.keep(trial.id, ROOT, persist=False)

    def undo(self, core: Core) -> None:
        changes = tuple(
            parse(text.partition("=")[0] + "=" + dict(self.before.values)[_target(text)])
            for text in self.texts
        )
        kept = core.trials.journal.history(1).trials[0]
        wanted = apply.Wanted(changes, core.plan(changes, force=False).hash, OPEN_S)
        self.keep(core, core.apply(wanted._replace(undo_of=kept.id), ROOT))


def _impossible(text: str) -> str:
    target, _, value = text.partition("=")
    return f"{target}=65536" if target.startswith("block.nr_requests") else f"{target}={value}"


def _target(text: str) -> str:
    change = parse(text)
    return f"{change.knob}@{change.instance}"


def _pending(core: Core) -> str:
    trial = core.trials.pending()
    assert trial is not None
    return trial.id


def _open(station: Station, core: Core) -> None:
    station.open(core, OPEN_S)


def _open_to_last(station: Station, core: Core) -> None:
    station.open(core, OPEN_S, persist=True)


def _keep(station: Station, core: Core) -> None:
    station.keep(core, core.trials.pending())


def _kept(station: Station, core: Core) -> None:
    station.keep(core, station.open(core, OPEN_S, persist=True))


def _kept_before(station: Station, core: Core) -> None:
    """The files for the boot are there, and the kernel is set otherwise again."""
    _kept(station, core)
    station.set_back()


def _there_and_back(station: Station, core: Core) -> None:
    del station
    trial_id = _pending(core)
    for arm in ("B", "A", "B"):
        core.switch(trial_id, arm, ROOT)


def _watch(station: Station, core: Core) -> None:
    """What a guardian does with a trial whose time is over."""
    del core
    trials = make_trials(station.base)
    while guardian.look(trials) is not None:
        time.sleep(_LOOK_S)


OPERATIONS = {
    "apply": Operation(lambda station, core: station.open(core, TTL_S)),
    "apply, rolled back": Operation(lambda station, core: station.fail(core)),
    "keep": Operation(_keep, _open),
    "keep with persist": Operation(_keep, _open_to_last),
    "keep with persist again": Operation(_keep, _open_to_last, _kept_before),
    "revert": Operation(lambda station, core: core.trials.revert(_pending(core), ROOT), _open),
    "extend": Operation(
        lambda station, core: core.extend(_pending(core), 2 * TTL_S, ROOT), _open
    ),
    "switch": Operation(
        lambda station, core: core.switch(_pending(core), "B", ROOT),
        lambda station, core: station.compare(core, OPEN_S),
    ),
    "switch there and back": Operation(
        _there_and_back, lambda station, core: station.compare(core, OPEN_S)
    ),
    "keep an arm": Operation(
        lambda station, core: core.keep(_pending(core), ROOT, persist=True, arm="B"),
        lambda station, core: station.compare(core, OPEN_S),
    ),
    "undo": Operation(lambda station, core: station.undo(core), first=_kept),
    # It has no record that a guardian could find: what was killed is finished at the next start.
    "unpersist": Operation(
        lambda station, core: core.trials.unpersist((), ROOT), first=_kept, guarded=False
    ),
    "deadline": Operation(
        _watch, lambda station, core: station.open(core, TTL_S), guarded=False
    ),
}  # fmt: skip


class Sweep:
    """One operation at one station, killed at every point."""

    def __init__(self, station: Station, name: str) -> None:
        self._station = station
        self._operation = OPERATIONS[name]
        self._name = name
        self._outcomes: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._wrong: list[str] = []

    def run(self) -> dict[str, object]:
        """Do it once undisturbed, then once for each call that was made."""
        began = time.monotonic()
        points, old, new = self._undisturbed()
        missed = 0
        for call, number in points:
            killed = self._killed(call, number)
            missed += not killed
            self._calls[call] += killed
            try:
                self._check(old, new)
            except AssertionError as error:
                self._wrong.append(f"{self._name} at {call} {number}: {error}")
        self._station.reset()
        return {
            "operation": self._name,
            "points": sum(self._calls.values()),
            "missed": missed,
            "calls": dict(self._calls),
            "outcomes": dict(self._outcomes),
            "wrong": self._wrong,
            "seconds": round(time.monotonic() - began, 1),
        }

    def _killed(self, call: str, number: int) -> bool:
        """Do it, killed at one call; True if it came to that."""
        return self._in_time(
            lambda: self._once(["-e", f"inject={call}:signal=KILL:when={number}"], "/dev/null")
        )

    def _in_time(self, run: Callable[[], R]) -> R:
        """Run something from a fresh start, and again where the machine was too busy to prepare."""
        for _ in range(TRIES - 1):
            self._station.reset()
            with contextlib.suppress(TooLateError):
                return run()
            self._settle()
        self._station.reset()
        return run()

    def _undisturbed(self) -> tuple[list[tuple[str, int]], State, State]:
        """The calls that the operation makes, and the states before and after it."""
        self._in_time(lambda: self._fork(self._operation.first))
        old = self._station.state()
        trace = self._station.base + ".trace"
        assert not self._in_time(lambda: self._once([], trace)), "nobody killed it"
        self._settle()
        new = self._station.state()
        seen: Counter[str] = Counter()
        points = []
        for line in Path(trace).read_text().splitlines():
            found = _TRACED.match(line)
            if found is None:
                continue
            seen[found[1]] += 1
            if found[1] != "openat" or "O_CREAT" in line:
                points.append((found[1], seen[found[1]]))
        return points, old, new

    def _once(self, inject: list[str], trace: str) -> bool:
        """Prepare and act, with strace attached to who acts; True if that was killed."""
        release, go = os.pipe()
        actor = os.fork()
        if actor == 0:
            os.read(release, 1)
            _child(lambda: self._operation.act(self._station, self._core()))
        calls = "trace=" + ",".join(CALLS)
        strace = subprocess.Popen(
            ["strace", "-q", "-o", trace, "-p", str(actor), "-e", calls, *inject],
            stderr=subprocess.DEVNULL,
        )
        try:
            self._fork(self._operation.first, self._operation.prepare)
            _wait(lambda: _is_traced(actor))
            os.write(go, b"!")
            _, status = os.waitpid(actor, 0)
        except BaseException:  # it waits for a word that will not come
            os.kill(actor, signal.SIGKILL)
            os.waitpid(actor, 0)
            raise
        finally:
            os.close(go)
            os.close(release)
            strace.wait()
        if not inject and status:
            raise TooLateError("it did not come to its end")
        return os.WIFSIGNALED(status)

    def _fork(self, *acts: Callable[[Station, Core], object]) -> None:
        """Do something in a process of its own, with a helper of its own."""

        def do() -> None:
            core = self._core()
            for act in acts:
                act(self._station, core)

        child = os.fork()
        if child == 0:
            _child(do)
        _, status = os.waitpid(child, 0)
        if status:
            raise TooLateError("what comes before the operation failed")

    def _core(self) -> Core:
        return make_core(self._station.base, None if self._operation.guarded else NoGuardian)

    def _settle(self) -> None:
        """Wait until nothing is open and no guardian is left; without one, start more helpers."""
        here = places_in(self._station.base)
        if not Path(here.private).exists():
            return
        if self._operation.guarded:
            _wait(lambda: not Path(here.trial).exists() and _is_free(here.guard_lock))
        else:
            _wait(lambda: make_core(self._station.base, NoGuardian).trials.pending() is None)

    def _check(self, old: State, new: State) -> None:
        """All as before or all as wanted, the journal says which, and nothing else is left."""
        self._settle()
        now = self._station.state()
        assert now in (old, new), f"half: {_differences(old, now)} against {_differences(new, now)}"
        trials = make_core(self._station.base, NoGuardian).trials
        assert self._station.state() == now, "the next start changed something"
        assert trials.pending() is None
        assert trials.state.public().pending is None
        assert not trials.state.damaged()
        history = trials.journal.history(9)
        assert history.damaged <= 1
        said = str((trials.journal.last() or {}).get("event", "nothing"))
        if self._name == "unpersist":
            assert (said == "unpersist") == (now == new), f"{said}, but {_differences(old, now)}"
        elif old != new:
            last = history.trials[0]
            undone = last.undo_of is not None or self._name != "undo"
            assert (last.state == messages.KEPT and undone) == (now == new), (
                f"{said}, but {_differences(old, now)}"
            )
        elif history.trials:
            assert history.trials[0].state == messages.REVERTED_TRIAL, history.trials[0].state
            assert history.trials[0].complete, "put back, but not said to be"
        self._outcomes["as wanted" if now != old else "as before"] += 1


def _child(do: Callable[[], object]) -> None:
    """Do something in a forked child and end it."""
    status = 1
    try:
        do()
        status = 0
    except BaseException:  # noqa: BLE001 - a forked child must end here, not return
        traceback.print_exc()
    finally:
        os._exit(status)


def _is_traced(pid: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _is_free(lock: str) -> bool:
    with contextlib.suppress(LockedError), hold(lock):
        return True
    return False


def _wait(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it is not over in time"
        time.sleep(_LOOK_S)


def _differences(then: State, now: State) -> object:
    """What differs, to read in a report."""
    values = [(a, b[1]) for a, b in zip(then.values, now.values, strict=False) if a != b]
    return values, [name for name, text in now.at_boot if (name, text) not in then.at_boot]


def main() -> None:
    writing.STEP_GRACE_S = STEP_GRACE_S
    base, names, *texts = sys.argv[1:]
    Path(base).mkdir()
    station = Station(base + "/station", texts)
    for name in names.split(";"):
        print(json.dumps(Sweep(station, name).run()), flush=True)  # noqa: T201 - it is asked to


if __name__ == "__main__":
    main()
