"""The text of the files that are read at boot, and back again: pure, one pair of functions a file.

Four programs read them: systemd-sysctl, udev, systemd-tmpfiles and systemd-modules-load. A file of
ours says of each line who kept it, in a comment before it; the same lines give the same bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SYSCTL = "sysctl"
UDEV = "udev"
TMPFILES = "tmpfiles"
MODULES = "modules"

# Below /etc.
FILES = {
    SYSCTL: "sysctl.d/95-aitune.conf",
    UDEV: "udev/rules.d/95-aitune.rules",
    TMPFILES: "tmpfiles.d/95-aitune.conf",
    MODULES: "modules-load.d/95-aitune.conf",
}

HEADER = """\
# Written by aitune-tui: settings that were kept and are to last, read by {reader} at boot.
# Take one out with `aitune-tui unpersist KNOB`. Edited by hand, it is left alone from then on.
"""

_SYSCTL_LINE = re.compile(r"([A-Za-z0-9_.-]+) = (\S+)")
_TMPFILES_LINE = re.compile(r"w (/sys/\S+) - - - - (\S+)")
_MODULES_LINE = re.compile(r"[a-z0-9_]+")

_ON_DISKS = 'ACTION=="add|change", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk"'
_MATCH = r'ATTR\{[a-z_/]+\}=="[A-Za-z0-9._:?-]+"'
_UDEV_LINE = re.compile(rf"{re.escape(_ON_DISKS)}, ({_MATCH})((?:, ATTR\{{\S+?\}}=\"\S*?\")+)")
_UDEV_SETS = re.compile(r', ATTR\{(\S+?)\}="(\S*?)"')
_UDEV_WHY = re.compile(r"# (queue/[a-z_]+): (.*)")
# A scheduler resets the queue length; read-ahead may follow the largest request, so it comes last.
_UDEV_ORDER = {"queue/scheduler": 0, "queue/nr_requests": 1, "queue/read_ahead_kb": 3}
_UDEV_OTHERS = 2

_FIRST = ("/sys/kernel/mm/hugepages/", "/sys/devices/system/cpu/intel_pstate/no_turbo")

_IDENTITY_MAX = 200
_LITERAL = re.compile(r"[A-Za-z0-9._:-]")
_UNITS = (("G", 2**20), ("M", 2**10), ("K", 1))


class Line(NamedTuple):
    """One setting in a file: its value ("" for a module), and who kept it."""

    value: str
    why: str


# By key: a sysctl's name, a path, a disk's match with an attribute, a module.
Lines = dict[str, Line]


def render_sysctl(lines: Mapping[str, Line], header: str = HEADER) -> str:
    """The file for sysctl.d; keys are the dotted names of sysctls."""
    body = "".join(
        f"\n# {plain(line.why)}\n{key} = {line.value}\n" for key, line in sorted(lines.items())
    )
    return header.format(reader="systemd-sysctl") + body


def parse_sysctl(text: str) -> Lines:
    """Read what `render_sysctl` wrote."""
    return _parse(text, _SYSCTL_LINE)


def render_tmpfiles(lines: Mapping[str, Line], header: str = HEADER) -> str:
    """The file for tmpfiles.d; keys are paths below /sys.

    A pool's total comes before its nodes, since the kernel spreads a total over them; turbo comes
    before the shares that it moves. The alphabet has everything else come as it must: energy
    preferences before governors (EBUSY under `performance`), boost before the limits that it moves,
    the most before the least (at boot the most is as high as it can be), a compressor before what
    compresses with it.
    """
    ordered = sorted(lines.items(), key=lambda pair: (not pair[0].startswith(_FIRST), pair[0]))
    body = "".join(
        f"\n# {plain(line.why)}\nw {path} - - - - {line.value}\n" for path, line in ordered
    )
    return header.format(reader="systemd-tmpfiles") + body


def parse_tmpfiles(text: str) -> Lines:
    """Read what `render_tmpfiles` wrote."""
    return _parse(text, _TMPFILES_LINE)


def render_modules(lines: Mapping[str, Line], header: str = HEADER) -> str:
    """The file for modules-load.d; keys are names of modules, values are empty."""
    body = "".join(f"\n# {plain(line.why)}\n{name}\n" for name, line in sorted(lines.items()))
    return header.format(reader="systemd-modules-load") + body


def parse_modules(text: str) -> Lines:
    """Read what `render_modules` wrote."""
    return _parse(text, _MODULES_LINE)


def render_udev(lines: Mapping[str, Line], header: str = HEADER) -> str:
    """The file for udev's rules.d: one rule a disk; keys are those of `udev_key`."""
    disks: dict[str, list[tuple[str, Line]]] = {}
    for key, line in lines.items():
        match, attribute = split_udev_key(key)
        disks.setdefault(match, []).append((attribute, line))
    body = ""
    for match, settings in sorted(disks.items()):
        ordered = sorted(settings, key=_udev_rank)
        whys = "".join(f"# {attribute}: {plain(line.why)}\n" for attribute, line in ordered)
        sets = "".join(f', ATTR{{{attribute}}}="{line.value}"' for attribute, line in ordered)
        body += f"\n{whys}{_ON_DISKS}, {match}{sets}\n"
    return header.format(reader="udev") + body


def parse_udev(text: str) -> Lines:
    """Read what `render_udev` wrote."""
    lines: Lines = {}
    whys: dict[str, str] = {}
    for raw in text.splitlines():
        why = _UDEV_WHY.fullmatch(raw)
        if why is not None:
            whys[why[1]] = why[2]
        rule = _UDEV_LINE.fullmatch(raw)
        if rule is not None:
            for attribute, value in _UDEV_SETS.findall(rule[2]):
                lines[udev_key(rule[1], attribute)] = Line(value, whys.get(attribute, ""))
            whys = {}
    return lines


def plain(text: str) -> str:
    """Text for a comment, which can neither end it nor act on a terminal."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


def udev_match(file: str, identity: str) -> str | None:
    """How a rule tells one disk from all others: `ATTR{wwid}=="eui.0025385b21404f12"`.

    Args:
        file: Where the identity is read, below the disk's directory in sysfs.
        identity: What stands there; it comes from the device, so nothing of it but letters,
            digits and `._:-` is taken literally. Any other character becomes `?`, which udev
            takes for any one character.

    Returns:
        The match; None where the text names no disk: nothing literal, not ASCII, or overlong.
    """
    text = identity.strip()
    if not text.isascii() or len(text) > _IDENTITY_MAX:
        return None
    pattern = "".join(char if _LITERAL.match(char) else "?" for char in text)
    if not any(char.isalnum() and char != "0" for char in pattern):
        return None
    return f'ATTR{{{file}}}=="{pattern}"'


def udev_key(match: str, attribute: str) -> str:
    """The key of one attribute of one disk: the match, a blank, `queue/scheduler`."""
    return f"{match} {attribute}"


def split_udev_key(key: str) -> tuple[str, str]:
    """The match and the attribute of a key."""
    match, _, attribute = key.rpartition(" ")
    return match, attribute


def is_udev_match(text: str) -> bool:
    """Whether `text` is a match as `udev_match` makes it."""
    return re.fullmatch(_MATCH, text) is not None


def command_line(size_kib: int, total: str, nodes: Sequence[tuple[str, str]] = ()) -> str:
    """The words of the kernel command line that reserve huge pages at boot.

    Args:
        size_kib: Size of a page.
        total: Pages of the machine; ignored where nodes are given.
        nodes: (`node0`, pages) of each node; kernels before 5.16 take no such list.
    """
    unit, kib = next((unit, kib) for unit, kib in _UNITS if size_kib % kib == 0)
    pages = ",".join(f"{node[len('node') :]}:{pages}" for node, pages in nodes) or total
    return f"hugepagesz={size_kib // kib}{unit} hugepages={pages}"


class Format(NamedTuple):
    """How one of the files is written and read."""

    render: Callable[[Mapping[str, Line]], str]
    parse: Callable[[str], Lines]


FORMATS = {
    SYSCTL: Format(render_sysctl, parse_sysctl),
    UDEV: Format(render_udev, parse_udev),
    TMPFILES: Format(render_tmpfiles, parse_tmpfiles),
    MODULES: Format(render_modules, parse_modules),
}


def _parse(text: str, shape: re.Pattern[str]) -> Lines:
    """Lines of one shape: `KEY VALUE` in groups, or a key alone; a comment before says who."""
    lines: Lines = {}
    why = ""
    for raw in text.splitlines():
        if raw.startswith("# "):
            why = raw[2:]
        found = shape.fullmatch(raw)
        if found is not None:
            key, value = found.groups() if found.groups() else (found[0], "")
            lines[key] = Line(value, why)
            why = ""
    return lines


def _udev_rank(setting: tuple[str, Line]) -> tuple[int, str]:
    return _UDEV_ORDER.get(setting[0], _UDEV_OTHERS), setting[0]
