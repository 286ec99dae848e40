"""What an operator types, `knob=value` or `knob@instance=value`, and the changes it means here.

Parsing knows only the table of knobs. Expanding asks the machine: a choice or a limit goes to
every instance, a quantity (a pool of huge pages) to the total and never to each node. Only where
some nodes are memory without cores, as a GPU's own is on Grace, is a total shared out over the
others: the kernel would spread it over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_backends.advice import is_made_up
from aitune_backends.catalogue import ENTRIES
from aitune_backends.foreign import clean
from aitune_backends.probes.numbers import numbered, parse_cpu_list
from aitune_helper import knobs, plan
from aitune_helper.kernelfs import has_total, instances
from aitune_helper.knobs import KNOBS, Knob
from aitune_helper.messages import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_helper.kernelfs import KernelIO

_NODES_WITH_CORES = "/sys/devices/system/node/has_cpu"
_LONGEST_SHOWN = 60
_MOST_LISTED = 8
_LONGEST_NUMBER = 20  # no kernel prints more digits; a damaged capture may

_EXAMPLES = {
    knobs.NODE: "node0",
    knobs.POLICY: "policy0",
    knobs.DISK: "nvme0n1",
    knobs.CPU: "cpu0",
    knobs.SIZE: "64kB",
}

AT_LEAST = "at least"
AT_MOST = "at most"


class ChangeError(ValueError):
    """What was asked cannot be done here; its text is one sentence that names the choices."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value that somebody wants, before it is known which targets it means.

    Attributes:
        knob: Id of an offered knob.
        instance: `node1`, `policy0`, `nvme0n1`; None where none was named.
        value: The value, of a form that the knob can take.
        reason: Why somebody wants it, or "".
        place: Where it was said, `FILE:LINE`, or "".
        bound: `at least` or `at most` where a larger or a smaller number is as wanted too.
    """

    knob: str
    instance: str | None
    value: str
    reason: str = field(default="", compare=False)
    place: str = field(default="", compare=False)
    bound: str = ""

    def is_met_by(self, value: str) -> bool:
        """Whether a value that was read is as wanted."""
        if self.bound and value.isascii() and value.isdecimal() and len(value) < _LONGEST_NUMBER:
            number, wanted_number = int(value), int(self.value)
            return number >= wanted_number if self.bound == AT_LEAST else number <= wanted_number
        return value == self.value

    def __str__(self) -> str:
        return f"{target_name(self.knob, self.instance)}={self.value}"


def target_name(knob: str, instance: str | None) -> str:
    """The name of a target as it is typed: `cpu.governor@policy3`, `vm.swappiness`."""
    return f"{knob}@{instance}" if instance else knob


def shown(text: str) -> str:
    """Foreign text in a sentence of ours: shortened, and nothing in it acts."""
    text = clean(text)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def brief_list(names: Sequence[str]) -> str:
    """Names for a sentence; of many, the first ones, the last one and how many there are.

    Many names that differ in their number alone are a range: `policy0-31 (32 in all)`.
    """
    if len(names) <= _MOST_LISTED:
        return ", ".join(names)
    together = numbered(names)
    if together:
        return f"{together} ({len(names)} in all)"
    return f"{', '.join(names[: _MOST_LISTED - 2])} … {names[-1]} ({len(names)} in all)"


def offered_knobs() -> tuple[str, ...]:
    """Ids of every knob that may be changed, in the table's order."""
    return tuple(knob.id for knob in KNOBS.values() if knob.offered)


def find_knob(name: str) -> Knob:
    """The offered knob of that id.

    Raises:
        ChangeError: There is none; the sentence names the nearest ones.
    """
    knob = KNOBS.get(name)
    if knob is not None and knob.offered:
        return knob
    import difflib  # only for a name that is misspelt

    near = difflib.get_close_matches(name[:_LONGEST_SHOWN], offered_knobs(), n=3)
    hint = f"near it are {', '.join(near)}" if near else "`aitune-tui status` lists them all"
    raise ChangeError(f'No knob is called "{shown(name)}"; {hint}.')


def parse_target(text: str) -> tuple[Knob, str | None]:
    """Read `knob` or `knob@instance`.

    Raises:
        ChangeError: No such knob is offered, or it cannot have such an instance.
    """
    name, at, instance = text.partition("@")
    knob = find_knob(name)
    if not at:
        return knob, None
    if knob.scope == knobs.GLOBAL:
        raise ChangeError(f"{knob.id} is one setting of the whole machine; leave out @.")
    if not instance or not knobs.instance_is_well_formed(knob, instance):
        example = f"{knob.id}@{_EXAMPLES[knob.scope]}"
        raise ChangeError(
            f'"{shown(instance)}" names no {knob.scope}; write {example}, for instance.'
        )
    return knob, instance


def parse_change(text: str) -> Wanted:
    """Read one change as it is typed.

    Raises:
        ChangeError: It is not of the form `knob=value` or `knob@instance=value`, or the knob, the
            instance or the value cannot exist on any machine.
    """
    target, equals, value = text.partition("=")
    if not equals:
        raise ChangeError(f'"{shown(text)}" is no change; write knob=value or knob@instance=value.')
    knob, instance = parse_target(target)
    return wanted(knob, instance, value)


def wanted(knob: Knob, instance: str | None, value: str) -> Wanted:
    """Check a value against what the knob can take on any machine.

    Raises:
        ChangeError: The value is out of range, or no word that the knob knows.
    """
    if knob.is_integer or knob.choices:
        reason = knobs.refusal(knob, value)
    elif knobs.refusal(knob, value, listed=(value,)) is not None:
        reason = f"{knob.id} takes a word such as {', '.join(knob.modules)}"
    else:  # only the machine knows whether it has this word: asked when expanding
        reason = None
    if reason is not None:
        raise ChangeError(f'{reason}, not "{shown(value)}".')
    return Wanted(knob.id, instance, value)


def expand(kernel: KernelIO, all_wanted: Sequence[Wanted]) -> tuple[Change, ...]:
    """Turn what is wanted into changes of targets that this machine has.

    A value for one named instance holds over the value for all of them, wherever it stands. A
    value for all goes to every instance that has a choice at all: an array without a scheduler, a
    policy whose cores are offline and what is no disk of its own (a loop, memory) are left out.

    Args:
        kernel: The machine, which lists its instances and their choices.
        all_wanted: What is wanted, in the order in which it is to be written.

    Raises:
        ChangeError: The machine has no such knob or instance, an instance does not take the
            value, or one target is given two values.
    """
    all_wanted = [share for want in all_wanted for share in _shares(kernel, want)]
    named: dict[tuple[str, str], str] = {}
    for want in all_wanted:
        if want.instance is not None:
            _settle(named, want.knob, want.instance, want.value)
    values: dict[tuple[str, str], str] = {}
    for want in all_wanted:
        for instance in meant(kernel, want):
            target = want.knob, instance
            if target in named:
                values[target] = named[target]
            else:
                _settle(values, want.knob, instance, want.value)
    changes = tuple(Change(knob, instance, value) for (knob, instance), value in values.items())
    for change in changes:
        _check_value(kernel, change)
    return changes


def _shares(kernel: KernelIO, want: Wanted) -> tuple[Wanted, ...]:
    """A pool's total as shares of the nodes with cores, if there are others; else as it is."""
    try:
        knob = KNOBS.get(plan.pool_of(kernel, KNOBS[want.knob]))
        if knob is None or want.instance is not None:
            return (want,)
        cores = {f"node{node}" for node in parse_cpu_list(kernel.read(_NODES_WITH_CORES))}
    except OSError:
        return (want,)
    present = instances(kernel, knob)
    homes = [node for node in present if node in cores]
    if not homes or len(homes) == len(present):
        return (want,)
    each, rest = divmod(int(want.value), len(homes))
    return tuple(
        Wanted(knob.id, node, str(each + (place < rest))) for place, node in enumerate(homes)
    )


def meant(kernel: KernelIO, want: Wanted) -> tuple[str, ...]:
    """The instances that one wanted value goes to; "" is a global knob, or a quantity's total.

    Raises:
        ChangeError: The machine has no such knob or instance, or none with a choice.
    """
    knob = KNOBS[want.knob]
    if knob.quantity and want.instance is None:
        if not has_total(kernel, knob):
            raise ChangeError(ENTRIES[knob.id].absent)
        return ("",)
    present = instances(kernel, knob)
    if not present:
        raise ChangeError(f"{knob.id} cannot be set. {ENTRIES[knob.id].absent}")
    if want.instance is None:
        chosen = tuple(name for name in present if _has_choice(kernel, knob, name))
        if not chosen:
            raise ChangeError(f"{knob.id} has no choice on any of {brief_list(present)}.")
        return chosen
    if want.instance not in present:
        raise ChangeError(
            f"{knob.id} has no instance {want.instance} here; there are {brief_list(present)}."
        )
    return (want.instance,)


def _settle(values: dict[tuple[str, str], str], knob: str, instance: str, value: str) -> None:
    earlier = values.setdefault((knob, instance), value)
    if earlier != value:
        name = target_name(knob, instance)
        raise ChangeError(f"{name} is given twice, as {earlier} and as {value}; give it once.")


def _has_choice(kernel: KernelIO, knob: Knob, instance: str) -> bool:
    if knob.scope == knobs.DISK and is_made_up(instance):
        return False
    return knob.is_integer or bool(plan.listed(kernel, knob, instance))


def _check_value(kernel: KernelIO, change: Change) -> None:
    knob = KNOBS[change.knob]
    listed = plan.listed(kernel, knob, change.instance)
    if not (knob.is_integer or listed):
        raise ChangeError(f"{target_name(knob.id, change.instance)} has nothing to choose from.")
    reason = knobs.refusal(knob, change.value, listed)
    if reason is not None:
        where = f" on {change.instance}" if change.instance else ""
        raise ChangeError(f'{reason}{where}, not "{shown(change.value)}".')
