"""Lines of text as plain data: segments, columns, fitting and wrapping.

A `Line` is compared, cached and tested as data; `strip_of` turns it into what Textual draws.
Strings from the machine pass through `clean`, and are never read as markup.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment as RichSegment
from rich.style import Style
from textual.strip import Strip

from aitune_widgets.glyphs import ascii_only, to_ascii
from aitune_widgets.theme import Ground, Palette, Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Segment = tuple[str, Tone]
"""A piece of text and what it means."""
Line = tuple[Segment, ...]
"""One line of the screen, left to right."""

_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc"))


def clean(text: str) -> str:
    """The text with everything a terminal could act on, or not measure, replaced by `?`.

    Control, format and combining characters go, also those that join several into one sign, so
    that the width of a text is the sum of the widths of its characters.
    """
    if text.isascii() and text.isprintable():
        return text
    return _cleaned(text)


@lru_cache(1024)
def _cleaned(text: str) -> str:
    """What `clean` gives for text that is not printable ASCII; the same few texts come often."""
    return "".join(_clean_char(c) for c in unicodedata.normalize("NFC", text))


def _clean_char(char: str) -> str:
    if char.isascii():
        return char if char.isprintable() else "?"
    joins = "\U0001f1e6" <= char <= "\U0001f1ff" or "\U0001f3fb" <= char <= "\U0001f3ff"
    if joins or unicodedata.category(char) in _HIDDEN or cell_len(char) < 1:
        return "?"
    return char


def width_of(line: Sequence[Segment]) -> int:
    """Cells a line takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(text: str, width: int) -> str:
    """The text cut at its end to at most `width` cells, with `…` where something went."""
    if cell_len(text) <= width:
        return text
    return _take(text, width - 1) + "…" if width > 0 else ""


def fit_middle(text: str, width: int) -> str:
    """The text cut in its middle to at most `width` cells: paths keep both their ends."""
    if cell_len(text) <= width:
        return text
    if width < 3:
        return fit(text, width)
    head = (width - 1) // 3
    tail = width - 1 - head
    return _take(text, head) + "…" + _take(text[::-1], tail)[::-1]


def _take(text: str, width: int) -> str:
    """The longest beginning that takes at most `width` cells."""
    taken = 0
    for index, char in enumerate(text):
        taken += cell_len(char)
        if taken > width:
            return text[:index]
    return text


def wrap(line: Sequence[Segment], width: int) -> tuple[Line, ...]:
    """A line broken at spaces into lines of at most `width` cells, tones kept.

    A word longer than a line is cut into pieces: nothing of it is lost.
    """
    if width < 1:
        return ()
    lines: list[Line] = []
    current: list[Segment] = []
    used = 0
    for text, tone in _words(line, width):
        size = cell_len(text)
        if used + size > width and text != " " * size:
            lines.append(_trimmed(current))
            current, used = [], 0
        if text.isspace() and ((used == 0 and lines) or used + size > width):
            continue
        current.append((text, tone))
        used += size
    lines.append(_trimmed(current))
    return tuple(lines)


def _words(line: Sequence[Segment], width: int) -> Iterable[Segment]:
    """Words and runs of spaces, each with its tone; words longer than `width` in pieces."""
    for text, tone in line:
        for _, run in groupby(clean(text), key=str.isspace):
            word = "".join(run)
            while cell_len(word) > width:
                piece = _take(word, width) or word[:1]
                yield piece, tone
                word = word[len(piece) :]
            if word:
                yield word, tone


def _trimmed(segments: list[Segment]) -> Line:
    """Segments without spaces at their end, neighbours of one tone joined."""
    while segments and segments[-1][0].isspace():
        segments = segments[:-1]
    return tuple(
        ("".join(text for text, _ in run), tone)
        for tone, run in groupby(segments, key=lambda segment: segment[1])
    )


class Row(NamedTuple):
    """A line where it is drawn.

    Attributes:
        line: What it says.
        ground: What lies under it.
        span: First and last+1 column of that ground; None is the whole line.
    """

    line: Line
    ground: Ground = ""
    span: tuple[int, int] | None = None


class Columns:
    """A line of fixed width, filled by column. What does not fit is not drawn."""

    def __init__(self, width: int) -> None:
        self.width = max(0, width)
        self._chars: list[str] = [" "] * self.width
        self._tones: list[Tone] = ["fg"] * self.width
        self._wide = False

    def put(self, column: int, text: str, tone: Tone = "fg") -> int:
        """Write text from a column on; returns the column after it."""
        for char in clean(text):
            size = 1 if char.isascii() else cell_len(char)
            if column >= 0 and column + size <= self.width:
                self._chars[column] = char
                self._tones[column] = tone
                if size == 2:
                    self._wide = True
                    self._chars[column + 1] = ""
                    self._tones[column + 1] = tone
            column += size
        return column

    def put_right(self, edge: int, text: str, tone: Tone = "fg") -> int:
        """Write text so that it ends before column `edge`; returns the column it begins at."""
        start = edge - cell_len(clean(text))
        self.put(start, text, tone)
        return start

    def put_line(self, column: int, line: Iterable[Segment]) -> int:
        """Write segments one after the other; returns the column after them."""
        for text, tone in line:
            column = self.put(column, text, tone)
        return column

    def put_line_right(self, edge: int, line: Sequence[Segment]) -> int:
        """Write segments so that they end before `edge`; returns the column they begin at."""
        start = edge - width_of([(clean(text), tone) for text, tone in line])
        self.put_line(start, line)
        return start

    def is_blank(self, column: int) -> bool:
        """Nothing is written at this column."""
        return 0 <= column < self.width and self._chars[column] == " "

    def line(self) -> Line:
        """The whole line, exactly `width` cells."""
        chars = self._whole_chars() if self._wide else self._chars
        runs: list[Segment] = []
        start = 0
        for end in range(1, self.width + 1):
            if end == self.width or self._tones[end] != self._tones[start]:
                runs.append(("".join(chars[start:end]), self._tones[start]))
                start = end
        return tuple(runs)

    def _whole_chars(self) -> list[str]:
        """The characters, with a blank for each half of a wide one that was overwritten."""
        chars = self._chars[:]
        for column, char in enumerate(chars):
            if (char == "" and (column == 0 or cell_len(chars[column - 1]) != 2)) or (
                not char.isascii()
                and cell_len(char) == 2
                and (column + 1 == self.width or self._chars[column + 1] != "")
            ):
                chars[column] = " "
        return chars


def strip_of(row: Row, width: int, palette: Palette, base: Style) -> Strip:
    """The line as Textual draws it: exactly `width` cells on the widget's own ground."""
    strip = Strip(_painted(row.line, palette, row.ground if row.span is None else ""))
    if row.span is not None:
        start, end = row.span
        inside = Strip(_painted(row.line, palette, row.ground)).crop(start, end)
        strip = Strip.join([strip.crop(0, start), inside, strip.crop(end, strip.cell_length)])
    fill = palette.grounds[row.ground] if row.span is None else Style()
    return strip.adjust_cell_length(width, fill).apply_style(base)


def _painted(line: Line, palette: Palette, ground: Ground) -> list[RichSegment]:
    plain = ascii_only()
    return [
        RichSegment(to_ascii(text) if plain else text, palette.style(tone, ground))
        for text, tone in line
        if text
    ]
