"""Which rule of udev sets an attribute of a disk's queue, when the disk is added at boot.

Rules are followed as udev does, as far as sysfs alone can tell: a rule whose matches cannot all be
evaluated from here may or may not apply, and so may all that it jumps over. An attribute is written
again by each rule that applies, so the last one stands; `:=` is no different for attributes, as
udev 252 says itself ("assuming '='").
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.boot_files import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

# In the order in which they hide each other.
DIRECTORIES = (
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
)

_TOKEN = re.compile(
    r"\s*([A-Z_]+)(?:\{([^}]*)\})?\s*(==|!=|\+=|-=|:=|=)\s*([ei]*)\"((?:[^\"\\]|\\.)*)\"\s*,?"
)
_MATCHES = ("==", "!=")
# Queue attributes that rules change, so that what is there now is not what a rule will see.
_CHANGEABLE = re.compile(r"queue/(?!rotational|hw_sector_size|physical_block_size)")


class Token(NamedTuple):
    """One part of a rule: `ATTR{queue/scheduler}="none"`."""

    key: str
    detail: str
    operator: str
    value: str
    flags: str


class Rule(NamedTuple):
    """One rule and the number of its first line."""

    line: int
    tokens: tuple[Token, ...]

    def last(self, key: str) -> str:
        """What it assigns to `GOTO` or `LABEL`, "" for nothing."""
        found = [token.value for token in self.tokens if token.key == key]
        return found[-1] if found else ""


class Disk(NamedTuple):
    """A disk as rules see it: its name, and a reader of its attributes (None for missing)."""

    name: str
    attribute: Callable[[str], str | None]


class Rules:
    """The rules of a machine that have to do with some attributes.

    Args:
        texts: (path, text) of the files, in the order in which they are read.
        attributes: The attributes of disks that are asked for.
    """

    def __init__(self, texts: Iterable[tuple[str, str]], attributes: Collection[str]) -> None:
        self._attributes = attributes
        self._files = [
            (file, tuple(parse_rules(text)))
            for file, text in texts
            if any(f"ATTR{{{attribute}}}" in text for attribute in attributes)
        ]

    @property
    def empty(self) -> bool:
        """Whether no rule sets any of the attributes on any disk."""
        return not self._files

    def lines(self, disk: Disk) -> Mapping[str, list[Owner]]:
        """The rules that set each attribute of this disk, if any do: the last one stands.

        One that may apply, and then sets what is set already, changes nothing: it comes before.
        """
        found: dict[str, list[Owner]] = {}
        for file, rules in self._files:
            for attribute, owner in self._set_in(file, rules, disk):
                before = found.setdefault(attribute, [])
                adds = owner.certain or not before or before[-1].value != owner.value
                before.insert(len(before) if adds else len(before) - 1, owner)
        return found

    def _set_in(self, file: str, rules: Iterable[Rule], disk: Disk) -> Iterator[tuple[str, Owner]]:
        """What one file sets, in its order; labels do not reach beyond it."""
        jump = ""
        perhaps: set[str] = set()
        for rule in rules:
            label = rule.last("LABEL")
            perhaps.discard(label)
            if jump and jump != label:
                continue
            jump = ""
            applies = evaluate(rule, disk)
            if applies is False:
                continue
            certain = applies is True and not perhaps
            for token in rule.tokens:
                sets = token.key == "ATTR" and token.operator not in _MATCHES
                if sets and token.detail in self._attributes:
                    plain = not set(token.value) & set("$%\\")
                    yield token.detail, Owner(file, rule.line, token.value, certain and plain)
            goto = rule.last("GOTO")
            if goto and certain:
                jump = goto
            elif goto:
                perhaps.add(goto)


def evaluate(rule: Rule, disk: Disk) -> bool | None:
    """Whether a rule applies to a disk that is added; None where that cannot be told."""
    unknown = False
    for token in rule.tokens:
        if token.operator in _MATCHES:
            result = _evaluate(token, disk)
            if result is False:
                return False
            unknown = unknown or result is None
    return None if unknown else True


def _evaluate(token: Token, disk: Disk) -> bool | None:
    known = {"ACTION": "add", "SUBSYSTEM": "block", "KERNEL": disk.name.replace("!", "/")}
    own: str | None
    if token.key in known:
        own = known[token.key]
    elif token.key == "ENV" and token.detail == "DEVTYPE":
        own = "disk"
    elif token.key == "ATTR" and not token.detail.startswith("["):
        if _CHANGEABLE.match(token.detail):
            return None
        own = disk.attribute(token.detail)
        if own is None:
            return False
    else:
        return None
    if token.flags or "\\" in token.value or "$" in token.value:
        return None
    same = any(fnmatch.fnmatchcase(own, part) for part in token.value.split("|"))
    return same == (token.operator == "==")


def parse_rules(text: str) -> Iterator[Rule]:
    """Read a file of rules; a line that udev would not take either is passed over."""
    begun, held = 0, ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.lstrip()
        if line.startswith("#") or (not line and not held):
            continue
        begun = begun or number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        rule = _rule(begun, held + line)
        if rule is not None:
            yield rule
        begun, held = 0, ""


def _rule(number: int, line: str) -> Rule | None:
    tokens, at = [], 0
    while at < len(line.rstrip()):
        found = _TOKEN.match(line, at)
        if found is None:
            return None
        tokens.append(Token(found[1], found[2] or "", found[3], found[5], found[4]))
        at = found.end()
    return Rule(number, tuple(tokens)) if tokens else None
