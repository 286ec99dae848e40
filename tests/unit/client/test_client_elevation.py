"""How the helper is started: which file, which interpreter, and what sudo is asked for and when."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends import elevation
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_backends.helper_client import HelperError, NotElevated, NotInstalled, RealLink
from aitune_helper.knobs import table_hash

if TYPE_CHECKING:
    from collections.abc import Callable

# A helper that only greets, and says in its version which session and group it is in.
GREETER = f"""
import json, os, sys
frame = b""
while not frame.endswith(b"\\0"):
    frame += os.read(0, 1)
hello = dict(protocol=1, helper_version=f"{{os.getsid(0)}} {{os.getpgid(0)}}", bundle_sha256="",
             knob_hash="{table_hash()}", euid=0, caller_uid=1, attested=True, journal_ok=True,
             guardian="process", container="", pending=None)
os.write(1, json.dumps(dict(parameters=hello)).encode() + b"\\0")
sys.stderr.write("a warning\\n")
while os.read(0, 1):
    pass
"""

SUDO = """#!/bin/sh
printf '%s\\n' "$*" >> "$SUDO_LOG"
case "$SUDO_MODE $1" in
    "password -n" | "never "*) echo "sudo: nein" >&2; exit 1;;
    "broken "*) echo "no interpreter" >&2; exit 126;;
esac
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


class Sudo:
    """A stand-in that writes down how it was called."""

    def __init__(self, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = log
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("SUDO_LOG", str(log))

    def behaves(self, mode: str) -> None:
        self._monkeypatch.setenv("SUDO_MODE", mode)

    @property
    def calls(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], str]
) -> Sudo:
    monkeypatch.setenv("PATH", f"{program('sudo', SUDO)}:{os.environ['PATH']}")
    return Sudo(tmp_path / "log", monkeypatch)


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealLink:
    """A link of an ordinary user; the helper greets, and its file counts as safe."""
    helper = tmp_path / "aitune-helper.pyz"
    helper.write_text(GREETER)
    monkeypatch.setattr(elevation, "unsafe", lambda file: "")
    monkeypatch.setattr(elevation, "interpreter", lambda: Path(sys.executable))
    launcher = elevation.Launcher(uid=1000, helpers=(tmp_path / "none", helper))
    return RealLink(tmp_path / "public.json", launcher)


def command(link: RealLink) -> str:
    return " ".join(link._launcher.command())


def test_a_ticket_is_enough_and_the_child_stays_in_our_session(
    link: RealLink, sudo: Sudo, capfd: pytest.CaptureFixture[str]
) -> None:
    sudo.behaves("granted")
    with link.connect(ask=True) as session:
        sid, pgid = session.hello.helper_version.split()
        assert (int(sid), int(pgid)) == (os.getsid(0), os.getpgid(0))
    assert sudo.calls == [f"-n -- {command(link)}"]
    assert command(link).split()[1:4] == ["-I", "-S", "-B"]
    # What the child says on stderr would ruin the screen.
    assert capfd.readouterr() == ("", "")


def test_a_password_is_asked_for_only_where_the_ticket_gave_no_helper(
    link: RealLink, sudo: Sudo
) -> None:
    sudo.behaves("password")
    with link.connect(ask=True) as session:
        assert session.hello.euid == 0
    asked = f"-p [aitune-tui] password for %p:  -- {command(link)}"
    assert sudo.calls == [f"-n -- {command(link)}", asked]


def test_without_a_terminal_nobody_is_asked(link: RealLink, sudo: Sudo) -> None:
    sudo.behaves("password")
    with pytest.raises(NotElevated) as caught:
        link.connect(ask=False)
    assert len(sudo.calls) == 1
    assert caught.value.code == "not-elevated"
    assert "terminal" in caught.value.hint


def test_a_sudo_that_refuses_is_said_in_its_own_words(link: RealLink, sudo: Sudo) -> None:
    sudo.behaves("never")
    with pytest.raises(NotElevated) as caught:
        link.connect(ask=True)
    assert len(sudo.calls) == 2
    assert caught.value.message.endswith("sudo did not grant it: sudo: nein.")


def test_a_helper_that_breaks_is_no_question_of_passwords(link: RealLink, sudo: Sudo) -> None:
    sudo.behaves("broken")
    with pytest.raises(HelperError) as caught:
        link.connect(ask=True)
    assert len(sudo.calls) == 1
    assert caught.value.code == "no-answer"
    assert "no interpreter" in caught.value.message


def test_no_sudo_and_no_helper_are_not_installed(
    link: RealLink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(NotInstalled, match="no sudo"):
        link.connect(ask=True)
    with pytest.raises(NotInstalled) as caught:
        elevation.Launcher(uid=1000, helpers=(tmp_path / "none",)).command()
    assert "helper install" in caught.value.hint


def test_what_others_can_change_is_unsafe(tmp_path: Path) -> None:
    assert elevation.unsafe(Path("/usr/bin/env")) == ""
    assert elevation.unsafe(Path("/bin")) == ""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    file = open_to_all / "helper"
    file.write_text("")
    said = elevation.unsafe(file)
    if os.geteuid() == 0:
        assert said == f"{open_to_all} has mode 0777: not only root can write it"
        open_to_all.chmod(0o1777)  # sticky: nobody can replace another's file
        assert elevation.unsafe(file) == ""
        file.chmod(0o775)
        assert elevation.unsafe(file) == f"{file} has mode 0775: not only root can write it"
        file.chmod(0o755)
        os.chown(file, 12345, 0)
        assert elevation.unsafe(file) == f"{file} belongs to uid 12345, not to root"
    else:
        assert said == f"{file} belongs to uid {os.geteuid()}, not to root"
    assert "cannot be examined" in elevation.unsafe(tmp_path / "missing")


def test_a_helper_that_others_can_change_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "helper.pyz"
    helper.write_text("")
    monkeypatch.setattr(elevation, "unsafe", lambda file: f"{file} has mode 0777")
    with pytest.raises(NotInstalled, match="0777"):
        elevation.Launcher(uid=1000, helpers=(helper,)).command()


def test_the_interpreter_is_roots_and_not_too_old(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Path(program("old", "#!/bin/sh\nexit 1\n")) / "old"
    new = Path(program("new", "#!/bin/sh\nexit 0\n")) / "new"
    mine = Path(program("mine", "#!/bin/sh\nexit 0\n")) / "mine"
    monkeypatch.setattr(elevation, "unsafe", lambda file: "mine" if file == mine else "")
    assert elevation.interpreter((tmp_path / "none", mine, old, new)) == new
    with pytest.raises(NotInstalled, match=r"3\.9"):
        elevation.interpreter((mine, old))


def test_root_runs_an_installed_copy_only_if_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevation, "unsafe", lambda file: "")
    installed = tmp_path / "installed.pyz"
    copies = tmp_path / "run" / "bin"
    launcher = elevation.Launcher(uid=0, helpers=(installed,), root_copies=copies)
    assert not launcher.needs_sudo
    own = copies / f"{bundle_sha256()}.pyz"
    for content in (None, b"another version"):
        if content is not None:
            installed.write_bytes(content)
        assert launcher.command()[-1] == str(own)
        assert own.read_bytes() == bundle()
    assert own.stat().st_mode & 0o777 == 0o755
    own.write_bytes(b"damaged")
    assert elevation.write_root_copy(copies).read_bytes() == bundle()
    installed.write_bytes(bundle())
    assert launcher.command()[-1] == str(installed)


def test_root_runs_no_copy_where_others_can_change_it(tmp_path: Path) -> None:
    copies = tmp_path / "run" / "bin"
    copies.mkdir(parents=True)
    own = copies / f"{bundle_sha256()}.pyz"
    own.write_bytes(bundle())
    copies.chmod(0o777)
    with pytest.raises(NotInstalled, match=r"0777|belongs to uid"):
        elevation.write_root_copy(copies)


def test_the_bundle_is_the_same_from_a_checkout_and_from_a_copy(tmp_path: Path) -> None:
    import aitune_helper

    sources = Path(aitune_helper.__file__).parent
    copy = tmp_path / "site" / "aitune_helper"
    copy.mkdir(parents=True)
    for file in sources.glob("*.py"):
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "stale.py").write_text("")
    (copy / "py.typed").touch()
    backends = sources.parent
    code = (
        "from aitune_backends.helper_bundle import bundle, bundle_sha256 as s\n"
        "import aitune_helper, hashlib\n"
        "assert hashlib.sha256(bundle()).hexdigest() == s()\n"
        "print(aitune_helper.__file__, s())"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": f"{copy.parent}:{backends}",
        "TZ": "Asia/Kolkata",
        "PYTHONHASHSEED": "7",
    }
    said = subprocess.run(
        [sys.executable, "-B", "-c", code], env=environment, capture_output=True, text=True,
        check=True, umask=0o077,
    ).stdout.split()  # fmt: skip
    assert said == [str(copy / "__init__.py"), bundle_sha256()]
    assert hashlib.sha256(bundle()).hexdigest() == bundle_sha256()


def test_the_bundle_holds_nothing_that_differs_between_machines() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle())) as archive:
        entries = archive.infolist()
        assert archive.read("__main__.py").endswith(b"\nmain()\n")
    names = [entry.filename for entry in entries]
    assert names == ["__main__.py", *sorted(names[1:])]
    assert "aitune_helper/server.py" in names
    assert {name.rpartition(".")[2] for name in names} == {"py"}
    assert {(entry.date_time, entry.compress_type, entry.external_attr) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 0o100644 << 16)
    }
