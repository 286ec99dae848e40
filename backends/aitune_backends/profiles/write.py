"""Writing a profile as TOML, so that reading it again gives the same profile."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aitune_backends.profiles.parse import ProfileError, parse_profile

if TYPE_CHECKING:
    from aitune_backends.changes import Wanted
    from aitune_backends.profiles.parse import Profile


def as_toml(profile: Profile) -> str:
    """The profile as a file of ours."""
    about = {"name": profile.name, "title": profile.title, "text": profile.text}
    lines = ["[profile]", *(f"{key} = {_quoted(value)}" for key, value in about.items() if value)]
    return "\n".join([*lines, "", "[settings]", *map(_setting, profile.wanted), ""])


def save(profile: Profile, folder: Path, *, force: bool) -> Path:
    """Write a profile into a folder, whole or not at all.

    Args:
        profile: What to write; its name is the file's.
        folder: It is made where it is missing.
        force: Replace a file that is there.

    Returns:
        The file.

    Raises:
        ProfileError: It is there already, cannot be written, or would not be read again.
    """
    text = as_toml(profile)
    path = folder / f"{profile.name}.toml"
    if parse_profile(text, name=profile.name, source=str(path)).wanted != profile.wanted:
        raise ProfileError(f"The profile {profile.name} cannot be written as a file.")
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
        _put(text, path, force=force)
    except OSError as error:
        if error.errno == errno.EEXIST and folder.is_dir():
            raise ProfileError(f"{path} is there already; --force replaces it.") from None
        reason = (error.strerror or str(error)).lower()
        raise ProfileError(f"{path} cannot be written: {reason}.") from None
    return path


def _put(text: str, path: Path, *, force: bool) -> None:
    fd, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        if force:
            fresh.replace(path)
        else:
            path.hardlink_to(fresh)  # unlike a rename, it fails where the name is taken
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()


def _setting(want: Wanted) -> str:
    target = f"{want.knob}@{want.instance}" if want.instance else want.knob
    value = want.value if want.value.isdecimal() else _quoted(want.value)
    said = {"bound": want.bound, "reason": want.reason}
    more = "".join(f", {key} = {_quoted(text)}" for key, text in said.items() if text)
    return f"{_quoted(target)} = " + (f"{{ value = {value}{more} }}" if more else value)


def _quoted(text: str) -> str:
    """A TOML string on one line; what cannot be seen is written by its number."""
    plain = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
    return (
        '"'
        + "".join(
            plain.get(char, char if char.isprintable() else f"\\U{ord(char):08x}") for char in text
        )
        + '"'
    )
