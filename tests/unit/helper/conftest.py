"""A helper's core over a made-up kernel, with a clock that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.helper.fake_kernel import FILES, FakeKernel

from aitune_helper.apply import Wanted
from aitune_helper.messages import ArmChanges, Caller, Change, Trial
from aitune_helper.places import Places
from aitune_helper.server import Core

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aitune_helper.trial import Trials

OPS = Caller(1000, "ops", attested=True, tty="pts/3")


class StillGuardian:
    """A guardian that says it watches, and leaves looking to the test."""

    kind = "test"

    def __init__(self, trials: Trials) -> None:
        self.armed: list[str] = []

    def start(self) -> None:
        """Nothing runs."""

    def meet(self) -> None:
        """Nothing runs."""

    def arm(self, trial_id: str) -> None:
        """Remember it."""
        self.armed.append(trial_id)

    def close(self) -> None:
        """Nothing runs."""


class Bench:
    """One machine and one helper on it; `restart` gives it another helper."""

    def __init__(self, places: Places, files: Mapping[str, str] = FILES) -> None:
        self.kernel = FakeKernel(files)
        self.places = places
        self.now = 1000.0
        self.core = self.restart()

    def restart(self) -> Core:
        self.core = Core(
            self.kernel,
            self.places,
            clock=lambda: self.now,
            wall=lambda: 1_700_000_000.0,
            min_ttl_s=0.5,
            guardian=StillGuardian,
        )
        return self.core

    def wanted(self, *changes: tuple[str, str, str], force: bool = False) -> Wanted:
        made = tuple(Change(*change) for change in changes)
        return Wanted(made, self.core.plan(made, force=force).hash, 60.0, force=force)

    def compare(
        self, *arms: tuple[tuple[str, str, str], ...], persist: bool = False, **more: object
    ) -> Trial:
        """Begin a comparison whose arms are called A, B and so on."""
        made = tuple(
            ArmChanges(chr(ord("A") + index), tuple(Change(*change) for change in changes))
            for index, changes in enumerate(arms)
        )
        planned = self.core.plan((), force=False, arms=made)
        wanted = Wanted((), planned.hash, 60.0, arms=made, persist=persist)
        return self.core.apply(wanted._replace(**more), OPS)  # type: ignore[arg-type]

    def apply(self, *changes: tuple[str, str, str], persist: bool = False) -> Trial:
        return self.core.apply(self.wanted(*changes)._replace(persist=persist), OPS)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    base = str(tmp_path)
    return Places(base + "/run", base + "/state", base + "/etc")


@pytest.fixture
def bench(places: Places) -> Iterator[Bench]:
    made = Bench(places)
    yield made
    made.core.close()
