"""`aitune-tui profiles import`: settings of another tool, seen as a profile of ours."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from aitune_backends.foreign import clean
from aitune_tui.cli.common import (
    PROGRAM,
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    open_machine,
    table,
)
from aitune_tui.cli.verdict_table import opened, verdict_json, verdict_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitune_backends.host import Host
    from aitune_backends.lens import Imported, Left
    from aitune_backends.profiles import Verdict


def run(options: Options, file: str, name: str | None, *, save: bool, force: bool) -> None:
    """Compare a machine with what a file wants; write it as a profile where that is asked for.

    Args:
        options: The machine.
        file: A file, the folder of a TuneD profile, or the name of one.
        name: What to call the profile; None takes the file's own name.
        save: Write it among the user's profiles.
        force: Replace a profile of that name.
    """
    from aitune_backends.profiles.verdicts import summary, verify

    with open_machine(options) as machine:
        found = _named(opened(_meant(file), machine.host), name)
        verdicts = verify(found.profile, machine.host)
        words = _words(found, machine.host)
    path = _save(found, force=force) if save else None
    if options.json:
        about = {
            "name": found.profile.name,
            "title": found.profile.title,
            "source": found.profile.source,
            "summary": summary(verdicts),
        }
        lists = {
            "targets": [verdict_json(verdict) for verdict in verdicts],
            "boot_words": [
                {"word": word, "place": place, "there": there} for word, place, there in words
            ],
            "left": [_left_json(left) for left in found.left],
            "understood": [_left_json(left) for left in found.understood],
            "changes": _changes(verdicts),
            "saved": str(path) if path else None,
        }
        emit_json("profile-import", {**about, **lists})
        return
    _show(found, verdicts, words)
    echo(f"\nProfile {found.profile.name}: {summary(verdicts)}.")
    if changes := _changes(verdicts):
        echo(f"One of them: {PROGRAM} apply {changes[0]}")
    if path:
        echo(f"Saved as {path}: {PROGRAM} apply --profile {found.profile.name}")
    elif found.profile.wanted:
        again = f"{PROGRAM} profiles import {quote(clean(file))}"
        echo(f"All of them: {again} --save, then apply --profile.")


def _meant(file: str) -> str:
    """What was named: a file where there is one, else a TuneD profile of the machine."""
    from pathlib import Path

    if "/" in file or file.startswith("tuned:") or Path(file).exists():
        return file if "/" in file or file.startswith("tuned:") else f"./{file}"
    return f"tuned:{file}"


def _named(found: Imported, name: str | None) -> Imported:
    from dataclasses import replace

    from aitune_backends.profiles.parse import NAME

    if name is None:
        return found
    if NAME.fullmatch(name) is None:
        fail(
            USAGE,
            "profile",
            f'"{clean(name)}" is no name for a profile; use lower-case letters, digits, - and _.',
        )
    return replace(found, profile=replace(found.profile, name=name))


def _save(found: Imported, *, force: bool) -> Path:
    from aitune_backends import profiles
    from aitune_backends.places import user_places
    from aitune_backends.profiles.write import save

    if not found.profile.wanted:
        fail(USAGE, "profile", "It wants nothing that this tool can set: there is nothing to save.")
    if found.profile.name in profiles.names(()):
        fail(
            USAGE,
            "profile",
            f"{found.profile.name} is the name of a built-in profile; give another with --name.",
        )
    try:
        return save(found.profile, user_places().profile_folders[0], force=force)
    except profiles.ProfileError as error:
        fail(USAGE, "profile", str(error))


def _words(found: Imported, host: Host) -> list[tuple[str, str, bool | None]]:
    """Each word wanted at boot, where that is said, and whether the kernel was started with it."""
    try:
        given = set(host.read("/proc/cmdline").split())
    except OSError:
        return [(word.word, word.place, None) for word in found.boot_words]
    return [(word.word, word.place, word.word in given) for word in found.boot_words]


def _show(
    found: Imported, verdicts: Sequence[Verdict], words: list[tuple[str, str, bool | None]]
) -> None:
    echo(f"{found.profile.name} · {found.profile.title} · {found.profile.source}\n")
    if verdicts:
        echo(verdict_table(verdicts))
    else:
        echo("It wants nothing that this tool can set.")
    if words:
        said = {True: "there", False: "not there", None: "cannot be read"}
        echo("\nWords for the kernel command line, which only a boot loader sets:")
        echo(table(("NOW", "WORD", "PLACE"), [(said[there], w, at) for w, at, there in words]))
    if found.left:
        echo("\nNot understood, or no setting of this tool:")
        # No word of the file begins a line of ours: the place stands first.
        echo(table(("PLACE", "LINE", "WHY"), [(e.place, e.text, e.why) for e in found.left]))


def _changes(verdicts: Sequence[Verdict]) -> list[str]:
    """What `apply` takes for each setting that differs."""
    return list(dict.fromkeys(str(each.want) for each in verdicts if each.state == "differs"))


def _left_json(left: Left) -> dict[str, str]:
    return {"place": left.place, "text": left.text, "why": left.why}
