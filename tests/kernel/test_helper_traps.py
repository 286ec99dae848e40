"""The ways in which an inherited environment could make Python, as root, run code of others.

Each trap is shown to be one first: without our flags the planted module runs. Then the helper is
started the way it is started, with the same trap set, and nothing of it runs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.waiting import until

from aitune_backends import elevation
from aitune_backends.helper_bundle import bundle_sha256
from aitune_backends.helper_errors import NotInstalled
from aitune_helper import compiled

if TYPE_CHECKING:
    from tests.kernel.fresh_user import FreshUser

# Its fixtures; loaded once however many files ask for it.
pytest_plugins = ("tests.kernel.fresh_user",)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts the helper as root"),
]

PLANTED = "import os\nopen(os.environ.get('MARK', '/nonexistent') , 'a').write('ran')\n"
HELLO = b'{"method":"io.aitune.Helper1.Hello","parameters":{"protocol_max":1}}\0'
# Modules that the helper imports, and the hooks that Python itself looks for.
NAMES = ("json", "socket", "hashlib", "struct", "sitecustomize", "usercustomize", "aitune_helper")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory with modules that leave a mark when they are imported."""
    folder = tmp_path / "trap"
    folder.mkdir()
    mark = tmp_path / "mark"
    for name in NAMES:
        (folder / f"{name}.py").write_text(
            PLANTED.replace("os.environ.get('MARK', '/nonexistent')", repr(str(mark)))
        )
    return folder


def ran(trap: Path) -> bool:
    """Whether anything of the trap ran since it was asked last."""
    mark = trap.parent / "mark"
    if not mark.exists():
        return False
    mark.unlink()
    return True


def command() -> tuple[str, ...]:
    """How the helper is started by root."""
    return elevation.Launcher(uid=0).command()


def hello(environment: dict[str, str], cwd: Path, *, program: tuple[str, ...] = ()) -> bytes:
    """Start the helper in an environment, greet it, and return what it answered."""
    done = subprocess.run(
        program or command(), input=HELLO, env=environment, cwd=cwd, capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert b'"helper_version"' in done.stdout
    return done.stdout


def environments(trap: Path) -> dict[str, dict[str, str]]:
    user_site = trap.parent / f".local/lib/python3.{sys.version_info[1]}/site-packages"
    user_site.mkdir(parents=True, exist_ok=True)
    for minor in range(9, 15):
        folder = trap.parent / f".local/lib/python3.{minor}/site-packages"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trap.pth").write_text(
            f"import sys; sys.path.insert(0, {str(trap)!r}); import usercustomize\n"
        )
    return {
        "PYTHONPATH": {"PYTHONPATH": str(trap)},
        "PYTHONSTARTUP": {"PYTHONSTARTUP": str(trap / "json.py"), "PYTHONINSPECT": "1"},
        "PYTHONHOME": {"PYTHONHOME": str(trap)},
        "user site": {"HOME": str(trap.parent), "PYTHONUSERBASE": str(trap.parent / ".local")},
        "AITUNE": {
            "AITUNE_ROOT": str(trap), "AITUNE_STATE": str(trap), "AITUNE_READONLY": "1",
            "AITUNE_HELPER": str(trap / "json.py"), "AITUNE_MIN_TTL": "0",
        },
        "sudo": {"SUDO_UID": "0\n0", "SUDO_USER": "\x1b[2J", "SSH_CONNECTION": "x" * 5000},
    }  # fmt: skip


def test_the_traps_are_real(trap: Path) -> None:
    python = command()[0]
    kinds = environments(trap)
    for flags, variables, cwd in (
        ((), kinds["PYTHONPATH"], Path("/")),
        ((), {}, trap),
        ((), kinds["user site"], Path("/")),
    ):
        subprocess.run(
            [python, *flags, "-c", "import json, socket"], env=variables, cwd=cwd,
            check=False, capture_output=True,
        )  # fmt: skip
        assert ran(trap), (variables, cwd)


@pytest.mark.parametrize(
    "kind", ["PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "user site", "AITUNE", "sudo"]
)
def test_no_variable_of_the_environment_is_heeded(trap: Path, kind: str) -> None:
    variables = environments(trap)[kind]
    plain = json.loads(hello({}, Path("/")).rstrip(b"\0"))["parameters"]
    answer = json.loads(hello(variables, Path("/")).rstrip(b"\0"))["parameters"]
    assert not ran(trap)
    moving = {"pending", "notices"}
    assert {k: v for k, v in answer.items() if k not in moving} == {
        k: v for k, v in plain.items() if k not in moving
    }


def test_nor_is_the_directory_it_is_started_in(trap: Path) -> None:
    hello({}, trap)
    assert not ran(trap)


def test_a_virtual_environment_is_not_believed(trap: Path, tmp_path: Path) -> None:
    """A link to the interpreter beside a pyvenv.cfg: its .pth files run even with -I alone."""
    python, *rest = command()
    binary = tmp_path / "venv/bin"
    binary.mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").write_text(f"home = {Path(python).resolve().parent}\n")
    real = Path(python).resolve()
    (binary / "python3").symlink_to(real)
    site = tmp_path / f"venv/lib/{real.name}/site-packages"
    site.mkdir(parents=True)
    line = f"import sys; sys.path.insert(0, {str(trap)!r}); import usercustomize\n"
    (site / "trap.pth").write_text(line)
    link = str(binary / "python3")
    subprocess.run([link, "-I", "-c", ""], check=True, cwd="/")
    assert ran(trap), "the trap is none on this machine"
    hello({}, Path("/"), program=(link, *rest))
    assert not ran(trap)


def test_an_interpreter_that_others_can_write_is_not_started(
    fresh_user: FreshUser, tmp_path: Path
) -> None:
    theirs = tmp_path / "python3"
    theirs.write_bytes(Path(command()[0]).resolve().read_bytes())
    theirs.chmod(0o755)
    os.chown(theirs, fresh_user.uid, fresh_user.gid)
    assert elevation.unsafe(theirs).endswith(f"belongs to uid {fresh_user.uid}, not to root")
    with pytest.raises(NotInstalled):
        elevation.interpreter([theirs])


def test_nothing_is_left_of_what_it_inherited(trap: Path) -> None:
    """Descriptors, directory, environment, umask, signals: of the running helper itself."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        with subprocess.Popen(
            command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"SECRET": "s3cret", "PYTHONPATH": str(trap)}, cwd=trap, close_fds=False,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(HELLO)
            process.stdin.flush()
            assert b"helper_version" in os.read(process.stdout.fileno(), 65536)
            proc = Path(f"/proc/{process.pid}")
            assert (proc / "cwd").readlink() == Path("/")
            links = {fd.readlink() for fd in (proc / "fd").iterdir()}
            assert Path(f"/proc/self/fd/{reader}").readlink() not in links
            status = dict(
                line.split(":\t", 1) for line in (proc / "status").read_text().splitlines()
            )
            assert status["Umask"].strip() == "0077"
            ignored = int(status["SigIgn"], 16)
            for number in (1, 2, 3, 13, 20, 21, 22):  # HUP INT QUIT PIPE TSTP TTIN TTOU
                assert ignored & 1 << (number - 1), number
            process.stdin.close()
            until(lambda: process.poll() is not None)
    finally:
        os.close(reader)
        os.close(writer)
    assert not ran(trap)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what a process opens")
def test_nothing_is_imported_once_it_answers(tmp_path: Path) -> None:
    """An import that comes late would come after the sandbox, in a way out of some error."""
    hello({}, Path("/"))
    # Whoever keeps what was compiled imports for that; it is told apart by nothing here.
    until(lambda: any(Path(compiled.FOLDER).glob(f"{bundle_sha256()}-*.zip")))
    trace = tmp_path / "trace"
    calls = b"".join(
        b'{"method":"io.aitune.Helper1.%s","parameters":%s}\0' % (name, parameters)
        for name, parameters in (
            (b"Hello", b'{"protocol_max":1}'),
            (b"Plan", b'{"changes":[{"knob":"vm.swappiness","instance":"","value":"999"}]}'),
            (b"Plan", b'{"changes":[{"knob":"cpu.governor","instance":"x","value":"y"}]}'),
            (b"Keep", b'{"id":"%032d"}' % 0),
            (b"Revert", b'{"id":"nonsense"}'),
            (b"History", b'{"limit":3}'),
            (b"Nonsense", b"{}"),
        )
    )
    subprocess.run(
        ["strace", "-f", "-o", str(trace), "-e", "trace=openat,write,execve", "-s", "200",
         *command()],
        input=calls, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    lines = trace.read_text("utf-8", "replace").splitlines()
    first = next(n for n, line in enumerate(lines) if "helper_version" in line)
    loads = [line for line in lines[first:] if "O_PATH" not in line]  # that is Landlock's
    late = [line for line in loads if ".py" in line or "execve(" in line or ".so" in line]
    assert late == []


def test_the_copy_that_root_starts_is_out_of_its_own_reach() -> None:
    """Whoever breaks into the helper finds no way out, nor to the file that root starts next."""
    call = b'{"method":"io.aitune.Helper1.SelfTest","parameters":{}}\0'
    done = subprocess.run(command(), input=HELLO + call, capture_output=True, check=True)
    attempts = json.loads(done.stdout.split(b"\0")[1])["parameters"]["attempts"]
    assert f"write {command()[-1]}" in {attempt["name"] for attempt in attempts}
    layers = json.loads(done.stdout.split(b"\0")[0])["parameters"]["sandbox"]
    if all(layer["held"] for layer in layers if layer["name"] in ("landlock", "seccomp")):
        assert [attempt["name"] for attempt in attempts if not attempt["held"]] == []
