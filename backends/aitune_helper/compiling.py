"""Keeping what the interpreter makes of our sources, so that the next start need not make it again.

Compiling them takes longer than all the rest of a start. The guardian does it, which has time, once
a boot for each file and interpreter, before it is confined; what is kept is read by `compiled`.
"""

from __future__ import annotations

import hashlib
import os

from aitune_helper import compiled, files, places

_PACKAGE = "aitune_helper"
# Of a compiled file: not made from a file with a date, and not to be checked against one.
_UNCHECKED = (1).to_bytes(4, "little") + bytes(8)


def prepare() -> None:
    """Make the directory; where that fails, nothing is kept."""
    try:
        places.directory(compiled.FOLDER, 0o755)
    except OSError:
        return


def keep(program: str, sha256: str) -> None:
    """Put the copy there if it is missing, in a process of its own, which nobody waits for.

    To be called before the sandbox is entered, which hides the place.

    Args:
        program: The zipapp we were started from.
        sha256: Its digest.
    """
    path = compiled.path(sha256)
    if os.path.lexists(path):
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if os.fork() == 0:
            made = archive(program)
            # The file may have been replaced while it was read: its name must not lie.
            if hashlib.sha256(files.read_file(program) or b"").hexdigest() == sha256:
                files.replace_file(path, made, 0o644, sync=False)
    except (OSError, ImportError):
        pass  # the next start compiles, as this one did
    finally:
        os._exit(0)


def archive(program: str) -> bytes:
    """Our modules as this interpreter compiles them, as an archive it can import from."""
    # Needed once a boot, and by no start that somebody waits for.
    import io
    import marshal
    import zipfile
    import zipimport
    from _frozen_importlib_external import MAGIC_NUMBER

    sources = zipimport.zipimporter(f"{program}/{_PACKAGE}")
    with zipfile.ZipFile(program) as packed:
        names = [name for name in packed.namelist() if name.startswith(f"{_PACKAGE}/")]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for name in names:
            module = name[len(_PACKAGE) + 1 : -len(".py")]
            code = marshal.dumps(sources.get_code(module))
            out.writestr(f"{name}c", MAGIC_NUMBER + _UNCHECKED + code)
    return made.getvalue()
