"""`aitune-tui explain`: all that is known of one setting, on one page."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING

import click

from aitune_backends import explanation_text as words
from aitune_backends.catalogue import ENTRIES
from aitune_backends.changes import ChangeError, brief_list, parse_target, target_name
from aitune_backends.explanation import LOWER, Explanation, explain
from aitune_backends.foreign import clean
from aitune_backends.owners import read_owners
from aitune_backends.survey import default_pool, survey
from aitune_tui.cli import pool_outlook
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

    from aitune_backends.explanation import Value
    from aitune_backends.explanation_text import Said

_TEXT_WIDTH = 88


@click.command(name="explain")
@click.argument("knob")
@pass_options
def command(options: Options, knob: str) -> None:
    """Say what KNOB means, how it stands here, who sets it, and on whose word it is advised.

    KNOB is a setting such as vm.swappiness, or one of its instances: block.scheduler@nvme0n1.
    """
    try:
        known, instance = parse_target(knob)
    except ChangeError as error:
        fail(USAGE, "knob", str(error))
    with open_machine(options) as machine:
        host = machine.host
        owners = read_owners(host)
        targets = survey(host, None, options.goal, owners)
        alias = known.means.replace("{pool}", default_pool(host))
        shown = alias if any(t.knob == alias for t in targets) else known.id
        about = explain(host, shown, instance, options.goal, targets, owners)
        planned = pool_outlook.plan_for(host, shown)
        origin = host.label
    if instance is not None and not about.targets:
        choices = brief_list([t.instance for t in targets if t.knob == shown and t.instance])
        message = f"{known.id} has no {instance} here; there are: {choices or 'none'}."
        fail(USAGE, "instance", message)
    if options.json:
        emit_json(
            "explain", {**_body(about), "knob": known.id, "planner": pool_outlook.body(planned)}
        )
        return
    echo(f"{target_name(known.id, instance)} · {ENTRIES[known.id].title}")
    echo()
    for line in _lines(about):
        echo(line)
    if origin:
        echo()
        echo(f"From {origin}.")
    if len(about.standings) > 1:
        echo()
        echo(_where_it_stands(about))
    reasons = dict.fromkeys(clean(target.reason) for target in about.targets if target.reason)
    if reasons:
        echo()
    for reason in reasons:
        echo(reason)
    if planned is not None:
        echo()
        for line in pool_outlook.lines(planned):
            echo(line)


def _lines(about: Explanation) -> Iterator[str]:
    said = (
        *words.what_and_why(about),
        *words.standing(about),
        *words.way_back(about),
        *words.further(about),
        *words.sources(about),
    )
    shown = [one for one in said if one.text]
    width = max(len(one.label) for one in shown) + 2
    for number, one in enumerate(shown):
        if one.gap and number:
            yield ""
        yield from _wrapped(one, width)


def _wrapped(one: Said, width: int) -> Iterator[str]:
    """A label and its text; a line that is to be copied is never broken."""
    label, indent = one.label.ljust(width), " " * width
    if one.verbatim:
        for number, line in enumerate(one.text.split("\n")):
            yield (indent if number else label) + line
        return
    yield from textwrap.wrap(
        one.text,
        width + _TEXT_WIDTH,
        initial_indent=label,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _where_it_stands(about: Explanation) -> str:
    rows = [
        (
            words.instances(one.instances) if one.status.instance else about.knob.id,
            words.with_unit(about, one.status.value) if one.status.value is not None else "–",
            one.status.advised or "",
            one.status.state,
            one.status.owner or "",
        )
        for one in about.standings
    ]
    return table(("INSTANCES", "NOW", "ADVISED", "STATE", "SET AT BOOT BY"), rows)


def _meaning(value: Value) -> dict[str, str]:
    return {"effect": value.effect, "danger": value.danger, "risk": value.risk}


def _body(about: Explanation) -> dict[str, object]:
    entry, knob = about.entry, about.knob
    lasting = about.lasting
    return {
        "knob": knob.id,
        "instance": about.instance,
        "title": entry.title,
        "group": entry.group,
        "what": entry.what,
        "why": entry.why,
        "no_effect": entry.no_effect,
        **_meaning(about.meant[0]),
        "values": {one.value: _meaning(one) for one in about.values if one.value},
        "lowered": next((_meaning(one) for one in about.values if one.which == LOWER), None),
        "takes": {
            "low": about.takes.low,
            "high": about.takes.high,
            "bounded_by": list(about.takes.bounded_by),
            "words": list(about.takes.words),
            "choices": list(about.takes.choices),
            "modules": list(about.takes.modules),
            "unit": about.takes.unit,
        },
        "impossible": [dataclasses.asdict(one) for one in about.impossible],
        "goal": about.goal,
        "advice": {one.goal: one.value for one in about.advice},
        "advice_depends": entry.depends,
        "evidence": {
            "stars": entry.stars,
            "text": entry.evidence,
            "sources": list(entry.sources),
        },
        "paths": list(about.paths),
        "coupled": [dataclasses.asdict(one) for one in about.coupled],
        "capability": about.capability,
        "undo": knob.undo,
        "undo_doubt": knob.doubt,
        "wanted": about.wanted,
        "commands": list(about.commands),
        "undo_commands": list(about.undo_commands),
        "persist": knob.persist,
        "lasting": {
            "files": [
                {"file": file.file, "lines": list(file.lines)}
                for file in (lasting.files if lasting else ())
            ],
            "more": lasting.more if lasting else 0,
            "notes": list(lasting.notes) if lasting else [],
        },
        "standings": [
            {
                "instances": list(one.instances),
                "value": one.status.value,
                "state": one.status.state,
                "because": one.because,
                "at_boot_by": None if one.stands is None else str(one.stands),
                "beaten": [str(owner) for owner in one.beaten],
                "keepers": [
                    {
                        "manager": keeper.manager,
                        "place": keeper.place,
                        "value": keeper.value,
                        "running": keeper.running,
                        "sentence": keeper.sentence,
                    }
                    for keeper in one.keepers
                ],
            }
            for one in about.standings
        ],
        "targets": [dataclasses.asdict(target) for target in about.targets],
    }
