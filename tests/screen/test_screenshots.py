"""The one command that makes the screenshots still finds every screen."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SHOWN = {
    "overview": ("What", "differs"),
    "memory": ("Overcommit", "vm.overcommit_memory", "Free", "blocks"),
    "inspector": ("Evidence", "hugepages.2048kB"),
    "cpu": ("node1", "powersave"),
    "block": ("nvme3n1", "mq-deadline"),
    "load": ("reading", "495.1"),
    "doctor": ("problem", "lanes", "18.0"),
    "profiles": ("WANTED", "inference"),
    "plan": ("profile", "classic", "Nothing", "written"),
    "trial": ("TRIAL", "keep"),
}


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "screenshots"))
    return importlib.import_module("make")


async def test_every_picture_shows_its_screen(make: ModuleType, tmp_path: Path) -> None:
    made = await make.shoot((80, 24), tmp_path)
    words = {
        path.name.removesuffix("-80x24.svg"): [
            word.text
            for word in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own text
        ]
        for path in made
    }
    assert words.keys() == SHOWN.keys()
    for name, expected in SHOWN.items():
        assert {"gpu-node-07", "861.9" if name != "trial" else "861.8"} <= set(words[name]), name
        assert set(expected) <= set(words[name]), name
