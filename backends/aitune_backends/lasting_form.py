"""The lines by which keeping a setting makes it last: the same code that keeps it writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.at_boot import OUR_FILES, machine_of
from aitune_helper import formats
from aitune_helper.formats import Line
from aitune_helper.messages import Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.host import Host
    from aitune_backends.targets import TargetStatus

# Of hundreds of cores each gets the same line; these many are made, to be shown.
_MOST = 8


@dataclass(frozen=True, slots=True)
class BootFile:
    """Lines of one file that is read at boot."""

    file: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lasting:
    """How keeping would set some targets at boot.

    Attributes:
        files: The files and the lines that would stand in them; () where no file can.
        more: How many targets have a line like those shown.
        notes: Why there is no way, or what stays uncertain, a sentence each.
    """

    files: tuple[BootFile, ...]
    more: int
    notes: tuple[str, ...]


def lasting_form(host: Host, targets: Sequence[TargetStatus], value: str) -> Lasting:
    """What our files would say if these targets were kept at a value.

    Args:
        host: The machine; what tells its disks apart is read from it.
        targets: The targets.
        value: What is to last, or "" for what each holds now.
    """
    machine = machine_of(host)
    shown = targets[:_MOST]
    items = [Item(s.knob, s.instance, s.path, s.value or "", value or s.value or "") for s in shown]
    by_file: dict[str, formats.Lines] = {}
    notes: dict[str, None] = {}
    for item in items:
        way = machine.at_boot(item, items)
        if way.note:
            notes[way.note] = None
        for setting in way.settings:
            by_file.setdefault(setting.mechanism, {})[setting.key] = Line(setting.value, "")
    files = tuple(BootFile(OUR_FILES[name], _lines(name, by_file[name])) for name in by_file)
    return Lasting(files, len(targets) - len(shown) if files else 0, tuple(notes))


def _lines(mechanism: str, settings: formats.Lines) -> tuple[str, ...]:
    """The lines as they are written, without the comments around them."""
    text = formats.FORMATS[mechanism].render(settings)
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))
