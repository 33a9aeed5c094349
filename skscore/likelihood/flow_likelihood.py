r"""The log-density at the smallest noise level along the probability flow, its errors, and a bound without a flow.

The flow of :mod:`skscore.samplers.flow` carries the row :math:`y = x/r(\sigma_{\min})` up to :math:`y_T` at
:math:`\sigma_{\max}`, where p is close to the reference Gaussian. By the change of variables (Chen et al. 2018, eq. 8),
with :math:`t = \log\sigma` and :math:`r_j = \sqrt{\sigma^2 + \lambda_j}`,

.. math::

   \log p_{\sigma_{\min}}(x) = \log N(y_T; 0, I) - \tfrac12\sum_j \log(\lambda_j + \sigma_{\min}^2)
      + \int \nabla_y\!\cdot f\,dt,\qquad
   \nabla_y\!\cdot f = -\sigma^2\Bigl(\nabla\!\cdot s + \sum_j \frac1{r_j^2}\Bigr).

The path is computed by the classical Runge-Kutta step of order four, whose inner points need the score alone. The
integral is computed by the trapezoidal rule over the levels. Only there the divergence is evaluated, which costs about
d times as much as a score. If the integrand vanishes at both ends, that rule converges faster than any power of the
step (Trefethen & Weideman 2014). At a large :math:`\sigma_{\min}` it does not at the lower end, whose error the first
term of Gregory's correction takes away, :math:`\tfrac h{12}(g_1 - g_0)` for integrands g at the first levels (Javed &
Trefethen 2016). For the reference Gaussian the velocity is zero, and any number of steps is exact.

**The error of a row** is estimated from values that the path has anyway. The rule over every second level, of step 2h,
has at least four times the error of the rule over all levels, so that theirs differ by three times that of the latter.
With the velocity :math:`k_1^+` at the end of a Runge-Kutta step in the place of its last stage the step has order three
(its abscissa and moments are the same), which leaves :math:`e = \tfrac h6 (k_4 - k_1^+)` as the error of one step. A
row moved by e at the level σ changes its log-density by :math:`e\cdot\nabla_y \log p_\sigma = \sum_j e_j r_j s_j`. So

.. math::

   \text{error} \approx \tfrac13 |T_h - T_{2h}| + \sum_{\text{steps}} \bigl|\sum_j e_j r_j s_j\bigr| ,\qquad
   T_h - T_{2h} = -h\bigl(\tfrac12 g_0 - g_1 + g_2 - \dots \pm \tfrac12 g_L\bigr),\quad g = \nabla_y\!\cdot f .

Rows whose estimate is well above a tolerance are computed anew with the steps halved, again and again until two
successive values agree. Such rows lie between far clusters, and beside the last rows of a skewed column, where a fitted
polynomial drives the flow to infinity within a step or two. The density falls to zero towards the edge from which the
flow reaches infinity, so a row that settles at no number of steps has log-density -inf, as have those beyond.

:func:`elbo` bounds the mean log-density from below without a flow, by the denoising errors at all levels.

References
----------
Chen, R. T. Q., Rubanova, Y., Bettencourt, J., & Duvenaud, D. (2018). Neural ordinary differential equations. NeurIPS.
Song, Y., et al. (2021). Score-based generative modeling through stochastic differential equations. ICLR, §4.3.
Hairer, E., Nørsett, S. P., & Wanner, G. (1993). Solving Ordinary Differential Equations I, §II.4 (embedded formulas).
Javed, M., & Trefethen, L. N. (2016). Euler-Maclaurin and Gregory interpolants. Numerische Mathematik, 132.
Trefethen, L. N., & Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule. SIAM Review, 56(3).
Kong, X., Brekelmans, R., & Ver Steeg, G. (2023). Information-theoretic diffusion. ICLR.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..formulas.moments import evenly, row_blocks
from ..formulas.schedules import Preconditioning, geometric_ladder
from ..samplers import NoiseConditionalScore
from ..samplers.flow import velocity
from .standard_normal import log_standard_normal

__all__ = ["LikelihoodReport", "adaptive_steps", "antithetic_noise", "denoising_gain", "elbo", "flow_log_density"]

REPORT_ROWS = 256
ROW_TOLERANCE = 0.1  # nats
# An estimate, of rules of lower order than those in use, has to reach this multiple of the tolerance. For networks and
# closed-form models on iris, wine, abalone and concrete the largest is 0.42 nat, where halved steps change a row by
# 0.03 (networks: 0.05). Rows beside a skewed column that err by more than 0.05 nat have estimates from 0.3 to 1e3.
OVERESTIMATE = 5.0
MOST_STEPS = 32  # of a row, in terms of the given number
UNSETTLED = 1.0  # nats, by which the last two values of a row may differ
RELATIVE = 0.01  # of a log-density, which is as good as one nat: single precision has no more digits far from the rows


class LikelihoodReport(NamedTuple):
    """Accuracy of the log-densities of a flow, estimated from at most 256 rows.

    Attributes
    ----------
    n_steps : int
        Number of steps.
    halving_difference : float
        Mean absolute change of the log-density of a row, in nats, when the number of steps is halved. Rows are taken as
        they are before :func:`flow_log_density` refines those that need it.
    probe_stderr : float
        Standard error of the mean log-density due to random divergence probes; 0 if the divergence is exact.
    median, worst : float
        Median and smallest log-density of the rows, in nats.
    above_gaussian : float
        Mean log-density minus that of the reference Gaussian N(0, diag(λ + σ_min²)), in nats.
    n_cell_points : int
        Points of the cells of discrete columns behind the log-density of a row; 1 is the centre.
    cell_difference : float
        Mean absolute change of the log-density of a row, in nats, when the number of points is doubled, or halved where
        there are as many as may be. 0 in a table without cells.
    """

    n_steps: int
    halving_difference: float
    probe_stderr: float
    median: float
    worst: float
    above_gaussian: float
    n_cell_points: int = 1
    cell_difference: float = 0.0


def flow_log_density(
    X: np.ndarray,
    target: NoiseConditionalScore | Callable[[np.ndarray], NoiseConditionalScore],
    levels: np.ndarray,
    *,
    tolerance: float = ROW_TOLERANCE,
    block_rows: int = 4096,
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate log p at the smallest noise level, along the probability flow.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, in the coordinates of the target.
    target : NoiseConditionalScore, or callable
        It must give divergences. If rows have densities of their own, a function from indices of rows to the target of
        these.
    levels : ndarray of shape (L,)
        Noise levels, decreasing in a constant ratio, for L − 1 steps. One level gives the reference Gaussian.
    tolerance : float, default=0.1
        In nats, or in hundredths of a larger log-density. A row whose estimated error is above five times that is
        computed anew with twice the steps, again and again up to 32 times as many, until two successive values differ
        by no more.
        np.inf takes the given levels for all rows.
    block_rows : int, default=4096
        Number of rows that are evaluated together.

    Returns
    -------
    log_density : ndarray of shape (n,)
        In nats; -inf for rows that the flow carries to infinity, and for rows whose last two values are more than a nat
        apart.
    stderr : ndarray of shape (n,)
        Standard errors due to random divergence probes; 0 if the divergence is exact.

    Examples
    --------
    The density N(0, 4) with a reference Gaussian of variance 1, so that the flow moves:

    >>> import numpy as np
    >>> from skscore.formulas.schedules import geometric_ladder
    >>> from skscore.likelihood import flow_log_density
    >>> from skscore.samplers import NoiseConditionalScore
    >>> def score(x, sigma):
    ...     return -x / (4 + sigma**2)
    >>> def score_and_divergence(x, sigma):
    ...     return score(x, sigma), np.full((len(x), 1), -1 / (4 + sigma**2))
    >>> wide = NoiseConditionalScore(score, score_and_divergence, np.ones(1))
    >>> log_density, stderr = flow_log_density(np.array([[2.0]]), wide, geometric_ladder(0.001, 1000.0, 41))
    >>> log_density.round(4), -0.5 - 0.5 * np.log(2 * np.pi * 4).round(4)
    (array([-2.1121]), np.float64(-2.1121))
    """
    log_density, stderr, error = _in_blocks(X, np.arange(len(X)), target, levels, block_rows)
    rows = np.flatnonzero(error > OVERESTIMATE * tolerance)
    n_steps = len(levels) - 1
    most = MOST_STEPS * n_steps
    close = np.ones(len(rows), dtype=bool)
    while len(rows) and 2 * n_steps <= most:
        n_steps *= 2
        finer_levels = geometric_ladder(levels[-1], levels[0], n_steps + 1)
        finer, stderr[rows], error = _in_blocks(X, rows, target, finer_levels, block_rows)
        agree, close = (_agree(finer, log_density[rows], atol) for atol in (tolerance, UNSETTLED))
        log_density[rows] = finer
        doubtful = ~(agree & (np.isneginf(finer) | (error <= OVERESTIMATE * tolerance * (1.0 + RELATIVE * abs(finer)))))
        rows, close = rows[doubtful], close[doubtful]
    log_density[rows[~close]], stderr[rows[~close]] = -np.inf, 0.0
    return log_density, stderr


def _in_blocks(X: np.ndarray, index: np.ndarray, target: Any, levels: np.ndarray, block_rows: int) -> np.ndarray:
    """Return what `_log_density` says of the rows at an index, shape (3, k), found block by block."""
    found = np.empty((3, len(index)))
    for block in row_blocks(len(index), 1, block_rows):
        rows = index[block]
        found[:, block] = _log_density(X[rows], _of_rows(target, rows), levels)
    return found


def _of_rows(target: Any, index: np.ndarray) -> NoiseConditionalScore:
    """Return the target of the rows at an index."""
    return target(index) if callable(target) else target


def _agree(a: np.ndarray, b: np.ndarray, atol: float) -> np.ndarray:
    """Return where log-densities are equal, within a tolerance that grows with their size, or both -inf."""
    return np.isclose(a, b, rtol=RELATIVE * atol, atol=atol)


@np.errstate(all="ignore")  # a row that is very far away overflows; its density is zero
def _log_density(
    X: np.ndarray, target: NoiseConditionalScore, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the log-density of one block of rows, its standard error, and an estimate of the error of the steps."""
    scale = Preconditioning(levels[-1], target.variance).r
    y = X / scale
    here, score, divergence = _velocity_score_divergence(y, target, levels[-1])
    integral, alternating, path = np.zeros_like(divergence), np.zeros_like(divergence), np.zeros(len(X))
    for k, (sigma, above) in enumerate(pairwise(levels[::-1])):
        h, before = np.log(above / sigma), divergence
        y, last = _runge_kutta(y, here, target, sigma, above)
        here, score, divergence = _velocity_score_divergence(y, target, above)
        integral += h / 2 * (before + divergence)
        if k == 0:
            integral += h / 12 * (divergence - before)
        alternating += (-1) ** k * h / 2 * (before - divergence)
        path += np.abs((h / 6 * (last - here) * score).sum(axis=1))
    log_density = log_standard_normal(y) - np.log(scale).sum() + integral.mean(axis=1)
    n_probes = integral.shape[1]
    stderr = integral.std(axis=1, ddof=1) / np.sqrt(n_probes) if n_probes > 1 else np.zeros(len(X))
    error = np.abs(alternating.mean(axis=1)) / 3 + path
    finite = np.isfinite(log_density)
    return (
        np.where(finite, log_density, -np.inf),
        np.where(finite, stderr, 0.0),
        np.where(finite & ~np.isnan(error), error, np.inf),
    )


def _velocity_score_divergence(
    y: np.ndarray, target: NoiseConditionalScore, sigma: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the velocity of the flow in y and the score ∇_y log p_σ, both (n, d), and the divergence (n, K)."""
    if target.score_and_divergence is None:
        raise ValueError("target.score_and_divergence is None; a log-density needs the divergence of the score.")
    level = Preconditioning(sigma, target.variance)
    score, divergence = target.score_and_divergence(level.r * y, sigma)
    return level.velocity(score, level.r * y), level.r * score, level.velocity_divergence(divergence)


def _runge_kutta(
    y: np.ndarray, k1: np.ndarray, target: NoiseConditionalScore, sigma: float, above: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take one classical step from σ to the level above, from the velocity `k1` at its start; return its last too."""
    h, middle = np.log(above / sigma), np.sqrt(sigma * above)

    def f(y: np.ndarray, sigma: float) -> np.ndarray:
        return velocity(Preconditioning(sigma, target.variance).r * y, target, sigma)

    k2 = f(y + h / 2 * k1, middle)
    k3 = f(y + h / 2 * k2, middle)
    k4 = f(y + h * k3, above)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), k4


def adaptive_steps(
    X: np.ndarray,
    target: NoiseConditionalScore,
    sigma_min: float,
    sigma_max: float,
    *,
    n_steps: int = 16,
    tolerance: float = 0.05,
    of_rows: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
) -> LikelihoodReport:
    """Find a number of steps that is sufficient: half as many give nearly the same log-density.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows; 256 of them, evenly spaced, are used.
    target : NoiseConditionalScore
        It must give divergences.
    sigma_min, sigma_max : float
        Smallest and largest noise level.
    n_steps : int, default=16
        Number of steps tried first, at least 2; up to eight times as many are tried after it.
    tolerance : float, default=0.05
        Accepted mean absolute change per row, in nats. The report shows the change that was reached.
    of_rows : callable or None
        From log-densities and their errors at all of X to those of the rows that these are points of.

    Returns
    -------
    LikelihoodReport

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood import adaptive_steps
    >>> from skscore.samplers import NoiseConditionalScore
    >>> def score_and_divergence(x, sigma):
    ...     return -x / (1 + sigma**2), np.full((len(x), 1), -1 / (1 + sigma**2))
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), score_and_divergence, np.ones(1))
    >>> report = adaptive_steps(np.array([[-1.0], [0.0], [1.0]]), normal, 0.01, 20.0)
    >>> report.n_steps, f"{report.halving_difference:.3f}", f"{report.worst:.3f}"
    (16, '0.000', '-1.419')
    """
    if of_rows is None:
        X = X[evenly(len(X), REPORT_ROWS)]

    def evaluate(n_steps: int) -> tuple[np.ndarray, np.ndarray]:
        ladder = geometric_ladder(sigma_min, sigma_max, n_steps + 1)
        found = flow_log_density(X, target, ladder, tolerance=np.inf)
        return found if of_rows is None else of_rows(*found)

    steps, most = n_steps, 8 * n_steps
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    while True:
        found |= {n: evaluate(n) for n in (steps // 2, steps) if n not in found}
        (half, _), (log_density, stderr) = found[steps // 2], found[steps]
        change = _mean_change(log_density, half)
        if change <= tolerance or steps == most:
            break
        steps = min(_enough(steps, change / tolerance), most)
    scale = Preconditioning(sigma_min, target.variance).r
    gaussian = log_standard_normal(X / scale) - np.log(scale).sum()
    if of_rows is not None:
        gaussian, _ = of_rows(gaussian, np.zeros(len(X)))
    return LikelihoodReport(
        n_steps=steps,
        halving_difference=change,
        probe_stderr=float(np.sqrt((stderr**2).sum()) / len(stderr)),
        median=float(np.median(log_density)),
        worst=float(log_density.min()),
        above_gaussian=float((log_density - gaussian).mean()),
    )


def _enough(n_steps: int, excess: float) -> int:
    """Return an even number of steps, at most twice as many, if errors fall with the square of it and are too large."""
    pairs = n_steps * np.sqrt(np.fmin(excess, 4.0)) / 2.0
    return 2 * max(int(np.ceil(pairs)), n_steps // 2 + 1)


def _mean_change(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean of |a − b|; the difference is 0 for a row at which both are -inf."""
    return float(np.mean(np.abs(np.subtract(a, b, out=np.zeros_like(a), where=a != b))))


def antithetic_noise(n_levels: int, n_pairs: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw standard normal noise for :func:`elbo`, each draw with its mirror image.

    Parameters
    ----------
    n_levels, n_pairs : int
        Number of noise levels, and of pairs of draws at each.
    shape : tuple of int
        (d,) for draws that all rows share; (n, d) for separate draws for each row.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    ndarray of shape (n_levels, 2 n_pairs, ...)
        Its last axes have `shape`.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood import antithetic_noise
    >>> noise = antithetic_noise(2, 3, (4,), np.random.default_rng(0))
    >>> noise.shape, bool(np.all(noise[:, :3] == -noise[:, 3:]))
    ((2, 6, 4), True)
    """
    z = rng.standard_normal((n_levels, n_pairs, *shape))
    return np.concatenate([z, -z], axis=1)


@np.errstate(all="ignore")  # as above
def elbo(X: np.ndarray, target: NoiseConditionalScore, levels: np.ndarray, noise: np.ndarray) -> np.ndarray:
    r"""Compute a lower bound of the mean log-density from the denoising errors at all levels.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, in the coordinates of the target.
    target : NoiseConditionalScore
        It need not give divergences.
    levels : ndarray of shape (L,)
        Noise levels, decreasing.
    noise : ndarray of shape (L, M, d) or (L, M, n, d)
        Draws z. If all rows share them, the value of a row does not depend on its batch, but the errors of the draws do
        not average out over the rows. With separate draws the mean over many rows is accurate for M ≥ 2.

    Returns
    -------
    ndarray of shape (n,)
        In nats; -inf if the score is not finite. The mean over rows drawn from p is at most E_p log p for any score, up
        to the errors of the M draws and of the trapezoidal rule.

    Notes
    -----
    Let γ = 1/σ², x̃ = x + σz, and e(x, γ) = E_z‖x − D(x̃)‖² the error at x of the denoiser D = x̃ + σ² s. For the best
    denoiser of p, d/dγ KL(N(x, σ²I) ‖ p_σ) = ½ e(x, γ) (Kong et al. 2023, eq. 5), where KL vanishes with γ, and for γ →
    ∞ differs from −log p(x) by a term free of p. The difference of this identity for p and for N(0, Λ), Λ = diag λ, is

    .. math::

       \log p(x) = \log N(x; 0, \Lambda) + \tfrac12\int_0^\infty [e_\Lambda(x, \gamma) - e_p(x, \gamma)]\,d\gamma .

    In the mean over p no denoiser has a smaller error than the best one, so any D in its place gives a lower bound.
    Here D is the model's inside the ladder and that of N(0, Λ) outside, where the integrand is then zero. With
    ½ dγ = −σ⁻² d log σ, x − D = −σ (z + σ s) and s = −x̃/r² for N(0, Λ) the bound is

    .. math::

       \log N(x; 0, \Lambda)
       + \int E_z\bigl[\|z - \sigma\tilde x/r^2\|^2 - \|z + \sigma s\|^2\bigr]\,d\log\sigma .

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import geometric_ladder
    >>> from skscore.likelihood import antithetic_noise, elbo
    >>> from skscore.samplers import NoiseConditionalScore
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(1))
    >>> noise = antithetic_noise(10, 4, (1,), np.random.default_rng(0))
    >>> elbo(np.array([[0.0]]), normal, geometric_ladder(0.01, 20.0, 10), noise).round(4)  # the reference itself
    array([-0.9189])
    """
    gain = np.stack([denoising_gain(X, target, sigma, z) for sigma, z in zip(levels, noise, strict=True)])
    scale = np.sqrt(target.variance)
    gaussian = log_standard_normal(X / scale) - np.log(scale).sum()
    bound = gaussian + np.trapezoid(gain[::-1], np.log(levels[::-1]), axis=0)
    return np.where(np.isfinite(bound), bound, -np.inf)


def denoising_gain(X: np.ndarray, target: NoiseConditionalScore, sigma: float, noise: np.ndarray) -> np.ndarray:
    """Compute the integrand of :func:`elbo`: the denoising error of the reference Gaussian minus that of the target.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, in the coordinates of the target.
    target : NoiseConditionalScore
        It need not give divergences.
    sigma : float
        Noise level σ.
    noise : ndarray of shape (M, d) or (M, n, d)
        Draws z.

    Returns
    -------
    ndarray of shape (n,)
        E_z[‖z − σx̃/r²‖² − ‖z + σs‖²] of each row, in nats per unit of log σ.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood import denoising_gain
    >>> from skscore.samplers import NoiseConditionalScore
    >>> normal = NoiseConditionalScore(lambda x, sigma: -x / (1 + sigma**2), None, np.ones(1))
    >>> denoising_gain(np.array([[3.0]]), normal, 0.5, np.ones((1, 1))).round(9)  # the reference itself
    array([-0.])
    """
    r2, gain = Preconditioning(sigma, target.variance).r ** 2, np.zeros(len(X))
    for z in noise:  # one draw at a time saves memory
        noisy = X + sigma * z
        gaussian, model = z - sigma * noisy / r2, z + sigma * target.score(noisy, sigma)
        gain += (gaussian**2).sum(axis=1) - (model**2).sum(axis=1)
    return gain / len(noise)
