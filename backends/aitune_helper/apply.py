"""Applying a plan, and bringing another arm of it into force: the order of things is the promise.

Journal, record of the old values, a guardian that says it watches, and only then a write.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import arms, messages, plan, slots, writing
from aitune_helper.faults import refused, unavailable
from aitune_helper.former import Former
from aitune_helper.journal import CorruptJournalError
from aitune_helper.messages import ArmChanges, Change, Trial
from aitune_helper.state import RECORD_VERSION, Record, Terms
from aitune_helper.varlink import Fault
from aitune_helper.writing import Progress, Writing

if TYPE_CHECKING:
    from aitune_helper.guardian import Guardian
    from aitune_helper.messages import Caller, Item, Plan
    from aitune_helper.state import Slot
    from aitune_helper.trial import Trials


class Wanted(NamedTuple):
    """What `Apply` asks for.

    Attributes:
        changes: What to write; empty for a comparison.
        plan_hash: The plan that was shown.
        ttl_s: Seconds from `pending` to the deadline.
        on_partial: `rollback` or `accept` fewer pages than asked.
        persist: Whether keeping it also writes the files that set it at boot.
        message, title: For the journal.
        force: Leave out the guards for memory and containers.
        undo_of: Id of the kept trial that this one puts back, or None.
        arms: What the arms of a comparison want; the first comes into force.
    """

    changes: tuple[Change, ...]
    plan_hash: str
    ttl_s: float
    on_partial: str = messages.ROLLBACK
    persist: bool = False
    message: str = ""
    title: str = ""
    force: bool = False
    undo_of: str | None = None
    arms: tuple[ArmChanges, ...] = ()


class Application:
    """One run of `Apply`.

    Args:
        trials: The machine's trials.
        wanted: What is asked.
        caller: Who asks.
        cancelled: Asked between steps; True ends the writing, and all is put back.
        progress: Told items done, their number, and the item as it stands.
    """

    def __init__(
        self,
        trials: Trials,
        wanted: Wanted,
        caller: Caller,
        *,
        cancelled: Callable[[], bool],
        progress: Progress,
    ) -> None:
        self._trials = trials
        self._kernel = trials.kernel
        self._wanted = wanted
        self._caller = caller
        self._cancelled = cancelled
        self._progress = progress

    def run(self, guardian: Guardian) -> Trial:
        """Write, read back, and leave it pending, or put all back at once.

        Raises:
            Fault: `Busy`, `Refused`, `Stale`, `JournalUnavailable`, `NoGuardian`,
                `PersistRefused`, `Corrupt`: nothing was written, or all is back.
        """
        trials = self._trials
        with trials.locked():
            trials.refuse_if_open()
            made = self._checked()
            record = self._commit(made, self._snapshot(made))
            try:
                guardian.arm(record.trial.id)
            except Fault:
                trials.withdraw(record, self._caller)
                raise
            trials.state.publish(record.trial)
            return Writing(
                trials, record, self._caller, cancelled=self._cancelled, progress=self._progress
            ).run("applied")

    def _checked(self) -> Plan:
        """Make the plan again; the kernel is only read."""
        wanted = self._wanted
        made = checked_plan(self._trials, wanted.changes, wanted.arms, force=wanted.force)
        if not made.items:
            raise refused("", "", "there is nothing to change")
        items = made.items + tuple(item for arm in made.arms[1:] for item in arm.items)
        stale = tuple(item for item in items if item.status == messages.STALE)
        if stale or made.hash != wanted.plan_hash:
            raise Fault("Stale", {"items": messages.to_object(stale or made.items)})
        self._trials.check_files(made.items, persist=wanted.persist, undo_of=wanted.undo_of)
        return made

    def _snapshot(self, made: Plan) -> tuple[Slot, ...]:
        """Read what is to be put back; it must be what the plan was made from."""
        try:
            found = slots.snapshot(self._kernel, made.items)
        except OSError as error:
            raise refused("", "", f"a coupled value cannot be read: {error.strerror}") from error
        before = {(slot.knob, slot.instance): slot.old for slot in found}
        moved = tuple(
            item._replace(status=messages.STALE)
            for item in made.items
            if before.get((item.knob, item.instance), item.old) != item.old
        )
        if moved:
            raise Fault("Stale", {"items": messages.to_object(moved)})
        return found

    def _commit(self, made: Plan, found: tuple[Slot, ...]) -> Record:
        """Journal and record on disk, or nothing happens."""
        wanted, caller, trials = self._wanted, self._caller, self._trials
        try:
            trials.journal.rotate()
            trial = Trial(
                os.urandom(16).hex(),
                trials.journal.last_number() + 1,
                caller.uid,
                caller.name,
                caller.attested,
                caller.tty,
                trials.wall(),
                trials.clock() + writing.STEP_GRACE_S,
                messages.APPLYING,
                made.items,
                persist=wanted.persist,
                message=wanted.message,
                title=wanted.title,
                undo_of=wanted.undo_of,
                arm=made.arms[0].name if made.arms else "",
                arms=made.arms,
            )
            trials.note("intent", trial, caller, force=wanted.force)
        except (OSError, CorruptJournalError) as error:
            raise unavailable(error) from error
        terms = Terms(wanted.ttl_s, wanted.on_partial, wanted.force)
        record = Record(RECORD_VERSION, trials.state.boot_id, trial, found, terms)
        try:
            trials.state.write(record, sync=True)
        except OSError as error:
            trials.withdraw(record, caller)
            raise unavailable(error) from error
        return record


class Switching:
    """One run of `Switch`: another arm of the open trial comes into force. The lock is held.

    Args:
        trials: The machine's trials.
        guardian: Must say that it still watches.
        caller: Who asks: the trial's owner.
        cancelled: Asked between steps; True ends the writing, and all is put back.
        progress: Told items done, their number, and the item as it stands.
    """

    def __init__(
        self,
        trials: Trials,
        guardian: Guardian,
        caller: Caller,
        *,
        cancelled: Callable[[], bool],
        progress: Progress,
    ) -> None:
        self._trials = trials
        self._guardian = guardian
        self._caller = caller
        self._cancelled = cancelled
        self._progress = progress

    def ensure(self, trial: Trial, name: str) -> Trial:
        """Bring an arm into force unless it is; see `run`."""
        return trial if trial.arm == name else self.run(trial.id, name)

    def run(self, trial_id: str, name: str) -> Trial:
        """Write the arm, read it back, and count the time anew, or put all back at once.

        Raises:
            Fault: `NothingPending`, `Expired`, `NotYours`, `Refused`, `Stale`, `NoGuardian`,
                `JournalUnavailable`: nothing was written, and the arm that was in force still is;
                at the last of these all may be back instead.
        """
        trials = self._trials
        record = trials.own_record(trial_id, self._caller)
        trial = record.trial
        items = arms.items_of(trial, name)
        if items is None:
            raise refused("", "", f"trial {trial.number} has no arm {name!a}")
        moved = slots.moved(trials.kernel, trial.items, record.slots)
        if moved:
            raise Fault("Stale", {"items": messages.to_object(moved)})
        self._guardian.arm(trial.id)
        record = self._begun(record, name, items)
        trials.state.publish(record.trial)
        return Writing(
            trials, record, self._caller, cancelled=self._cancelled, progress=self._progress
        ).run()

    def _begun(self, record: Record, name: str, items: tuple[Item, ...]) -> Record:
        """Journal and record, or nothing happens; neither waits for a disk."""
        trials, trial = self._trials, record.trial
        deadline = trials.clock() + writing.STEP_GRACE_S
        record = record._replace(
            trial=trial._replace(state=messages.APPLYING, deadline=deadline, arm=name, items=items),
            switches=record.switches + 1,
        )
        line = {"number": trial.number, "id": trial.id, "arm": name, "count": record.switches}
        try:
            trials.journal.append("switch", line, sync=False)
            trials.state.write(record)
        except (OSError, CorruptJournalError) as error:
            raise unavailable(error) from error
        return record


def checked_plan(
    trials: Trials,
    changes: tuple[Change, ...],
    arm_changes: tuple[ArmChanges, ...],
    *,
    force: bool,
) -> Plan:
    """The plan of changes, or of the arms of a comparison, as a client is told of it.

    What stood before a kept trial may be put back, whatever the table says.

    Raises:
        Fault: `Refused`.
    """
    try:
        if arm_changes:
            return arms.make_plan(trials.kernel, arm_changes, force=force)
        former = Former(trials.journal)
        return plan.make_plan(trials.kernel, changes, force=force, former=former)
    except plan.Refusal as refusal:
        raise refused(refusal.knob, refusal.instance, refusal.reason) from refusal
