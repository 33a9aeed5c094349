r"""The graph of a table: columns are nodes, interactions are edges.

The width of an edge is proportional to the partial correlation of its columns given all others,

.. math:: \rho_{ij} = -K_{ij} \big/ \sqrt{K_{ii}K_{jj}},

and its colour shows the sign (Lauritzen, 1996, section 5.1). If K is not the precision matrix of a Gaussian, the ratio
is no correlation, but it still does not depend on the units of the columns.

References
----------
Lauritzen, S. L. (1996). Graphical Models. Oxford University Press.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from .canvas import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SIGN_COLOURS", "GraphDisplay", "feature_names_of"]

SIGN_COLOURS = {1: "tab:blue", -1: "tab:red"}
POINTS_TO_NAME = 7.0


def feature_names_of(estimator: Any, feature_names: Sequence[str] | None, p: int) -> list[str]:
    """Return the names of p columns: as given, or those of the fitted estimator, or x0, x1, ..."""
    names = getattr(estimator, "feature_names_in_", None) if feature_names is None else feature_names
    names = [f"x{j}" for j in range(p)] if names is None else [str(name) for name in names]
    if len(names) != p:
        raise ValueError(f"feature_names has {len(names)} names for {p} columns: give one for each.")
    return names


def _positions(layout: str | ArrayLike, p: int) -> ndarray:
    """Return the positions of the nodes, shape (p, 2)."""
    if isinstance(layout, str) and layout == "circle":
        angle = 0.5 * np.pi - 2.0 * np.pi * np.arange(p) / p  # from the top, clockwise
        return np.column_stack([np.cos(angle), np.sin(angle)])
    if isinstance(layout, str) or np.shape(layout) != (p, 2):
        raise ValueError(f"layout={layout!r}: give 'circle', or positions of shape ({p}, 2).")
    return np.asarray(layout, dtype=np.float64)


class GraphDisplay:
    """Graph of the interactions between columns.

    Parameters
    ----------
    precision : array-like of shape (p, p)
        Interaction or precision matrix K, symmetric.
    feature_names : sequence of str, optional
        Column names; by default x0, x1, ...

    Attributes
    ----------
    partial_correlation : ndarray of shape (p, p)
        −K_ij/√|K_ii K_jj|, 0 on the diagonal.
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    edges_ : list of matplotlib Line2D
        Edges of the last plot, the weakest first.
    nodes_ : matplotlib Line2D
        Nodes of the last plot.
    text_ : list of matplotlib Annotation
        Names of the last plot.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.plotting import GraphDisplay
    >>> X = np.random.default_rng(0).standard_normal((400, 5))
    >>> X[:, 1] += 0.8 * X[:, 0]
    >>> density = ScoreMatchingDensity("pairwise", alpha=0.2, l1_ratio=1.0).fit(X)
    >>> display = GraphDisplay.from_estimator(density)
    >>> len(display.edges_)
    1
    """

    def __init__(self, precision: ArrayLike, feature_names: Sequence[str] | None = None) -> None:
        K = np.asarray(precision, dtype=np.float64)
        if K.ndim != 2 or K.shape[0] != K.shape[1]:
            raise ValueError(f"precision has shape {K.shape}: give a square matrix.")
        scale = np.sqrt(np.abs(np.diag(K)))
        scale[scale == 0.0] = 1.0
        self.names = feature_names_of(None, feature_names, len(K))
        self.partial_correlation = np.where(np.eye(len(K), dtype=bool), 0.0, -K / np.outer(scale, scale))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        feature_names: Sequence[str] | None = None,
        threshold: float = 0.0,
        layout: str | ArrayLike = "circle",
        **plot_options: Any,
    ) -> Self:
        """Take the interactions of a fitted estimator and plot their graph.

        Parameters
        ----------
        estimator : fitted estimator
            With ``interaction_`` or ``precision_``: a density with a model of interactions, a Gaussian, or a
            ``GraphicalLasso``.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        feature_names : sequence of str, optional
            Column names; by default those of the table.
        threshold, layout
            As in ``plot``.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        GraphDisplay

        Raises
        ------
        ValueError
            If the estimator has no interactions.
        """
        K = getattr(estimator, "interaction_", getattr(estimator, "precision_", None))
        if K is None:
            raise ValueError(
                f"estimator={estimator!r} has neither interaction_ nor precision_: fit one with "
                'model="pairwise", or give the matrix itself, GraphDisplay(K).plot().'
            )
        names = feature_names_of(estimator, feature_names, len(K))
        return cls(K, names).plot(ax=ax, threshold=threshold, layout=layout, **plot_options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        threshold: float = 0.0,
        layout: str | ArrayLike = "circle",
        max_width: float = 8.0,
        show_names: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the graph: positive partial correlations in blue, negative ones in red.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        threshold : float, default=0.0
            Edges whose absolute partial correlation is at most this are left out.
        layout : "circle" or array-like of shape (p, 2), default="circle"
            Positions of the nodes: on a circle, clockwise from the top, or as given.
        max_width : float, default=8.0
            Width, in points, of an edge of partial correlation 1.
        show_names : bool, default=True
            Write the names next to the nodes.
        **kwargs : dict
            Passed to ``ax.plot`` for the nodes.

        Returns
        -------
        GraphDisplay
        """
        ax = new_axes() if ax is None else ax
        positions = _positions(layout, len(self.names))
        self.edges_ = self._draw_edges(ax, positions, threshold, max_width)
        options: dict[str, Any] = {
            "marker": "o",
            "linestyle": "none",
            "color": "0.25",
            "markersize": 5.0,
            "zorder": 3,
        } | kwargs
        (self.nodes_,) = ax.plot(*positions.T, **options)
        self.text_ = self._write_names(ax, positions) if show_names else []
        ax.set_aspect("equal")
        ax.axis("off")
        ax.margins(0.2 if show_names else 0.05)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_edges(self, ax: Axes, positions: ndarray, threshold: float, max_width: float) -> list[Any]:
        rho = np.triu(self.partial_correlation)
        i, j = np.nonzero(np.abs(rho) > threshold)
        order = np.argsort(np.abs(rho[i, j]), kind="stable")  # strong edges over weak ones
        drawn: list[Any] = []
        for edge in zip(i[order], j[order], strict=True):
            options: dict[str, Any] = {
                "color": SIGN_COLOURS[int(np.sign(rho[edge]))],
                "linewidth": max_width * abs(rho[edge]),
            }
            drawn += ax.plot(*positions[list(edge)].T, solid_capstyle="round", zorder=2, **options)
        return drawn

    def _write_names(self, ax: Axes, positions: ndarray) -> list[Any]:
        outward = positions - positions.mean(axis=0)
        length = np.linalg.norm(outward, axis=1, keepdims=True)
        outward = np.divide(outward, length, out=np.tile([0.0, 1.0], (len(outward), 1)), where=length > 1e-9)
        return [
            ax.annotate(
                name,
                at,
                xytext=POINTS_TO_NAME * direction,
                textcoords="offset points",
                ha=("right", "center", "left")[1 + int(np.round(direction[0]))],
                va=("top", "center", "bottom")[1 + int(np.round(direction[1]))],
                fontsize="small",
            )
            for name, at, direction in zip(self.names, positions, outward, strict=True)
        ]
