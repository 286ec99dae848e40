"""The helper as a program: what it checks before it does anything, and on the oldest Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from aitune_backends.helper_bundle import bundle
from aitune_helper import surroundings

SOURCES = Path(surroundings.__file__).parent
FLAGS = ("-I", "-S", "-B")


@pytest.fixture
def pyz(tmp_path: Path) -> Path:
    file = tmp_path / "aitune-helper.pyz"
    file.write_bytes(bundle())
    return file


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=20,
        env=environment,
    )


@pytest.mark.parametrize("arguments", [("--root=/tmp",), ("--guard", "x"), ("-v",), ("",)])
def test_unknown_arguments_are_bad_usage(pyz: Path, arguments: tuple[str, ...]) -> None:
    done = run(sys.executable, *FLAGS, pyz, *arguments)
    assert done.returncode == 2
    assert done.stdout == b""


def test_it_starts_only_as_root_whatever_the_environment_says() -> None:
    with tempfile.TemporaryDirectory(prefix="aitune-") as folder:
        Path(folder).chmod(0o755)
        pyz = Path(folder, "aitune-helper.pyz")
        pyz.write_bytes(bundle())
        pyz.chmod(0o644)
        command: tuple[str | Path, ...] = ("/usr/bin/python3", *FLAGS, pyz)
        if os.geteuid() == 0:
            command = ("/usr/bin/setpriv", "--reuid=65534", "--clear-groups", *command)
        done = run(*command, SUDO_UID="0")
    assert done.returncode == 4
    assert b"must be started as root" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="it stops earlier without root")
@pytest.mark.parametrize("missing", FLAGS)
def test_it_wants_all_of_the_interpreters_protections(pyz: Path, missing: str) -> None:
    flags = [flag for flag in FLAGS if flag != missing]
    done = run("/usr/bin/python3", *flags, pyz)
    assert done.returncode == 4
    assert b"-I -S -B" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="it stops earlier without root")
def test_it_does_not_start_from_a_file_that_others_could_have_written(pyz: Path) -> None:
    pyz.chmod(0o666)
    done = run("/usr/bin/python3", *FLAGS, pyz)
    assert done.returncode == 4
    assert f"{pyz} has mode 0666".encode() in done.stderr


def test_a_file_below_a_directory_of_others_is_unsafe(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    if os.geteuid() == 0:
        tmp_path.chmod(0o777)
        reason = "has mode 0777"
    else:
        reason = "belongs to uid"
    with pytest.raises(surroundings.UnsafeError, match=reason):
        surroundings.check_owner(str(file))


def test_a_root_owned_program_is_safe() -> None:
    surroundings.check_owner(str(Path("/bin/sh").resolve()))


def test_a_directory_is_no_program() -> None:
    with pytest.raises(surroundings.UnsafeError, match="is not a file"):
        surroundings.check_owner("/")


def oldest_python() -> str:
    """A Python 3.9 on the path or where pyenv keeps them; without one the test is skipped."""
    kept = sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9"))
    on_path = shutil.which("python3.9")
    for found in ([on_path] if on_path else []) + [str(file) for file in kept]:
        if run(found, "-c", "").returncode == 0:
            return found
    pytest.skip("no Python 3.9 here")


def test_every_module_is_imported_by_the_oldest_python(pyz: Path) -> None:
    python = oldest_python()
    names = sorted(file.stem for file in SOURCES.glob("*.py") if file.stem != "__main__")
    script = f"import sys; sys.path.insert(0, {str(pyz)!r})\n" + "".join(
        f"import aitune_helper.{name}\n" for name in names
    )
    done = run(python, *FLAGS, "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr.decode()


SMOKE = """
import sys, tempfile
sys.path.insert(0, sys.argv[1])
from aitune_helper import apply, messages, places, server, trial

class Kernel:
    files = {"/proc/sys/vm/swappiness": "60", "/proc/meminfo": ""}
    def read(self, path):
        if path not in self.files:
            raise FileNotFoundError(2, "no", path)
        return self.files[path]
    def write(self, path, value):
        self.files[path] = value
    def probe(self, path):
        pass
    def entries(self, path):
        return [name[len(path) + 1:] for name in self.files if name.rpartition("/")[0] == path]
    def link(self, path):
        raise FileNotFoundError(2, "no", path)

with tempfile.TemporaryDirectory() as base:
    core = server.Core(Kernel(), places.Places(base + "/run", base + "/state", base + "/etc"))
    me = trial.Caller(1, "me", True)
    changes = (messages.Change("vm.swappiness", "", "10"),)
    wanted = apply.Wanted(changes, core.plan(changes, force=False).hash, 60.0, persist=True)
    made = core.apply(wanted, me)
    kept = core.trials.keep(made.id, me, persist=True)
    text = messages.to_object(kept.trial)
    assert messages.from_object(messages.Trial, text) == kept.trial
    assert kept.trial.persisted == "yes", kept
    made = core.apply(wanted._replace(changes=(messages.Change("vm.swappiness", "", "20"),),
        plan_hash=core.plan((messages.Change("vm.swappiness", "", "20"),), force=False).hash), me)
    assert core.trials.revert(made.id, me).complete
    assert Kernel.files["/proc/sys/vm/swappiness"] == "10"
    core.close()
print("done")
"""


def test_a_trial_runs_on_the_oldest_python(pyz: Path) -> None:
    python = oldest_python()
    done = run(python, *FLAGS, "-W", "error", "-c", SMOKE, pyz)
    assert done.stdout == b"done\n", done.stderr.decode()
