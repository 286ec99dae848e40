"""Four files for the next boot: each setting in its own, all of them or none, and back."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import counted as counted_up
from tests.unit.helper.conftest import OPS, Bench, StillGuardian
from tests.unit.helper.fake_kernel import FILES, FakeKernel

from aitune_helper import boot, files, lasting, messages
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Change, Trial
from aitune_helper.places import Places
from aitune_helper.server import Core
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

CPUFREQ = "/sys/devices/system/cpu/cpufreq/"
GIGANTIC = "hugepages/hugepages-1048576kB/nr_hugepages"
HALF = "/sys/kernel/mm/hugepages/hugepages-524288kB/nr_hugepages"
MORE = {
    **{
        f"{CPUFREQ}policy{number}/{name}": text
        for number in (0, 1)
        for name, text in (
            ("scaling_governor", "powersave"),
            ("scaling_available_governors", "performance powersave"),
            ("scaling_driver", "acpi-cpufreq"),
            ("energy_performance_preference", "balance_performance"),
            ("energy_performance_available_preferences", "performance balance_performance"),
        )
    },
    "/sys/module/acpi_cpufreq/initstate": "live",
    "/sys/block/sda/device/wwid": "naa.5000c500a1b2c3d4",
    "/sys/block/sdb/serial": "",
    f"/sys/kernel/mm/{GIGANTIC}": "0",
    f"/sys/devices/system/node/node0/{GIGANTIC}": "0",
    f"/sys/devices/system/node/node1/{GIGANTIC}": "0",
    HALF: "0",
}
ALL_FOUR = (
    ("vm.swappiness", "", "10"),
    ("thp.enabled", "", "always"),
    ("cpu.governor", "policy0", "performance"),
    ("block.scheduler", "sda", "mq-deadline"),
    ("block.read_ahead_kb", "sda", "4096"),
)
SDA = 'ATTR{device/wwid}=="naa.5000c500a1b2c3d4"'


class Full(Bench):
    """A bench whose machine has frequency policies, identities of disks and gigantic pages."""

    def __init__(self, places: Places, readers: frozenset[str] = boot.MECHANISMS) -> None:
        self.readers = readers
        super().__init__(places)
        self.kernel = FakeKernel({**FILES, **MORE})
        self.restart()

    def restart(self) -> Core:
        self.core = Core(
            self.kernel,
            self.places,
            clock=lambda: self.now,
            wall=lambda: 1_700_000_000.0,
            min_ttl_s=0.5,
            guardian=StillGuardian,
            readers=self.readers,
        )
        return self.core

    def keep(self, *changes: tuple[str, str, str], undo_of: str | None = None) -> Trial:
        wanted = self.wanted(*changes)._replace(persist=undo_of is None, undo_of=undo_of)
        trial = self.core.apply(wanted, OPS)
        return self.core.trials.keep(trial.id, OPS, persist=False).trial

    def texts(self) -> dict[str, str]:
        """What our files say, by mechanism."""
        found = {name: Path(path) for name, path in self.places.at_boot.items()}
        return {name: path.read_text() for name, path in found.items() if path.exists()}

    def left(self) -> list[str]:
        """Every file below /etc."""
        return sorted(str(path) for path in Path(self.places.etc).rglob("*") if path.is_file())


@pytest.fixture
def full(places: Places) -> Full:
    return Full(places)


def test_each_setting_goes_to_its_own_file(full: Full) -> None:
    trial = full.keep(*ALL_FOUR)
    said = full.texts()
    assert "\nvm.swappiness = 10\n" in said["sysctl"]
    assert "\nw /sys/kernel/mm/transparent_hugepage/enabled - - - - always\n" in said["tmpfiles"]
    assert f"\nw {CPUFREQ}policy0/scaling_governor - - - - performance\n" in said["tmpfiles"]
    assert (
        f', {SDA}, ATTR{{queue/scheduler}}="mq-deadline", ATTR{{queue/read_ahead_kb}}="4096"\n'
        in said["udev"]
    )
    assert "\nacpi_cpufreq\n" in said["modules"]
    assert trial.persisted == "yes"
    notes = {item.knob: item.note for item in trial.items}
    assert notes["thp.enabled"] == notes["vm.swappiness"] == notes["block.scheduler"] == ""
    assert notes["cpu.governor"].startswith("likely at boot: acpi_cpufreq must be loaded by then")
    assert "cpufreq.default_governor=performance" in notes["cpu.governor"]


def test_a_driver_that_is_built_in_needs_no_module(full: Full) -> None:
    del full.kernel.files["/sys/module/acpi_cpufreq/initstate"]
    trial = full.keep(("cpu.governor", "policy0", "performance"))
    assert list(full.texts()) == ["tmpfiles"]
    assert trial.items[0].note == ""


def test_all_files_are_merged_and_undone_together(full: Full) -> None:
    full.keep(("thp.enabled", "", "never"), ("block.nr_requests", "sda", "64"))
    before = full.texts()
    trial = full.keep(*ALL_FOUR)
    assert 'ATTR{queue/nr_requests}="64"' in full.texts()["udev"]
    full.keep(
        ("vm.swappiness", "", "60"),
        ("thp.enabled", "", "never"),
        ("cpu.governor", "policy0", "powersave"),
        ("block.scheduler", "sda", "none"),
        ("block.read_ahead_kb", "sda", "512"),
        undo_of=trial.id,
    )
    assert full.texts() == before


def test_undo_leaves_the_lines_of_later_trials_in_every_file(full: Full) -> None:
    trial = full.keep(*ALL_FOUR)
    full.keep(("thp.enabled", "", "never"), ("block.scheduler", "sda", "kyber"))
    full.keep(("vm.swappiness", "", "60"), undo_of=trial.id)
    said = full.texts()
    assert sorted(said) == ["tmpfiles", "udev"]
    assert "kyber" in said["udev"]
    assert "read_ahead" not in said["udev"]
    assert "enabled - - - - never" in said["tmpfiles"]
    assert "governor" not in said["tmpfiles"]


@pytest.mark.parametrize(
    ("names", "rest"),
    [
        ((), []),
        (("block.scheduler", "thp.enabled"), ["modules", "sysctl", "tmpfiles", "udev"]),
        (("cpu.governor",), ["sysctl", "tmpfiles", "udev"]),
        (("cpu.governor@policy0", "thp.enabled"), ["sysctl", "udev"]),
        (("block.scheduler@sda", "block.read_ahead_kb@sda"), ["modules", "sysctl", "tmpfiles"]),
        (
            ("block.scheduler@sdb", "cpu.governor@policy1"),
            ["modules", "sysctl", "tmpfiles", "udev"],
        ),
        (("vm.swappiness",), ["modules", "tmpfiles", "udev"]),
        (("nonsense",), ["modules", "sysctl", "tmpfiles", "udev"]),
    ],
)
def test_unpersist_takes_out_by_knob_or_target(
    full: Full, names: tuple[str, ...], rest: list[str]
) -> None:
    full.keep(*ALL_FOUR)
    full.core.trials.unpersist(names, OPS)
    said = full.texts()
    assert sorted(said) == rest
    for name in names:
        if name in ("thp.enabled", "block.scheduler"):
            assert KNOBS[name].path.rpartition("/")[2] not in "".join(said.values())


def test_a_plan_says_what_is_set_at_boot_by_any_file(full: Full) -> None:
    full.keep(*ALL_FOUR)
    changes = (
        Change("thp.enabled", "", "never"),
        Change("block.scheduler", "sda", "none"),
        Change("block.scheduler", "sdb", "kyber"),
        Change("cpu.governor", "policy0", "powersave"),
    )
    said = " | ".join(full.core.plan(changes, force=False).warnings)
    way = " (95-aitune.conf); persisting updates it, else it is left"
    assert f"thp.enabled at boot: always{way}" in said
    assert f"block.scheduler@sda at boot: mq-deadline{way}" in said
    assert f"cpu.governor@policy0 at boot: performance{way}" in said
    assert "sdb at boot" not in said


# -- pools -----------------------------------------------------------------------------------------


def test_gigantic_pages_are_words_for_the_command_line(full: Full) -> None:
    total = full.keep(("hugepages.1048576kB", "", "4"))
    assert total.items[0].note.endswith("can set it: hugepagesz=1G hugepages=4")
    nodes = full.keep(("hugepages.1048576kB", "node0", "3"), ("hugepages.1048576kB", "node1", "1"))
    assert nodes.items[0].note.endswith("can set it: hugepagesz=1G hugepages=0:3,1:1")
    assert "not persistent: " in nodes.items[0].note
    assert full.texts() == {}


def test_the_default_pool_goes_by_its_sysctl_name_and_nodes_by_their_paths(full: Full) -> None:
    full.keep(("hugepages.2048kB", "node0", "6"), ("hugepages.524288kB", "", "1"))
    assert "node0/hugepages/hugepages-2048kB/nr_hugepages - - - - 6" in full.texts()["tmpfiles"]
    assert f"w {HALF} - - - - 1" in full.texts()["tmpfiles"]
    trial = full.keep(("hugepages.2048kB", "", "64"))
    assert "\nvm.nr_hugepages = 64\n" in full.texts()["sysctl"]
    assert "node0" not in full.texts()["tmpfiles"], "a total spreads anew"
    full.keep(("hugepages.2048kB", "", "9"), undo_of=trial.id)
    assert "sysctl" not in full.texts()
    assert "node0" in full.texts()["tmpfiles"]


def test_of_two_exclusive_sysctls_the_newer_stays(full: Full) -> None:
    """The kernel sets the other one to 0 at each write: at boot, the last line would win."""
    full.kernel.files.update({"/proc/sys/vm/dirty_ratio": "20", "/proc/sys/vm/dirty_bytes": "0"})
    full.keep(("vm.dirty_ratio", "", "30"), ("vm.swappiness", "", "10"))
    trial = full.keep(("vm.dirty_bytes", "", "1073741824"))
    lasting = full.core.trials.lasting
    assert lasting.values() == {"vm.dirty_bytes": "1073741824", "vm.swappiness": "10"}
    full.keep(("vm.dirty_ratio", "", "30"), undo_of=trial.id)
    assert lasting.values() == {"vm.dirty_ratio": "30", "vm.swappiness": "10"}


# -- disks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "match"),
    [
        ({"wwid": "eui.0025"}, 'ATTR{wwid}=="eui.0025"'),
        ({"serial": "disk-1"}, 'ATTR{serial}=="disk-1"'),
        ({"dm/uuid": "LVM-x y"}, 'ATTR{dm/uuid}=="LVM-x?y"'),
        ({"md/uuid": "01:ab"}, 'ATTR{md/uuid}=="01:ab"'),
        ({"wwid": "\u00e4", "serial": "s1"}, 'ATTR{serial}=="s1"'),
        ({"wwid": "eui.1", "hidden": "1"}, None),
        ({"serial": "\n"}, None),
        ({}, None),
        ({"wwid": "naa.1", "other": "naa.1"}, None),
    ],
)
def test_what_tells_a_disk(full: Full, shown: dict[str, str], match: str | None) -> None:
    shown = dict(shown)
    if "other" in shown:
        full.kernel.files["/sys/block/sda/wwid"] = shown.pop("other")
    full.kernel.files.update({f"/sys/block/sdb/{name}": text for name, text in shown.items()})
    assert boot.Machine(full.kernel).disks().get("sdb") == match


def test_an_identity_is_reached_without_following_a_link(full: Full) -> None:
    class Linked(FakeKernel):
        def link(self, path: str) -> str:
            return "../devices/pci0/host0/0:0:0:0/block/" + path.rpartition("/")[2]

    kernel = Linked({**FILES, "/sys/devices/pci0/host0/0:0:0:0/wwid": "naa.1"})
    del kernel.files["/sys/block/sdb/diskseq"]
    only = {path: text for path, text in kernel.files.items() if "/sdb/" not in path}
    assert boot.Machine(Linked(only)).disks() == {"sda": 'ATTR{device/wwid}=="naa.1"'}


@pytest.mark.parametrize(
    "serial",
    [
        'x", RUN+="/bin/sh',
        "x\nKERNEL==*",
        "x%n%k",
        "x$attr{size}",
        "x\\",
        "x'y",
        "x`id`",
        "x\x1b[2J",
    ],
)
def test_a_hostile_serial_says_nothing_in_a_rule(full: Full, serial: str) -> None:
    full.kernel.files["/sys/block/sdb/serial"] = serial
    full.keep(("block.scheduler", "sdb", "kyber"))
    rules = [line for line in full.texts()["udev"].splitlines() if not line.startswith("#")]
    assert len([line for line in rules if line]) == 1
    text = full.texts()["udev"]
    assert text.count('"') == 10, text
    assert not set(text) & set("%$\\`\x1b'") - {"`"} or "'" not in rules[-1]
    assert "RUN+=" not in text
    assert "scheduler" in "".join(full.core.trials.lasting.values())


def test_another_disk_that_took_the_name_while_keeping_is_not_written_down(
    full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which disk is meant is decided with the line in the journal, not when it is finished."""
    trial = full.apply(("block.scheduler", "sda", "kyber"), persist=True)

    def killed(self: object, changes: object) -> tuple[str, ...]:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("aitune_helper.lasting.Lasting.finish", killed)
        with pytest.raises(Killed):
            full.core.trials.keep(trial.id, OPS, persist=False)
    full.kernel.files["/sys/block/sda/device/wwid"] = "naa.another"
    full.restart()
    assert "naa.5000c500a1b2c3d4" in full.texts()["udev"]
    assert "another" not in full.texts()["udev"]


# -- machines without the readers ------------------------------------------------------------------


def test_what_nobody_reads_at_boot_is_not_written(places: Places) -> None:
    full = Full(places, boot.read_here(lambda path: False))
    trial = full.keep(*ALL_FOUR)
    assert list(full.texts()) == ["sysctl"]
    notes = {item.knob: item.note for item in trial.items}
    here = "not persistent here: {}, which reads the file, does not run"
    assert notes["thp.enabled"] == here.format("systemd-tmpfiles")
    assert notes["block.scheduler"] == here.format("udev")
    assert notes["vm.swappiness"] == ""


def test_who_reads_what() -> None:
    assert boot.read_here(lambda path: path == "/run/udev/control") == {"sysctl", "udev"}
    assert boot.read_here(lambda path: True) == boot.MECHANISMS


# -- what may stand in a file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mechanism", "key", "value"),
    [
        ("sysctl", "kernel.core_pattern", "|/tmp/x"),
        ("sysctl", "vm.swappiness", "010"),
        ("tmpfiles", "/sys/kernel/uevent_helper", "/bin/x"),
        ("udev", 'KERNEL=="sda", RUN+="/tmp/x" queue/scheduler', "none"),
        ("modules", "evil", ""),
    ],
)
def test_a_journal_cannot_be_made_to_say_what_apply_could_not_write(
    full: Full, mechanism: str, key: str, value: str
) -> None:
    pair = {"before": None, "after": [value, "trial 1, ops, 2023-11-14"]}
    changes = lasting.changes_of({lasting.AT_BOOT: {mechanism: {key: pair}, "shell": {}}})
    assert list(changes) == [mechanism]
    with pytest.raises(Fault) as raised:
        full.core.trials.lasting.finish(changes)
    assert raised.value.error.endswith(".PersistRefused")
    assert full.texts() == {}


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"at_boot": 3},
        {"at_boot": {"sysctl": []}},
        {"at_boot": {"sysctl": {"vm.swappiness": 1}}},
    ],
)
def test_a_line_of_the_journal_of_another_shape_changes_nothing(
    full: Full, entry: dict[str, object]
) -> None:
    assert full.core.trials.lasting.finish(lasting.changes_of(entry)) == ()


def test_a_name_that_no_file_can_hold_is_written_plainly(full: Full) -> None:
    full_name = OPS._replace(name="op\u00e9\n")
    wanted = full.wanted(("vm.swappiness", "", "10"))._replace(persist=True)
    trial = full.core.apply(wanted, full_name)
    assert full.core.trials.keep(trial.id, full_name, persist=True).trial.persisted == "yes"
    assert "# trial 1, op??, 2023-11-14\n" in full.texts()["sysctl"]


# -- files that are not ours, and places that cannot be written ------------------------------------

KINDS = sorted(boot.MECHANISMS)


@pytest.mark.parametrize("mechanism", KINDS)
@pytest.mark.parametrize("kind", ["foreign", "edited", "longer", "shorter", "link", "directory"])
def test_a_file_that_is_not_ours_stops_it_before_anything_is_written(
    full: Full, tmp_path: Path, mechanism: str, kind: str
) -> None:
    path = Path(full.places.at_boot[mechanism])
    target = tmp_path / "passwd"
    target.write_text("root\n")
    if kind in ("edited", "longer", "shorter"):
        full.keep(*ALL_FOUR)
        text = path.read_text()
        changed = {"edited": text.replace("trial 1", "trial \x1b1"), "longer": text + "x = \x1b\n"}
        path.write_text(changed.get(kind, text[: text.rindex("\n", 0, -1) + 1]))
    else:
        path.parent.mkdir(parents=True)
    if kind == "foreign":
        path.write_text("theirs\n")
    if kind == "link":
        path.symlink_to(target)
    if kind == "directory":
        path.mkdir()
    before, values = full.texts() if kind != "directory" else {}, full.kernel.state()
    writes = len(full.kernel.writes)
    with pytest.raises(Fault) as raised:
        full.apply(*_others(), persist=True)
    assert raised.value.error.endswith(".PersistRefused")
    assert raised.value.parameters["path"] == str(path)
    reason = str(raised.value.parameters["reason"])
    assert reason.isascii()
    assert reason.isprintable()
    assert {"foreign": "not made by", "edited": "is '", "longer": "is new", "shorter": "gone"}.get(
        kind, "cannot be read"
    ) in reason
    assert full.kernel.state() == values
    assert len(full.kernel.writes) == writes
    assert kind == "directory" or full.texts() == before
    assert target.read_text() == "root\n"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("mechanism", KINDS)
@pytest.mark.parametrize("call", ["open", "rename", "link", "write"])
def test_a_failure_at_one_file_leaves_all_as_they_were(
    full: Full, monkeypatch: pytest.MonkeyPatch, mechanism: str, code: int, call: str
) -> None:
    first = call == "link"
    if not first:
        full.keep(*ALL_FOUR)
    before = full.texts()
    trial = full.apply(*_others(), persist=True)
    victim = full.places.at_boot[mechanism]
    with monkeypatch.context() as patched:
        _fail(patched, call, victim, code)
        kept = full.core.trials.keep(trial.id, OPS, persist=False).trial
    assert (kept.state, kept.persisted) == (messages.KEPT, "failed")
    assert os.strerror(code) in kept.items[0].note
    assert full.texts() == before
    assert not [path for path in full.left() if path.endswith(files.ASIDE)]
    again = full.keep(*ALL_FOUR)
    assert again.persisted == "yes"
    assert sorted(full.texts()) == KINDS


def _others() -> tuple[tuple[str, str, str], ...]:
    """Changes that change every file."""
    return (
        ("vm.swappiness", "", "20"),
        ("thp.enabled", "", "never"),
        ("cpu.governor", "policy1", "performance"),
        ("block.scheduler", "sda", "kyber"),
    )


def _fail(patched: pytest.MonkeyPatch, call: str, victim: str, code: int) -> None:
    """Let one system call fail on what leads to one file."""
    opened: dict[int, str] = {}
    real_open, real = os.open, getattr(os, call)

    def seen_open(path: str, *rest: int, **more: int) -> int:
        if call == "open" and str(path) == victim + files.ASIDE:
            raise OSError(code, os.strerror(code))
        fd = real_open(path, *rest, **more)
        opened[fd] = str(path)
        return fd

    def failing(first: object, *rest: object) -> object:
        name = opened.get(first, "") if isinstance(first, int) else str(first)
        if name == victim + files.ASIDE:
            raise OSError(code, os.strerror(code))
        return real(first, *rest)

    patched.setattr(os, "open", seen_open)
    if call != "open":
        patched.setattr(os, call, failing)


def test_a_file_that_appears_meanwhile_is_left_alone_and_so_are_the_others(
    full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = full.apply(*ALL_FOUR, persist=True)
    victim = Path(full.places.at_boot["udev"])
    real = os.link

    def racing(aside: str, path: str) -> None:
        if path == str(victim):
            victim.write_text("theirs\n")
        real(aside, path)

    monkeypatch.setattr(os, "link", racing)
    kept = full.core.trials.keep(trial.id, OPS, persist=False).trial
    assert kept.persisted == "failed"
    assert full.texts() == {"udev": "theirs\n"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any directory")
def test_a_directory_that_may_not_be_written(full: Full) -> None:
    folder = Path(full.places.at_boot["tmpfiles"]).parent
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    assert full.keep(*ALL_FOUR).persisted == "failed"
    assert full.texts() == {}
    folder.chmod(0o755)
    assert full.keep(*ALL_FOUR).persisted == "yes"


# -- killed while keeping --------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it on the way out of the process."""


CALLS = ("fsync", "rename", "open", "write", "unlink", "link", "mkdir", "umask")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("earlier", [False, True], ids=["new files", "files there"])
def test_killed_at_the_nth_call_while_keeping_all_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, earlier: bool
) -> None:
    """Kept with every file, or everything as it was; never in between, whoever comes next."""
    number, outcomes = 0, set()
    while True:
        number += 1
        base = tmp_path / str(number)
        base.mkdir()
        full = Full(Places(f"{base}/run", f"{base}/state", f"{base}/etc"))
        if earlier:
            full.keep(*_others())
        before, values = full.texts(), full.kernel.state()
        trial = full.apply(*ALL_FOUR, persist=True)
        with monkeypatch.context() as patched:
            counted = _kill(patched, call, number)
            with contextlib.suppress(Killed):
                full.core.trials.keep(trial.id, OPS, persist=False)
        full.now += 100
        full.restart()
        ended = full.core.trials.journal.history(1).trials[0]
        outcomes.add(ended.state)
        where = f"{call} {number}"
        if ended.state == messages.KEPT:
            assert ended.persisted == "yes", where
            assert sorted(full.texts()) == KINDS, where
            assert full.core.trials.lasting.values()["vm.swappiness"] == "10", where
            assert "mq-deadline" in full.texts()["udev"], where
            assert "enabled - - - - always" in full.texts()["tmpfiles"], where
        else:
            assert ended.state == messages.REVERTED_TRIAL, where
            assert full.texts() == before, where
            assert full.kernel.state() == values, where
        assert not [path for path in full.left() if path.endswith(files.ASIDE)], where
        assert full.core.trials.pending() is None, where
        full.keep(("vm.swappiness", "", "33"))
        if counted() < number:
            break
    counted_up.add("kills while keeping all four files for the boot", number - 1)
    assert messages.KEPT in outcomes


def _kill(patched: pytest.MonkeyPatch, call: str, number: int) -> Callable[[], int]:
    real, seen = getattr(os, call), 0

    def counting(*arguments: object, **named: object) -> object:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Killed
        return real(*arguments, **named)

    patched.setattr(os, call, counting)
    return lambda: seen
