"""What a profile means on one machine, and what every form says of what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.changes import brief_list, target_name
from aitune_backends.lens import Left
from aitune_backends.profiles import fit
from aitune_helper import plan
from aitune_helper.formats import plain
from aitune_helper.knobs import KNOBS, Knob, other_half
from aitune_helper.messages import Change, Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_backends.changes import Wanted
    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile


_BOUND = "{} this much is wanted; a file can only say one value, and says it."
_LATER = "{} says the same in another way, and comes later: only one can hold."


@dataclass(frozen=True, slots=True)
class Exported:
    """A profile in another tool's form.

    Attributes:
        text: The whole file, or script.
        undo: How what it does is taken back, in one or two sentences.
        left: What the form could not say, each with the reason; the text names them too.
    """

    text: str
    undo: str
    left: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """One target of this machine that the profile wants.

    Attributes:
        knob: What is set.
        instance: Which one, or "".
        value: To what.
        why: Why somebody wants it; the profile's name where it does not say.
    """

    knob: Knob
    instance: str
    value: str
    why: str

    @property
    def path(self) -> str:
        """The file that is written."""
        return self.knob.file(self.instance)

    @property
    def item(self) -> Item:
        """The same as an item, for the code that says how one is set at boot."""
        return Item(self.knob.id, self.instance, self.path, "", self.value)

    def __str__(self) -> str:
        return f"{target_name(self.knob.id, self.instance)}={self.value}"


@dataclass(frozen=True, slots=True)
class Aims:
    """What is to be set on a machine, in the order of writing, and what cannot be there."""

    aims: tuple[Aim, ...]
    left: tuple[Left, ...]

    def of(self, knob: str) -> tuple[Aim, ...]:
        """Those of one knob."""
        return tuple(aim for aim in self.aims if aim.knob.id == knob)


def aims(profile: Profile, host: Host) -> Aims:
    """Find the targets of a machine that a profile means.

    A setting that the machine does not have, or whose value it does not take, is left. Of two
    ways to say one thing (a share and its amount, a pool's total and its nodes) the later one
    holds, as it would if both were written.

    Raises:
        ChangeError: The profile gives one target two values.
    """
    last = {_thing(host, want): _way(want) for want in profile.wanted}
    kept = [want for want in profile.wanted if last[_thing(host, want)] == _way(want)]
    fitted = fit(host, kept)
    left = [Left(each.want.place, str(each.want), each.why) for each in fitted.absent]
    left += [
        Left(want.place, str(want), _LATER.format(last[_thing(host, want)]))
        for want in profile.wanted
        if want not in kept
    ]
    left += [Left(want.place, str(want), _BOUND.format(want.bound)) for want in kept if want.bound]
    ordered = sorted(fitted.changes, key=lambda change: plan.rank(change.knob, change.value))
    return Aims(
        tuple(
            Aim(KNOBS[change.knob], change.instance, change.value, _why(profile, change))
            for change in ordered
        ),
        tuple(left),
    )


def _thing(host: Host, want: Wanted) -> str:
    """What is set, whichever of its names is used: of a share and its amount the first."""
    knob = KNOBS[want.knob]
    half = other_half(knob)
    if half is not None:
        return min(knob.id, half.id)
    try:
        return plan.meant(host, knob)
    except OSError:  # a capture may lack what tells
        return knob.id


def _way(want: Wanted) -> str:
    """In which way it is set: a pool has a total of one or two names, or its nodes."""
    knob = KNOBS[want.knob]
    return f"{knob.id} by node" if knob.quantity and want.instance else knob.id


def _why(profile: Profile, change: Change) -> str:
    reasons = {(want.knob, want.instance): want.reason for want in profile.wanted}
    own = reasons.get((change.knob, change.instance or None))
    return own or reasons.get((change.knob, None)) or f"wanted by {profile.name}"


def left_out(unsaid: Iterable[tuple[Aim, str]]) -> tuple[Left, ...]:
    """What a form cannot say, each with the reason; instances that fare alike share one entry."""
    alike: dict[tuple[str, str, str], list[Aim]] = {}
    for aim, why in unsaid:
        alike.setdefault((aim.knob.id, aim.value, why), []).append(aim)
    return tuple(
        Left("", str(found[0]) if len(found) == 1 else _together(found), why)
        for (_, _, why), found in alike.items()
    )


def _together(found: Sequence[Aim]) -> str:
    names = brief_list([aim.instance for aim in found])
    return f"{found[0].knob.id}={found[0].value} on {names}"


def head(profile: Profile, *lines: str) -> str:
    """The comment at the top of a text: what it is, then what to do with it."""
    first = f"{profile.name}: {profile.title}. Written by aitune-tui."
    return comment(first, *lines)


def tail(left: Iterable[Left]) -> str:
    """The comment at the end that names what is not in the text."""
    lines = [f"  {each.text}: {each.why}" for each in left]
    return "\n" + comment("Not in here:", *lines) if lines else ""


def comment(*lines: str) -> str:
    """Lines as comments, which can neither end themselves nor act on a terminal."""
    return "".join(f"# {plain(line)}\n" for line in lines)


def file_name(profile: Profile) -> str:
    """What a file of this profile is called: never the name of a file that we keep ourselves."""
    return f"aitune-{profile.name}"
