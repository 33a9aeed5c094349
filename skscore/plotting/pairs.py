"""A density and its score field on a grid of two columns.

If a table has more than two columns, a display shows two of them: a slice of the density, with the others fixed at
their medians, or the marginal density of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import narwhals as nw
import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from .._compat import check_numpy
from .canvas import column_names, new_axes
from .drawn import checked_shares, drawn_rows, log_density_at, region_levels, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DensityDisplay", "ScoreFieldDisplay", "limits_around"]

MAX_ROWS_SHOWN = 1000
INNER = 0.005  # share of the values of a column beyond each end of its middle
REGION_STYLES = ("-", "--", ":")  # from the smallest region on
FAR = 1.0  # lengths of the middle beyond which rows are left out of the picture


def _pair(features: Any, names: list[str]) -> tuple[int, int]:
    """Return the indices of the two columns to show."""
    if features is None:
        if len(names) != 2:
            raise ValueError(
                f"features=None, but X has {len(names)} columns: name the two to show, for example features=(0, 1)."
            )
        return 0, 1
    if np.size(features) != 2 or features[0] == features[1]:
        raise ValueError(f"features={features!r}: give two different columns, by index or by name.")
    try:
        i, j = (names.index(f) if isinstance(f, str) else range(len(names))[f] for f in features)
    except (ValueError, IndexError):
        raise ValueError(f"features={features!r}: X has the columns {names}.") from None
    return i, j


def limits_around(values: ndarray, margin: float) -> ndarray:
    """Return ends (2, p) around the middle 99 % of p columns, or around all values if they reach little further."""
    (low, least), (high, greatest) = np.quantile(values, [INNER, 0.0], axis=0), np.quantile(values, [1 - INNER, 1.0], 0)
    spread = np.where(high > low, high - low, 1.0)
    low = np.where(low - least > FAR * spread, low, least)
    high = np.where(greatest - high > FAR * spread, high, greatest)
    pad = margin * np.where(high > low, high - low, 1.0)
    return np.array([low - pad, high + pad])


def _grid_axes(values: ndarray, resolution: int, margin: float, limits: Any) -> list[ndarray]:
    """Return the axes of the grid over two columns (n, 2)."""
    low, high = limits_around(values, margin) if limits is None else _checked_limits(limits).T
    return [np.linspace(a, b, resolution) for a, b in zip(low, high, strict=True)]


def _grid(rows: ndarray, pair: list[int], resolution: int, margin: float, limits: Any) -> tuple[list[ndarray], ndarray]:
    """Return the axes of the two columns, and the rows of the slice through the medians of the others."""
    axes = _grid_axes(rows[:, pair], resolution, margin, limits)
    points = np.tile(np.median(rows, axis=0), (resolution**2, 1))
    points[:, pair[0]], points[:, pair[1]] = (values.ravel() for values in np.meshgrid(*axes))
    return axes, points


def _checked_limits(limits: Any) -> ndarray:
    """Return the ends of each of two columns, shape (2, 2)."""
    try:
        ends = np.asarray(limits, dtype=float)
    except (TypeError, ValueError):
        ends = np.empty(0)  # no numbers
    if ends.shape != (2, 2) or not np.isfinite(ends).all() or (ends[:, 0] >= ends[:, 1]).any():
        raise ValueError(f"limits={limits!r}: give ((low, high), (low, high)) of the two columns, with low < high.")
    return ends


def _like(X: Any, points: Any) -> Any:
    """Return `points` as a frame of the kind of X, with its column names, if X is one and they are none."""
    if not hasattr(X, "columns") or hasattr(points, "columns"):
        return points
    return nw.from_numpy(points, list(X.columns), backend=nw.get_native_namespace(X)).to_native()


def _some_within(values: ndarray, axes: list[ndarray]) -> ndarray:
    """Return the rows of two columns to show, which lie on the grid."""
    seen = np.all([(a[0] <= x) & (x <= a[-1]) for a, x in zip(axes, values.T, strict=True)], axis=0)
    return values[seen][:: max(1, np.count_nonzero(seen) // MAX_ROWS_SHOWN)]


def _prepared(
    estimator: Any, X: Any, features: Any, grid_resolution: int, eps: float, limits: Any
) -> tuple[list[ndarray], Any, list[str], ndarray, int]:
    """Return the axes of two columns, the rows of their grid, their names, the rows to show, the columns held."""
    rows = check_numpy(X, dtype=np.float64)
    names = column_names(estimator, X)
    pair = _pair(features, names)
    axes, points = _grid(rows, list(pair), grid_resolution, eps, limits)
    return axes, _like(X, points), [names[k] for k in pair], _some_within(rows[:, list(pair)], axes), len(names) - 2


def _labelled_axes(ax: Axes | None, names: list[str], title: str, xlabel: str | None, ylabel: str | None) -> Axes:
    """Return the axes with the names of the columns, and a title unless that is empty."""
    ax = new_axes() if ax is None else ax
    ax.set_xlabel(names[0] if xlabel is None else xlabel)
    ax.set_ylabel(names[1] if ylabel is None else ylabel)
    if title:
        ax.set_title(title, fontsize="medium")
    return ax


def _slice_title(held: int) -> str:
    return f"slice: {held} other column{'s' * (held > 1)} at the median" if held else ""


def _two_columns(X: Any, pair: tuple[int, int]) -> ndarray:
    """Return the numbers of two columns of a frame or array, which may have others that are no numbers."""
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return frame[:, list(pair)].to_numpy().astype(np.float64)
    return check_numpy(X)[:, list(pair)].astype(np.float64)


def _show_rows(ax: Axes, rows: ndarray) -> None:
    ax.plot(*rows.T, ".", color="k", markersize=2, alpha=0.3, label="rows")


class DensityDisplay:
    """Density of an estimator on a grid of two columns.

    Parameters
    ----------
    axes : list of two ndarrays of shape (grid_resolution,)
        Grid values of the two columns, in their units.
    log_density : ndarray of shape (grid_resolution, grid_resolution)
        log p in nats, the second column along the first axis.
    names : list of two str
        Column names.
    rows : ndarray of shape (n_shown, 2)
        Rows of the table that may be shown, all within the grid.
    held : int
        Number of columns that are fixed at their medians, or integrated out.
    kind : {"slice", "marginal"}, default="slice"
        What became of the other columns.
    levels : dict of float to float, optional
        For the share of the mass that each region of highest density holds, the log-density in nats at its boundary.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    surface_ : matplotlib artist
        The last surface drawn.
    colorbar_ : matplotlib Colorbar or None
        The last colour bar.
    regions_ : matplotlib QuadContourSet or None
        Boundaries of the last regions of highest density, the largest region first.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.plotting import DensityDisplay
    >>> X = load_iris().data[:, 2:]
    >>> display = DensityDisplay.from_estimator(ScoreMatchingDensity().fit(X), X, grid_resolution=50)
    >>> display.log_density.shape
    (50, 50)
    """

    def __init__(
        self,
        axes: list[ndarray],
        log_density: ndarray,
        names: list[str],
        rows: ndarray,
        held: int = 0,
        kind: str = "slice",
        levels: dict[float, float] | None = None,
    ) -> None:
        self.axes, self.names, self.rows, self.held = axes, names, rows, held
        self.log_density, self.kind, self.levels = log_density, kind, levels or {}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        features: Any = None,
        grid_resolution: int = 100,
        eps: float = 0.1,
        limits: ArrayLike | None = None,
        kind: str = "slice",
        regions: Sequence[float] = (),
        n_draws: int = 5000,
        random_state: Any = 0,
        ax: Axes | None = None,
        **plot_options: Any,
    ) -> Self:
        """Evaluate a density on a grid over two columns and plot it.

        Parameters
        ----------
        estimator : fitted density estimator
            Any estimator with ``score_samples``: a density of skscore, ``KernelDensity``, ``GaussianMixture``, or a
            Pipeline that ends in one. Marginals and regions need ``sample`` too.
        X : array-like of shape (n_samples, n_features)
            Rows whose ranges define the grid, but for rows far beyond the middle 99 % of a column. For a marginal
            its other columns may be categories.
        features : tuple of two int or str, optional
            Columns to show; required if X has more than two.
        grid_resolution : int, default=100
            Number of grid points along each column.
        eps : float, default=0.1
            Margin around the rows, as a fraction of their range.
        limits : array-like of shape (2, 2), optional
            Ends of the grid, ``((low, high), (low, high))`` of the two columns in their units, in place of the rows'.
        kind : {"slice", "marginal"}, default="slice"
            The density with the other columns fixed at their medians, or the density of the two columns alone: that
            of draws, smoothed by a Gaussian as wide as Scott's rule says.
        regions : sequence of float, default=()
            Shares of the mass, such as ``(0.5, 0.8, 0.95)``. The smallest region that holds each is outlined, at the
            level of log p that draws find (Hyndman, 1996). Those of a slice are regions of all columns.
        n_draws : int, default=5000
            Draws for a marginal or regions. A share a is found with the standard error √(a(1 − a)/n_draws).
        random_state : int, RandomState or Generator, default=0
            Of the draws.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        DensityDisplay

        Raises
        ------
        ValueError
            If ``features`` does not name two columns of X, ``limits`` are not two intervals, ``regions`` are no
            shares, or the estimator cannot be drawn from where that is needed.
        """
        if kind not in ("slice", "marginal"):
            raise ValueError(f"kind={kind!r}: choose 'slice' or 'marginal'.")
        shares = checked_shares(regions)
        draws = drawn_rows(estimator, n_draws, random_state) if shares or kind == "marginal" else None
        if kind == "slice":
            axes, points, names, rows, held = _prepared(estimator, X, features, grid_resolution, eps, limits)
            log_density = np.asarray(estimator.score_samples(points)).reshape(grid_resolution, grid_resolution)
            of_draws = np.asarray(estimator.score_samples(_like(X, draws))) if shares else np.empty(0)
        else:
            all_names = column_names(estimator, X)
            pair, held = _pair(features, all_names), len(all_names) - 2
            values, names = _two_columns(X, pair), [all_names[k] for k in pair]
            axes = _grid_axes(values, grid_resolution, eps, limits)
            rows, drawn = _some_within(values, axes), _two_columns(draws, pair)
            log_density = smoothed(drawn, axes)
            of_draws = log_density_at(drawn, axes, log_density)
        levels = region_levels(of_draws, shares)
        return cls(axes, log_density, names, rows, held, kind, levels).plot(ax=ax, **plot_options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        plot_method: str = "contourf",
        log: bool = False,
        show_rows: bool = True,
        colorbar: bool | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the density.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        plot_method : {"contourf", "contour", "pcolormesh"}, default="contourf"
            Method of the axes that draws the surface.
        log : bool, default=False
            Show log p in nats, at most 10 nats below its maximum, instead of p.
        show_rows : bool, default=True
            Draw the rows as points.
        colorbar : bool, optional
            Draw a colour bar; by default in a new figure, not in axes that are given.
        xlabel, ylabel : str, optional
            Labels that replace the column names.
        **kwargs : dict
            Passed to the plot method.

        Returns
        -------
        DensityDisplay
        """
        if plot_method not in ("contourf", "contour", "pcolormesh"):
            raise ValueError(f"plot_method={plot_method!r}: choose 'contourf', 'contour' or 'pcolormesh'.")
        colorbar = ax is None if colorbar is None else colorbar
        title = f"marginal over {self.held} other column{'s' * (self.held > 1)}" if self.held else ""
        title = _slice_title(self.held) if self.kind == "slice" else title
        self.ax_ = ax = _labelled_axes(ax, self.names, title, xlabel, ylabel)
        self.figure_ = ax.figure
        top = self.log_density.max()
        values = np.maximum(self.log_density, top - 10.0) if log else np.exp(self.log_density)
        options: dict[str, Any] = (
            {"cmap": "Blues"} | ({"levels": 20} if "contour" in plot_method else {"shading": "auto"}) | kwargs
        )
        self.surface_ = getattr(ax, plot_method)(*self.axes, values, **options)
        unit = "log-density, nats" if log else "density, per unit of each column"
        self.colorbar_ = ax.figure.colorbar(self.surface_, ax=ax, label=unit) if colorbar else None
        if show_rows:
            _show_rows(ax, self.rows)
        self.regions_ = self._outline(ax, top) if self.levels else None
        return self

    def _outline(self, ax: Axes, top: float) -> Any:
        """Outline the regions of highest density, and say in a legend what they hold."""
        share_at = {float(np.exp(level - top)): share for share, level in sorted(self.levels.items(), reverse=True)}
        at = sorted(share_at)
        styles = [REGION_STYLES[k % len(REGION_STYLES)] for k in range(len(at))][::-1]
        drawn = ax.contour(*self.axes, np.exp(self.log_density - top), levels=at, colors="k", linestyles=styles)
        handles: list[Any] = []
        for level, style in zip(reversed(at), reversed(styles), strict=True):
            share = share_at[level]
            label = f"{100 * share:.4g} % of the mass: log p ≥ {self.levels[share]:.3g} nats"
            handles += ax.plot([], [], color="k", linestyle=style, label=label.replace("-", "−"))
        ax.legend(handles=handles, loc="upper right", fontsize="small")
        return drawn


class ScoreFieldDisplay:
    """Score field ∇ log p of an estimator on a grid of two columns.

    Parameters
    ----------
    axes : list of two ndarrays of shape (grid_resolution,)
        Grid values of the two columns, in their units.
    score : ndarray of shape (grid_resolution, grid_resolution, 2)
        Components of the score along the two columns, in nats per unit.
    names : list of two str
        Column names.
    rows : ndarray of shape (n_shown, 2)
        Rows of the table that may be shown, all within the grid.
    held : int
        Number of columns that are fixed at their medians.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    quiver_ : matplotlib Quiver
        The last field drawn.
    colorbar_ : matplotlib Colorbar or None
        The last colour bar, of the norms of the scores in nats per step of the grid.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.plotting import ScoreFieldDisplay
    >>> X = load_iris().data[:, 2:]
    >>> display = ScoreFieldDisplay.from_estimator(ScoreMatchingDensity().fit(X), X)
    >>> display.score.shape
    (20, 20, 2)
    """

    def __init__(self, axes: list[ndarray], score: ndarray, names: list[str], rows: ndarray, held: int = 0) -> None:
        self.axes, self.names, self.rows, self.held = axes, names, rows, held
        self.score = score

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        features: Any = None,
        grid_resolution: int = 20,
        eps: float = 0.1,
        limits: ArrayLike | None = None,
        ax: Axes | None = None,
        **plot_options: Any,
    ) -> Self:
        """Evaluate ``estimator.grad_log_density`` on a grid over two columns and plot it.

        Parameters
        ----------
        estimator : fitted density estimator
            Any estimator with ``grad_log_density``.
        X : array-like of shape (n_samples, n_features)
            Rows whose ranges define the grid, but for rows far beyond the middle 99 % of a column.
        features : tuple of two int or str, optional
            Columns to show; required if X has more than two. The others are fixed at their medians.
        grid_resolution : int, default=20
            Number of arrows along each column.
        eps : float, default=0.1
            Margin around the rows, as a fraction of their range.
        limits : array-like of shape (2, 2), optional
            Ends of the grid, ``((low, high), (low, high))`` of the two columns in their units, in place of the rows'.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        ScoreFieldDisplay

        Raises
        ------
        ValueError
            If ``features`` does not name two columns of X, ``limits`` are not two intervals, or the estimator has no
            score.
        """
        if not hasattr(estimator, "grad_log_density"):
            raise ValueError(f"estimator={estimator!r} has no grad_log_density: give a density of skscore.")
        axes, points, names, rows, held = _prepared(estimator, X, features, grid_resolution, eps, limits)
        all_names = column_names(estimator, X)
        pair = [all_names.index(name) for name in names]
        score = np.asarray(estimator.grad_log_density(points))[:, pair].reshape(grid_resolution, grid_resolution, 2)
        return cls(axes, score, names, rows, held).plot(ax=ax, **plot_options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        max_length: float = 0.95,
        show_rows: bool = False,
        colorbar: bool | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the field as arrows whose colour shows their true length.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        max_length : float, default=0.95
            Length of the longest arrow, in steps of the grid. Long scores are compressed, ``s ↦ s/(1 +
            |s|/median|s|)``, so that the field is readable far from the data.
        show_rows : bool, default=False
            Draw the rows as points.
        colorbar : bool, optional
            Draw a colour bar; by default in a new figure, not in axes that are given or if arrows have one colour.
        xlabel, ylabel : str, optional
            Labels that replace the column names.
        **kwargs : dict
            Passed to ``ax.quiver``.

        Returns
        -------
        ScoreFieldDisplay
        """
        colorbar = ax is None and "color" not in kwargs if colorbar is None else colorbar
        self.ax_ = ax = _labelled_axes(ax, self.names, _slice_title(self.held), xlabel, ylabel)
        self.figure_ = ax.figure
        if show_rows:
            _show_rows(ax, self.rows)
        step = np.array([values[1] - values[0] for values in self.axes])
        in_steps = self.score * step  # both columns in steps of the grid
        length = np.linalg.norm(in_steps, axis=2, keepdims=True)
        arrows = in_steps / (np.nanmedian(length) + length) * step * max_length
        options: dict[str, Any] = {
            "angles": "xy",
            "scale_units": "xy",
            "scale": 1.0,
            "pivot": "mid",
            "cmap": "viridis",
            "norm": "log",
        } | kwargs
        colour = () if "color" in options else (length[..., 0],)
        self.quiver_ = ax.quiver(*self.axes, arrows[..., 0], arrows[..., 1], *colour, **options)
        unit = "score, nats from one arrow to the next"
        self.colorbar_ = ax.figure.colorbar(self.quiver_, ax=ax, label=unit) if colorbar else None
        return self
