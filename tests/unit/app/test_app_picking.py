"""What can be chosen for a setting, what cannot and why, and how its number is typed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aitune_backends.explanation import Bound, Ground
from aitune_backends.targets import INFO, OK, Impossible, TargetStatus
from aitune_tui import present_pages
from aitune_tui.number_typing import Typing, typing_for
from aitune_tui.present_pages import FOLD_KEY
from aitune_tui.screens.edit import Option, options_for
from aitune_tui.selection import Selection, select
from aitune_tui.state import GroundOf, State

LOCKED = Impossible("power", "Choose another governor first.")


def status(knob: str, instance: str, value: str, **given: object) -> TargetStatus:
    made = TargetStatus(knob, instance, "/x", value, "", (), None, OK, "", None, None, 3)
    return replace(made, **given)  # type: ignore[arg-type]  # a test names the fields it means


def options(*statuses: TargetStatus) -> dict[str, Option]:
    return {one.value: one for one in options_for(Selection(statuses[0].knob, statuses))}


def epp(instance: str, *impossible: Impossible, words: str = "performance power") -> TargetStatus:
    return status(
        "cpu.epp", instance, "performance", choices=tuple(words.split()), impossible=impossible
    )


def test_what_is_impossible_is_shown_with_its_reason_and_cannot_be_chosen() -> None:
    found = options(epp("policy0", LOCKED), epp("policy1", LOCKED))
    assert found["performance"].possible
    assert found["performance"].now
    assert not found["power"].possible
    assert found["power"].note == LOCKED.why


def test_a_reason_that_holds_for_some_names_them() -> None:
    found = options(*(epp(f"policy{n}", *(() if n == 3 else (LOCKED,))) for n in range(4)))
    assert found["power"].note == f"policy0-2: {LOCKED.why}"


def test_a_word_that_only_some_know_cannot_be_chosen_for_all() -> None:
    found = options(epp("policy0"), epp("policy1", words="performance"))
    assert not found["power"].possible
    assert found["performance"].possible
    alone = options(epp("policy0"))
    assert alone["power"].possible


def test_a_module_can_be_chosen_before_it_is_loaded() -> None:
    found = options(status("block.scheduler", "sda", "none", choices=("none", "mq-deadline")))
    assert found["kyber"].possible
    assert "module" in found["kyber"].note


def limit(*values: str, ground: Ground | None = None) -> Typing:
    statuses = tuple(status("cpu.max_freq", f"policy{n}", v) for n, v in enumerate(values))
    selection = Selection("cpu.max_freq", statuses)
    read = None if ground is None else GroundOf(selection, "", ground)
    return typing_for(State(goal="inference", ground=read), selection)


GROUND = Ground((Bound("/x/min", 800_000),), (Bound("/x/max", 3_800_000),), None)


def test_frequencies_are_typed_in_mhz_and_written_in_khz() -> None:
    typing = limit("3800000", ground=GROUND)
    assert typing.shown("3800000") == "3800"
    assert typing.written("2400") == "2400000"
    assert typing.says("2400000") == "2.4 GHz (2400000)"
    assert typing.range == "800 to 3800 MHz"


def test_odd_frequencies_are_typed_as_the_kernel_has_them() -> None:
    typing = limit("2399999")
    assert (typing.scale, typing.unit) == (1, "kHz")
    assert typing.written("2399999") == "2399999"


@pytest.mark.parametrize(
    ("typed", "refused"), [("800", ""), ("3800", ""), ("3801", "800 to 3800"), ("0", "800")]
)
def test_the_bounds_are_those_of_the_machine(typed: str, refused: str) -> None:
    typing = limit("3800000", ground=GROUND)
    assert refused in typing.refused(typing.written(typed))
    assert bool(refused) == bool(typing.refused(typing.written(typed)))


def test_bounds_read_for_other_targets_do_not_bind() -> None:
    other = Selection("cpu.max_freq", (status("cpu.max_freq", "policy9", "1"),))
    state = State(goal="inference", ground=GroundOf(other, "", GROUND))
    mine = Selection("cpu.max_freq", (status("cpu.max_freq", "policy0", "3800000"),))
    assert not typing_for(state, mine).refused("3900000")


def test_a_word_is_typed_among_numbers() -> None:
    selection = Selection("cpu.idle_latency", (status("cpu.idle_latency", "cpu0", "0"),))
    typing = typing_for(None, selection)
    assert typing.refused("n/a") == ""
    assert typing.written("n/a") == "n/a"
    assert typing.says("n/a") == "C0 only (n/a)"
    assert typing.says("0") == "no limit (0)"
    assert "n/a" in typing.range
    assert typing.refused("never")
    assert set("n/a") <= set(typing.allowed)


def test_a_line_of_digits_without_end_is_refused_not_worked_out() -> None:
    assert limit("3800000").refused(limit("3800000").written("9" * 5000))


def memory_page(state: State) -> list[str]:
    return [row.key for row in present_pages.memory_rows(state)]


def test_what_is_seldom_needed_is_folded_until_it_is_asked_for() -> None:
    minor, major = "vm.page-cluster", "vm.swappiness"
    statuses = (status(major, "", "60", state=INFO), status(minor, "", "3", state=INFO))
    state = State(goal="inference", statuses=statuses)
    assert memory_page(state) == ["heading:NUMA and reclaim", major, FOLD_KEY]
    assert minor in memory_page(replace(state, unfolded=True))
    assert minor in memory_page(replace(state, filter_text="cluster"))
    staged = {select(minor, statuses).targets[0]: "0"}
    assert minor in memory_page(replace(state, staged=staged))


def test_hundreds_of_values_make_no_hundreds_of_rows() -> None:
    statuses = tuple(status("cpu.max_freq", f"policy{n}", str(n)) for n in range(512))
    rows = present_pages.cpu_rows(State(goal="inference", statuses=statuses))
    assert len(rows) < 12
    assert rows[0].value == "512 values"
    assert "506 values more" in rows[-1].label
