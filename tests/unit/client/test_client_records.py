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

from aitune_backends.journal_file import gather, read_page
from aitune_backends.public_state import BOOT_ID, PublicFile, parse_public, seconds_left
from aitune_helper import past
from aitune_helper.journal import Journal
from aitune_helper.messages import Account, Past, PublicState, to_object

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
    journal = Journal(str(path))
    for number, state in ((1, "pending"), (1, "kept"), (2, "reverted")):
        trial = make_trial()._replace(id=f"{number:032x}", number=number, state=state)
        journal.append("event", {"trial": to_object(trial), "number": number})
    journal.append("unpersist", {})
    read = read_page(path=path)
    assert [(trial.number, trial.state) for trial in read.trials] == [(2, "reverted"), (1, "kept")]
    assert read.damaged == 0
    assert read == journal.history(10)


def test_a_rotated_journal_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for name, number in (("journal.jsonl.1", 1), ("journal.jsonl", 2)):
        trial = make_trial()._replace(id=f"{number:032x}", number=number)
        line = past.encode({"event": "kept", "trial": as_json(trial)})
        (tmp_path / name).write_bytes(line)
    assert [trial.number for trial in read_page(path=path).trials] == [2, 1]


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert read_page(path=tmp_path / "none") == Past(())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_journal_that_may_not_be_read_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    (tmp_path / "journal").chmod(0)
    with pytest.raises(PermissionError):
        read_page(path=tmp_path / "journal")


def test_damaged_lines_are_counted_and_cost_nothing_else(tmp_path: Path) -> None:
    good = past.encode({"event": "kept", "trial": as_json(make_trial())}).rstrip()
    torn, changed = good[: len(good) // 2], good.replace(b"ops", b"oops")
    lines = [b"", torn, changed, b"no journal", good, b"00000000 []"]
    (tmp_path / "journal").write_bytes(b"\n".join(lines))
    read = read_page(path=tmp_path / "journal")
    assert [trial.number for trial in read.trials] == [17]
    assert read.damaged == 4


def test_what_acts_on_a_terminal_is_taken_out_of_words(tmp_path: Path) -> None:
    hostile = make_trial()._replace(message="\x1b]0;x\x07", owner_name="o\u202eps")
    (tmp_path / "journal").write_bytes(past.encode({"event": "kept", "trial": as_json(hostile)}))
    (read,) = read_page(path=tmp_path / "journal").trials
    assert (read.message, read.owner_name) == ("?]0;x?", "o?ps")


def page_of(numbers: list[int], limit: int, before: int) -> Past:
    """What a helper answers of a journal of these trials."""
    here = [number for number in numbers if not before or number < before]
    trials = tuple(make_trial()._replace(number=number) for number in here[:limit])
    accounts = tuple(Account(trial.id) for trial in trials)
    return Past(trials, accounts, damaged=3, more=len(here) > limit)


@given(st.integers(0, 30), st.integers(1, 9), st.integers(0, 30))
def test_pages_are_put_together_until_there_is_enough(count: int, size: int, enough: int) -> None:
    numbers = list(range(count, 0, -1))
    asked: list[int] = []

    def read(limit: int, before: int) -> Past:
        asked.append(before)
        return page_of(numbers, min(limit, size), before)

    found = gather(read, lambda so_far: len(so_far.trials) >= enough, 7)
    here = [trial.number for trial in found.trials]
    assert here == numbers[: len(here)]
    assert len(here) >= min(count, enough)
    assert len(asked) <= max(1, -(-min(enough, count) // min(7, size)))
    assert (found.damaged, found.more) == (3, len(here) < count)
    assert len(found.accounts) == len(found.trials)


def test_an_empty_page_that_promises_more_is_the_last() -> None:
    first = page_of([2, 1], 1, 0)
    pages = iter((first, Past((), more=True)))
    assert gather(lambda _limit, _before: next(pages), lambda _: False).trials == first.trials
