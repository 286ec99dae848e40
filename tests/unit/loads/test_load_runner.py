"""A load test in its own process: cold and warm for real, cancelled, killed, orphaned."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aitune_backends.loads import runner
from aitune_backends.loads.child import parse_read_bytes, reached
from aitune_backends.loads.evict import evict
from aitune_backends.loads.records import (
    COLD,
    ENDS,
    ENGINES,
    MMAP,
    NOT_COLD,
    NOT_COLD_UNVERIFIED,
    NOT_WARM,
    NOT_WARM_UNVERIFIED,
    READING,
    WARM,
    Cancelled,
    Event,
    Failed,
    Finished,
    LoadRequest,
    LoadRun,
    Note,
    Progress,
    RunFinished,
)
from aitune_backends.loads.runner import LoadTest, notes_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    RequestFor = Callable[..., LoadRequest]
    Hold = Callable[[str], AbstractContextManager[int]]


def run(request: LoadRequest) -> list[Event]:
    return list(LoadTest(request).start())


@pytest.mark.parametrize("engine", ENGINES)
def test_cold_runs_are_cold(shards: Path, request_for: RequestFor, engine: str) -> None:
    request = request_for(shards, engine=engine, state=COLD, runs=2)
    events = run(request)
    end = events[-1]
    assert isinstance(end, Finished)
    assert [event.number for event in events if isinstance(event, RunFinished)] == [1, 2]
    for one in end.result.runs:
        assert one.state == COLD
        assert one.residency_before is not None
        assert one.residency_before <= 0.001
        assert one.bytes == request.bytes
        assert one.read_bytes is not None
        assert one.read_bytes >= request.bytes
        assert one.gb_per_s == pytest.approx(request.bytes / 1e9 / one.seconds)
    assert end.result.as_asked
    assert end.result.notes == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_warm_runs_are_warm(gguf_file: Path, request_for: RequestFor, engine: str) -> None:
    end = run(request_for(gguf_file, engine=engine, state=WARM, runs=2, threads=2))[-1]
    assert isinstance(end, Finished)
    assert [one.state for one in end.result.runs] == [WARM, WARM]
    assert all(one.read_bytes == 0 and one.majflt == 0 for one in end.result.runs)


def test_a_cold_file_is_warmed_first(gguf_file: Path, request_for: RequestFor) -> None:
    evict([str(gguf_file)])
    events = run(request_for(gguf_file, state=WARM, runs=1))
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.result.runs[0].residency_before == 1.0
    assert end.result.runs[0].read_bytes == 0


def test_mapping_a_file_takes_page_faults(shards: Path, request_for: RequestFor) -> None:
    end = run(request_for(shards, engine=MMAP, state=WARM, runs=1))[-1]
    assert isinstance(end, Finished)
    assert end.result.runs[0].minflt >= 10


def test_a_file_that_a_server_holds_is_never_silently_cold(
    gguf_file: Path, request_for: RequestFor, mapped_elsewhere: Hold
) -> None:
    with mapped_elsewhere(str(gguf_file)) as pid:
        events = run(request_for(gguf_file, state=COLD, runs=1))
    end = events[-1]
    assert isinstance(end, Finished)
    assert [one.state for one in end.result.runs] == [NOT_COLD]
    assert not end.result.as_asked
    notes = [event.sentence for event in events if isinstance(event, Note)]
    assert notes == list(end.result.notes)
    assert f"({pid})" in notes[0]


def test_where_and_when_is_recorded(gguf_file: Path, request_for: RequestFor) -> None:
    end = run(request_for(gguf_file, runs=1))[-1]
    assert isinstance(end, Finished)
    place = end.result.place
    assert place.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert place.kernel == os.uname().release
    swappiness = Path("/proc/sys/vm/swappiness").read_text().strip()
    assert place.settings["vm.swappiness"] == swappiness
    machine_id = Path("/etc/machine-id")
    if machine_id.exists():
        assert len(place.machine) == 16
        assert place.machine not in machine_id.read_text()


def until_reading(test: LoadTest) -> None:
    """Iterate until bytes are moving."""
    for event in test:
        assert not isinstance(event, ENDS), event
        if isinstance(event, Progress) and event.phase == READING and event.done:
            return


@pytest.fixture
def large(tmp_path: Path, request_for: RequestFor) -> LoadRequest:
    """A request that takes so long that it is surely interrupted: a hole reads from nowhere."""
    path = tmp_path / "large.bin"
    path.touch()
    os.truncate(path, 60 << 30)
    return request_for(path, state=COLD, runs=1)


def test_the_reader_is_modest_and_progress_comes_a_few_times_a_second(large: LoadRequest) -> None:
    test = LoadTest(large).start()
    until_reading(test)
    assert test.pid is not None
    process = psutil.Process(test.pid)
    assert process.nice() >= 10
    assert int(Path(f"/proc/{test.pid}/oom_score_adj").read_text()) >= 500
    done = [event.done for event in (next(iter(test)) for _ in range(3))
            if isinstance(event, Progress)]  # fmt: skip
    assert done == sorted(done)
    test.cancel()
    assert isinstance(list(test)[-1], Cancelled)
    assert not psutil.pid_exists(test.pid)


def test_cancelling_twice_and_from_another_thread_is_fine(large: LoadRequest) -> None:
    test = LoadTest(large).start()
    until_reading(test)
    threads = [threading.Thread(target=test.cancel) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = list(test)
    assert [event for event in events if isinstance(event, ENDS)] == [Cancelled()]


def test_cancelling_before_the_process_is_there(large: LoadRequest) -> None:
    test = LoadTest(large)
    test.cancel()
    assert list(test.start()) == [Cancelled()]
    assert test.pid is None


def test_a_reader_that_does_not_listen_is_killed(
    large: LoadRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE_S", 0.2)
    monkeypatch.setattr(subprocess.Popen, "terminate", lambda _: None)  # as if it went unheard
    test = LoadTest(large).start()
    until_reading(test)
    assert test.pid is not None
    test.cancel()
    assert isinstance(list(test)[-1], Cancelled)
    assert not psutil.pid_exists(test.pid)


def test_a_reader_killed_by_somebody_else_is_a_failure(large: LoadRequest) -> None:
    test = LoadTest(large).start()
    until_reading(test)
    assert test.pid is not None
    os.kill(test.pid, signal.SIGKILL)
    end = list(test)[-1]
    assert isinstance(end, Failed)
    assert "killed" in end.sentence


def test_a_file_that_vanishes_is_a_failure(gguf_file: Path, request_for: RequestFor) -> None:
    request = request_for(gguf_file)
    gguf_file.unlink()
    end = run(request)[-1]
    assert end == Failed(f"{gguf_file}: no such file or directory.")


def test_a_file_that_grew_is_a_failure(gguf_file: Path, request_for: RequestFor) -> None:
    request = request_for(gguf_file)
    with gguf_file.open("ab") as file:
        file.write(b"more")
    end = run(request)[-1]
    assert end == Failed("The files changed their size since they were found.")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_truncated_while_it_is_read_is_a_failure(
    large: LoadRequest, request_for: RequestFor, engine: str
) -> None:
    path = Path(large.files[0])
    test = LoadTest(request_for(path, engine=engine, runs=1)).start()
    until_reading(test)
    os.truncate(path, 4096)
    end = list(test)[-1]
    assert isinstance(end, Failed)
    assert "became shorter while it was read" in end.sentence


def test_the_reader_dies_with_its_parent(large: LoadRequest) -> None:
    """The parent is killed, not asked. The reader is stopped then, so that it cannot notice by
    itself, from a pipe that nobody reads: only the kernel can see to it.
    """
    code = (
        "import json, os, sys\n"
        "from aitune_backends.loads.records import LoadRequest, Progress\n"
        "from aitune_backends.loads.runner import LoadTest\n"
        "fields = json.loads(sys.argv[1])\n"
        "test = LoadTest(LoadRequest(**fields | {'files': tuple(fields['files'])})).start()\n"
        "for event in test:\n"
        "    if isinstance(event, Progress) and event.done:\n"
        "        os.kill(test.pid, 19)\n"
        "        print(test.pid, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    fields = {"name": "large", "files": large.files, "bytes": large.bytes}
    ended = subprocess.run(
        [sys.executable, "-c", code, json.dumps(fields)], capture_output=True, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(ended.stdout)).wait(timeout=10)


def test_requests_that_make_no_sense_are_refused() -> None:
    for wrong in (
        {"engine": "magic"}, {"state": "lukewarm"}, {"threads": 0}, {"runs": 0}, {"files": ()},
    ):  # fmt: skip
        fields: dict[str, object] = {"name": "x", "files": ("/x",), "bytes": 1}
        with pytest.raises(ValueError, match=r"\.$"):
            LoadRequest(**fields | wrong)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    ("state", "before", "fetched", "expected"),
    [
        (COLD, 0.0, 1000, COLD),
        (COLD, 0.001, 1000, COLD),
        (COLD, 0.0011, 1000, NOT_COLD),
        (COLD, None, 999, COLD),
        (COLD, None, 998, NOT_COLD_UNVERIFIED),
        (COLD, None, None, NOT_COLD_UNVERIFIED),
        (WARM, 1.0, 0, WARM),
        (WARM, 0.998, 0, NOT_WARM),
        (WARM, None, 1, WARM),
        (WARM, None, 2, NOT_WARM_UNVERIFIED),
        (WARM, None, None, NOT_WARM_UNVERIFIED),
    ],
)
def test_the_state_reached_is_what_was_verified(
    state: str, before: float | None, fetched: int | None, expected: str
) -> None:
    assert reached(state, before, fetched, 1000) == expected


def test_bytes_from_below_the_cache_are_parsed() -> None:
    assert parse_read_bytes("rchar: 5\nread_bytes: 4096\nwrite_bytes: 1\n") == 4096
    assert parse_read_bytes("rchar: 5\n") is None


def test_another_cache_below_ours_is_named() -> None:
    one = LoadRun(1.0, 1000, 0.0, 0, 0, 0.1, 400, COLD)
    (note,) = notes_on([one])
    assert note.startswith("Only 40% of the bytes were counted as read from storage")
