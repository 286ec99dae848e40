"""Page P: this machine beside a profile, its rows staged, and copies for other tools."""

from __future__ import annotations

import re

import pytest
from tests.screen.using import Used, dashboard
from textual.app import App

from aitune_tui.selection import Target
from aitune_widgets.glyphs import use_ascii
from aitune_widgets.verdict_table import VerdictTable


async def opened(used: Used, name: str = "classic") -> None:
    await used.press("P")
    await used.until(lambda: used.app.state.compared is not None)
    names = [each.name for each in used.app.state.known_profiles]
    await used.press(*["down"] * names.index(name))
    await used.until(lambda: (shown := used.app.state.compared) and shown.name == name)


async def test_a_profile_is_shown_staged_by_row_planned_and_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(App, "copy_to_clipboard", lambda _, text: copied.append(text))
    async with dashboard() as used:
        await opened(used)
        assert "0 match, 2 differ, 1 differs without effect" in used.line("classic ·")
        assert "▲ differs" in used.line("vm.overcommit_memory")
        assert "○ inert" in used.line("vm.overcommit_ratio")
        assert "p plan all 2" in used.text
        await used.press("tab", "space")
        assert dict(used.app.state.staged) == {Target("vm.overcommit_memory"): "1"}
        assert "◆ staged" in used.line("vm.overcommit_memory")
        await used.plan()
        assert "Plan · profile classic" in used.text
        assert "1 change. Nothing is written yet." in used.text
        await used.press("escape", "space")
        assert not used.app.state.staged
        await used.plan()
        assert "2 changes" in used.text, "without any staged, all that differ"
        await used.press("escape", "x")
        assert "Copy classic as" in used.text
        assert not re.search(r"s sysctl   d udev", used.text), "each key stands once"
        line = used.text.splitlines().index(used.line("s sysctl.d"))
        await used.pilot.click(offset=(used.line("s sysctl.d").index("s sysctl.d"), line))
        await used.until(lambda: copied)
        assert "vm.overcommit_memory = 1\n" in copied[0]
        assert "Copied classic as sysctl" in used.text
        await used.press("escape", "escape")
        assert used.app.main.page_key == "0"
        used.clock.now += 1
        await used.press("x")
        assert "P shows the profiles" in used.text


async def test_rows_of_many_instances_are_one_and_follow_the_machine() -> None:
    async with dashboard() as used:
        await opened(used, "inference")
        line = used.line("powersave")
        assert "cpu.governor  node1" in line
        await used.press("tab")
        table = used.app.main.page.query_one("#verdicts", VerdictTable)
        while not (table.cursor_key or "").startswith("cpu.governor@policy32"):
            await used.press("down")
        await used.press("i")
        assert "has to wake up and speed up" in used.line("Why")
        await used.press("escape", "space")
        assert len(used.app.state.staged) == 32
        root = used.app.machine.host.root
        for number in range(32, 64):
            file = root / f"sys/devices/system/cpu/cpufreq/policy{number}/scaling_governor"
            file.write_text("performance\n")
        await used.look(6.0)
        await used.until(lambda: "cpu.governor  cpu 0–63" in used.text)
        assert "✓ ok" in used.line("cpu.governor  cpu 0–63")


async def test_the_page_holds_on_a_small_plain_screen_with_hostile_names() -> None:
    """TuneD's active profile is the machine's own text: nothing in it acts or breaks a line."""
    use_ascii(True)
    try:
        async with dashboard((80, 24)) as used:
            folder = used.app.machine.host.root / "etc/tuned"
            (folder / "evil").mkdir(parents=True)
            (folder / "active_profile").write_text("evil [red]x[/red]\x1b[2J\n")
            title = "[bold]" + "wide \u4e2d\u6587 " * 30
            (folder / "evil/tuned.conf").write_text(
                f"[main]\nsummary={title}\n[sysctl]\nvm.swappiness=1\nnet.core.x=1\n[sysfs]\n"
                "/sys/kernel/mm/transparent_hugepage/enabled=[x]\n"
            )
            await opened(used, "tuned:evil")
            assert "vm.swappiness" in used.text
            assert "[bold]wide" in used.text
            assert "2 lines of it set nothing known here" in used.text
            assert all(len(line) <= 80 for line in used.text.splitlines())
            assert "p plan" in used.text
            assert used.text.isascii()
            await used.press("x")
            assert all(key in used.text for key in ("Copy evil as", "h shell", "Esc back"))
            assert used.text.isascii(), "the box too"
    finally:
        use_ascii(False)
