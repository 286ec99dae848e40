"""The journal: one checked line each, whatever was torn."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.helper.conftest import OPS, Bench

from aitune_helper import journal as journals
from aitune_helper import messages, past, surroundings, varlink
from aitune_helper.journal import CorruptJournalError, Journal
from aitune_helper.past import Entry, decode, encode
from aitune_helper.server import Core

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "journal.jsonl"), wall=lambda: 1.0)


def numbers_in(journal: Journal) -> list[object]:
    lines = (decode(line or b"") for line in past.lines(journal.path))
    return [line["number"] if line else None for line in lines]


def path_of(journal: Journal) -> Path:
    return Path(journal._path)


@given(st.dictionaries(st.text(), JSON))
def test_a_line_is_read_as_it_was_written(entry: Entry) -> None:
    line = encode(entry)
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1]), "one line, plain characters"
    assert decode(line[:-1]) == entry


@given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
def test_a_changed_byte_is_noticed(entry: Entry, data: st.DataObject) -> None:
    line = bytearray(encode(entry)[:-1])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(line)) in (None, entry)  # a digit of the CRC in upper case says the same


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(line: bytes) -> None:
    decode(line)


def test_lines_count_up_and_the_file_is_for_root_and_its_readers(journal: Journal) -> None:
    for event in ("one", "two"):
        journal.append(event, {"number": 7})
    last = journal.last()
    assert last is not None
    assert (last["seq"], last["event"], last["number"]) == (2, "two", 7)
    assert stat.S_IMODE(path_of(journal).stat().st_mode) == 0o640


@pytest.mark.parametrize("torn", range(2, 60, 7))
def test_a_torn_tail_costs_one_line(journal: Journal, torn: int) -> None:
    for number in range(3):
        journal.append("event", {"number": number})
    size = path_of(journal).stat().st_size
    os.truncate(path_of(journal), size - torn)
    assert journal.last_number() == 1
    journal.append("event", {"number": 9})
    assert numbers_in(journal) == [0, 1, None, 9]


def test_damaged_lines_are_counted_and_passed_over(bench: Bench) -> None:
    for _ in range(2):
        trial = bench.apply(("vm.swappiness", "", "10"))
        bench.core.trials.revert(trial.id, OPS)
    path = path_of(bench.core.trials.journal)
    with path.open("r+b") as file:
        file.seek(30)
        file.write(b"XXXX")
    history = bench.core.trials.journal.history(10)
    assert history.damaged == 1
    assert [trial.number for trial in history.trials] == [2, 1]
    assert bench.core.trials.journal.history(1).trials[0].number == 2


def test_bytes_without_one_whole_line_are_moved_aside_loudly(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    path = path_of(bench.core.trials.journal)
    path.write_bytes(b"garbage\n" * 5)
    with pytest.raises(CorruptJournalError):
        bench.core.trials.journal.last()
    notices = bench.restart().hello(OPS).notices
    assert notices == (f"the journal was damaged and is now {path}.corrupt-1",)
    assert notices[0] in capfd.readouterr().err
    assert bench.apply(("vm.swappiness", "", "10")).state == messages.PENDING


def test_a_short_write_leaves_the_journal_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append("event", {})
    before = path_of(journal).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(OSError, match="whole line"):
        journal.append("event", {})
    monkeypatch.undo()
    assert path_of(journal).read_bytes() == before


def test_a_link_in_its_place_is_not_followed(journal: Journal, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("")
    path_of(journal).symlink_to(target)
    assert not journal.writable()
    with pytest.raises(OSError):  # noqa: PT011 (ELOOP; Python gives it no class of its own)
        journal.append("event", {})
    assert target.read_text() == ""


def test_rotation_goes_on_counting(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "ROTATE_BYTES", 100)
    for number in range(1, 20):
        journal.append("event", {"number": number, "padding": "x" * 100})
        journal.rotate()
        assert journal.last_number() == number
    assert len(list(path_of(journal).parent.iterdir())) == past.ROTATED_MAX
    assert numbers_in(journal) == [15, 16, 17, 18, 19]


class StopHereError(BaseException):
    """As if the process had been killed at this point."""


@pytest.mark.parametrize("failing", range(past.ROTATED_MAX))
@pytest.mark.parametrize("how", [OSError(errno.ENOSPC, "full"), OSError(errno.EROFS, "ro"), None])
def test_a_rotation_that_stops_in_the_middle_loses_no_line(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, failing: int, how: OSError | None
) -> None:
    monkeypatch.setattr(journals, "ROTATE_BYTES", 1)
    for number in range(past.ROTATED_MAX):
        journal.append("event", {"number": number})
        journal.rotate()
    journal.append("event", {"number": past.ROTATED_MAX})
    rename, calls = os.rename, []

    def failing_once(source: str, target: str) -> None:
        calls.append(source)
        if len(calls) == failing + 1:
            raise how or StopHereError
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing_once)
    # The first rename drops the oldest file, which is what rotation is for; nothing else goes.
    kept = list(range(1 if failing else 0, past.ROTATED_MAX + 1))
    with contextlib.suppress(StopHereError):
        journal.rotate()
    assert len(calls) == failing + 1
    assert numbers_in(journal) == kept
    journal.append("event", {"number": 6})
    assert numbers_in(journal) == [*kept, 6]
    journal.rotate()
    assert numbers_in(journal) == [1, 2, 3, 4, 5, 6], "done again, it fills the gap"
    assert journal.last_number() == 6


def test_a_file_that_cannot_be_rotated_is_said_and_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.core.trials.revert(bench.apply(("vm.swappiness", "", "10")).id, OPS)
    monkeypatch.setattr(journals, "ROTATE_BYTES", 1)
    monkeypatch.setattr(os, "rename", _refuse_in(bench.places.state, os.rename))
    assert bench.apply(("vm.swappiness", "", "10")).state == messages.PENDING
    assert "the journal cannot be rotated: No space" in capfd.readouterr().err


def _refuse_in(folder: str, rename: Callable[[str, str], None]) -> Callable[[str, str], None]:
    def refusing(source: str, target: str) -> None:
        if source.startswith(folder):
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    return refusing


def test_there_is_no_rotation_while_a_trial_is_pending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(bench.core.trials.journal)
    trial = bench.apply(("vm.swappiness", "", "10"))
    monkeypatch.setattr(journals, "ROTATE_BYTES", 1)
    before = path.stat().st_ino
    with pytest.raises(varlink.Fault, match="Busy"):
        bench.apply(("vm.swappiness", "", "20"))
    bench.core.extend(trial.id, 60.0, OPS)
    bench.restart()
    bench.core.trials.keep(trial.id, OPS, persist=False)
    assert path.stat().st_ino == before
    bench.apply(("vm.swappiness", "", "20"))
    assert path.stat().st_ino != before
    assert [entry.number for entry in bench.core.trials.journal.history(9).trials] == [2, 1]


def test_a_file_moved_while_it_is_read_is_neither_missed_nor_met_twice(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "ROTATE_BYTES", 1)
    for number in range(3):
        journal.append("event", {"number": number})
        if number < 2:
            journal.rotate()
    opened: list[str] = []
    os_open = os.open

    def rotating(path: str, flags: int, mode: int = 0o777) -> int:
        if path.endswith("journal.jsonl.1") and not opened:
            opened.append(path)
            journal.rotate()
        return os_open(path, flags, mode)

    monkeypatch.setattr(os, "open", rotating)
    assert numbers_in(journal) == [0, 1, 2]
    assert opened


def test_a_long_line_is_found_from_the_end(journal: Journal) -> None:
    journal.append("event", {"number": 4, "padding": "x" * 300_000})
    assert journal.last_number() == 4


def test_a_witness_hears_of_each_event(tmp_path: Path) -> None:
    heard: list[str] = []
    journal = Journal(str(tmp_path / "j"), witness=heard.append)
    journal.append("kept", {"number": 3, "caller": messages.to_object(OPS)})
    journal.append("rotated", {})
    assert heard == ["kept trial 3 seq 1 by ops", "rotated trial 3 seq 2 by nobody"]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A system's log, such as listens at /dev/log."""
    path = str(tmp_path / "log")
    monkeypatch.setattr(surroundings, "_SYSLOG", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        yield listening


def test_each_event_is_one_clean_line_of_the_system_log(bench: Bench, log: socket.socket) -> None:
    bench.core.trials.journal._witness = surroundings.syslog
    trial = bench.core.apply(
        bench.wanted(("vm.swappiness", "", "10"))._replace(message="\u202e é"), OPS
    )
    bench.core.trials.keep(trial.id, OPS, persist=False)
    lines = [log.recv(4096) for _ in range(3)]
    begin = f"<86>aitune-helper[{os.getpid()}]: ".encode()
    assert [line.removeprefix(begin) for line in lines] == [
        b"intent trial 1 seq 1 by ops",
        b"applied trial 1 seq 2 by ops",
        b"kept trial 1 seq 3 by ops",
    ]
    with pytest.raises(BlockingIOError):
        log.recv(1)


def test_nothing_acts_on_the_terminal_of_who_reads_the_log(log: socket.socket) -> None:
    surroundings.syslog("a\x1b[31m\n<0>forged\0 é\u202e")
    assert log.recv(4096).endswith(b": a?[31m?<0>forged? ??")


def test_a_log_that_nobody_empties_holds_up_nothing(bench: Bench, log: socket.socket) -> None:
    held = []
    with contextlib.suppress(BlockingIOError):
        for _ in range(100_000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as talker:
                talker.connect(surroundings._SYSLOG)
                talker.send(b"x")
                held.append(1)
    assert len(held) < 100_000, "it is full"
    bench.core.trials.journal._witness = surroundings.syslog
    assert bench.apply(("vm.swappiness", "", "10")).state == messages.PENDING


def test_without_a_log_nothing_is_amiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_SYSLOG", str(tmp_path / "none"))
    surroundings.syslog("kept")


def many(bench: Bench, count: int, padding: str = "") -> None:
    """A journal of kept trials, written as the helper writes them."""
    trials = bench.core.trials
    made = bench.apply(("vm.swappiness", "", "10"))
    trials.revert(made.id, OPS)
    for number in range(2, count + 1):
        item = made.items[0]._replace(note=padding)
        trial = made._replace(id=f"{number:032x}", number=number, items=(item,))
        for event, state in (("intent", "applying"), ("applied", "pending"), ("kept", "kept")):
            body = trials._entry(trial._replace(state=state), OPS, {})
            trials.journal.append(event, body, sync=False)


def pages(core: Core, limit: int) -> list[messages.Past]:
    found = [core.history(limit, 0)]
    while found[-1].more:
        found.append(core.history(limit, found[-1].trials[-1].number))
    return found


@pytest.mark.parametrize(("limit", "padding"), [(7, ""), (1, ""), (1000, "x" * 20_000)])
def test_pages_together_are_the_whole_journal_and_each_fits_a_frame(
    bench: Bench, limit: int, padding: str
) -> None:
    many(bench, 30, padding)
    found = pages(bench.core, limit)
    assert len(found) > 1
    assert [trial.number for page in found for trial in page.trials] == list(range(30, 0, -1))
    for page in found:
        assert [account.trial for account in page.accounts] == [trial.id for trial in page.trials]
        frame = varlink.reply(messages.to_object(page))  # type: ignore[arg-type]
        assert len(frame) <= varlink.FRAME_MAX


def test_a_trial_too_large_for_a_page_comes_alone(bench: Bench) -> None:
    many(bench, 3, "x" * 300_000)
    assert [len(page.trials) for page in pages(bench.core, 10)] == [1, 1, 1]


def test_a_page_fills_its_frame(bench: Bench) -> None:
    many(bench, 300)
    first = bench.core.history(1000, 0)
    frame = varlink.reply(messages.to_object(first))  # type: ignore[arg-type]
    assert varlink.FRAME_MAX // 3 < len(frame) <= varlink.FRAME_MAX


def test_an_account_tells_who_began_and_who_ended(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    (account,) = bench.core.history(9, 0).accounts
    assert (account.begun, account.ended, account.ended_at) == (OPS, None, None)
    boss = messages.Caller(0, "root", attested=True, ssh="192.0.2.7")
    bench.core.trials.revert(trial.id, boss)
    (account,) = bench.core.history(9, 0).accounts
    assert account == messages.Account(
        trial.id, bench.core.trials.state.boot_id, os.uname().release, OPS, boss, 1_700_000_000.0
    )


def test_words_of_an_operator_are_not_taken_for_the_journals_own(bench: Bench) -> None:
    message = '"trial":{"id":"' + "f" * 32 + '","number":9,"caller":{}'
    bench.core.apply(bench.wanted(("vm.swappiness", "", "10"))._replace(message=message), OPS)
    page = bench.core.history(9, 0)
    assert [(trial.number, trial.message) for trial in page.trials] == [(1, message)]
    assert page.accounts[0].begun == OPS


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_journal_can_be_read(lines: list[bytes]) -> None:
    page = past._Page(5, 0, None)
    for line in lines:
        page.add(line)
        page.add(b"%08x %s" % (zlib.crc32(line), line))
        wrapped = b'[{"trial":{"id":"%s","number":7,"x":1}}]' % (b"0" * 32)
        page.add(b"%08x %s" % (zlib.crc32(wrapped), wrapped))
    assert page.read(json.loads).trials == ()


def test_a_long_journal_is_read_without_holding_it(bench: Bench) -> None:
    many(bench, 400, "x" * 5_000)
    tracemalloc.start()
    page = bench.core.history(10, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(page.trials) == 10
    size = path_of(bench.core.trials.journal).stat().st_size
    assert peak < size / 2 > 2**20


def test_at_most_two_fsyncs_to_apply_and_one_to_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.core.trials.revert(bench.apply(("vm.swappiness", "", "9")).id, OPS)  # makes the files
    synced: list[str] = []
    fsync = os.fsync

    def counting(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", counting)
    trial = bench.apply(("vm.swappiness", "", "10"), ("thp.enabled", "", "never"))
    on_disk = [path for path in synced if not path.startswith(bench.places.run)]
    assert len(on_disk) == 2
    synced.clear()
    bench.core.trials.keep(trial.id, OPS, persist=False)
    assert len(synced) == 1
    trial = bench.apply(("vm.swappiness", "", "11"))
    synced.clear()
    bench.core.trials.revert(trial.id, OPS)
    assert len([path for path in synced if not path.startswith(bench.places.run)]) == 1
