"""Load tests and the exercise, run from the dashboard: in a process of their own, watched here."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from aitune_tui import events, measuring

if TYPE_CHECKING:
    from aitune_backends.loads.model_files import ModelFiles
    from aitune_backends.loads.records import Event, LoadResult
    from aitune_backends.loads.runner import LoadTest
    from aitune_tui.board import Board


class Timing:
    """The flows of timing loads, for one dashboard."""

    def __init__(self, app: Board) -> None:
        self._app = app
        self._test: LoadTest | None = None

    def choose(self, model: ModelFiles | None) -> None:
        """Take over the files chosen."""
        if model is not None:
            self._app.set_measuring(replace(self._app.measuring, model=model))

    def start(self) -> bool:
        """Start a test of the files chosen; False where none are."""
        app = self._app
        request = app.measuring.request
        if request is None or app.measuring.running:
            return request is not None
        from aitune_backends.loads.runner import LoadTest

        self._test = LoadTest(request)
        app.set_measuring(measuring.started(app.measuring))
        test = self._test.start()

        def listen() -> None:
            for event in test:
                app.post_message(events.LoadTestReported(event))

        threading.Thread(target=listen, name="load-test-listener", daemon=True).start()
        return True

    def cancel(self) -> None:
        """End the test that runs; nothing of it counts."""
        if self._test is not None:
            self._test.cancel()

    def heard(self, event: Event) -> None:
        """The test made progress or ended; a result is kept."""
        from aitune_backends.loads.records import ENDS, Failed, Finished

        app = self._app
        app.set_measuring(measuring.heard(app.measuring, event))
        if isinstance(event, Finished):
            if self.save(event.result):
                app.note("ok", _said(app.measuring))
        elif isinstance(event, Failed):
            app.note("failed", event.sentence)
        if isinstance(event, ENDS):
            self._test = None

    def save(self, result: LoadResult) -> bool:
        """Keep a result; say so where that fails."""
        from aitune_backends.loads.store import StoreError

        try:
            self._app.store.save(result)
        except (StoreError, OSError) as error:
            self._app.note("failed", f"The result is shown but could not be kept: {error}")
            return False
        return True

    def read_results(self) -> None:
        """Read what was timed earlier, away from the screen."""
        app = self._app

        def read() -> None:
            from aitune_backends.loads.store import StoreError

            try:
                results = app.store.results()
            except (StoreError, OSError) as error:
                app.post_message(events.Noted("failed", f"{error}"))
                return
            app.post_message(events.ResultsRead(results))

        threading.Thread(target=read, name="results", daemon=True).start()


def _said(measuring_: measuring.Measuring) -> str:
    """What is said of a finished test: 5 has something to show only after two alike."""
    beside = "5 shows it beside the one before." if measuring_.pair is not None else ""
    return f"The load was timed. {beside}".strip()
