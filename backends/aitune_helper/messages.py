"""The words that cross the boundary: what a client asks and what the helper answers.

A client sends knob ids, instances, expected and wanted values; never a path, never a command.
Records travel as JSON objects with the field names given here. A request with an unknown or
ill-typed field is refused, since a typing error in a request to root must not be ignored.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

INTERFACE = "io.aitune.Helper1"
PROTOCOL = 1

# How one target came out.
OK = "ok"
UNCHANGED = "unchanged"
ROUNDED = "rounded"
PARTIAL = "partial"
STALE = "stale"
REFUSED = "refused"
FAILED = "failed"
VANISHED = "vanished"
REVERTED = "reverted"
DRIFTED = "drifted"
PLANNED = "planned"
STATUSES = (
    PLANNED, OK, UNCHANGED, ROUNDED, PARTIAL, STALE, REFUSED, FAILED, VANISHED, REVERTED, DRIFTED,
)  # fmt: skip
# The outcomes with which a trial may be kept without asking.
AS_WANTED = (OK, UNCHANGED, ROUNDED)

# How the note of a partial item begins, where a program has to tell one reason from another.
STOPPED = "stopped by the operator"
FRAGMENTED = "memory is fragmented"
AT_FLOOR = "the floor under available memory is reached"

# Where a trial stands.
APPLYING = "applying"
PENDING = "pending"
KEPT = "kept"
REVERTED_TRIAL = "reverted"
ENDED_BY_REBOOT = "ended_by_reboot"

ROLLBACK = "rollback"
ACCEPT = "accept"


class Change(NamedTuple):
    """One wanted value.

    Attributes:
        knob: Id from the table.
        instance: `node1`, `policy0`, `nvme0n1`; "" for a global knob or the total of a quantity.
        value: What to write.
        expected: The value the operator saw; the change is stale if the kernel holds another.
            None lets the plan fill in what it reads.
    """

    knob: str
    instance: str
    value: str
    expected: str | None = None


class Item(NamedTuple):
    """What became of one target: in a plan, in a trial, in the journal.

    Attributes:
        knob, instance: The target.
        path: The file, for people to read; it is never sent to the helper.
        old: The value before.
        requested: The value wanted.
        effective: The value read back, or None before anything was written.
        status: One of `STATUSES`.
        errno: The symbolic errno (`EINVAL`) where the kernel refused, else None.
        note: One sentence for the operator, or "".
        undo: `exact` or `best effort`.
        parts: What each node of a quantity held before, wanted and got, else ().
        along: What the kernel may change with it, and what that held before and holds now.
    """

    knob: str
    instance: str
    path: str
    old: str
    requested: str
    effective: str | None = None
    status: str = PLANNED
    errno: str | None = None
    note: str = ""
    undo: str = "exact"
    parts: tuple[Part, ...] = ()
    along: tuple[Along, ...] = ()


class Part(NamedTuple):
    """One node's share of a quantity: pages before, and pages now (None before writing)."""

    instance: str
    old: str
    effective: str | None = None


class ArmChanges(NamedTuple):
    """What one arm of a comparison asks for; a target that it leaves out keeps its old value.

    Attributes:
        name: What the arm is called: `A`, `classic`.
        changes: What it sets; none for the machine as it is.
    """

    name: str
    changes: tuple[Change, ...]


class Arm(NamedTuple):
    """One arm of a comparison.

    Attributes:
        name: What it is called.
        items: The targets of all arms, in an order that all arms share: what this one wants of
            each, and how it came out when this arm was last in force.
    """

    name: str
    items: tuple[Item, ...]


class Along(NamedTuple):
    """A coupled value: before, and now (None before writing, or if gone)."""

    knob: str
    instance: str
    old: str
    effective: str | None = None


class Plan(NamedTuple):
    """Changes checked against the machine; nothing is written.

    Attributes:
        items: One for each change, in the order in which they would be written; of a comparison
            those of its first arm.
        warnings: Sentences for the operator.
        hash: Digest of the changes and of the values they start from. `Apply` repeats it, so
            that what is applied is exactly what was shown.
        arms: The arms of a comparison, else ().
    """

    items: tuple[Item, ...]
    warnings: tuple[str, ...]
    hash: str
    arms: tuple[Arm, ...] = ()


class Trial(NamedTuple):
    """An applied plan that can still be kept or put back.

    Attributes:
        id: 128 random bits in hex: the trial's name for programs.
        number: A small number that counts the trials of this machine: its name for people.
        owner_uid, owner_name: Who applied it.
        attested: Whether the kernel vouches for the owner (peer credentials of the socket).
        tty: The owner's terminal, or None.
        started: Wall clock, seconds since the epoch; for display only.
        deadline: CLOCK_BOOTTIME seconds at which the guardian puts everything back, or None when
            the trial is over or never had one.
        state: `applying`, `pending`, `kept`, `reverted`, `ended_by_reboot`.
        items: Outcome of each target.
        persist: Whether keeping it also writes the files that set it at boot.
        persisted: `yes`, `no` or `failed`.
        complete: False when going back fell short (drifted, vanished, partial).
        message: Why the operator did it, as they said with `--message`.
        title: What was applied, for a list: `profile classic` or `vm.swappiness`.
        undo_of: Id of the kept trial that this one puts back, or None.
        arm: The arm of a comparison that is, or was last, in force; "" for a plain trial. `items`
            are its items.
        arms: The arms of a comparison, else ().
    """

    id: str
    number: int
    owner_uid: int
    owner_name: str
    attested: bool
    tty: str | None
    started: float
    deadline: float | None
    state: str
    items: tuple[Item, ...]
    persist: bool = False
    persisted: str = "no"
    complete: bool = True
    message: str = ""
    title: str = ""
    undo_of: str | None = None
    arm: str = ""
    arms: tuple[Arm, ...] = ()


class Caller(NamedTuple):
    """Who asked.

    Attributes:
        uid, name: The account.
        attested: Whether the kernel says so, by the socket's peer credentials.
        tty: The terminal, or None.
        pid: The client's process, 0 where not known.
        started: Clock ticks from boot to the start of that process, "" where not known.
        loginuid: Who logged in, whatever they became since; None where nobody did.
        ssh: The address they came from, where the site's sudo lets it be seen; else "".
        sudo: Whom sudo says it works for, where name and number agree; else "".
    """

    uid: int
    name: str
    attested: bool
    tty: str | None = None
    pid: int = 0
    started: str = ""
    loginuid: int | None = None
    ssh: str = ""
    sudo: str = ""


class Account(NamedTuple):
    """What the journal knows of a trial besides the trial.

    Attributes:
        trial: Its id.
        boot_id: The boot it is of.
        kernel: The release of the kernel it was applied to.
        begun: Who applied it, None where that line is no longer there.
        ended: Who ended it: kept it, put it back; None while it is open.
        ended_at: Wall clock of that, seconds since the epoch; for display only.
    """

    trial: str
    boot_id: str = ""
    kernel: str = ""
    begun: Caller | None = None
    ended: Caller | None = None
    ended_at: float | None = None


class Past(NamedTuple):
    """A page of the journal.

    Attributes:
        trials: The newest first, each as its last line has it.
        accounts: What else the journal knows of each of them, in the same order.
        damaged: How many lines of the whole journal cannot be read.
        more: Whether older trials are left; the next page is that `before` the last number here.
    """

    trials: tuple[Trial, ...]
    accounts: tuple[Account, ...] = ()
    damaged: int = 0
    more: bool = False


class Layer(NamedTuple):
    """One way in which the helper is confined, or looked after.

    Attributes:
        name: `capabilities`, `no_new_privs`, `landlock`, `seccomp`, `limits`, `memory lock`, `oom`.
        held: Whether this kernel gave it.
        note: How far, or why not: `ABI 7`, `not in this kernel`.
    """

    name: str
    held: bool
    note: str = ""


class Attempt(NamedTuple):
    """One way out of the sandbox that was tried.

    Attributes:
        name: What was tried.
        held: Whether it was refused.
        note: The errno with which, or what came back instead.
    """

    name: str
    held: bool
    note: str = ""


class HelloReply(NamedTuple):
    """What the helper says of itself.

    Attributes:
        protocol: The version both sides speak.
        helper_version: Version of the helper's sources.
        bundle_sha256: Digest of the zipapp it runs from, "" when run in-process.
        knob_hash: `knobs.table_hash()` of its table.
        euid: Its effective uid.
        caller_uid: Uid of the client, from the kernel where `attested`.
        attested: Whether the kernel vouches for `caller_uid`.
        journal_ok: Whether the journal can be written; without it nothing is changed.
        guardian: How the guardian runs: `systemd`, `process`, or why it is missing.
        container: What kind of container this is, or "": then writing needs `force`.
        pending: The trial that is open on this machine, or None.
        notices: Sentences for the operator: what was found damaged and moved aside, what was put
            back at this start.
        sandbox: How the helper is confined; empty where it runs in-process.
    """

    protocol: int
    helper_version: str
    bundle_sha256: str
    knob_hash: str
    euid: int
    caller_uid: int
    attested: bool
    journal_ok: bool
    guardian: str
    container: str
    pending: Trial | None
    notices: tuple[str, ...] = ()
    sandbox: tuple[Layer, ...] = ()


class PublicState(NamedTuple):
    """`/run/aitune/public.json`: what anybody may know without asking root.

    Attributes:
        boot_id: The boot it speaks of; of another boot it means nothing.
        pending: The open trial, or None. Its deadline may have passed: then both guardian and
            helper are gone, and the next start of the helper puts it back.
        recent: The last ten trials that ended, newest first.
    """

    boot_id: str
    pending: Trial | None
    recent: tuple[Trial, ...] = ()


R = TypeVar("R", bound=tuple)  # type: ignore[type-arg]  # any of the records above

_RECORDS = {
    record.__name__: record
    for record in (
        Change, ArmChanges, Item, Part, Along, Arm, Plan, Trial, Caller, Account, Past, Layer,
        Attempt, HelloReply, PublicState,
    )
}  # fmt: skip
_SCALARS = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


def to_object(record: object) -> object:
    """Turn a record into what JSON can carry: objects with its field names, lists, scalars."""
    if isinstance(record, tuple):
        names = getattr(record, "_fields", None)
        if names is None:
            return [to_object(value) for value in record]
        return {name: to_object(value) for name, value in zip(names, record)}
    return record


def from_object(cls: type[R], value: object, *, strict: bool = False) -> R:
    """Build a record from a JSON object, checking the type of every field.

    Args:
        cls: One of the records of this module, or another NamedTuple with such fields.
        value: What JSON gave.
        strict: Refuse unknown fields (a request) instead of passing over them (a reply).

    Raises:
        ValueError: A field is missing, unknown or of another type; the message names it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{cls.__name__} must be an object")
    if cls.__name__ == "Item":
        value = _with_instances(value)
    kinds: dict[str, object] = cls.__annotations__
    defaults: dict[str, object] = getattr(cls, "_field_defaults", {})
    unknown = [name for name in value if name not in kinds]
    if unknown and strict:
        raise ValueError(f"{cls.__name__} has no field {unknown[0]!a}")
    fields = {}
    for name, kind in kinds.items():
        if name in value:
            text = str(getattr(kind, "__forward_arg__", kind))
            fields[name] = _typed(text, value[name], f"{cls.__name__}.{name}", strict=strict)
        elif name not in defaults:
            raise ValueError(f"{cls.__name__}.{name} is missing")
    return cls(**fields)


def _with_instances(item: dict[str, object]) -> dict[str, object]:
    """An item as it is written now: what came along once had no instance, being of the item's own.

    Such items stand in journals, and in /run where a trial was open as the helper was replaced.
    """
    along = item.get("along")
    if not isinstance(along, list):
        return item
    own = {"instance": item.get("instance")}
    return {
        **item,
        "along": [{**own, **other} if isinstance(other, dict) else other for other in along],
    }


def _typed(kind: str, value: object, where: str, *, strict: bool) -> object:
    """Check one field against its annotation, as it is written in this module."""
    if kind.endswith(" | None"):
        if value is None:
            return None
        kind = kind[: -len(" | None")]
    if kind.startswith("tuple["):
        if not isinstance(value, list):
            raise ValueError(f"{where} must be a list")
        inner = kind[len("tuple[") : -len(", ...]")]
        return tuple(_typed(inner, part, where, strict=strict) for part in value)
    if kind in _RECORDS:
        return from_object(_RECORDS[kind], value, strict=strict)
    if not isinstance(value, _SCALARS[kind]) or (kind != "bool" and isinstance(value, bool)):
        raise ValueError(f"{where} must be {kind}")
    return float(value) if kind == "float" and isinstance(value, (int, float)) else value
