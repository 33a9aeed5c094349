r"""What draws of a density tell: the density of two of its columns, and its regions of highest density.

The marginal density of two columns is that of the draws, smoothed by a Gaussian of widths :math:`s_k\, n^{-1/6}`
(Scott, 1992), where :math:`s_k` is the smaller one of the standard deviation and the interquartile range over 1.349.

The smallest region that holds a share a of the mass is :math:`\{x : p(x) \ge c\}`, with c the (1 − a)-quantile of p
over draws (Hyndman, 1996).

References
----------
Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician, 50(2), 120-126.
Scott, D. W. (1992). Multivariate Density Estimation. Wiley.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import gaussian_filter

from .._compat import draws_of

__all__ = ["checked_shares", "drawn_rows", "log_density_at", "region_levels", "smoothed"]

NORMAL_IQR = 1.349  # standard deviations between the quartiles of a normal density
REACH = 4.0  # widths beyond the grid from which draws still count on it


def drawn_rows(estimator: Any, n_draws: int, random_state: Any) -> Any:
    """Return draws of any estimator that has `sample`, as it gives them: a frame or an array."""
    if not hasattr(estimator, "sample"):
        raise ValueError(f"estimator={estimator!r} has no sample: give a density that can be drawn from.")
    return draws_of(estimator, n_draws, random_state)


def checked_shares(regions: Sequence[float]) -> list[float]:
    """Return the shares of the mass that regions hold, ascending."""
    shares = sorted(float(share) for share in np.ravel(regions))
    if not all(0.0 < share < 1.0 for share in shares):
        raise ValueError(f"regions={regions!r}: give shares between 0 and 1, for example (0.5, 0.8, 0.95).")
    return shares


def region_levels(log_density: ndarray, shares: Sequence[float]) -> dict[float, float]:
    """Return the log-density from which on a region holds each share, from the log-densities (n,) of draws."""
    return {share: float(np.quantile(log_density, 1.0 - share)) for share in shares}


def smoothed(draws: ndarray, axes: list[ndarray]) -> ndarray:
    """Return the log-density of draws (n, 2) on a grid, the second column along the first axis."""
    step = np.array([axis[1] - axis[0] for axis in axes])
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    spread, middle = draws.std(axis=0), (high - low) / NORMAL_IQR
    width = np.where(middle > 0.0, np.minimum(spread, middle), spread) * len(draws) ** (-1 / 6)
    pad = np.ceil(REACH * width / step).astype(int)
    edges = [
        axis[0] + s * (np.arange(-more, len(axis) + more + 1) - 0.5)
        for axis, s, more in zip(axes, step, pad, strict=True)
    ]
    counts, _ = np.histogramdd(draws, bins=edges)
    density = gaussian_filter(counts, width / step, mode="constant") / (len(draws) * step.prod())
    inside = tuple(slice(more, more + len(axis)) for axis, more in zip(axes, pad, strict=True))
    with np.errstate(divide="ignore"):
        return np.log(density[inside]).T


def log_density_at(points: ndarray, axes: list[ndarray], log_density: ndarray) -> ndarray:
    """Return the log-density at points (n, 2) between those of a grid, −∞ outside."""
    density = RegularGridInterpolator((axes[1], axes[0]), np.exp(log_density), bounds_error=False, fill_value=0.0)
    with np.errstate(divide="ignore"):
        return np.log(density(points[:, ::-1]))
