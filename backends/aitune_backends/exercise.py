"""The exercise: time a load, apply a profile, verify it, time the load again, undo everything.

While the second block of runs is timed, the profile is a trial whose time is extended again and
again: should this process die, the guardian puts the values back within a minute. Only then is the
trial kept, so that the file that sets it at boot is written and read back too, and at once undone.

The sequence is an iterator of steps, shared by the command line and the dashboard. It knows no
screen, and may run in any thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from aitune_backends import exercise_checks as checks
from aitune_backends import sentences, undo
from aitune_backends.helper_errors import HelperError
from aitune_backends.loads.before_after import BeforeAfter, pair
from aitune_backends.loads.records import Cancelled, Event, Failed, Finished, LoadRequest
from aitune_backends.loads.runner import LoadTest
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import ACCEPT, PENDING, Change, Plan, Trial
from aitune_helper.plan import pool_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from aitune_backends.exercise_checks import Check, Snapshot
    from aitune_backends.helper_client import Session
    from aitune_backends.host import Host
    from aitune_backends.loads.records import LoadResult

TTL_S = 60.0
RENEW_S = 15.0


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be changed, and what is true of it; nothing is written."""

    plan: Plan
    truths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Before:
    """An event of the load test before the change."""

    event: Event


@dataclass(frozen=True, slots=True)
class Applied:
    """The profile is in force, as a trial."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Verified:
    """Values read back, all of them as wanted."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class After:
    """An event of the load test after the change."""

    event: Event


@dataclass(frozen=True, slots=True)
class Kept:
    """The trial was kept, and the files that set it at boot were written."""

    trial: Trial
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Both results, beside each other."""

    pair: BeforeAfter


@dataclass(frozen=True, slots=True)
class Stopped:
    """The exercise ended early; what was changed is put back next.

    Attributes:
        sentence: Why.
        code: A word for programs: that of a `HelperError`, or `load`, `verify`, `cancelled`.
        hint: What to do about it, or "".
    """

    sentence: str
    code: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """The last step: everything was put back and read back.

    Attributes:
        checks: Each value and the file, as they were and as they are.
        sentence: What was done, or why it could not be.
        written: Whether there was anything to put back.
    """

    checks: tuple[Check, ...]
    sentence: str
    written: bool

    @property
    def complete(self) -> bool:
        """Whether everything is as it was."""
        return all(check.ok for check in self.checks)


Step: TypeAlias = (
    Planned | Before | Applied | Verified | After | Kept | Shown | Stopped | Undone
)  # fmt: skip


class _StopError(Exception):
    """Carries a `Stopped` out of the sequence."""

    def __init__(self, stopped: Stopped) -> None:
        super().__init__(stopped.sentence)
        self.stopped = stopped


@dataclass(slots=True)
class Exercise:
    """One exercise. Iterate over `steps()` to its end, or `close()` the iterator: either undoes.

    Attributes:
        session: A helper that says hello already.
        kernel: The machine, for reading back: its settings, and the file that sets them at boot.
        plan: What was shown to the operator; it is applied exactly so, or not at all.
        request: The load to time.
        title: What is being exercised, for the journal: `profile classic`.
        connect: Another session, should the helper be gone when it is needed to undo.
        undone: How the undoing went, once it was done.
    """

    session: Session
    kernel: Host
    plan: Plan
    request: LoadRequest
    title: str
    connect: Callable[[], Session] | None = None
    undone: Undone | None = None
    _trial: Trial | None = None
    _asked: bool = False
    _test: LoadTest | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _before: Snapshot = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        """Every step; the last one is `Undone`, whatever happened before it."""
        self._before = checks.snapshot(self.kernel, self.plan)
        stopped = None
        try:
            yield from self._forward()
        except _StopError as stop:
            stopped = stop.stopped
        except HelperError as error:
            stopped = Stopped(error.message, error.code, error.hint)
        finally:
            self.undone = self._put_back()
        if stopped is not None:
            yield stopped
        yield self.undone

    def cancel(self) -> None:
        """Stop soon and undo; returns at once, from any thread or a signal's handler."""
        self._cancelled.set()
        test = self._test
        if test is not None:
            test.cancel()

    def _forward(self) -> Iterator[Step]:
        yield Planned(self.plan, truths(self.kernel, self.plan))
        with self._every(RENEW_S, lambda: self.session.plan(_changes(self.plan))):
            before = yield from self._measure(Before)
        trial = self._apply()
        yield Applied(trial)
        with self._every(RENEW_S, lambda: self.session.extend(trial.id, TTL_S)):
            yield Verified(_all_ok(checks.in_force(self.kernel, self.plan)))
            after = yield from self._measure(After)
        _all_ok(checks.in_force(self.kernel, self.plan))  # else the runs were of something else
        self._go_on()
        kept, files = self.session.keep(trial.id, persist=True)
        yield Kept(kept, files)
        yield Verified(_all_ok(checks.at_boot(self.kernel, self.plan)))
        yield Shown(pair(before, after))

    def _measure(
        self, kind: Callable[[Event], Before | After]
    ) -> Generator[Step, None, LoadResult]:
        test = self._test = LoadTest(self.request, self.kernel)
        self._go_on()
        try:
            for event in test.start():
                yield kind(event)
                if isinstance(event, Finished):
                    return event.result
                if isinstance(event, Failed):
                    raise _StopError(Stopped(event.sentence, "load"))
                if isinstance(event, Cancelled):
                    break
        finally:
            self._test = None
            test.cancel()
        raise _StopError(_CANCELLED)

    def _apply(self) -> Trial:
        self._go_on()
        self._asked = True
        trial = self._trial = self.session.apply(
            _changes(self.plan),
            self.plan.hash,
            ttl_s=TTL_S,
            persist=True,
            title=f"exercise: {self.title}",
        )
        if trial.state != PENDING:
            why = sentences.not_as_wanted(trial.items)
            raise _StopError(Stopped(f"{why} {sentences.rolled_back(trial)}".strip(), "apply"))
        return trial

    def _go_on(self) -> None:
        if self._cancelled.is_set():
            raise _StopError(_CANCELLED)

    @contextlib.contextmanager
    def _every(self, seconds: float, call: Callable[[], object]) -> Iterator[None]:
        """Call now and then while something long goes on.

        A call that fails is not told here: the next one that matters fails too, and says why.
        """
        stop = threading.Event()

        def renew() -> None:
            with contextlib.suppress(HelperError):
                while not stop.wait(seconds):
                    call()

        thread = threading.Thread(target=renew, name="exercise-renew", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _put_back(self) -> Undone:
        sentence = "Nothing was written."
        if self._asked:
            try:
                sentence = self._undo(self.session)
            except HelperError as error:
                sentence = self._undo_anew(error)
        now = checks.snapshot(self.kernel, self.plan)
        return Undone(checks.compare(self._before, now), sentence, self._asked)

    def _undo_anew(self, error: HelperError) -> str:
        """Undo through another helper, since ours is gone."""
        if error.code != "gone" or self.connect is None:
            return error.message
        try:
            with self.connect() as session:
                # Our helper may have gone before it told us the trial's id.
                self._trial = self._trial or session.hello.pending
                return self._undo(session)
        except HelperError as again:
            return again.message

    def _undo(self, session: Session) -> str:
        trial = self._trial
        if trial is None:
            return "Nothing was written."
        try:
            ended = session.revert(trial.id)
        except HelperError as error:
            if error.code != "nothing-pending":
                raise
            return self._undo_kept(session, trial)
        return sentences.reverted(ended, time.time())

    def _undo_kept(self, session: Session, trial: Trial) -> str:
        """Undo a kept trial: keeping the undo puts the file back too."""
        planned = undo.plan_undo(self.kernel, undo.of_trial(trial))
        # Where no value is ours to put back, an undo that changes none still puts the file back.
        changes = planned.changes or undo.as_it_is(self.kernel, trial)
        plan = session.plan(changes)
        title = f"undo of {trial.title}"
        applied = session.apply(
            changes, plan.hash, ttl_s=TTL_S, on_partial=ACCEPT, title=title, undo_of=trial.id
        )
        if applied.state != PENDING:
            return sentences.not_as_wanted(applied.items) or "The undo was not applied."
        kept, files = session.keep(applied.id)
        count = sentences.counted(len(kept.items), "setting")
        return f"Undone: {count} put back{', ' + ', '.join(files) if files else ''}."


_CANCELLED = Stopped("Stopped by the operator.", "cancelled")


def truths(kernel: Host, plan: Plan) -> tuple[str, ...]:
    """What is true of a plan and often believed otherwise."""
    wanted = {item.knob: item.requested for item in plan.items}
    found = []
    if "vm.overcommit_memory" in wanted:
        found.append(
            "Overcommit decides whether a request for memory is refused, not how fast files are "
            "read."
        )
    if "vm.overcommit_ratio" in wanted:
        mode = wanted.get("vm.overcommit_memory") or kernel.read("/proc/sys/vm/overcommit_memory")
        if mode.strip() != "2":
            found.append(
                f"vm.overcommit_ratio has no effect in mode {mode.strip()}: the kernel reads it "
                "in mode 2 only."
            )
    if any(pool_of(kernel, KNOBS[item.knob]) for item in plan.items):
        found.append(
            "Reserved huge pages are not used by an ordinary load: only programs that ask for "
            "hugetlb memory get them, and everything else has that much less."
        )
    return tuple(found)


def _changes(plan: Plan) -> tuple[Change, ...]:
    return tuple(Change(item.knob, item.instance, item.requested, item.old) for item in plan.items)


def _all_ok(found: tuple[Check, ...]) -> tuple[Check, ...]:
    wrong = [check for check in found if not check.ok]
    if wrong:
        first = wrong[0]
        raise _StopError(
            Stopped(
                f"{first.what} in {first.where} is {first.found}, should be {first.wanted}.",
                "verify",
            )
        )
    return found
