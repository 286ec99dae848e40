"""`aitune-tui owners`: who sets each setting, at boot and while the machine runs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import click

from aitune_backends.foreign import clean
from aitune_backends.targets import ABSENT
from aitune_tui.cli.choosing import chosen
from aitune_tui.cli.common import Options, echo, emit_json, open_machine, pass_options, table
from aitune_tui.cli.naming import named
from aitune_tui.cli.output import field
from aitune_tui.words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.boot_files import Owner
    from aitune_backends.boot_words import Means
    from aitune_backends.managers import Keeper, Manager
    from aitune_backends.owners import Owners
    from aitune_backends.targets import TargetStatus

_NOT_CAPTURED = "not in this capture"
_NOT_SHOWN = "this machine does not show its files"


class _Owned(NamedTuple):
    """One target and everything that is known to set it."""

    target: TargetStatus
    owner: Owner | None
    beaten: tuple[Owner, ...]
    keepers: tuple[Keeper, ...]
    because: str

    @property
    def is_set(self) -> bool:
        """Whether anything is known to set it."""
        return self.target.state != ABSENT and bool(self.owner or self.beaten or self.keepers)

    @property
    def likeness(self) -> tuple[object, ...]:
        """What neighbours that share a line have in common."""
        target = self.target
        return target.knob, target.value, self.owner, self.beaten, self.keepers, self.because


@click.command(name="owners")
@click.argument("knobs", nargs=-1, metavar="[KNOB[@INSTANCE]…]")
@pass_options
def command(options: Options, knobs: tuple[str, ...]) -> None:
    """Show what sets each setting: at boot, by which line, and what sets it while it runs.

    With KNOB everything about those settings: every line, also those that another one beats.
    """
    from aitune_backends.owners import read_owners
    from aitune_backends.survey import survey

    with open_machine(options) as machine:
        owners = read_owners(machine.host)
        targets = survey(machine.host, None, options.goal, owners)
        if knobs:
            targets = chosen(targets, knobs, machine.host)
        owned = [_owned(target, owners) for target in targets]
        why = "" if owners.known else _NOT_SHOWN
        if machine.origin == "capture" and why:
            why = _NOT_CAPTURED
        if options.json:
            shown = owned if knobs else [one for one in owned if one.is_set]
            body = _json(shown, owners, why, len(owned) - len(shown))
            about = {"host": machine.identity.name, "label": machine.host.label}
            emit_json("owners", {**about, **body})
        elif knobs:
            echo("\n\n".join(_details(list(group), owners) for group in _alike(owned)))
        else:
            echo("\n\n".join(_overview(owned, owners, why, machine.host.label)))


def _owned(target: TargetStatus, owners: Owners) -> _Owned:
    knob, instance = target.knob, target.instance
    return _Owned(
        target,
        owners.of(knob, instance),
        owners.beaten(knob, instance),
        owners.keepers(knob, instance),
        owners.because(knob, target.value or "", instance),
    )


def _alike(owned: Sequence[_Owned]) -> Iterator[Iterator[_Owned]]:
    for _, group in groupby(owned, lambda one: one.likeness):
        yield group


# -- for people -----------------------------------------------------------------------------------


def _overview(owned: Sequence[_Owned], owners: Owners, why: str, label: str) -> Iterator[str]:
    """Parts with an empty line between them: the settings, the services, what is not known."""
    if label:
        yield clean(f"From {label}.")
    if why:
        yield f"What sets things at boot is not known: {why}."
    shown = [one for one in owned if one.is_set]
    rows = [_row(list(group)) for group in _alike(shown)]
    if rows:
        yield table(("SETTING", "NOW", "AT BOOT", "BECAUSE", "WHILE IT RUNS"), rows)
    rest = len(owned) - len(shown)
    if not why:
        yield f"{rest} more settings: nothing known sets them. KNOB shows all about one."
    if owners.boot.means:
        words = "\n".join(clean(f"  {one.word}: {one.sentence}") for one in owners.boot.means)
        yield f"On the kernel's command line\n{words}"
    if owners.managers:
        services = [_service(manager) for manager in owners.managers]
        yield "Services\n" + table(("SERVICE", "STATE", "BY", "WHAT IT DOES"), services)
    for path, fault in owners.boot.errors.items():
        yield clean(f"{path} cannot be read ({fault}): another line may stand in it.")


def _row(group: Sequence[_Owned]) -> tuple[str, ...]:
    one = group[0]
    target, owner = one.target, one.owner
    now = UNKNOWN if target.value is None else f"{target.value} {target.unit}".strip()
    return (
        named(target.knob, [member.target.instance for member in group]),
        now,
        _at_boot(one),
        f"{owner}{_beats(one)}" if owner else "",
        "; ".join(_does(keeper) for keeper in one.keepers if keeper.running and keeper.keeps),
    )


def _at_boot(one: _Owned) -> str:
    """`yes`, or `no: 60`; `likely` and `may be` where that is not sure."""
    if one.owner is None:
        return ""
    if one.target.at_boot == "no" or one.target.value is None:
        return f"no: {one.owner.value}"
    return one.target.at_boot


def _beats(one: _Owned) -> str:
    count = len(one.beaten)
    return f", over {count} other {'line' if count == 1 else 'lines'}" if count else ""


def _does(keeper: Keeper) -> str:
    what = "as it sees fit" if keeper.value is None else keeper.value
    return f"{keeper.manager} sets {what}" if keeper.value else f"{keeper.manager} sets it {what}"


def _service(manager: Manager) -> tuple[str, ...]:
    clash = f" It clashes with {' and '.join(manager.clashes)}." if manager.clashes else ""
    return (manager.name, _state(manager), manager.where, manager.sentence + clash)


def _state(manager: Manager) -> str:
    if manager.running:
        return "runs"
    return {True: "starts at boot", False: "installed"}.get(manager.enabled is True, "")


def _details(group: Sequence[_Owned], owners: Owners) -> str:
    """All about neighbours that are alike."""
    one = group[0]
    target = one.target
    now = UNKNOWN if target.value is None else f"{target.value} {target.unit}".strip()
    instances = [member.target.instance for member in group]
    lines = [clean(f"{named(target.knob, instances)} = {now}")]
    lines.append(field("at boot", one.because))
    lines += [
        field("beaten", f"{owner}, which sets {owner.value}. {owner.ignored}".strip())
        for owner in one.beaten
    ]
    running = [keeper.sentence for keeper in one.keepers if keeper.running and keeper.keeps]
    lines += [field("runs", sentence) for sentence in running]
    later = [keeper.sentence for keeper in one.keepers if keeper.sentence not in running]
    lines += [field("starts", sentence) for sentence in later]
    if not running and owners.known:
        lines.append(field("runs", "Nothing known sets it again while the machine runs."))
    for means in _means(target.knob, owners):
        lines.append(
            field("command", f"{means.word} on the kernel's command line: {means.sentence}")
        )
    return "\n".join(lines)


def _means(knob: str, owners: Owners) -> list[Means]:
    return [means for means in owners.boot.means if knob in means.knobs]


# -- for programs ---------------------------------------------------------------------------------


def _json(shown: Sequence[_Owned], owners: Owners, why: str, rest: int) -> dict[str, object]:
    return {
        "known": owners.known,
        "why_not": why or None,
        "targets": [_target_json(one, owners) for one in shown],
        "set_by_nothing": rest,
        "services": [
            {
                "name": manager.name,
                "running": manager.running,
                "enabled": manager.enabled,
                "by": manager.where,
                "sentence": manager.sentence,
                "clashes": list(manager.clashes),
            }
            for manager in owners.managers
        ],
        "unread": [{"file": path, "why": fault} for path, fault in owners.boot.errors.items()],
    }


def _target_json(one: _Owned, owners: Owners) -> dict[str, object]:
    target = one.target
    return {
        "knob": target.knob,
        "instance": target.instance,
        "path": target.path,
        "value": target.value,
        "unit": target.unit,
        "at_boot": target.at_boot,
        "survives": target.survives,
        "because": one.because,
        "owner": None if one.owner is None else _line_json(one.owner),
        "beaten": [_line_json(owner) for owner in one.beaten],
        "keepers": [
            {
                "service": keeper.manager,
                "place": keeper.place,
                "value": keeper.value,
                "running": keeper.running,
                "keeps": keeper.keeps,
                "sentence": keeper.sentence,
            }
            for keeper in one.keepers
        ],
        "command_line": [
            {"word": means.word, "sentence": means.sentence}
            for means in _means(target.knob, owners)
        ],
    }


def _line_json(owner: Owner) -> dict[str, object]:
    return {
        "place": str(owner),
        "value": owner.value,
        "certain": owner.certain,
        "service": owner.by or None,
        "ignored": owner.ignored or None,
    }
