"""`aitune-tui profiles`: which there are, what one wants, and to and from other tools."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from aitune_backends import exports, profiles
from aitune_backends.changes import ChangeError, target_name
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

_FORMS = f"{', '.join(exports.FORMS[:-1])} or {exports.FORMS[-1]}"
ACTIONS = ("list", "show", "import", "export")


@click.command(name="profiles")
@click.argument(
    "action", type=click.Choice(ACTIONS), default="list", metavar=f"[{'|'.join(ACTIONS)}]"
)
@click.argument("name", required=False)
@click.option("--name", "own", metavar="NAME", help="What to call an imported profile.")
@click.option("--save", is_flag=True, help="Write an imported profile among your own.")
@click.option("--force", is_flag=True, help="Replace a profile of yours of the same name.")
@click.option("--format", "form", type=click.Choice(exports.FORMS), help="The form to export in.")
@pass_options
def command(
    options: Options,
    action: str,
    name: str | None,
    own: str | None,
    save: bool,
    force: bool,
    form: str | None,
) -> None:
    """List profiles, show one, or bring one from or to the form of another tool.

    NAME is the name of a profile or the path of a .toml file. `import` takes a file of sysctl.d,
    tmpfiles.d or udev, words of a kernel command line, or a TuneD profile by its name, folder or
    file; it compares this machine with it and lists what is not understood. It writes nothing but
    a profile, and that only with --save.
    """
    if (action == "list") != (name is None):
        fail(USAGE, "usage", "`list` takes no name; `show`, `import` and `export` take one.")
    if (action == "export") != (form is not None):
        fail(USAGE, "usage", f"`export` needs --format {_FORMS}; nothing else does.")
    if action != "import" and (own or save or force):
        fail(USAGE, "usage", "--name, --save and --force go with `import` alone.")
    if name is None:
        _list(options)
    elif action == "import":
        from aitune_tui.cli import profile_import

        profile_import.run(options, name, own, save=save, force=force)
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
    rows = [
        (
            target_name(want.knob, want.instance),
            " ".join(filter(None, (want.bound, want.value))),
            want.reason,
        )
        for want in profile.wanted
    ]
    echo(table(("SETTING", "WANTED", "WHY"), rows))


def _export(options: Options, profile: Profile, form: str) -> None:
    with open_machine(options) as machine:
        try:
            exported = exports.export(profile, form, machine.host)
        except ChangeError as error:
            fail(USAGE, "profile", str(error))
    if options.json:
        about = {"name": profile.name, "format": form}
        left = [{"text": each.text, "why": each.why} for each in exported.left]
        emit_json(
            "profile-export",
            {**about, "text": exported.text, "undo": exported.undo, "left": left},
        )
        return
    echo(exported.text.rstrip("\n"))


def _as_json(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "title": profile.title,
        "text": profile.text,
        "source": profile.source,
        "settings": [
            {
                "knob": want.knob,
                "instance": want.instance,
                "value": want.value,
                "bound": want.bound,
                "reason": want.reason,
                "place": want.place,
            }
            for want in profile.wanted
        ],
    }
