"""Profiles from the dashboard: which there are, this machine beside one, its rows staged, exports.

Reading a profile and comparing the machine with it happens away from the screen, in a thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aitune_backends.targets import DIFFERS
from aitune_tui import events, sentences
from aitune_tui import state as rules
from aitune_tui.selection import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile, Verdict
    from aitune_tui.board import Board

_ACTIVE = "/etc/tuned/active_profile"
_MOST_ACTIVE = 4


@dataclass(frozen=True, slots=True)
class Known:
    """A profile that can be looked at.

    Attributes:
        name: What opens it: its name, or `tuned:NAME`.
        title: A few words; why it cannot be used, where it cannot.
        source: Where it comes from.
        usable: Whether it could be read.
    """

    name: str
    title: str
    source: str
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    """This machine beside one profile.

    Attributes:
        name: What opened it.
        profile: What it wants.
        rows: Verdicts, those of one setting that fare alike together.
        counts: `7 match, 3 differ, 2 do not exist here`.
        left: How many lines of it are no settings of ours.
    """

    name: str
    profile: Profile
    rows: tuple[tuple[Verdict, ...], ...]
    counts: str
    left: int

    def row(self, key: str) -> tuple[Verdict, ...]:
        """The verdicts of a row, () for a key of none."""
        return next((row for row in self.rows if row_key(row) == key), ())


def row_key(row: tuple[Verdict, ...]) -> str:
    """What tells a row from all others: its targets in the grammar of `selection`, its value."""
    return f"{row[0].target}{'+' if len(row) > 1 else ''} {row[0].wanted}"


def setting_of(key: str) -> str:
    """The targets of a row, by its key."""
    return key.partition(" ")[0]


class Profiling:
    """The flow of the page of profiles, for one dashboard."""

    def __init__(self, app: Board) -> None:
        self._app = app
        self._wanted = ""

    def open(self, name: str = "") -> None:
        """The page is shown: list what there is, and compare with one of them."""
        self._wanted = name or self._wanted or "classic"
        self._compare(self._wanted, listed=True)

    def choose(self, name: str) -> None:
        """Compare with this one."""
        if name != self._wanted:
            self._wanted = name
            self._compare(name, listed=False)

    def surveyed(self) -> None:
        """Every setting was read again: so is what is shown beside them."""
        if self._wanted and self._app.main.page_key == "P":
            self._compare(self._wanted, listed=False)

    def _compare(self, name: str, *, listed: bool) -> None:
        app = self._app
        host = app.machine.host

        def work() -> None:
            if listed:
                app.post_message(events.ProfilesListed(known_profiles(host)))
            found, why = compare(host, name)
            app.post_message(events.ProfileCompared(name, found, why))

        self._in_thread(work)

    def compared(self, event: events.ProfileCompared) -> None:
        """One profile was read; another may have been chosen meanwhile."""
        if event.name == self._wanted:
            app = self._app
            shown = event.compared
            app.set_state(replace(app.state, compared=shown, not_compared=event.why))

    def toggle(self, key: str) -> None:
        """Stage what one row wants, or take it back."""
        app, shown = self._app, self._app.state.compared
        row = shown.row(key) if shown is not None else ()
        if not row or shown is None:
            return
        targets = self._targets(row)
        if all(rules.is_staged(app.state, target, value) for target, value in targets):
            app.set_state(rules.unstage(app.state, [self._shown(t) for t, _ in targets]))
        elif row[0].found is None:
            app.note("info", row[0].why)
        elif row[0].ok:
            app.note("info", sentences.ALREADY_SO)
        else:
            app.set_state(rules.stage(app.state, targets, title=f"profile {shown.profile.name}"))

    def stage_all(self) -> None:
        """Stage all that differ, where nothing is staged yet."""
        app, shown = self._app, self._app.state.compared
        if shown is None or app.state.staged:
            return
        rows = [row for row in shown.rows if row[0].state == DIFFERS]
        targets = [pair for row in rows for pair in self._targets(row)]
        title = f"profile {shown.profile.name}"
        app.set_state(rules.stage(app.state, targets, title=title))

    def ask_export(self) -> None:
        """Ask in which form the profile that is shown is copied."""
        from aitune_tui.screens.export import ExportDialog

        app, shown = self._app, self._app.state.compared
        if app.main.page_key != "P" or shown is None:
            app.note("info", sentences.EXPORT_WHERE)
            return

        def answered(form: str | None) -> None:
            if form is not None:
                self.export(form)

        app.push_screen(ExportDialog(shown.profile.name), answered)

    def export(self, form: str) -> None:
        """Make an export of the profile that is shown, and copy it."""
        shown = self._app.state.compared
        if shown is None:
            return
        profile, app = shown.profile, self._app

        def work() -> None:
            from aitune_backends.exports import export

            made = export(profile, form, app.machine.host)
            app.post_message(events.ProfileExported(profile.name, form, made))

        self._in_thread(work)

    def exported(self, event: events.ProfileExported) -> None:
        """An export was made: copy it (OSC 52), and say what is not in it."""
        self._app.copy_to_clipboard(event.exported.text)
        self._app.note("info", sentences.copied_export(event))

    def _targets(self, row: Iterable[Verdict]) -> list[tuple[Target, str]]:
        return [(Target(each.knob, each.instance), each.wanted) for each in row]

    def _shown(self, target: Target) -> Target:
        return rules.shown_as(target, self._app.state.default_pool_kib)

    def _in_thread(self, work: Callable[[], None]) -> None:
        app = self._app

        def safely() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a fault here must not end in silence
                text = f"Reading the profile failed: {type(error).__name__}: {error}."
                app.post_message(events.LookFailed(text))

        threading.Thread(target=safely, name="profiles", daemon=True).start()


def known_profiles(host: Host) -> tuple[Known, ...]:
    """Those built in, the machine's and the operator's, and TuneD's active ones."""
    from aitune_backends import profiles

    found: list[Known] = []
    for name in profiles.names():
        try:
            each = profiles.load(name)
            found.append(Known(name, each.title, each.source))
        except profiles.ProfileError as error:
            found.append(Known(name, str(error), "", usable=False))
    active = (host.first_line(_ACTIVE) or "").split()[:_MOST_ACTIVE]
    return (*found, *(Known(f"tuned:{name}", "active in TuneD", _ACTIVE) for name in active))


def compare(host: Host, name: str) -> tuple[Compared | None, str]:
    """A machine beside a profile; without one, why it cannot be read."""
    from aitune_backends import profiles
    from aitune_backends.lens import LensError
    from aitune_backends.lens.picking import open_settings
    from aitune_backends.profiles.verdicts import grouped, summary

    try:
        found = open_settings(name, host)
    except (profiles.ProfileError, LensError) as error:
        return None, str(error)
    verdicts = profiles.verify(found.profile, host)
    left = len(found.left)
    return Compared(name, found.profile, grouped(verdicts), summary(verdicts), left), ""
