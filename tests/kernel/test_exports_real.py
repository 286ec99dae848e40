"""What is exported, taken by the very programs that it is for; what they set is read back.

TuneD runs on a bus of its own, in a mount namespace where /etc/tuned is the test's: nothing but the
settings of the test reaches this machine, and going off puts them back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.kernel_files import loop_queue, other, value

from aitune_backends.exports import export
from aitune_backends.host import Host
from aitune_backends.profiles.parse import Profile, parse_profile
from aitune_helper import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

VM = Path("/proc/sys/vm")
THP = Path("/sys/kernel/mm/transparent_hugepage")
SWAPPINESS = VM / "swappiness"
DEFRAG = THP / "defrag"
SCAN = THP / "khugepaged/pages_to_scan"
DIRTY = (VM / "dirty_ratio", VM / "dirty_bytes")
BACKGROUND = (VM / "dirty_background_ratio", VM / "dirty_background_bytes")
PROCPS = shutil.which("sysctl", path="/usr/sbin:/sbin:/usr/bin:/bin")
TMPFILES = shutil.which("systemd-tmpfiles")
UDEVADM = shutil.which("udevadm")
TUNED = shutil.which("tuned", path="/usr/sbin:/usr/bin")
BUS = shutil.which("dbus-daemon")
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


def ran(*command: str, status: int = 0) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == status, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def profile(**values: str | int) -> Profile:
    """A profile by knob, with `__` for a dot and `_at_` for the instance."""
    lines = [
        f'"{name.replace("__", ".").replace("_at_", "@")}" = {text!r}'.replace("'", '"')
        for name, text in values.items()
    ]
    text = '[profile]\nname = "kerneltest"\n[settings]\n' + "\n".join(lines)
    return parse_profile(text, name="kerneltest", source="here")


@contextmanager
def put_back(*files: Path) -> Iterator[None]:
    """Bring files back to what they hold now, whatever happens."""
    before = {file: value(file) for file in files}
    try:
        yield
    finally:
        for file, text in before.items():
            if value(file) != text:
                file.write_text(text)


def written(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


@pytest.mark.skipif(PROCPS is None, reason="sysctl (package procps) is not installed")
def test_procps_sets_what_is_exported(tmp_path: Path) -> None:
    assert PROCPS is not None
    cluster = VM / "page-cluster"
    with put_back(SWAPPINESS, cluster):
        new = other(SWAPPINESS, "61", "62"), other(cluster, "2", "4")
        wanted = {"vm__swappiness": int(new[0]), "vm__page-cluster": int(new[1])}
        text = export(profile(**wanted), "sysctl", Host()).text
        assert ran(PROCPS, "-p", written(tmp_path, "95-x.conf", text)).count("=") == len(new)
        assert (value(SWAPPINESS), value(cluster)) == new


@pytest.mark.skipif(TMPFILES is None, reason="systemd-tmpfiles is not installed")
def test_systemd_tmpfiles_sets_what_is_exported(tmp_path: Path) -> None:
    assert TMPFILES is not None
    with put_back(DEFRAG, SCAN):
        wanted: dict[str, str | int] = {
            "thp__defrag": other(DEFRAG, "defer", "never"),
            "thp__khugepaged__pages_to_scan": int(other(SCAN, "4097", "4098")),
        }
        text = export(profile(**wanted), "tmpfiles", Host()).text
        assert ran(TMPFILES, "--create", written(tmp_path, "95-x.conf", text)) == ""
        assert [value(DEFRAG), int(value(SCAN))] == list(wanted.values())


def test_udev_takes_what_is_exported(tmp_path: Path) -> None:
    """A machine is made up whose disk tells its identity, which loop devices here do not."""
    if UDEVADM is None:
        pytest.skip("udevadm is not installed (package udev)")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be had here")
    disk = tmp_path / "root/sys/block/sda"
    (disk / "queue").mkdir(parents=True)
    (disk / "queue/scheduler").write_text("[none] mq-deadline\n")
    (disk / "queue/read_ahead_kb").write_text("128\n")
    (disk / "wwid").write_text("naa.55cd2e4150a4c1f7\n")
    image = tmp_path / "disk.img"
    text = export(
        profile(block__read_ahead_kb_at_sda=256, block__scheduler_at_sda="mq-deadline"),
        "udev",
        Host(tmp_path / "root", origin="capture"),
    ).text
    match = 'ATTR{wwid}=="naa.55cd2e4150a4c1f7"'
    ours = formats.udev_match("loop/backing_file", str(image))
    assert ours is not None
    assert match in text
    rules = tmp_path / "rules"
    rules.mkdir()
    written(rules, "95-aitune-kerneltest.rules", text.replace(match, ours))
    if int(ran(UDEVADM, "--version").split()[0]) >= 254:
        ran(UDEVADM, "verify", str(rules / "95-aitune-kerneltest.rules"))
    with loop_queue(image) as queue:
        said = ran("unshare", "-m", "sh", "-c", UDEV, "sh", str(rules), queue.parent.name)
        assert "invalid" not in said.lower()
        assert value(queue / "scheduler") == "mq-deadline"
        assert value(queue / "read_ahead_kb") == "256"


# Only the rules of the test are in force, and what udev writes down is gone with the namespace.
UDEV = """\
set -e
mount -t tmpfs none /run
mkdir -p /run/udev/rules.d
for folder in /etc/udev/rules.d /usr/lib/udev/rules.d; do mount -t tmpfs none $folder; done
cp "$1"/*.rules /run/udev/rules.d
exec udevadm test --action=add "/sys/block/$2"
"""


# -- the script ------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    saved = Path("/run/aitune-kerneltest.saved")
    assert not saved.exists()
    yield tmp_path / "script.sh"
    saved.unlink(missing_ok=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_writes_reads_back_and_takes_back(
    tmp_path: Path, script: Path, shell: str
) -> None:
    sh = ["busybox", "sh"] if shell == "busybox" else [shell]
    shares = (DIRTY[0], BACKGROUND[0])
    with put_back(SWAPPINESS, DEFRAG, *shares), loop_queue(tmp_path / "disk.img") as queue:
        disk = queue.parent.name
        # Neither is what the kernel itself would choose: a scheduler resets the one, a share the
        # other.
        (queue / "nr_requests").write_text("64")
        BACKGROUND[1].write_text(str(1 << 29))
        before = [value(file) for file in (SWAPPINESS, DEFRAG, *DIRTY, *BACKGROUND)]
        before += [value(queue / name) for name in ("scheduler", "nr_requests", "read_ahead_kb")]
        wanted: dict[str, str | int] = {
            f"block__read_ahead_kb_at_{disk}": 130,
            f"block__scheduler_at_{disk}": other(queue / "scheduler", "mq-deadline", "none"),
            "vm__dirty_bytes": 1 << 30,
            "vm__dirty_background_ratio": 7,
            "vm__swappiness": int(other(SWAPPINESS, "61", "62")),
            "thp__defrag": other(DEFRAG, "defer", "never"),
        }
        script.write_text(export(profile(**wanted), "shell", Host()).text)
        said = ran(*sh, str(script))
        assert f"/sys/block/{disk}/queue/read_ahead_kb: 128, the nearest to 130" in said
        assert [value(file) for file in (*DIRTY, *BACKGROUND)] == ["0", str(1 << 30), "7", "0"]
        assert value(queue / "scheduler") == wanted[f"block__scheduler_at_{disk}"]
        ran(*sh, str(script))  # a second time keeps what was saved the first time
        ran(*sh, str(script), "undo")
        now = [value(file) for file in (SWAPPINESS, DEFRAG, *DIRTY, *BACKGROUND)]
        now += [value(queue / name) for name in ("scheduler", "nr_requests", "read_ahead_kb")]
        assert now == before
        assert "Nothing to undo" in ran(*sh, str(script), "undo")


def test_the_script_says_what_falls_short_and_what_is_gone(tmp_path: Path, script: Path) -> None:
    text = export(profile(vm__swappiness=61), "shell", Host()).text
    gone = text.replace("put /proc/sys/vm/swappiness 61", "put /proc/sys/vm/no_such_file 61")
    script.write_text(gone)
    assert "/proc/sys/vm/no_such_file: not there\n1 not as wanted." in ran(
        "sh", str(script), status=1
    )
    with put_back(SWAPPINESS):
        script.write_text(text.replace("swappiness 61", "swappiness 900"))
        assert "swappiness: wanted 900, holds" in ran("sh", str(script), status=1)


def test_the_script_refuses_whoever_is_not_root(script: Path) -> None:
    script.write_text(export(profile(vm__swappiness=61), "shell", Host()).text)
    before = value(SWAPPINESS)
    os.chmod(script.parent, 0o755)  # noqa: PTH101, S103  for the other user to read
    result = subprocess.run(
        ["sh", "-s"], stdin=script.open(), capture_output=True, text=True, check=False, user=65534
    )
    assert (result.returncode, result.stdout) == (4, "")
    assert "Needs root" in result.stderr
    assert value(SWAPPINESS) == before


# -- TuneD -----------------------------------------------------------------------------------------

# $1 the folder of the test, then the program of the test. TuneD would write all of sysctl.d anew
# (reapply_sysctl), and follow the load (dynamic_tuning): neither is wanted of this machine.
ON_ITS_OWN_BUS = """\
set -e
mount -t tmpfs none /etc/tuned
mount -t tmpfs none /run
mkdir /run/tuned /etc/tuned/site /etc/tuned/aitune-kerneltest
cp "$1/site.conf" /etc/tuned/site/tuned.conf
echo site >/etc/tuned/active_profile
printf 'daemon=1\\ndynamic_tuning=0\\nsleep_interval=1\\nupdate_interval=0\\nreapply_sysctl=0\\n' \
    >/etc/tuned/tuned-main.conf
"$3" -c 'from aitune_tui.cli import main; main()' profiles export "$1/mine.toml" --format tuned \
    >/etc/tuned/aitune-kerneltest/tuned.conf
: >/etc/tuned/active_profile
dbus-daemon --config-file="$1/bus.conf" --nofork --print-address=3 3>"$1/address" & bus=$!
trap 'kill $tuned $bus; wait' EXIT
trap 'exit 1' TERM
tuned=
until [ -s "$1/address" ]; do kill -0 $bus; sleep 0.05; done
export DBUS_SYSTEM_BUS_ADDRESS="$(cat "$1/address")"
tuned -l "$1/tuned.log" -P /run/tuned/pid >"$1/log" 2>&1 & tuned=$!
until tuned-adm active >/dev/null 2>&1; do kill -0 $tuned; sleep 0.05; done
tuned-adm profile aitune-kerneltest
tuned-adm active
cat "$2" /proc/sys/vm/dirty_bytes
tuned-adm verify
echo 60 >/proc/sys/vm/swappiness
if tuned-adm verify; then exit 1; fi
tuned-adm off
"""
BUS_CONFIG = """\
<busconfig><type>system</type><listen>unix:path={folder}/bus</listen>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/>
</policy></busconfig>
"""


def test_tuned_verifies_what_is_exported(tmp_path: Path) -> None:
    """The profile includes the active one, whose share of dirty memory it replaces."""
    if TUNED is None or BUS is None:
        pytest.skip("TuneD or D-Bus is not installed (packages tuned, dbus)")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be had here")
    (tmp_path / "site.conf").write_text(
        f"[main]\nsummary=site\n[sysctl]\nvm.dirty_ratio=21\n[sysfs]\n{SCAN}=4097\n"
    )
    (tmp_path / "bus.conf").write_text(BUS_CONFIG.format(folder=tmp_path))
    with put_back(SWAPPINESS, DEFRAG, SCAN, DIRTY[0]), loop_queue(tmp_path / "disk.img") as queue:
        (tmp_path / "mine.toml").write_text(
            '[profile]\nname="kerneltest"\ntitle="A test"\n[settings]\n"vm.swappiness"=61\n'
            f'"vm.dirty_bytes"=1073741824\n"thp.defrag"="{other(DEFRAG, "defer", "never")}"\n'
            f'"block.read_ahead_kb@{queue.parent.name}"=256\n'
        )
        before = [value(file) for file in (DEFRAG, SCAN, queue / "read_ahead_kb")]
        program = ("sh", "-c", ON_ITS_OWN_BUS, "sh", str(tmp_path), str(SCAN), sys.executable)
        said = ran("timeout", "30", "unshare", "-m", *program)
        assert "Current active profile: aitune-kerneltest\n4097\n1073741824\n" in said
        log = (tmp_path / "log").read_text()
        for passed in (
            "'vm.dirty_bytes' = '1073741824'", "'vm.swappiness' = '61'", f"'{SCAN}' = '4097'",
            "'transparent_hugepage.defrag'", f"/{queue.parent.name}/queue/read_ahead_kb' = '256'",
        ):  # fmt: skip
            assert any("verify: passed" in line and passed in line for line in log.splitlines())
        assert "vm.dirty_ratio" not in log.partition("verifying")[2]
        assert "verify: failed: 'vm.swappiness' = '60', expected '61'" in log
        # An amount of dirty memory is not among them: TuneD puts back the 0 that was refused.
        assert [value(f) for f in (DEFRAG, SCAN, queue / "read_ahead_kb")] == before
