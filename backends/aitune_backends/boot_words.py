"""What the kernel's command line sets before anything else acts.

Read in the kernel's `admin-guide/kernel-parameters.txt`, `mm/hugetlb.c` (`hugepages_setup`),
`mm/huge_memory.c` (`thp_anon=`) and `kernel/params.c`. What a word sets can be set anew by every
file that is read later. `/proc/cmdline` is that of the running boot: the boot loader may have been
told otherwise since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper.knobs import KNOBS, POOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILE = "/proc/cmdline"

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_KIB = {"": 1 / 1024, "k": 1, "m": 1024, "g": 1024**2, "t": 1024**3}
_SIZE = re.compile(r"([0-9]{1,15})([kKmMgGtT]?)[bB]?")
_NODES = re.compile(r"[0-9]{1,4}:[0-9]{1,13}(?:,[0-9]{1,4}:[0-9]{1,13})*")
_COUNT = re.compile(r"[0-9]{1,13}")
# Words with a knob of their own, and what their values are called there ({} for as they are).
WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "transparent_hugepage": ("thp.enabled", {}),
    "transparent_hugepage_shmem": ("thp.shmem_enabled", {}),
    "numa_balancing": ("kernel.numa_balancing", {"enable": "1", "disable": "0"}),
    "cpufreq.default_governor": ("cpu.governor", {}),
    "hugetlb_free_vmemmap": (
        "vm.hugetlb_optimize_vmemmap",
        {"on": "1", "off": "0", "1": "1", "0": "0", "y": "1", "n": "0"},
    ),
}
# An older kernel passes over what it does not know: since when it knows these.
_SINCE = {"sysctl": (5, 8), "thp_anon": (6, 12), "transparent_hugepage_shmem": (6, 13)}
_BOOLEANS = {"Y": "1", "y": "1", "N": "0", "n": "0"}
_MODULE_FILE = re.compile(r"/sys/module/([^/]+)/parameters/([^/]+)")
# Words that set no knob, and yet decide what can be set: which, and what they mean.
_MEANS: dict[str, tuple[tuple[str, ...], str]] = {
    "elevator": (("block.scheduler",), "The kernel ignores it since 5.0."),
    "amd_pstate": (("cpu.governor", "cpu.epp"), "It chooses the processor's frequency driver."),
    "intel_pstate": (("cpu.governor", "cpu.epp"), "It chooses the processor's frequency driver."),
    "cpufreq.off": (("cpu.governor",), "It switches frequency control off."),
    "intel_idle.max_cstate": (("cpu.idle_latency",), "It keeps processors out of deeper sleep."),
    "processor.max_cstate": (("cpu.idle_latency",), "It keeps processors out of deeper sleep."),
    "default_hugepagesz": (
        ("vm.nr_hugepages", *POOLS),
        "It decides which pages vm.nr_hugepages counts.",
    ),
}


class BootWord(NamedTuple):
    """One word of the command line that sets a target: knob, instance, value and the word.

    The instance is "" for a pool's total and for every instance of what has instances.
    """

    knob: str
    instance: str
    value: str
    word: str


@dataclass(frozen=True, slots=True)
class Means:
    """A word that sets no knob and yet decides about some: which, and what it does."""

    word: str
    knobs: tuple[str, ...]
    sentence: str


def split_words(text: str) -> Iterator[tuple[str, str, str]]:
    """The kernel's own words: the word, its name and its value; what follows `--` is for init.

    Names are the same with `-` and `_`; quotes keep blanks together and are no part of a value.
    """
    for word in _WORD.findall(text):
        if word == "--":
            return
        name, _, value = word.replace('"', "").partition("=")
        yield word, name.replace("-", "_"), value


def parse_boot_words(
    text: str, default_pool: str = "", kernel: tuple[int, int] | None = None
) -> tuple[BootWord, ...]:
    """What a command line sets, in its order: of two words for one target the last stands.

    Args:
        text: The command line.
        default_pool: The pool that pages without a size go to: `hugepages.2048kB`; "" if unknown.
        kernel: The version of the kernel that reads it, `(6, 12)`; None for one that knows all.
    """
    words = tuple(word for word in split_words(text) if _is_known(word[1], kernel))
    return (*_pools(words, default_pool), *_settings(words))


def means(text: str) -> tuple[Means, ...]:
    """The words that set no knob of ours and yet decide what can be set, or are thought to."""
    return tuple(
        Means(word, *_MEANS[name]) for word, name, _ in split_words(text) if name in _MEANS
    )


def _is_known(name: str, kernel: tuple[int, int] | None) -> bool:
    since = _SINCE.get(re.split(r"[./]", name)[0])
    return since is None or kernel is None or kernel >= since


def _settings(words: Iterable[tuple[str, str, str]]) -> Iterator[BootWord]:
    parameters = module_parameters()
    for word, name, value in words:
        if name in WORDS:
            knob, values = WORDS[name]
            if not values or value in values:
                yield from _known(knob, "", values.get(value, value), word)
        elif name in parameters:
            yield from _known(parameters[name], "", _BOOLEANS.get(value, value), word)
        elif name.startswith(("sysctl.", "sysctl/")):
            knob = name[len("sysctl.") :].replace("/", ".")
            yield from _known(_dashed(knob), "", value, word)
        elif name == "thp_anon":
            yield from _sizes(value, word)


def _known(knob: str, instance: str, value: str, word: str) -> Iterator[BootWord]:
    if knob in KNOBS and value:
        yield BootWord(knob, instance, value, word)


def _dashed(name: str) -> str:
    """A sysctl by its own name: `vm.page_cluster`, as words have it, is `vm.page-cluster`."""
    return next((knob for knob in KNOBS if knob.replace("-", "_") == name), name)


def module_parameters() -> dict[str, str]:
    """Knobs that are parameters of modules, by the word that sets them: `zswap.enabled`."""
    found = {}
    for knob in KNOBS.values():
        match = _MODULE_FILE.fullmatch(knob.file())
        if match is not None:
            found[f"{match[1]}.{match[2]}".replace("-", "_")] = knob.id
    return found


def _sizes(value: str, word: str) -> Iterator[BootWord]:
    """`16K-64K:always;128K,512K:inherit`: a policy for each size of transparent huge pages."""
    sizes = [2**power for power in range(2, 25)]  # 4 KiB to 16 GiB
    for part in value.split(";"):
        listed, _, policy = part.partition(":")
        for one in listed.split(","):
            low, dash, high = one.partition("-")
            least, most = size_kib(low), size_kib(high if dash else low)
            if least and most:
                for size in sizes:
                    if least <= size <= most:
                        yield from _known("thp.size_enabled", f"{size}kB", policy, word)


def _pools(words: Iterable[tuple[str, str, str]], default_pool: str) -> Iterator[BootWord]:
    """`hugepagesz=` names the pages that the next `hugepages=` counts; one of each."""
    pool, free, begun = default_pool, True, ""
    for word, name, value in words:
        if name in ("hugepagesz", "default_hugepagesz"):
            kib = size_kib(value)
            pool, free, begun = (f"hugepages.{kib}kB" if kib else ""), True, word + " "
        elif name == "hugepages":
            if free and pool in POOLS:
                yield from _pages(pool, value, begun + word)
            free, begun = False, ""


def _pages(pool: str, value: str, word: str) -> Iterator[BootWord]:
    if _COUNT.fullmatch(value):
        yield BootWord(pool, "", str(int(value)), word)
    elif _NODES.fullmatch(value):
        nodes = [part.split(":") for part in value.split(",")]
        yield BootWord(pool, "", str(sum(int(count) for _, count in nodes)), word)
        for node, count in nodes:
            yield BootWord(pool, f"node{int(node)}", str(int(count)), word)


def size_kib(text: str) -> int | None:
    """A size as the kernel takes it (`2M`, `1G`, `64K`, plain bytes), in KiB; None for others."""
    found = _SIZE.fullmatch(text)
    size = int(found[1]) * _KIB[found[2].lower()] if found else 0
    return int(size) if size >= 1 else None
