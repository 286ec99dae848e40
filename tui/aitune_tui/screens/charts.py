"""The chart panel: small multiples above one time axis; how many depends on the room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_tui import present_chart
from aitune_tui.screens.panel import Panel
from aitune_widgets.chart import TimeChart

if TYPE_CHECKING:
    from aitune_tui.view import View


class Charts(Panel):
    """Memory; below it the disks, and where there is room for three the stalls."""

    def __init__(self, *, id: str | None = None) -> None:
        self._memory = TimeChart(id="memory-chart")
        self._disks = TimeChart(id="disk-chart")
        self._stalls = TimeChart(id="stall-chart")
        super().__init__("", "", self._memory, self._disks, self._stalls, focusable=True, id=id)

    def show(self, view: View) -> None:
        """Draw one moment."""
        self.head(
            title=present_chart.window_text(view.chart_seconds), right=present_chart.legend(view)
        )
        with_disks, with_stalls = not view.is_compact, view.layout == "wide"
        self._disks.display, self._stalls.display = with_disks, with_stalls
        self._memory.set_axis(axis=not with_disks, short=True)
        self._disks.set_axis(axis=not with_stalls)
        self._stalls.set_axis(axis=True)
        if not view.painted:
            return
        self._memory.show(present_chart.memory_chart(view))
        if with_disks:
            self._disks.show(present_chart.disk_chart(view))
        if with_stalls:
            self._stalls.show(present_chart.stall_chart(view))
