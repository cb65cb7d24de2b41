"""Draws a table of text: lines around the cells, in colour where `rich` is installed; or Markdown, HTML, bare text."""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """What a table holds.

    Attributes:
      titles: The head of each column.
      rows: For each row a text for each column; a text may have several lines.
      right: Whether each column is aligned to the right, as numbers are.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]


def _grid(table: Table) -> str:
    try:
        import rich.table  # noqa: F401
    except ImportError:
        return _ascii_grid(table)
    return _rich_grid(table)


def _rich_grid(table: Table) -> str:
    """Draws with rich: as wide as the terminal and in colour on one, else as wide as the text and without colour."""
    import io

    import rich.box
    import rich.console
    import rich.table
    from rich.text import Text

    on_terminal = sys.stdout.isatty()
    # Wider than any text, so that nothing is broken where nothing says how wide a line may be.
    console = rich.console.Console(file=io.StringIO(), force_terminal=on_terminal, width=None if on_terminal else 10**6)
    drawn = rich.table.Table(box=rich.box.SQUARE, show_lines=True, header_style="bold")
    for title, right in zip(table.titles, table.right, strict=True):
        drawn.add_column(Text(title), justify="right" if right else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(Text, row))  # As Text, in which [3,2] is no markup.
    with console.capture() as captured:
        console.print(drawn)
    return captured.get().rstrip("\n")


def _ascii_grid(table: Table) -> str:
    widths = _widths(table)
    line = "+".join(["", *("-" * (width + 2) for width in widths), ""])
    parts = [line, _padded(table, table.titles, widths, "| ", " | ", " |"), line.replace("-", "=")]
    for row in table.rows:
        parts += [_padded(table, row, widths, "| ", " | ", " |"), line]
    return "\n".join(parts)


def _plain(table: Table) -> str:
    widths = _widths(table)
    return "\n".join(_padded(table, row, widths, "", "  ", "") for row in (table.titles, *table.rows))


def _github(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), '<br>') for cell in cells)} |"

    marks = ["--:" if right else "---" for right in table.right]
    return "\n".join(map(line, (table.titles, marks, *table.rows)))


def _html(table: Table) -> str:
    from html import escape

    def line(tag: str, cells: Sequence[str]) -> str:
        aligned = (' style="text-align: right"' if right else "" for right in table.right)
        texts = (escape(cell).replace("\n", "<br>") for cell in cells)
        return "<tr>" + "".join(f"<{tag}{a}>{t}</{tag}>" for a, t in zip(aligned, texts, strict=True)) + "</tr>"

    head, body = line("th", table.titles), "\n".join(line("td", row) for row in table.rows)
    return f"<table>\n<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _widths(table: Table) -> list[int]:
    columns = zip(table.titles, *table.rows, strict=True)
    return [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]


def _padded(table: Table, cells: Sequence[str], widths: Sequence[int], left: str, between: str, right: str) -> str:
    """Returns the lines of a row, with all cells as wide as their columns."""
    split = [cell.split("\n") for cell in cells]
    lines = []
    for i in range(max(map(len, split))):
        texts = [lines_of_cell[i] if i < len(lines_of_cell) else "" for lines_of_cell in split]
        aligned = [t.rjust(w) if r else t.ljust(w) for t, w, r in zip(texts, widths, table.right, strict=True)]
        lines.append(f"{left}{between.join(aligned)}{right}".rstrip())
    return "\n".join(lines)


FORMATS: dict[str, Callable[[Table], str]] = {"grid": _grid, "plain": _plain, "github": _github, "html": _html}
"""How a table can be drawn, by name."""
