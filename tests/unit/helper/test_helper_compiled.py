"""What is kept of a start for the next one: it is the same program, and root's alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.unit.helper.test_helper_guardian import until

import aitune_helper
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_helper import compiled, compiling, landlock
from aitune_helper.places import Places

FLAGS = ("-I", "-S", "-B")


@pytest.fixture
def pyz(tmp_path: Path) -> Path:
    file = tmp_path / "aitune-helper.pyz"
    file.write_bytes(bundle())
    return file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of the machine's, and a search path that may be changed."""
    made = tmp_path / "run/aitune-bin"
    made.parent.mkdir(mode=0o755)
    monkeypatch.setattr(compiled, "FOLDER", str(made))
    monkeypatch.setattr(aitune_helper, "__path__", list(aitune_helper.__path__))
    compiling.prepare()
    return made


def keep(pyz: Path, folder: Path) -> Path:
    """Have the copy made, which a process of its own does."""
    compiling.keep(str(pyz), bundle_sha256())
    until(lambda: any(folder.glob("*.zip")))
    (kept,) = folder.iterdir()
    return kept


def test_the_copy_is_the_whole_program_without_its_sources(pyz: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(compiling.archive(str(pyz)))
    with zipfile.ZipFile(copy) as kept, zipfile.ZipFile(pyz) as sources:
        wanted = [f"{name}c" for name in sources.namelist() if name != "__main__.py"]
        assert kept.namelist() == wanted
    script = f"import sys; sys.path.insert(0, {str(copy)!r})\n" + "".join(
        f"import aitune_helper.{Path(name).stem}\n" for name in wanted if "__" not in name
    )
    done = subprocess.run(
        [sys.executable, *FLAGS, "-c", script], capture_output=True, check=False, timeout=20
    )
    assert done.returncode == 0, done.stderr.decode()


def test_it_is_found_by_the_file_it_was_made_from(pyz: Path, folder: Path) -> None:
    kept = keep(pyz, folder)
    assert kept.name.startswith(bundle_sha256())
    before = kept.stat().st_ino
    compiling.keep(str(pyz), bundle_sha256())
    assert kept.stat().st_ino == before, "it is made once"
    compiled.use(str(pyz))
    trusted = os.geteuid() == 0
    assert (aitune_helper.__path__[0] == f"{kept}/aitune_helper") is trusted


def test_a_file_that_was_replaced_meanwhile_leaves_no_copy_under_its_old_name(
    pyz: Path, folder: Path
) -> None:
    compiling.keep(str(pyz), "0" * 64)
    keep(pyz, folder)
    assert [kept.name[:64] for kept in folder.glob("*.zip")] == [bundle_sha256()]


def test_another_file_has_no_copy(pyz: Path, folder: Path) -> None:
    keep(pyz, folder)
    pyz.write_bytes(bundle() + b"\n")
    compiled.use(str(pyz))
    assert not aitune_helper.__path__[0].startswith(str(folder))


@pytest.mark.skipif(os.geteuid() != 0, reason="what belongs to a user is refused before that")
@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_a_copy_that_others_could_have_made_is_not_used(pyz: Path, folder: Path, what: str) -> None:
    kept = keep(pyz, folder)
    if what == "link":
        kept.rename(pyz.parent / "elsewhere")
        kept.symlink_to(pyz.parent / "elsewhere")
    else:
        (kept if what == "file" else folder).chmod(0o777)
    compiled.use(str(pyz))
    assert not aitune_helper.__path__[0].startswith(str(folder))


def test_no_confined_helper_reaches_it() -> None:
    writable = [way.path for way in landlock.ways(Places(), "/x") if way.rights & ~landlock.READ]
    assert not [path for path in writable if f"{compiled.FOLDER}/".startswith(f"{path}/")]
