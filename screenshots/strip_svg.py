"""Draw what an app shows as an SVG that looks the same in every viewer.

Textual's own export leans on a font from the network and on text being stretched to fit. Here each
character has its cell: letters are placed one by one, and blocks, rules, braille dots and the
glyphs of states are drawn as shapes, so that no font decides how a bar or a chart looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.style import Style
    from textual.screen import Screen
    from textual.strip import Strip

CELL_W, CELL_H = 9, 18
MARGIN = 12
_FONT_SIZE = 15
_BASELINE = 13.5
_FONTS = "'DejaVu Sans Mono', 'JetBrains Mono', Menlo, Consolas, monospace"

# Lines to the left, right, up and down of a cell's middle: 1 light, 2 heavy.
_LINES = {
    "─": "1100", "━": "2200", "│": "0011", "┃": "0022", "┌": "0101", "┐": "1001", "└": "0110",
    "┘": "1010", "├": "0111", "┤": "1011", "┬": "1101", "┴": "1110", "┼": "1111", "╭": "0101",
    "╮": "1001", "╰": "0110", "╯": "1010", "╸": "2000", "╺": "0200", "╴": "1000", "╶": "0100",
    "╵": "0010", "╷": "0001", "┏": "0202", "┓": "2002", "┗": "0220", "┛": "2020",
}  # fmt: skip
_DASHED = {"┄": "─", "┈": "─", "┆": "│", "┊": "│", "╌": "─", "╎": "│"}
_THICKNESS = {"1": 1.2, "2": 2.6}

# Quadrants of U+2596..259F: upper left, upper right, lower left, lower right.
_QUADRANTS = {
    "▖": "0010", "▗": "0001", "▘": "1000", "▙": "1011", "▚": "1001", "▛": "1110", "▜": "1101",
    "▝": "0100", "▞": "0110", "▟": "0111",
}  # fmt: skip
_SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}

# Outlines in a cell of 9 x 18; an open one is stroked, a closed one filled.
_OUTLINES = {
    "▲": "M4.5 4 L8.6 13.5 L.4 13.5 Z",
    "▼": "M4.5 14 L8.6 4.5 L.4 4.5 Z",
    "▸": "M1.5 5.5 L7.5 9.3 L1.5 13.1 Z",
    "◆": "M4.5 4.2 L8.6 9.2 L4.5 14.2 L.4 9.2 Z",
    "●": "M1 9.2 a3.5 3.5 0 1 0 7 0 a3.5 3.5 0 1 0 -7 0 Z",
    "○": "M1 9.2 a3.5 3.5 0 1 0 7 0 a3.5 3.5 0 1 0 -7 0",
    "◐": "M.8 9.2 a3.7 3.7 0 1 0 7.4 0 a3.7 3.7 0 1 0 -7.4 0 Z M4.5 6.4 a2.8 2.8 0 0 1 0 5.6 Z",
    "✓": "M1.2 9.6 L3.6 13 L8 5.2",
    "✗": "M1.4 5.6 L7.6 13 M7.6 5.6 L1.4 13",
    "★": "M4.5 4.4 L5.6 7.9 L8.8 7.9 L6.2 10 L7.2 13.5 L4.5 11.4 L1.8 13.5 L2.8 10 L.2 7.9 "
    "L3.4 7.9 Z",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One character and how it is shown; `wide` for a character of two columns."""

    column: int
    text: str
    ink: str
    ground: str
    bold: bool
    italic: bool
    underline: bool


def composited(screen: Screen[object]) -> list[Strip]:
    """The lines of a screen as it would send them to a terminal now."""
    # The one private attribute used here: nothing public gives the composited screen.
    return list(screen._compositor.render_strips())


def draw(strips: Iterable[Strip], *, ink: str, ground: str, title: str) -> str:
    """Draw lines of cells as one SVG.

    Args:
        strips: The lines.
        ink: Colour of text that names none, as `#c4cdd7`.
        ground: Colour behind cells that name none.
        title: What a reader is told who cannot see it.
    """
    lines = [list(cells(strip, ink, ground)) for strip in strips]
    columns = max((line[-1].column + 1 for line in lines if line), default=0)
    width, height = columns * CELL_W + 2 * MARGIN, len(lines) * CELL_H + 2 * MARGIN
    body = [
        f'<g transform="translate({MARGIN} {MARGIN + row * CELL_H})">{inner}</g>'
        for row, line in enumerate(lines)
        if (inner := "".join(_line(line, ground)))
    ]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="6" fill="{ground}"/>',
            f'<g font-family="{_FONTS}" font-size="{_FONT_SIZE}">',
            *body,
            "</g>",
            "</svg>\n",
        )
    )


def cells(strip: Strip, ink: str, ground: str) -> Iterator[Cell]:
    """The characters of a line with their columns; a wide one leaves the next column out."""
    from rich.cells import get_character_cell_size

    column = 0
    for segment in strip:
        if segment.control:
            continue
        colours = _colours(segment.style, ink, ground)
        style = segment.style
        for character in segment.text:
            yield Cell(
                column,
                character,
                *colours,
                bold=bool(style and style.bold),
                italic=bool(style and style.italic),
                underline=bool(style and style.underline),
            )
            column += get_character_cell_size(character)


def _colours(style: Style | None, ink: str, ground: str) -> tuple[str, str]:
    """The two colours of a style, after reverse and dim."""
    if style is None:
        return ink, ground
    front, back = (
        colour.get_truecolor().hex if colour and not colour.is_default else default
        for colour, default in ((style.color, ink), (style.bgcolor, ground))
    )
    if style.reverse:
        front, back = back, front
    if style.dim:
        front = _between(front, back)
    return front, back


def _between(one: str, other: str) -> str:
    parts = [(int(one[at : at + 2], 16) + int(other[at : at + 2], 16)) // 2 for at in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)


def _line(line: list[Cell], ground: str) -> Iterator[str]:
    """Grounds first, then shapes, then letters."""
    for colour, run in groupby(line, lambda cell: cell.ground):
        run_cells = list(run)
        if colour != ground:
            first, last = run_cells[0].column, run_cells[-1].column + 1
            yield _rect(first * CELL_W, 0, (last - first) * CELL_W, CELL_H, colour)
    for key, run in groupby(line, lambda cell: (_is_shape(cell.text), cell.ink, cell.text)):
        if key[0]:
            yield from _shapes(list(run))
    for style, run in groupby(
        line, lambda cell: (cell.ink, cell.bold, cell.italic, cell.underline)
    ):
        yield from _letters(list(run), *style)


def _is_shape(text: str) -> bool:
    return _drawer(text) is not None


def _drawer(text: str) -> Callable[[list[Cell]], Iterator[str]] | None:
    if text in _OUTLINES:
        return _outlines
    if "\u2800" <= text <= "\u28ff":
        return _braille
    if "▀" <= text <= "▟":
        return _blocks
    if text in _LINES or text in _DASHED:
        return _rules
    return None


def _shapes(run: list[Cell]) -> Iterator[str]:
    """One run of the same character in the same colour."""
    draw_run = _drawer(run[0].text)
    if draw_run is not None:
        yield from draw_run(run)


def _blocks(run: list[Cell]) -> Iterator[str]:
    text, ink = run[0].text, run[0].ink
    x, width = run[0].column * CELL_W, len(run) * CELL_W
    code = ord(text)
    if text == "▀":
        yield _rect(x, 0, width, CELL_H / 2, ink)
    elif text == "▔":
        yield _rect(x, 0, width, CELL_H / 8, ink)
    elif code <= ord("█"):  # ▁ to █: eighths from below
        high = CELL_H * (code - 0x2580) / 8
        yield _rect(x, CELL_H - high, width, high, ink)
    elif text in _SHADES:
        yield _rect(x, 0, width, CELL_H, ink, _SHADES[text])
    else:
        for cell in run:
            yield from _part_of_cell(cell)


def _part_of_cell(cell: Cell) -> Iterator[str]:
    """Blocks that leave some of the width free, so that neighbours do not join."""
    x, code = cell.column * CELL_W, ord(cell.text)
    if cell.text in _QUADRANTS:
        for at, there in enumerate(_QUADRANTS[cell.text]):
            if there == "1":
                left, top = x + at % 2 * CELL_W / 2, at // 2 * CELL_H / 2
                yield _rect(left, top, CELL_W / 2, CELL_H / 2, cell.ink)
    elif cell.text in "▐▕":
        wide = CELL_W / (2 if cell.text == "▐" else 8)
        yield _rect(x + CELL_W - wide, 0, wide, CELL_H, cell.ink)
    else:  # ▉ to ▏: eighths from the left
        yield _rect(x, 0, CELL_W * (0x2590 - code) / 8, CELL_H, cell.ink)


def _rules(run: list[Cell]) -> Iterator[str]:
    text, ink = run[0].text, run[0].ink
    dashed = text in _DASHED
    left, right, up, down = tuple(_LINES[_DASHED.get(text, text)])
    middle_x, middle_y = CELL_W / 2, CELL_H / 2
    if left == right != "0" and up == down == "0" and not dashed:  # a run is one line
        thick = _THICKNESS[left]
        x = run[0].column * CELL_W
        yield _rect(x, middle_y - thick / 2, len(run) * CELL_W, thick, ink)
        return
    for cell in run:
        x = cell.column * CELL_W
        for weight, x1, y1 in (
            (left, 0, middle_y),
            (right, CELL_W, middle_y),
            (up, middle_x, 0),
            (down, middle_x, CELL_H),
        ):
            if weight != "0":
                dash = ' stroke-dasharray="2 2.5"' if dashed else ""
                yield (
                    f'<path d="M{_n(x + middle_x)} {_n(middle_y)} L{_n(x + x1)} {_n(y1)}" '
                    f'stroke="{ink}" stroke-width="{_THICKNESS[weight]}"{dash}/>'
                )


def _braille(run: list[Cell]) -> Iterator[str]:
    """Dots of one cell: bits 0-2 and 6 are the left column, 3-5 and 7 the right one."""
    bits = ord(run[0].text) - 0x2800
    places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
    dots = [place for bit, place in enumerate(places) if bits >> bit & 1]
    path = "".join(
        f"M{_n(cell.column * CELL_W + CELL_W * (0.25 + 0.5 * x) - 1.3)} "
        f"{_n(CELL_H * (0.125 + 0.25 * y))}a1.3 1.3 0 1 0 2.6 0a1.3 1.3 0 1 0-2.6 0"
        for cell in run
        for x, y in dots
    )
    if path:
        yield f'<path d="{path}" fill="{run[0].ink}"/>'


def _outlines(run: list[Cell]) -> Iterator[str]:
    path, ink = _OUTLINES[run[0].text], run[0].ink
    filled = ink if "Z" in path else "none"
    for cell in run:
        yield (
            f'<path transform="translate({cell.column * CELL_W})" d="{path}" fill="{filled}" '
            f'fill-rule="evenodd" stroke="{ink}" stroke-width="{0.4 if "Z" in path else 1.5}"/>'
        )


def _letters(run: list[Cell], ink: str, bold: bool, italic: bool, underline: bool) -> Iterator[str]:
    """Letters of one style, each at its own place."""
    if underline:
        x, width = run[0].column * CELL_W, len(run) * CELL_W
        yield _rect(x, CELL_H - 3, width, 1, ink)
    weight = ' font-weight="bold"' if bold else ""
    slant = ' font-style="italic"' if italic else ""
    for is_word, part in groupby(
        run, lambda cell: not cell.text.isspace() and not _is_shape(cell.text)
    ):
        if not is_word:
            continue
        word = list(part)
        # A place for each letter; viewers that know only the first still start each word right.
        places = " ".join(str(cell.column * CELL_W) for cell in word)
        text = escape("".join(cell.text for cell in word), quote=False)
        yield f'<text x="{places}" y="{_BASELINE}" fill="{ink}"{weight}{slant}>{text}</text>'


def _rect(
    x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0
) -> str:
    see_through = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
        f'fill="{colour}"{see_through} shape-rendering="crispEdges"/>'
    )


def _n(number: float) -> str:
    """A number as short as it can be written."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
