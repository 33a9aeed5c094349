r"""The graph of a table: columns are nodes, interactions are edges.

The width of an edge is proportional to the partial correlation of its columns given all others,

.. math:: \rho_{ij} = -K_{ij} \big/ \sqrt{K_{ii}K_{jj}},

and its colour shows the sign (Lauritzen, 1996, section 5.1). If K is not the precision matrix of a Gaussian, the ratio
is no correlation, but it still does not depend on the units of the columns. More than 20 columns are a heat map of ρ.

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

from .canvas import fitted_to, new_axes, size_in_points, spread
from .heat_map import draw_heat_map, heat_map_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SIGN_COLOURS", "GraphDisplay", "feature_names_of"]

SIGN_COLOURS = {1: "tab:blue", -1: "tab:red"}
SAMPLE = 0.1  # partial correlation whose width the legend shows
MAX_NODES = 20  # beyond which a graph is a heat map
FONT_SIZE, LETTER_WIDTH = 8.3, 5.3  # points; of a name and of its letters
LETTERS, NAMES_OF_LINES = 18, 10  # of a line of a name; names on a side that have room for two lines
BESIDE, OUTER, HEIGHT = 0.2, 1.15, 2.6  # of names, in radii: away from the nodes, of their circle, one below the other


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


def _places_of_names(positions: ndarray) -> tuple[ndarray, ndarray, float]:
    """Return where names stand (p, 2), which stand to the right (p,), and how far they are apart.

    One half stands to the left of the nodes, the other half to the right, one below the other.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    radius, p = 0.5 * float((high - low).max()) or 1.0, len(positions)
    gap = HEIGHT * radius / max(NAMES_OF_LINES, (p + 1) // 2)
    is_right = np.argsort(np.argsort(positions[:, 0], kind="stable")) >= p / 2
    on_circle = np.allclose(np.linalg.norm(positions, axis=1), 1.0)
    height = positions[:, 1] * (OUTER if on_circle else 1.0)
    for side in (is_right, ~is_right):
        height[side] = spread(height[side], gap)
    at = np.where(is_right, high[0], low[0])
    if on_circle:
        at = np.where(is_right, 1.0, -1.0) * np.sqrt(np.maximum(OUTER**2 - height**2, 0.0))
    at += np.where(is_right, BESIDE, -BESIDE) * radius
    return np.column_stack([at, height]), is_right, gap


def _make_room(ax: Axes, places: ndarray, gap: float, length: float) -> None:
    """Widen the limits of axes of equal units so that names of this length in points lie within.

    With a the reach of the names' beginnings and t their length, the half-width X has to be a + t/s, at a scale s in
    points per unit that the width, W = 2Xs, or the height, H = 2Ys, decides.
    """
    half_line = np.array([0.0, 0.5 * gap])
    low, high = places.min(axis=0) - half_line, places.max(axis=0) + half_line
    centre, (a, Y) = 0.5 * (low + high), 0.5 * (high - low)
    W, H = size_in_points(ax)
    X = max(a / max(1.0 - 2.0 * length / W, 0.2), a + 2.0 * Y * length / H)
    reach = np.array([X, Y])
    ax.update_datalim([centre - reach, centre + reach])


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
        Edges of the last graph, the weakest first; none after a heat map.
    nodes_ : matplotlib Line2D or None
        Nodes of the last graph.
    text_ : list of matplotlib Annotation
        Names of the last graph.
    legend_ : matplotlib Legend or None
        What colours and widths mean; None if there is no edge.
    image_ : matplotlib AxesImage or None
        The last heat map; None after a graph.

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
        kind: str = "auto",
        threshold: float = 0.0,
        max_edges: int | None = None,
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
        kind, threshold, max_edges, layout
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
        options: dict[str, Any] = {
            "kind": kind,
            "threshold": threshold,
            "max_edges": max_edges,
            "layout": layout,
        } | plot_options
        return cls(K, names).plot(ax=ax, **options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        kind: str = "auto",
        threshold: float = 0.0,
        max_edges: int | None = None,
        layout: str | ArrayLike = "circle",
        max_width: float = 8.0,
        show_names: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Draw the graph or heat map: positive partial correlations in blue, negative ones in red.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        kind : {"auto", "graph", "heatmap"}, default="auto"
            Nodes and edges, or the matrix of partial correlations; by default a graph up to 20 columns.
        threshold : float, default=0.0
            Edges whose absolute partial correlation is at most this are left out.
        max_edges : int, optional
            Only so many edges are drawn, the strongest.
        layout : "circle" or array-like of shape (p, 2), default="circle"
            Positions of the nodes: on a circle, clockwise from the top, or as given.
        max_width : float, default=8.0
            Width, in points, of an edge of partial correlation 1.
        show_names : bool, default=True
            Write the names of a graph left and right of it.
        **kwargs : dict
            Passed to ``ax.plot`` for the nodes, or to ``ax.imshow``.

        Returns
        -------
        GraphDisplay
        """
        if kind not in ("auto", "graph", "heatmap"):
            raise ValueError(f"kind={kind!r}: choose 'auto', 'graph' or 'heatmap'.")
        p, rho = len(self.names), self._edges(threshold, max_edges)
        self.edges_, self.text_ = list[Any](), list[Any]()
        self.nodes_: Any = None
        self.legend_: Any = None
        self.image_: Any = None
        if kind == "heatmap" or (kind == "auto" and p > MAX_NODES):
            ax = heat_map_axes(p) if ax is None else ax
            self.image_ = draw_heat_map(ax, rho + rho.T, self.names, "partial correlation", **kwargs)
        else:
            ax = new_axes(8.0, 6.0) if ax is None else ax
            self._draw_graph(ax, rho, _positions(layout, p), max_width, show_names, kwargs)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _edges(self, threshold: float, max_edges: int | None) -> ndarray:
        """Partial correlations of the edges to draw, above the diagonal, 0 elsewhere."""
        rho = np.triu(self.partial_correlation)
        i, j = np.nonzero(np.abs(rho) > threshold)
        strongest = np.argsort(-np.abs(rho[i, j]), kind="stable")[:max_edges]
        drawn = np.zeros_like(rho)
        drawn[i[strongest], j[strongest]] = rho[i[strongest], j[strongest]]
        return drawn

    def _draw_graph(
        self, ax: Axes, rho: ndarray, positions: ndarray, max_width: float, show_names: bool, options: dict[str, Any]
    ) -> None:
        self.edges_ = self._draw_edges(ax, positions, rho, max_width)
        node: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": "0.25", "markersize": 5.0, "zorder": 3}
        (self.nodes_,) = ax.plot(*positions.T, **(node | options))
        self.text_ = self._write_names(ax, positions) if show_names else []
        self.legend_ = self._explain(ax, rho, max_width)
        ax.set_aspect("equal")
        ax.axis("off")
        ax.margins(0.02)

    def _draw_edges(self, ax: Axes, positions: ndarray, rho: ndarray, max_width: float) -> list[Any]:
        i, j = np.nonzero(rho)
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
        places, is_right, gap = _places_of_names(positions)
        lines = 2 if (len(places) + 1) // 2 <= NAMES_OF_LINES else 1
        names = [fitted_to(name, LETTERS, lines) for name in self.names]
        _make_room(ax, places, gap, LETTER_WIDTH * max(len(line) for name in names for line in name.split("\n")))
        leader = {"arrowstyle": "-", "color": "0.7", "linewidth": 0.6}
        return [
            ax.annotate(
                name,
                xy=node,
                xytext=place,
                ha="left" if right else "right",
                va="center",
                fontsize=FONT_SIZE,
                arrowprops=leader | {"relpos": (0.0 if right else 1.0, 0.5)},
            )
            for name, node, place, right in zip(names, positions, places, is_right, strict=True)
        ]

    def _explain(self, ax: Axes, rho: ndarray, max_width: float) -> Any:
        """Draw a legend with the strongest edge of each sign, and one of a known width."""
        drawn = rho[rho != 0.0]
        if not drawn.size:
            return None
        samples = [
            (f"{name}, at most {np.abs(of_sign).max():.2f}", SIGN_COLOURS[sign], np.abs(of_sign).max())
            for sign, name in [(1, "positive"), (-1, "negative")]
            if (of_sign := drawn[np.sign(drawn) == sign]).size
        ]
        samples.append((f"width of {SAMPLE:.2f}", "0.5", SAMPLE))
        handles = [
            ax.plot([], [], color=colour, linewidth=max_width * width, label=label)[0]
            for label, colour, width in samples
        ]
        return ax.legend(
            handles=handles,
            title="partial correlation",
            ncols=len(handles),
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            frameon=False,
            fontsize="small",
            title_fontsize="small",
        )
