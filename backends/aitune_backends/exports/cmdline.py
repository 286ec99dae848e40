"""A profile as words of the kernel command line. No boot loader is ever edited.

The words are those of Documentation/admin-guide/kernel-parameters.txt; `sysctl.NAME=VALUE`, which
sets any sysctl before the first process runs, came with Linux 5.8.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from aitune_backends.boot_words import WORDS, module_parameters
from aitune_backends.exports.aims import Exported, head, left_out, tail
from aitune_helper import formats, plan
from aitune_helper.kernelfs import instances
from aitune_helper.knobs import POLICY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.exports.aims import Aim, Aims
    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile

_SINCE_SYSCTL = (5, 8)
# As kernel-parameters.txt first has them.
_SINCE = {
    "transparent_hugepage_shmem": (6, 13),
    "thp_anon": (6, 11),
    "cpufreq.default_governor": (5, 9),
}
_SIZES = "thp.size_enabled"
_SYSCTLS = "/proc/sys/"
_RELEASE = "/proc/sys/kernel/osrelease"
_NEW = (999, 0)
_NO_WORD = "the kernel command line has no word for it."

_HOW = (
    "Words for the kernel command line. On GRUB: add them to GRUB_CMDLINE_LINUX in",
    "/etc/default/grub, then run update-grub (Debian, Ubuntu); or on Red Hat's run",
    'grubby --update-kernel=ALL --args="..." with the words for the dots. Then reboot.',
)


def render(profile: Profile, host: Host, found: Aims) -> Exported:
    """The words, on one line, with how to add them as a comment."""
    version = _version(host)
    words: list[str] = []
    unsaid: list[tuple[Aim, str]] = []
    for pool, members in pools(host, found.aims).items():
        words.append(reserved(pool, members))
    sizes = found.of(_SIZES)
    if sizes and version >= _SINCE["thp_anon"]:
        words.append("thp_anon=" + ";".join(f"{_size(a.instance)}:{a.value}" for a in sizes))
    for aim in found.aims:
        if _pool(host, aim) or (aim in sizes and version >= _SINCE["thp_anon"]):
            continue
        word, why = _word(aim, found, host, version)
        if word:
            words.append(word)
        else:
            unsaid.append((aim, why))
    left = (*found.left, *left_out(unsaid))
    text = head(profile, *_HOW) + "\n" + " ".join(dict.fromkeys(words)) + "\n" + tail(left)
    undo = "Take the words out again in the same place, then reboot."
    return Exported(text, undo, left)


def _pool(host: Host, aim: Aim) -> str:
    try:
        return plan.pool_of(host, aim.knob)
    except OSError:
        return ""


def pools(host: Host, found: Sequence[Aim]) -> dict[str, list[Aim]]:
    """What is wanted of each pool of huge pages, by its id."""
    by_pool: dict[str, list[Aim]] = {}
    for aim in found:
        if pool := _pool(host, aim):
            by_pool.setdefault(pool, []).append(aim)
    return by_pool


def reserved(pool: str, members: Sequence[Aim]) -> str:
    """The words that reserve one pool: of the machine, or of each node that is named."""
    nodes = [(aim.instance, aim.value) for aim in members if aim.instance]
    total = next((aim.value for aim in members if not aim.instance), "0")
    return formats.command_line(plan.page_bytes(pool) // 1024, total, nodes)


@lru_cache(maxsize=1)
def _words() -> dict[str, tuple[str, dict[str, str]]]:
    """By knob: the word that sets it, and how its values are spelled there where not the same."""
    found: dict[str, tuple[str, dict[str, str]]] = {
        knob: (word, {}) for word, knob in module_parameters().items()
    }
    for word, (knob, values) in WORDS.items():
        spelled: dict[str, str] = {}
        for spelling, value in values.items():
            spelled.setdefault(value, spelling)
        found[knob] = word, spelled
    return found


def _size(instance: str) -> str:
    """A size of pages as the command line has it: `64K` of `64kB`."""
    kib = int(instance.removesuffix("kB"))
    return f"{kib // 1024}M" if kib % 1024 == 0 else f"{kib}K"


def _word(aim: Aim, found: Aims, host: Host, version: tuple[int, int]) -> tuple[str, str]:
    """The word for one target, or why there is none."""
    key, spelled = _words().get(aim.knob.id, ("", {}))
    if aim.knob.scope == POLICY and key:
        alike = {each.value for each in found.of(aim.knob.id)}
        covered = {each.instance for each in found.of(aim.knob.id)}
        if len(alike) != 1 or covered != set(instances(host, aim.knob)):
            return "", f"{key}= is one word for all policies."
    if key and version >= _SINCE.get(key, (0, 0)) and (not spelled or aim.value in spelled):
        return f"{key}={spelled.get(aim.value, aim.value)}", ""
    if aim.knob.path.startswith(_SYSCTLS):
        if version < _SINCE_SYSCTL:
            return "", f"Linux {version[0]}.{version[1]} knows no sysctl. words; 5.8 and later do."
        return f"sysctl.{aim.knob.id}={aim.value}", ""
    return "", _NO_WORD


def _version(host: Host) -> tuple[int, int]:
    """The kernel's version; a new one where it cannot be told."""
    found = re.match(r"(\d{1,3})\.(\d{1,4})", host.first_line(_RELEASE) or "")
    return (int(found[1]), int(found[2])) if found else _NEW
