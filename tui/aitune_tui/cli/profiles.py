"""`aitune-tui profiles`: which there are, what one wants, and one in the form of another tool."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from aitune_backends import profiles
from aitune_backends.profiles.export import FORMATS, as_shell, as_sysctl
from aitune_backends.survey import default_pool
from aitune_tui.cli.common import (
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    open_machine,
    pass_options,
    table,
)

if TYPE_CHECKING:
    from aitune_backends.profiles import Profile

ACTIONS = ("list", "show", "export")


@click.command(name="profiles")
@click.argument("action", type=click.Choice(ACTIONS), default="list", metavar="[list|show|export]")
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(FORMATS), help="The form to export in.")
@pass_options
def command(options: Options, action: str, name: str | None, form: str | None) -> None:
    """List profiles, show one, or print one in the form of another tool.

    NAME is the name of a profile or the path of a .toml file.
    """
    if (action == "list") != (name is None):
        fail(USAGE, "usage", "`list` takes no name; `show` and `export` take one.")
    if (action == "export") != (form is not None):
        fail(USAGE, "usage", f"`export` needs --format {' or '.join(FORMATS)}; nothing else does.")
    if name is None:
        _list(options)
    elif form is None:
        _show(options, _load(name))
    else:
        _export(options, _load(name), form)


def _load(name: str) -> Profile:
    try:
        return profiles.load(name)
    except profiles.ProfileError as error:
        fail(USAGE, "profile", str(error))


def _list(options: Options) -> None:
    found: list[Profile] = []
    unusable: list[dict[str, str]] = []
    for name in profiles.names():
        try:
            found.append(profiles.load(name))
        except profiles.ProfileError as error:
            unusable.append({"name": name, "reason": str(error)})
    if options.json:
        emit_json(
            "profiles", {"profiles": [_as_json(each) for each in found], "unusable": unusable}
        )
        return
    echo(table(("NAME", "TITLE", "FROM"), [(p.name, p.title, p.source) for p in found]))
    for each in unusable:
        echo(f"{each['name']} cannot be used. {each['reason']}")


def _show(options: Options, profile: Profile) -> None:
    if options.json:
        emit_json("profile", _as_json(profile))
        return
    echo(f"{profile.name} · {profile.title} · {profile.source}")
    echo()
    for line in textwrap.wrap(profile.text, 98):
        echo(line)
    echo()
    for want in profile.wanted:
        echo(f"  {want}")


def _export(options: Options, profile: Profile, form: str) -> None:
    with open_machine(options) as machine:
        if form == "sysctl":
            text = as_sysctl(profile, default_pool(machine.host))
        else:
            text = as_shell(profile, machine.host)
    if options.json:
        emit_json("profile-export", {"name": profile.name, "format": form, "text": text})
        return
    echo(text.rstrip("\n"))


def _as_json(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "title": profile.title,
        "text": profile.text,
        "source": profile.source,
        "settings": [
            {"knob": want.knob, "instance": want.instance, "value": want.value}
            for want in profile.wanted
        ],
    }
