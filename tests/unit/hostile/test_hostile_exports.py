"""Exports are files and scripts that root runs: nothing foreign may become a line of one."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitune_backends.changes import AT_LEAST, AT_MOST, Wanted
from aitune_backends.exports import FORMS, export
from aitune_backends.exports.script import _END, _FUNCTIONS
from aitune_backends.profiles.parse import Profile
from aitune_helper import knobs
from aitune_helper.knobs import KNOBS, SCHEDULER_OPTIONS
from tests.unit.knowledge import made_trees

if TYPE_CHECKING:
    from aitune_backends.host import Host

EVIL = (
    '", RUN+="/bin/evil", ATTR{x}="',
    "\nACTION==\"add\", RUN+=\"/bin/evil\"",
    "\nf /etc/evil 0644 root root - evil",
    "\nkernel.core_pattern = |/bin/evil",
    "\n[script]\nscript=/bin/evil",
    "${f:exec:/bin/evil}",
    "\n[bootloader]\ncmdline=init=/bin/evil",
    " init=/bin/evil",
    "'; /bin/evil; '",
    "$(/bin/evil)`/bin/evil`",
    "\\\n/bin/evil",
    "\r/bin/evil\x85/bin/evil\u2028/bin/evil\x0b/bin/evil",
    "\n}\n/bin/evil\n{",
    "%s {reader} {name} {0} \\",
    "१२",
    "12",
    "none",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(EVIL) | st.text(max_size=4), max_size=3).map("".join)
NAMES = TEXTS.map(lambda text: text.replace("/", "!").replace("\0", "?")[:60])
SETTINGS = (
    "vm.swappiness", "vm.dirty_bytes", "vm.nr_hugepages", "thp.enabled", "zswap.compressor",
    "cpu.governor", "block.scheduler", "block.read_ahead_kb",
)  # fmt: skip

WORD = r"[A-Za-z0-9_+-]+"
COMMENT = r"# [\x20-\x7e]*|"
FILE = r"/(?:sys|proc/sys)/[A-Za-z0-9/_.!-]+"
PLACE = rf"(?:{FILE}|'{FILE}')"
GRAMMAR = {
    "sysctl": rf"{COMMENT}|[a-z_.]+ = {WORD}",
    "udev": (
        rf'{COMMENT}|ACTION=="add\|change", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", '
        rf'ATTR{{[a-z/]+}}=="[A-Za-z0-9._:?-]+"(, ATTR{{queue/[a-z_]+}}="{WORD}")+'
    ),
    "tmpfiles": rf"{COMMENT}|w {FILE} - - - - {WORD}",
    "tuned": (
        rf"{COMMENT}|\[(main|sysctl|sysfs|vm|cpu|disk)\]|summary=[A-Za-z0-9 .,:;()/%+_?-]*|"
        rf"include=[A-Za-z0-9_.,-]+|drop=[a-z_.,]+|({FILE}|[a-z_.]+)={WORD}"
    ),
    "cmdline": rf"{COMMENT}|({WORD.replace('_', '_.')}=[A-Za-z0-9_,:;+-]+ ?)*",
    "shell": (
        rf"{COMMENT}|#!/bin/sh|(apply|undo)\(\) {{|}}|    :|    # [\x20-\x7e]*|"
        rf"saved=/run/aitune-mine\.saved|options='{' '.join(SCHEDULER_OPTIONS)}'|"
        rf"    (keep|keep_options|back|back_options) {PLACE}|"
        rf"    back_pair {PLACE} {PLACE}|    early {PLACE} {WORD}|    put {PLACE} {WORD}( rounds)?|"
        rf'    early {PLACE} "\$\(old {PLACE}\)"|'
        rf'    \[ "\$\(old {PLACE}\)" = 2 \] \|\| back {PLACE}'
    ),
}


def check(form: str, text: str) -> None:
    """Every line is one that the form knows.

    Raises:
        AssertionError: There is another; with the line.
    """
    if form == "shell":
        for ours in (_FUNCTIONS, _END):
            assert text.count(ours) == 1
            text = text.replace(ours, "\n")
    grammar = re.compile(GRAMMAR[form], re.ASCII)
    assert [line for line in text.split("\n") if grammar.fullmatch(line) is None] == []
    assert text.isascii()


def machine(root: Path, said: str, name: str) -> Host:
    """A machine whose every text that an export may repeat is of somebody else's choice."""
    word = said.split()[0] if said.split() else "x"
    listed = f"[none] {word} {said}"
    policy = "/sys/devices/system/cpu/cpufreq/policy0"
    files = {
        "/proc/sys/kernel/hostname": said,
        "/proc/sys/kernel/osrelease": f"6.14{said}",
        "/proc/cmdline": said,
        "/etc/tuned/active_profile": said,
        "/etc/tuned/tuned-main.conf": said,
        "/etc/sysctl.d/10-x.conf": f"vm.swappiness = {said}\n",
        "/proc/sys/vm/swappiness": said,
        "/proc/sys/vm/dirty_bytes": said,
        "/sys/module/zswap/parameters/compressor": listed,
        f"{policy}/scaling_governor": said,
        f"{policy}/scaling_driver": said,
        f"{policy}/scaling_available_governors": f"performance {word} {said}",
    }
    for disk, identity in (("sda", said), ("sdb", "naa.5" + said), (f"sd{name}", "naa.6")):
        base = f"/sys/block/{disk}"
        files[f"{base}/wwid"] = identity
        files[f"{base}/queue/scheduler"] = listed
        files[f"{base}/queue/read_ahead_kb"] = said
    return made_trees.host(
        root, made_trees.meminfo(), made_trees.sysctls(), made_trees.pool(2048, (0, 0)),
        files,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(said=TEXTS, name=NAMES, words=st.lists(TEXTS, min_size=8, max_size=8), data=st.data())
def test_no_foreign_text_becomes_a_line_of_an_export(
    said: str, name: str, words: list[str], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = machine(Path(folder) / "m", said, name)
        profile = Profile("mine", said, words[0], tuple(_wants(words, name, data)), said)
        for form in FORMS:
            made = export(profile, form, host)
            check(form, made.text)
            assert "\n" not in made.undo


def _wants(words: list[str], name: str, data: st.DataObject) -> list[Wanted]:
    """What a profile may want by the rules of the reader of profiles, and what it may not."""
    found = []
    for knob_id, word in zip(SETTINGS, words, strict=True):
        knob = KNOBS[knob_id]
        good = "20" if knob.is_integer else (knob.choices or ("none",))[0]
        value = data.draw(st.sampled_from((good, word)))
        if knob.is_integer and not value.isdecimal():
            value = good
        bound = data.draw(st.sampled_from(("", AT_LEAST, AT_MOST))) if knob.is_integer else ""
        named = f"sd{name}" if knob.scope == knobs.DISK else None
        instance = data.draw(st.sampled_from((None, named)))
        found.append(Wanted(knob_id, instance, value, word, word, bound))
    return found


@pytest.mark.parametrize("form", FORMS)
def test_the_grammar_knows_what_is_no_line_of_ours(form: str, tmp_path: Path) -> None:
    host = machine(tmp_path / "m", "x", "c")
    profile = Profile("mine", "x", "x", (Wanted("vm.swappiness", None, "20"),), "x")
    text = export(profile, form, host).text
    check(form, text)
    for evil in ("/bin/evil", "init=$(x)", 'RUN+="x"', "f /etc/x - - - - x", "a = |x", "[script]"):
        with pytest.raises(AssertionError):
            check(form, f"{text}\n{evil}\n")
