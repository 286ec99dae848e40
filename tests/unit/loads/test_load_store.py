"""Results are kept whole, told apart by machine, and a damaged file is put aside, loudly."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aitune_backends.loads import store as stores
from aitune_backends.loads.before_after import SENTENCE, pair
from aitune_backends.loads.records import (
    COLD,
    LoadRequest,
    LoadResult,
    LoadRun,
    Place,
    result_as_json,
)
from aitune_backends.loads.settings import disks_below, machine_hash, settings_in_force
from aitune_backends.loads.store import Store, StoreError
from aitune_backends.places import UserPlaces

if TYPE_CHECKING:
    from pathlib import Path

RUNS = (
    LoadRun(2.0, 4_000_000_000, 0.0, 12, 3400, 0.5, 4_000_000_000, COLD),
    LoadRun(1.0, 4_000_000_000, None, 12, 3400, 0.5, None, "not cold (unverified)"),
    LoadRun(4.0, 4_000_000_000, 0.0, 12, 3400, 0.5, 4_000_000_000, COLD),
)
RESULT = LoadResult(
    LoadRequest("llama", ("/models/a.safetensors", "/models/\udcff.gguf"), 4_000_000_000),
    Place(1.5e9, "node-1", machine_hash(), "boot", "6.1", "", {"vm.swappiness": "60"}),
    RUNS,
    ("Open in vllm (12).",),
)


def test_a_result_comes_back_as_it_was(places: UserPlaces) -> None:
    saved = Store(places).save(RESULT)
    assert saved == replace(RESULT, id=1)
    assert Store(places).result(1) == saved
    assert Store(places).results() == (saved,)
    assert Store(places).result(2) is None


def test_nothing_is_made_by_looking(places: UserPlaces) -> None:
    assert Store(places).results() == ()
    assert Store(places).result(1) is None
    assert not places.state.exists()


def test_other_machines_are_listed_on_demand(places: UserPlaces) -> None:
    store = Store(places)
    here = store.save(RESULT)
    there = store.save(replace(RESULT, place=replace(RESULT.place, machine="other")))
    assert store.results() == (here,)
    assert store.results(all_hosts=True) == (there, here)
    assert store.results(all_hosts=True, limit=1) == (there,)


def test_there_is_no_write_ahead_log(places: UserPlaces) -> None:
    Store(places).save(RESULT)
    database = sqlite3.connect(places.results)
    assert database.execute("PRAGMA journal_mode").fetchone() != ("wal",)
    database.close()
    assert [path.name for path in places.state.iterdir()] == ["results.db"]


def test_a_damaged_file_is_put_aside(places: UserPlaces) -> None:
    places.make_state()
    places.results.write_bytes(b"no database, but long enough to be looked at" * 50)
    store = Store(places)
    assert store.save(RESULT).id == 1
    assert store.moved_aside is not None
    assert store.moved_aside.read_bytes().startswith(b"no database")
    assert Store(places).results() == (replace(RESULT, id=1),)


def test_a_page_that_was_overwritten_is_noticed(places: UserPlaces) -> None:
    store = Store(places)
    for _ in range(50):
        store.save(RESULT)
    with places.results.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(bytes(range(256)) * 16)
    damaged = Store(places)
    assert damaged.results() == ()
    assert damaged.moved_aside is not None


def test_a_file_of_a_newer_version_is_left_alone(places: UserPlaces) -> None:
    Store(places).save(RESULT)
    database = sqlite3.connect(places.results)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="newer version"):
        Store(places).save(RESULT)
    assert len(list(places.state.iterdir())) == 1


def test_a_locked_file_is_waited_for_and_then_said(
    places: UserPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(places).save(RESULT)
    monkeypatch.setattr(stores, "BUSY_S", 0.01)
    holder = sqlite3.connect(places.results, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        Store(places).save(RESULT)
    holder.close()
    assert Store(places).save(RESULT).id == 2


def test_two_processes_may_begin_at_once(places: UserPlaces) -> None:
    code = (
        "import pathlib, sys\n"
        "from aitune_backends.loads.store import Store\n"
        "from aitune_backends.places import UserPlaces\n"
        "store = Store(UserPlaces(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1])))\n"
        "store.path.parent.mkdir(parents=True, exist_ok=True)\n"
        "with store._open() as database:\n"
        "    print(database.execute('SELECT count(*) FROM results').fetchone()[0])\n"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code, places.state], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [racer.communicate()[0] for racer in racers] == [b"0\n"] * 3


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a directory")
    with pytest.raises(StoreError, match="state"):
        Store(UserPlaces(tmp_path / "state", tmp_path)).save(RESULT)


def test_median_and_spread() -> None:
    assert RESULT.speeds == (2.0, 4.0, 1.0)
    assert RESULT.median_gb_per_s == 2.0
    assert RESULT.spread == 1.5
    assert not RESULT.as_asked


def test_the_limit_is_unknown_until_it_is_measured() -> None:
    assert result_as_json(RESULT)["limit_share"] is None


def test_two_blocks_stand_beside_each_other_without_a_verdict() -> None:
    shown = pair(RESULT, replace(RESULT, notes=()))
    assert shown.sentence == SENTENCE == "Two blocks of runs are not a comparison."
    assert {name for name in dir(shown) if not name.startswith("_")} == {
        "after", "before", "sentence",
    }  # fmt: skip


def test_blocks_of_different_work_are_not_shown_together() -> None:
    other = replace(RESULT, request=replace(RESULT.request, threads=4))
    with pytest.raises(ValueError, match="same files in the same way"):
        pair(RESULT, other)


class FewFiles:
    """A machine of a few files, for what this one has not."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def read(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(2, "no such file", path)
        return self.files[path]

    def write(self, path: str, value: str) -> None:
        raise PermissionError(path, value)

    def probe(self, path: str) -> None:
        raise PermissionError(path)

    def entries(self, path: str) -> list[str]:
        names = {name[len(path) + 1 :].split("/")[0]
                 for name in self.files if name.startswith(path + "/")}  # fmt: skip
        if not names:
            raise FileNotFoundError(2, "no such directory", path)
        return sorted(names)

    def link(self, path: str) -> str:
        raise FileNotFoundError(2, "no such link", path)


def test_policies_that_agree_are_one_setting() -> None:
    cpufreq = "/sys/devices/system/cpu/cpufreq"
    alike = {f"{cpufreq}/policy{n}/scaling_governor": "powersave\n" for n in range(3)}
    assert settings_in_force(FewFiles(alike), []) == {"cpu.governor": "powersave"}
    alike[f"{cpufreq}/policy1/scaling_governor"] = "performance\n"
    assert settings_in_force(FewFiles(alike), []) == {
        "cpu.governor@policy0": "powersave",
        "cpu.governor@policy1": "performance",
        "cpu.governor@policy2": "powersave",
    }


def test_an_array_stands_for_its_members(tmp_path: Path) -> None:
    """md0 of two NVMe partitions, as /sys shows it."""
    devices = tmp_path / "devices"
    for disk in ("nvme0n1", "nvme1n1"):
        (devices / disk / f"{disk}p1").mkdir(parents=True)
        (devices / disk / f"{disk}p1" / "partition").write_text("1\n")
    slaves = devices / "md0/slaves"
    slaves.mkdir(parents=True)
    for disk in ("nvme0n1", "nvme1n1"):
        (slaves / f"{disk}p1").symlink_to(devices / disk / f"{disk}p1")
    status = tmp_path.stat()
    node = tmp_path / "dev/block" / f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    node.parent.mkdir(parents=True)
    node.symlink_to(devices / "md0")
    found = disks_below([str(tmp_path), "/nowhere"], sys_root=tmp_path)
    assert found == {"md0", "nvme0n1", "nvme1n1"}
