"""The file for the next boot: ours alone, merged, and taken back with the values."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tests.unit.helper.conftest import OPS, Bench

from aitune_helper import boot, messages
from aitune_helper.messages import Trial
from aitune_helper.varlink import Fault


def text(bench: Bench) -> str:
    return Path(bench.places.sysctl).read_text()


def keep(bench: Bench, *changes: tuple[str, str, str], undo_of: str | None = None) -> Trial:
    wanted = bench.wanted(*changes)._replace(persist=undo_of is None, undo_of=undo_of)
    trial = bench.core.apply(wanted, OPS)
    return bench.core.trials.keep(trial.id, OPS, persist=False).trial


def refusal(bench: Bench, *changes: tuple[str, str, str]) -> Fault:
    with pytest.raises(Fault) as raised:
        bench.apply(*changes, persist=True)
    assert raised.value.error.endswith(".PersistRefused")
    return raised.value


def test_only_what_is_kept_is_written(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"), persist=True)
    assert not Path(bench.places.sysctl).exists()
    kept = bench.core.trials.keep(trial.id, OPS, persist=False)
    assert kept.files == (bench.places.sysctl,)
    assert kept.trial.persisted == "yes"
    assert "\nvm.swappiness = 10\n" in text(bench)
    assert "# trial 1, ops, 2023-11-14\n" in text(bench)
    assert stat.S_IMODE(Path(bench.places.sysctl).stat().st_mode) == 0o644
    assert stat.S_IMODE(Path(bench.places.owned).stat().st_mode) == 0o600


def test_later_trials_are_merged_in(bench: Bench) -> None:
    keep(bench, ("vm.swappiness", "", "10"))
    keep(bench, ("vm.overcommit_ratio", "", "90"))
    keep(bench, ("vm.swappiness", "", "20"))
    assert bench.core.trials.lasting.values() == {
        "vm.overcommit_ratio": "90",
        "vm.swappiness": "20",
    }
    assert text(bench).count("trial 2") == 1
    assert text(bench).count("trial 3") == 1
    assert list(Path(bench.places.sysctl).parent.iterdir()) == [Path(bench.places.sysctl)]


def test_nothing_to_write_leaves_no_file(bench: Bench) -> None:
    trial = keep(bench, ("block.scheduler", "sda", "mq-deadline"))
    assert trial.items[0].note == boot.NOTHING_TELLS
    assert trial.persisted == "no"
    assert not Path(bench.places.etc, "udev").exists()


def test_persisting_can_be_asked_for_at_keep(bench: Bench) -> None:
    trial = bench.apply(("vm.swappiness", "", "10"))
    kept = bench.core.trials.keep(trial.id, OPS, persist=True)
    assert (kept.trial.persist, kept.trial.persisted) == (True, "yes")


def test_undo_brings_the_file_back_with_the_values(bench: Bench) -> None:
    keep(bench, ("vm.overcommit_ratio", "", "80"))
    earlier = text(bench)
    trial = keep(bench, ("vm.overcommit_ratio", "", "90"), ("vm.swappiness", "", "10"))
    undone = keep(
        bench,
        ("vm.overcommit_ratio", "", "80"),
        ("vm.swappiness", "", "60"),
        undo_of=trial.id,
    )
    assert (undone.undo_of, undone.persisted) == (trial.id, "yes")
    assert text(bench) == earlier


def test_undo_of_the_first_removes_the_file(bench: Bench) -> None:
    trial = keep(bench, ("vm.swappiness", "", "10"))
    keep(bench, ("vm.swappiness", "", "60"), undo_of=trial.id)
    assert not Path(bench.places.sysctl).exists()
    assert keep(bench, ("vm.swappiness", "", "30")).persisted == "yes"


def test_undo_leaves_what_later_trials_added(bench: Bench) -> None:
    trial = keep(bench, ("vm.swappiness", "", "10"))
    keep(bench, ("vm.overcommit_ratio", "", "90"))
    keep(bench, ("vm.swappiness", "", "60"), undo_of=trial.id)
    assert bench.core.trials.lasting.values() == {"vm.overcommit_ratio": "90"}


def test_undo_of_nothing_known_is_refused(bench: Bench) -> None:
    with pytest.raises(Fault) as raised:
        keep(bench, ("vm.swappiness", "", "10"), undo_of="0" * 32)
    assert raised.value.error.endswith(".Refused")
    assert bench.kernel.writes == []


def test_unpersist_takes_lines_out_and_then_the_file(bench: Bench) -> None:
    keep(bench, ("vm.swappiness", "", "10"), ("vm.overcommit_ratio", "", "90"))
    trials = bench.core.trials
    assert trials.unpersist(("vm.swappiness",), OPS) == (bench.places.sysctl,)
    assert trials.lasting.values() == {"vm.overcommit_ratio": "90"}
    assert trials.unpersist((), OPS) == (bench.places.sysctl,)
    assert not Path(bench.places.sysctl).exists()
    assert trials.unpersist((), OPS) == ()
    assert bench.kernel.files["/proc/sys/vm/swappiness"] == "10"


def test_unpersist_waits_for_a_trial(bench: Bench) -> None:
    bench.apply(("vm.swappiness", "", "10"))
    with pytest.raises(Fault) as raised:
        bench.core.trials.unpersist((), OPS)
    assert raised.value.error.endswith(".Busy")


def test_a_plan_says_what_is_set_at_boot(bench: Bench) -> None:
    keep(bench, ("vm.swappiness", "", "10"))
    plan = bench.core.plan((messages.Change("vm.swappiness", "", "20"),), force=False)
    said = "vm.swappiness at boot: 10 (95-aitune.conf); persisting updates it, else it is left"
    assert said in plan.warnings


# -- a file that is not ours -----------------------------------------------------------------------


def test_a_foreign_file_is_never_touched(bench: Bench) -> None:
    path = Path(bench.places.sysctl)
    path.parent.mkdir(parents=True)
    path.write_text("vm.swappiness = 1\n")
    assert refusal(bench, ("vm.swappiness", "", "10")).parameters["path"] == str(path)
    assert path.read_text() == "vm.swappiness = 1\n"
    assert bench.kernel.writes == []


def test_a_hand_edited_file_is_never_touched_and_the_trial_can_be_kept_without(
    bench: Bench,
) -> None:
    keep(bench, ("vm.swappiness", "", "10"))
    path = Path(bench.places.sysctl)
    trial = bench.apply(("vm.overcommit_ratio", "", "90"), persist=False)
    path.write_text(path.read_text() + "vm.dirty_ratio = 5\n")
    edited = path.read_text()
    with pytest.raises(Fault):
        bench.core.trials.keep(trial.id, OPS, persist=True)
    assert bench.core.trials.pending() == trial, "still open: nothing was decided"
    kept = bench.core.trials.keep(trial.id, OPS, persist=False)
    assert kept.trial.persisted == "no"
    assert path.read_text() == edited


@pytest.mark.parametrize("kind", ["link", "directory"])
def test_something_else_at_that_place_is_refused(bench: Bench, tmp_path: Path, kind: str) -> None:
    path = Path(bench.places.sysctl)
    path.parent.mkdir(parents=True)
    target = tmp_path / "passwd"
    target.write_text("root")
    if kind == "link":
        path.symlink_to(target)
    else:
        path.mkdir()
    refusal(bench, ("vm.swappiness", "", "10"))
    assert target.read_text() == "root"


def test_a_damaged_list_of_our_files_makes_the_file_not_ours(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    keep(bench, ("vm.swappiness", "", "10"))
    Path(bench.places.owned).write_text("{")
    refusal(bench, ("vm.swappiness", "", "20"))
    assert Path(bench.places.owned + ".corrupt-1").exists()
    assert "damaged" in capfd.readouterr().err


def test_the_list_of_our_files_is_json_by_path(bench: Bench) -> None:
    keep(bench, ("vm.swappiness", "", "10"))
    owned = json.loads(Path(bench.places.owned).read_text())
    assert list(owned) == [bench.places.sysctl]
