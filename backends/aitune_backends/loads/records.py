"""What goes into a load test and what comes out: the request, its events, its result.

All of them are plain values that travel as JSON between the processes and into the database.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

BUFFERED = "buffered"
MMAP = "mmap"
ENGINES = (BUFFERED, MMAP)

COLD = "cold"
WARM = "warm"
STATES = (COLD, WARM)
NOT_COLD = "not cold"
NOT_COLD_UNVERIFIED = "not cold (unverified)"
NOT_WARM = "not warm"
NOT_WARM_UNVERIFIED = "not warm (unverified)"

EVICTING = "evicting"
WARMING = "warming"
READING = "reading"

MAX_THREADS = 256
MAX_RUNS = 1000
GB = 1e9


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to read, and how.

    Attributes:
        name: What to call the model.
        files: Absolute paths.
        bytes: Their sizes together, as they were when they were found.
        engine: `buffered` or `mmap`.
        state: `cold` or `warm`: where the files shall be before each run.
        threads: Readers at once.
        runs: How often.
    """

    name: str
    files: tuple[str, ...]
    bytes: int
    engine: str = BUFFERED
    state: str = COLD
    threads: int = 1
    runs: int = 3

    def __post_init__(self) -> None:
        """Refuse what no engine can do.

        Raises:
            ValueError: One sentence that names the choices.
        """
        if self.engine not in ENGINES:
            raise ValueError(f"The engine is one of: {', '.join(ENGINES)}.")
        if self.state not in STATES:
            raise ValueError(f"The state is one of: {', '.join(STATES)}.")
        if not 1 <= self.threads <= MAX_THREADS:
            raise ValueError(f"Threads are 1 to {MAX_THREADS}.")
        if not 1 <= self.runs <= MAX_RUNS:
            raise ValueError(f"Runs are 1 to {MAX_RUNS}.")
        if not self.files:
            raise ValueError("There is no file to read.")

    @property
    def work(self) -> tuple[object, ...]:
        """What two results must share to be shown beside each other."""
        return (self.files, self.bytes, self.engine, self.state, self.threads)


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One timed reading of all files.

    Attributes:
        seconds: From the first byte asked for to the last byte in our memory.
        bytes: Bytes moved into our memory, counted as they arrived.
        residency_before: Share of the files' pages in the page cache just before, 0..1; None where
            the kernel does not say it to us.
        majflt, minflt: Page faults of the reading process, with and without disk access.
        cpu_s: CPU seconds of the reading process, user and system.
        read_bytes: Bytes it had fetched from below the page cache (`/proc/self/io`), or None.
        state: `cold`, `warm`, or why it is neither: `not cold`, `not cold (unverified)` …
    """

    seconds: float
    bytes: int
    residency_before: float | None
    majflt: int
    minflt: int
    cpu_s: float
    read_bytes: int | None
    state: str

    @property
    def gb_per_s(self) -> float:
        """Speed in GB (10^9 bytes) a second."""
        return self.bytes / GB / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a load was timed.

    Attributes:
        at: Seconds since the epoch.
        host: Name of the machine, for people.
        machine: Hash of its machine-id, "" where it has none.
        boot: Its boot id.
        kernel: Release of its kernel.
        trial: Id of the trial that was pending then, or "".
        settings: Knobs in force before the first run, `knob` or `knob@instance` -> value.
    """

    at: float
    host: str
    machine: str
    boot: str
    kernel: str
    trial: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A finished load test.

    Attributes:
        request: What was asked.
        place: Where and when.
        runs: Every run, in order; none is left out.
        notes: Sentences that belong beside the figures.
        id: Its number in the store, None until it is saved.
    """

    request: LoadRequest
    place: Place
    runs: tuple[LoadRun, ...]
    notes: tuple[str, ...] = ()
    id: int | None = None

    @property
    def speeds(self) -> tuple[float, ...]:
        """GB a second of every run."""
        return tuple(run.gb_per_s for run in self.runs)

    @property
    def median_gb_per_s(self) -> float:
        """Median speed of the runs."""
        from statistics import median  # with decimal and fractions, only where runs are shown

        return median(self.speeds)

    @property
    def spread(self) -> float:
        """(fastest - slowest) / median: 0.2 means that the runs differ by a fifth."""
        return (max(self.speeds) - min(self.speeds)) / self.median_gb_per_s

    @property
    def as_asked(self) -> bool:
        """Whether every run started in the state that was asked for, and that was verified."""
        return all(run.state == self.request.state for run in self.runs)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one run is.

    Attributes:
        done, total: Bytes.
        rate: Bytes a second since the run's start, None before anything was read.
        run: Number of the run, from 1.
        runs: How many there will be.
        phase: `evicting`, `warming` or `reading`; only the last is timed.
    """

    done: int
    total: int
    rate: float | None
    run: int
    runs: int
    phase: str


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence the operator should see, such as who else has the files open."""

    sentence: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """One run is done."""

    run: LoadRun
    number: int


@dataclass(frozen=True, slots=True)
class Finished:
    """All runs are done."""

    result: LoadResult


@dataclass(frozen=True, slots=True)
class Failed:
    """The test ended early; nothing of it counts."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The operator ended it."""


Event: TypeAlias = Progress | Note | RunFinished | Finished | Failed | Cancelled
ENDS = (Finished, Failed, Cancelled)


def result_as_json(result: LoadResult) -> dict[str, object]:
    """The result as `loadtest --json` prints it, without its schema's name."""
    request, place = result.request, result.place
    return {
        "id": result.id,
        "name": request.name,
        "files": list(request.files),
        "bytes": request.bytes,
        "engine": request.engine,
        "state": request.state,
        "threads": request.threads,
        "runs": [asdict(run) | {"gb_per_s": run.gb_per_s} for run in result.runs],
        "median_gb_per_s": result.median_gb_per_s,
        "min_gb_per_s": min(result.speeds),
        "max_gb_per_s": max(result.speeds),
        "spread": result.spread,
        "as_asked": result.as_asked,
        # The share of the disk's own limit needs the direct engine; unknown until then.
        "limit_share": None,
        "notes": list(result.notes),
        "at": place.at,
        "host": place.host,
        "machine": place.machine,
        "boot": place.boot,
        "kernel": place.kernel,
        "trial": place.trial or None,
        "settings": dict(place.settings),
    }


def with_id(result: LoadResult, number: int) -> LoadResult:
    """The same result, under the number the store gave it."""
    return replace(result, id=number)
