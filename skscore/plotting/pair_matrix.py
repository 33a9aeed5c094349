"""Real rows against synthetic ones, for each pair of columns.

Panels below the diagonal show the real rows, those above it the synthetic ones, with the same limits: equal tables are
mirror images. The diagonal has the shares of both in the bins or levels of a column. Levels of a category have the
places 0, 1, ..., around which their rows are scattered, so that counts are seen as dots. Numbers far beyond the middle
99 % of a column are drawn at its end.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy import ndarray

from ..domains.frame_cells import columns_of, read_cells
from .canvas import fitted_to, new_grid
from .drawn import drawn_rows
from .pairs import limits_around

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PairDisplay"]

COLOURS = {"real": "tab:blue", "synthetic": "tab:orange"}
BINS, MAX_LEVELS = 20, 8
OTHERS, MISSING = "(others)", "(missing)"
SCATTER = 0.35  # half-width over which rows of one level are scattered
MARGIN = 0.04  # beside the bins, as a share of their range
PANEL, FRAME = 1.25, 1.6  # inches of a panel, and of the names around all
FONT_SIZE, LETTERS, LEVEL_LETTERS = 7.0, 18, 10  # points of a text; letters of a line of a name, and of a level
YEAR = 365.25  # days


class PairColumn(NamedTuple):
    """A column of the real and of the synthetic table.

    Attributes
    ----------
    name : str
    unit : str
        "year" or "days" of times; empty otherwise.
    levels : list of str
        What the places 0, 1, ... of a category stand for; empty if the column holds numbers.
    values : dict of str to ndarray of shape (n,)
        Numbers or places, of the "real" and of the "synthetic" rows; NaN where a number is missing.
    """

    name: str
    unit: str
    levels: list[str]
    values: dict[str, ndarray]

    @property
    def edges(self) -> ndarray:
        """Ends of the bins, shape (n_bins + 1,): of the levels, of whole numbers if they are few, or of equal bins."""
        everything = np.concatenate(list(self.values.values()))
        known = everything[~np.isnan(everything)]
        low, high = limits_around(known[:, None], margin=0.0)[:, 0] if known.size else (0.0, 0.0)
        if self.levels:
            low, high = 0.0, len(self.levels) - 1.0
        if (known == np.floor(known)).all() and high - low < BINS:
            return np.arange(np.floor(low), np.ceil(high) + 2.0) - 0.5
        return np.linspace(low, high, BINS + 1) if high > low else low + np.array([-0.5, 0.5])

    def near(self, values: ndarray) -> ndarray:
        """Move values beyond the bins to their ends."""
        return np.clip(values, *self.edges[[0, -1]])

    def shares(self, table: str) -> ndarray:
        """Shares of the rows of a table in the bins, shape (n_bins,); those that are missing are in none."""
        values = self.values[table]
        return np.histogram(self.near(values[~np.isnan(values)]), self.edges)[0] / len(values)

    @property
    def distance(self) -> float:
        """Total variation between the shares of the tables, in which missing cells are a bin."""
        real, synthetic = (self.shares(table) for table in COLOURS)
        return 0.5 * float(np.abs(real - synthetic).sum() + abs(real.sum() - synthetic.sum()))

    def places(self, table: str, every: int, rng: np.random.Generator) -> ndarray:
        """Where some rows of a table are drawn along the column."""
        values = self.values[table][::every]
        return values + rng.uniform(-SCATTER, SCATTER, len(values)) if self.levels else self.near(values)


def _numbers(cells: Any) -> tuple[ndarray, str]:
    """Return numbers or times (n,), NaN where they are missing, and their unit."""
    values, unit = cells.values, ""
    if values.dtype.kind == "M":
        values, unit = values.astype("datetime64[us]").astype(np.int64) / (86_400e6 * YEAR) + 1970.0, "year"
    elif values.dtype.kind == "m":
        values, unit = values.astype("timedelta64[us]").astype(np.int64) / 86_400e6, "days"
    return np.where(cells.missing, np.nan, values.astype(np.float64)), unit


def _paired(name: Hashable, real: Any, synthetic: Any) -> PairColumn:
    """Read a column of both tables: numbers and times are numbers, everything else is a category."""
    both = {"real": read_cells(name, real), "synthetic": read_cells(name, synthetic)}
    contents = {cells.content for cells in both.values()}
    if contents == {"number"} or contents == {"time"}:
        read = {table: _numbers(cells) for table, cells in both.items()}
        return PairColumn(str(name), read["real"][1], [], {table: values for table, (values, _) in read.items()})
    texts = {
        table: [MISSING if gap else str(value) for value, gap in zip(cells.values, cells.missing, strict=True)]
        for table, cells in both.items()
    }
    levels, counts = np.unique([*texts["real"], *texts["synthetic"]], return_counts=True)
    levels = levels[np.argsort(-counts, kind="stable")].tolist()
    place = {level: min(k, MAX_LEVELS - 1) for k, level in enumerate(levels)}
    shown = levels if len(levels) <= MAX_LEVELS else [*levels[: MAX_LEVELS - 1], OTHERS]
    values = {table: np.array([place[text] for text in column], dtype=np.float64) for table, column in texts.items()}
    return PairColumn(str(name), "", shown, values)


class PairDisplay:
    """Rows of a real table against those of a synthetic one, for each pair of columns.

    Parameters
    ----------
    real, synthetic : frame or ndarray of shape (n_samples, n_features)
        Of pandas, polars or pyarrow, with the same columns: numbers, categories, times, with missing cells or not.
        An array has the column names of the other table.

    Attributes
    ----------
    columns : list of PairColumn
        The columns of both, as numbers or places of levels.
    distances : ndarray of shape (n_features,)
        Total variation between the shares of the tables in the bins or levels of each column: 0 for equal shares, 1
        for tables that have nothing in common. By chance two tables of n rows are about √(k/πn) apart in k bins.
    axes_ : ndarray of matplotlib Axes, shape (k, k)
        Axes of the last plot.
    figure_ : matplotlib Figure
        Figure of the last plot.
    legend_ : matplotlib Legend
        Which rows are where.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skscore import TabularDensity
    >>> from skscore.plotting import PairDisplay
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.choice(["cat", "dog"], 300)
    >>> X = pd.DataFrame({"kind": kind, "size": np.where(kind == "cat", 4, 20) + rng.standard_normal(300)})
    >>> display = PairDisplay.from_estimator(TabularDensity("gaussian", "tree", random_state=1).fit(X), X)
    >>> bool(display.distances.max() < 0.3)
    True
    """

    def __init__(self, real: Any, synthetic: Any) -> None:
        tables = [columns_of(np.asarray(X) if not hasattr(X, "columns") else X) for X in (real, synthetic)]
        names = next((list(t) for t, X in zip(tables, (real, synthetic), strict=True) if hasattr(X, "columns")), None)
        for k, X in enumerate((real, synthetic)):
            if names is not None and not hasattr(X, "columns") and len(tables[k]) == len(names):
                tables[k] = dict(zip(names, tables[k].values(), strict=True))
        if absent := [name for name in tables[0] if name not in tables[1]]:
            raise ValueError(f"synthetic has no columns {absent}: give a table with the columns of real.")
        self.columns = [_paired(name, column, tables[1][name]) for name, column in tables[0].items()]
        self.distances = np.array([column.distance for column in self.columns])

    @classmethod
    def from_tables(cls, real: Any, synthetic: Any, **plot_options: Any) -> Self:
        """Compare two tables and plot them.

        Parameters
        ----------
        real, synthetic : frame or ndarray of shape (n_samples, n_features)
            With the same columns.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        PairDisplay

        Raises
        ------
        ValueError
            If the tables are none, or the columns of ``real`` are not all in ``synthetic``.
        """
        return cls(real, synthetic).plot(**plot_options)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, n_draws: int | None = None, random_state: Any = 0, **plot_options: Any
    ) -> Self:
        """Draw rows from an estimator and plot them against those of X.

        Parameters
        ----------
        estimator : fitted estimator
            With ``sample``.
        X : frame or ndarray of shape (n_samples, n_features)
            Real rows, preferably held out.
        n_draws : int, optional
            Number of synthetic rows; by default as many as X has.
        random_state : int, RandomState or Generator, default=0
            Of the draws.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        PairDisplay
        """
        return cls.from_tables(X, drawn_rows(estimator, n_draws or len(X), random_state), **plot_options)

    def plot(
        self, *, features: Sequence[int | str] | None = None, max_columns: int = 10, max_rows: int = 500, **kwargs: Any
    ) -> Self:
        """Draw the pairs in a new figure.

        Parameters
        ----------
        features : sequence of int or str, optional
            Columns to show; by default all, or the ``max_columns`` whose shares differ most.
        max_columns : int, default=10
            Number of columns shown if ``features`` does not name them.
        max_rows : int, default=500
            Number of rows shown of each table. Bars count all.
        **kwargs : dict
            Passed to ``ax.plot`` for the rows.

        Returns
        -------
        PairDisplay
        """
        shown = self._chosen(features, max_columns)
        k = len(shown)
        self.axes_ = new_grid(k, PANEL * k + FRAME, PANEL * k + FRAME)
        self.figure_ = self.axes_[0, 0].figure
        for i in range(k):
            for j in range(k):
                if i != j:
                    table = "real" if i > j else "synthetic"
                    _draw_rows(self.axes_[i, j], table, shown[j], shown[i], max_rows, kwargs)
        for j, column in enumerate(shown):
            _draw_shares(self.axes_[j, j], column)
            _name_axes(self.axes_, j, column)
        self.figure_.align_labels()
        self.legend_ = self._explain(k, by_distance=features is None)
        return self

    def _explain(self, k: int, by_distance: bool) -> Any:
        """Say above the panels which rows are where, and which columns are shown."""
        handles = []
        for (table, colour), where in zip(COLOURS.items(), ("below", "above"), strict=True):
            label = f"{table}, {where} the diagonal: {len(self.columns[0].values[table])} rows"
            handles += self.axes_[0, 0].plot([], [], "s", color=colour, label=label)
        p = len(self.columns)
        title = f"{k} of {p} columns" + (", whose shares differ most" if by_distance else "") if k < p else None
        return self.figure_.legend(
            handles=handles, title=title, loc="outside upper center", fontsize="small", title_fontsize="small"
        )

    def _chosen(self, features: Sequence[int | str] | None, max_columns: int) -> list[PairColumn]:
        names = [column.name for column in self.columns]
        if features is None:
            return [self.columns[j] for j in np.sort(np.argsort(-self.distances, kind="stable")[:max_columns])]
        try:
            return [self.columns[names.index(f) if isinstance(f, str) else f] for f in features]
        except (ValueError, IndexError, TypeError):
            raise ValueError(f"features={features!r}: the tables have the columns {names}.") from None


def _draw_rows(ax: Axes, table: str, across: PairColumn, along: PairColumn, max_rows: int, kwargs: dict) -> None:
    """Draw rows of a table as dots."""
    rng = np.random.default_rng(0)
    every = int(np.ceil(len(across.values[table]) / max_rows))
    options: dict[str, Any] = {"color": COLOURS[table], "markersize": 2.0, "alpha": 0.4, "linestyle": "none"} | kwargs
    ax.plot(*(column.places(table, every, rng) for column in (across, along)), **({"marker": "."} | options))
    ax.set_ylim(*_ends(along))


def _draw_shares(ax: Axes, column: PairColumn) -> None:
    """Draw the shares of both tables: bars side by side for levels, outlines for numbers."""
    edges = column.edges
    for k, (table, colour) in enumerate(COLOURS.items()):
        if column.levels:
            ax.bar(edges[:-1] + 0.3 + 0.4 * k, column.shares(table), width=0.4, color=colour)
        else:
            ax.stairs(column.shares(table), edges, color=colour, fill=k == 0, alpha=1.0 - 0.6 * (k == 0), linewidth=1.2)
    missing = [np.isnan(column.values[table]).mean() for table in COLOURS]
    if max(missing) > 0.0:
        ax.set_title("missing {:.1%}, {:.1%}".format(*missing), fontsize=FONT_SIZE - 1.0, pad=2.0)


def _ends(column: PairColumn) -> tuple[float, float]:
    edges = column.edges
    pad = MARGIN * (edges[-1] - edges[0]) or 0.5
    return edges[0] - pad, edges[-1] + pad


def _name_axes(axes: ndarray, j: int, column: PairColumn) -> None:
    """Write name and ticks of a column below its panels and left of them, ticks of the first row on its right."""
    last = len(axes) - 1
    side = axes[j, 0] if j else axes[0, last]
    for i, ax in enumerate(axes[:, j]):
        ax.set_xlim(*_ends(column))
        _set_ticks(ax.xaxis, column, i == last, rotation=90)
    for i, ax in enumerate(axes[j]):
        if i == j:
            ax.set_yticks([])
        else:
            _set_ticks(ax.yaxis, column, ax is side)
    if j == 0:
        side.yaxis.tick_right()
    label = fitted_to(f"{column.name}, {column.unit}" if column.unit else column.name, LETTERS, lines=2)
    axes[last, j].set_xlabel(label, fontsize=FONT_SIZE)
    axes[j, 0].set_ylabel(label, fontsize=FONT_SIZE)


def _set_ticks(axis: Any, column: PairColumn, written: bool, rotation: float = 0.0) -> None:
    """Set ticks at the levels, or at a few numbers; none in panels where they are not written."""
    if not written:
        axis.set_ticks([])
    elif column.levels:
        labels = [fitted_to(level, LEVEL_LETTERS) for level in column.levels]
        axis.set_ticks(range(len(labels)), labels)
    else:
        axis.get_major_locator().set_params(nbins=3)
        axis.set_major_formatter("{x:.5g}")
    axis.set_tick_params(labelsize=FONT_SIZE, labelrotation=rotation, length=2.0)
