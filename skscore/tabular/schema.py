"""The schema of a table: what fit learns of a frame, and frames as rows of levels and numbers and back.

The frame is one of pandas, polars or pyarrow, or a two-dimensional array. Its columns become a discrete and a numeric
block (:mod:`skscore.models.mixed.rows`), each in the order of the frame:

- discrete columns stand in the discrete block, one level for each value and one for missing cells if there were any;
- numeric columns stand in the numeric block, and in the discrete one with a state if not every cell holds a number;
- constant columns stand in neither: they come back as they were, and nothing else is like them.

What fit did not see (an unknown level, another value of a constant, a missing cell of a column that had none) has the
code `NOT_KNOWN`, or no number, and makes its row `unlike` the table. Columns are found by their names, in any order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from ..domains.frame_cells import ColumnCells, array_name, columns_of, library_of, read_cells, scalar_cell
from ..estimators.native_dtypes import native_frame_of
from ..maps.cells import EvenCells, OwnCells
from ..models.mixed.rows import ALWAYS, CellMask, Layout, Rows
from .column_kinds import check_column_types
from .columns import NOT_KNOWN, Column
from .schema_table import html_table, text_table

__all__ = ["Schema"]

MISSINGNESS = ("model", "ignore")
HANDLE_UNKNOWN = ("error", "neg_inf", "na")
SHOWN = 5  # strange values that a message names
LEAVE_OUT = (
    "With handle_unknown='neg_inf' rows with such cells have the log-density -inf, with handle_unknown='na' such cells "
    "are not known."
)


@dataclass(frozen=True, repr=False)
class Schema:
    """The columns of a frame.

    Attributes
    ----------
    columns : tuple of Column
        In the order of the frame.
    library : {"pandas", "polars", "pyarrow", "numpy"}
        Of the frame.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skscore.tabular.schema import Schema
    >>> frame = pd.DataFrame({
    ...     "species": pd.Categorical(["Adelie", "Gentoo", "Gentoo"]),
    ...     "bill": [39.1, np.nan, 46.5],
    ...     "year": [2007, 2008, 2009],
    ... })
    >>> schema = Schema.of(frame, {"year": "integer"})
    >>> schema
    column   kind         dtype     values
    species  categorical  category  2 levels: Adelie, Gentoo
    bill     real         float64   39.1 to 46.5; step 0.1; missing
    year     integer      int64     2007 to 2009; step 1
    >>> rows = schema.encode(frame)
    >>> rows.codes  # of the species, and the state of the bill
    array([[0, 0],
           [1, 1],
           [1, 0]])
    >>> rows.numbers
    array([[  39.1, 2007. ],
           [   nan, 2008. ],
           [  46.5, 2009. ]])
    >>> schema.decode(rows).equals(frame)
    True
    """

    columns: tuple[Column, ...]
    library: str

    @classmethod
    def of(
        cls,
        frame: Any,
        column_types: Mapping[Hashable, str] | None = None,
        missingness: str = "model",
        weight: ndarray | None = None,
    ) -> Schema:
        """Return the schema of a `frame`.

        Parameters
        ----------
        frame : frame of pandas, polars or pyarrow, or ndarray of shape (n, d)
        column_types : mapping from names to kinds, optional
            Where the guess is wrong: "real", "integer", "ordered", "categorical", "boolean", "date" or "ignore".
        missingness : {"model", "ignore"}
            Whether a numeric column with missing cells has a state, or these tell nothing.
        weight : ndarray of shape (n,) or None
            Of the rows: which values hold a large share of a column.

        Returns
        -------
        Schema

        Raises
        ------
        ValueError
            If the frame cannot be read, a column holds what has no density or names the rows, or an argument is
            unknown. The message names the column and the remedy.
        """
        if missingness not in MISSINGNESS:
            raise ValueError(f"missingness is {missingness!r}: give one of {list(MISSINGNESS)}.")
        native = columns_of(frame)
        if isinstance(frame, ndarray):
            column_types = {array_name(key): kind for key, kind in (column_types or {}).items()}
        asked = check_column_types(column_types, native)
        columns = [Column.learn(name, column, asked.get(name), missingness, weight) for name, column in native.items()]
        if all(column.kind == "ignore" for column in columns):
            raise ValueError("column_types leaves out every column of the frame: keep one at least.")
        return cls(_placed(columns), library_of(next(iter(native.values()))))

    # ---- the two blocks --------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        """Levels of the discrete block, and the state of each numeric column."""
        n_levels = tuple(column.n_levels for column in self.columns if column.discrete is not None)
        return Layout(n_levels, tuple(ALWAYS if c.discrete is None else c.discrete for c in self._numeric))

    @property
    def cells(self) -> list[EvenCells | OwnCells | None]:
        """Cells of each numeric column, None if it is continuous."""
        return [column.line.cells for column in self._numeric]

    @property
    def missing_levels(self) -> list[int | None]:
        """Level of each discrete column that says that the cell is missing, None if it has none."""
        return [None if c.missing == NOT_KNOWN else c.missing for c in self.columns if c.discrete is not None]

    @property
    def _numeric(self):
        return [column for column in self.columns if column.numeric is not None]

    @property
    def _kept(self):
        return [column for column in self.columns if column.kind != "ignore"]

    def column(self, name: Hashable) -> Column:
        """Return the column of this name, of an array also by its position; a ValueError if there is none."""
        sought = array_name(name) if self.library == "numpy" else name
        for column in self.columns:
            if column.name == sought:
                return column
        raise ValueError(f"There is no column {name!r}: fit saw {[column.name for column in self.columns]}.")

    def discrete_of(self, name: Hashable) -> int | None:
        """Return the place in the discrete block of a column or, if it is numeric, of its state."""
        return self.column(name).discrete

    def numeric_of(self, name: Hashable) -> int | None:
        """Return the place of a column in the numeric block."""
        return self.column(name).numeric

    def cells_of(self, columns: Iterable[Hashable], n: int) -> CellMask:
        """Return the mask of all cells of these columns, states too, over `n` rows."""
        mask = self._no_cells(n)
        for column in map(self.column, columns):
            _write(mask, column, True, True)
        return mask

    def _no_cells(self, n):
        layout = self.layout
        return CellMask(np.zeros((n, len(layout.n_levels)), dtype=bool), np.zeros((n, len(layout.state)), dtype=bool))

    # ---- frames as rows --------------------------------------------------------------------------

    def encode(self, frame: Any, handle_unknown: str = "error", every: bool = True) -> Rows:
        """Return the rows of a `frame`.

        Parameters
        ----------
        frame : frame or ndarray
            With the columns that fit saw, those that are ignored or not.
        handle_unknown : {"error", "neg_inf", "na"}
            What of cells that fit did not see the like of: a ValueError, or the code `NOT_KNOWN`. Which rows hold such
            cells is `unlike`.
        every : bool
            Whether each column has to be there; if not, nothing is known of those that are not.
        """
        return self.rows_and_unlike(frame, handle_unknown, every)[0]

    def unlike(self, frame: Any) -> ndarray:
        """Return which rows of a `frame` hold a cell that fit did not see the like of, shape (n,)."""
        return self.rows_and_unlike(frame, "na")[1]

    def rows_and_unlike(self, frame: Any, handle_unknown: str = "error", every: bool = True) -> tuple[Rows, ndarray]:
        """Return what `encode` and `unlike` do, of a `frame` that is read once."""
        if handle_unknown not in HANDLE_UNKNOWN:
            raise ValueError(f"handle_unknown is {handle_unknown!r}: give one of {list(HANDLE_UNKNOWN)}.")
        native = self._columns_in(frame, every)
        rows, unlike = self._nothing_known(_height(native)), np.zeros(_height(native), dtype=bool)
        for column, cells in self._read(native):
            found = column.encode(cells)
            if handle_unknown == "error":
                _refuse_unlike(column, cells, found.unlike, f"{LEAVE_OUT}{_instead_of_levels(column, cells)}")
            _write(rows, column, found.codes, found.numbers)
            unlike |= found.unlike
        return rows, unlike

    def encode_given(self, given: Any, n: int) -> tuple[Rows, CellMask]:
        """Return `n` rows of which some cells are known, and the mask of these.

        Parameters
        ----------
        given : mapping from names to single values, or a frame of n rows
            Any of the columns; a missing cell is not known.
        n : int
            How many rows.

        Raises
        ------
        ValueError
            If there is no such column, the frame has not n rows, or fit did not see the like of a value.
        """
        rows, mask = self._nothing_known(n), self._no_cells(n)
        for column, cells in self._single(given, n) if isinstance(given, Mapping) else self._some(given, n):
            found = column.encode(cells)
            remedy = f"Only what fit saw can be given.{_instead_of_levels(column, cells)}"
            _refuse_unlike(column, cells, found.unlike & ~cells.missing, remedy)
            _write(rows, column, found.codes, found.numbers)
            _write(mask, column, ~cells.missing, ~np.isnan(found.numbers))
        return rows, mask

    def _single(self, given, n):
        """Columns of which single values are given, with these in n rows."""
        for name, value in given.items():
            column = self.column(name)
            if column.kind != "ignore":
                cell = scalar_cell(name, value, self.library, column.dtype.categories is not None)
                yield column, ColumnCells(cell.content, np.repeat(cell.values, n), np.repeat(cell.missing, n))

    def _some(self, given, n):
        """Columns of a frame of n rows, with their cells."""
        native = self._columns_in(given, every=False)
        if _height(native) != n:
            raise ValueError(f"given has {_height(native)} rows, but {n} are asked for: give as many.")
        return self._read(native)

    def _columns_in(self, frame, every=True):
        """Columns of a frame by name, `every` one that fit saw or some; a ValueError if others are among them."""
        native, names = columns_of(frame), [column.name for column in self.columns]
        strange = [name for name in native if name not in names]
        absent = [column.name for column in self._kept if column.name not in native] if every else []
        if strange or absent:
            raise ValueError(
                f"The frame has not the columns that fit saw: {absent} are absent, {strange} are unknown. Columns are "
                "found by their names, in any order."
            )
        return native

    def _read(self, native):
        """Columns that a frame has, with their cells, those that are ignored left out."""
        for column in self._kept:
            if column.name in native:
                yield column, read_cells(column.name, native[column.name])

    def _nothing_known(self, n):
        """n rows of which no cell is known."""
        mask = self._no_cells(n)
        return Rows(np.full(mask.codes.shape, NOT_KNOWN), np.full(mask.numbers.shape, np.nan))

    # ---- rows as frames --------------------------------------------------------------------------

    def decode(self, rows: Rows) -> Any:
        """Return the frame of these rows, as fit saw one: its library, its dtypes and categories, its order of columns.

        Numbers are rounded to the lattice of their column. Columns that are ignored are left out.
        """
        zeros, nothing = np.zeros(rows.n, dtype=np.int64), np.full(rows.n, np.nan)
        columns = {}
        for column in self._kept:
            codes = zeros if column.discrete is None else rows.codes[:, column.discrete]
            numbers = nothing if column.numeric is None else rows.numbers[:, column.numeric]
            columns[column.name] = column.decode(codes, numbers)
        return native_frame_of(columns, self.library, rows.n)

    def frame_of(self, columns: dict[Hashable, ndarray]) -> Any:
        """Return a frame of the library that fit saw, of some `columns` of shape (n,)."""
        return native_frame_of(columns, self.library, len(next(iter(columns.values()))))

    def __str__(self) -> str:
        return text_table(self.columns)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self.columns)


def _placed(columns):
    """The columns with their places in the two blocks."""
    placed, q, p = [], 0, 0
    for column in columns:
        is_discrete, is_numeric = column.n_levels > 0, column.line is not None
        placed.append(column._replace(discrete=q if is_discrete else None, numeric=p if is_numeric else None))
        q, p = q + is_discrete, p + is_numeric
    return tuple(placed)


def _height(native):
    """How many rows the columns of a frame have."""
    return len(next(iter(native.values())))


def _write(table: Rows | CellMask, column, codes, numbers):
    """Write the cells of a column into rows or into a mask."""
    if column.discrete is not None:
        table.codes[:, column.discrete] = codes
    if column.numeric is not None:
        table.numbers[:, column.numeric] = numbers


def _instead_of_levels(column, cells):
    """How numbers that were taken as levels become numbers, of which any is known."""
    if column.kind not in ("integer", "real") or column.line is not None or cells.content != "number":
        return ""
    return (
        f" Or fit the column as numbers instead of levels, with column_types={{{column.name!r}: {column.kind!r}}}: a "
        "density of numbers knows those that it did not see."
    )


def _refuse_unlike(column, cells, unlike, remedy):
    """Raise a ValueError with this remedy if any cells of a column are unlike those that fit saw."""
    if unlike.any():
        values = list(dict.fromkeys(cells.values[unlike & ~cells.missing].tolist()))
        what = [*map(repr, values[:SHOWN]), *(["…"] if len(values) > SHOWN else [])]
        what += ["missing cells"] if (unlike & cells.missing).any() else []
        raise ValueError(f"Column {column.name!r} holds what fit did not see there: {', '.join(what)}. {remedy}")
