"""From a file below /proc or /sys, perhaps a pattern, to the knob that is set there.

Tools of others name files; a profile of ours names knobs. `/sys/block/*/queue/scheduler` is
`block.scheduler`, on every disk; a pattern for some disks needs the names of those there are.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper.knobs import KNOBS, Knob, instance_is_well_formed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Names = Callable[[str], Sequence[str]]

_ALIASES = (
    # Each core's link to its policy. Without a pattern it is one core's, and which policy that is
    # only the machine knows.
    (re.compile(r"/sys/devices/system/cpu/cpu(\*|\[0-9\]\*)/cpufreq/"),
     "/sys/devices/system/cpu/cpufreq/policy*/"),
    (re.compile(r"/sys/devices/system/cpu/cpufreq/policy\[0-9\]\*/"),
     "/sys/devices/system/cpu/cpufreq/policy*/"),
    (re.compile(r"/sys/class/block/"), "/sys/block/"),
)  # fmt: skip
_PATTERN = re.compile(r"[*?\[]")
_LONGEST_PATTERN = 200


class NoKnob(ValueError):  # noqa: N818  no error: it says why a line is left out
    """A file is no knob's; why, in half a sentence."""


class Place(NamedTuple):
    """What a path stands for: a knob, and one instance of it or None for all."""

    knob: Knob
    instance: str | None


def unlisted(_directory: str) -> tuple[str, ...]:
    """Stands for a machine that nobody asked: no directory has any names."""
    return ()


def sysctl_path(name: str) -> str:
    """The file of a sysctl by its name, which may have dots or slashes: `vm.swappiness`."""
    first = re.search(r"[./]", name)
    if first is not None and first[0] == "/":
        return "/proc/sys/" + name
    return "/proc/sys/" + name.translate(str.maketrans("./", "/."))


def places_of(path: str, names: Names = unlisted) -> tuple[Place, ...]:
    """The targets that a path means.

    Args:
        path: An absolute path, which may have patterns of the shell.
        names: Lists a directory of the machine that the path is for; empty where there is none.

    Raises:
        NoKnob: It is no knob's, or nobody can say whose.
    """
    path = posixpath.normpath(path)
    for pattern, plain in _ALIASES:
        path = pattern.sub(plain, path, count=1)
    for knob, grammar in _grammars():
        found = grammar.fullmatch(path)
        if found is None:
            continue
        part = found["instance"] if "instance" in grammar.groupindex else ""
        return _places(knob, part, names)
    raise NoKnob("this tool has no knob for it")


@lru_cache(maxsize=1)
def _grammars() -> tuple[tuple[Knob, re.Pattern[str]], ...]:
    """Every offered knob with the pattern of its file; a quantity's total is one more."""
    found = []
    for knob in KNOBS.values():
        if knob.offered:
            before, brace, after = knob.path.partition("{instance}")
            middle = "(?P<instance>[^/]+)" if brace else ""
            found.append((knob, re.compile(re.escape(before) + middle + re.escape(after))))
        if knob.offered and knob.total_path:
            found.append((knob, re.compile(re.escape(knob.total_path))))
    return tuple(found)


def _places(knob: Knob, part: str, names: Names) -> tuple[Place, ...]:
    if not part:
        return (Place(knob, None),)
    if _PATTERN.search(part) is None:
        if not instance_is_well_formed(knob, part):
            raise NoKnob(f"{knob.id} cannot have an instance of this name")
        return (Place(knob, part),)
    if not knob.quantity and part in ("*", f"{knob.scope}*", f"{knob.scope}[0-9]*"):
        return (Place(knob, None),)
    if len(part) > _LONGEST_PATTERN:
        raise NoKnob("its pattern is longer than any name")
    # What comes before the instance: `…/hugepages-` of `…/hugepages-64kB`.
    directory, _, prefix = knob.path.partition("{instance}")[0].rpartition("/")
    listed = (name[len(prefix) :] for name in names(directory) if name.startswith(prefix))
    present = [
        name
        for name in listed
        if fnmatch.fnmatchcase(name, part) and instance_is_well_formed(knob, name)
    ]
    if not present:
        raise NoKnob("no instance that its pattern would mean is known here")
    return tuple(Place(knob, name) for name in present)
