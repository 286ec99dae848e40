"""What is said when something happened: one wording for the screen and the command line.

Each says what is true now; what to do about it differs (a key, a command) and is added by whoever
speaks. Past tense only for what was read back, and a full stop at the end.
"""

from __future__ import annotations

import time

from aitune_helper.knobs import POOLS
from aitune_helper.messages import (
    APPLYING,
    AS_WANTED,
    DRIFTED,
    ENDED_BY_REBOOT,
    KEPT,
    PARTIAL,
    PENDING,
    REVERTED,
    STALE,
    STOPPED,
    VANISHED,
    Account,
    Caller,
    Item,
    Trial,
)

NOTHING_PENDING = "Nothing is on trial: there is nothing to keep or to put back."
HELPER_SILENT = "The root helper ended before it answered."
HELPER_GONE = "The root helper ended in the middle of this."
GUARDIAN_ACTS = (
    "Its guardian puts back in time what is on trial; `aitune-tui journal` says how it ended."
)
NO_HELPER = "The root helper is not installed; changing a setting needs it."
NEEDS_ROOT = "Changing a setting needs root, and sudo did not grant it."
CAPTURE = "A capture cannot be changed."
NO_WAY_BACK = "Nothing is set by it, so there is nothing to keep or to put back."
READONLY = "This run only looks: it was started with --readonly."
CONTAINER = "This is a container: if it stops, nothing is put back."

# The knobs that size a pool of huge pages.
POOL_KNOBS = frozenset(("vm.nr_hugepages", *POOLS))

# How the helper's note begins on a setting that it cannot set at boot.
NOT_PERSISTENT = "not persistent"

# Why going back fell short, where the helper gave no reason of its own.
_SHORT = {
    PARTIAL: "the kernel did not give all of it back",
    DRIFTED: "somebody else changed it since, so it was left alone",
    VANISHED: "it is gone",
}


def target(item: Item) -> str:
    """An item's target as people write it: `hugepages.2048kB@node1`."""
    return f"{item.knob}@{item.instance}" if item.instance else item.knob


def counted(number: int, noun: str) -> str:
    """`1 setting`, `3 settings`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clock(wall: float) -> str:
    """A time of day, of this machine's zone."""
    return time.strftime("%H:%M:%S", time.localtime(wall))


def kept(trial: Trial, files: tuple[str, ...]) -> str:
    """A trial was kept; `files` set it at boot."""
    holds = "holds" if len(trial.items) == 1 else "hold"
    text = f"Kept. {counted(len(trial.items), 'setting')} {holds} until the next reboot"
    gone = [item for item in trial.items if NOT_PERSISTENT in item.note]
    why = f" {target(gone[0])} is {gone[0].note.rstrip('.')}." if gone else ""
    if trial.persisted == "failed":
        return f"{text}; the files that would set it at boot could not be written.{why}"
    if files:
        stay = len(trial.items) - len(gone)
        also = (f"; {stay} of them also" if stay else "; none of them") if gone else " and"
        return f"{text}{also} after it: {', '.join(files)}.{why}"
    return f"{text}.{why}"


def reverted(trial: Trial, wall: float, *, by_time: bool = False) -> str:
    """A trial went back, by the operator or because its time ran out.

    Args:
        trial: The trial as it ended.
        wall: When the values were read back, seconds since the epoch.
        by_time: Whether the guardian did it.
    """
    if not trial.complete:
        return incomplete(trial)
    how = "Time ran out." if by_time else "Put back."
    if len(trial.items) == 1:
        return f"{how} {target(trial.items[0])} is as it was, read at {clock(wall)}."
    return f"{how} All {len(trial.items)} settings are as they were, read at {clock(wall)}."


def rolled_back(trial: Trial) -> str:
    """An apply did not come out as wanted, and all of it was put back at once."""
    if not trial.complete:
        return incomplete(trial)
    return (
        f"All {counted(len(trial.items), 'setting')} are as they were."
        if len(trial.items) > 1
        else f"{target(trial.items[0])} is as it was."
    )


def already(items: tuple[Item, ...]) -> str:
    """Every target held what was wanted, before anything was written."""
    if len(items) == 1:
        return f"{target(items[0])} is {items[0].old} already."
    return f"all {len(items)} settings are as wanted already."


def incomplete(trial: Trial) -> str:
    """Going back fell short."""
    short = [item for item in trial.items if item.status in _SHORT]
    short = short or [item for item in trial.items if item.status != REVERTED]
    text = f"{len(trial.items) - len(short)} of {len(trial.items)} are back."
    if not short:
        return text
    item = short[0]
    found = "gone" if item.effective is None else item.effective
    why = item.note.rstrip(".") or _SHORT.get(item.status, item.status)
    return f"{text} {target(item)} is {found}, should be {item.old}: {why}."


def partial(item: Item) -> str:
    """The kernel gave less than was asked."""
    what = "huge pages" if "hugepages" in item.knob else item.knob
    why = item.note.rstrip(".") or "memory is fragmented"
    return f"Got {item.effective} of {item.requested} {what}: {why}."


def growth(item: Item) -> str:
    """How far a pool has come, with what each node got: while it grows, and when it was stopped."""
    got = "–" if item.effective is None else f"{int(item.effective):,}"
    text = f"{target(item)} {got} of {int(item.requested):,} pages"
    nodes = (
        f"{part.instance} {'–' if part.effective is None else f'{int(part.effective):,}'}"
        for part in item.parts
    )
    return " · ".join((text, *nodes))


def is_growing(item: Item) -> bool:
    """Whether an item is a pool of which some steps are done and some are not."""
    return item.knob in POOL_KNOBS and item.effective not in {None, item.requested}


def stopped(trial: Trial) -> str:
    """An apply was stopped in the middle, and what it had written is put back."""
    at = next((item for item in trial.items if item.note == STOPPED and is_growing(item)), None)
    return f"Stopped{f' at {growth(at)}' if at else ''}. {rolled_back(trial)}"


def was_stopped(trial: Trial) -> bool:
    """Whether the operator stopped it while it was applied."""
    return any(item.note == STOPPED for item in trial.items)


def failed(item: Item) -> str:
    """One target could not be set."""
    why = item.note.rstrip(".") or item.errno or "the kernel refused it"
    return f"{target(item)} {item.status}: {why}."


def not_as_wanted(items: tuple[Item, ...]) -> str:
    """The first outcome that is not as wanted, or "" if all are.

    What was put back because of another's failure is not amiss itself.
    """
    for item in items:
        if item.status == REVERTED:
            continue
        if item.status == PARTIAL:
            return partial(item)
        if item.status == STALE:
            return stale(item)
        if item.status not in AS_WANTED:
            return failed(item)
    return ""


def stale(item: Item) -> str:
    """A value changed between looking and applying."""
    why = item.note.rstrip(".") or f"it is {item.old}, you want {item.requested}"
    return f"{target(item)} changed since you looked: {why}. Nothing written."


def busy(trial: Trial, left: float | None) -> str:
    """Another trial is open on this machine.

    Args:
        trial: The open trial.
        left: Seconds until it is put back, None where it has no deadline yet.
    """
    if left is None or trial.state == APPLYING:
        return f"Trial {trial.number} of {trial.owner_name} is being applied right now."
    if left <= 0:
        return f"Trial {trial.number} of {trial.owner_name} is overdue and was not put back."
    return f"Trial {trial.number} of {trial.owner_name} is still open, {round(left)} s left."


def refused(reason: str) -> str:
    """The helper, or the plan, refused a change."""
    return f"Refused: {reason.rstrip('.')}."


def acted(action: str) -> str:
    """An action was done; nothing can be read back of it."""
    done = {"compact_memory": "Memory is compacted.", "drop_caches": "The page cache is dropped."}
    return done.get(action, f"{action} is done.")


def expired(trial: Trial | None) -> str:
    """A trial could not be kept any more."""
    if trial is not None and not trial.complete:
        return f"Trial {trial.number} ran out of time. {incomplete(trial)}"
    name = f"Trial {trial.number}" if trial else "The trial"
    return f"{name} ran out of time and was put back."


def not_yours(trial: Trial) -> str:
    """Somebody else's trial needs its id."""
    return f"Trial {trial.number} is {trial.owner_name}'s."


def state(trial: Trial) -> str:
    """How a trial stands or ended, in a word or two for a list."""
    words = {
        APPLYING: "being applied",
        PENDING: "on trial",
        KEPT: "kept",
        REVERTED: "put back",
        ENDED_BY_REBOOT: "ended by reboot",
    }
    text = words.get(trial.state, trial.state)
    if trial.state == KEPT and trial.persisted == "yes":
        text = "kept, the boot files too" if trial.undo_of else "kept, also at boot"
    if trial.state == KEPT and trial.persisted == "failed":
        text = "kept, not at boot"
    return text if trial.complete else f"{text}, not all of it"


def ending(trial: Trial, account: Account) -> str:
    """How a trial stands or ended, and by whom where it was not its owner."""
    by = account.ended
    if by is None or by.name == trial.owner_name or trial.state == ENDED_BY_REBOOT:
        return state(trial)
    return f"{state(trial)} by {by.name}"


def who(caller: Caller) -> str:
    """An account, and what is known of the person behind it."""
    known = [
        f"on {caller.tty}" if caller.tty else "",
        f"from {caller.ssh}" if caller.ssh else "",
        f"sudo for {caller.sudo}" if caller.sudo not in ("", caller.name) else "",
        "" if caller.loginuid in (None, caller.uid) else f"logged in as uid {caller.loginuid}",
        "" if caller.attested else "not attested",
    ]
    return ", ".join((caller.name, *filter(None, known)))


def title(trial: Trial) -> str:
    """What a trial was about, for a list: its title, its one change, or how many."""
    if trial.title:
        return trial.title
    if len(trial.items) == 1:
        item = trial.items[0]
        return f"{target(item)}  {item.old} → {item.requested}"
    return counted(len(trial.items), "change")
