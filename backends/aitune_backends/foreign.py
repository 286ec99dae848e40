"""Text that somebody else chose, made fit to be shown on one line of ours.

A file, a device, a process or a client may say anything: escape sequences, line feeds that begin a
line of their own, marks that pile up, letters that turn the line around. Whatever is not one
visible character in its place becomes `?`. JSON carries the text itself, escaped.
"""

from __future__ import annotations

import json
import unicodedata


def clean(text: str) -> str:
    """The text with every character that acts instead of being seen as `?`, line feeds too."""
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text)  # é is one letter, however it is written
    return "".join(char if _is_seen(char) else "?" for char in text)


def _is_seen(char: str) -> bool:
    """Whether a character is visible, and alone in its place: marks pile up on others."""
    return char.isprintable() and not unicodedata.category(char).startswith("M")


def read_json(text: str | bytes) -> object:
    """Read JSON that another process wrote, every string in it made fit to be shown.

    Raises:
        ValueError: It is no JSON, or nested without end.
    """
    try:
        return _cleaned(json.loads(text))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    if isinstance(value, dict):
        return {clean(name): _cleaned(part) for name, part in value.items()}
    return value
