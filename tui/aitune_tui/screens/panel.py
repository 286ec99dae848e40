"""A panel: one rule with its title, then its rows. The rule is thick while the focus is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from aitune_widgets.rule import PanelRule

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from aitune_widgets.text import Line


class Panel(Vertical):
    """A rule and what stands under it.

    Args:
        number: The page it belongs to, or "".
        title: Its title.
        *body: What stands under the rule.
        focusable: Whether the panel itself takes the focus, for want of rows.
        id: Its id.
    """

    def __init__(
        self, number: str, title: str, *body: Widget, focusable: bool = False, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._rule = PanelRule(number, title)
        self._body = body
        self.can_focus = focusable

    def compose(self) -> ComposeResult:
        """Rule, then body."""
        yield self._rule
        yield from self._body

    def head(self, *, title: str | None = None, right: Line = ()) -> None:
        """Change what the rule says."""
        self._rule.show(title=title, right=right)

    def on_descendant_focus(self) -> None:
        """Something in the panel took the focus."""
        self._rule.focused = True

    def on_descendant_blur(self) -> None:
        """It lost it."""
        self._rule.focused = False

    def on_focus(self) -> None:
        """The panel itself took the focus."""
        self._rule.focused = True

    def on_blur(self) -> None:
        """It lost it."""
        self._rule.focused = False
