from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from aitune_widgets.glyphs import ASCII, GLYPHS, glyph, to_ascii, use_ascii
from aitune_widgets.text import (
    Columns,
    Row,
    clean,
    fit,
    fit_middle,
    strip_of,
    width_of,
    wrap,
)
from aitune_widgets.theme import MONO, SIXTEEN, TONES, TRUECOLOR

TEXT = st.text(max_size=60)


@given(TEXT)
def test_cleaned_text_is_printable_and_its_width_is_the_sum_of_its_characters(text: str) -> None:
    cleaned = clean(text)
    assert cell_len(cleaned) == sum(cell_len(c) for c in cleaned)
    assert all(cell_len(c) in (1, 2) for c in cleaned)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cleaned)


def test_clean_leaves_names_alone_and_stops_what_a_terminal_would_obey() -> None:
    assert clean("nvme0n1 – Größe 日本") == "nvme0n1 – Größe 日本"
    assert clean("a\x1b[31mb\x07\u202ec\n") == "a?[31mb??c?"
    assert clean("[bold]x[/bold]") == "[bold]x[/bold]"
    assert clean("\u1161") == "?"  # takes no cell of its own


@given(TEXT, st.integers(0, 40))
def test_fitted_text_fits_and_keeps_its_beginning(text: str, width: int) -> None:
    cleaned = clean(text)
    for fitted in (fit(cleaned, width), fit_middle(cleaned, width)):
        assert cell_len(fitted) <= width
        assert fitted == cleaned or "…" in fitted or not fitted


def test_a_path_keeps_both_its_ends() -> None:
    fitted = fit_middle("/models/meta/llama-3.1/llama-405b", 20)
    assert fitted == "/model…a-3.1/llama-405b"[:6] + "…" + "a-3.1/llama-405b"[-13:]
    assert len(fitted) == 20


@given(st.lists(st.tuples(TEXT, st.sampled_from(TONES)), max_size=5), st.integers(1, 40))
def test_wrapping_fits_and_loses_nothing_but_spaces(
    line: list[tuple[str, str]], width: int
) -> None:
    parts = wrap(line, width)  # type: ignore[arg-type]  # hypothesis cannot name the literals
    wide = max((cell_len(c) for text, _ in line for c in clean(text)), default=0)
    assert all(width_of(part) <= max(width, wide) for part in parts)
    kept = "".join(text for part in parts for text, _ in part)
    given_text = "".join(clean(text) for text, _ in line)
    assert "".join(kept.split()) == "".join(given_text.split())


@given(
    st.integers(0, 60),
    st.lists(st.tuples(st.integers(-5, 70), TEXT, st.booleans()), max_size=6),
)
def test_columns_are_exactly_as_wide_as_asked(
    width: int, pieces: list[tuple[int, str, bool]]
) -> None:
    columns = Columns(width)
    for at, text, right in pieces:
        (columns.put_right if right else columns.put)(at, text, "fg")
    line = columns.line()
    assert width_of(line) == width
    for palette in (TRUECOLOR, SIXTEEN, MONO):
        assert strip_of(Row(line, "cursor"), width, palette, Style()).cell_length == width
        spanned = strip_of(Row(line, "cursor", (3, 9)), width, palette, Style())
        assert spanned.cell_length == width
        text = "".join(text for text, _ in line)
        assert spanned.text == text or not text.isascii()  # a wide sign on the edge is cut


def test_a_wide_sign_is_drawn_whole_or_not_at_all() -> None:
    def drawn(*pieces: tuple[int, str]) -> str:
        columns = Columns(4)
        for at, text in pieces:
            columns.put(at, text)
        return "".join(text for text, _ in columns.line())

    assert drawn((2, "日")) == "  日"
    assert drawn((3, "日")) == "    "
    assert drawn((-1, "日本")) == " 本 "
    assert drawn((0, "日"), (1, "x")) == " x  "
    assert drawn((1, "日"), (1, "x")) == " x  "


def test_a_span_has_its_ground_and_the_rest_has_not() -> None:
    columns = Columns(10)
    columns.put(0, "abcdefghij")
    strip = strip_of(Row(columns.line(), "cursor", (2, 5)), 10, TRUECOLOR, Style())
    grounded = [s.text for s in strip if s.style is not None and s.style.bgcolor is not None]
    assert grounded == ["cde"]


@given(TEXT)
def test_ascii_forms_are_as_wide_as_what_they_stand_for(text: str) -> None:
    cleaned = clean(text)
    assert to_ascii(cleaned).isascii()
    assert cell_len(to_ascii(cleaned)) == cell_len(cleaned)


def test_every_glyph_is_one_cell_and_has_an_ascii_form() -> None:
    assert all(cell_len(sign) == 1 for sign in GLYPHS.values())
    assert all(len(sign) == 1 and sign.isascii() for sign in ASCII.values())
    assert [ASCII[n] for n in ("ok", "differs", "inert", "absent", "info", "staged", "trial")] == [
        *"+!o-.*@"
    ]
    use_ascii(True)
    try:
        assert glyph("failed") == "x"
        row = Row((("✓ ok → ━", "ok"),))
        assert strip_of(row, 10, TRUECOLOR, Style()).text == "+ ok > =  "
    finally:
        use_ascii(False)
    assert glyph("failed") == "✗"
