"""The journal: one checked line each, whatever was torn."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.helper.conftest import OPS, Bench

from aitune_helper import journal as journals
from aitune_helper import messages
from aitune_helper.journal import CorruptJournalError, Journal, decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "journal.jsonl"), wall=lambda: 1.0)


def path_of(journal: Journal) -> Path:
    return Path(journal._path)


@given(st.dictionaries(st.text(), JSON))
def test_a_line_is_read_as_it_was_written(entry: journals.Entry) -> None:
    line = encode(entry)
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1]), "one line, plain characters"
    assert decode(line[:-1]) == entry


@given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
def test_a_changed_byte_is_noticed(entry: journals.Entry, data: st.DataObject) -> None:
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
    entries = list(journal._entries([0]))
    assert [entry["number"] for entry in entries] == [0, 1, 9]


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
    assert len(list(path_of(journal).parent.iterdir())) == journals.ROTATED_MAX
    assert [entry["number"] for entry in journal._entries([0])] == [15, 16, 17, 18, 19]


def test_a_long_line_is_found_from_the_end(journal: Journal) -> None:
    journal.append("event", {"number": 4, "padding": "x" * 300_000})
    assert journal.last_number() == 4


def test_a_witness_hears_of_each_event(tmp_path: Path) -> None:
    heard: list[str] = []
    journal = Journal(str(tmp_path / "j"), witness=heard.append)
    journal.append("kept", {"number": 3})
    assert heard == ["kept trial 3 seq 1"]


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
