"""Interactions along a path of penalties: the smaller the penalty, the more edges there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .canvas import new_axes
from .graph import SIGN_COLOURS, feature_names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PathDisplay"]


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

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw K_ij over α: chosen edges have the colour of the sign of the partial correlation, the others are grey.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **kwargs : dict
            Passed to ``ax.plot`` for the entries.

        Returns
        -------
        PathDisplay
        """
        ax = new_axes() if ax is None else ax
        ax.set_xscale("log")
        at_choice = self.entries[np.argmin(np.abs(self.alphas - self.alpha))]
        self.lines_: list[Any] = []
        for k in np.argsort(at_choice != 0.0, kind="stable"):  # chosen edges over the others
            colour = SIGN_COLOURS.get(int(-np.sign(at_choice[k])), "0.8")
            label = " – ".join(self.names[j] for j in self.pairs[k])
            options: dict[str, Any] = {"color": colour, "linewidth": 1.0, "label": label} | kwargs
            self.lines_ += ax.plot(self.alphas, self.entries[:, k], **options)
        self.chosen_ = ax.axvline(self.alpha, color="0.3", linestyle="--", linewidth=1.0)
        ax.set(xlabel="penalty α", ylabel=r"interaction $K_{ij}$")
        self.ax_, self.figure_ = ax, ax.figure
        return self
