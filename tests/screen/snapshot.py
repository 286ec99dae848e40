"""Screens as text: what the terminal would show, compared with a file.

`screen_text` is the one place that touches Textual's private compositor. Set
`AITUNE_UPDATE_SNAPSHOTS=1` to write the files anew, then read the difference before committing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App
    from textual.strip import Strip

SNAPSHOTS = Path(__file__).parent / "snapshots"


def screen_strips(app: App[Any]) -> list[Strip]:
    """The composited lines of the screen on top, as they go to the terminal."""
    return list(app.screen._compositor.render_strips())


def screen_text(app: App[Any]) -> str:
    """The screen on top as plain text, blanks at the ends of lines removed."""
    return "".join(f"{strip.text.rstrip()}\n" for strip in screen_strips(app))


def assert_snapshot(app: App[Any], name: str) -> None:
    """Compare the screen with `snapshots/NAME.txt`, or write it when updating."""
    path = SNAPSHOTS / f"{name}.txt"
    text = screen_text(app)
    if os.environ.get("AITUNE_UPDATE_SNAPSHOTS") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"no snapshot {path.name}: run with AITUNE_UPDATE_SNAPSHOTS=1"
    assert text == path.read_text(encoding="utf-8")
