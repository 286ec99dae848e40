"""Every action by its plain name, for the command palette."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from aitune_tui.present_frame import PAGES
from aitune_tui.sentences import ACTION_TITLES

if TYPE_CHECKING:
    from aitune_tui.app import Dashboard


class Named(NamedTuple):
    """An action and what it is called."""

    title: str
    help: str
    run: Callable[[], object]


class AllCommands(Provider):
    """Offers what each key does, and what has no key."""

    @property
    def _dashboard(self) -> Dashboard:
        return cast("Dashboard", self.app)

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for named in self._all():
            yield DiscoveryHit(named.title, named.run, help=named.help)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for named in self._all():
            score = matcher.match(named.title)
            if score > 0:
                yield Hit(score, matcher.highlight(named.title), named.run, help=named.help)

    def _all(self) -> Iterator[Named]:
        app = self._dashboard

        def action(name: str) -> Callable[[], object]:
            return partial(app.run_action, name)

        for page in PAGES:
            go = partial(app.main.action_page, page.key)
            yield Named(f"Go to: {page.title}", f"key {page.key}", go)
        yield Named("Plan: what is staged", "p; nothing is written before a", action("plan"))
        yield Named("Plan: everything advised here", "S, then p", action("stage_page"))
        yield Named("Forget what is staged", "", action("forget_staged"))
        for name in self._profiles():
            run = partial(app.stage_profile, name)
            yield Named(f"Profile: {name}…", "stage it and open its plan", run)
        for name in self._profiles():
            run = partial(app.begin_exercise, name)
            yield Named(
                f"Exercise: {name}…", "time a load before and after, then undo everything", run
            )
        go = partial(app.main.action_page, "P")
        yield Named("Profile: compare this machine with one", "P", go)
        yield Named("Profile: copy it for another tool…", "P, then x", action("export_profile"))
        yield Named("Undo: the last kept change", "u", action("undo"))
        yield Named("Trial: keep", "K", action("keep"))
        yield Named("Trial: put back now", "R", action("put_back"))
        for name, title in ACTION_TITLES.items():
            ask = partial(app.ask_act, name)
            yield Named(f"Memory: {title[0].lower()}{title[1:]}…", "once; asks first", ask)
        yield Named(
            "Memory: more huge pages…", "M; after a pool came out short", action("more_pages")
        )
        yield Named("Root helper: connect", "w", action("connect"))
        yield Named("Root helper: install…", "", partial(app.ask_install, ""))
        yield Named("Changes: read the journal", "H", action("read_journal"))
        yield Named("Load test: time a load", "l", action("load_test"))
        yield Named("Load test: choose files…", "o", action("choose_files"))
        yield Named("Load test: cancel", "c", action("cancel"))
        yield Named("Goal: the next one", f"g; now {app.state.goal}", action("next_goal"))
        yield Named("Show: only what differs", "!", action("differs_only"))
        yield Named("Show: freeze, or go on", "f", action("freeze"))
        yield Named("Copy: the command for this setting", "y", action("copy_command"))
        yield Named("Explain: all that is known of this setting", "i", app.main.action_why)
        yield Named("Help: all keys", "?", action("help"))
        yield Named("Quit", "q", action("ask_quit"))

    def _profiles(self) -> tuple[str, ...]:
        from aitune_backends import profiles

        return profiles.names()
