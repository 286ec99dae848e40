"""One made-up machine a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitune_backends.demo import DemoMachine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def demo() -> Iterator[DemoMachine]:
    machine = DemoMachine()
    yield machine
    machine.close()
