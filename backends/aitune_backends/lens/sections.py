"""Text with `[sections]` and `name = value` lines, as TuneD's parser reads it, with line numbers.

The rules are those of Python's configparser, which TuneD uses: `#` and `;` begin a comment line,
` #` ends a value, an indented line continues the value above it, the last of equal names counts.
Unlike configparser this keeps the place of every line, and of a line that it cannot read it says so
instead of refusing the file. It is linear in the length of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_COMMENTS = ("#", ";")
_LONGEST_COMMENT = 400


@dataclass(slots=True)
class Assignment:
    """One `name = value`.

    Attributes:
        section: The section it stands in; "" before the first.
        name, value: As written; a value over several lines keeps its line feeds.
        line: The number of its line, from 1.
        comment: The comment lines right above it, joined.
    """

    section: str
    name: str
    value: str
    line: int
    comment: str = ""


@dataclass(slots=True)
class Sections:
    """What a text holds.

    Attributes:
        assignments: In the order of the text.
        unread: Lines that are no assignment: number and text.
    """

    assignments: list[Assignment] = field(default_factory=list)
    unread: list[tuple[int, str]] = field(default_factory=list)


def parse_sections(text: str, section: str = "") -> Sections:
    """Read a text.

    Args:
        text: The whole file.
        section: The section that lines before the first heading belong to; "" for none, where
            such lines are no assignments.
    """
    found = Sections()
    current: Assignment | None = None
    continued: list[str] = []
    comment: list[str] = []
    indent = 0

    def end() -> None:
        """Close the assignment that further lines might have continued."""
        nonlocal current
        if current is not None:
            current.value = "\n".join([current.value, *continued]).rstrip()
        current = None
        continued.clear()

    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        said = _without_comment(line)
        if not said:
            if line.strip():
                comment.append(line.strip().lstrip("#; "))
            else:
                comment.clear()
                continued.append("")
            continue
        start = len(line) - len(line.lstrip())
        if current is not None and start > indent:
            continued.append(said)
            continue
        end()
        indent = start
        heading = _heading(said)
        name, equals, value = said.partition("=")
        if heading:
            section = heading
        elif not equals or not name.strip() or not section:
            found.unread.append((number, said))
        else:
            above = " ".join(comment)[:_LONGEST_COMMENT]
            current = Assignment(section, name.strip(), value.strip(), number, above)
            found.assignments.append(current)
        comment.clear()
    end()
    return found


def _heading(said: str) -> str:
    """The name of a section, if this line begins one."""
    if not said.startswith("["):
        return ""
    return said[1 : said.rfind("]")] if "]" in said[2:] else ""


def _without_comment(line: str) -> str:
    """What a line says; "" for a comment and for a blank line."""
    stripped = line.strip()
    if stripped.startswith(_COMMENTS):
        return ""
    at = line.find("#")
    while at > 0 and not line[at - 1].isspace():
        at = line.find("#", at + 1)
    return line[:at].strip() if at >= 0 else stripped
