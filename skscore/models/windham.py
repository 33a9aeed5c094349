r"""Score matching that outliers hardly move: each row weighs as much as a power of its own density (Windham, 1995).

Where :math:`p_\theta \propto \exp(\theta^\top T)`, rows of :math:`p_\theta` with the weights :math:`p_\theta^c` are
rows of :math:`p_{(1+c)\theta}`, of the same family. So the estimate is the fixed point of

.. math:: w_i = p_\theta(x_i)^c, \qquad
          \theta = \frac{1}{1 + c}\arg\min_\varphi \frac{\sum_iw_iJ_i(\varphi)}{\sum_iw_i},

which rows of :math:`p_\theta` leave where it is, and to which a row far from the others adds next to nothing. No
normaliser is needed, since a factor of all weights is none. At c = 0 it is the plain fit.

The plain fit of rows with outliers can be a function that grows towards them. The iteration therefore begins with
the rows that are within five median absolute deviations of the median in each column, at least half of all; and what a
family takes from its table, its origin, its units and the weight of rows near a boundary, it takes from these.

The standard errors (``fitting/inference.py``) ask for the slope in θ of what is zero at the estimate, the weighted mean
of :math:`\psi_i + \alpha R\varphi` with :math:`\psi_i = \Gamma_i\varphi - g_i` and :math:`\varphi = (1 + c)\theta`. The
weights have the slopes :math:`c\,w_iT_i`, and so it is

.. math:: A = (1 + c)(\Gamma + \alpha R) + c\,C, \qquad
          C = \frac{\sum_iw_i\psi_i(T_i - \bar T)^\top}{\sum_iw_i}, \qquad
          \bar T = \frac{\sum_iw_iT_i}{\sum_iw_i},

with a constant :math:`\bar T`, a factor of all weights, that leaves the penalty out of C. The mean of :math:`\psi` over
rows of :math:`p_\varphi` is zero for every φ, and so is its slope in φ, Γ + C. Where the rows are many and follow the
model, and α = 0, A is therefore Γ. A step of the iteration multiplies the distance to its end by
:math:`-\tfrac{c}{1 + c}(\Gamma + \alpha R)^{-1}C`, which there is c/(1 + c): tens of fits reach the rounding.

References
----------
Scealy, J. L., Hingee, K. L., Kent, J. T., & Wood, A. T. A. (2024). Robust score matching for compositional data.
Statistics and Computing, 34, 93.
Windham, M. P. (1995). Robustifying model fitting. JRSS B, 57(3), 599-609.
"""

from __future__ import annotations

import numpy as np

from ..fitting.solvers import UnboundedObjectiveError
from ..formulas.moments import Summary, moments, row_blocks
from .folds import taken

__all__ = ["feedback", "middle_rows", "near_the_median", "windham_weights"]

TOLERANCE = 1e-9  # change of a weight, of which the largest is 1, at which the iteration has ended
MAX_FITS = 500
BLOCK_BYTES = 1 << 22
FAR = 5.0  # median absolute deviations, 3.4 standard deviations of a Gaussian


def windham_weights(family, sample, objective, alpha, c):
    r"""Weights of the rows at the fixed point.

    Parameters
    ----------
    family : Family
        Closed under powers, bound to the rows near the median.
    sample : Sample
        All rows, with what each of them counts.
    objective : Implicit or Sliced
    alpha : float
        Penalty of each of the weighted fits.
    c : float
        Power of the density, at least 0.

    Returns
    -------
    weight : ndarray of shape (n,)
        The row's own weight times :math:`p_\theta(x_i)^c`, with the sum of the rows' own weights.
    remarks : tuple of str
        One if the weights still change after 500 fits.

    Raises
    ------
    UnboundedObjectiveError
        Where the weighted rows do not determine the parameters.
    """
    own = np.ones(len(sample.X)) if sample.weight is None else sample.weight
    weight = near_the_median(sample.X, sample.weight).astype(float)
    remarks: tuple[str, ...] = ()
    for _ in range(MAX_FITS):
        theta = family.power(_fit(family, sample.X, own * weight, objective, alpha), 1.0 / (1.0 + c))
        before, weight = weight, _power_of_density(family, theta, sample.X, c)
        change = np.abs(weight - before).max()
        if change <= TOLERANCE:
            break
    else:
        remark = (
            f"robust={c:g}: after {MAX_FITS} fits the weights of rows still change by {change:.2g} of the largest. A "
            "smaller value converges sooner."
        )
        remarks = (remark,)
    return own * weight * (own.sum() / (own @ weight)), remarks


def feedback(family, phi, X, weight, objective):
    """C, by which the mean gradient answers to θ through the weights.

    Parameters
    ----------
    family : Family
        Whose parameters are a vector.
    phi : ndarray of shape (m,)
        Parameters of the weighted rows.
    X : ndarray of shape (n, d)
    weight : ndarray of shape (n,)
        Positive, as of `windham_weights`.
    objective : Implicit or Sliced

    Returns
    -------
    ndarray of shape (m, m)
        Rows for the gradients, columns for the statistics.
    """
    blocks = list(row_blocks(len(X), 8 * X.shape[1] * len(phi), BLOCK_BYTES))
    share = weight / weight.sum()
    mean = sum(share[b] @ family.statistics(X[b]) for b in blocks)
    scaled = (share[b, None] * family.row_gradients(phi, X[b], None, objective) for b in blocks)
    return sum(psi.T @ (family.statistics(X[b]) - mean) for b, psi in zip(blocks, scaled, strict=True))


def _power_of_density(family, theta, X, c):
    """p^c of each row, relative to the largest, shape (n,)."""
    with np.errstate(over="ignore", invalid="ignore"):  # rows so far away that their powers overflow
        log_weight = c * family.log_density(theta, X)
    log_weight[np.isnan(log_weight)] = -np.inf
    return np.exp(log_weight - log_weight.max())


def _fit(family, X, weight, objective, alpha):
    """θ of the weighted rows."""
    share = weight / weight.sum()
    effective = 1.0 / (share @ share)
    if effective <= X.shape[1]:
        raise UnboundedObjectiveError(f"{effective:.3g} rows have all the weight")
    X, weight = X[weight > 0.0], weight[weight > 0.0]  # the others count for nothing, however far they lie
    statistics = Summary(moments(X, weight), family.assemble(X, None, weight, objective))
    estimate = family.solve(statistics, objective, alpha)
    if not estimate.is_determined:
        raise UnboundedObjectiveError("constant or collinear columns among the rows with weight")
    return estimate.theta


def middle_rows(sample):
    """The rows near the median, by which a family is bound if others are to have no say."""
    near = taken(sample, near_the_median(sample.X, sample.weight))
    return near._replace(moments=moments(near.X, near.weight))


def near_the_median(X, weight):
    """Whether each row is far from the median in no column, or less far than half of the rows, shape (n,)."""
    deviation = np.abs(X - _median(X, weight))
    scale = _median(deviation, weight)
    with np.errstate(over="ignore"):
        farthest = (deviation / np.where(scale > 0.0, scale, np.inf)).max(axis=1)
    return farthest <= max(FAR, _median(farthest[:, None], weight).item())


def _median(X, weight):
    """Of each column; a weight of k counts as k rows."""
    weights = None if weight is None else weight[:, None] * np.ones_like(X)
    return np.quantile(X, 0.5, axis=0, weights=weights, method="inverted_cdf")
