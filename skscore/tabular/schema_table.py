"""The columns of a schema as a table to read: name, kind, dtype and what values they have."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from ..maps.cells import EvenCells
from .columns import Column

__all__ = ["html_table", "text_table"]

HEADER = ("column", "kind", "dtype", "values")
SHOWN = 6  # levels that are named
UNITS = {"D": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def text_table(columns: Iterable[Column]) -> str:
    """Return the table in lines of text."""
    lines = [HEADER, *map(_cells, columns)]
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def html_table(columns: Iterable[Column]) -> str:
    """Return the table in HTML."""
    rows = "".join(_html_row("td", _cells(column)) for column in columns)
    return f"<table><thead>{_html_row('th', HEADER)}</thead><tbody>{rows}</tbody></table>"


def _html_row(tag, texts):
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for text in texts)}</tr>"


def _cells(column):
    """Texts of the line of a column."""
    return str(column.name), column.kind, str(column.dtype), _values(column)


def _values(column):
    """What values a column has."""
    if column.kind == "ignore":
        return ""
    if column.kind == "constant":
        return "always " + (_listed(column.levels) if len(column.levels) else "missing")
    parts = [_levels(column)] if column.line is None else list(_line(column))
    return "; ".join([*parts, *(["missing"] if column.missing not in (None, -1) else [])])


def _levels(column):
    return f"{len(column.levels)} level{'s' * (len(column.levels) > 1)}: {_listed(column.levels)}"


def _line(column):
    """Range, step and states of a numeric column."""
    line = column.line
    yield " to ".join(_end(line, bound) for bound in line.bounds)
    unit = f" {UNITS.get(line.unit, 'nanoseconds')}" if line.unit else ""
    if isinstance(line.cells, EvenCells):
        yield f"step {line.cells.width:g}{unit}"
    elif line.cells is not None:
        yield f"{len(line.cells.values)} recur"
    if len(column.levels):
        yield f"often {_listed(column.levels)}"


def _end(line, bound):
    return _text(line.values(np.array([bound]))[0])


def _listed(levels):
    """The first of the levels."""
    return ", ".join([*map(_text, levels[:SHOWN]), *(["…"] if len(levels) > SHOWN else [])])


def _text(value):
    """A value as one writes it: a float without noise, a time without the parts that are zero."""
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="auto"))
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)
