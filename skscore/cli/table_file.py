"""Tables in CSV and parquet files, as tables of pyarrow.

A CSV file has a line of names. Columns are whole numbers, numbers, true and false, dates or times in ISO format, or
else text; an empty cell and ``NA`` are missing in any of them, so that whole numbers stay whole. Numbers are written
with as many digits as they need.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import narwhals as nw

from ..neural.writing import written_whole

__all__ = ["read_table", "table_path", "write_table"]

SUFFIXES = (".csv", ".parquet")


def table_path(path: str) -> str:
    """Return the path; a ValueError if its ending is of no kind of table."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no table by its ending: give one that ends in {' or '.join(SUFFIXES)}.")
    return path


def read_table(path: str, text: Iterable[str] = ()) -> Any:
    """Return the table in a file.

    Parameters
    ----------
    path : str
        It ends in ``.csv`` or ``.parquet``.
    text : iterable of str
        Columns of a CSV file that are text whatever they look like.

    Returns
    -------
    pyarrow.Table
        Of one row at least.

    Raises
    ------
    ValueError
        If the file is no table, has no rows, or two columns of one name.
    OSError
        If the file cannot be read.
    """
    arrow = _pyarrow()
    read = _read_csv if table_path(path).lower().endswith(".csv") else _read_parquet
    with open(path, "rb") as file:
        try:
            table = read(file, text)
        except (arrow.ArrowException, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is damaged or no table: {error}") from None
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path} has more than one column of the name {', '.join(map(repr, twice))}: rename them.")
    if not table.num_rows:
        raise ValueError(f"{path} has no rows: give a table with a line for each row.")
    return table


def _read_csv(file, text):
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(strings_can_be_null=True, column_types=dict.fromkeys(text, pa.string()))
    return csv.read_csv(file, convert_options=options)


def _read_parquet(file, text):
    from pyarrow import parquet

    return parquet.read_table(file)


def write_table(frame: Any, path: str | None) -> None:
    """Write a frame to a file by its ending, whole or not at all; as CSV to the standard output if there is no path.

    Parameters
    ----------
    frame : frame of pandas, polars or pyarrow
    path : str or None
        It ends in ``.csv`` or ``.parquet``.
    """
    _pyarrow()
    table = nw.from_native(frame, eager_only=True).to_arrow()
    if path is None:
        _print(table)
        return
    write = _write_csv if table_path(path).lower().endswith(".csv") else _write_parquet
    with written_whole(path) as file:
        write(table, file)


def _print(table):
    try:
        _write_csv(table, sys.stdout.buffer)
        sys.stdout.flush()
    except OSError:  # or the interpreter tries again as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _write_csv(table, file):
    from pyarrow import csv

    csv.write_csv(table, file)


def _write_parquet(table, file):
    from pyarrow import parquet

    parquet.write_table(table, file)


def _pyarrow():
    try:
        import pyarrow
    except ImportError as error:
        raise ModuleNotFoundError(
            f"tables are read and written by pyarrow, which is not installed, or damaged ({error}): "
            "pip install 'skscore[cli]'.",
            name="pyarrow",
        ) from None
    return pyarrow
