"""Load tests as the dashboard knows them: what is chosen, what runs, what came out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aitune_backends.loads.model_files import ModelFiles
    from aitune_backends.loads.records import Event, LoadRequest, LoadResult, LoadRun, Progress
    from aitune_widgets.text import Segment
    from aitune_widgets.theme import Tone

RUNS = (1, 3, 5, 8)


@dataclass(frozen=True, slots=True)
class Measuring:
    """Everything of load tests that is shown.

    Attributes:
        model: The files chosen, or None.
        engine, file_state, runs: How they are read.
        running: Whether a test runs.
        progress: How far it is.
        done: The runs of it that are finished.
        results: Results of this machine, newest first.
        note: What is to be said of it, or why the last one failed.
        failed: Whether the note tells of a failure.
        exercising: Whether the runs are those of an exercise.
        exercise: What the last exercise was of, or "".
        steps: What it said, in order, each with its tone.
    """

    model: ModelFiles | None = None
    engine: str = "buffered"
    file_state: str = "cold"
    runs: int = 3
    running: bool = False
    progress: Progress | None = None
    done: tuple[LoadRun, ...] = ()
    results: tuple[LoadResult, ...] = ()
    note: str = ""
    failed: bool = False
    exercising: bool = False
    exercise: str = ""
    steps: tuple[Segment, ...] = ()

    @property
    def request(self) -> LoadRequest | None:
        """What `l` would run."""
        from aitune_backends.loads.records import LoadRequest

        if self.model is None:
            return None
        return LoadRequest(
            self.model.name,
            tuple(str(file) for file in self.model.files),
            self.model.bytes,
            engine=self.engine,
            state=self.file_state,
            runs=self.runs,
        )

    @property
    def pair(self) -> tuple[LoadResult, LoadResult] | None:
        """The newest result and the one before it that did the same work: before, then after."""
        if not self.results:
            return None
        after = self.results[0]
        for before in self.results[1:]:
            if before.request.work == after.request.work:
                return before, after
        return None


def started(measuring: Measuring) -> Measuring:
    """A test was started."""
    return replace(measuring, running=True, progress=None, done=(), note="", failed=False)


def exercise_began(measuring: Measuring, title: str) -> Measuring:
    """An exercise was started."""
    return replace(started(measuring), exercising=True, exercise=title, steps=())


def exercise_said(measuring: Measuring, text: str, tone: Tone) -> Measuring:
    """An exercise took a step worth a line."""
    return replace(measuring, steps=(*measuring.steps, (text, tone)), done=())


def heard(measuring: Measuring, event: Event) -> Measuring:
    """Take over what a test reported."""
    from aitune_backends.loads.records import (
        Cancelled,
        Failed,
        Finished,
        Note,
        Progress,
        RunFinished,
    )

    match event:
        case Progress():
            return replace(measuring, progress=event)
        case Note():
            return replace(measuring, note=event.sentence)
        case RunFinished():
            return replace(measuring, done=(*measuring.done, event.run))
        case Finished():
            ended = replace(measuring, running=False, progress=None)
            return replace(ended, results=(event.result, *measuring.results))
        case Failed():
            return replace(
                measuring, running=False, progress=None, note=event.sentence, failed=True
            )
        case Cancelled():
            return replace(
                measuring, running=False, progress=None, note="Cancelled. Nothing of it counts."
            )


def next_engine(measuring: Measuring) -> Measuring:
    """Read with the other engine."""
    from aitune_backends.loads.records import ENGINES

    index = ENGINES.index(measuring.engine)
    return replace(measuring, engine=ENGINES[(index + 1) % len(ENGINES)])


def next_state(measuring: Measuring) -> Measuring:
    """Read cold, or warm."""
    from aitune_backends.loads.records import STATES

    index = STATES.index(measuring.file_state)
    return replace(measuring, file_state=STATES[(index + 1) % len(STATES)])


def next_runs(measuring: Measuring) -> Measuring:
    """Read more often, or once again."""
    later = [runs for runs in RUNS if runs > measuring.runs]
    return replace(measuring, runs=later[0] if later else RUNS[0])
