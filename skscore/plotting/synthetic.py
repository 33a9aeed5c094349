"""The quantities of a report on synthetic rows, each beside its value for real rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..metrics.synthetic_rows import NO_PROOF
from .canvas import fitted_to, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SyntheticReportDisplay"]

LONGEST = 28  # letters of a name that are drawn
LINE = 0.24  # inches for each quantity
FARTHEST_PAIRS = 10  # pairs of columns that are drawn


class SyntheticReportDisplay:
    """Quantities of a report, a line for each: synthetic rows, real rows and what is best.

    Parameters
    ----------
    report : SyntheticReport
        Of :func:`skscore.metrics.synthetic_report`. Of the pairs of columns those farthest off are drawn, of missing
        cells those columns that have any.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import synthetic_report
    >>> from skscore.plotting import SyntheticReportDisplay
    >>> rng = np.random.default_rng(1)
    >>> report = synthetic_report(rng.normal(size=(60, 2)), rng.normal(size=(60, 2)))
    >>> [text.get_text() for text in SyntheticReportDisplay(report).plot().ax_.get_yticklabels()][:2]
    ['Wasserstein distance: x0', 'Wasserstein distance: x1']
    """

    def __init__(self, report: Any) -> None:
        self.report = report

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the quantities from top to bottom.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure, as high as there are quantities.

        Returns
        -------
        SyntheticReportDisplay
        """
        shown = list(self._shown())
        if ax is None:
            ax = new_axes(8.0, 1.2 + LINE * len(shown))
        y = np.arange(len(shown))
        value, real, best = (np.array([getattr(each, name) for each in shown]) for name in ("value", "real", "best"))
        low, high = (np.array([getattr(each, name) for each in shown]) for name in ("low", "high"))
        ax.hlines(y, value, real, color="0.7", zorder=1)
        ax.errorbar(value, y, xerr=np.nan_to_num([value - low, high - value]), fmt="none", ecolor="C0", zorder=1)
        ax.scatter(best, y, marker="|", color="0.3", s=60, label="best", zorder=2)
        ax.scatter(real, y, facecolor="white", edgecolor="C1", label="real rows", zorder=3)
        ax.scatter(value, y, color="C0", label="synthetic rows", zorder=3)
        ax.set_yticks(y, [_name(each) for each in shown], fontsize="small")
        ax.set(
            ylim=(len(shown) - 0.5, -0.5), xlabel=f"value, without units; distances in standard deviations\n{NO_PROOF}"
        )
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _shown(self):
        """The quantities that are drawn."""
        pairs = [each for each in self.report.quantities if each.quantity == "association"]
        farthest = sorted(pairs, key=lambda each: each.real - each.value)[:FARTHEST_PAIRS]
        for each in self.report.quantities:
            if each.quantity != "association" or each in farthest:
                yield each


def _name(each):
    if each.column == "all":
        return each.quantity
    columns = each.column.split(" × ")
    return f"{each.quantity}: {' × '.join(fitted_to(column, LONGEST // len(columns)) for column in columns)}"
