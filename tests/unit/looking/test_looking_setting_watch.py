"""A change of any setting is seen at the next tick, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from tests.unit.knowledge import made_trees

from aitune_backends.sampler import Sampler
from aitune_backends.setting_watch import SettingWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aitune_backends.host import Host
    from aitune_backends.readings import Sample

POLICY = "sys/devices/system/cpu/cpufreq/policy0"
SEEN_IN_SAMPLE: dict[str, Callable[[Sample], str | None]] = {
    f"{POLICY}/scaling_governor": lambda sample: sample.policies[0].governor,
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return made_trees.two_nodes(tmp_path)


class Ticking:
    """A machine that is read tick by tick, as the dashboard does."""

    def __init__(self, host: Host) -> None:
        self.root = host.root
        self.sampler = Sampler(host, clock=count(0.0, 1.0).__next__)
        self.watch = SettingWatch(host)

    def tick(self) -> bool:
        moved = self.watch.moved(self.sampler.sample())
        if self.watch.in_turn:
            self.sampler.refresh()
        return moved


@pytest.fixture
def ticking(host: Host) -> Iterator[Ticking]:
    made = Ticking(host)
    yield made
    made.watch.close()
    made.sampler.close()


def test_what_stays_is_no_change(ticking: Ticking) -> None:
    assert [ticking.tick() for _ in range(3)] == [False] * 3


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("proc/sys/vm/swappiness", "10"),
        ("proc/sys/kernel/numa_balancing", "0"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"),
        (f"{POLICY}/scaling_governor", "powersave"),
        ("sys/block/nvme0n1/queue/read_ahead_kb", "4096"),
    ],
)
def test_a_change_is_seen_once_and_soon(ticking: Ticking, path: str, value: str) -> None:
    ticking.tick()
    with (ticking.root / path).open("r+") as file:  # in place, as a kernel's file
        file.write(value + "\n")
        file.truncate()
    seen = [ticking.tick() for _ in range(8)]
    assert any(seen[:2]), "within two seconds"
    assert not any(seen[3:])
    assert path not in SEEN_IN_SAMPLE or SEEN_IN_SAMPLE[path](ticking.sampler.sample()) == value


def test_a_file_that_vanishes_and_one_that_was_never_there(host: Host, tmp_path: Path) -> None:
    sampler, watch = Sampler(host), SettingWatch(host)
    sample = sampler.sample()
    assert not watch.moved(sample)
    assert not watch.moved(sample)
    made_trees.host(tmp_path, {"/proc/sys/vm/zone_reclaim_mode": "1"})
    assert not watch.moved(sample), "the survey will find it; a missing file is not tried again"
    watch.close()
    sampler.close()


def test_frequencies_and_rates_move_by_themselves(host: Host) -> None:
    sampler, watch = Sampler(host), SettingWatch(host)
    sample = sampler.sample()
    watch.moved(sample)
    faster = tuple(replace(policy, current_khz=4_000_000) for policy in sample.policies)
    assert not watch.moved(replace(sample, policies=faster))
    capped = tuple(replace(policy, max_khz=1_000_000) for policy in sample.policies)
    assert watch.moved(replace(sample, policies=capped))
    watch.close()
    sampler.close()
