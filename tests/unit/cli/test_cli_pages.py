"""Huge pages on the command line: growing, stopped, short of some; what may bring more."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from tests.unit.client.peers import make_item, make_trial

from aitune_backends.helper_client import Interrupted, Session
from aitune_helper.messages import PARTIAL, STOPPED, Part
from aitune_tui.cli import rooted
from aitune_tui.cli.act import NAMES

if TYPE_CHECKING:
    from typing import NoReturn

    from tests.unit.cli.conftest import CommandLine

    from aitune_helper.messages import PublicState

GIGANTIC = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


@pytest.mark.parametrize("action", NAMES)
def test_an_action_is_explained_done_and_in_the_journal(cli: CommandLine, action: str) -> None:
    said = cli.run("act", action, "--yes").output
    assert "nothing to keep or to put back" in said
    document = cli.json("act", action, "--yes")
    assert document["action"] == NAMES[action]
    assert document["path"].endswith(NAMES[action])
    journal = cli.demo.host.root / "var/lib/aitune/journal.jsonl"
    assert journal.read_text().count(f'"action":"{NAMES[action]}"') == 2


def test_an_action_asks_first_and_is_known_by_name(cli: CommandLine) -> None:
    error = cli.json("act", "drop-caches", expect=2)
    assert error["code"] == "needs-yes"
    cli.run("act", "drop_everything", "--yes", expect=2)


def test_anothers_trial_is_not_disturbed(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.json("apply", "vm.swappiness=10", "--try", "600", "--yes")
    cli.json("act", "compact-memory", "--yes")  # one's own is no obstacle
    read = cli.demo.link.state

    def of_another() -> PublicState:
        state = read()
        assert state is not None
        assert state.pending is not None
        return state._replace(pending=state.pending._replace(owner_uid=4242, owner_name="ops"))

    monkeypatch.setattr(cli.demo.link, "state", of_another)
    assert "ops" in cli.json("act", "compact-memory", "--yes", expect=5)["message"]


def test_a_short_pool_says_why_and_what_may_bring_more(cli: CommandLine) -> None:
    said = cli.run("apply", "hugepages.1048576kB=64", "--yes", expect=1).output
    assert "Got 5 of 64 huge pages: memory is fragmented on node0, node1: " in said
    assert cli.read(GIGANTIC) == "0"
    more = said.partition("More may be had:")[2].splitlines()
    assert more[1:] == [
        "  aitune-tui act compact-memory && aitune-tui apply hugepages.1048576kB=64",
        "  aitune-tui act drop-caches && aitune-tui apply hugepages.1048576kB=64",
        "  at boot, on the kernel's command line: hugepagesz=1G hugepages=64",
    ]
    for command in more[1].split(" && "):
        cli.run(*command.split()[1:], "--yes")
    assert cli.read(GIGANTIC) == "64"


def test_programs_are_offered_the_same(cli: CommandLine) -> None:
    arguments = ("apply", "hugepages.1048576kB@node1=9", "--yes", "--on-partial", "accept")
    document = cli.json(*arguments, expect=3)
    assert document["offer"] == {
        "actions": ["compact_memory", "drop_caches"],
        "boot": "hugepagesz=1G hugepages=1:9",
    }
    assert "offer" not in cli.json("apply", "vm.swappiness=10", "--yes")


def test_a_growing_pool_tells_each_tenth_where_no_terminal_is(cli: CommandLine) -> None:
    result = cli.run("apply", "hugepages.2048kB=8192", "--yes")
    told = [line for line in result.output.splitlines() if " of 8,192 pages" in line]
    assert told[:2] == [
        "hugepages.2048kB 512 of 8,192 pages · node0 256 · node1 256",
        "hugepages.2048kB 1,024 of 8,192 pages · node0 512 · node1 512",
    ]
    assert len(told) == 10, "one for each tenth, though there are sixteen steps"
    assert cli.read(POOL) == "8192"


def test_on_a_terminal_it_is_one_line_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    steps = rooted.Steps()
    item = make_item("hugepages.2048kB", "node1")._replace(requested="8192")
    for got in ("512", "1024", "8192"):
        steps(0, 1, item._replace(effective=got))
    steps.end()
    assert screen.getvalue() == (
        "\rhugepages.2048kB@node1 512 of 8,192 pages\x1b[K"
        "\rhugepages.2048kB@node1 1,024 of 8,192 pages\x1b[K\r\x1b[K"
    )


def test_stopped_in_the_middle_it_says_where_and_that_it_is_back(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_item("hugepages.2048kB")._replace(
        old="0", requested="8192", effective="2048", status=PARTIAL, note=STOPPED,
        parts=(Part("node0", "0", "1024"), Part("node1", "0", "1024")),
    )  # fmt: skip

    def stopped(*_: object, **__: object) -> NoReturn:
        raise Interrupted(make_trial(item)._replace(state="reverted"))

    monkeypatch.setattr(Session, "apply", stopped)
    error = cli.json("apply", "hugepages.2048kB=8192", "--yes", expect=130)
    assert error["message"] == (
        "Interrupted. Stopped at hugepages.2048kB 2,048 of 8,192 pages · node0 1,024 · "
        "node1 1,024. hugepages.2048kB is as it was."
    )


def test_a_refusal_names_the_number_that_would_pass(cli: CommandLine) -> None:
    error = cli.json("apply", "hugepages.2048kB=480000", "--yes", expect=2)
    most = error["message"].rpartition("the most that is safe: ")[2].rstrip(".")
    assert int(most) < 480000
    cli.run("plan", f"hugepages.2048kB={most}")
