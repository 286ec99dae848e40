"""A helper to talk to: the real one's core on the made-up machine, or a peer with a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.client.peers import Peer

from aitune_backends.demo import DemoMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def demo() -> Iterator[DemoMachine]:
    machine = DemoMachine()
    yield machine
    machine.close()


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Writes an executable script, and returns the directory to put before PATH."""
    folder = tmp_path_factory.mktemp("bin")

    def write(name: str, text: str) -> str:
        file = folder / name
        file.write_text(text)
        file.chmod(0o755)
        return str(folder)

    return write
