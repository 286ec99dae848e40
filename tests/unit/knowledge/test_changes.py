from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitune_backends.changes import (
    ChangeError,
    Wanted,
    brief_list,
    expand,
    offered_knobs,
    parse_change,
)
from aitune_backends.host import Host
from aitune_helper import knobs
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Change
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from pathlib import Path

INSTANCES = {
    knobs.NODE: st.integers(0, 9999).map(lambda n: f"node{n}"),
    knobs.POLICY: st.integers(0, 99999).map(lambda n: f"policy{n}"),
    knobs.DISK: st.from_regex(r"[a-z][a-z0-9!_-]{0,31}", fullmatch=True),
    knobs.CPU: st.integers(0, 99999).map(lambda n: f"cpu{n}"),
    knobs.SIZE: st.integers(1, 99999).map(lambda n: f"{n}kB"),
}


@st.composite
def possible(draw: st.DrawFn) -> Wanted:
    """Any change that some machine could take."""
    knob = KNOBS[draw(st.sampled_from(offered_knobs()))]
    instance = None
    if knob.scope != knobs.GLOBAL:
        instance = draw(st.none() | INSTANCES[knob.scope])
    if knob.low is not None and knob.high is not None:
        value = str(draw(st.integers(knob.low, knob.high)))
    elif knob.choices:
        value = draw(st.sampled_from(knob.choices))
    else:
        value = draw(st.from_regex(r"[a-z][a-z0-9_+-]{0,31}", fullmatch=True))
    return Wanted(knob.id, instance, value)


@given(possible())
def test_what_is_printed_is_read_back(wanted: Wanted) -> None:
    assert parse_change(str(wanted)) == wanted


@given(st.text() | st.builds("{}={}".format, st.sampled_from(offered_knobs()), st.text()))
def test_any_text_is_a_change_or_one_printable_sentence(text: str) -> None:
    try:
        wanted = parse_change(text)
    except ChangeError as error:
        sentence = str(error)
        assert sentence.isprintable()
        assert sentence.endswith(".")
    else:
        assert str(wanted) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vm.swappiness", "is no change; write knob=value"),
        ("vm.swapiness=10", "near it are vm.swappiness"),
        ("block.iosched.fifo_batch=10", "No knob is called"),
        ("vm.swappiness=201", "takes 0 to 200"),
        ("vm.swappiness=", "takes a whole number"),
        ("vm.swappiness=010", "takes a whole number"),
        ("vm.swappiness=-1", "takes a whole number"),
        ("vm.swappiness= 10", "takes a whole number"),
        ("vm.swappiness@node0=1", "one setting of the whole machine"),
        ("thp.enabled=ALWAYS", "always, madvise, never"),
        ("cpu.governor=Performance", "performance, powersave"),
        ("cpu.governor@=performance", "cpu.governor@policy0"),
        ("block.scheduler@../sda=none", "names no disk"),
        ("thp.size_enabled@2=always", "write thp.size_enabled@64kB, for instance."),
        ("hugepages.3kB=1", "near it are hugepages.64kB"),
    ],
)
def test_what_no_machine_takes(text: str, says: str) -> None:
    with pytest.raises(ChangeError) as caught:
        parse_change(text)
    assert says in str(caught.value)


def targets(root: Path, *texts: str) -> list[tuple[str, str, str]]:
    changes = expand(made_trees.two_nodes(root), [parse_change(text) for text in texts])
    return [(change.knob, change.instance, change.value) for change in changes]


def test_a_choice_goes_to_every_policy(tmp_path: Path) -> None:
    assert targets(tmp_path, "cpu.governor=performance") == [
        ("cpu.governor", f"policy{n}", "performance") for n in range(4)
    ]


def test_a_named_instance_holds_over_all_of_them(tmp_path: Path) -> None:
    for texts in (
        ("cpu.governor=performance", "cpu.governor@policy3=powersave"),
        ("cpu.governor@policy3=powersave", "cpu.governor=performance"),
    ):
        found = {instance: value for _, instance, value in targets(tmp_path, *texts)}
        assert found == {
            "policy0": "performance",
            "policy1": "performance",
            "policy2": "performance",
            "policy3": "powersave",
        }


def test_a_total_is_shared_out_over_the_nodes_with_cores_where_a_gpu_is_a_node(
    tmp_path: Path,
) -> None:
    files = made_trees.pool(2048, (0, 0), (0, 0), (0, 0))
    grace = made_trees.host(tmp_path, files, {"/sys/devices/system/node/has_cpu": "0-1\n"})
    changes = expand(grace, [parse_change("hugepages.2048kB=65")])
    assert [(change.instance, change.value) for change in changes] == [
        ("node0", "33"),
        ("node1", "32"),
    ]
    named = made_trees.host(tmp_path, made_trees.meminfo())
    by_its_other_name = expand(named, [parse_change("vm.nr_hugepages=65")])
    assert by_its_other_name == changes, "the kernel would spread it over the GPU's memory too"
    on_all = made_trees.host(tmp_path / "all", files, {"/sys/devices/system/node/has_cpu": "0-2\n"})
    assert [
        change.instance for change in expand(on_all, [parse_change("hugepages.2048kB=65")])
    ] == [""]


def test_a_pool_is_sized_in_total_and_never_on_each_node(tmp_path: Path) -> None:
    assert targets(tmp_path, "hugepages.2048kB=64", "vm.nr_hugepages=8") == [
        ("hugepages.2048kB", "", "64"),
        ("vm.nr_hugepages", "", "8"),
    ]
    assert targets(tmp_path, "hugepages.2048kB@node1=32") == [("hugepages.2048kB", "node1", "32")]


def test_a_scheduler_for_all_spares_arrays_and_loops(tmp_path: Path) -> None:
    found = [instance for _, instance, _ in targets(tmp_path, "block.scheduler=none")]
    assert found == ["nvme0n1", "nvme1n1", "nvme2n1", "sda"]
    found = [instance for _, instance, _ in targets(tmp_path, "block.read_ahead_kb=4096")]
    assert found == ["md0", "nvme0n1", "nvme1n1", "nvme2n1", "sda"]
    assert targets(tmp_path, "block.scheduler@loop0=none") == [("block.scheduler", "loop0", "none")]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["block.scheduler@sdz=none"], "there are loop0, nvme0n1, nvme1n1"),
        (["block.scheduler@md0=none"], "block.scheduler has no instance md0 here"),
        (["block.scheduler=cfq"], "none, mq-deadline, kyber, bfq"),
        (["cpu.governor=turbo"], "performance, powersave"),
        (["hugepages.2048kB@node7=1"], "there are node0, node1"),
        (["hugepages.64kB=1"], "offers no huge pages of 64 KiB"),
        (["vm.swappiness=1", "vm.swappiness=2"], "given twice, as 1 and as 2"),
    ],
)
def test_what_this_machine_does_not_take(tmp_path: Path, texts: list[str], says: str) -> None:
    with pytest.raises(ChangeError) as caught:
        targets(tmp_path, *texts)
    assert says in str(caught.value)


def test_a_module_that_is_not_loaded_yet_can_be_chosen(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.disk("nvme0n1", "[none]"))
    assert expand(host, [parse_change("block.scheduler=bfq")]) == (
        Change("block.scheduler", "nvme0n1", "bfq"),
    )


def test_a_machine_without_frequency_control_says_so(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.meminfo())
    with pytest.raises(ChangeError, match="set it on the host"):
        expand(host, [parse_change("cpu.governor=performance")])


def test_a_disk_whose_kernel_prints_a_bare_none_has_nothing_to_choose(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, made_trees.disk("dm-0", "none"))
    with pytest.raises(ChangeError, match="no choice on any of dm-0"):
        expand(host, [parse_change("block.scheduler=none")])
    with pytest.raises(ChangeError, match="nothing to choose"):
        expand(host, [parse_change("block.scheduler@dm-0=none")])


def test_this_kernel_takes_its_own_values() -> None:
    texts = ["vm.swappiness=10", "thp.enabled=madvise", "vm.overcommit_memory=1"]
    changes = expand(Host(), [parse_change(text) for text in texts])
    assert [change.knob for change in changes] == [text.partition("=")[0] for text in texts]


def test_many_names_are_cut_short_but_counted() -> None:
    names = [f"policy{n}" for n in range(64)]
    assert brief_list(names) == "policy0-63 (64 in all)"
    assert brief_list([*names[:9], "sda"]).endswith("policy5 … sda (10 in all)")
    assert brief_list(names[:3]) == "policy0, policy1, policy2"
