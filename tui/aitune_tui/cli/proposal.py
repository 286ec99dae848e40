"""From what was typed to a plan that is shown: everything before the first question."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from aitune_backends import sentences
from aitune_backends.at_boot import OUR_FILES, carried, shadows
from aitune_backends.changes import brief_list, expand, parse_change
from aitune_backends.foreign import clean
from aitune_backends.owners import read_owners
from aitune_helper.messages import PLANNED, UNCHANGED, Change, Item, Plan
from aitune_helper.plan import Refusal, make_plan, never
from aitune_tui.cli.common import USAGE, fail, note, table
from aitune_tui.cli.output import field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitune_backends.boot_files import Owner
    from aitune_backends.describe import ChangeText
    from aitune_backends.machine import Machine
    from aitune_helper.plan import Former

SECONDS_MIN = 5
SECONDS_MAX = 3600
_MESSAGE_MAX = 200


class Proposal(NamedTuple):
    """Changes that were asked for, checked against the machine.

    Attributes:
        title: What it is, for a list: `profile classic`, or "" for plain changes.
        changes: With the values they were planned from, so that they are compared and set.
        plan: What would be written.
    """

    title: str
    changes: tuple[Change, ...]
    plan: Plan


def change_options(function: Callable[..., None]) -> Callable[..., None]:
    """What `plan` and `apply` take: the changes, and how they are to be applied."""
    for option in (
        click.option("--force", is_flag=True, help="Pass the memory guard; write in a container."),
        click.option("--message", default="", metavar="TEXT", help="Why; kept in the journal."),
        click.option(
            "--on-partial",
            type=click.Choice(("rollback", "accept")),
            default="rollback",
            show_default=True,
            help="When the kernel gives less than was asked.",
        ),
        click.option("--persist", is_flag=True, help="Also set it at boot, once it is kept."),
        click.option(
            "--try",
            "try_s",
            type=click.IntRange(SECONDS_MIN, SECONDS_MAX),
            metavar="SECONDS",
            help="Put it all back after so long, unless it is kept.",
        ),
        click.option(
            "--profile", metavar="NAME", help="The changes of a profile, by name or file."
        ),
        click.argument("changes", nargs=-1, metavar="[CHANGE]..."),
    ):
        function = option(function)
    return function


def check_message(message: str) -> str:
    """The operator's reason, if it can be kept.

    Raises:
        Failure: It is too long, or not all printable; status 2.
    """
    if len(message) > _MESSAGE_MAX or not message.isprintable():
        fail(USAGE, "message", f"--message takes at most {_MESSAGE_MAX} printable characters.")
    return message


def propose(
    machine: Machine, texts: Sequence[str], profile: str | None, *, force: bool
) -> Proposal:
    """Check what was asked for, and plan it without any rights.

    What of a profile does not exist on this machine is left out, with a warning of the plan.

    Raises:
        Failure: It names no knob, instance or value of this machine, or is refused; status 2.
    """
    if bool(texts) == (profile is not None):
        fail(
            USAGE,
            "usage",
            "Give changes, as vm.swappiness=10, or --profile NAME: one of the two.",
        )
    try:
        if profile is not None:
            from aitune_backends import profiles

            loaded = profiles.load(profile)
            fitted = profiles.fit(machine.host, loaded.wanted)
            title, changes = f"profile {loaded.name}", fitted.changes
            left_out = tuple(str(absent) for absent in fitted.absent)
        else:
            wanted = tuple(parse_change(text) for text in texts)
            title, changes, left_out = "", expand(machine.host, wanted), ()
    except ValueError as error:  # ChangeError, ProfileError: each is one sentence
        fail(USAGE, "change", str(error))
    if not changes:
        fail(USAGE, "change", f"Nothing of {title} can be set here.", f"{'; '.join(left_out)}.")
    made = plan_changes(machine, changes, title, force=force)
    return made._replace(plan=made.plan._replace(warnings=(*left_out, *made.plan.warnings)))


def plan_changes(
    machine: Machine,
    changes: Sequence[Change],
    title: str,
    *,
    force: bool,
    former: Former = never,
) -> Proposal:
    """Plan changes of known targets.

    Args:
        machine: The machine.
        changes: What is wanted.
        title: What it is, for a list.
        force: Leave out the guards for memory.
        former: What an undo may put back; nothing else is.

    Raises:
        Failure: The plan is refused; status 2.
    """
    try:
        plan = make_plan(machine.host, changes, force=force, former=former)
    except Refusal as refusal:
        hint = _force_hint(machine, changes)
        fail(USAGE, "refused", sentences.refused(refusal.reason), hint)
    seen = tuple(Change(item.knob, item.instance, item.requested, item.old) for item in plan.items)
    return Proposal(title, seen, plan)


def _force_hint(machine: Machine, changes: Sequence[Change]) -> str:
    """Name --force only where it helps: where a guard refused, and not the value."""
    try:
        make_plan(machine.host, changes, force=True)
    except Refusal:
        return ""
    return "--force passes this guard, and the journal says so."


def texts_of(machine: Machine, plan: Plan) -> tuple[ChangeText, ...]:
    """What each change means on this machine."""
    from aitune_backends import describe

    facts = describe.gather(machine.host, plan.items)
    return tuple(describe.change_text(item, facts) for item in plan.items)


def show_plan(
    machine: Machine,
    plan: Plan,
    *,
    try_s: int | None,
    persist: bool,
    as_json: bool,
    ending: str = "",
) -> None:
    """Print a plan for people: what, from which value, at which risk, and how it goes back.

    Args:
        machine: The machine.
        plan: The plan.
        try_s: Seconds of the trial, None where it would be kept at once.
        persist: Whether the files that set it at boot would be written.
        as_json: Standard output is for the JSON object; print beside it.
        ending: How it ends, where it is neither tried nor kept as `apply` does.
    """
    groups = _described(machine, plan)
    owners = read_owners(machine.host)
    note(f"{_headline(plan.items, groups)} Nothing is written yet.", as_json=as_json)
    rows = [_row(items, text) for items, text in groups]
    note(table(("SETTING", "NOW", "AFTER", "RISK", "NOTE"), rows), as_json=as_json)
    for items, text in groups:
        if items[0].status != UNCHANGED:
            owner = owners.of(items[0].knob, items[0].instance)
            note("\n".join(_details(items, text, owner)), as_json=as_json)
    passing = _passing(machine, plan.items) if persist else []
    for warning in (*plan.warnings, *passing):
        note(f"\nWarning: {clean(warning)}.", as_json=as_json)
    note(ending or _how(try_s, persist), as_json=as_json)


def _row(items: Sequence[Item], text: ChangeText) -> tuple[str, ...]:
    held = items[0].status == UNCHANGED
    risk, said = ("none", "it holds this value already") if held else (text.risk, text.note)
    return _label(items), items[0].old, items[0].requested, risk, said


def _details(items: Sequence[Item], text: ChangeText, owner: Owner | None) -> list[str]:
    fields = {
        "Effect": text.effect,
        "Danger": "" if text.inert else text.danger,
        "Evidence": text.evidence,
        "Path": text.path,
        "Undo": text.undo,
        "At boot": _at_boot(owner) if owner else "",
        "Note": " ".join(f"{said}." for said in dict.fromkeys(item.note for item in items) if said),
    }
    heading = clean(f"{_label(items)}  {items[0].old} → {items[0].requested}")
    return ["", heading, *(field(name, value) for name, value in fields.items() if value)]


def _at_boot(owner: Owner) -> str:
    """What sets it at boot; of a line of ours, what becomes of it."""
    ours = "; --persist updates it, else it is left" if owner.file in OUR_FILES.values() else ""
    return f"{owner.value} ({owner}){ours}"


def _passing(machine: Machine, items: Sequence[Item]) -> list[str]:
    """Say what `--persist` cannot do, or not for sure, and which lines win over ours."""
    notes: dict[str, list[str]] = {}
    for name, way in carried(machine.host, items).items():
        if way.note:
            notes.setdefault(way.note, []).append(name)
    return [f"{brief_list(names)} {_verb(names)} {said}" for said, names in notes.items()] + [
        f"{name} {'will' if said.startswith('shadowed') else 'may'} be gone after a reboot: {said}"
        for name, said in shadows(machine.host, items).items()
    ]


def _verb(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _how(try_s: int | None, persist: bool) -> str:
    files = ", and the files that set it at boot are written" if persist else ""
    if try_s is None:
        return f"It is kept as soon as all of it reads back as wanted{files}; else all is put back."
    return f"It is put back after {try_s} s unless it is kept{files and '; then' + files[5:]}."


def _headline(items: Sequence[Item], groups: Sequence[tuple[list[Item], ChangeText]]) -> str:
    todo = sum(item.status == PLANNED for item in items)
    text = sentences.counted(todo, "change")
    same = len(items) - todo
    if same:
        text += f", {same} already as wanted"
    inert = sum(
        len(group) for group, meaning in groups if meaning.inert and group[0].status == PLANNED
    )
    if inert:
        text += f", {inert} can have no effect"
    return text + "."


def _described(machine: Machine, plan: Plan) -> list[tuple[list[Item], ChangeText]]:
    """What is planned, what is alike together, each with what it means for all of it."""
    from aitune_backends import describe

    facts = describe.gather(machine.host, plan.items)
    texts = [describe.change_text(item, facts) for item in plan.items]
    return [
        (items, describe.change_text(items[0], facts, [item.instance for item in items[1:]]))
        for items, _ in _groups(plan.items, texts)
    ]


def _groups(
    items: Sequence[Item], texts: Sequence[ChangeText]
) -> list[tuple[list[Item], ChangeText]]:
    """Neighbours that change the same knob in the same way, as on all 64 policies, in one."""
    groups: list[tuple[list[Item], ChangeText]] = []
    for item, text in zip(items, texts, strict=True):
        if groups and _alike(groups[-1][0][0], item) and groups[-1][1].risk == text.risk:
            groups[-1][0].append(item)
        else:
            groups.append(([item], text))
    return groups


def _alike(one: Item, other: Item) -> bool:
    return (one.knob, one.old, one.requested) == (other.knob, other.old, other.requested)


def _label(items: Sequence[Item]) -> str:
    if len(items) == 1:
        return sentences.target(items[0])
    return f"{items[0].knob} on {brief_list([item.instance for item in items])}"


def nothing_to_do(plan: Plan) -> bool:
    """Whether every target already is as wanted."""
    return all(item.status == UNCHANGED for item in plan.items)
