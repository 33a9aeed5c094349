r"""Which cells make a row improbable.

A density of tables splits :math:`-\log p(x)` of a row into one contribution of each cell (``feature_contributions``).
The unit of a column shifts its contributions in all rows alike, so a contribution tells something only beside those of
other rows: with a reference table, bars show how far each is above the median of its column there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import narwhals as nw
import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from .canvas import column_names, fitted_to, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ContributionsDisplay"]

COLOURS = {True: "tab:red", False: "tab:blue"}  # less probable, more probable
INCHES_OF_A_BAR = 0.3


def _columns(estimator: Any, table: Any) -> dict[str, ndarray]:
    """Return the columns of a frame by name, or those of an array by the names that they have for the estimator."""
    frame = nw.from_native(table, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return {str(column.name): column.to_numpy() for column in frame.iter_columns()}
    return dict(zip(column_names(estimator, table), np.asarray(table).T, strict=True))


def _cell(value: Any) -> str:
    """Return the value of a cell as it is written beside its bar."""
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)


class ContributionsDisplay:
    """What each cell of a row adds to −log p.

    Parameters
    ----------
    contributions : array-like of shape (p,)
        In nats.
    feature_names : sequence of str
        Column names.
    cells : sequence
        Values of the cells.
    above_reference : bool, default=False
        Whether the contributions are those above the medians of a reference table.

    Attributes
    ----------
    total : float
        Sum of the contributions, in nats.
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    bars_ : matplotlib BarContainer
        Bars of the last plot, from the bottom, the largest on top.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skscore import TabularDensity
    >>> from skscore.plotting import ContributionsDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.standard_normal((200, 2)), columns=["height", "weight"])
    >>> density = TabularDensity("gaussian", "tree", random_state=1).fit(X)
    >>> odd = pd.DataFrame({"height": [0.1], "weight": [5.0]})
    >>> display = ContributionsDisplay.from_estimator(density, odd, reference=X)
    >>> display.names[np.argmax(display.contributions)]
    'weight'
    """

    def __init__(
        self,
        contributions: ArrayLike,
        feature_names: Sequence[str],
        cells: Sequence[Any],
        above_reference: bool = False,
    ) -> None:
        self.contributions = np.asarray(contributions, dtype=np.float64)
        self.names, self.cells = [str(name) for name in feature_names], list(cells)
        self.above_reference = above_reference
        self.total = float(self.contributions.sum())

    @classmethod
    def from_estimator(
        cls, estimator: Any, row: Any, *, reference: Any = None, ax: Axes | None = None, **plot_options: Any
    ) -> Self:
        """Split −log p of a row into its cells and plot the parts.

        Parameters
        ----------
        estimator : fitted estimator
            With ``feature_contributions``: a :class:`~skscore.TabularDensity`, or a
            :class:`~skscore.DensityOutlierDetector` of one.
        row : frame of one row
            With the columns that ``fit`` saw.
        reference : frame, optional
            Rows that the row is compared with, for example those of the training: each contribution is shown above
            the median of its column there. Without it bars depend on the units of the columns.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        ContributionsDisplay

        Raises
        ------
        ValueError
            If the estimator knows no contributions, or ``row`` is not one row.
        """
        if not hasattr(estimator, "feature_contributions"):
            raise ValueError(
                f"estimator={estimator!r} has no feature_contributions: give a TabularDensity or a detector of one."
            )
        if np.ndim(row) != 2 or len(row) != 1:
            raise ValueError(f"row has shape {np.shape(row)}: give a table of one row, for example frame.iloc[[0]].")
        parts = _columns(estimator, estimator.feature_contributions(row))
        values = np.array([part[0] for part in parts.values()])
        if reference is not None:
            others = _columns(estimator, estimator.feature_contributions(reference))
            values = values - np.array([np.median(others[name]) for name in parts])
        cells = _columns(estimator, row)
        shown = [cells[name][0] for name in parts]
        return cls(values, list(parts), shown, reference is not None).plot(ax=ax, **plot_options)

    def plot(self, ax: Axes | None = None, *, max_columns: int = 15, **kwargs: Any) -> Self:
        """Draw a bar for each cell, red where it makes the row less probable.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        max_columns : int, default=15
            Number of cells shown, those that add or take away most; the others share one bar.
        **kwargs : dict
            Passed to ``ax.barh``.

        Returns
        -------
        ContributionsDisplay
        """
        strongest = np.argsort(-np.abs(self.contributions), kind="stable")
        shown, rest = strongest[:max_columns], strongest[max_columns:]
        shown = shown[np.argsort(self.contributions[shown], kind="stable")]
        values = self.contributions[shown]
        labels = [f"{fitted_to(self.names[j], 32)} = {fitted_to(_cell(self.cells[j]), 12)}" for j in shown]
        if len(rest):
            values = np.append(self.contributions[rest].sum(), values)
            labels = [f"{len(rest)} other columns", *labels]
        ax = new_axes(7.5, 1.2 + INCHES_OF_A_BAR * len(values)) if ax is None else ax
        options = {"color": [COLOURS[bool(value > 0)] for value in values]} | kwargs
        self.bars_ = ax.barh(np.arange(len(values)), values, **options)
        ax.set_yticks(np.arange(len(values)), labels, fontsize="small")
        ax.axvline(0.0, color="0.3", linewidth=0.8)
        above = " above its median" if self.above_reference else ""
        ax.set(xlabel=f"contribution to −log p{above}, nats", title=f"all columns together: {self.total:.1f} nats")
        self.ax_, self.figure_ = ax, ax.figure
        return self
