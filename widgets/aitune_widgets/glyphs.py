"""The few signs the screens use, and their ASCII forms.

A sign is one cell wide and has no emoji form. In ASCII mode the same screens are drawn with
`to_ascii`, one character for one, so that no column moves.
"""

from __future__ import annotations

from typing import Final

GLYPHS: Final[dict[str, str]] = {
    "ok": "✓",
    "differs": "▲",
    "inert": "○",
    "absent": "–",
    "info": "·",
    "staged": "◆",
    "trial": "◐",
    "failed": "✗",
    "drifted": "≠",
    "partial": "▲",
    "arrow": "→",
    "event": "▸",
    "cursor": "▌",
    "alarm": "!",
    "focus": "━",
    "rule": "─",
    "marker": "┊",
    "star": "★",
    "more": "↓",
    "less": "↑",
    "unknown": "–",
    "dot": "·",
}
"""Name of a sign -> the sign. `partial` is `differs` with another word beside it."""

_ASCII_FORMS: Final[dict[str, str]] = {
    "✓": "+", "▲": "!", "○": "o", "–": "-", "—": "-", "·": ".", "◆": "*", "◐": "@", "✗": "x",
    "≠": "#", "→": ">", "←": "<", "▸": ">", "▌": ">", "━": "=", "─": "-", "┊": ":", "★": "*",
    "↓": "v", "↑": "^", "│": "|", "┤": "|", "└": "+", "┘": "+", "┌": "+", "┐": "+", "╭": "+",
    "╮": "+", "╰": "+", "╯": "+", "├": "|", "┬": "-", "┴": "-", "×": "x", "…": "~", "•": "o",
    "●": "o", "█": "#", "▓": "%", "▒": "=", "░": ".", "▁": "_", "▂": "_", "▃": "-", "▄": "-",
    "▅": "=", "▆": "=", "▇": "#", "▏": "|", "▎": "|", "▍": "|", "▋": "#", "▊": "#", "▉": "#",
}  # fmt: skip

ASCII: Final[dict[str, str]] = {name: _ASCII_FORMS.get(s, s) for name, s in GLYPHS.items()}
"""Name of a sign -> its ASCII form."""


class _Mode:
    """Whether this process draws in ASCII; set once, when the terminal is known."""

    ascii = False


def use_ascii(on: bool) -> None:
    """Draw everything in ASCII from now on (`TERM=linux`, `--ascii`), or in Unicode again."""
    _Mode.ascii = on


def ascii_only() -> bool:
    """True while everything is drawn in ASCII."""
    return _Mode.ascii


def glyph(name: str) -> str:
    """The sign of this name, in the form that is drawn now.

    Raises:
        KeyError: There is no sign of that name.
    """
    return (ASCII if _Mode.ascii else GLYPHS)[name]


def to_ascii(text: str) -> str:
    """The text with each non-ASCII character replaced by its one-character ASCII form.

    Characters without one become `?`. Every sign here is one cell wide and so is its form; a
    character that takes two cells becomes two of them.
    """
    if text.isascii():
        return text
    from rich.cells import cell_len

    return "".join(
        c if c.isascii() else _ASCII_FORMS.get(c) or "?" * max(1, cell_len(c)) for c in text
    )
