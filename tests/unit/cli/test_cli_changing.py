"""plan, apply, keep, revert, undo, journal, unpersist on the made-up machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from aitune_backends.helper_client import Session

if TYPE_CHECKING:
    from tests.unit.cli.conftest import CommandLine

    from aitune_helper.messages import PublicState

SWAPPINESS = "/proc/sys/vm/swappiness"
PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


def test_a_plan_shows_and_writes_nothing(cli: CommandLine) -> None:
    shown = cli.run("plan", "vm.swappiness=10").output
    assert "60" in shown
    assert "10" in shown
    assert "Nothing is written yet." in shown
    assert cli.read(SWAPPINESS) == "60"
    document = cli.json("plan", "vm.swappiness=10", "thp.enabled=always")
    assert [item["requested"] for item in document["items"]] == ["10", "always"]
    assert document["trial"] is None


def test_an_apply_is_read_back_and_kept(cli: CommandLine) -> None:
    document = cli.json("apply", "hugepages.2048kB=64", "--yes", "--message", "for the test")
    assert document["trial"]["state"] == "kept"
    assert document["trial"]["message"] == "for the test"
    assert [item["status"] for item in document["items"]] == ["ok"]
    assert cli.read(PAGES) == "64"
    assert document["files"] == []
    said = cli.run("apply", "vm.swappiness=10", "--yes").output
    assert "Kept. 1 setting holds until the next reboot." in said


def test_what_is_as_wanted_needs_no_helper(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*, ask: bool) -> NoReturn:
        raise AssertionError(ask)

    monkeypatch.setattr(cli.demo.link, "connect", connect)
    assert "1 already as wanted" in cli.run("plan", "vm.swappiness=60").output
    assert "is 60 already" in cli.run("apply", "vm.swappiness=60", "--yes").output


def test_unchanged_is_said_and_done(cli: CommandLine) -> None:
    assert cli.json("apply", "vm.swappiness=60", "--yes")["trial"] is None


def test_a_try_is_kept_only_by_keep(cli: CommandLine) -> None:
    document = cli.json("apply", "vm.swappiness=10", "--try", "600", "--yes")
    trial = document["trial"]
    assert trial["state"] == "pending"
    assert 590 < trial["seconds_left"] <= 600
    busy = cli.json("apply", "vm.swappiness=20", "--yes", expect=5)
    assert busy["code"] == "busy"
    assert "s left" in busy["message"]
    assert "still open" in cli.run("plan", "vm.swappiness=20").output
    kept = cli.json("keep", "--yes")
    assert kept["trial"]["state"] == "kept"
    assert kept["trial"]["id"] == trial["id"]
    assert cli.read(SWAPPINESS) == "10"
    assert cli.json("keep", "--yes", expect=1)["code"] == "nothing-pending"


def test_a_try_is_put_back_by_revert(cli: CommandLine) -> None:
    number = cli.json("apply", "vm.swappiness=10", "--try", "600", "--yes")["trial"]["number"]
    wrong = cli.json("revert", str(number + 7), "--yes", expect=1)
    assert f"the open trial is {number}" in wrong["message"]
    said = cli.run("revert", str(number), "--yes").output
    assert "Put back. vm.swappiness is as it was, read at " in said
    assert cli.read(SWAPPINESS) == "60"


def test_anothers_trial_is_ended_only_by_name(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = cli.json("apply", "vm.swappiness=10", "--try", "600", "--yes")["trial"]["number"]
    read = cli.demo.link.state

    def of_another() -> PublicState:
        state = read()
        assert state is not None
        assert state.pending is not None
        return state._replace(pending=state.pending._replace(owner_uid=4242, owner_name="ops"))

    monkeypatch.setattr(cli.demo.link, "state", of_another)
    for command in ("keep", "revert"):
        error = cli.json(command, "--yes", expect=4)
        assert error["code"] == "not-yours"
        assert str(number) in error["hint"]
        assert cli.read(SWAPPINESS) == "10"
    assert cli.json("revert", str(number), "--yes")["trial"]["state"] == "reverted"


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_stopped_between_apply_and_keep_is_put_back(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, stopped_by: type[BaseException]
) -> None:
    def keep(*_: object) -> NoReturn:
        assert cli.read(SWAPPINESS) == "10"
        raise stopped_by

    monkeypatch.setattr(Session, "keep", keep)
    expected = 130 if stopped_by is KeyboardInterrupt else 70
    cli.run("apply", "vm.swappiness=10", "--yes", expect=expected)
    assert cli.read(SWAPPINESS) == "60"
    assert cli.json("journal")["trials"][0]["state"] == "reverted"


def test_a_partial_pool_is_put_back_unless_accepted(cli: CommandLine) -> None:
    asked = "hugepages.1048576kB=900"
    document = cli.json("apply", asked, "--yes", "--force", expect=1)
    assert document["trial"]["state"] == "reverted"
    assert document["items"][0]["status"] == "partial"
    path = PAGES.replace("2048", "1048576")
    assert cli.read(path) == "0"
    said = cli.run("apply", asked, "--yes", "--force", expect=1).output
    assert "of 900 huge pages" in said
    assert "hugepages.1048576kB is as it was." in said
    document = cli.json("apply", asked, "--yes", "--force", "--on-partial", "accept", expect=3)
    got = document["items"][0]["effective"]
    assert 0 < int(got) < 900
    assert cli.read(path) == got


def test_what_failed_is_named_and_the_rest_is_put_back(cli: CommandLine) -> None:
    changes = ("vm.swappiness=10", "block.scheduler@nvme0n1=kyber")
    said = cli.run("apply", *changes, "--yes", expect=1).output
    assert "block.scheduler@nvme0n1 failed: " in said
    assert "All 2 settings are as they were." in said
    assert cli.read(SWAPPINESS) == "60"
    statuses = [item["status"] for item in cli.json("apply", *changes, "--yes", expect=1)["items"]]
    assert statuses == ["reverted", "failed"]


def test_undo_puts_the_newest_kept_back_once(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes")
    cli.run("apply", "thp.enabled=always", "hugepages.2048kB=64", "--yes")
    document = cli.json("undo", "--yes")
    assert document["trial"]["title"] == "undo of 2"
    assert cli.read(PAGES) == "0"
    assert "[madvise]" in cli.read("/sys/kernel/mm/transparent_hugepage/enabled")
    assert cli.json("undo", "--yes")["trial"]["title"] == "undo of 1"
    assert cli.read(SWAPPINESS) == "60"
    nothing = cli.json("undo", "--yes", expect=1)
    assert nothing["code"] == "nothing-to-undo"


def test_undo_by_number_and_by_a_name_that_is_none(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes")
    cli.run("apply", "thp.enabled=always", "--yes")
    cli.run("undo", "1", "--yes")
    assert cli.read(SWAPPINESS) == "60"
    assert cli.json("undo", "99", "--yes", expect=1)["message"] == 'No kept trial is called "99".'


def test_undo_leaves_alone_what_another_changed(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "thp.enabled=always", "--yes")
    cli.demo.kernel.write(SWAPPINESS, "33")
    said = cli.run("undo", "--yes", expect=1).output
    assert "vm.swappiness is no longer 10" in said
    assert cli.read(SWAPPINESS) == "33"
    assert "[madvise]" in cli.read("/sys/kernel/mm/transparent_hugepage/enabled")


def test_undo_by_force_puts_back_what_another_changed(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes")
    cli.demo.kernel.write(SWAPPINESS, "33")
    assert cli.json("undo", "--yes", expect=1)["code"] == "drifted"
    cli.run("undo", "--yes", "--force")
    assert cli.read(SWAPPINESS) == "60"


def test_undo_since_boot_is_the_net_effect(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes")
    cli.run("apply", "vm.swappiness=20", "thp.enabled=always", "--yes")
    active = cli.json("journal", "--active")["active"]
    assert {(net["knob"], net["first"], net["kept"], net["holds"]) for net in active} == {
        ("vm.swappiness", "60", "20", True),
        ("thp.enabled", "madvise", "always", True),
    }
    cli.run("undo", "--since-boot", "--yes")
    assert cli.read(SWAPPINESS) == "60"
    assert cli.json("journal", "--active")["active"] == []
    assert "No kept change" in cli.run("journal", "--active").output


def test_a_plan_gives_no_risk_to_what_holds_already(cli: CommandLine) -> None:
    shown = cli.run("plan", "hugepages.2048kB=0", "vm.swappiness=60").output
    assert shown.count("it holds this value already") == 2
    assert "may not come back" not in shown
    assert "can have no effect" not in shown


def test_active_tells_a_value_that_went_back_from_one_that_holds(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes")
    said = [cli.run("journal", "--active").output]
    for value in ("60", "33"):
        cli.demo.kernel.write(SWAPPINESS, value)
        said.append(cli.run("journal", "--active").output)
    words = ("in force", "as it was", "changed since")
    assert all(word in text for word, text in zip(words, said, strict=True))


def test_an_undo_says_what_it_did_to_the_boot_files(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--persist", "--yes")
    undone = cli.run("undo", "--yes").output
    assert "Taken out of " in undone
    assert "95-aitune.conf" in undone
    listed = cli.run("journal").output
    assert "kept, the boot files too" in listed
    assert listed.count("also at boot") == 1


def test_undo_since_boot_takes_back_what_is_set_at_boot_too(cli: CommandLine) -> None:
    drop_in = cli.demo.host.root / "etc/sysctl.d/95-aitune.conf"
    cli.run("apply", "vm.swappiness=10", "--persist", "--yes")
    cli.run("apply", "vm.overcommit_memory=1", "--persist", "--yes")
    cli.run("apply", "vm.swappiness=20", "--persist", "--yes")
    assert drop_in.exists()
    said = cli.run("undo", "--since-boot", "--yes").output
    assert "still set at boot" not in said
    assert not drop_in.exists()
    assert cli.read(SWAPPINESS) == "60"
    undone = [trial["undo_of"] for trial in cli.json("journal")["trials"][:3]]
    assert None not in undone
    assert len(set(undone)) == 3


def test_undo_since_boot_of_files_alone(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=60", "--persist", "--yes")
    document = cli.json("undo", "--since-boot", "--yes")
    assert document["files"]
    assert not Path(document["files"][0]).exists()
    assert cli.json("undo", "--since-boot", "--yes", expect=1)["code"] == "nothing-to-undo"


def test_undo_since_boot_names_what_others_left_at_boot(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--persist", "--yes")
    cli.run("undo", "--yes")
    cli.run("apply", "vm.swappiness=20", "--yes")
    # As of an earlier boot: a line of ours that no trial of this one wrote.
    drop_in = cli.demo.host.root / "etc/sysctl.d/95-aitune.conf"
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("vm.swappiness = 30\n")
    said = cli.run("undo", "--since-boot", "--yes").output
    assert "vm.swappiness is still set at boot, to 30: `aitune-tui unpersist" in said


def test_a_plan_says_what_is_set_at_boot(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--persist", "--yes")
    said = cli.run("plan", "vm.swappiness=20").output
    assert "At boot   10 (/etc/sysctl.d/95-aitune.conf:" in said


def test_undo_of_nodes_restores_each_node(cli: CommandLine) -> None:
    node = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/nr_hugepages"
    cli.run("apply", "hugepages.2048kB@node0=48", "--yes")
    cli.run("apply", "hugepages.2048kB=200", "--yes")
    cli.run("undo", "--yes")
    assert [cli.read(node.format(0)), cli.read(node.format(1))] == ["48", "0"]


def test_persist_is_written_on_keep_and_undone_with_it(cli: CommandLine) -> None:
    file = cli.demo.host.root / "etc/sysctl.d/95-aitune.conf"
    document = cli.json("apply", "vm.swappiness=10", "--persist", "--yes")
    assert [name.rpartition("/")[2] for name in document["files"]] == ["95-aitune.conf"]
    assert document["trial"]["persisted"] == "yes"
    assert "vm.swappiness = 10" in file.read_text()
    cli.run("undo", "--yes")
    assert not file.exists() or "vm.swappiness" not in file.read_text()


def test_what_cannot_be_set_at_boot_is_said_before_and_after(cli: CommandLine) -> None:
    changes = ("vm.swappiness=10", "block.read_ahead_kb@md0=8192", "hugepages.2048kB=8")
    said = cli.run("apply", *changes, "--persist", "--yes").output
    why = "not persistent here: nothing tells this disk from another after a reboot."
    assert f"Warning: block.read_ahead_kb@md0 is {why}" in said
    assert "Warning: hugepages" not in said  # the default size has a sysctl name
    assert "Kept. 3 settings hold until the next reboot; 2 of them also after it: " in said
    said = cli.run("plan", "hugepages.1048576kB@node0=4", "--persist").output
    words = "only the kernel command line can set it: hugepagesz=1G hugepages=0:4."
    assert f"Warning: hugepages.1048576kB@node0 is not persistent: {words}" in said


def test_each_mechanism_has_its_file(cli: CommandLine) -> None:
    etc = cli.demo.host.root / "etc"
    document = cli.json(
        "apply", "vm.swappiness=10", "block.scheduler@sda=none", "thp.enabled=never",
        "--persist", "--yes",
    )  # fmt: skip
    assert sorted(Path(name).relative_to(etc).as_posix() for name in document["files"]) == [
        "sysctl.d/95-aitune.conf",
        "tmpfiles.d/95-aitune.conf",
        "udev/rules.d/95-aitune.rules",
    ]
    assert {item["note"] for item in document["items"]} == {""}
    found = {
        target["knob"]: target
        for target in cli.json("status")["targets"]
        if (target["knob"], target["instance"]) in {("block.scheduler", "sda"), ("thp.enabled", "")}
    }
    assert found["thp.enabled"]["owner"] == "/etc/tmpfiles.d/95-aitune.conf:5"
    assert found["block.scheduler"]["owner"] == "/etc/udev/rules.d/95-aitune.rules:5"
    assert {target["at_boot"] for target in found.values()} == {"yes"}
    plan = cli.run("plan", "block.scheduler@sda=mq-deadline").output
    said = "At boot   none (/etc/udev/rules.d/95-aitune.rules:5); --persist updates it, else it is"
    assert said in plan
    taken = cli.json("unpersist", "block.scheduler@sda", "thp.enabled", "--yes")
    assert len(taken["files"]) == 2
    cli.run("undo", "--yes")
    assert [path.name for path in etc.rglob("95-aitune*")] == []


@pytest.mark.parametrize(
    ("file", "text", "change", "said"),
    [
        (
            "tmpfiles.d/10-theirs.conf",
            "w /sys/kernel/mm/transparent_hugepage/enabled - - - - always\n",
            "thp.enabled=never",
            "shadowed by /etc/tmpfiles.d/10-theirs.conf:1, which sets always",
        ),
        (
            "udev/rules.d/99-theirs.rules",
            '# theirs\nKERNEL=="sd*", ATTR{queue/scheduler}="bfq"\n',
            "block.scheduler@sda=none",
            "shadowed by /etc/udev/rules.d/99-theirs.rules:2, which sets bfq",
        ),
        (
            "udev/rules.d/99-theirs.rules",
            'ENV{ID_BUS}=="ata", ATTR{queue/scheduler}="bfq"\n',
            "block.scheduler@sda=none",
            "may be shadowed by /etc/udev/rules.d/99-theirs.rules:1, which sets bfq",
        ),
    ],
)
def test_what_wins_is_said_by_the_rules_of_each_mechanism(
    cli: CommandLine, file: str, text: str, change: str, said: str
) -> None:
    (cli.demo.host.root / "etc" / file).write_text(text)
    result = cli.run("apply", change, "--persist", "--yes").output
    verb = "may" if said.startswith("may") else "will"
    assert f"{verb} be gone after a reboot: {said}." in result
    assert said in cli.json("apply", change, "--persist", "--yes")["items"][0]["note"]


def test_persist_with_try_is_remembered_for_keep(cli: CommandLine) -> None:
    document = cli.json("apply", "vm.swappiness=10", "--persist", "--try", "600", "--yes")
    assert document["files"] == []
    assert len(cli.json("keep", "--yes")["files"]) == 1
    taken = cli.json("unpersist", "vm.swappiness", "--yes")
    assert len(taken["files"]) == 1
    assert cli.read(SWAPPINESS) == "10"
    assert cli.json("unpersist", "nonsense", "--yes", expect=2)["code"] == "change"


def test_persist_of_what_already_is_so_writes_the_file(cli: CommandLine) -> None:
    document = cli.json("apply", "vm.swappiness=60", "--persist", "--yes")
    assert len(document["files"]) == 1


def test_a_file_alone_is_undone_too_and_stands_in_nobodys_way(cli: CommandLine) -> None:
    file = cli.demo.host.root / "etc/sysctl.d/95-aitune.conf"
    before = file.read_text() if file.exists() else ""
    cli.run("apply", "vm.overcommit_ratio=60", "--yes")
    cli.run("apply", "vm.swappiness=60", "--persist", "--yes")
    cli.run("apply", "vm.swappiness=60", "--yes")  # changes nothing at all
    cli.run("undo", "--yes")
    assert (file.read_text() if file.exists() else "") == before
    assert cli.read("/proc/sys/vm/overcommit_ratio") == "60"
    cli.run("undo", "--yes")
    assert cli.read("/proc/sys/vm/overcommit_ratio") == "50"


@pytest.mark.parametrize("name", ["98-other.conf", "95-aitunf.conf"])
def test_a_later_file_that_wins_is_said_before_and_after(cli: CommandLine, name: str) -> None:
    folder = cli.demo.host.root / "etc/sysctl.d"
    (folder / name).write_text("# theirs\nvm.swappiness = 77\n")
    shadow = f"shadowed by /etc/sysctl.d/{name}:2, which sets 77"
    result = cli.run("apply", "vm.swappiness=10", "--persist", "--yes")
    assert f"Warning: vm.swappiness will be gone after a reboot: {shadow}." in result.output
    assert f"vm.swappiness is not persistent: {shadow}." in result.output
    assert "and after it" not in result.output
    cli.run("apply", "vm.swappiness=20", "--persist", "--try", "600", "--yes")
    assert shadow in cli.json("keep", "--yes")["items"][0]["note"]


def test_files_that_do_not_win_are_no_shadow(cli: CommandLine) -> None:
    folder = cli.demo.host.root / "etc/sysctl.d"
    (folder / "90-earlier.conf").write_text("vm.swappiness = 77\n")
    (folder / "99-same.conf").write_text("vm.swappiness = 10\n")
    document = cli.json("apply", "vm.swappiness=10", "--persist", "--yes")
    assert document["items"][0]["note"] == ""


def test_a_key_pressed_while_keeping_is_told_what_holds(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Session.keep

    def pressed(session: Session, trial_id: str, persist: bool) -> NoReturn:
        keep(session, trial_id, persist)
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "keep", pressed)
    error = cli.json("apply", "vm.swappiness=10", "--yes", expect=130)
    assert error["code"] == "interrupted"
    assert "kept by then" in error["message"]
    assert cli.read(SWAPPINESS) == "10"


def test_the_journal_lists_trials_newest_first(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes", "--message", "because")
    cli.run("apply", "vm.swappiness=20", "--try", "600", "--yes")
    document = cli.json("journal")
    assert [trial["state"] for trial in document["trials"]] == ["pending", "kept"]
    assert document["trials"][1]["message"] == "because"
    assert document["damaged"] == 0
    listed = cli.run("journal").output
    assert "because" in listed
    assert "on trial" in listed
    assert len(cli.json("journal", "--limit", "1")["trials"]) == 1


def test_the_journal_says_who_began_and_who_ended_a_trial(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--yes", "--message", "because")
    (trial,) = cli.json("journal")["trials"]
    assert trial["begun_by"]["uid"] == trial["ended_by"]["uid"] == os.geteuid()
    assert trial["begun_by"]["attested"] is True
    assert trial["begun_by"]["started"].isdecimal()
    assert trial["kernel"] == os.uname().release
    assert trial["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert cli.json("journal", "1")["trials"] == [trial]
    shown = cli.run("journal", "1").output
    assert f"Id        {trial['id']}" in shown
    assert "because" in shown
    assert f"by {trial['owner']}" in shown
    assert f"Kernel    {trial['kernel']}" in shown
    assert cli.json("journal", "99", expect=1)["code"] == "no-such-trial"


def test_a_profile_is_one_plan(cli: CommandLine) -> None:
    cli.json("verify", "--profile", "classic", expect=1)
    document = cli.json("apply", "--profile", "classic", "--yes")
    assert document["trial"]["title"] == "profile classic"
    assert cli.json("verify", "--profile", "classic")["ok"] is True
    assert (
        "Profile classic: 3 match. This is as wanted."
        in cli.run("verify", "--profile", "classic").output
    )
    cli.run("undo", "--yes")
    assert "This is not as wanted." in cli.run("verify", "--profile", "classic", expect=1).output


def test_a_choice_goes_to_every_instance_and_is_listed_once(cli: CommandLine) -> None:
    shown = cli.run("plan", "cpu.governor=performance").output
    assert "(32 in all)" in shown
    document = cli.json("apply", "cpu.governor=performance", "--yes")
    assert {item["effective"] for item in document["items"]} == {"performance"}
