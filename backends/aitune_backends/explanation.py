"""Everything that is known of one setting, on one page: what it is, how it stands, what sets it.

The catalogue says what a setting means, the knob table what may be written, the survey how it
stands, the owner map who sets it, and the code that keeps a setting how it would last. Here they
are laid beside each other; `explanation_text` words them, for `explain` and for the dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import shell
from aitune_backends.catalogue import ENTRIES, GOALS, Entry
from aitune_backends.foreign import clean
from aitune_backends.lasting_form import Lasting, lasting_form
from aitune_helper.knobs import CPU, KNOBS, POLICY, Knob, other_half

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aitune_backends.boot_files import Owner
    from aitune_backends.catalogue import Meaning
    from aitune_backends.host import Host
    from aitune_backends.managers import Keeper
    from aitune_backends.owners import Owners
    from aitune_backends.targets import Impossible, TargetStatus

# Stands in a command where nothing is advised: the operator puts a value there.
ANY_VALUE = "VALUE"
# Of many instances of one kind, on how many the files of this machine are asked for bounds.
_ASKED = 4
_DIGITS = 20  # no kernel prints more

MOVES = "moves"
MOVED_BY = "moved by"
OTHER_HALF = "other half"
LOWER = "a lower value"


@dataclass(frozen=True, slots=True)
class Value:
    """What it means to set one value.

    Attributes:
        value: The value, or "" for every other one.
        which: What it is called: the value, `another value`, `a higher value`, `a lower value`.
        effect, danger: Whole sentences.
        risk: `low`, `medium` or `high`.
    """

    value: str
    which: str
    effect: str
    danger: str
    risk: str


@dataclass(frozen=True, slots=True)
class Takes:
    """What may be written.

    Attributes:
        low, high: Bounds of a whole number, as they are here; None for words.
        bounded_by: The files that bound it more closely than the table does.
        words: Words that are taken besides numbers.
        choices: The words of a choice: those of the table, or those that the files list now.
        modules: Words that are taken once a module of theirs is loaded.
        unit: The unit of a number, or "".
    """

    low: int | None
    high: int | None
    bounded_by: tuple[str, ...]
    words: tuple[str, ...]
    choices: tuple[str, ...]
    modules: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What is advised for one goal, None for nothing; and whether it is the goal in force."""

    goal: str
    value: str | None
    in_force: bool


@dataclass(frozen=True, slots=True)
class Coupled:
    """A setting that hangs together with this one.

    Attributes:
        knob: The other setting.
        how: `moves` (the kernel changes it along with this one), `moved by` (the other way
            round), or `other half` (both say one thing; setting one sets the other to 0).
    """

    knob: str
    how: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Targets that stand alike.

    Attributes:
        instances: Their names; ("",) for a global setting and for the total of a pool.
        status: The first of them.
        because: Whether the value survives a reboot, and which line says so: one sentence.
        stands: The line that sets it at boot, or None.
        beaten: Other lines that set it and do not stand.
        keepers: Services that set it, those that run first.
    """

    instances: tuple[str, ...]
    status: TargetStatus
    because: str
    stands: Owner | None
    beaten: tuple[Owner, ...]
    keepers: tuple[Keeper, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One setting, or one instance of it.

    Attributes:
        knob: Its entry in the table.
        instance: The one instance that is meant, or None for all of them.
        entry: What the catalogue says of it.
        goal: The goal in force.
        targets: How each target stands, in the order of the survey.
        standings: The same, with those together that stand alike.
        values: What single values mean, then all others, of which lower ones may mean another.
        meant: What the value in question means from what there is; all others where there is none.
        takes: What may be written.
        impossible: Values that cannot be set here now, and why.
        advice: What is advised for each goal.
        paths: The file of each target.
        coupled: Settings that hang together with this one.
        capability: The Linux capability that writing it needs even of root, or "".
        wanted: The value that the commands and the lasting form are made for.
        commands: The shell lines that would set it.
        undo_commands: Those that put back what is there now, where that is a value at all.
        lasting: How keeping it would set it at boot; None where the machine was not asked.
    """

    knob: Knob
    instance: str | None
    entry: Entry
    goal: str
    targets: tuple[TargetStatus, ...]
    standings: tuple[Standing, ...]
    values: tuple[Value, ...]
    meant: tuple[Value, ...]
    takes: Takes
    impossible: tuple[Impossible, ...]
    advice: tuple[Advice, ...]
    paths: tuple[str, ...]
    coupled: tuple[Coupled, ...]
    capability: str
    wanted: str
    commands: tuple[str, ...]
    undo_commands: tuple[str, ...]
    lasting: Lasting | None


class Bound(NamedTuple):
    """A number in a file that bounds a setting."""

    path: str
    number: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What has to be read of a machine for one setting; all else is known from the survey.

    Attributes:
        least, most: What its files bound it by.
        lasting: How keeping it would set it at boot.
    """

    least: tuple[Bound, ...]
    most: tuple[Bound, ...]
    lasting: Lasting | None


def read_ground(host: Host, knob: str, targets: Sequence[TargetStatus], wanted: str) -> Ground:
    """Read what bounds a setting here, and what tells its disks apart.

    Args:
        host: The machine.
        knob: Id of the setting.
        targets: Its targets, as surveyed.
        wanted: The value that is to last, or "" for the present one.
    """
    known, meant = KNOBS[knob], _meant(KNOBS[knob], targets)
    asked = [status.instance for status in meant[:_ASKED]]
    return Ground(
        least=tuple(b for name in asked if (b := _bound(host, known.least_in, name))),
        most=tuple(b for name in asked if (b := _bound(host, known.most_in, name))),
        lasting=lasting_form(host, meant, wanted) if meant else None,
    )


def explain(
    host: Host,
    knob: str,
    instance: str | None,
    goal: str,
    statuses: Iterable[TargetStatus],
    owners: Owners,
) -> Explanation:
    """Lay side by side all that is known of one setting.

    Args:
        host: The machine, whose files are read for bounds and for what tells its disks apart.
        knob: Id of the setting; of a pool by the name of its size.
        instance: Only this instance, or None for all.
        goal: The goal in force.
        statuses: The survey, or any part of it that holds this setting.
        owners: What sets settings here.
    """
    targets = tuple(s for s in statuses if s.knob == knob and instance in (None, s.instance))
    wanted = advised_value(KNOBS[knob], targets)
    ground = read_ground(host, knob, targets, wanted)
    return lay_out(knob, instance, goal, targets, owners, ground, wanted)


def lay_out(
    knob: str,
    instance: str | None,
    goal: str,
    targets: tuple[TargetStatus, ...],
    owners: Owners,
    ground: Ground | None,
    wanted: str,
) -> Explanation:
    """The same from what was read before, for a screen that is being drawn.

    Args:
        knob: Id of the setting.
        instance: The one instance that is meant, or None.
        goal: The goal in force.
        targets: The targets that are meant.
        owners: What sets settings here.
        ground: What was read of the machine; None while it is not there yet.
        wanted: The value that commands and lines are shown for, "" for none.
    """
    known, entry = KNOBS[knob], ENTRIES[knob]
    meant = _meant(known, targets)
    return Explanation(
        knob=known,
        instance=instance,
        entry=entry,
        goal=goal,
        targets=targets,
        standings=tuple(_standings(targets, owners)),
        values=tuple(_values(entry)),
        meant=tuple(_meanings(entry, wanted, meant)),
        takes=takes_of(known, targets, ground),
        impossible=tuple(dict.fromkeys(one for status in targets for one in status.impossible)),
        advice=tuple(Advice(name, entry.advice[name], name == goal) for name in GOALS),
        paths=tuple(status.path for status in targets if status.path) or (known.file("*"),),
        coupled=tuple(_coupled(known)),
        capability=known.capability,
        wanted=wanted,
        commands=shell.lines([(knob, s.instance, wanted or ANY_VALUE) for s in meant]),
        undo_commands=shell.lines([(knob, s.instance, s.value or "") for s in meant if _is_one(s)]),
        lasting=ground.lasting if ground is not None else None,
    )


def advised_value(knob: Knob, targets: Sequence[TargetStatus]) -> str:
    """The value advised for what a value without an instance goes to, "" for none."""
    return next((s.advised for s in _meant(knob, targets) if s.advised), None) or ""


def _meant(knob: Knob, targets: Sequence[TargetStatus]) -> tuple[TargetStatus, ...]:
    """The targets that a value without an instance goes to: of a pool its total alone."""
    there = tuple(status for status in targets if status.value is not None)
    if knob.quantity and any(not status.instance for status in there):
        return tuple(status for status in there if not status.instance)
    return there


def _is_one(status: TargetStatus) -> bool:
    """Whether a value can be a word of a line to be copied: none acts on a terminal there."""
    return status.value is not None and clean(status.value) == status.value


def _standings(targets: Sequence[TargetStatus], owners: Owners) -> Iterator[Standing]:
    """Targets that are alike in all that is shown of them, together."""
    groups: dict[tuple[object, ...], list[TargetStatus]] = {}
    for status in targets:
        alike = (
            status.value, status.advised, status.state, status.reason, status.owner,
            status.at_boot, status.overwritten_by, not status.instance,
        )  # fmt: skip
        groups.setdefault(alike, []).append(status)
    for members in groups.values():
        first = members[0]
        names = tuple(status.instance for status in members)
        target = first.knob, first.instance
        yield Standing(
            instances=names,
            status=first,
            because=owners.because(first.knob, first.value, first.instance) if first.value else "",
            stands=owners.of(*target),
            beaten=owners.beaten(*target),
            keepers=owners.keepers(*target),
        )


def _values(entry: Entry) -> Iterator[Value]:
    for value, meaning in entry.values.items():
        yield _value(entry, value, meaning)
    yield _value(entry, "", entry.meaning)
    if entry.lowered is not None:
        yield _value(entry, "", entry.lowered)


def _value(entry: Entry, value: str, meaning: Meaning) -> Value:
    which = value or "another value"
    if entry.lowered is not None and not value:
        which = LOWER if meaning is entry.lowered else "a higher value"
    effect, danger = entry.in_general(meaning.effect), entry.in_general(meaning.danger)
    return Value(value, which, effect, danger, meaning.risk)


def _meanings(entry: Entry, wanted: str, targets: Sequence[TargetStatus]) -> Iterator[Value]:
    """What the value in question means from what there is, or any value where nothing changes."""
    now = next((s.value for s in targets if s.value not in {None, wanted}), None)
    if wanted in entry.values or (wanted and now is not None):
        meaning = entry.meaning_of(wanted, now or "")
        yield _value(entry, wanted if wanted in entry.values else "", meaning)
    else:
        yield from (value for value in _values(entry) if not value.value)


def takes_of(knob: Knob, targets: Sequence[TargetStatus], ground: Ground | None) -> Takes:
    """What may be written to some targets of a knob, as far as their files were read."""
    least, most = (ground.least, ground.most) if ground is not None else ((), ())
    listed = tuple(dict.fromkeys(word for status in targets for word in status.choices))
    choices = listed or knob.choices
    return Takes(
        low=knob.low if not least else max(knob.low or 0, *(bound.number for bound in least)),
        high=knob.high if not most else min(knob.high or 0, *(bound.number for bound in most)),
        bounded_by=tuple(dict.fromkeys(bound.path for bound in (*least, *most))),
        words=knob.words,
        choices=choices,
        modules=tuple(word for word in knob.modules if word not in choices),
        unit=knob.unit,
    )


def _bound(host: Host, template: str, instance: str) -> Bound | None:
    path = template.replace("{instance}", instance)
    try:
        text = host.read(path).strip() if path else ""
    except (OSError, ValueError):
        return None
    return Bound(path, int(text)) if text.isdecimal() and len(text) < _DIGITS else None


def _coupled(knob: Knob) -> Iterator[Coupled]:
    half = other_half(knob)
    for name in knob.coupled:
        if KNOBS[name].offered:
            yield Coupled(name, OTHER_HALF if half is not None and half.id == name else MOVES)
    for other in KNOBS.values():
        if knob.id in other.coupled and other.offered and other.id not in knob.coupled:
            yield Coupled(other.id, MOVED_BY)


def is_fanned_out(knob: Knob) -> bool:
    """Whether there may be hundreds of instances: one for each core or policy."""
    return knob.scope in {POLICY, CPU}
