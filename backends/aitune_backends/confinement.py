"""What the root helper is confined by, as sentences: each layer, its guardian, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.findings.finding import Finding

if TYPE_CHECKING:
    from aitune_helper.messages import Attempt, HelloReply, Layer

# What each layer is for; where it is missing, that is what the others have to hold.
_PURPOSE = {
    "capabilities": "rights of root beyond writing its own files",
    "no_new_privs": "gaining rights through another program",
    "landlock": "writing to files that no setting needs",
    "seccomp": "system calls that change modes, load modules or start programs",
    "limits": "large files, core dumps and many open files",
    "memory lock": "waiting for swap when everything has to go back",
    "oom": "being chosen when memory runs out",
}
_GUARDIANS = {
    "systemd": "a service of its own, which systemd starts again",
    "process": "a process in a session of its own",
    "thread": "a part of this program",
}
NOT_CONFINED = "It runs inside this program, without a sandbox."


def guardian(hello: HelloReply) -> str:
    """How what is on trial is guarded."""
    return _GUARDIANS.get(hello.guardian, f"missing: {hello.guardian}")


def layer(held: Layer) -> str:
    """One layer in a line: `landlock: held, ABI 7`."""
    text = f"{held.name}: {'held' if held.held else 'missing'}"
    return f"{text}, {held.note}" if held.note else text


def attempt(tried: Attempt) -> str:
    """One way out that was tried: `write /etc/passwd: held, EACCES`."""
    text = f"{tried.name}: {'held' if tried.held else 'BROKE OUT'}"
    return f"{text}, {tried.note}" if tried.note else text


def findings(hello: HelloReply) -> tuple[Finding, ...]:
    """What is missing of the helper's confinement, each with what that leaves open."""
    found = [
        Finding(
            f"helper-{missing.name.replace(' ', '-').replace('_', '-')}",
            f"No {missing.name}",
            f"The root helper runs without {missing.name}"
            f"{f' ({missing.note})' if missing.note else ''}: the other layers alone keep it from "
            f"{_PURPOSE.get(missing.name, 'what this one is for')}.",
            "`aitune-tui helper status --self-test` shows whether they do.",
        )
        for missing in hello.sandbox
        if not missing.held
    ]
    if not hello.sandbox and hello.bundle_sha256:
        found.append(
            Finding(
                "helper-sandbox",
                "No sandbox",
                "The root helper that is installed does not confine itself.",
                "w replaces it by the one that belongs to this program.",
                "problem",
            )
        )
    if hello.guardian not in _GUARDIANS:
        found.append(
            Finding(
                "helper-guardian",
                "No guardian",
                f"Nothing would put a trial back in time: {hello.guardian}. So nothing is written.",
                severity="problem",
            )
        )
    if not hello.journal_ok:
        found.append(
            Finding(
                "helper-journal",
                "No journal",
                "The journal cannot be written, and without it nothing is changed.",
                "Make room in /var/lib/aitune, or mount it writable.",
                "problem",
            )
        )
    return tuple(found)
