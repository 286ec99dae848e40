"""Reading a profile: wanted values by name, as TOML.

[profile]
name = "quiet"
title = "Quiet reclaim"
text = "Why somebody wants this."

[settings]
"vm.swappiness" = 10
"cpu.governor@policy3" = "performance"
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.changes import ChangeError, Wanted, parse_target, shown, wanted

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PROFILE_KEYS = ("name", "title", "text")
_TABLES = ("profile", "settings")


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
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{source} is no TOML: {_lower_first(str(error))}.") from None
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


def _setting(key: str, value: object, text: str, source: str) -> Wanted:
    # A bool is an int to Python, but `true` is no value of any setting.
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ProfileError(f"{_place(text, key, source)}: {shown(key)} needs a number or a word.")
    try:
        knob, instance = parse_target(key)
        return wanted(knob, instance, str(value))
    except ChangeError as error:
        raise ProfileError(f"{_place(text, key, source)}: {error}") from None


def _table(document: Mapping[str, object], name: str, source: str) -> Mapping[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ProfileError(f"{source}: {name} is a table, written as [{name}].")
    return table


def _string(about: Mapping[str, object], key: str, text: str, source: str) -> str:
    value = about.get(key, "")
    if not isinstance(value, str):
        raise ProfileError(f"{_place(text, key, source)}: {key} is a text, in quotes.")
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
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"\s*\[?\s*[\"']?{re.escape(key)}\b", line):
            return f"{source}, line {number}"
    return source


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
