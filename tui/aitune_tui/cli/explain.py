"""`aitune-tui explain`: what one setting means, its risk and evidence, and how it stands here."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING

import click

from aitune_backends.catalogue import ENTRIES
from aitune_backends.changes import ChangeError, brief_list, parse_target, target_name
from aitune_backends.foreign import clean
from aitune_backends.owners import read_owners
from aitune_backends.survey import DEFAULT_POOL, default_pool, survey
from aitune_helper.knobs import GLOBAL
from aitune_tui.cli.common import (
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    open_machine,
    pass_options,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.catalogue import Entry, Meaning
    from aitune_backends.targets import TargetStatus
    from aitune_helper.knobs import Knob

_TEXT_WIDTH = 88
_STARS = 3


@click.command(name="explain")
@click.argument("knob")
@pass_options
def command(options: Options, knob: str) -> None:
    """Say what KNOB means, what setting it may do, and on whose word it is advised.

    KNOB is a setting such as vm.swappiness, or one of its instances: block.scheduler@nvme0n1.
    """
    try:
        known, instance = parse_target(knob)
    except ChangeError as error:
        fail(USAGE, "knob", str(error))
    with open_machine(options) as machine:
        host = machine.host
        targets = survey(host, None, options.goal, read_owners(host))
        shown = default_pool(host) if known.id == DEFAULT_POOL else known.id
        origin = host.label
    found = [t for t in targets if t.knob in (shown, known.id)]
    if instance is not None:
        names = [t.instance for t in found if t.instance]
        found = [t for t in found if t.instance == instance]
        if not found:
            choices = brief_list(names) or "none"
            fail(USAGE, "instance", f"{known.id} has no {instance} here; there are: {choices}.")
    if options.json:
        emit_json("explain", _body(known, options.goal, found))
        return
    for line in _lines(known, options.goal):
        echo(line)
    echo()
    if origin:
        echo(f"From {origin}.")
    echo(_where_it_stands(found))
    for line in _reasons(found):
        echo(line)


def _lines(knob: Knob, goal: str) -> Iterator[str]:
    entry = ENTRIES[knob.id]
    yield f"{knob.id} · {entry.title}"
    yield ""
    fields = tuple(_fields(knob, entry, goal))
    width = max(len(label) for label, _ in fields) + 2
    for label, text in fields:
        yield from textwrap.wrap(
            text,
            width + _TEXT_WIDTH,
            initial_indent=label.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _fields(knob: Knob, entry: Entry, goal: str) -> Iterator[tuple[str, str]]:
    yield "What", entry.what
    yield "Why", entry.why
    yield "Takes", _takes(knob)
    for value, meaning in entry.values.items():
        yield f"= {value}", _effect_and_risk(entry, meaning)
    yield "= others" if entry.values else "Effect", _effect_and_risk(entry, entry.meaning)
    advised = entry.advice[goal]
    yield "Advised", f"{advised} for {goal}" if advised else f"nothing for {goal}"
    yield "Evidence", f"{'★' * entry.stars}{'☆' * (_STARS - entry.stars)} {entry.evidence}"
    yield "Sources", "; ".join(entry.sources)
    yield "Path", knob.file("*" if knob.scope != GLOBAL and not knob.quantity else "")
    yield "Undo", f"{knob.undo}: the old value is written back"


def _effect_and_risk(entry: Entry, meaning: Meaning) -> str:
    effect, danger = entry.in_general(meaning.effect), entry.in_general(meaning.danger)
    return f"{effect} {meaning.risk.capitalize()} risk: {danger[:1].lower()}{danger[1:]}"


def _takes(knob: Knob) -> str:
    """The values a knob takes, in words."""
    if knob.is_integer:
        return f"a whole number from {knob.low} to {knob.high} {knob.unit}".rstrip()
    if knob.choices:
        return f"one of {', '.join(knob.choices)}"
    return f"one of the words its file lists, such as {', '.join(knob.modules)}"


def _where_it_stands(targets: list[TargetStatus]) -> str:
    rows = [
        (
            target_name(target.knob, target.instance),
            f"{target.value or '–'} {target.unit if target.value else ''}".rstrip(),
            target.advised or "",
            target.state,
            target.owner or "",
        )
        for target in targets
    ]
    return table(("SETTING", "NOW", "ADVISED", "STATE", "SET AT BOOT BY"), rows)


def _reasons(targets: list[TargetStatus]) -> Iterator[str]:
    """Each reason once, in the order of the table."""
    yield from dict.fromkeys(clean(target.reason) for target in targets if target.reason)


def _body(knob: Knob, goal: str, targets: list[TargetStatus]) -> dict[str, object]:
    entry = ENTRIES[knob.id]
    return {
        "knob": knob.id,
        "title": entry.title,
        "group": entry.group,
        "what": entry.what,
        "why": entry.why,
        "effect": entry.effect,
        "danger": entry.danger,
        "risk": entry.risk,
        "values": {
            value: {
                "effect": entry.in_general(meaning.effect),
                "danger": entry.in_general(meaning.danger),
                "risk": meaning.risk,
            }
            for value, meaning in entry.values.items()
        },
        "takes": {
            "low": knob.low,
            "high": knob.high,
            "choices": list(knob.choices),
            "unit": knob.unit,
        },
        "goal": goal,
        "advice": dict(entry.advice),
        "evidence": {
            "stars": entry.stars,
            "text": entry.evidence,
            "sources": list(entry.sources),
        },
        "undo": knob.undo,
        "persist": knob.persist,
        "targets": [dataclasses.asdict(target) for target in targets],
    }
