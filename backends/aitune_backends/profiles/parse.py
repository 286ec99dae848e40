"""Reading a profile: wanted values by name, as TOML.

[profile]
name = "quiet"
title = "Quiet reclaim"
text = "Why somebody wants this."

[settings]
"vm.swappiness" = { value = 10, reason = "A model must not push out its own server." }
"block.read_ahead_kb" = { value = 1024, bound = "at least" }
"cpu.governor@policy3" = "performance"
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aitune_backends.changes import (
    AT_LEAST,
    AT_MOST,
    ChangeError,
    Wanted,
    parse_target,
    shown,
    wanted,
)
from aitune_backends.foreign import clean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_BYTES = 1 << 16
# TOML's reader takes the square of a name's parts, in time and in memory.
_MOST_PARTS = 100
_DOT = re.compile(r"[\w\"'-][ \t]*\.(?=[ \t]*[\w\"'-])")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PROFILE_KEYS = ("name", "title", "text")
_TABLES = ("profile", "settings")
_SETTING_KEYS = ("value", "reason", "bound")


class ProfileError(ValueError):
    """A profile cannot be used; its text is one sentence that says where and why."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Wanted values by name.

    Attributes:
        name: The name by which it is called.
        title: A few words for a list.
        text: What it is for, and what is true of it.
        wanted: The values, in the order of the file, which is the order of writing.
        source: The file it comes from, or `built in`.
    """

    name: str
    title: str
    text: str
    wanted: tuple[Wanted, ...]
    source: str


def parse_profile(text: str, *, name: str, source: str) -> Profile:
    """Read a profile.

    Args:
        text: The TOML.
        name: Its name where the file gives none.
        source: Where the text comes from, for the sentence of an error.

    Raises:
        ProfileError: It is no TOML, or a key or a value in it is not understood.
    """
    _refuse_enormous(text, source)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"{source} is no TOML: {_why_no_toml(error)}.") from None
    _refuse_others(document, _TABLES, text, source, "table")
    about = _table(document, "profile", source)
    _refuse_others(about, _PROFILE_KEYS, text, source, "key")
    settings = _table(document, "settings", source)
    if not settings:
        raise ProfileError(f"{source} wants nothing: its table [settings] is missing or empty.")
    own_name = _string(about, "name", text, source) or name
    if NAME.fullmatch(own_name) is None:
        raise ProfileError(
            f'{_place(text, "name", source)}: "{shown(own_name)}" is no name for a profile; '
            "use lower-case letters, digits, - and _."
        )
    return Profile(
        name=own_name,
        title=" ".join(_string(about, "title", text, source).split()) or own_name,
        text=" ".join(_string(about, "text", text, source).split()),
        wanted=tuple(_setting(key, value, text, source) for key, value in settings.items()),
        source=source,
    )


def _refuse_enormous(text: str, source: str) -> None:
    """Refuse what the reader of TOML would need minutes and gigabytes for.

    Raises:
        ProfileError: It is larger than any profile, or a line has hundreds of names in names.
    """
    if len(text.encode(errors="surrogatepass")) > LONGEST_BYTES:
        most = f"{LONGEST_BYTES >> 10} KiB at most"
        raise ProfileError(f"{source} is larger than any profile: {most}.")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_PARTS and len(_DOT.findall(line)) > _MOST_PARTS:
            most = f"more than {_MOST_PARTS} dots between words of one line"
            raise ProfileError(f"{source}, line {number}: {most}; break it.")


def _setting(key: str, given: object, text: str, source: str) -> Wanted:
    place = _place(text, key, source)
    value, about = given, {}
    if isinstance(given, dict):
        value, about = given.get("value"), given
        if "value" not in given:
            meant = _dotted(key, given)
            raise ProfileError(
                f"{_place(text, meant, source)}: {shown(meant)} has no value; write "
                f'"{shown(meant)}" = {{ value = 10, reason = "why" }}, the name in quotes.'
            )
        _refuse_others(about, _SETTING_KEYS, text, source, f"of {shown(key)} the key")
    try:
        knob, instance = parse_target(key)
        found = wanted(knob, instance, _value(value))
    except (ChangeError, TypeError) as error:
        said = str(error) or f"{shown(key)} needs a number or a word"
        raise ProfileError(f"{place}: {said.rstrip('.')}.") from None
    reason, bound = (_string(about, name, text, source, place) for name in ("reason", "bound"))
    if bound and (bound not in (AT_LEAST, AT_MOST) or not found.value.isdecimal()):
        raise ProfileError(
            f'{place}: bound is "{AT_LEAST}" or "{AT_MOST}", and is said of a number only.'
        )
    where = f"{source}:{line}" if (line := _line(text, key)) else source
    return replace(found, reason=" ".join(clean(reason).split()), place=where, bound=bound)


def _value(value: object) -> str:
    """A value as it is typed.

    Raises:
        TypeError: It is neither a number nor a word.
    """
    # A bool is an int to Python, but `true` is no value of any setting.
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    # No setting has more digits, and Python refuses to write thousands of them.
    return value if isinstance(value, str) else str(max(-(10**30), min(value, 10**30)))


def _dotted(key: str, given: Mapping[str, object]) -> str:
    """The name that was meant: TOML reads `vm.swappiness` without quotes as a table in a table."""
    if "." in key:
        return key
    return ".".join((key, *list(given)[:1]))


def _table(document: Mapping[str, object], name: str, source: str) -> Mapping[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ProfileError(f"{source}: {name} is a table, written as [{name}].")
    return table


def _string(about: Mapping[str, object], key: str, text: str, source: str, place: str = "") -> str:
    value = about.get(key, "")
    if not isinstance(value, str):
        raise ProfileError(f"{place or _place(text, key, source)}: {key} is a text, in quotes.")
    return value


def _refuse_others(
    table: Mapping[str, object], known: tuple[str, ...], text: str, source: str, kind: str
) -> None:
    for key in table:
        if key not in known:
            raise ProfileError(
                f"{_place(text, key, source)}: {kind} {shown(key)} is not known; "
                f"there are {' and '.join(known)}."
            )


def _place(text: str, key: str, source: str) -> str:
    """The file and, where the key is found as it stands, the line."""
    number = _line(text, key)
    return f"{source}, line {number}" if number else source


def _line(text: str, key: str) -> int:
    """The line in which a key or a table stands, 0 where it is not found as it is."""
    name = rf"^[ \t]*\[?[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=\].]"
    found = re.search(name, text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def _why_no_toml(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested without end"
    if not isinstance(error, tomllib.TOMLDecodeError):
        return "a number in it has thousands of digits"
    said = str(error)
    hint = "; give each name once" if said.startswith("Cannot") else ""
    return said[:1].lower() + said[1:] + hint
