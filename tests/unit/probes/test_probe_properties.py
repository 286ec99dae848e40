"""No text makes a parser raise, and what it gives can be relied on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aitune_backends import identity, watch, weights
from aitune_backends.probes import block, cpufreq, cpus, meminfo, numbers, pressure

TEXT = st.text(max_size=400)
# Near misses: pieces of what kernels print, in any order.
PIECES = st.lists(
    st.sampled_from(
        ["cpu", "cpu0", "cpu7", " ", "\n", "0", "17", "-1", "99999999999999999999", "MemTotal:",
         " kB", "some", "full", "avg10=1.00", "avg60=0.00", "avg300=0.00", "total=5", "0-3", ",",
         "rchar: 5", "pos:\t4", "7f00-7f10 r--p 0 0:0 1 /a.gguf", "intr", "\0", "\x85", "²"]
    ),
    max_size=60,
).map("".join)  # fmt: skip


@given(TEXT | PIECES)
def test_no_text_makes_a_parser_raise(text: str) -> None:
    fields = meminfo.parse_meminfo(text)
    seen = meminfo.memory(fields)
    assert seen is None or seen.used >= 0
    pressure.parse_pressure(text)
    block.parse_block_stat(text)
    block.parse_size(text)
    cpufreq.parse_khz(text)
    numbers.parse_int(text)
    numbers.natural(text)
    identity.parse_gpu(text)
    identity.parse_version(text)
    identity.parse_container_cgroup(text)
    identity.parse_container_variable(text)
    watch.parse_io(text)
    watch.parse_position(text)
    watch.parse_maps(text)
    weights.family(text)


@given(st.binary(max_size=400) | PIECES.map(str.encode))
def test_no_bytes_make_stat_raise(data: bytes) -> None:
    times = cpus.parse_stat(data)
    assert len(times.cpus) == len(times.idle)
    assert all(0 <= share <= 1 for share in cpus.busy(cpus.CpuTimes(0, (), ()), times).values())


TICKS = st.lists(st.integers(0, 10**9), min_size=10, max_size=10)


@given(st.lists(TICKS, min_size=1, max_size=20), st.booleans())
def test_the_quick_way_through_stat_finds_what_the_slow_one_finds(
    lines: list[list[int]], first_online: bool
) -> None:
    whole = " ".join(str(sum(column)) for column in zip(*lines, strict=True))
    start = 0 if first_online else 1
    each = [f"cpu{n + start} {' '.join(map(str, line))}" for n, line in enumerate(lines)]
    text = "\n".join([f"cpu  {whole}", *each, "intr 5 0 0", ""]).encode()
    times = cpus.parse_stat(text)
    assert times.cpus == tuple(range(start, start + len(lines)))
    assert times.idle == tuple(line[3] + line[4] for line in lines)
    assert times.total == sum(sum(line[:8]) for line in lines)


@given(st.sets(st.integers(0, 4095)))
def test_cpu_lists_go_round(members: set[int]) -> None:
    assert set(numbers.parse_cpu_list(numbers.cpu_list(members))) == members


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]{1,20}", fullmatch=True), st.integers(0, 10**12)))
def test_meminfo_goes_round(fields: dict[str, int]) -> None:
    text = "".join(f"{name}:{' ' * 4}{kib} kB\n" for name, kib in fields.items())
    assert meminfo.parse_meminfo(text) == {name: kib * 1024 for name, kib in fields.items()}


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 1000))
def test_block_stat_goes_round(read: int, written: int, in_flight: int) -> None:
    text = f"1 2 {read} 4 5 6 {written} 8 {in_flight} 10 11\n"
    assert block.parse_block_stat(text) == (read * 512, written * 512, in_flight)
