"""What stands on every screen, from what is known to what is shown: host, chips, pages, memory."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper.messages import APPLYING
from aitune_tui import present_settings
from aitune_tui.present_load import load_fraction
from aitune_tui.state import short_of_way_back, staleness
from aitune_tui.words import clock, counted, duration, gib
from aitune_widgets.header_bar import Chip, Header
from aitune_widgets.memory_strip import StripData
from aitune_widgets.navigation_bar import Tab

if TYPE_CHECKING:
    from aitune_backends.readings import Identity
    from aitune_tui.history import History
    from aitune_tui.state import State
    from aitune_widgets.header_bar import ChipKind
    from aitune_widgets.memory_strip import StripLoad
    from aitune_widgets.text import Segment

URGENT_SECONDS = 10.0
WIDE = 110
_GIB = 2**30
_HELPER_WORDS = {
    "ready": "root helper ready",
    "root": "as root",
    "outdated": "another root helper",
    "asleep": "root helper asleep",
    "not installed": "no root helper",
    "none": "",
}
_SHORT_MODEL = re.compile(r"\b[A-Z]{1,3}\d{1,4}[A-Z]{0,2}\b")


class Page(NamedTuple):
    """One page of the dashboard."""

    key: str
    title: str
    short: str


PAGES = (
    Page("0", "Overview", "All"),
    Page("1", "Memory", "Mem"),
    Page("2", "CPU", "CPU"),
    Page("3", "Block", "Block"),
    Page("4", "Load", "Load"),
    Page("5", "Compare", "Cmp"),
    Page("6", "Changes", "Chg"),
    Page("7", "Doctor", "Doc"),
)


def gpu_text(gpus: tuple[str, ...], times: str = " × ") -> str:
    """`8 × H100`: how many of which model, by the short name in the maker's long one."""
    names = Counter(match.group() if (match := _SHORT_MODEL.search(gpu)) else gpu for gpu in gpus)
    return ", ".join(f"{count}{times}{name}" for name, count in names.items())


def machine_facts(identity: Identity) -> tuple[str, str]:
    """What the machine is, long and short."""
    nodes = f", {counted(len(identity.nodes), 'node')}" if len(identity.nodes) > 1 else ""
    long: list[str] = []
    short: list[str] = []
    if identity.cpus:
        long.append(counted(identity.cpus, "core") + nodes)
        short.append(f"{identity.cpus}c")
    if identity.memory:
        long.append(f"{gib(identity.memory)} GiB")
        short.append(f"{identity.memory // 2**30}G")
    if identity.gpus:
        long.append(gpu_text(identity.gpus))
        short.append(gpu_text(identity.gpus, "×"))
    if identity.kernel:
        long.append(f"Linux {identity.kernel}")
    if identity.container:
        long.append(identity.container)
        short.append(identity.container)
    return " · ".join(long), " ".join(short)


def chips(state: State, seconds_left: float | None) -> tuple[Chip, ...]:
    """What asks for the operator, at the right end of the header."""
    shown: list[Chip] = []
    if state.frozen is not None:
        shown.append(Chip(f"frozen {clock(state.frozen)}", "plain"))
    if staged := present_settings.all_counts(state).staged:
        shown.append(Chip(f"◆ {staged} staged", "staged"))
    if state.pending is not None and seconds_left is not None:
        if state.pending.state == APPLYING:
            shown.append(Chip("◐ APPLYING", "trial"))
        elif seconds_left <= 0:
            shown.append(Chip("◐ TRIAL overdue", "urgent"))
        else:
            kind: ChipKind = "urgent" if seconds_left <= URGENT_SECONDS else "trial"
            shown.append(Chip(f"◐ TRIAL {seconds_left:.0f} s", kind))
    if state.locked or state.helper in {"asleep", "not installed", "none"}:
        shown.append(Chip("read-only", "plain"))
    return tuple(shown)


def header(
    identity: Identity,
    state: State,
    *,
    origin: str,
    seconds_left: float | None,
    now: float,
    wall: float,
    interval: float,
) -> Header:
    """The top line."""
    facts, short = machine_facts(identity)
    if origin:
        facts, short = f"{origin} · {facts}", f"capture {short}"
    stale = staleness(state, now, interval)
    age = f"! data {now - state.sample.at:.0f} s old" if stale and state.sample else ""
    return Header(
        host=identity.name,
        facts=facts,
        facts_short=short,
        chips=chips(state, seconds_left),
        goal=state.goal,
        helper_matters=state.helper not in {"ready", "root"},
        helper="" if state.locked else _HELPER_WORDS[state.helper],
        clock=clock(wall),
        stale=age,
        stale_urgent=stale == "dead",
    )


def _badge(counts: present_settings.Counts) -> tuple[Segment, ...]:
    drifted: tuple[Segment, ...] = ((f"≠{counts.drifted}", "failed"),) if counts.drifted else ()
    differ: tuple[Segment, ...] = ((f"▲{counts.differ}", "differs"),) if counts.differ else ()
    return (*drifted, *differ)


def tabs(state: State) -> tuple[Tab, ...]:
    """The navigation row; badges count settings, not files."""
    everything = present_settings.all_counts(state)
    changes: list[Segment] = []
    if everything.staged:
        changes.append((f"◆{everything.staged}", "staged"))
    if everything.trial:
        changes.append((f"◐{everything.trial}", "differs"))
    if short := len(short_of_way_back(state)):
        changes.append((f"!{short}", "failed"))
    load: tuple[Segment, ...] = ()
    fraction = load_fraction(state.sample)
    if fraction is not None:
        load = ((f"{fraction * 100:.0f}%", "cache"),)
    doctor: list[Segment] = []
    if serious := sum(finding.severity == "problem" for finding in state.findings):
        doctor.append((f"!{serious}", "failed"))
    if asking := sum(finding.severity == "warning" for finding in state.findings):
        doctor.append((f"▲{asking}", "differs"))
    badges: dict[str, tuple[Segment, ...]] = {
        "1": _badge(present_settings.memory_counts(state)),
        "2": _badge(present_settings.cpu_counts(state)),
        "3": _badge(present_settings.block_counts(state)),
        "4": load,
        "6": tuple(changes),
        "7": tuple(doctor),
    }
    return tuple(Tab(p.key, p.title, p.short, badges.get(p.key, ())) for p in PAGES)


def strip(
    state: State, history: History, load: StripLoad | None, *, width: int, stale: bool
) -> StripData | None:
    """The memory strip, or None before the first sample."""
    sample = state.sample
    if sample is None or sample.memory is None:
        return None
    memory, some = sample.memory, sample.pressure.memory_some
    left = history.runs_out.seconds
    swap = "no swap"
    if memory.swap_total:
        used = gib(memory.swap_total - memory.swap_free)
        swap = f"swap {used} of {gib(memory.swap_total)}" if width >= WIDE else f"swap {used}"
    return StripData(
        total=memory.total / _GIB,
        used=memory.used / _GIB,
        huge=memory.huge_pages / _GIB,
        cache=memory.cache / _GIB,
        free=memory.free / _GIB,
        available=None if memory.available is None else memory.available / _GIB,
        swap_text=swap,
        stalled_pct=some.avg10 if some else None,
        alarm="" if left is None else f"! reaches 0 in {duration(left)}",
        load=load,
        stale=stale,
    )
