"""What of a change is there again after a reboot: what our files can carry, and what wins over it.

Our files are some among others, and each mechanism has its own rule for which line wins. A setting
is called persistent only if no line of another file sets it to something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends import sentences
from aitune_backends.owners import read_owners
from aitune_helper import boot, formats
from aitune_helper.formats import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_backends.host import Host
    from aitune_helper.messages import Item, Trial

# By mechanism.
OUR_FILES = {mechanism: f"/etc/{file}" for mechanism, file in formats.FILES.items()}


def machine_of(host: Host) -> boot.Machine:
    """A machine as far as setting things at boot goes; who reads files is asked of a live one."""
    live = host.origin == "live"
    return boot.Machine(host, boot.read_here(host.exists) if live else boot.MECHANISMS)


def carried(host: Host, items: Sequence[Item]) -> dict[str, boot.AtBoot]:
    """How keeping would set each item at boot, by target."""
    machine = machine_of(host)
    return {sentences.target(item): machine.at_boot(item, items) for item in items}


def files_for(host: Host, items: Sequence[Item]) -> tuple[str, ...]:
    """The files that keeping these items would write, () where it would write none."""
    found = carried(host, items).values()
    mechanisms = {setting.mechanism for way in found for setting in way.settings}
    return tuple(path for mechanism, path in OUR_FILES.items() if mechanism in mechanisms)


def shadows(host: Host, items: Sequence[Item]) -> dict[str, str]:
    """What another line sets to something else, by target: `shadowed by FILE:LINE, which sets 60`.

    It is asked of the files as they are once the items are kept.
    """
    ways = carried(host, items)
    owners = read_owners(host, _with(host, ways.values()))
    found = {}
    for item in items:
        name, owner = sentences.target(item), owners.of(item.knob, item.instance)
        if not ways[name].settings or owner is None or owner.value == item.requested:
            continue
        verb = "shadowed" if owner.certain else "may be shadowed"
        found[name] = f"{verb} by {owner}, which sets {owner.value}"
    return found


def noted(host: Host, trial: Trial) -> Trial:
    """A kept trial, each item whose line in our files is shadowed saying so."""
    found = shadows(host, trial.items) if trial.persist else {}
    return trial._replace(
        items=tuple(
            item._replace(note="; ".join(filter(None, (item.note, _note(found[name])))))
            if (name := sentences.target(item)) in found
            else item
            for item in trial.items
        )
    )


def _note(shadow: str) -> str:
    return shadow if shadow.startswith("may be") else f"{sentences.NOT_PERSISTENT}: {shadow}"


def _with(host: Host, ways: Iterable[boot.AtBoot]) -> dict[str, str]:
    """What our files would say with these lines besides those that are there, by path."""
    added: dict[str, formats.Lines] = {}
    for way in ways:
        for setting in way.settings:
            added.setdefault(setting.mechanism, {})[setting.key] = Line(setting.value, "")
    texts = {}
    for mechanism, lines in added.items():
        form, path = formats.FORMATS[mechanism], OUR_FILES[mechanism]
        texts[path] = form.render({**form.parse(_text(host, path)), **lines})
    return texts


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError:
        return ""
