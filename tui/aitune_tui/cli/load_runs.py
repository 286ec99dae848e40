"""A load test as the command line shows it: progress while it runs, a table when it is done."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from aitune_backends.foreign import clean
from aitune_backends.loads.model_files import ModelError, ModelFiles, find_model
from aitune_backends.loads.records import (
    MMAP,
    READING,
    Cancelled,
    Failed,
    Finished,
    LoadRequest,
    LoadResult,
    Note,
    Progress,
)
from aitune_backends.loads.runner import LoadTest
from aitune_backends.loads.store import Store, StoreError
from aitune_backends.places import user_places
from aitune_tui.cli.common import NOT_AS_WANTED, USAGE, fail, note, table
from aitune_tui.cli.output import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aitune_backends.loads.records import Event, LoadRun
    from aitune_tui.cli.common import Options

_CLEAR_LINE = "\r\x1b[K"
_ENGINES = {
    MMAP: "mmap: every page mapped and copied out",
    "buffered": "buffered: preadv of 1 MiB",
}


def require_this_machine(options: Options) -> None:
    """Refuse to time a load anywhere but here.

    Raises:
        Failure: Status 2.
    """
    if options.root is not None:
        fail(USAGE, "capture", "A load can be timed on the machine itself, not in a capture.")
    if options.demo:
        fail(USAGE, "demo", "The demo machine has no disks to read from: leave out --demo.")


def model_at(paths: Sequence[str]) -> ModelFiles:
    """The model at the paths of a command line.

    Raises:
        Failure: Status 2, with the sentence.
    """
    try:
        return find_model(paths)
    except ModelError as error:
        fail(USAGE, "model", str(error))


def request_for(model: ModelFiles, engine: str, state: str, threads: int, runs: int) -> LoadRequest:
    """What to time, from the options of a command line."""
    files = tuple(str(file) for file in model.files)
    return LoadRequest(model.name, files, model.bytes, engine, state, threads, runs)


def run_test(request: LoadRequest) -> LoadResult:
    """Time a load: progress on standard error, Ctrl-C ends the reading process too.

    Raises:
        Failure: It failed, status 1.
        KeyboardInterrupt: After the reading process is gone.
    """
    test = LoadTest(request)
    with cancelled_by_ctrl_c(test):
        for event in test.start():
            show_event(event)
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, Failed):
                fail(NOT_AS_WANTED, "load", event.sentence)
    raise KeyboardInterrupt


@contextmanager
def cancelled_by_ctrl_c(test: LoadTest) -> Iterator[None]:
    """Let no interrupt leave the reading process behind."""
    try:
        yield
    except BaseException:
        test.cancel()
        if test.started:
            for _ in test:
                pass
        raise


def show_event(event: Event) -> None:
    """Tell people what goes on, on standard error; progress only where it is a terminal."""
    terminal = sys.stderr.isatty()
    if isinstance(event, Progress) and terminal:
        click.echo(_CLEAR_LINE + shown(_progress(event)), err=True, nl=False)
        return
    if isinstance(event, Note | Finished | Failed | Cancelled) and terminal:
        click.echo(_CLEAR_LINE, err=True, nl=False)
    if isinstance(event, Note):
        note(clean(event.sentence), as_json=True)


def _progress(event: Progress) -> str:
    text = f"run {event.run} of {event.runs} · {event.phase}"
    if event.total and event.done:
        text += f" · {event.done / event.total:.0%}"
    if event.phase == READING and event.rate is not None:
        text += f" · {event.rate / 1e9:.2f} GB/s"
    return text


def save(result: LoadResult) -> LoadResult:
    """Keep a result; that it cannot be kept is said, and loses nothing else."""
    store = Store(user_places())
    try:
        result = store.save(result)
    except StoreError as error:
        note(f"The result is not kept: {error}", as_json=True)
    say_what_was_moved(store)
    return result


def say_what_was_moved(store: Store) -> None:
    """Say loudly that the file of results was damaged."""
    if store.moved_aside is not None:
        note(
            f"The file of results was damaged. It lies in {store.moved_aside} now, and a new one "
            "was begun.",
            as_json=True,
        )


def result_lines(result: LoadResult) -> Iterator[str]:
    """A result as people read it."""
    yield table(
        ("RUN", "TIME", "SPEED", "CACHED BEFORE", "MAJOR FAULTS", "CPU", "STATE"),
        [_run_cells(number, run) for number, run in enumerate(result.runs, 1)],
    )
    yield summary(result)
    yield clean(work(result.request))
    yield from map(clean, result.notes)
    if not result.as_asked:
        yield f"Not every run began {result.request.state}: see STATE."


def summary(result: LoadResult) -> str:
    """Median and spread, in one line."""
    low, high = min(result.speeds), max(result.speeds)
    return (
        f"median {result.median_gb_per_s:.2f} GB/s, {low:.2f}..{high:.2f} GB/s in "
        f"{count(len(result.runs), 'run')}, spread {result.spread:.0%}"
    )


def work(request: LoadRequest) -> str:
    """What was read, and how, in one line."""
    return (
        f"{request.name}: {size(request.bytes)} in {count(len(request.files), 'file')} into host "
        f"memory, {request.state}, {_ENGINES[request.engine]}, {count(request.threads, 'thread')}"
    )


def size(number: int) -> str:
    """Bytes as people read them: `811.70 GB`, `12.6 MB`."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def count(number: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def states_of(runs: Iterable[LoadRun]) -> str:
    """The states the runs began in, each once."""
    return clean(", ".join(dict.fromkeys(run.state for run in runs)))


def _run_cells(number: int, run: LoadRun) -> tuple[str, ...]:
    before = run.residency_before
    return (
        str(number),
        f"{run.seconds:.2f} s" if run.seconds >= 1 else f"{run.seconds * 1000:.1f} ms",
        f"{run.gb_per_s:.2f} GB/s",
        "unknown" if before is None else f"{before:.1%}",
        str(run.majflt),
        f"{run.cpu_s:.2f} s",
        run.state,
    )
