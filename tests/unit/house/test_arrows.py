"""The arrows of the house, seen from a fresh interpreter: importing a package drags in no other."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

DRAWING = {"textual", "rich", "plotext", "click", "aitune_widgets", "aitune_tui"}
LIBRARIES = {"psutil", "pyudev", "platformdirs", "tomli"}

MUST_NOT_LOAD = {
    "aitune_helper.server": DRAWING | LIBRARIES | {"aitune_backends", "dataclasses"},
    "aitune_helper.plan": DRAWING | LIBRARIES | {"aitune_backends", "dataclasses"},
    "aitune_backends.sampler": DRAWING | {"pyudev", "sqlite3"},
    "aitune_backends.survey": DRAWING | {"pyudev", "sqlite3"},
    "aitune_backends.helper_client": DRAWING | {"pyudev", "sqlite3"},
    "aitune_widgets.setting_table": {"aitune_backends", "aitune_helper", "aitune_tui", "plotext"},
    "aitune_widgets.chart": {"aitune_backends", "aitune_helper", "aitune_tui", "plotext"},
    "aitune_tui.cli": {"textual", "plotext", "psutil", "pyudev", "sqlite3"},
    "aitune_tui.app": {"plotext", "pyudev", "sqlite3"},
}


@pytest.mark.parametrize("module", sorted(MUST_NOT_LOAD))
def test_a_module_loads_nothing_it_must_not_know(module: str) -> None:
    program = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    loaded = {name.partition(".")[0] for name in json.loads(result.stdout)}
    assert module.partition(".")[0] in loaded
    assert not loaded & MUST_NOT_LOAD[module]
