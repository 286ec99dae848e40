"""What is known of one target now: the row of every table and of `status --json`."""

from __future__ import annotations

from dataclasses import dataclass

OK = "ok"
DIFFERS = "differs"
INERT = "inert"
ABSENT = "absent"
INFO = "info"
UNREAD = "unread"
STATES = (OK, DIFFERS, INERT, ABSENT, INFO, UNREAD)


@dataclass(frozen=True, slots=True)
class Impossible:
    """A value that cannot be set here, though elsewhere it could.

    Attributes:
        value: The value, or "" for every other one than the present.
        why: Why not, in one sentence.
    """

    value: str
    why: str


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One target, read and judged.

    Attributes:
        knob: Id of the knob.
        instance: `node1`, `policy0`, `nvme0n1`, or "".
        path: The file, or "" where the machine has none.
        value: The value in canonical form, None where it could not be read.
        unit: Unit of the value, or "".
        choices: The words that can be chosen now, for a choice.
        advised: The value advised for the goal in force, or None for no advice.
        state: One of `STATES`.
        reason: One sentence: why it is inert, absent, unread, or why it differs.
        owner: What sets it at boot (`/etc/sysctl.d/10-x.conf:3`), None when nothing is known to.
        survives: Whether the present value survives a reboot; None where that is not sure.
        evidence: Stars 0..3 of the advice: 3 kernel documentation or measured, 1 folklore.
        at_boot: The same in a word: `yes`, `no`, `likely`, `may be`; "" where no file sets it.
        note: For a disk or a policy: what the instance is (`cpu 0-31, node0`), else "".
        impossible: Values that cannot be set here now, each with its reason.
        overwritten_by: What may set it again while the machine runs, a sentence each.
    """

    knob: str
    instance: str
    path: str
    value: str | None
    unit: str
    choices: tuple[str, ...]
    advised: str | None
    state: str
    reason: str
    owner: str | None
    survives: bool | None
    evidence: int
    at_boot: str = ""
    note: str = ""
    impossible: tuple[Impossible, ...] = ()
    overwritten_by: tuple[str, ...] = ()
