"""The scene of the design pictures as widget values, and names as hostile as a machine allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from aitune_widgets.changes_list import ChangeRow
from aitune_widgets.chart_points import ChartData, Marker, Series
from aitune_widgets.core_grid import NodeCores
from aitune_widgets.disk_table import Cell, DiskRow
from aitune_widgets.footer_bar import KeyHint
from aitune_widgets.header_bar import Chip, Header
from aitune_widgets.inspector import Field
from aitune_widgets.load_panel import LoadView
from aitune_widgets.memory_strip import StripData
from aitune_widgets.navigation_bar import Tab
from aitune_widgets.plan_view import HowField, PlanRow
from aitune_widgets.run_table import RunBlock
from aitune_widgets.setting_table import SettingRow
from aitune_widgets.theme import THEMES
from aitune_widgets.trial_band import TrialView
from aitune_widgets.work_list import WorkRow

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

HOSTILE = "[bold red]\x1b[31m\x07日本語\u200b\u202e👩‍🚀é\u0301🇩🇪x" * 3

HEADER = Header(
    "gpu-node-07",
    "64 cores, 2 nodes · 1007.5 GiB · 8 × H100 · Linux 6.8.0-45",
    "64c 1007G 8×H100",
    (Chip("◆ 3 staged", "staged"),),
    "root helper ready",
    "12:04:31",
)
TABS = (
    Tab("0", "Overview", "All"),
    Tab("1", "Memory", "Mem", (("▲2", "differs"),)),
    Tab("2", "CPU", "CPU", (("▲2", "differs"),)),
    Tab("3", "Block", "Block", (("▲1", "differs"),)),
    Tab("4", "Load", "Load", (("61%", "cache"),)),
    Tab("5", "Compare", "Cmp"),
    Tab("6", "Changes", "Chg", (("◆3", "staged-bold"),)),
    Tab("7", "Doctor", "Doc"),
)
MEMORY = StripData(1007.5, 132.4, 0, 472.9, 402.2, 861.9, "no swap", 0.4)
ALARM = StripData(
    1007.5, 861.8, 16.0, 71.3, 58.4, 112.6, "no swap", 7.9, "! reaches 0 in 26 s"
)  # fmt: skip
SETTINGS = (
    SettingRow(
        "mode", "vm.overcommit_memory", "0", "", "1", "staged", "◆", "staged", "staged-bold"
    ),
    SettingRow("ratio", "vm.overcommit_ratio", "50", "%", "90", "staged", "◆", "inert", "staged"),
    SettingRow("pool", "hugepages.2048kB", "0", "", "64", "staged", "◆", "staged", "staged-bold"),
    SettingRow("pool-nodes", "on node0, node1", "0, 0", indent=2, dim=True),
    SettingRow(
        "numa", "kernel.numa_balancing", "1", "", "0", "advised", "▲", "differs", "differs"
    ),
    SettingRow(
        "maps", "vm.max_map_count", "65530", "", "262144", "advised", "▲", "differs", "differs"
    ),
    SettingRow("swappiness", "vm.swappiness", "60", "", "10", "advised", "○", "inert", "dim"),
    SettingRow("reclaim", "vm.zone_reclaim_mode", "0", glyph="✓", word="ok", tone="ok"),
    SettingRow("minfree", "vm.min_free_kbytes", "67584", "KiB", glyph="·", word="info"),
    SettingRow("thp", "thp.enabled", "madvise", glyph="✓", word="ok", tone="ok"),
    SettingRow("defrag", "thp.defrag", "madvise", glyph="✓", word="ok", tone="ok"),
)  # fmt: skip
GROUPED = (
    SettingRow("h1", "Huge pages", heading=True),
    *SETTINGS[2:4],
    SettingRow("h2", "NUMA and reclaim", heading=True),
    *SETTINGS[4:],
)
NODES = (
    NodeCores(
        "node0", "0–31", tuple(0.8 if i in (7, 17, 24) else 1.0 for i in range(32)),
        (False,) * 32, "3.46", "98 %", "performance",
    ),
    NodeCores(
        "node1", "32–63", tuple(0.2 if i % 5 == 0 else 0.4 for i in range(32)),
        (True,) * 32, "1.21", "2 %", "powersave", "differs", "powersave ×32",
    ),
)  # fmt: skip
HISTORY = (0.5, 0.5, 0.75, 0.75, 1.0, 1.0)
DISKS = (
    *(
        DiskRow(
            f"nvme{i}n1", f"nvme{i}n1", Cell("✓", "none"), Cell("▲", "128", "differs"),
            "4096", "1023", HISTORY, "1.53",
        )
        for i in range(4)
    ),
    DiskRow(
        "sda", "sda", Cell("✓", "mq-deadline"), Cell("✓", "4096"), "", "256", (), "0.00", busy=False
    ),
    DiskRow(
        "md0", "md0", Cell("–", "absent", "dim"), Cell("✓", "4096"), "", "–", (), "0.00", busy=False
    ),
)  # fmt: skip
LOAD = LoadView(
    "Llama-3.1-405B-Instruct", "vllm 48211", 0.61, "52 s left", "47 – 60 s", "6.1",
    "495.1 of 811.7 GB", "file 117 of 191",
    (
        (("It waits for the disks, one read at a time.", "fg"),),
        (("They give ", "fg"), ("6.1", "strong"), (" of ", "fg"), ("26.4 GB/s", "strong"),
         (" measured 12:01.", "fg")),
        (("▲", "differs"), (" block.read_ahead_kb is 128, advised 4096", "fg")),
    ),
    limit="of 26.4 GB/s the disks give",
)  # fmt: skip


def _ramp(index: int, low: float, high: float) -> float:
    return low if index < 222 else low + (high - low) * (index - 222) / 78


SERIES = (
    Series("available", "a", "available", tuple(_ramp(i, 960, 862) for i in range(301))),
    Series("cache", "c", "cache", tuple(_ramp(i, 20, 473) for i in range(301))),
    Series("used", "u", "used", tuple(min(132.0, _ramp(i, 41, 400)) for i in range(301))),
)
MARKERS = (Marker(240, "✓ kept thp.defrag", "ok"), Marker(78, "▸ load starts", "cache"))
MEMORY_CHART = ChartData("", "GiB", 300, SERIES, MARKERS, 1000.0, now=1000.0)
DISK_CHART = ChartData(
    "disk read", "GB/s", 300,
    (Series("disk", "d", "cache", (None,) * 222 + (6.1, 7.1) * 39 + (6.1,), "area"),),
    MARKERS, 8.0, note="all devices", now=1000.0,
)  # fmt: skip
SHORT_WHY = (
    Field("", "Moves pages between nodes while the model runs, "
          "and stalls the threads that touch them."),
    Field("Evidence", "★★★ NVIDIA Grace and AMD MI300X guides, "
          "both: measure it. Not measured here yet."),
    Field("Set by", "kernel default. No file names it."),
)  # fmt: skip
FULL_WHY = (
    Field("What", "The kernel moves memory pages to the node "
          "whose core uses them, while the program runs."),
    Field("Why", "To find those pages it makes threads fault on purpose. " * 4),
    Field("Now", "1, read 12:04:30", "strong"),
    Field("At boot", "1, kernel default"),
    Field("Path", "/proc/sys/kernel/numa_balancing", gap=True),
    Field("Undo", "writes 1 back"),
)  # fmt: skip
KEYS = tuple(
    KeyHint(key, verb)
    for key, verb in (
        ("↑↓", "move"), ("Tab", "panel"), ("Enter", "edit"), ("Space", "stage"),
        ("p", "plan 3"), ("u", "undo"), ("i", "why"), ("m", "zoom"),
    )
)  # fmt: skip
ALWAYS = (KeyHint(":", "commands"), KeyHint("?", "help"), KeyHint("q", "quit"))
WORK = (
    WorkRow("mode", "1", "vm.overcommit_memory", "0", "1", "staged", "◆", "staged", "staged"),
    WorkRow("numa", "1", "kernel.numa_balancing", "1", "0", "advised", "▲", "differs"),
    WorkRow("maps", "1", "vm.max_map_count", "65530", "262144", "advised", "▲", "differs"),
    WorkRow(
        "governor", "2", "cpu.governor  node1", "powersave", "performance", "advised", "▲",
        "differs",
    ),
    WorkRow("ahead", "3", "read_ahead_kb  4 × nvme", "128", "4096", "advised", "▲", "differs"),
    WorkRow("ratio", "1", "vm.overcommit_ratio", "50", "90", "staged", "◆", "staged", "staged"),
    WorkRow("pool", "1", "hugepages.2048kB", "0", "64", "staged", "◆", "staged", "staged"),
    WorkRow("epp", "2", "cpu.epp", "2 values", "performance", "advised", "▲", "differs"),
)  # fmt: skip
TRIAL = TrialView(
    17, "profile classic", 41, 60,
    (("✓", "ok"), (" overcommit_memory 0 → 1    ", "fg"),
     ("○ overcommit_ratio 50 → 90, inert", "dim")),
    "Closing this terminal is safe: the root helper puts everything back at 12:05:12.",
    keep="keep all 3",
    outcome_short=(("✓", "ok"), (" 2 written and read back", "fg")),
    reassurance_short="Closing this terminal is safe: all goes back at 12:05:12.",
)  # fmt: skip
PLAN = (
    PlanRow(
        "mode", "◆", "vm.overcommit_memory", "0", "1", "medium", "differs-bold",
        "a load that cannot fit is killed, not refused",
        detail=(
            Field("Effect", "The kernel stops checking memory requests, on this whole machine."),
            Field("Danger", "If a load then outgrows 861.9 GiB, the OOM killer ends a process."),
            Field("Undo", "writes 0 back, read 12:04:29"),
        ),
    ),
    PlanRow("ratio", "○", "vm.overcommit_ratio", "50", "90", "inert", "dim",
            "read only while overcommit_memory is 2", inert=True),
    PlanRow("pool", "◆", "vm.nr_hugepages", "0", "64", "low", "fg", "takes 128 MiB of 861.9 GiB"),
)  # fmt: skip
HOW = (
    HowField("t", "Try", (("60 s", "strong"), (", then everything goes back by itself", "fg"))),
    HowField("s", "Save", (("no", "strong"), (": a reboot undoes it.", "fg"))),
)
PLAN_KEYS = (
    KeyHint("a", "try for 60 s", filled=True),
    KeyHint("e", "edit"),
    KeyHint("x", "leave out"),
)
CHANGES = (
    ChangeRow("17", "17", "profile classic, 3 changes", "", "◆", "staged", "staged"),
    ChangeRow("16", "16", "thp.defrag  always → madvise", "11:58", "✓", "kept", "ok"),
    ChangeRow(
        "13", "13", "hugepages.1048576kB  0 → 8, got 5", "11:22", "▲", "partial, reverted",
        "differs",
    ),
)  # fmt: skip
RUNS = (
    RunBlock("before", (16.1, 16.8, 16.9, 17.0, 16.6), "48.1 s", "0.0 %, 5 of 5"),
    RunBlock("after", (16.5, 16.9, 17.0, 17.1, 16.2), "48.0 s", "0.0 %, 5 of 5", "used"),
)


class Stage(App[None]):
    """Shows widgets one under the other."""

    CSS = "Screen { overflow: hidden; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, *widgets: Widget, theme: str = "aitune-dark") -> None:
        super().__init__()
        self._widgets = widgets
        self._theme_name = theme
        for each in THEMES:
            self.register_theme(each)

    def compose(self) -> ComposeResult:
        yield from self._widgets

    def on_mount(self) -> None:
        self.theme = self._theme_name
