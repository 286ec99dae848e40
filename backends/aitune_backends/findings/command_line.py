"""The kernel's command line: words a vendor asks for, words that do nothing, words overruled.

Only what applies to the machine is said: which cards it has is read from PCI, what the kernel was
built to do from its configuration in /boot, what the IOMMU really does from sysfs.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from aitune_backends.changes import shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.kernel import is_virtual
from aitune_backends.findings.pci import AMD, NVIDIA
from aitune_backends.findings.reading import text
from aitune_helper.knobs import parse_listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aitune_backends.findings.pci import Device
    from aitune_backends.host import Host

_LONGEST = 1 << 16
_MOST_WORDS = 12
_GPU = "GPU"
_MI300X = "0x74a1"
_HOW = (
    "Add it where the boot loader takes the kernel's words from (GRUB_CMDLINE_LINUX in "
    "/etc/default/grub, then update-grub), and boot."
)
# Words that decide what the rest of this program shows; listed as they stand.
_TELLING = re.compile(
    r"(?:(?:amd_|intel_)?iommu|iommu\.passthrough|pci|pcie_aspm|init_on_(?:alloc|free)"
    r"|numa_balancing|transparent_hugepage|mitigations|preempt|isolcpus|nohz_full|(?:default_)?"
    r"hugepagesz|hugepages|hugetlb_free_vmemmap|psi|intel_idle\.max_cstate|processor\.max_cstate"
    r"|(?:amd|intel)_pstate|cpufreq\.default_governor|mem|maxcpus|nr_cpus|nosmt)(?:=.*)?",
    re.DOTALL,
)
# Words that current kernels take and do nothing with.
_DEAD = {
    "elevator": "since 5.0 schedulers are chosen for each disk",
    "scsi_mod.use_blk_mq": "since 5.0 there is no other way",
    "dm_mod.use_blk_mq": "since 5.0 there is no other way",
}


def findings(host: Host, devices: Sequence[Device]) -> Iterator[Finding]:
    """What the command line lacks, says in vain, or said before somebody else spoke."""
    line = text(host, "/proc/cmdline", limit=_LONGEST)
    if not line.strip():
        return
    words = parse_words(line)
    cards = [device for device in devices if device.kind == _GPU]
    if not is_virtual(host):
        yield from _for_amd(words, [card for card in cards if card.vendor == AMD])
    if any(card.vendor == NVIDIA for card in cards) and _is_grace(host):
        yield from _zeroing(host, words)
    yield from _dead(host, words)
    yield from _overruled(host, words)
    if words.get("mitigations") == "off":
        yield Finding(
            "mitigations",
            "Mitigations are off",
            "mitigations=off: the processor's known flaws are left open, to whoever runs code "
            "here. It is faster where much time is spent in system calls.",
            "Fit for a machine of one trusted tenant alone.",
            "info",
            source=sources.KERNEL_PARAMETERS,
        )
    telling = [shown(word) for word in _split(line) if _TELLING.fullmatch(word)]
    if telling:
        yield Finding(
            "cmdline",
            "Set on the kernel's command line",
            f"{' '.join(telling[:_MOST_WORDS])}{' …' if len(telling) > _MOST_WORDS else ''}",
            severity="info",
            source=sources.KERNEL_PARAMETERS,
        )


def _split(line: str) -> list[str]:
    """The words; those after `--` are for init. A quote may enclose blanks."""
    lexer = shlex.shlex(line.strip(), posix=True, punctuation_chars="")
    lexer.whitespace_split = True
    lexer.commenters = lexer.quotes = lexer.escape = ""
    lexer.quotes = '"'
    try:
        words = list(lexer)
    except ValueError:  # a quote that does not end
        words = line.split()
    return words[: words.index("--")] if "--" in words else words


def parse_words(line: str) -> dict[str, str]:
    """`/proc/cmdline`: what each word is set to, "" for a bare one; the last of a name counts."""
    words: dict[str, str] = {}
    for word in _split(line):
        name, _, value = word.partition("=")
        words[name] = value
    return words


def _for_amd(words: Mapping[str, str], cards: Sequence[Device]) -> Iterator[Finding]:
    asked = words.get("iommu") == "pt" or words.get("iommu.passthrough") == "1"
    translated = [card for card in cards if card.translated.startswith("DMA")]
    if translated and not asked:
        yield Finding(
            "iommu-pt",
            "GPU transfers are translated",
            f"The IOMMU translates what {len(translated)} of {len(cards)} AMD GPUs read and write "
            f"({shown(translated[0].translated)}). AMD asks for iommu=pt, which spares that.",
            f"{_HOW} It gives up the IOMMU's protection against these devices.",
            "warning",
            source=sources.AMD_MI300X,
        )
    if any(card.model == _MI300X for card in cards) and "realloc=off" not in words.get("pci", ""):
        yield Finding(
            "pci-realloc",
            "pci=realloc=off is not set",
            "AMD asks for it with MI300X, so that the kernel finds all of the GPUs. If all are "
            "there, nothing is lost.",
            _HOW,
            "info",
            source=sources.AMD_MI300X,
        )


def _is_grace(host: Host) -> bool:
    """Arm's Neoverse V2, as NVIDIA's Grace has it."""
    start = text(host, "/proc/cpuinfo")[:4096]
    return re.search(r"^CPU part\s*: 0xd4f$", start, re.MULTILINE) is not None


def _zeroing(host: Host, words: Mapping[str, str]) -> Iterator[Finding]:
    """init_on_alloc: what counts is the word, else how the kernel was built."""
    word = words.get("init_on_alloc", "").lower()
    if word in ("0", "n", "off"):
        return
    release = host.first_line("/proc/sys/kernel/osrelease") or ""
    config = text(host, f"/boot/config-{release}") if "/" not in release else ""
    built = re.search(r"^CONFIG_INIT_ON_ALLOC_DEFAULT_ON=y$", config, re.MULTILINE)
    if word not in ("1", "y", "on"):
        if config and not built:
            return
        why = "This kernel is built to do so" if built else "Most distributions' kernels do so"
    else:
        why = "init_on_alloc=1 asks for it"
    yield Finding(
        "init-on-alloc",
        "Every page is zeroed first",
        f"{why}: each page is filled with zeros before it is handed out, also one that a file is "
        "read into. NVIDIA recommends init_on_alloc=0 for Grace.",
        f"{_HOW} A trade against security: old contents may then leak through faults of the "
        "kernel.",
        "info",
        source=sources.NVIDIA_GRACE,
    )


def _dead(host: Host, words: Mapping[str, str]) -> Iterator[Finding]:
    release = re.match(r"([0-9]{1,3})\.", host.first_line("/proc/sys/kernel/osrelease") or "")
    if release is None or int(release[1]) < 5:
        return
    dead = [f"{name}= ({why})" for name, why in _DEAD.items() if name in words]
    balancing = words.get("numa_balancing")
    if balancing is not None and balancing not in ("enable", "disable"):
        dead.append(f"numa_balancing={shown(balancing)} (it takes enable and disable alone)")
    if dead:
        yield Finding(
            "cmdline-dead",
            "Words without effect",
            f"On the kernel's command line, and ignored: {', '.join(dead)}.",
            "Take them out: whoever reads them is misled.",
            "warning",
            source=f"{sources.ELEVATOR_GONE}; {sources.NUMA_WORD}",
        )


def _overruled(host: Host, words: Mapping[str, str]) -> Iterator[Finding]:
    """Words that set at boot what is something else now."""
    thp, _ = parse_listed(host.first_line("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    balancing = host.first_line("/proc/sys/kernel/numa_balancing") or ""
    now = {
        "transparent_hugepage": thp or "",
        "numa_balancing": {"0": "disable", "1": "enable"}.get(balancing, ""),
    }
    known = {"always", "madvise", "never", "enable", "disable"}
    differing = [
        f"{name}={words[name]} (now {shown(value)})"
        for name, value in now.items()
        if value and words.get(name) in known and words[name] != value
    ]
    if differing:
        yield Finding(
            "cmdline-overruled",
            "The command line was overruled",
            f"Set at boot: {', '.join(differing)}. Something set it since, and has to do so "
            "after each boot.",
            "`aitune-tui status` names the file that does, where one does.",
            "info",
            source=sources.KERNEL_PARAMETERS,
        )
