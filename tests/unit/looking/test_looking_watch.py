"""Loads of real processes, found and followed without rights; and of made-up ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.looking.reader_process import Reader

from aitune_backends.host import Host
from aitune_backends.watch import ALL_READ, NO_RATE, STANDING, Watcher
from aitune_backends.weights import family

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.looking.written_tree import Tree

    from aitune_backends.readings import LoadSeen

SHARD = 16 << 20
MIB = 1 << 20


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Three shards of a model."""
    directory = tmp_path / "Llama-tiny"
    directory.mkdir()
    paths = [directory / f"model-{n:05}-of-00003.safetensors" for n in (1, 2, 3)]
    for path in paths:
        with path.open("wb") as file:
            file.truncate(SHARD)
    (directory / "other-00001-of-00003.safetensors").write_bytes(b"x")
    return paths


class Look:
    """A watcher of this machine that sees one process, at times the test gives."""

    def __init__(self, pid: int, host: Host | None = None) -> None:
        self._pid = pid
        self.watcher = Watcher(host or Host(), slice_s=30.0)

    def at(self, now: float) -> LoadSeen | None:
        found = [load for load in self.watcher.look(now) if load.pid == self._pid]
        assert len(found) <= 1
        return found[0] if found else None

    def surely(self, now: float) -> LoadSeen:
        seen = self.at(now)
        assert seen is not None
        return seen


def test_a_load_is_found_followed_and_gone(shards: list[Path]) -> None:
    with Reader() as reader:
        look = Look(reader.pid)
        assert look.at(0) is None
        reader.order("open", shards[0])
        reader.order("read", shards[0], 4 * MIB)
        seen = look.surely(2)
        assert (seen.model, seen.files, seen.files_open) == ("Llama-tiny", 3, 1)
        assert (seen.done, seen.total) == (4 * MIB, 3 * SHARD)
        assert (seen.rate, seen.eta_s, seen.sentence) == (None, None, NO_RATE)
        assert seen.command.startswith("python")

        reader.order("read", shards[0], 10 * MIB)
        seen = look.surely(7)
        assert seen.rate == 10 * MIB / 5
        assert seen.eta_s == pytest.approx((3 * SHARD - 14 * MIB) / (10 * MIB / 5))
        assert "read calls" in seen.sentence
    assert look.at(8) is None


def test_shards_one_after_the_other_add_up(shards: list[Path]) -> None:
    with Reader() as reader:
        look = Look(reader.pid)
        reader.order("open", shards[0])
        assert look.surely(0).done == 0
        reader.order("read", shards[0], SHARD)
        reader.order("open", shards[1])
        reader.order("read", shards[1], MIB)
        assert look.surely(3).done == SHARD + MIB
        reader.order("close", shards[0])
        assert look.surely(4).done == SHARD + MIB
        for path in shards[1:]:
            reader.order("open", path)
            reader.order("read", path, SHARD)
        seen = look.surely(6)
        assert (seen.done, seen.sentence) == (3 * SHARD, ALL_READ)


def test_a_load_seen_from_its_middle_counts_what_came_before(shards: list[Path]) -> None:
    with Reader() as reader:
        reader.order("open", shards[0])
        reader.order("read", shards[0], SHARD)
        reader.order("close", shards[0])
        reader.order("open", shards[1])
        reader.order("read", shards[1], MIB)
        assert Look(reader.pid).surely(0).done == SHARD + MIB


def test_what_was_not_read_is_not_counted(shards: list[Path]) -> None:
    with Reader() as reader:  # it begins with the last shard: nothing came before
        reader.order("open", shards[2])
        reader.order("read", shards[2], MIB)
        assert Look(reader.pid).surely(0).done == MIB


def test_the_rate_is_that_of_the_last_ten_seconds(shards: list[Path]) -> None:
    with Reader() as reader:
        look = Look(reader.pid)
        reader.order("open", shards[0])
        look.at(0)
        reader.order("read", shards[0], 8 * MIB)
        assert look.surely(5).rate == 8 * MIB / 5
        look.at(10)
        assert look.surely(15).rate == 0
        assert look.surely(16).sentence == STANDING
        assert look.surely(16).eta_s is None


def test_a_mapped_model_is_found_though_no_descriptor_is_left(shards: list[Path]) -> None:
    with Reader() as reader:
        reader.order("map", shards[1])
        look = Look(reader.pid)
        seen = look.surely(0)
        assert (seen.files, seen.files_open) == (3, 1)
        assert 0 <= seen.done <= seen.total


def test_a_process_that_turns_to_a_model_later_is_found(shards: list[Path]) -> None:
    with Reader() as reader:
        look = Look(reader.pid)
        look.at(0)
        look.at(1)
        reader.order("open", shards[0])
        reader.order("read", shards[0], MIB)
        assert look.surely(3).done == MIB


def test_a_hub_cache_has_its_names_beside_its_blobs(tmp_path: Path) -> None:
    base = tmp_path / "hub/models--meta--Llama-9"
    blobs, snapshot = base / "blobs", base / "snapshots/abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number in (1, 2):
        with (blobs / f"hash{number}").open("wb") as file:
            file.truncate(100_000_000)
        name = snapshot / f"model-0000{number}-of-00002.safetensors"
        name.symlink_to(f"../../blobs/hash{number}")
    with Reader() as reader:
        reader.order("open", snapshot / "model-00001-of-00002.safetensors")
        seen = Look(reader.pid).surely(0)
    assert (seen.model, seen.files, seen.total) == ("meta/Llama-9", 2, 200_000_000)


def test_a_small_bin_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "locale.bin").write_bytes(b"x" * 1000)
    with Reader() as reader:
        reader.order("open", tmp_path / "locale.bin")
        assert Look(reader.pid).at(0) is None


def test_an_unreadable_process_is_passed_over(tree: Tree) -> None:
    root = tree({"/proc/7/comm": "secret\n", "/proc/8/comm": "", "/proc/x": "no process"})
    assert Watcher(Host(root, origin="demo")).look(0) == ()


def test_a_made_up_machine_is_followed_by_its_files(tree: Tree) -> None:
    model = "/models/m/model-0000{}-of-00002.safetensors"
    root = tree(
        {
            "/proc/48211/comm": "vllm\n",
            "/proc/48211/io": "rchar: 5100\nread_bytes: 5100\n",
            "/proc/48211/fd/3": f"-> {model.format(2)}",
            "/proc/48211/fdinfo/3": "pos:\t100\n",
            "/proc/48211/maps": "",
            model.format(1): "x" * 5000,
            model.format(2): "x" * 3000,
        }
    )
    seen = Look(48211, Host(root, origin="demo")).surely(0)
    assert (seen.command, seen.done, seen.total) == ("vllm", 5100, 8000)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("model-00001-of-00191.safetensors", "model-00191-of-00191.safetensors", True),
        ("model-00001-of-00191.safetensors", "model-00001-of-00003.safetensors", False),
        ("consolidated.00.pth", "consolidated.01.pth", True),
        ("llama-q4-00.gguf", "llama-q5-00.gguf", False),
    ],
)
def test_families_of_shards(one: str, other: str, same: bool) -> None:
    assert (family(one) == family(other) and family(one) is not None) is same
