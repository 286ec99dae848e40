"""Which line of modprobe.d gives a module an option when it is loaded: the last one.

Read in modprobe.d(5) and kmod's `libkmod-config.c`: files of one name hide each other as for
systemd, all are read in the order of their names, options of one module add up, and those of the
kernel's command line (`zswap.enabled=1`) come after them. A part that is built into the kernel
never sees any of this.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.boot_files import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# In the order in which they hide each other.
DIRECTORIES = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)

_BOOLEANS = {"Y": "1", "y": "1", "N": "0", "n": "0"}


class Option(NamedTuple):
    """One option: the number of its line, the module, the option's name and its value."""

    line: int
    module: str
    name: str
    value: str


def lines(texts: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], list[Owner]]:
    """The lines that set each option, by module and name: the last one stands."""
    found: dict[tuple[str, str], list[Owner]] = {}
    for path, text in texts:
        for option in parse_modprobe(text) if "options" in text else ():
            owner = Owner(path, option.line, _BOOLEANS.get(option.value, option.value))
            found.setdefault((option.module, option.name), []).append(owner)
    return found


def parse_modprobe(text: str) -> tuple[Option, ...]:
    """Read the `options` lines of one file; a line that ends in a backslash goes on."""
    found = []
    begun, held = 0, ""
    for number, raw in enumerate(text.splitlines(), start=1):
        begun = begun or number
        if raw.endswith("\\"):
            held += raw[:-1]
            continue
        found += _options(begun, held + raw)
        begun, held = 0, ""
    return (*found, *_options(begun, held))


def _options(number: int, line: str) -> list[Option]:
    words = re.split(r"\s+", line.strip(), maxsplit=2)
    if len(words) < 3 or words[0] != "options":
        return []
    module = words[1].replace("-", "_")
    try:
        parts = shlex.split(words[2])
    except ValueError:  # quotes that do not end
        parts = words[2].split()
    found = []
    for part in parts:
        name, equals, value = part.partition("=")
        # A name alone switches a boolean on.
        found.append(Option(number, module, name.replace("-", "_"), value if equals else "1"))
    return found
