"""An explanation in words: labelled texts in the order in which every page shows them.

What and why, on whose word, at which risk; how it stands; the file and the way back; then all
that is looked up less often.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.changes import brief_list
from aitune_backends.explanation import (
    MOVED_BY,
    MOVES,
    OTHER_HALF,
    Explanation,
    Standing,
    Value,
    is_fanned_out,
)
from aitune_backends.foreign import clean
from aitune_backends.probes.numbers import cpu_list
from aitune_backends.targets import ABSENT, UNREAD
from aitune_backends.value_words import spelled
from aitune_helper.knobs import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STARS = 3
_MOST_LINES = 4
_INDEXED = re.compile(r"([a-z]+)(0|[1-9][0-9]*)")
_COUPLED = {
    MOVES: "The kernel changes {names} along with it.",
    MOVED_BY: "A write of {names} changes it too.",
    OTHER_HALF: "{names} says the same in other words: setting either sets the other to 0.",
}


NOT_HERE = "absent: this machine has none"
NO_SERVICE = "No service that is known sets it."


class Said(NamedTuple):
    """One labelled text.

    Attributes:
        label: What it is about.
        text: One or more sentences, or lines to be copied.
        gap: It begins another part of the page.
        verbatim: Each of its lines stands by itself: paths and commands.
    """

    label: str
    text: str
    gap: bool = False
    verbatim: bool = False


def what_and_why(about: Explanation) -> Iterator[Said]:
    """What, Why, Evidence, Risk."""
    entry = about.entry
    yield Said("What", entry.what)
    yield Said("Why", entry.why)
    yield Said("Evidence", evidence(about))
    yield Said("Risk", risks(about))


def standing(about: Explanation) -> Iterator[Said]:
    """Now, At boot, Saved, Set by: how it stands on this machine."""
    yield Said("Now", now(about), gap=True)
    yield Said("At boot", at_boot(about))
    yield Said("Saved", saved(about))
    yield Said("Set by", set_by(about))


def way_back(about: Explanation) -> Iterator[Said]:
    """Path, Undo."""
    yield Said("Path", "\n".join(paths(about)), gap=True, verbatim=True)
    yield Said("Undo", undo(about))


def further(about: Explanation) -> Iterator[Said]:
    """What comes after what is looked at most."""
    yield Said("Advised", advised(about), gap=True)
    yield Said("Inert", about.entry.no_effect)
    yield Said("Takes", takes(about))
    for value in about.values:
        which = f"{value.which}: " if len(about.values) > 1 else ""
        told = "" if value in about.meant else f" {risk(value)}"
        yield Said("Effect", f"{which}{value.effect}{told}")
    for one in about.impossible:
        yield Said("Not now", f"{one.value}: {clean(one.why)}")
    for how, sentence in _COUPLED.items():
        names = [coupled.knob for coupled in about.coupled if coupled.how == how]
        if names:
            yield Said("Moves" if how == MOVES else "Coupled", sentence.format(names=_and(names)))
    yield Said("Needs", needs(about))
    for label, lines in (("Command", about.commands), ("To undo", about.undo_commands)):
        yield Said(label, _brief(lines), verbatim=True)
    yield from _lasting(about)


def sources(about: Explanation) -> Iterator[Said]:
    """Where the evidence can be read."""
    yield Said("Sources", "\n".join(about.entry.sources), gap=True, verbatim=True)


def evidence(about: Explanation) -> str:
    """`★★☆ TuneD sets 10.`, and where that is written."""
    entry = about.entry
    stars = "★" * entry.stars + "☆" * (_STARS - entry.stars)
    return f"{stars} {entry.evidence}"


def risk(value: Value) -> str:
    """`Low risk: a program not bound to a node may get slower.`"""
    return f"{value.risk.capitalize()} risk: {_begun_small(value.danger)}"


def _begun_small(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


def risks(about: Explanation) -> str:
    """The risk of the value in question, or of any; the effects need not repeat it."""
    if len(about.meant) == 1:
        return risk(about.meant[0])
    return " ".join(f"{one.which.capitalize()}: {_begun_small(risk(one))}" for one in about.meant)


def now(about: Explanation) -> str:
    """The value, or each value and who holds it."""
    held = [one for one in about.standings if one.status.value is not None]
    if not held:
        return "; ".join(dict.fromkeys(_missing(one) for one in about.standings)) or NOT_HERE
    if len(held) == 1:
        return with_unit(about, held[0].status.value or "")
    return "; ".join(
        f"{with_unit(about, one.status.value or '')} on {instances(one.instances)}" for one in held
    )


def _missing(one: Standing) -> str:
    word = {ABSENT: "absent", UNREAD: "unread"}.get(one.status.state, one.status.state)
    return f"{word}. {clean(one.status.reason)}" if one.status.reason else word


def with_unit(about: Explanation, value: str) -> str:
    """A value as people read it: with its unit, a frequency in GHz, a word explained."""
    return spelled(about.knob.id, clean(value), about.knob.unit)


def at_boot(about: Explanation) -> str:
    """What sets it at boot, to which value, and which lines it beats."""
    said: dict[str, None] = {}
    for one in about.standings:
        if one.stands is None:
            continue
        value = with_unit(about, one.stands.value) if one.stands.value else "not told"
        text = f"{value}, {clean(str(one.stands))}"
        if one.beaten:
            text += f", over {_and([clean(str(owner)) for owner in one.beaten])}"
        said[text] = None
    return "; ".join(said) or "the kernel's default"


def saved(about: Explanation) -> str:
    """Whether it survives a reboot, and because of what; by whom, where not all are alike."""
    said: dict[str, list[str]] = {}
    for one in about.standings:
        if one.because:
            said.setdefault(clean(one.because), []).extend(one.instances)
    if len(said) < 2:
        return next(iter(said), "There is nothing to last.")
    return " ".join(
        f"{brief_list([name or 'the total' for name in names])}: {because[:1].lower()}{because[1:]}"
        for because, names in said.items()
    )


def set_by(about: Explanation) -> str:
    """Which services set it, and whether they may do so again while the machine runs."""
    said = dict.fromkeys(
        sentence
        for one in about.standings
        for sentence in (
            *one.status.overwritten_by,
            *(keeper.sentence for keeper in one.keepers),
        )
    )
    return " ".join(clean(sentence) for sentence in said) or NO_SERVICE


def paths(about: Explanation) -> tuple[str, ...]:
    """Each file, or one pattern and the instances it stands for."""
    if len(about.paths) <= _MOST_LINES or not is_fanned_out(about.knob):
        return about.paths
    names = [status.instance for status in about.targets if status.path]
    return (f"{about.knob.file('*')}, for {instances(names)}",)


def undo(about: Explanation) -> str:
    """What is promised of going back."""
    held = dict.fromkeys(s.value for s in about.targets if s.value is not None)
    if not held:
        return "nothing to write back"
    what = clean(next(iter(held))) if len(held) == 1 else f"{len(held)} old values"
    exact = "" if about.knob.undo == EXACT else f"; {about.knob.doubt}"
    return f"{about.knob.undo}: writes {what} back{exact}"


def advised(about: Explanation) -> str:
    """What is advised for each goal, the one in force marked; goals that agree together.

    Where it depends on the machine: on what.
    """
    goals: dict[str, list[str]] = {}
    for one in about.advice:
        name = f"{one.goal} (the goal now)" if one.in_force else one.goal
        depends = about.entry.depends
        value = f"{depends[:-1]}," if depends else _wanted(about, one.value)
        goals.setdefault(value, []).append(name)
    return "; ".join(f"{value} for {_and(names)}" for value, names in goals.items())


def _wanted(about: Explanation, value: str | None) -> str:
    return "nothing" if value is None else with_unit(about, value)


def takes(about: Explanation) -> str:
    """What may be written, in words."""
    may = about.takes
    text = f"one of {', '.join(may.choices or may.modules)}"
    if may.high is not None:
        text = f"a whole number from {may.low} to {may.high} {may.unit}".rstrip()
        if may.words:
            text += f", or {' or '.join(may.words)}"
        if may.bounded_by:
            files = _bounding(about)
            text += f", as {_and(files)} {'says' if len(files) == 1 else 'say'}"
        if about.knob.below:
            text += f", and not above {about.knob.below}"
    elif may.modules and may.choices:
        text += f"; {', '.join(may.modules)} once its module is loaded"
    return text


def _bounding(about: Explanation) -> tuple[str, ...]:
    """The files that bound it: each, or one pattern where every instance has its own."""
    name = about.targets[0].instance if len(about.targets) == 1 else "*"
    files = (about.knob.least_in, about.knob.most_in)
    return tuple(file.replace("{instance}", name) for file in files if file)


def needs(about: Explanation) -> str:
    """What writing it takes."""
    parts = ["root"]
    if about.capability:
        parts.append(about.capability)
    if about.takes.modules and not about.takes.choices:
        parts.append("a module of the kernel")
    return ", ".join(parts)


def _lasting(about: Explanation) -> Iterator[Said]:
    """The lines that keeping would write."""
    if about.lasting is None:
        return
    for file in about.lasting.files:
        text = _brief(file.lines, about.lasting.more)
        yield Said("To last", f"{file.file}\n{text}", verbatim=True)
    for note in about.lasting.notes:
        yield Said("To last", note)


def _brief(lines: Sequence[str], more: int = 0) -> str:
    """The first lines, and how many there are besides."""
    shown = lines if len(lines) <= _MOST_LINES else lines[:_MOST_LINES]
    rest = more + len(lines) - len(shown)
    return "\n".join((*shown, *((f"and {rest} more like these",) if rest else ())))


def instances(names: Sequence[str]) -> str:
    """Names of instances with neighbours together: `policy0-31, policy64`; "" for the machine."""
    numbers: dict[str, list[int]] = {}
    others: list[str] = []
    for name in names:
        found = _INDEXED.fullmatch(name)
        if found is None:
            others.append(clean(name) or "all")
        else:
            numbers.setdefault(found[1], []).append(int(found[2]))
    runs = [f"{stem}{cpu_list(sorted(known))}" for stem, known in numbers.items()]
    return ", ".join((*runs, *others))


def _and(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
