from __future__ import annotations

import pytest
from tests.screen.snapshot import screen_strips, screen_text
from tests.screen.widgets.scenes import SETTINGS, Stage

from aitune_widgets.setting_table import SettingTable
from aitune_widgets.theme import MONO, SIXTEEN, THEMES, TONES, TRUECOLOR


def _contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_tone_has_a_style_in_every_palette() -> None:
    for palette in (TRUECOLOR, SIXTEEN, MONO):
        assert set(palette.tones) == set(TONES)


def test_without_colour_nothing_has_a_colour() -> None:
    for tone in TONES:
        for ground in ("", "cursor", "trial", "trial-urgent"):
            style = MONO.style(tone, ground)
            assert style.color is None
            assert style.bgcolor is None


def test_sixteen_colours_are_the_terminals_own() -> None:
    for tone in TONES:
        style = SIXTEEN.style(tone)
        for colour in (style.color, style.bgcolor):
            assert colour is None or colour.is_default or (colour.number or 0) < 16
            assert colour is None or colour.triplet is None


def test_text_can_be_read_on_its_ground() -> None:
    for tone in TONES:
        if tone in ("faint", "track", "rule", "load-edge", "core-cursor"):
            continue
        style = TRUECOLOR.style(tone)
        assert style.color is not None
        assert style.color.triplet is not None
        ground = style.bgcolor.triplet.hex if style.bgcolor and style.bgcolor.triplet else "#0d1117"
        assert _contrast(style.color.triplet.hex, ground) >= 3.9, tone


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
async def test_the_words_are_the_same_in_every_theme(theme: str) -> None:
    table = SettingTable()
    app = Stage(table, theme=theme)
    async with app.run_test(size=(67, 14)) as pilot:
        table.show(SETTINGS)
        await pilot.pause()
        text = screen_text(app)
        assert "◆ staged" in text
        assert "▲ differs" in text
        table.focus()
        table.move_to("numa")
        await pilot.pause()
        row = screen_strips(app)[5]
        mark = "▌" if theme == "aitune-dark" else "▸"
        assert row.text.startswith(f"{mark} kernel.numa_balancing")
        styles = [segment.style for segment in row if segment.style is not None]
        reversed_row = all(style.reverse for style in styles)
        assert reversed_row is (theme != "aitune-dark")


async def test_no_color_takes_all_colour_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    table = SettingTable()
    app = Stage(table, theme="aitune-ansi")
    async with app.run_test(size=(67, 14)) as pilot:
        table.show(SETTINGS)
        await pilot.pause()
        for strip in (table.render_line(y) for y in range(5)):
            for segment in strip:
                colour = segment.style.color if segment.style is not None else None
                assert colour is None or colour.is_default
