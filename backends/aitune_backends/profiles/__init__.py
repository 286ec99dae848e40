"""Profiles: which there are, and reading one by name or path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.changes import brief_list, shown
from aitune_backends.foreign import clean
from aitune_backends.places import user_places
from aitune_backends.profiles.fitting import Absent, Fitted, fit
from aitune_backends.profiles.parse import (
    LONGEST_BYTES,
    NAME,
    Profile,
    ProfileError,
    parse_profile,
)
from aitune_backends.profiles.verdicts import Verdict, as_wanted, verify
from aitune_backends.small_file import UnreadableError, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Absent",
    "Fitted",
    "Profile",
    "ProfileError",
    "Verdict",
    "as_wanted",
    "fit",
    "load",
    "names",
    "verify",
]

BUILT_IN = "built in"
_SUFFIX = ".toml"


def names(folders: Sequence[Path] | None = None) -> tuple[str, ...]:
    """Names of all profiles: the built-in ones, then the machine's and the user's own."""
    return tuple(_files(folders))


def load(name_or_path: str, folders: Sequence[Path] | None = None) -> Profile:
    """Read a profile.

    Args:
        name_or_path: A name as `names` gives it, or the path of a .toml file: with a slash in it,
            or ending in .toml.
        folders: Where to look for names besides the built-in ones, the winning folder first;
            None takes the user's and the machine's.

    Raises:
        ProfileError: There is no such profile, or it cannot be used.
    """
    if "/" in name_or_path or name_or_path.endswith(_SUFFIX):
        return _read(Path(name_or_path))
    files = _files(folders)
    if NAME.fullmatch(name_or_path) is None or name_or_path not in files:
        raise ProfileError(
            f'No profile is called "{shown(name_or_path)}"; there are {brief_list(tuple(files))}.'
        )
    path = files[name_or_path]
    if path is not None:
        return _read(path)
    text = resources.files(__name__).joinpath(name_or_path + _SUFFIX).read_text(encoding="utf-8")
    return parse_profile(text, name=name_or_path, source=BUILT_IN)


def _files(folders: Sequence[Path] | None) -> dict[str, Path | None]:
    """Each profile's file; None for a built-in one, whose name nobody else can take."""
    found: dict[str, Path | None] = {
        entry.name.removesuffix(_SUFFIX): None
        for entry in sorted(resources.files(__name__).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(_SUFFIX)
    }
    for folder in user_places().profile_folders if folders is None else folders:
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for path in entries:
            if path.suffix == _SUFFIX and NAME.fullmatch(path.stem):
                found.setdefault(path.stem, path)
    return found


def _read(path: Path) -> Profile:
    try:
        text = read_text(path, LONGEST_BYTES, "profile")
    except UnreadableError as error:
        raise ProfileError(str(error)) from None
    name = path.stem if NAME.fullmatch(path.stem) else "unnamed"
    return parse_profile(text, name=name, source=clean(str(path)))
