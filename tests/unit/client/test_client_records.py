"""What is read from files: the public state of trials, and the journal."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.client.peers import as_json, make_trial

from aitune_backends.journal_file import parse_journal, read_journal
from aitune_backends.public_state import BOOT_ID, PublicFile, parse_public, seconds_left
from aitune_helper import journal as helper_journal
from aitune_helper.messages import PublicState, to_object

if TYPE_CHECKING:
    from pathlib import Path

OPEN = make_trial()._replace(state="pending", deadline=100.0)


def _write(file: Path, state: PublicState) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(to_object(state)))
    beside.rename(file)


def test_the_public_state_is_followed_as_it_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "public.json"
    public = PublicFile(file)
    assert public.read() is None
    boot = BOOT_ID.read_text().strip()
    _write(file, PublicState(boot, OPEN))
    assert public.read() == PublicState(boot, OPEN)
    _write(file, PublicState(boot, None, (make_trial(),)))
    assert public.read() == PublicState(boot, None, (make_trial(),))
    file.unlink()
    assert public.read() is None


def test_the_state_of_another_boot_means_nothing(tmp_path: Path) -> None:
    _write(tmp_path / "p", PublicState("another", OPEN))
    public = PublicFile(tmp_path / "p")
    assert public.read() is None
    assert public.error == ""


def test_a_damaged_public_state_is_said(tmp_path: Path) -> None:
    file = tmp_path / "p"
    public = PublicFile(file)
    for text in ("{", "[]", '{"boot_id": 1, "pending": null}', '{"pending": null}'):
        file.write_text(text)
        assert public.read() is None
        assert str(file) in public.error
    _write(file, PublicState(BOOT_ID.read_text().strip(), None))
    assert public.read() is not None
    assert public.error == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_public_state_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    file = tmp_path / "p"
    _write(file, PublicState("b", None))
    file.chmod(0)
    public = PublicFile(file)
    assert public.read() is None
    assert "cannot be read" in public.error


def test_seconds_left_are_of_the_clock_of_the_boot() -> None:
    assert seconds_left(OPEN, 40.0) == 60.0
    assert seconds_left(OPEN, 140.0) == -40.0
    assert seconds_left(make_trial(), 0.0) is None
    soon = OPEN._replace(deadline=time.clock_gettime(time.CLOCK_BOOTTIME) + 10)
    left = seconds_left(soon)
    assert left is not None
    assert 9 < left <= 10


@given(st.text())
def test_no_text_is_more_than_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, or a record's
        parse_public(text + "x")


def test_the_journal_is_read_as_the_helper_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = helper_journal.Journal(str(path))
    for number, state in ((1, "pending"), (1, "kept"), (2, "reverted")):
        trial = make_trial()._replace(id=f"{number:032x}", number=number, state=state)
        journal.append("event", {"trial": to_object(trial), "number": number})
    journal.append("unpersist", {})
    read = read_journal(path)
    assert [(trial.number, trial.state) for trial in read.trials] == [(2, "reverted"), (1, "kept")]
    assert read.damaged == 0
    theirs = journal.history(10)
    assert (read.trials, read.damaged) == tuple(theirs)


def test_a_rotated_journal_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for name, number in (("journal.jsonl.1", 1), ("journal.jsonl", 2)):
        trial = make_trial()._replace(id=f"{number:032x}", number=number)
        line = helper_journal.encode({"event": "kept", "trial": as_json(trial)})
        (tmp_path / name).write_bytes(line)
    assert [trial.number for trial in read_journal(path).trials] == [2, 1]


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == ((), 0)


def test_damaged_lines_are_counted_and_cost_nothing_else() -> None:
    good = helper_journal.encode({"event": "kept", "trial": as_json(make_trial())}).rstrip()
    torn, changed = good[: len(good) // 2], good.replace(b"ops", b"oops")
    lines = [b"", torn, changed, b"no journal", good, b"00000000 []"]
    read = parse_journal(lines)
    assert [trial.number for trial in read.trials] == [17]
    assert read.damaged == 4


@given(st.lists(st.binary()))
def test_no_bytes_break_the_journal(lines: list[bytes]) -> None:
    assert parse_journal(lines).trials == ()
