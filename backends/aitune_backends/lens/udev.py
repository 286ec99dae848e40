"""A file of udev's rules as a profile: what its rules set on the disks of one machine.

Which disk a rule means is said by what it matches, so it takes a machine to tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.boot_udev import Disk, evaluate, parse_rules
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.heads import bounded, named, reason_of
from aitune_helper import boot, formats
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.boot_udev import Rule, Token
    from aitune_backends.host import Host
    from aitune_backends.lens import Imported

_ATTRIBUTES = {
    boot.attribute_of(knob): knob for knob in KNOBS.values() if knob.persist == formats.UDEV
}
_MATCHES = ("==", "!=")


def read_udev(text: str, source: str, host: Host) -> Imported:
    """Read a file of rules for the disks that a machine has.

    Raises:
        LensError: It is too large to be one.
    """
    gathered = Gathered(host.names)
    disks = [Disk(name, _attributes(host, name)) for name in host.names("/sys/block")]
    lines = bounded(text, source).splitlines()
    taken: set[int] = set()
    for rule in parse_rules(text):
        taken |= _lines_of(rule, lines)
        _read_rule(gathered, rule, disks, source, _reasons(lines, rule.line))
    for number, raw in enumerate(lines, start=1):
        if number not in taken and raw.strip() and not raw.lstrip().startswith("#"):
            gathered.leave(f"{source}:{number}", raw.strip(), "udev would not take this line")
    return named(gathered, text, source)


def _read_rule(
    gathered: Gathered, rule: Rule, disks: list[Disk], source: str, reasons: dict[str, str]
) -> None:
    place = f"{source}:{rule.line}"
    sets = [token for token in rule.tokens if token.operator not in _MATCHES]
    applies = {disk.name: evaluate(rule, disk) for disk in disks}
    for token in sets:
        said = _written(token)
        knob = _ATTRIBUTES.get(token.detail) if token.key == "ATTR" else None
        if knob is None:
            gathered.leave(place, said, "this tool has no knob for it")
            continue
        meant = [name for name, result in applies.items() if result]
        if meant:
            values: list[tuple[str, str | None, str]] = [
                (knob.id, name, token.value) for name in meant
            ]
            gathered.knobs(place, said, values, reasons.get(token.detail, ""))
        elif None in applies.values():
            gathered.leave(place, said, "whether it applies cannot be told from sysfs alone")
        else:
            gathered.leave(place, said, "it applies to no disk that is there")
    if not sets:
        gathered.follow(place, "a rule", "sets nothing")


def _written(token: Token) -> str:
    detail = f"{{{token.detail}}}" if token.detail else ""
    return f'{token.key}{detail}{token.operator}"{token.value}"'


def _lines_of(rule: Rule, lines: list[str]) -> set[int]:
    """The numbers of a rule's lines: it goes on after a backslash at the end."""
    number = rule.line
    while number < len(lines) and lines[number - 1].endswith("\\"):
        number += 1
    return set(range(rule.line, number + 1))


def _reasons(lines: list[str], number: int) -> dict[str, str]:
    """The comments before a rule that say of an attribute why: `# queue/scheduler: why`."""
    found: dict[str, str] = {}
    for raw in reversed(lines[: number - 1]):
        attribute, colon, why = raw.lstrip("# ").partition(": ")
        if not raw.startswith("#") or not colon:
            break
        found[attribute] = reason_of(why)
    return found


def _attributes(host: Host, name: str) -> Callable[[str], str | None]:
    def read(attribute: str) -> str | None:
        try:
            return host.read(f"/sys/block/{name}/{attribute}").rstrip()
        except (OSError, ValueError):
            return None

    return read
