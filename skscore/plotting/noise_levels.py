"""What each noise level adds to a density."""

from __future__ import annotations

import numpy as np

from ..formulas.schedules import geometric_ladder
from .canvas import new_axes

__all__ = ["NoiseLevelDisplay"]


class NoiseLevelDisplay:
    """What a noise-conditional score knows beyond a Gaussian, noise level by noise level.

    The height is the gain over the reference Gaussian of a :class:`~skscore.DenoisingScoreEstimator` in nats per unit
    of log σ, so the area is the gain of the lower bound that ``criterion="elbo"`` gives.

    Parameters
    ----------
    levels : ndarray of shape (L,)
        Noise levels σ, decreasing, in units of the standardised columns.
    gain : ndarray of shape (L,)
        Nats per unit of log σ.

    Attributes
    ----------
    area : float
        Gain of the bound over the reference Gaussian, in nats per row.
    ax_, figure_ : matplotlib Axes and Figure
        Where the last ``plot`` went.
    line_ : matplotlib Line2D
        The last line drawn.

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

    def __init__(self, levels, gain):
        self.levels, self.gain = levels, gain
        self.area = float(np.trapezoid(gain[::-1], np.log(levels[::-1])))

    @classmethod
    def from_estimator(cls, estimator, X, *, n_levels=49, ax=None, **plot_options):
        """Evaluate the denoising errors of ``estimator`` on X and plot them.

        Parameters
        ----------
        estimator : DenoisingScoreEstimator
            Fitted at more than one noise level.
        X : array-like of shape (n_samples, n_features)
            Rows, best held out.
        n_levels : int, default=49
            Levels at which errors are evaluated.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **plot_options : dict
            Passed to ``plot``.

        Returns
        -------
        NoiseLevelDisplay
        """
        fitted = getattr(estimator, "noise_levels_", ())
        if len(fitted) < 2:
            raise ValueError(f"estimator={estimator!r} has {len(fitted)} noise levels: fit one with several.")
        levels = geometric_ladder(fitted[-1], fitted[0], n_levels)
        return cls(levels, estimator._denoising_gain(X, levels)).plot(ax=ax, **plot_options)

    def plot(self, ax=None, **kwargs):
        """Draw the gain over log σ.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
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
        ax.set(xlabel="noise level σ", ylabel="gain, nats per unit of log σ")
        self.ax_, self.figure_ = ax, ax.figure
        return self
