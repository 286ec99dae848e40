"""The rows of the table: what each takes and refuses, and how its file is read."""

from __future__ import annotations

import pytest
from tests.unit.helper.fake_kernel import FakeKernel

from aitune_helper import boot, formats, kernelfs, landlock, plan
from aitune_helper.knobs import (
    CPU,
    KNOBS,
    SIZE,
    Knob,
    canonical,
    instance_is_well_formed,
    refusal,
)

EVERY = list(KNOBS.values())
NUMBERS = [knob for knob in EVERY if knob.is_integer]
CHOICES = [knob for knob in EVERY if not knob.is_integer]
NONSENSE = (
    "", " ", "-1", "+1", "01", "0x1", "1e3", "1 ", " 1", "1\n", "1 2", "1;2", "\u0661", "1\0",
    "Y", "true", "default", "max", "$(id)", '1", RUN+="x', "9" * 20, "n/A", "N/A", "n/a ",
)  # fmt: skip


def named(knob: Knob) -> str:
    return knob.id


@pytest.mark.parametrize("knob", NUMBERS, ids=named)
def test_a_number_is_taken_within_its_bounds_and_nothing_else_is(knob: Knob) -> None:
    assert knob.low is not None
    assert knob.high is not None
    for value in (str(knob.low), str(knob.high), *knob.words):
        assert refusal(knob, value) is None
    for value in (str(knob.low - 1), str(knob.high + 1), *NONSENSE):
        assert refusal(knob, value) is not None, value


@pytest.mark.parametrize("knob", CHOICES, ids=named)
def test_a_choice_is_one_of_its_words_as_they_are_written(knob: Knob) -> None:
    words = knob.choices or knob.modules
    for word in words:
        assert refusal(knob, word, words) is None
        for value in (word.upper(), f"{word} ", f" {word}", f"{word}\n", f"[{word}]", word[:-1]):
            assert refusal(knob, value, words) is not None, value
    for value in NONSENSE:
        assert refusal(knob, value, words) is not None, value


@pytest.mark.parametrize("knob", EVERY, ids=named)
def test_a_row_holds_together(knob: Knob) -> None:
    assert ("{instance}" in knob.path) == (knob.scope != "global")
    assert set(knob.coupled) <= set(KNOBS)
    assert knob.id not in knob.coupled
    assert bool(knob.doubt) == (knob.undo != "exact")
    assert knob.persist != "sysctl" or knob.path == "/proc/sys/" + knob.id.replace(".", "/")
    for _, spelling in knob.reads:
        assert refusal(knob, spelling) is None
    if knob.below:
        assert KNOBS[knob.below].scope == knob.scope
        assert KNOBS[knob.below].turn == knob.turn
    later = [KNOBS[name] for name in knob.coupled if knob.id not in KNOBS[name].coupled]
    assert all(other.turn >= knob.turn for other in later), "what is moved is put back after it"


@pytest.mark.parametrize(
    ("knob", "text", "value"),
    [
        ("zswap.enabled", "Y\n", "1"),
        ("zswap.enabled", "N\n", "0"),
        ("numa.demotion_enabled", "true\n", "1"),
        ("numa.demotion_enabled", "false\n", "0"),
        ("cpu.idle_latency", "n/a\n", "n/a"),
        ("cpu.idle_latency", "70\n", "70"),
        ("zswap.compressor", "lzo-rle\n", "lzo-rle"),
        ("thp.size_enabled", "always [inherit] madvise never\n", "inherit"),
        ("thp.shmem_enabled", "always within_size advise [never] deny force\n", "never"),
    ],
)
def test_a_file_is_read_in_its_own_spelling(knob: str, text: str, value: str) -> None:
    assert canonical(KNOBS[knob], text) == value
    assert refusal(KNOBS[knob], value) is None


@pytest.mark.parametrize(
    ("scope", "well", "ill"),
    [
        (
            CPU,
            ("cpu0", "cpu7", "cpu511"),
            ("cpu", "cpu07", "cpu-1", "cpu7/..", "cpufreq", "cpu123456", "policy0", ""),
        ),
        (
            SIZE,
            ("64kB", "2048kB", "1048576kB"),
            ("64", "kB", "064kB", "64KB", "../64kB", "64kB/x", "hugepages-64kB", "-64kB", ""),
        ),
    ],
)
def test_instances_of_the_new_kinds(
    scope: str, well: tuple[str, ...], ill: tuple[str, ...]
) -> None:
    knob = next(knob for knob in EVERY if knob.scope == scope)
    assert all(instance_is_well_formed(knob, instance) for instance in well)
    assert not any(instance_is_well_formed(knob, instance) for instance in ill)


def test_sizes_and_cores_are_listed_and_their_neighbours_are_not() -> None:
    sizes, cores = KNOBS["thp.size_enabled"], KNOBS["cpu.idle_latency"]
    files = {sizes.file(f"{kib}kB"): "always inherit madvise [never]" for kib in (2048, 64, 128)}
    files |= {cores.file(f"cpu{number}"): "0" for number in (10, 2, 0)}
    kernel = FakeKernel(
        files
        | {
            # Shared memory alone has this size.
            "/sys/kernel/mm/transparent_hugepage/hugepages-8kB/shmem_enabled": "never",
            "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
            "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "powersave",
            "/sys/devices/system/cpu/cpuidle/current_driver": "x",
            "/sys/devices/system/cpu/cpu3/topology/core_id": "3",
        }
    )
    assert kernelfs.instances(kernel, sizes) == ("64kB", "128kB", "2048kB")
    assert kernelfs.instances(kernel, cores) == ("cpu0", "cpu2", "cpu10")
    assert kernelfs.exists(kernel, sizes, "64kB")
    assert not kernelfs.exists(kernel, sizes, "8kB")
    assert not kernelfs.exists(kernel, cores, "cpu3")


@pytest.mark.parametrize("knob", EVERY, ids=named)
def test_what_may_be_written_is_within_reach_of_a_confined_helper(knob: Knob) -> None:
    """Landlock lets through what lies at or below its ways; disks hang below /sys/devices."""
    path = knob.path.replace("/sys/block/", "/sys/devices/x/block/")
    ways = {way.path for way in landlock.knob_ways()}
    assert not any("{" in way for way in ways)
    assert any(path == way or path.startswith(f"{way}/") for way in ways)


@pytest.mark.parametrize("knob", [knob for knob in EVERY if knob.offered], ids=named)
def test_every_row_has_a_line_for_the_next_boot_that_is_read_back(knob: Knob) -> None:
    instance = {
        "node": "node1", "policy": "policy3", "cpu": "cpu7", "size": "64kB", "disk": "sda",
    }.get(knob.scope, "")  # fmt: skip
    value = knob.words[0] if knob.words else str(knob.low) if knob.is_integer else "none"
    value = knob.choices[0] if knob.choices else value
    kernel = FakeKernel({"/sys/block/sda/wwid": "naa.5000c500a1b2c3d4"})
    setting = boot.Machine(kernel).setting(knob.id, instance, value)
    assert setting is not None
    assert boot.why_not(setting) is None
    assert boot.knob_of(setting.mechanism, setting.key) == knob.id
    form = formats.FORMATS[setting.mechanism]
    lines = {setting.key: formats.Line(setting.value, "trial 1, ops, 2023-11-14")}
    assert form.parse(form.render(lines)) == lines


def test_the_default_size_is_set_by_its_sysctls_and_the_others_by_their_files() -> None:
    machine = boot.Machine(FakeKernel())
    for knob, name in (("", "vm.nr_hugepages"), (".surplus", "vm.nr_overcommit_hugepages")):
        for spelling in (name, f"hugepages.2048kB{knob}"):
            found = machine.setting(spelling, "", "8")
            assert found == boot.Setting("sysctl", name, "8")
        assert boot.may_be_meant(KNOBS[f"hugepages.64kB{knob}"])
        other = machine.setting(f"hugepages.64kB{knob}", "", "8")
        assert other is not None
        assert other.mechanism == "tmpfiles"


def test_lines_come_in_the_order_in_which_nothing_is_cut_or_refused() -> None:
    ids = (
        "cpu.boost", "cpu.no_turbo", "cpu.min_perf_pct", "cpu.max_perf_pct", "cpu.min_freq",
        "cpu.max_freq", "cpu.governor", "cpu.epp", "cpu.policy_boost", "zswap.enabled",
        "zswap.compressor",
    )  # fmt: skip
    instance = {knob: "policy0" if KNOBS[knob].scope == "policy" else "" for knob in ids}
    lines = {KNOBS[knob].file(instance[knob]): formats.Line("1", "") for knob in ids}
    text = formats.render_tmpfiles(lines)
    at = {knob: text.index(f"w {KNOBS[knob].file(instance[knob])} ") for knob in ids}
    for first, then in (
        ("cpu.epp", "cpu.governor"), ("cpu.max_freq", "cpu.min_freq"),
        ("cpu.boost", "cpu.max_freq"), ("cpu.policy_boost", "cpu.max_freq"),
        ("cpu.max_perf_pct", "cpu.min_perf_pct"), ("cpu.no_turbo", "cpu.max_perf_pct"),
        ("zswap.compressor", "zswap.enabled"),
    ):  # fmt: skip
        assert at[first] < at[then], (first, then)


def test_boost_comes_with_the_module_of_its_driver() -> None:
    policy = "/sys/devices/system/cpu/cpufreq/policy4/"
    kernel = FakeKernel(
        {
            KNOBS["cpu.boost"].path: "1",
            policy + "scaling_driver": "acpi-cpufreq",
            "/sys/module/acpi_cpufreq/initstate": "live",
        }
    )
    machine = boot.Machine(kernel)
    assert machine.modules("", "1", KNOBS["cpu.boost"]) == ("acpi_cpufreq",)
    assert machine.modules("policy4", "1", KNOBS["cpu.max_freq"]) == ("acpi_cpufreq",)
    assert machine.modules("cpu4", "1", KNOBS["cpu.idle_latency"]) == ()


def test_the_upper_limit_is_written_on_the_side_on_which_it_does_not_cut() -> None:
    least = plan.rank("cpu.min_freq", "1")
    assert plan.rank("cpu.max_freq", "3000", "2000") < least
    assert plan.rank("cpu.max_freq", "2000", "3000") > least
    assert plan.rank("cpu.max_freq", "2000") < least, "at boot it is as high as it can be"
