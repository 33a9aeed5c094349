"""Interactions along a path of penalties: the smaller the penalty, the more edges there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from .canvas import fitted_to, new_axes, size_in_points, spread
from .graph import SIGN_COLOURS, feature_names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PathDisplay"]

FONT_SIZE, LINE = 7.0, 10.0  # points; of a name and of its line


class PathDisplay:
    """Entries of an interaction matrix along a path of penalties, with a line at the chosen penalty.

    Parameters
    ----------
    alphas : array-like of shape (L,)
        Penalties α.
    path : array-like of shape (L, p, p)
        Interaction matrix K at each of them.
    alpha : float
        The chosen penalty, one of ``alphas``.
    feature_names : sequence of str, optional
        Column names; by default x0, x1, ...

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2)
        Columns whose interaction is not zero at some penalty.
    entries : ndarray of shape (L, n_pairs)
        K_ij of these pairs.
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    lines_ : list of matplotlib Line2D
        One line for each pair, labelled with its names.
    chosen_ : matplotlib Line2D
        The line at the chosen penalty.
    legend_ : matplotlib Legend
        What the colours mean.
    text_ : list of matplotlib Annotation
        Names of the strongest lines, at their ends.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensityCV
    >>> from skscore.plotting import PathDisplay
    >>> X = np.random.default_rng(0).standard_normal((400, 5))
    >>> X[:, 1] += 0.8 * X[:, 0]
    >>> display = PathDisplay.from_estimator(ScoreMatchingDensityCV(selection="ebic", refit=True).fit(X))
    >>> display.entries.shape
    (30, 10)
    """

    def __init__(
        self, alphas: ArrayLike, path: ArrayLike, alpha: float, feature_names: Sequence[str] | None = None
    ) -> None:
        matrices = np.asarray(path, dtype=np.float64)
        self.alphas, self.alpha = np.asarray(alphas, dtype=np.float64), float(alpha)
        self.names = feature_names_of(None, feature_names, matrices.shape[-1])
        self.pairs = np.argwhere(np.triu((matrices != 0.0).any(axis=0), 1))
        self.entries = matrices[:, self.pairs[:, 0], self.pairs[:, 1]]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        feature_names: Sequence[str] | None = None,
        **plot_options: Any,
    ) -> Self:
        """Take the path of a fitted estimator and plot it.

        Parameters
        ----------
        estimator : ScoreMatchingDensityCV
            Fitted, with a model of interactions.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        feature_names : sequence of str, optional
            Column names; by default those of the table.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        PathDisplay

        Raises
        ------
        ValueError
            If the estimator has no path of interactions.
        """
        if not hasattr(estimator, "path_") or not hasattr(estimator, "interaction_"):
            raise ValueError(
                f"estimator={estimator!r} has no path of interactions: fit a ScoreMatchingDensityCV with a model of "
                "interactions."
            )
        names = feature_names_of(estimator, feature_names, estimator.n_features_in_)
        return cls(estimator.alphas_, estimator.path_, estimator.alpha_, names).plot(ax=ax, **plot_options)

    def plot(self, ax: Axes | None = None, *, max_names: int = 10, **kwargs: Any) -> Self:
        """Draw K_ij over α: chosen edges have the colour of the sign of the partial correlation, the others are grey.

        Penalties fall from left to right, and lines end with their names.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        max_names : int, default=10
            Number of lines that are named, the strongest at the chosen penalty.
        **kwargs : dict
            Passed to ``ax.plot`` for the entries.

        Returns
        -------
        PathDisplay
        """
        ax = new_axes(8.0) if ax is None else ax
        ax.set_xscale("log")
        at_choice = self.entries[np.argmin(np.abs(self.alphas - self.alpha))]
        colours = [SIGN_COLOURS.get(int(-np.sign(entry)), "0.8") for entry in at_choice]
        self.lines_: list[Any] = []
        for k in np.argsort(at_choice != 0.0, kind="stable"):  # chosen edges over the others
            label = " – ".join(self.names[j] for j in self.pairs[k])
            options: dict[str, Any] = {"color": colours[k], "linewidth": 1.0, "label": label} | kwargs
            self.lines_ += ax.plot(self.alphas, self.entries[:, k], **options)
        self.chosen_ = ax.axvline(self.alpha, color="0.3", linestyle="--", linewidth=1.0)
        ax.set(xlabel="penalty α", ylabel=r"interaction $K_{ij}$")
        if self.alphas.min() < self.alphas.max():
            ax.set_xlim(self.alphas.max(), self.alphas.min())
        self.text_ = self._write_names(ax, at_choice, max_names)
        meanings = {SIGN_COLOURS[1]: "positive", SIGN_COLOURS[-1]: "negative", "0.8": "not chosen"}
        handles = [ax.plot([], [], color=c, label=name)[0] for c, name in meanings.items() if c in colours]
        self.legend_ = ax.legend(
            handles=handles, title="partial correlation", loc="upper left", fontsize="small", title_fontsize="small"
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _write_names(self, ax: Axes, at_choice: ndarray, max_names: int) -> list[Any]:
        """Write the names of the strongest lines beside the axes, near their ends and below each other."""
        ends = self.entries[np.argmin(self.alphas)]
        strongest = np.lexsort([-np.abs(ends), -np.abs(at_choice)])[:max_names]
        low, high = ax.get_ylim()
        places = spread(ends[strongest], LINE / size_in_points(ax)[1] * (high - low))
        beside = ax.get_yaxis_transform()  # x from 0 to 1 over the axes, y in the units of K
        return [
            ax.annotate(
                " – ".join(fitted_to(self.names[j], 18) for j in self.pairs[k]),
                xy=(1.0, ends[k]),
                xytext=(1.04, place),
                xycoords=beside,
                textcoords=beside,
                va="center",
                fontsize=FONT_SIZE,
                color=SIGN_COLOURS.get(int(-np.sign(at_choice[k])), "0.4"),
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "relpos": (0.0, 0.5), "shrinkA": 0},
                annotation_clip=False,
            )
            for k, place in zip(strongest, places, strict=True)
        ]
