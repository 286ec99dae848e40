from __future__ import annotations

import re
import string

import pytest

from aitune_backends.catalogue import ENTRIES, GOALS, GROUPS, Entry, Meaning, size_text, sources
from aitune_backends.situation import Situation
from aitune_helper import knobs
from aitune_helper.knobs import KNOBS

KNOWN_SOURCES = {value for name, value in vars(sources).items() if name.isupper()}
FIELDS = {
    "instance", "value", "value_size", "amount", "available", "committed", "commit_limit",
    "frequency",
}  # fmt: skip
PROMISES = re.compile(r"\b(faster|speed up|speeds up|improve\w*|boost\w*)\b")

every_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.knob)


def meanings(entry: Entry) -> list[Meaning]:
    lowered = [entry.lowered] if entry.lowered else []
    return [entry.meaning, *lowered, *entry.values.values()]


def test_both_tables_hold_the_same_knobs() -> None:
    assert set(ENTRIES) == {knob.id for knob in KNOBS.values() if knob.offered}


@every_entry
def test_advice_has_a_citation(entry: Entry) -> None:
    assert set(entry.advice) == set(GOALS)
    assert set(entry.sources) <= KNOWN_SOURCES
    assert entry.sources
    if entry.depends or any(value is not None for value in entry.advice.values()):
        assert entry.stars >= 2
        assert entry.differs or entry.depends


@every_entry
def test_advised_values_can_be_written(entry: Entry) -> None:
    knob = KNOBS[entry.knob]
    values = {*entry.advice.values(), *entry.as_good, *entry.values} - {None}
    if entry.endless_at_zero:  # an undo may write it where the table does not offer it
        values -= {"0"}
    for value in values:
        assert value is not None
        assert knobs.refusal(knob, value, listed=knob.modules) is None


@every_entry
def test_texts_are_sentences_with_known_fields(entry: Entry) -> None:
    for text in (entry.what, entry.why, entry.evidence, entry.absent, entry.no_effect):
        assert text.endswith(".")
        assert "{" not in text
    for meaning in meanings(entry):
        for text in (meaning.effect, meaning.danger):
            assert text.endswith(".")
        for text in (meaning.note, meaning.note_short):  # as wide as the plan's columns
            assert not text.endswith(".")
        assert len(meaning.note) <= 52
        assert len(meaning.note_short) <= 25
        for text in (meaning.effect, meaning.danger, meaning.note, meaning.note_short):
            fields = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert fields <= FIELDS
        assert "{" not in entry.in_general(f"{meaning.effect} {meaning.danger}")
    assert entry.group in GROUPS


@every_entry
def test_what_else_an_entry_names_is_there(entry: Entry) -> None:
    assert set(entry.instead) <= set(ENTRIES) - {entry.knob}
    assert re.fullmatch(r"([2-9]\.[0-9]{1,2})?", entry.since)
    assert not entry.depends or entry.depends.endswith(".")
    for text in (entry.title, entry.what, entry.why, entry.evidence, entry.absent, entry.no_effect):
        assert text
        assert not re.search(r"\b(TODO|XXX|FIXME)\b|  ", text)


def test_advice_for_what_depends_on_the_machine_is_given_nowhere_else() -> None:
    depending = {entry.knob for entry in ENTRIES.values() if entry.depends}
    assert depending == {"block.scheduler", "cpu.max_freq", "vm.watermark_scale_factor"}
    for knob in depending:
        assert set(ENTRIES[knob].advice.values()) == {None}


@pytest.mark.parametrize(
    "knob", ["block.nomerges", "block.rq_affinity", "block.wbt_lat_usec", "cpu.min_freq"]
)
def test_nothing_is_advised_where_nothing_is_shown(knob: str) -> None:
    entry = ENTRIES[knob]
    assert set(entry.advice.values()) == {None}
    assert entry.stars <= 1
    for text in (entry.what, *(m.effect for m in meanings(entry))):
        assert not PROMISES.search(text)


@pytest.mark.parametrize("knob", ["block.scheduler", "cpu.governor", "cpu.epp"])
def test_schedulers_and_governors_promise_no_speed(knob: str) -> None:
    entry = ENTRIES[knob]
    for text in (entry.differs, *(m.effect for m in meanings(entry))):
        assert not PROMISES.search(text)
    shown = f"{entry.why} {entry.evidence}"
    assert re.search(r"no gain is shown|Nobody published a comparison", shown)


def test_pools_share_one_text_with_the_size_filled_in() -> None:
    small, large = ENTRIES["hugepages.2048kB"], ENTRIES["hugepages.1048576kB"]
    assert small.what.replace("2 MiB", "1 GiB") == large.what
    assert small.why == large.why
    assert size_text(64) == "64 KiB"


def test_the_default_goal_is_one_of_them() -> None:
    assert Situation().goal in GOALS
