"""The command line as root on this kernel: pages, overcommit and a boot file, there and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.kernel.waiting import until

from aitune_backends.installer import DROP_INS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes this kernel's settings"),
]

PAGES = Path("/proc/sys/vm/nr_hugepages")
MODE = Path("/proc/sys/vm/overcommit_memory")
RATIO = Path("/proc/sys/vm/overcommit_ratio")
SWAPPINESS = Path("/proc/sys/vm/swappiness")
FILES = (PAGES, MODE, RATIO, SWAPPINESS)
SYSCTL = DROP_INS[0]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line without a terminal."""
    return subprocess.run(
        [sys.executable, "-c", "from aitune_tui.cli import main; main()", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, **environment},
    )  # fmt: skip


def as_json(*arguments: str, expect: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> Iterator[dict[Path, str]]:
    """The settings before, which are put back; our boot file and its record too."""
    before = {file: file.read_text().strip() for file in FILES}
    owned = Path("/var/lib/aitune/owned.json")
    kept = [file for file in (SYSCTL, owned) if file.exists()]
    for file in kept:
        shutil.copy2(file, tmp_path / file.name)
        file.unlink()
    try:
        yield before
    finally:
        for file in (SYSCTL, owned):
            file.unlink(missing_ok=True)
        for file in kept:
            shutil.copy2(tmp_path / file.name, file)
        for file, value in before.items():
            if file.read_text().strip() != value:
                file.write_text(value)
    assert {file: file.read_text().strip() for file in FILES} == before


def test_the_classic_profile_there_and_back(settings: dict[Path, str]) -> None:
    document = as_json("apply", "--profile", "classic", "--persist", "--yes")
    assert {item["status"] for item in document["items"]} <= {"ok", "unchanged"}
    assert document["files"] == [str(SYSCTL)]
    text = SYSCTL.read_text()
    for line in ("vm.overcommit_memory = 1", "vm.overcommit_ratio = 90", "vm.nr_hugepages = 64"):
        assert line in text
    assert (MODE.read_text().strip(), RATIO.read_text().strip()) == ("1", "90")
    assert "HugePages_Total:      64" in Path("/proc/meminfo").read_text()
    assert as_json("verify", "--profile", "classic")["ok"] is True
    document = as_json("undo", "--yes")
    assert document["trial"]["complete"] is True
    assert {file: file.read_text().strip() for file in FILES} == settings
    assert not SYSCTL.exists() or "= 1" not in SYSCTL.read_text()


def test_a_pool_of_a_node_and_its_undo(settings: dict[Path, str]) -> None:
    before = int(settings[PAGES])
    document = as_json("apply", f"hugepages.2048kB@node0={before + 8}", "--yes")
    assert document["items"][0]["effective"] == str(before + 8)
    assert PAGES.read_text().strip() == str(before + 8)
    as_json("undo", str(document["trial"]["number"]), "--yes")
    assert PAGES.read_text().strip() == settings[PAGES]


def test_a_file_of_another_is_never_touched(settings: dict[Path, str]) -> None:
    SYSCTL.write_text("vm.swappiness = 33\n")
    other = "11" if settings[SWAPPINESS] != "11" else "12"
    error = as_json("apply", f"vm.swappiness={other}", "--persist", "--yes", expect=1)
    assert error["code"] == "persist"
    assert SYSCTL.read_text() == "vm.swappiness = 33\n"
    assert SWAPPINESS.read_text().strip() == settings[SWAPPINESS]


def test_what_is_stale_is_not_written(settings: dict[Path, str]) -> None:
    """Between plan and apply somebody else is faster."""
    other, theirs = ("11", "33") if settings[SWAPPINESS] != "11" else ("12", "33")
    code = (
        "import pathlib\n"
        "from aitune_tui.cli import main, rooted\n"
        "connect = rooted.connected\n"
        "def late(*a, **k):\n"
        f"    pathlib.Path('{SWAPPINESS}').write_text('{theirs}')\n"
        "    return connect(*a, **k)\n"
        "rooted.connected = late\n"
        f"main(['apply', 'vm.swappiness={other}', '--yes', '--json'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert json.loads(result.stdout)["code"] == "stale"
    assert SWAPPINESS.read_text().strip() == theirs


def test_no_locale_and_no_terminal_are_no_trouble(settings: dict[Path, str]) -> None:
    other = "11" if settings[SWAPPINESS] != "11" else "12"
    for environment in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
                        {"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"}):  # fmt: skip
        result = run("apply", f"vm.swappiness={other}", "--try", "5", "--yes", **environment)
        assert result.returncode == 0, result.stderr
        assert result.stdout.isascii()
        assert run("revert", "--yes", **environment).returncode == 0
        assert SWAPPINESS.read_text().strip() == settings[SWAPPINESS]


def test_a_killed_apply_is_put_back(settings: dict[Path, str]) -> None:
    """The client dies between apply and keep: what it would have kept is not kept."""
    other = "11" if settings[SWAPPINESS] != "11" else "12"
    code = (
        "import os, signal\n"
        "from aitune_backends.helper_client import Session\n"
        "from aitune_tui.cli import applying, main\n"
        "applying._BETWEEN_S = 5\n"
        "Session.keep = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"main(['apply', 'vm.swappiness={other}', '--yes'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert result.returncode == -9
    assert SWAPPINESS.read_text().strip() == other
    until(lambda: SWAPPINESS.read_text().strip() == settings[SWAPPINESS], 8)
