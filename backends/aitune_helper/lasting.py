"""What a kept trial leaves for the next boot, and what its undo takes away again.

Between a trial and our files (`persist`). What keeping changes in them is decided once, and goes to
the journal with the line that makes the trial kept; whoever finishes keeping does what stands
there, whatever the machine looks like by then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Optional

from aitune_helper import boot, messages, persist
from aitune_helper.formats import MODULES, SYSCTL, Line, Lines, plain
from aitune_helper.knobs import KNOBS
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aitune_helper.journal import Journal
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item, Trial
    from aitune_helper.places import Places

# Where a line of the journal holds the changes of our files.
AT_BOOT = "at_boot"
# How the note begins on an item that no file of ours sets at boot.
NOT_PERSISTENT = "not persistent"

# What changes in our files: by mechanism and key, the line before and after, None for no line.
Changes = dict[str, dict[str, tuple[Optional[Line], Optional[Line]]]]


class Decision(NamedTuple):
    """What keeping a trial means for the next boot.

    Attributes:
        changes: Of our files; {} where keeping leaves them alone.
        items: The trial's items, each that will not be there again saying why.
    """

    changes: Changes
    items: tuple[Item, ...]


class Lasting:
    """Our files seen from trials.

    Args:
        kernel: Tells disks apart, and says which huge page size is the default one.
        places: Where the files lie.
        journal: Knows what the files said before earlier trials.
        readers: Which of the files are read here at boot.
    """

    def __init__(
        self,
        kernel: KernelIO,
        places: Places,
        journal: Journal,
        readers: frozenset[str] = boot.MECHANISMS,
    ) -> None:
        self._kernel = kernel
        self._journal = journal
        self._readers = readers
        self._dropins = persist.DropIns(places)

    def values(self) -> dict[str, str]:
        """What our files set at boot, by key; without a file that is not ours to read."""
        found = {}
        for mechanism in sorted(boot.MECHANISMS):
            found.update({key: line.value for key, line in self._ours(mechanism).items()})
        return found

    def said_of(self, items: Iterable[Item]) -> tuple[str, ...]:
        """For a plan: what our files set at boot for its items, and what becomes of that."""
        machine = self._machine()
        said = []
        for item in items:
            setting = machine.setting(item.knob, item.instance)
            line = self._ours(setting.mechanism).get(setting.key) if setting else None
            if line is not None:
                target = f"{item.knob}@{item.instance}" if item.instance else item.knob
                said.append(
                    f"{target} at boot: {line.value} (95-aitune.conf); "
                    "persisting updates it, else it is left"
                )
        return tuple(said)

    def decide(self, trial: Trial) -> Decision:
        """What the files shall say once `trial` is kept.

        Raises:
            Fault: `PersistRefused`: a file that would change is not ours.
        """
        if trial.undo_of is not None:
            entry = self._journal.find(messages.KEPT, trial.undo_of) or {}
            return Decision(self._reversed(changes_of(entry)), trial.items)
        if not trial.persist:
            return Decision({}, trial.items)
        return self._persisted(trial)

    def check(self, items: Sequence[Item], *, persist: bool, undo_of: str | None) -> None:
        """Raise before anything is written where keeping would fail over a file.

        Raises:
            Fault: `PersistRefused`, as for `decide`.
        """
        machine = self._machine()
        settings = [s for item in items if persist for s in machine.at_boot(item, items).settings]
        touched = {setting.mechanism for setting in settings}
        if undo_of is not None:
            touched.update(changes_of(self._journal.find(messages.KEPT, undo_of) or {}))
        for mechanism in sorted(touched):
            self._dropins.lines(mechanism)

    def finish(self, changes: Changes) -> tuple[str, ...]:
        """Make the files say what was decided; done again, it changes nothing.

        Returns:
            The files that changed.

        Raises:
            Fault: `PersistRefused`: one is not ours any more, or cannot be written.
        """
        contents = {}
        for mechanism, keys in changes.items():
            lines = dict(self._dropins.lines(mechanism))
            for key, (_, after) in keys.items():
                lines.pop(key, None)
                if after is not None:
                    lines[key] = after
            contents[mechanism] = lines
        return self._dropins.put(contents)

    def without(self, names: Sequence[str]) -> Changes:
        """What changes when knobs or targets are taken out; all of ours if none is named.

        Args:
            names: `KNOB`, or `KNOB@INSTANCE`.

        Raises:
            Fault: `PersistRefused`: a file that may name them is not ours.
        """
        machine = self._machine()
        lines: dict[str, Lines] = {}
        changes: Changes = {}
        for mechanism in sorted(boot.MECHANISMS):
            if names and not _may_name(mechanism, names):
                continue
            lines[mechanism] = self._dropins.lines(mechanism)
            gone = {
                key: (line, None)
                for key, line in lines[mechanism].items()
                if not names or _named(machine, mechanism, key, names)
            }
            if gone:
                changes[mechanism] = dict(gone)
        if names and "tmpfiles" in changes:
            rest = lines["tmpfiles"].keys() - changes["tmpfiles"].keys()
            if not any(boot.is_of_frequencies(key) for key in rest):
                modules = self._dropins.lines(MODULES)
                changes[MODULES] = {key: (line, None) for key, line in modules.items()}
        return {mechanism: keys for mechanism, keys in changes.items() if keys}

    def _persisted(self, trial: Trial) -> Decision:
        """Every item's lines, without older ones that they make void."""
        machine = self._machine()
        day = time.strftime("%Y-%m-%d", time.gmtime(trial.started))
        why = plain(f"trial {trial.number}, {trial.owner_name}, {day}")
        fresh: dict[str, Lines] = {}
        items = []
        for item in trial.items:
            found = machine.at_boot(item, trial.items)
            items.append(noted(item, found.note))
            for setting in found.settings:
                fresh.setdefault(setting.mechanism, {})[setting.key] = Line(setting.value, why)
        changes: Changes = {}
        for mechanism in sorted(boot.MECHANISMS):
            now = self._dropins.lines(mechanism) if mechanism in fresh else self._ours(mechanism)
            new = fresh.get(mechanism, {})
            void = {
                key
                for key in now.keys() - new.keys()
                if any(machine.superseded(item, key) for item in trial.items)
            }
            keys = {key: (now.get(key), new.get(key)) for key in sorted({*new, *void})}
            changed = {key: pair for key, pair in keys.items() if pair[0] != pair[1]}
            if changed:
                changes[mechanism] = changed
        return Decision(changes, tuple(items))

    def _reversed(self, changes: Changes) -> Changes:
        """The way back. A line that says something else by now is of a later trial, and stays."""
        back: Changes = {}
        for mechanism, keys in changes.items():
            now = self._dropins.lines(mechanism)
            ours = {
                key: (after, before)
                for key, (before, after) in keys.items()
                if now.get(key) == after
            }
            if ours:
                back[mechanism] = ours
        return back

    def _ours(self, mechanism: str) -> Lines:
        """The lines of one file; none where it is not ours to read."""
        try:
            return self._dropins.lines(mechanism)
        except (Fault, OSError):
            return {}

    def _machine(self) -> boot.Machine:
        return boot.Machine(self._kernel, self._readers)


def noted(item: Item, why: str) -> Item:
    """An item with one more sentence in its note."""
    return item._replace(note="; ".join(filter(None, (item.note, why))))


def failed(items: Sequence[Item], failure: str) -> tuple[Item, ...]:
    """The items of a trial whose files could not be written, each saying so."""
    return tuple(
        item if NOT_PERSISTENT in item.note else noted(item, f"{NOT_PERSISTENT}: {failure}")
        for item in items
    )


def to_journal(changes: Changes) -> dict[str, object]:
    """The changes as a line of the journal holds them; {} for none."""
    if not changes:
        return {}
    return {
        AT_BOOT: {
            mechanism: {
                key: {"before": before and list(before), "after": after and list(after)}
                for key, (before, after) in keys.items()
            }
            for mechanism, keys in changes.items()
        }
    }


def changes_of(entry: Mapping[str, object]) -> Changes:
    """Read what `to_journal` made; what is not of its shape is left out."""
    noted_there = entry.get(AT_BOOT)
    changes: Changes = {}
    for mechanism, keys in noted_there.items() if isinstance(noted_there, dict) else ():
        if mechanism in boot.MECHANISMS and isinstance(keys, dict):
            changes[mechanism] = {
                str(key): (_line(pair.get("before")), _line(pair.get("after")))
                for key, pair in keys.items()
                if isinstance(pair, dict)
            }
    return changes


def _line(value: object) -> Line | None:
    return (
        Line(str(value[0]), str(value[1])) if isinstance(value, list) and len(value) == 2 else None
    )


def _may_name(mechanism: str, names: Sequence[str]) -> bool:
    """Whether a file can hold lines of these knobs: a pool's total may have a sysctl's name."""
    knobs = [KNOBS[name.partition("@")[0]] for name in names if name.partition("@")[0] in KNOBS]
    return any(
        knob.persist == mechanism or (mechanism == SYSCTL and boot.may_be_meant(knob))
        for knob in knobs
    )


def _named(machine: boot.Machine, mechanism: str, key: str, names: Sequence[str]) -> bool:
    """Whether a line sets one of the knobs or targets."""
    for name in names:
        knob, _, instance = name.partition("@")
        if knob not in KNOBS:
            continue
        if not instance and boot.knob_of(mechanism, key) == knob:
            return True
        setting = machine.setting(knob, instance)
        if setting is not None and (setting.mechanism, setting.key) == (mechanism, key):
            return True
    return False
