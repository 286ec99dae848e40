"""The files for the next boot, read by the very programs that read them at boot.

udev is asked in a mount namespace of its own, where nothing but the rules of a test is in force,
and about a loop device that a test has made; never about a disk of this machine.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends.boot_udev import Disk, Rules
from aitune_backends.host import Host
from aitune_backends.owners import read_owners
from aitune_helper import boot, formats, state
from aitune_helper.apply import Wanted
from aitune_helper.formats import Line
from aitune_helper.kernelfs import RealKernel
from aitune_helper.messages import Caller, Change
from aitune_helper.places import Places
from aitune_helper.server import Core

if TYPE_CHECKING:
    from collections.abc import Iterator

OPS = Caller(1000, "ops", attested=True)
TMPFILES = shutil.which("systemd-tmpfiles")
UDEVADM = shutil.which("udevadm")
SYSTEMD_SYSCTL = Path("/usr/lib/systemd/systemd-sysctl")
PROCPS = shutil.which("sysctl", path="/usr/sbin:/sbin:/usr/bin:/bin")
DEFRAG = Path("/sys/kernel/mm/transparent_hugepage/defrag")
SWAPPINESS = Path("/proc/sys/vm/swappiness")
QUEUE = ("scheduler", "nr_requests", "read_ahead_kb")
HOSTILE = "we\"ir'd $name %n $attr{size} [a]*|b\\ .img"

# Only the rules of the test are in force, and what udev writes down is gone with the namespace.
IN_A_NAMESPACE = """\
set -e
mount -t tmpfs none /run
mkdir -p /run/udev/rules.d
for folder in /etc/udev/rules.d /usr/lib/udev/rules.d /usr/local/lib/udev/rules.d; do
    if [ -d $folder ]; then mount -t tmpfs none $folder; fi
done
cp "$1"/*.rules /run/udev/rules.d
mkdir -p /dev/block /dev/disk
mount -t tmpfs none /dev/block
mount -t tmpfs none /dev/disk
exec udevadm test --action="$3" "/sys/block/$2"
"""

# procps reads the files of the test alone. It really sets what they say: its --dry-run does too.
SYSCTLS_IN_A_NAMESPACE = """\
set -e
cd "$1"
mount -t tmpfs none /run
mkdir -p /run/sysctl.d
for folder in /etc/sysctl.d /usr/lib/sysctl.d /usr/local/lib/sysctl.d /lib/sysctl.d; do
    if [ -d $folder ]; then mount -t tmpfs none $folder; fi
done
for file in $(find . -type f -path '*/sysctl.d/*'); do cp "$file" "/${file#./}"; done
mount --bind etc/sysctl.conf /etc/sysctl.conf
exec "$2" --system
"""


def ran(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def chosen(path: Path) -> str:
    text = path.read_text().strip()
    return text.partition("[")[2].partition("]")[0] or text


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A loop device over a file whose name is hostile; its queue is put back before it goes."""
    image = tmp_path / HOSTILE
    with image.open("wb") as empty:
        empty.truncate(4 << 20)
    found = subprocess.run(
        ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        pytest.skip(f"no loop device: {found.stderr.strip()}")
    device = found.stdout.strip()
    name = device.rpartition("/")[2]
    before = {file: chosen(Path(f"/sys/block/{name}/queue/{file}")) for file in QUEUE}
    yield name
    for file in QUEUE:
        Path(f"/sys/block/{name}/queue/{file}").write_text(before[file])
    subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def udev(tmp_path: Path) -> Path:
    """A folder for the rules that udev is to follow."""
    if UDEVADM is None:
        pytest.skip("udevadm is not installed (package udev)")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be had here")
    folder = tmp_path / "rules"
    folder.mkdir()
    made = [Path(path) for path in ("/dev/block", "/dev/disk") if not Path(path).exists()]
    _remove_after.extend(made)
    return folder


_remove_after: list[Path] = []


@pytest.fixture(autouse=True)
def _no_new_folders() -> Iterator[None]:
    """What the namespace needed as places to mount on is removed again."""
    yield
    while _remove_after:
        folder = _remove_after.pop()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def follow(udev: Path, loop: str, action: str = "add") -> str:
    return ran("unshare", "-m", "sh", "-c", IN_A_NAMESPACE, "sh", str(udev), loop, action)


def queue(loop: str) -> dict[str, str]:
    return {file: chosen(Path(f"/sys/block/{loop}/queue/{file}")) for file in QUEUE}


def rule_for(match: str, scheduler: str, length: str, ahead: str) -> str:
    values = {
        "queue/scheduler": scheduler,
        "queue/nr_requests": length,
        "queue/read_ahead_kb": ahead,
    }
    lines = {formats.udev_key(match, key): Line(value, "test") for key, value in values.items()}
    text = formats.render_udev(lines)
    assert formats.parse_udev(text) == lines
    return text


# -- udev ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["add", "change"])
def test_udev_finds_the_disk_by_a_hostile_identity_and_sets_all_in_order(
    udev: Path, loop: str, tmp_path: Path, action: str
) -> None:
    match = formats.udev_match("loop/backing_file", str(tmp_path / HOSTILE))
    assert match is not None
    (udev / "95-aitune.rules").write_text(rule_for(match, "mq-deadline", "64", "256"))
    said = follow(udev, loop, action)
    assert queue(loop) == {"scheduler": "mq-deadline", "nr_requests": "64", "read_ahead_kb": "256"}
    written = [line.partition("writing ")[2] for line in said.splitlines() if "writing '" in line]
    assert written == ["'mq-deadline'", "'64'", "'256'"]
    assert "invalid" not in said.lower()


def test_udev_leaves_every_other_disk_alone(udev: Path, loop: str) -> None:
    before = queue(loop)
    for number, match in enumerate(
        ('ATTR{wwid}=="eui.0025"', 'ATTR{loop/backing_file}=="?"', 'ATTR{dm/uuid}=="LVM-x"')
    ):
        text = rule_for(match, "mq-deadline", "64", "256")
        (udev / f"9{number}-aitune.rules").write_text(text)
    follow(udev, loop)
    assert queue(loop) == before


def test_udev_reads_an_identity_behind_a_link(udev: Path, loop: str) -> None:
    """`device/wwid` is reached through the link `device`; a loop device has one in `bdi`."""
    ahead = Path(f"/sys/block/{loop}/bdi/read_ahead_kb").read_text().strip()
    match = formats.udev_match("bdi/read_ahead_kb", ahead)
    assert match is not None
    (udev / "95-aitune.rules").write_text(rule_for(match, "mq-deadline", "64", "256"))
    follow(udev, loop)
    assert queue(loop)["read_ahead_kb"] == "256"


SETS = 'ATTR{queue/read_ahead_kb}="%d"\n'
LAYOUTS = (
    (SETS % 256, SETS % 512),
    ('ATTR{queue/read_ahead_kb}:="256"\n', SETS % 512),
    ('ACTION=="change", ' + SETS % 256, 'ENV{DEVTYPE}=="partition", ' + SETS % 512),
    (SETS % 256, 'KERNEL=="sd*|nvme*", ' + SETS % 512, 'KERNEL!="loop*", ' + SETS % 1024),
    ('KERNEL=="loop[0-9]*", ' + SETS % 256, 'SUBSYSTEM=="net", ' + SETS % 512),
    ('ACTION!="add", GOTO="end"\n' + SETS % 256 + 'LABEL="end"\n',),
    (SETS % 256, 'KERNEL=="loop*", GOTO="end"\n' + SETS % 512 + 'LABEL="end"\n'),
    (SETS % 256, 'ATTR{removable}=="0", ATTR{ro}!="1", ' + SETS % 512),
    (SETS % 256, 'ATTR{nothing}!="x", ' + SETS % 512),
    (SETS % 256, 'KERNEL=="loop*", \\\n  ' + SETS % 512),
    (SETS % 256, "nonsense\n# " + SETS % 512),
    ('ENV{NEVER_SET}=="x", ' + SETS % 256, 'ATTR{size}=="8192", ' + SETS % 512),
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=range(len(LAYOUTS)))
def test_the_rule_that_stands_is_udevs_own(udev: Path, loop: str, layout: tuple[str, ...]) -> None:
    texts = [(f"/run/udev/rules.d/{number}0-x.rules", text) for number, text in enumerate(layout)]
    for path, text in texts:
        (udev / path.rpartition("/")[2]).write_text(text)

    def attribute(name: str) -> str | None:
        file = Path(f"/sys/block/{loop}/{name}")
        return file.read_text().rstrip() if file.is_file() else None

    rules = Rules(texts, ["queue/read_ahead_kb"])
    owner = rules.lines(Disk(loop, attribute)).get("queue/read_ahead_kb", [None])[-1]
    before = queue(loop)["read_ahead_kb"]
    follow(udev, loop)
    assert owner is None or owner.certain
    assert queue(loop)["read_ahead_kb"] == (owner.value if owner else before)


def test_udevadm_finds_nothing_wrong_with_our_rules(tmp_path: Path) -> None:
    if UDEVADM is None or int(ran(UDEVADM, "--version").split()[0]) < 254:
        pytest.skip("udevadm verify came with systemd 254")
    file = tmp_path / "95-aitune.rules"
    file.write_text(rule_for('ATTR{wwid}=="eui.0025"', "none", "64", "256"))
    ran(UDEVADM, "verify", str(file))


# -- kept by the helper's core over this kernel ----------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Places]:
    """Files that a kept trial on this kernel has left, with the values put back after the test."""
    before = {path: chosen(path) for path in (DEFRAG, SWAPPINESS)}
    places = Places(f"{tmp_path}/run", f"{tmp_path}/state", f"{tmp_path}/etc")
    core = Core(RealKernel(), places, min_ttl_s=0.5)
    try:
        changes = (
            Change("vm.swappiness", "", "61"),
            Change("thp.defrag", "", "defer+madvise"),
        )
        wanted = Wanted(changes, core.plan(changes, force=False).hash, 60.0, persist=True)
        trial = core.apply(wanted, OPS)
        result = core.trials.keep(trial.id, OPS, persist=True)
        assert sorted(result.files) == sorted(
            places.at_boot[name] for name in ("sysctl", "tmpfiles")
        )
        for path, value in before.items():
            path.write_text(value)
        yield places
    finally:
        for path, value in before.items():
            path.write_text(value)
        core.close()
    assert state.boot_id()


@pytest.mark.skipif(TMPFILES is None, reason="systemd-tmpfiles is not installed")
def test_systemd_tmpfiles_sets_what_was_kept(kept: Places) -> None:
    assert TMPFILES is not None
    assert chosen(DEFRAG) != "defer+madvise"
    said = ran(TMPFILES, "--create", kept.at_boot["tmpfiles"])
    assert chosen(DEFRAG) == "defer+madvise"
    assert said == ""


@pytest.mark.skipif(not SYSTEMD_SYSCTL.exists(), reason="systemd-sysctl is not installed")
def test_systemd_sysctl_sets_what_was_kept(kept: Places) -> None:
    assert SWAPPINESS.read_text() != "61\n"
    said = ran(str(SYSTEMD_SYSCTL), kept.at_boot["sysctl"])
    assert SWAPPINESS.read_text() == "61\n"
    assert said == ""


@pytest.mark.skipif(PROCPS is None, reason="sysctl (package procps) is not installed")
def test_procps_sets_what_was_kept(kept: Places) -> None:
    assert PROCPS is not None
    ran(PROCPS, "-p", kept.at_boot["sysctl"])
    assert SWAPPINESS.read_text() == "61\n"


def test_disks_of_this_machine_are_told_apart_or_said_not_to_be(loop: str) -> None:
    found = boot.Machine(RealKernel()).disks()
    assert loop not in found, "a loop device says nothing of itself that is true tomorrow"
    for disk, match in found.items():
        assert formats.is_udev_match(match)
        assert Path("/sys/block", disk).is_dir()


SYSCTL_LAYOUTS: tuple[dict[str, str], ...] = (
    {"/etc/sysctl.conf": "", "/etc/sysctl.d/10-a.conf": "1", "/usr/lib/sysctl.d/90-b.conf": "2"},
    {"/etc/sysctl.conf": "3", "/etc/sysctl.d/99-z.conf": "1", "/run/sysctl.d/99-zz.conf": "2"},
    {"/etc/sysctl.conf": "", "/etc/sysctl.d/50-x.conf": "1", "/usr/lib/sysctl.d/50-x.conf": "2"},
    {"/etc/sysctl.conf": "", "/run/sysctl.d/50-x.conf": "4", "/usr/lib/sysctl.d/50-x.conf": "5"},
)


@pytest.mark.parametrize("layout", SYSCTL_LAYOUTS, ids=range(len(SYSCTL_LAYOUTS)))
def test_the_line_that_stands_is_procps_own(tmp_path: Path, layout: dict[str, str]) -> None:
    if PROCPS is None:
        pytest.skip("sysctl is not installed (package procps)")
    if not Path("/etc/sysctl.conf").is_file():
        pytest.skip("no /etc/sysctl.conf to put another one over")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be had here")
    for path, value in layout.items():
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"vm.swappiness = {value}\n" if value else "")
    init = tmp_path / "proc/1/comm"
    init.parent.mkdir(parents=True)
    init.write_text("init\n")  # so that it is procps that reads them
    owner = read_owners(Host(tmp_path, origin="demo")).of("vm.swappiness")
    before = SWAPPINESS.read_text()
    try:
        ran("unshare", "-m", "sh", "-c", SYSCTLS_IN_A_NAMESPACE, "sh", str(tmp_path), PROCPS)
        assert owner is not None
        assert SWAPPINESS.read_text().strip() == owner.value
    finally:
        SWAPPINESS.write_text(before)
