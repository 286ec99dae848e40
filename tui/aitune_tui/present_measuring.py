"""Load tests as tables: what is timed, how far it is, what came out. No per cent, no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.loads.records import READING
from aitune_tui.sentences import TWO_BLOCKS
from aitune_tui.words import clock, counted, file_size, gb, hour, load_time, percent
from aitune_widgets.load_panel import LoadView
from aitune_widgets.run_table import RunBlock

if TYPE_CHECKING:
    from aitune_backends.loads.records import LoadResult
    from aitune_tui.measuring import Measuring
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone

_SHOWN = 6
_LABEL = 9
_PHASES = {"evicting": "evicting its pages", "warming": "reading once, untimed", READING: "reading"}


def word(measuring: Measuring) -> Line:
    """What stands at the right end of the panel's rule."""
    if measuring.running:
        done = len(measuring.done) + 1
        return ((f"run {min(done, measuring.runs)} of {measuring.runs}", "cache"),)
    return ((counted(len(measuring.results), "result"), "dim"),)


def progress(measuring: Measuring) -> LoadView:
    """The test that runs."""
    now, request = measuring.progress, measuring.request
    if now is None or request is None:
        return LoadView(sentences=((("Starting …", "dim"),),))
    timed = now.phase == READING
    return LoadView(
        title=request.name,
        who=_PHASES.get(now.phase, now.phase),
        fraction=now.done / now.total if timed and now.total else None,
        left="" if timed else "not timed",
        rate=gb(now.rate) if timed else "",
        done=f"{gb(now.done)} of {gb(now.total)} GB",
        files=counted(len(request.files), "file"),
    )


def setup(measuring: Measuring, *, live: bool) -> tuple[Line, ...]:
    """What `l` would run, and what is to be said of the last one."""
    lines: list[Line] = []
    if not live:
        lines.append((("Only this machine's own disks can be timed.", "dim"),))
    elif measuring.model is None:
        lines.append((("Choose model files first: ", "dim"), ("o", "focus-bold")))
    else:
        model = measuring.model
        size = f"{file_size(model.bytes)}, {counted(len(model.files), 'file')}"
        lines.append((("Files".ljust(_LABEL), "dim"), (model.name, "strong"), (f"  {size}", "dim")))
        state = "cold: evicted, and checked" if measuring.file_state == "cold" else "warm: cached"
        how = f"{measuring.engine}, {state}, {counted(measuring.runs, 'run')}"
        lines.append((("How".ljust(_LABEL), "dim"), (how, "fg")))
    if measuring.note:
        lines.append(((measuring.note, "failed" if measuring.failed else "dim"),))
    return (*lines, ())


def results(measuring: Measuring) -> tuple[tuple[RunBlock, ...], tuple[Line, ...]]:
    """The latest results, newest first."""
    shown = measuring.results[:_SHOWN]
    files = len({result.request.files for result in shown}) > 1
    blocks = tuple(
        _block(
            result,
            f"{_kind(result)} {hour(result.place.at)}",
            "cache" if index else "used",
            named=files,
        )
        for index, result in enumerate(shown)
    )
    if not blocks:
        return (), ((("No load was timed on this machine yet.", "dim"),),)
    notes = shown[0].notes
    lines: list[Line] = [((note, "dim"),) for note in notes]
    if len(blocks) > 1:
        lines.append(((TWO_BLOCKS, "strong"),))
    return blocks, tuple(lines)


def _kind(result: LoadResult) -> str:
    """`cold buffered`; what the files really were, where that is not what was asked."""
    state = result.request.state if result.as_asked else result.runs[0].state
    return f"{state.replace(' (unverified)', '?')} {result.request.engine}"


def _block(result: LoadResult, name: str, tone: Tone, *, named: bool = False) -> RunBlock:
    seconds = sorted(run.seconds for run in result.runs)
    median = seconds[len(seconds) // 2] if seconds else None
    cached = [r.residency_before for r in result.runs if r.residency_before is not None]
    known = f"{percent(max(cached))} %" if cached else "–"
    if cached and len(cached) < len(result.runs):
        known += f", {len(cached)} of {len(result.runs)}"
    return RunBlock(
        name=name,
        rates=result.speeds,
        median_load=load_time(median) if median is not None else "–",
        cached=f"{known}   {result.request.name}" if named else known,
        tone=tone,
    )


def pair_word(measuring: Measuring) -> Line:
    """How many runs each."""
    if measuring.pair is None:
        return ()
    before, after = measuring.pair
    return ((f"{len(before.runs)} and {counted(len(after.runs), 'run')}", "dim"),)


def pair(measuring: Measuring) -> tuple[tuple[RunBlock, ...], tuple[Line, ...]]:
    """Two blocks that read the same files in the same way, and the settings that changed."""
    if measuring.pair is None:
        return (), (
            (("Nothing to lay side by side yet.", "fg"),),
            (
                ("Time a load, change something, time it again: ", "dim"),
                ("both blocks of the same files appear here.", "dim"),
            ),
            (("Commands (:) has the whole exercise: “Exercise: classic…”.", "dim"),),
        )
    before, after = measuring.pair
    blocks = (_block(before, "before", "cache"), _block(after, "after", "used"))
    lines: list[Line] = []
    request = after.request
    size = f"{request.name}  {file_size(request.bytes)}, {counted(len(request.files), 'file')}"
    lines.append(
        (
            ("Files   ", "dim"), (size, "fg"),
            ("   engine ", "dim"), (request.engine, "fg"),
            ("   state ", "dim"), (request.state, "fg"),
        )
    )  # fmt: skip
    changed = changed_settings(before, after)
    lines.append((("Changed ", "dim"), (changed or "no setting that is watched", "fg")))
    when = f"{clock(before.place.at)} and {clock(after.place.at)}"
    lines.append((("When    ", "dim"), (when, "fg")))
    lines.append(())
    lines.append(((TWO_BLOCKS, "strong"),))
    lines.append(
        (("The same setting has moved by a third between two blocks minutes apart.", "dim"),)
    )
    return blocks, tuple(lines)


def changed_settings(before: LoadResult, after: LoadResult) -> str:
    """The settings in force that differ between two results: `vm.swappiness 60 → 10`."""
    old, new = before.place.settings, after.place.settings
    names = [name for name in new if old.get(name) != new[name]]
    return ", ".join(f"{name} {old.get(name, '–')} → {new[name]}" for name in names)
