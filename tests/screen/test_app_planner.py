"""The planner in the dashboard: on the Memory page, and while a number is typed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.screen.app_desk import open_desk

from aitune_backends.hugepage_users import HugePageUsers, HugeUser

if TYPE_CHECKING:
    from tests.screen.app_desk import Desk

POOL = "hugepages.2048kB"


async def typed(desk: Desk, text: str, key: str = POOL) -> None:
    """Open the dialog of a pool and type a number over the one that stands there."""
    await desk.select(key, page="1")
    await desk.press("enter")
    await desk.until(lambda: "number-dialog" in str(desk.app.screen.id), "the dialog")
    await desk.press(*text)


async def test_a_number_says_what_it_takes_and_leaves() -> None:
    async with open_desk((80, 24)) as desk:
        await typed(desk, "64")
        once = [f"{node.at_once:,} on node{node.node}" for node in desk.app.state.outlooks[0].nodes]
        for words in (
            "64 pages = 128 MiB",
            f"64 more; at once about {', '.join(once)}",
            "available falls to 861.8 GiB",
            "commit limit 503.7 GiB",
        ):
            assert words in desk.text, desk.text
        await desk.press("enter")
        assert list(desk.app.state.staged.values()) == ["64"]


async def test_a_number_over_the_guard_cannot_be_staged() -> None:
    async with open_desk() as desk:
        await typed(desk, "480000")
        assert "the most that is safe is 397,163 pages" in desk.text
        await desk.press("enter")
        assert desk.app.screen.id == "number-dialog"
        assert not desk.app.state.staged
        await desk.press("escape")
        await typed(desk, "4", "hugepages.1048576kB")
        assert "only at boot, or by chance" in desk.text
        await desk.press("escape")
        await tells_blocks_and_users(desk)


async def tells_blocks_and_users(desk: Desk) -> None:
    """The facts below the table of the Memory page."""
    await desk.press("1")
    (first, *others) = desk.app.state.outlooks
    once = "  ".join(f"node{node.node} {node.at_once:,}" for node in first.nodes)
    assert f"Free blocks     {once}  of 2 MiB" in desk.text
    assert "Used by" not in desk.text, "there is no huge page to be used"
    users = HugePageUsers((HugeUser(771, "qe\x1b[2Jmu", 0, 4 << 30),))
    outlooks = (replace(first, total=4096), *others)
    desk.app.set_state(replace(desk.app.state, outlooks=outlooks, huge_users=users))
    await desk.pilot.pause()
    assert "Used by         qe?[2Jmu (771) 4 GiB" in desk.text
