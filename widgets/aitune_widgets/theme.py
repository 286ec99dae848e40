"""Colours by meaning: tones, the three palettes, and the Textual themes that carry them.

Cool tones are data, warm ones ask for the operator, violet is staged and green is only the tick.
Nothing outside this module names a colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from rich.style import Style
from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.widget import Widget

Tone = Literal[
    "fg",
    "strong",
    "dim",
    "dim-bold",
    "faint",
    "track",
    "rule",
    "focus",
    "focus-bold",
    "ok",
    "differs",
    "differs-bold",
    "failed",
    "failed-bold",
    "staged",
    "staged-bold",
    "used",
    "cache",
    "cache-bold",
    "huge",
    "available",
    "load-edge",
    "chip-host",
    "chip-staged",
    "chip-trial",
    "chip-urgent",
    "chip-alarm",
    "chip-plain",
    "core-cursor",
]
"""What a piece of text means. `*-bold` says the same, louder; `chip-*` carry a ground."""

Ground = Literal["", "cursor", "trial", "trial-urgent"]
"""What lies under a whole line: nothing of its own, the cursor row, or the trial band."""

TONES: Final[tuple[Tone, ...]] = get_args(Tone)

_BG = "#0d1117"
_TRUECOLOR: Final[dict[Tone, Style]] = {
    "fg": Style(color="#c4cdd7"),
    "strong": Style(color="#f3f6f9", bold=True),
    "dim": Style(color="#8a96a5"),
    "dim-bold": Style(color="#8a96a5", bold=True),
    "faint": Style(color="#4a5667"),
    "track": Style(color="#2a3442"),
    "rule": Style(color="#333f4e"),
    "focus": Style(color="#4cc2ff"),
    "focus-bold": Style(color="#4cc2ff", bold=True),
    "ok": Style(color="#74c17a"),
    "differs": Style(color="#e6ac3c"),
    "differs-bold": Style(color="#e6ac3c", bold=True),
    "failed": Style(color="#ff6b62"),
    "failed-bold": Style(color="#ff6b62", bold=True),
    "staged": Style(color="#cf9bf2"),
    "staged-bold": Style(color="#cf9bf2", bold=True),
    "used": Style(color="#43bfaa"),
    "cache": Style(color="#5a88e0"),
    "cache-bold": Style(color="#5a88e0", bold=True),
    "huge": Style(color="#8f9ae0"),
    "available": Style(color="#e9eef4"),
    "load-edge": Style(color="#5a88e0", bgcolor="#2a3442"),
    "chip-host": Style(color=_BG, bgcolor="#f3f6f9", bold=True),
    "chip-staged": Style(color="#f3f6f9", bgcolor="#5b3b78", bold=True),
    "chip-trial": Style(color=_BG, bgcolor="#e6ac3c", bold=True),
    "chip-urgent": Style(color="#f3f6f9", bgcolor="#d9463d", bold=True),
    "chip-alarm": Style(color="#f3f6f9", bgcolor="#d9463d", bold=True),
    "chip-plain": Style(color="#f3f6f9", bgcolor="#2a3442", bold=True),
    "core-cursor": Style(color="#1c5f86", bgcolor="#4cc2ff"),
}

_ANSI: Final[dict[Tone, Style]] = {
    "fg": Style(color="default"),
    "strong": Style(color="bright_white", bold=True),
    "dim": Style(color="default"),
    "dim-bold": Style(color="default", bold=True),
    "faint": Style(color="bright_black"),
    "track": Style(color="bright_black"),
    "rule": Style(color="bright_black"),
    "focus": Style(color="bright_cyan", bold=True),
    "focus-bold": Style(color="bright_cyan", bold=True),
    "ok": Style(color="green"),
    "differs": Style(color="yellow"),
    "differs-bold": Style(color="yellow", bold=True),
    "failed": Style(color="bright_red"),
    "failed-bold": Style(color="bright_red", bold=True),
    "staged": Style(color="bright_magenta"),
    "staged-bold": Style(color="bright_magenta", bold=True),
    "used": Style(color="cyan"),
    "cache": Style(color="bright_blue"),
    "cache-bold": Style(color="bright_blue", bold=True),
    "huge": Style(color="magenta"),
    "available": Style(color="bright_white"),
    "load-edge": Style(color="bright_blue"),
    "chip-host": Style(color="black", bgcolor="bright_white", bold=True),
    "chip-staged": Style(color="bright_white", bgcolor="magenta", bold=True),
    "chip-trial": Style(color="black", bgcolor="yellow", bold=True),
    "chip-urgent": Style(color="bright_white", bgcolor="red", bold=True),
    "chip-alarm": Style(color="bright_white", bgcolor="red", bold=True),
    "chip-plain": Style(reverse=True),
    "core-cursor": Style(color="blue", bgcolor="bright_cyan"),
}

_BOLD_WITHOUT_COLOUR: Final[frozenset[Tone]] = frozenset(
    ("strong", "focus", "differs", "failed", "staged")
)


def _without_colour(tone: Tone) -> Style:
    """Bold, dim and reverse alone; textures, glyphs and words say the rest."""
    if tone.startswith(("chip-", "core-cursor")):
        return Style(reverse=True, bold=True)
    if tone in ("rule", "faint", "track"):
        return Style(dim=True)
    return Style(bold=tone in _BOLD_WITHOUT_COLOUR or tone.endswith("-bold"))


_MONO: Final[dict[Tone, Style]] = {tone: _without_colour(tone) for tone in TONES}

_GROUNDS: Final[dict[Ground, Style]] = {
    "": Style(),
    "cursor": Style(bgcolor="#1c2b3d"),
    "trial": Style(bgcolor="#2a2010"),
    "trial-urgent": Style(bgcolor="#331514"),
}
_NO_GROUNDS: Final[dict[Ground, Style]] = {
    "": Style(),
    "cursor": Style(reverse=True),
    "trial": Style(),
    "trial-urgent": Style(),
}


class Palette:
    """One way to show every tone and ground.

    Attributes:
        name: `truecolor`, `ansi` or `mono`.
        tinted: The cursor row is a tint; otherwise it is reversed, loses its colours and has `▸`.
        coloured: Series can be told apart by colour; otherwise they carry letters.
    """

    def __init__(
        self, name: str, tones: Mapping[Tone, Style], grounds: Mapping[Ground, Style]
    ) -> None:
        self.name = name
        self.tones = tones
        self.grounds = grounds
        self.tinted = name == "truecolor"
        self.coloured = name != "mono"

    def style(self, tone: Tone, ground: Ground = "") -> Style:
        """The style of a tone on a ground."""
        if ground == "cursor" and not self.tinted:
            loud = self.tones[tone].bold
            return self.grounds[ground] + Style(bold=True if loud else None)
        return self.grounds[ground] + self.tones[tone]


TRUECOLOR: Final = Palette("truecolor", _TRUECOLOR, _GROUNDS)
SIXTEEN: Final = Palette("ansi", _ANSI, _NO_GROUNDS)
MONO: Final = Palette("mono", _MONO, _NO_GROUNDS)


def palette_of(widget: Widget) -> Palette:
    """The palette that the app's theme and the operator's `NO_COLOR` ask for."""
    app = widget.app
    if app.no_color or app.theme == AITUNE_MONO.name:
        return MONO
    return SIXTEEN if app.native_ansi_color else TRUECOLOR


def style_for(tone: Tone, widget: Widget) -> Style:
    """The style of a tone in the palette in force."""
    return palette_of(widget).style(tone)


AITUNE_DARK: Final = Theme(
    name="aitune-dark",
    primary="#4cc2ff",
    secondary="#5a88e0",
    warning="#e6ac3c",
    error="#ff6b62",
    success="#74c17a",
    accent="#4cc2ff",
    foreground="#c4cdd7",
    background=_BG,
    surface="#161d27",  # header and footer
    panel="#121924",  # dialogs
    boost="#1c2b3d",  # the cursor row
    dark=True,
    text_alpha=1.0,
    variables={
        "border": "#4cc2ff",
        "scrollbar": "#333f4e",
        "scrollbar-background": _BG,
        "block-cursor-background": "#1c2b3d",
        "block-cursor-foreground": "#f3f6f9",
        "input-cursor-background": "#c4cdd7",
        "input-selection-background": "#1c2b3d",
    },
)


def _plain_theme(name: str) -> Theme:
    """A theme that leaves ground and text to the terminal."""
    default = "ansi_default"
    return Theme(
        name=name,
        ansi=True,
        primary="ansi_bright_cyan",
        secondary="ansi_bright_blue",
        warning="ansi_yellow",
        error="ansi_bright_red",
        success="ansi_green",
        accent="ansi_bright_cyan",
        foreground=default,
        background=default,
        surface=default,
        panel=default,
        boost=default,
        dark=True,
        variables={
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "border-blurred": "ansi_bright_black",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-selection-background": "ansi_bright_blue",
            "input-selection-foreground": "ansi_black",
            "screen-selection-background": "ansi_bright_blue",
            "screen-selection-foreground": "ansi_black",
        },
    )


AITUNE_ANSI: Final = _plain_theme("aitune-ansi")
"""Sixteen colours, those of the terminal."""
AITUNE_MONO: Final = _plain_theme("aitune-mono")
"""No colour at all (`NO_COLOR`, `TERM=vt100`)."""
THEMES: Final = (AITUNE_DARK, AITUNE_ANSI, AITUNE_MONO)
