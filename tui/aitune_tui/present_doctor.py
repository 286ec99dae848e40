"""What was found of the machine and of its helper: the list, one finding in full, our own cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import confinement
from aitune_backends.findings.finding import SEVERITIES, in_order
from aitune_tui.words import counted
from aitune_widgets.findings_list import FindingRow
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.inspector import Field

if TYPE_CHECKING:
    from aitune_backends.changes import Wanted
    from aitune_backends.findings.finding import Finding, Severity
    from aitune_helper.messages import HelloReply
    from aitune_tui.state import State
    from aitune_widgets.text import Line, Segment
    from aitune_widgets.theme import Tone

NOTHING_FOUND = "Nothing stands out on this machine."
_MOST_ERRORS = 20
_MARKS: dict[Severity, tuple[str, Tone]] = {
    "problem": (GLYPHS["alarm"], "failed"),
    "warning": (GLYPHS["differs"], "differs"),
    "limit": (GLYPHS["absent"], "dim"),
    "info": (GLYPHS["info"], "dim"),
}


def all_findings(state: State) -> tuple[Finding, ...]:
    """What was found of the machine, and of the helper that answered; problems first."""
    if state.hello is None:
        return state.findings
    return in_order((*state.findings, *confinement.findings(state.hello)))


def counts(state: State) -> Line:
    """How many of which severity, for the rule: `1 problem · 2 warnings · 3 limits · 2 infos`."""
    found = all_findings(state)
    parts: list[Segment] = []
    for severity in SEVERITIES:
        number = sum(finding.severity == severity for finding in found)
        if not number:
            continue
        if parts:
            parts.append((" · ", "dim"))
        word = f"{number} info" if severity == "info" else counted(number, severity)
        parts.append((word, _MARKS[severity][1]))
    return tuple(parts)


def is_staged(state: State, fix: tuple[Wanted, ...]) -> bool:
    """Whether all of a fix is staged already, on one instance at least."""
    staged = {(target.knob, value) for target, value in state.staged.items()}
    return bool(fix) and all((want.knob, want.value) in staged for want in fix)


def rows(state: State) -> tuple[FindingRow, ...]:
    """The list, the urgent ones first."""
    out: list[FindingRow] = []
    for finding in all_findings(state):
        glyph, tone = _MARKS[finding.severity]
        staged = is_staged(state, finding.fix)
        mark = f"{GLYPHS['staged']} staged" if staged else "plan" if finding.fix else ""
        out.append(
            FindingRow(
                key=finding.id,
                glyph=glyph,
                word=finding.severity,
                tone=tone,
                title=finding.title,
                mark=mark,
                mark_tone="staged" if staged else "dim",
            )
        )
    return tuple(out)


class Detail(NamedTuple):
    """What the inspector shows of one finding."""

    title: str
    right: Line
    fields: tuple[Field, ...]
    keys: tuple[tuple[str, str], ...]


def find(state: State, key: str) -> Finding | None:
    """The finding of that id."""
    return next((finding for finding in all_findings(state) if finding.id == key), None)


def detail(state: State, key: str) -> Detail:
    """The finding under the cursor, in full."""
    finding = find(state, key)
    if finding is None:
        return Detail("Doctor", (), (Field("", NOTHING_FOUND),), ())
    glyph, tone = _MARKS[finding.severity]
    fields = [Field("What", finding.sentence)]
    if finding.hint:
        fields.append(Field("Do", finding.hint))
    if finding.fix:
        change = ", ".join(map(str, finding.fix))
        if is_staged(state, finding.fix):
            fields.append(Field("Plan", f"{change}, staged", "staged"))
        else:
            fields.append(Field("Plan", change))
    if finding.source:
        fields.append(Field("Source", finding.source, "dim"))
    keys: tuple[tuple[str, str], ...] = ()
    if finding.fix:
        stage = "unstage" if is_staged(state, finding.fix) else "stage"
        keys = (("Enter", "plan what mends it"), ("Space", stage))
    return Detail(finding.title, ((f"{glyph} {finding.severity}", tone),), tuple(fields), keys)


def helper_lines(hello: HelloReply | None, *, short: bool) -> tuple[Line, ...]:
    """How the root helper is confined and guarded, once it has answered."""
    if hello is None:
        return ()
    guardian = confinement.guardian(hello)
    held = sum(layer.held for layer in hello.sandbox)
    if short:
        layers = f", {held} of {len(hello.sandbox)} layers hold" if hello.sandbox else ""
        return ((("Root helper: guarded by ", "dim"), (f"{guardian}{layers}.", "fg")),)
    lines: list[Line] = [(("Root helper", "dim-bold"),)]
    lines.append((("  guardian: ", "dim"), (f"{guardian}.", "fg")))
    if not hello.sandbox and not hello.bundle_sha256:
        lines.append(((f"  {confinement.NOT_CONFINED}", "dim"),))
    for layer in hello.sandbox:
        glyph: Segment = (GLYPHS["ok"], "ok") if layer.held else (GLYPHS["differs"], "differs")
        lines.append((("  ", "fg"), glyph, (f" {confinement.layer(layer)}", "fg")))
    return tuple(lines)


def our_cost(state: State) -> tuple[Line, ...]:
    """What it costs to look, and what could not be read."""
    if state.sample is None:
        return ()
    cost = f"{state.sample.cost_s * 1000:.1f} ms of CPU time"
    lines: list[Line] = [(("Each look at this machine costs ", "dim"), (cost, "fg"), (".", "dim"))]
    for path, why in list(state.sample.errors.items())[:_MOST_ERRORS]:
        lines.append(((f"{GLYPHS['failed']} ", "failed"), (f"Reading {path} failed: {why}", "fg")))
    return tuple(lines)
