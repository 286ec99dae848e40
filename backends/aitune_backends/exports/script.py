"""A profile as a script for the shell of one machine, which can take back what it has done.

It saves what stands in every file that it writes, and in those that the kernel changes along with
it, before the first write. Going back follows the rules of the helper: lower turns first, only what
differs, of a share and its amount the one that counted, a pool's pages node by node.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from aitune_backends.exports.aims import Exported, comment, file_name, head, tail
from aitune_helper import plan
from aitune_helper.knobs import KNOBS, SCHEDULER_OPTIONS, UPPER_LIMITS, Knob, other_half

if TYPE_CHECKING:
    from aitune_backends.exports.aims import Aim, Aims
    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile

_OPTIONS = "/queue/iosched"

_FUNCTIONS = r"""
set -u
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
bad=0

# What a file holds: the word in brackets of a list, 1 and 0 for yes and no.
now() {
    text=$(cat "$1" 2>/dev/null) || return 1
    case $text in
        *\[*\]*) text=${text#*\[}; text=${text%%\]*} ;;
        Y | true) text=1 ;;
        N | false) text=0 ;;
    esac
    printf '%s' "$text"
}

# What a file held before the first write since the machine was started, or nothing.
old() { sed -n "s|^$1 ||p" "$saved"; }

# Save what files hold, each once: the first value is the one to go back to.
keep() {
    for file in "$@"; do
        if [ -e "$file" ] && ! grep -q "^$file " "$saved"; then
            text=$(now "$file") && printf '%s %s\n' "$file" "$text" >>"$saved"
        fi
    done
}

# A scheduler brings its options, so which there are is seen when it is their turn.
keep_options() { for name in $options; do keep "$1/$name"; done; }
back_options() { for name in $options; do back "$1/$name"; done; }

# Write one value where it differs, and read it back: put FILE VALUE [rounds].
put() {
    if [ ! -e "$1" ]; then
        echo "$1: not there" >&2
        bad=$((bad + 1))
        return
    fi
    [ "$(now "$1")" = "$2" ] || printf '%s' "$2" >"$1"
    got=$(now "$1")
    if [ "$got" = "$2" ]; then
        echo "$1: $2"
    elif [ "${3-}" = rounds ] && [ -n "$got" ]; then
        echo "$1: $got, the nearest to $2"
    else
        echo "$1: wanted $2, holds ${got:-nothing that can be read}" >&2
        bad=$((bad + 1))
    fi
}

# Write an upper limit before the lower one, for which there may be no room below it yet.
early() {
    if [ -n "$2" ] && [ -e "$1" ]; then printf '%s' "$2" 2>/dev/null >"$1"; fi
}

# Put one file back, if it was saved and is there.
back() {
    value=$(old "$1")
    if [ -n "$value" ] && [ -e "$1" ]; then put "$1" "$value"; fi
}

# Put back a share and the amount that says the same: the one that counted, since writing either
# sets the other to 0. Both at 0 is reached by way of the share alone.
back_pair() {
    share=$(old "$1") amount=$(old "$2")
    if [ "${amount:-0}" != 0 ]; then
        put "$2" "$amount"
    elif [ -n "$share" ] && { [ "$(now "$1")" != "$share" ] || [ "$(now "$2")" != 0 ]; }; then
        [ "$share" != 0 ] || printf 1 >"$1"
        put "$1" "$share"
    fi
}
"""

_END = r"""
case ${1-apply} in
    apply | undo) ;;
    *) echo "Usage: sh $0 [undo]" >&2; exit 2 ;;
esac
if [ "$(id -u)" != 0 ]; then
    echo "Needs root: sudo sh $0 ${1-}" >&2
    exit 4
fi
umask 077
if [ "${1-apply}" = undo ]; then
    if [ "$(old boot)" != "$boot" ]; then
        echo "Nothing to undo: nothing was written since the machine was started."
        exit 0
    fi
    undo
    [ "$bad" = 0 ] && rm -f "$saved"
else
    [ "$(old boot)" = "$boot" ] || echo "boot $boot" >"$saved" || exit 1
    apply
fi
if [ "$bad" != 0 ]; then
    echo "$bad not as wanted." >&2
    exit 1
fi
"""


@dataclass(frozen=True, slots=True)
class _Touched:
    """A target that the script changes, itself or along with another.

    `place` is smaller the later it is written.
    """

    knob: Knob
    instance: str
    place: int


def render(profile: Profile, host: Host, found: Aims) -> Exported:
    """The script; `sh FILE` writes, `sh FILE undo` goes back."""
    name = file_name(profile)
    about = head(
        profile,
        f"For {_machine(host)}: it names each file of that machine.",
        "  sudo sh FILE        writes the values, having saved what stands there now",
        "  sudo sh FILE undo   puts back what was saved; after a reboot nothing is left to undo",
        "Exit status: 0 as wanted, 1 not all, 2 wrong use, 4 not root.",
    )
    touched: dict[tuple[str, str], _Touched] = {}
    for turn, aim in enumerate(found.aims):
        for knob, instance in _targets(host, aim):
            touched.setdefault((knob.id, instance), _Touched(knob, instance, -turn))
    apply = list(dict.fromkeys(f"keep{_files(each)}" for each in touched.values()))
    limits = [aim for aim in found.aims if aim.knob.id in UPPER_LIMITS]
    apply += [f"early {quote(aim.path)} {quote(aim.value)}" for aim in limits]
    why = ""
    for aim in (*(aim for aim in found.aims if aim not in limits), *limits):
        if aim.why != why:
            apply.append(comment(aim.why).rstrip())
            why = aim.why
        rounds = " rounds" if aim.knob.rounds else ""
        apply.append(f"put {quote(aim.path)} {quote(aim.value)}{rounds}")
    undo = _back(list(touched.values()))
    text = (
        "#!/bin/sh\n"
        + about
        + tail(found.left)
        + f"\nsaved=/run/{name}.saved\noptions='{' '.join(SCHEDULER_OPTIONS)}'"
        + _FUNCTIONS
        + _function("apply", apply)
        + _function("undo", undo)
        + _END
    )
    how = "sudo sh FILE undo puts back what stood there before, until the next boot."
    return Exported(text, how, found.left)


def _machine(host: Host) -> str:
    """The machine's name, for a comment."""
    return host.first_line("/proc/sys/kernel/hostname") or host.name or "this machine"


def _function(name: str, lines: list[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines or [":"])
    return f"\n{name}() {{\n{body}}}\n"


def _targets(host: Host, aim: Aim) -> list[tuple[Knob, str]]:
    """What writing one target changes: itself, a pool's nodes, and what is coupled to it."""
    nodes = plan.nodes_of_pool(host, aim.knob, aim.instance)
    return [
        *(nodes or ((aim.knob, aim.instance),)),
        *((KNOBS[name], aim.instance) for name in aim.knob.coupled),
    ]


def _files(each: _Touched) -> str:
    """The words after `keep` or `back`: a file, or all options of a scheduler."""
    path = each.knob.file(each.instance)
    folder, mark, _ = path.partition(_OPTIONS)
    return f"_options {quote(folder + mark)}" if mark else f" {quote(path)}"


def _back(touched: list[_Touched]) -> list[str]:
    """The lines that go back, by their turns; of one turn what was written last comes first."""
    files = [quote(e.knob.file(e.instance)) for e in touched if e.knob.id in UPPER_LIMITS]
    lines = [f'early {file} "$(old {file})"' for file in files]
    for each in sorted(touched, key=_turn):
        half = other_half(each.knob)
        if half is None:
            lines.append(f"back{_files(each)}")
        else:
            share, amount = (each.knob, half) if each.knob.unit == "%" else (half, each.knob)
            lines.append(f"back_pair {quote(share.file())} {quote(amount.file())}")
    strict = f"back {quote(KNOBS['vm.overcommit_memory'].file())}"
    if strict in lines:  # strict accounting is left first and entered last
        rest = [line for line in lines if line != strict]
        lines = [f'[ "$(old {strict.split()[1]})" = 2 ] || {strict}', *rest, strict]
    return list(dict.fromkeys(lines))


def _turn(each: _Touched) -> tuple[int, bool, int]:
    return each.knob.turn, each.knob.id in UPPER_LIMITS, each.place
