"""The gain of a density over a Gaussian at each noise level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from ..formulas.schedules import geometric_ladder
from .canvas import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NoiseLevelDisplay"]


class NoiseLevelDisplay:
    """Gain of a noise-conditional score over a Gaussian, as a function of the noise level.

    The height is the gain of a :class:`~skscore.DenoisingScoreEstimator` over its reference Gaussian in nats per unit
    of log σ. The area is the gain of the lower bound that ``criterion="elbo"`` gives.

    Parameters
    ----------
    levels : ndarray of shape (L,)
        Noise levels σ, decreasing, in units of the standardised columns.
    gain : ndarray of shape (L,)
        Gain in nats per unit of log σ.
    path : tuple of two ndarrays of shape (K,), optional
        Smallest levels that folds have compared, and the mean log-likelihood of each. What they lose to the best of
        them is drawn on an axis of its own.

    Attributes
    ----------
    area : float
        Gain of the bound over the reference Gaussian, in nats per row.
    ax_, figure_ : matplotlib Axes and Figure
        Axes and figure of the last plot.
    line_, path_line_ : matplotlib Line2D
        The last lines drawn; the second is None without a path.
    legend_ : matplotlib Legend
        The last legend, which says what the area is in nats.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import DenoisingScoreEstimator
    >>> from skscore.plotting import NoiseLevelDisplay
    >>> X = load_iris().data
    >>> density = DenoisingScoreEstimator("gaussian", dequantize=False).fit(X)
    >>> display = NoiseLevelDisplay.from_estimator(density, X)
    >>> print(f"{display.area:.0f} nats above independent columns")
    2 nats above independent columns
    """

    def __init__(self, levels: ndarray, gain: ndarray, path: tuple[ndarray, ndarray] | None = None) -> None:
        self.levels, self.gain, self.path = levels, gain, path
        self.area = float(np.trapezoid(gain[::-1], np.log(levels[::-1])))

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, *, n_levels: int = 49, ax: Axes | None = None, **plot_options: Any
    ) -> Self:
        """Evaluate the denoising errors of ``estimator`` on X and plot the gain.

        Parameters
        ----------
        estimator : DenoisingScoreEstimator or DenoisingScoreEstimatorCV
            Fitted at more than one noise level. The path is that of the latter.
        X : array-like of shape (n_samples, n_features)
            Rows, preferably held out.
        n_levels : int, default=49
            Number of levels at which errors are evaluated.
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        NoiseLevelDisplay
        """
        fitted: Any = getattr(estimator, "noise_levels_", ())
        if len(fitted) < 2:
            raise ValueError(f"estimator={estimator!r} has {len(fitted)} noise levels: fit one with several.")
        levels = geometric_ladder(estimator.sigma_min_, fitted[0], n_levels)
        results = getattr(estimator, "cv_results_", None)
        path = None if results is None else (results["sigma_min"], results["mean_test_score"])
        return cls(levels, estimator._denoising_gain(X, levels), path).plot(ax=ax, **plot_options)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the gain over log σ, with its area in nats in the legend.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw in; by default those of a new figure.
        **kwargs : dict
            Passed to ``ax.plot``.

        Returns
        -------
        NoiseLevelDisplay
        """
        ax = new_axes() if ax is None else ax
        options = {"label": f"{self.area:.2f} nats above the Gaussian"} | kwargs
        (self.line_,) = ax.semilogx(self.levels, self.gain, **options)
        ax.fill_between(self.levels, self.gain, color=self.line_.get_color(), alpha=0.15)
        self.legend_ = ax.legend(frameon=False, fontsize="small")
        ax.set(xlabel="noise level σ", ylabel="gain, nats per unit of log σ")
        self.ax_, self.figure_, self.path_line_ = ax, ax.figure, self._plot_path(ax)
        return self

    def _plot_path(self, ax):
        """Line of what each level of the path loses, on an axis to the right."""
        if self.path is None:
            return None
        levels, score = self.path
        right = ax.twinx()
        right.set_ylabel("lost in folds, nats")
        (line,) = right.plot(levels, score.max() - score, "o--", color="0.4", markersize=4)
        return line
