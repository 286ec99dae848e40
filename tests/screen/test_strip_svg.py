"""Screenshots are drawn cell by cell: each letter in its place, bars and dots as shapes."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from types import ModuleType

INK, GROUND = "#c4cdd7", "#0d1117"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def strip_svg() -> ModuleType:
    path = Path(__file__).parents[2] / "screenshots" / "strip_svg.py"
    spec = importlib.util.spec_from_file_location("strip_svg", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["strip_svg"] = module  # its dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def drawn(strip_svg: ModuleType, *segments: Segment) -> ElementTree.Element:
    text = strip_svg.draw([Strip(segments)], ink=INK, ground=GROUND, title="A & B")
    return ElementTree.fromstring(text)  # noqa: S314 - our own text


def test_letters_stand_in_their_columns(strip_svg: ModuleType) -> None:
    root = drawn(strip_svg, Segment("ab  c", Style(bold=True)), Segment("<"))
    words = [
        (word.text, word.get("x"), word.get("font-weight")) for word in root.iter(f"{SVG}text")
    ]
    width = strip_svg.CELL_W
    assert words == [
        ("ab", f"0 {width}", "bold"),
        ("c", f"{4 * width}", "bold"),
        ("<", f"{5 * width}", None),
    ]


def test_a_wide_character_takes_two_columns(strip_svg: ModuleType) -> None:
    root = drawn(strip_svg, Segment("漢x"))
    (word,) = root.iter(f"{SVG}text")
    assert word.get("x") == f"0 {2 * strip_svg.CELL_W}"


def test_a_bar_is_one_rectangle_and_an_eighth_its_part(strip_svg: ModuleType) -> None:
    root = drawn(strip_svg, Segment("███▌▂", Style(color="#43bfaa")))
    width, height = strip_svg.CELL_W, strip_svg.CELL_H
    boxes = [
        tuple(float(box.get(key, "")) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{SVG}rect")
        if box.get("fill") == "#43bfaa"
    ]
    assert boxes == [
        (0, 0, 3 * width, height),
        (3 * width, 0, width / 2, height),
        (4 * width, height * 3 / 4, width, height / 4),
    ]
    assert not list(root.iter(f"{SVG}text"))


def test_braille_has_a_dot_for_each_bit(strip_svg: ModuleType) -> None:
    root = drawn(strip_svg, Segment("⣿⠁ "))
    dots = [len(re.findall("M", path.get("d", ""))) for path in root.iter(f"{SVG}path")]
    assert dots == [8, 1]


def test_reverse_and_dim_are_colours(strip_svg: ModuleType) -> None:
    root = drawn(
        strip_svg,
        Segment("r", Style(color="#ffffff", bgcolor="#000000", reverse=True)),
        Segment("d", Style(color="#ffffff", bgcolor="#000000", dim=True)),
    )
    assert [word.get("fill") for word in root.iter(f"{SVG}text")] == ["#000000", "#7f7f7f"]


def test_every_character_is_a_letter_or_a_shape(strip_svg: ModuleType) -> None:
    """Blocks, quadrants, shades, rules: none may be left to a font, and none may fail."""
    characters = [chr(code) for code in range(0x2580, 0x25A0)]
    characters += ["─", "━", "│", "┼", "╭", "┊", "▲", "◆", "◐", "○", "✓", "✗", "★"]
    for character in characters:
        root = drawn(strip_svg, Segment(character))
        assert not list(root.iter(f"{SVG}text")), character
        shapes = [*root.iter(f"{SVG}rect"), *root.iter(f"{SVG}path")]
        assert len(shapes) > 1, character  # the first is the ground
