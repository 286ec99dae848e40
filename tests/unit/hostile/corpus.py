"""Strings that somebody else chose: each wants to move a cursor, forge a line or paint a screen.

What a machine, a file or a client says is shown with none of it having an effect. `check_shown`
is what that means: it is the one judge of every test here and of the dashboard's.
"""

from __future__ import annotations

import unicodedata

FORGED = "FORGED"
"""What a line would begin with, if a foreign text could begin one."""

CORPUS = {
    "clear": f"\x1b[2J\x1b[H{FORGED}\x1b[1A\r{FORGED}",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07x\x1b]52;c;cm0=\x1b\\",
    "title": '\x1b]0;root@elsewhere\x07\x1bP$q"p\x1b\\',
    "c1": f"\x9b2J\x9d0;x\x9c\x90q\x85{FORGED}",
    "newline": f"x\n{FORGED} all is kept",
    "return": f"x\r{FORGED}\x0b{FORGED}\x0c{FORGED}\x1c{FORGED}\x1e{FORGED}",
    "bells": "\x07\x08\x08\x7f\x0e\x0f\x05",
    "bidi": f"\u202e{FORGED[::-1]}\u202c\u2067x\u2069\u200f\u061c",
    "invisible": "a\u200bb\u200d\u2060\ufeff\u00ad\U000e0041\U000e007f",
    "separators": f"x\u2028{FORGED}\u2029{FORGED}",
    "flood": "z" + "\u0301\u0489\u20dd" * 400,
    "markup": "[red on white]x[/] [link=file:///etc/shadow]y[/link] [@click=app.quit]z[/] [/nope]",
    "broken-markup": "[[[bold][/b] \\[ [$",
    "format": "%s%n%p {0} {x!r} $(id) `id` ${HOME} <b>&amp;",
    "long": "W" * 4096,
    "digits": "１２٣" * 8,
}
"""Texts by name."""

RAW = {
    **{name: text.encode() for name, text in CORPUS.items()},
    "nul": b"a\0b\0\n",
    "not-utf8": b"\xff\xfe\x1b[2J\xc0\xaf\xed\xb0\x9b\x9b31m\x9d0;x\x9c",
}
"""Bytes by name: what a file may hold."""

_LINE_FEED = "\n"
# Format characters, private and unassigned ones, surrogates, separators; and marks that pile up.
_ACTING = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc"))


def acting(text: str) -> set[str]:
    """The characters of a text that a terminal acts on instead of showing them."""
    return {char for char in text if char != _LINE_FEED and unicodedata.category(char) in _ACTING}


def check_shown(text: str) -> None:
    """A text that reached a terminal or a log does nothing there, and begins no line of its own.

    Raises:
        AssertionError: It does; with the characters or the line.
    """
    assert not acting(text), sorted(map(ascii, acting(text)))
    forged = [line for line in text.split(_LINE_FEED) if line.strip(" │|").startswith(FORGED)]
    assert forged == []
