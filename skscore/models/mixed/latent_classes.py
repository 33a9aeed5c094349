r"""Latent classes: within each, levels are independent of all else and numbers are Gaussian.

.. math:: p(c, x) = \sum_k w_k \prod_j P_{kj}(c_j) \, N(x_O; \mu_{k,O}, \Sigma_{k,OO}),

in which O are the cells of the row that hold a number (Vermunt & Magidson, 2002). Every marginal and every conditional
is of the same form: levels that are not known leave the product, numbers that are not known leave O, and

.. math:: p(c_T, x_T \mid c_S, x_S) = \frac{p(c_{T \cup S}, x_{T \cup S})}{p(c_S, x_S)}.

A number that is known says that its state is level 0.

Mixtures of sizes 1, 2, 4, … are each grown from the one before: every class is split along the axis on which its rows
differ most, and steps of expectation and maximisation (Dempster, Laird & Rubin, 1977) follow, numbers that are not
there being expected from those that are. With the shares :math:`r_{ik}` of class k in row i and its number of rows
:math:`n_k = \sum_i r_{ik}`, a step ends in

.. math::

   w_k \propto n_k, \qquad
   P_{kj}(l) = \frac{\sum_i r_{ik} 1(c_{ij} = l) + m_j(l)}{n_k + 1}, \qquad
   \Sigma_k = \frac{\sum_i r_{ik} E[(x_i - \mu_k)(x_i - \mu_k)^\top] + \nu K^{-2/p} \operatorname{diag}\lambda}
                   {n_k + \nu}.

Each class has one more row of the overall frequencies :math:`m_j(l) = (n_{jl} + 1/K_j)/(n + 1)`, and ν more in its
covariance (Fraley & Raftery, 2007), with the overall variances λ: few if numbers heap up or depend on each other.
Nothing is drawn at random but the vectors from which the axes are iterated, so a row of weight two is a row that is
there twice, and units do not matter.

References
----------
Dempster, A. P., Laird, N. M., & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm.
Journal of the Royal Statistical Society B, 39(1), 1-38.
Fraley, C., & Raftery, A. E. (2007). Bayesian regularization for normal mixture estimation and model-based clustering.
Journal of Classification, 24, 155-181.
Vermunt, J. K., & Magidson, J. (2002). Latent class cluster analysis. In J. A. Hagenaars & A. L. McCutcheon (Eds.),
Applied latent class analysis (pp. 89-106). Cambridge University Press.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.sparse import csr_array
from scipy.special import expit, logsumexp, softmax

from ...formulas.moments import moments, row_blocks
from .rows import ALWAYS, CellMask, Layout, Rows

__all__ = ["LatentClasses", "fit_latent_classes", "latent_class_path"]


MOST_CLASSES, ROWS_OF_ONE = 16, 10  # of a path, and the rows that each class has on average, at least
MOST_SYSTEMS = 8192  # of equations in one step of a path, one for each class and pattern of missing numbers
LEAST_ROWS = 1e-6  # of a class: below them it is dropped
LEAST_ROUNDS, MOST_ROUNDS = 8, 100  # of a size
STALLED = 2e-3  # gain in nats per row at which they end
AXIS_ROUNDS = 4
STEEPNESS = 5.0  # of the logit of the shares of two halves, in standard deviations along the axis
LEAST_LENGTH = 1e-100  # of an axis, instead of 0 in a class of equal rows
OFTEN, RARE_ROWS = 16, 64  # rows of a pattern of missing numbers that is a part alone, and of a part of rare ones
BLOCK = 1 << 16  # numbers in the largest array of a block of rows


@dataclass(frozen=True, eq=False)
class LatentClasses:
    """The density Σ_k w_k Π_j P_kj(c_j) N(x_O; μ_k, Σ_k) of rows, a `RowDensity`.

    Parameters
    ----------
    layout : Layout
    weights : ndarray of shape (K,)
        w, which sum to one.
    levels : ndarray of shape (K, sum of K_j)
        P_kj(l) > 0, the levels of one column after those of another.
    means : ndarray of shape (K, p)
        In the units of the numbers.
    covariances : ndarray of shape (K, p, p)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.latent_classes import LatentClasses
    >>> from skscore.models.mixed.rows import ALWAYS, CellMask, Layout, Rows
    >>> P, means = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[-2.0], [2.0]])
    >>> pair = LatentClasses(Layout((2,), (ALWAYS,)), np.array([0.5, 0.5]), P, means, np.ones((2, 1, 1)))
    >>> rows = Rows(np.array([[1], [1]]), np.array([[2.0], [-2.0]]))
    >>> level, number = (CellMask(np.full((2, 1), known), np.full((2, 1), not known)) for known in (True, False))
    >>> np.exp(pair.log_prob(rows, level, number)).round(3)
    array([0.5, 0.1])
    """

    layout: Layout
    weights: ndarray
    levels: ndarray
    means: ndarray
    covariances: ndarray

    def log_prob(self, rows, target, given):
        """log p(c_T, x_T | c_S, x_S) of `Rows`, by two `CellMask`, shape (n,)."""
        either = CellMask(target.codes | given.codes, target.numbers | given.numbers)
        return self._log_mass(rows, either) - self._log_mass(rows, given)

    def sample(self, rows, given, rng):
        """The `Rows` with every cell that is not given drawn; numbers are NaN where their state says so."""
        rows, given = _with_states(rows, given, self.layout)
        classes = np.empty(rows.n, dtype=np.int64)
        for block in _blocks(self, rows, given, _patterns(given.numbers)):
            classes[block.places] = _drawn(softmax(block.log_joint, axis=1), rng)
        codes = self._sampled_levels(rows.codes, given.codes, classes, rng)
        numbers = self._sampled_numbers(rows.numbers, given.numbers, classes, rng)
        return Rows(codes, np.where(self.layout.holds_number(codes), numbers, np.nan))

    def _log_mass(self, rows, known):
        """log p of the cells that are known, shape (n,)."""
        rows, known = _with_states(rows, known, self.layout)
        log_mass = np.empty(rows.n)
        for block in _blocks(self, rows, known, _patterns(known.numbers)):
            log_mass[block.places] = logsumexp(block.log_joint, axis=1)
        return log_mass

    def _sampled_levels(self, codes, given, classes, rng):
        """The codes with the others drawn from P_kj."""
        sampled = codes.copy()
        for j, end in enumerate(np.cumsum(self.layout.n_levels, dtype=np.int64)):
            P = self.levels[:, end - self.layout.n_levels[j] : end]
            sampled[:, j] = np.where(given[:, j], codes[:, j], _drawn(P[classes], rng))
        return sampled

    def _sampled_numbers(self, numbers, given, classes, rng):
        """The numbers with the others drawn: y + Σ_·O Σ_OO⁻¹ (x_O − y_O) with y of the class, by its N(μ_k, Σ_k)."""
        roots, sampled = np.linalg.cholesky(self.covariances), rng.standard_normal(numbers.shape)
        for k in np.unique(classes):
            sampled[classes == k] = self.means[k] + sampled[classes == k] @ roots[k].T
        for part in _patterns(given):
            gains = _Seen(self, part.masks).gains
            for rows in row_blocks(len(part.places), self.means.shape[1] ** 2 + 1, BLOCK):
                places = part.places[rows]
                away = np.where(given[places], numbers[places] - sampled[places], 0.0)
                sampled[places] += (gains[part.which[rows], classes[places]] @ away[:, :, None])[:, :, 0]
        return np.where(given, numbers, sampled)


def _drawn(P, rng):
    """A level by each row of probabilities, shape (n,)."""
    below = np.cumsum(P, axis=1)
    return (rng.random((len(P), 1)) * below[:, -1:] >= below[:, :-1]).sum(axis=1)


def _with_states(rows, known, layout):
    """The rows and what is known of them: level 0 of its state, too, where a number is."""
    codes, known_codes = rows.codes.copy(), known.codes.copy()
    for cell, state in enumerate(layout.state):
        if state != ALWAYS:
            codes[known.numbers[:, cell], state] = 0
            known_codes[:, state] |= known.numbers[:, cell]
    return Rows(codes, rows.numbers), CellMask(known_codes, known.numbers)


# ---- blocks of rows in which few patterns of numbers are known ------------------------------------


class _Part(NamedTuple):
    """Rows of one pattern of known numbers, or of some patterns that are rare."""

    masks: ndarray  # (G, p)
    places: ndarray  # of the rows
    which: ndarray  # of the masks each of them has


def _patterns(known):
    """Parts of all rows, by their `known` numbers (n, p)."""
    _, first, pattern, n_rows = np.unique(
        np.packbits(known, axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(pattern.ravel(), kind="stable")
    is_rare = n_rows[pattern.ravel()[order]] < OFTEN
    often = np.split(order[~is_rare], np.cumsum(n_rows[n_rows >= OFTEN]))[:-1]
    rare = [order[is_rare][rows] for rows in row_blocks(is_rare.sum(), 1, RARE_ROWS)]
    distinct = [np.unique(pattern.ravel()[places], return_inverse=True) for places in often + rare]
    return [
        _Part(known[first[masks]], places, which) for places, (masks, which) in zip(often + rare, distinct, strict=True)
    ]


class _Seen:
    """The Gaussians N(μ_kO, Σ_kOO) of the cells of each mask, and what they say of all; matrices are 0 outside O.

    Parameters
    ----------
    classes : LatentClasses
    masks : ndarray of bool, shape (G, p)
    """

    def __init__(self, classes, masks):
        scale = np.sqrt(np.diagonal(classes.covariances, axis1=1, axis2=2))
        correlations = classes.covariances / (scale[:, :, None] * scale[:, None, :])
        both = masks[:, None, :, None] & masks[:, None, None, :]
        roots = np.linalg.cholesky(np.where(both, correlations, np.eye(masks.shape[1])))
        self.masks, self.covariances = masks, classes.covariances
        self.whitening = np.where(both, np.linalg.inv(roots) / scale[:, None, :], 0.0)  # L⁻¹, (G, K, p, p)
        log_det = np.log(np.diagonal(roots, axis1=2, axis2=3)).sum(axis=2) + masks @ np.log(scale).T
        self.log_peaks = -log_det - 0.5 * np.log(2.0 * np.pi) * masks.sum(axis=1)[:, None]

    @cached_property
    def gains(self):
        """Σ_k·O Σ_kOO⁻¹, shape (G, K, p, p)."""
        return self.covariances @ self.whitening.mT @ self.whitening

    @cached_property
    def unexplained(self):
        """Covariances of all cells given those of the mask, shape (G, K, p, p)."""
        return self.covariances - self.gains @ self.covariances

    def log_density(self, away, which):
        """log N(x_O; μ_kO, Σ_kOO) of x − μ_k (K, b, p), 0 outside O, shape (b, K)."""
        z = _of_each(self.whitening, which, away)
        return self.log_peaks[which] - 0.5 * np.einsum("kbp,kbp->bk", z, z)

    def completed(self, away, which):
        """E[x − μ_k | x_O], shape (K, b, p)."""
        return away if self.masks.all() else _of_each(self.gains, which, away)

    def missed(self, shares, which):
        """Sum over the rows of the unexplained covariances, by the shares (b, K) of the classes, shape (K, p, p)."""
        n = np.eye(len(self.masks))[which].T @ shares
        return 0.0 if self.masks.all() else np.einsum("gk,gkij->kij", n, self.unexplained)


def _of_each(matrices, which, vectors):
    """The products of vectors (K, b, p) of each class and row with the matrices (G, K, p, p) of its mask."""
    if len(matrices) == 1:
        return vectors @ matrices[0].mT
    return (matrices[which].swapaxes(0, 1) @ vectors[:, :, :, None])[:, :, :, 0]


class _Block(NamedTuple):
    """Some rows of a part."""

    places: ndarray
    which: ndarray
    seen: _Seen
    levels: csr_array  # one-hot, zero where a level is not known, shape (b, sum of K_j)
    away: ndarray  # x − μ_k, 0 where a number is not known, shape (K, b, p)
    log_joint: ndarray  # of class and known cells, shape (b, K)


def _blocks(classes, rows, known, patterns):
    """The rows in blocks; `patterns` are those of the known numbers."""
    log_weights, log_levels = np.log(classes.weights), np.log(classes.levels.T)
    for part in patterns:
        seen = _Seen(classes, part.masks)
        for block in row_blocks(len(part.places), max(classes.means.size, len(classes.weights)), BLOCK):
            places, which = part.places[block], part.which[block]
            levels = _one_hot(rows.codes[places], known.codes[places], classes.layout.n_levels)
            away = np.where(known.numbers[places], rows.numbers[places] - classes.means[:, None], 0.0)
            log_joint = log_weights + levels @ log_levels + seen.log_density(away, which)
            yield _Block(places, which, seen, levels, away, log_joint)


def _one_hot(codes, known, n_levels):
    """1 at each known level, shape (n, sum of K_j)."""
    n, q = codes.shape
    starts = np.cumsum([0, *n_levels])
    columns = np.where(known, codes + starts[:-1], 0)
    return csr_array((known.ravel().astype(float), columns.ravel(), q * np.arange(n + 1)), shape=(n, starts[-1]))


# ---- the fit -------------------------------------------------------------------------------------


def fit_latent_classes(rows, layout, n_classes, weight=None, seed=0, prior_rows=1.0) -> LatentClasses:
    """Fit a mixture of so many classes, grown by splitting.

    Parameters
    ----------
    rows : Rows
        All levels are known; a number that is NaN is missing.
    layout : Layout
    n_classes : int
        K. There are fewer if a class loses its rows.
    weight : ndarray of shape (n,), optional
        Of the rows: how many they stand for.
    seed : int
        Of the vectors from which the axes are iterated.
    prior_rows : float
        ν.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.latent_classes import fit_latent_classes
    >>> from skscore.models.mixed.rows import ALWAYS, Layout, Rows
    >>> rng = np.random.default_rng(0)
    >>> codes = np.repeat([[0], [1]], 500, axis=0)
    >>> rows = Rows(codes, rng.normal(1.0 + 4.0 * codes, 1.0))
    >>> pair = fit_latent_classes(rows, Layout((2,), (ALWAYS,)), 2)
    >>> pair.weights.round(2), np.sort(pair.means[:, 0]).round(1)
    (array([0.5, 0.5]), array([1. , 4.9]))
    """
    sizes = [*takewhile(lambda size: size < n_classes, (2**k for k in range(n_classes))), n_classes]
    return _grown(_table(rows, weight), layout, sizes, seed, prior_rows)[-1]


def latent_class_path(rows, layout, most=MOST_CLASSES, weight=None, seed=0, prior_rows=1.0) -> list[LatentClasses]:
    """Mixtures of 1, 2, 4, … classes, each grown from the one before.

    Parameters
    ----------
    rows : Rows
        All levels are known; a number that is NaN is missing.
    layout : Layout
    most : float
        No mixture has more classes, nor so many that less than ten rows fall to each, or that a step of the fit would
        take long because numbers are missing in very many patterns.
    weight : ndarray of shape (n,), optional
        Of the rows: how many they stand for.
    seed : int
        Of the vectors from which the axes are iterated.
    prior_rows : float
        ν.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.latent_classes import latent_class_path
    >>> from skscore.models.mixed.rows import Layout, Rows
    >>> rows = Rows(np.random.default_rng(0).integers(3, size=(100, 2)), np.empty((100, 0)))
    >>> [len(mixture.weights) for mixture in latent_class_path(rows, Layout((3, 3), ()))]
    [1, 2, 4, 8]
    """
    table = _table(rows, weight)
    most = max(
        1.0, min(most, table.weight.sum() / ROWS_OF_ONE, MOST_SYSTEMS / sum(len(part.masks) for part in table.patterns))
    )
    return _grown(table, layout, [2**k for k in range(int(np.log2(most)) + 1)], seed, prior_rows)


class _Table(NamedTuple):
    """What the steps of a fit read."""

    rows: Rows
    there: CellMask
    weight: ndarray
    patterns: list[_Part]  # of numbers that are there

    def blocks(self, classes):
        """Blocks of the rows, with what each class has of each of them, (b, K), and their log-densities."""
        for block in _blocks(classes, self.rows, self.there, self.patterns):
            top = block.log_joint.max(axis=1, keepdims=True)
            shares = np.exp(block.log_joint - top)
            total = shares.sum(axis=1, keepdims=True)
            yield block, self.weight[block.places, None] * shares / total, (top + np.log(total))[:, 0]


def _table(rows, weight):
    there = CellMask(np.ones(rows.codes.shape, dtype=bool), ~np.isnan(rows.numbers))
    weight = np.ones(rows.n) if weight is None else np.asarray(weight, dtype=np.float64)
    return _Table(rows, there, weight, _patterns(there.numbers))


class _Prior(NamedTuple):
    """What each class has beside its rows: one of frequencies, ν of variances."""

    levels: ndarray  # m, (sum of K_j,)
    variance: ndarray  # λ, times K^(−2/p)
    rows: float  # ν

    def of(self, n_classes):
        """The prior of a mixture of so many classes."""
        return self._replace(variance=self.variance * n_classes ** (-2.0 / max(1, len(self.variance))))

    def log_density(self, classes):
        """Of all classes, but for a constant."""
        precisions = np.diagonal(np.linalg.inv(classes.covariances), axis1=1, axis2=2)
        log_det = np.linalg.slogdet(classes.covariances)[1]
        return (np.log(classes.levels) @ self.levels - 0.5 * self.rows * (log_det + precisions @ self.variance)).sum()


class _ClassSums(NamedTuple):
    """Expected sums over the rows of each class."""

    n: ndarray  # (K,)
    levels: ndarray  # (K, sum of K_j)
    numbers: ndarray  # of x − μ_k, (K, p)
    products: ndarray  # (K, p, p)


NOTHING = _ClassSums(*np.zeros(4))


def _grown(table, layout, sizes, seed, prior_rows):
    """Mixtures of these sizes, of which the first is 1 and none more than twice the one before."""
    marginals, prior = _marginals(table, layout, prior_rows)
    path, rng = [_fitted(marginals, table, prior)], np.random.default_rng(seed)
    for size in sizes[1:]:
        path.append(_fitted(_split(path[-1], size, table, prior, rng), table, prior.of(size)))
    return path


def _marginals(table, layout, prior_rows):
    """One class of independent columns, and the prior that it makes."""
    (codes, numbers), n = table.rows, table.weight.sum()
    columns = [
        (np.bincount(codes[:, j], table.weight, n_levels) + 1.0 / n_levels) / (n + 1.0)
        for j, n_levels in enumerate(layout.n_levels)
    ]
    levels = np.concatenate([*columns, np.empty(0)])
    means, variances = np.array([_mean_and_variance(x, table.weight) for x in numbers.T]).reshape(-1, 2).T
    one = LatentClasses(layout, np.ones(1), levels[None], means[None], np.diag(variances)[None])
    return one, _Prior(levels, variances, prior_rows)


def _mean_and_variance(x, weight):
    """Of the numbers that are there; the variance of a constant is 1."""
    there = ~np.isnan(x) & (weight > 0.0)
    if not there.any():
        return 0.0, 1.0
    of_column = moments(x[there, None], weight[there])
    return of_column.mean[0], of_column.scale[0] ** 2


def _fitted(classes, table, prior):
    """The mixture after steps of expectation and maximisation."""
    last = -np.inf
    for n_rounds in range(MOST_ROUNDS):
        value, following = _step(classes, table, prior)
        if n_rounds >= LEAST_ROUNDS and value - last < STALLED:
            break
        last, classes = value, following
    return classes


def _step(classes, table, prior):
    """The log-density of rows and prior for each row, and the mixture that follows."""
    value, sums = prior.log_density(classes), NOTHING
    for block, shares, log_density in table.blocks(classes):
        value += table.weight[block.places] @ log_density
        sums = _plus(sums, _expected(block, shares))
    return value / table.weight.sum(), _maximised(sums, classes, prior)


def _plus(one, other):
    return _ClassSums(*(a + b for a, b in zip(one, other, strict=True)))


def _expected(block, shares):
    """The sums over a block, given the shares (b, K) of the classes in its rows."""
    away = block.seen.completed(block.away, block.which)
    shared = shares.T[:, :, None] * away
    products = away.mT @ shared + block.seen.missed(shares, block.which)
    return _ClassSums(shares.sum(axis=0), (block.levels.T @ shares).T, shared.sum(axis=1), products)


def _maximised(sums, classes, prior):
    """The mixture whose classes have these sums of their rows."""
    kept = sums.n > LEAST_ROWS
    n, levels, numbers, products = (of_class[kept] for of_class in sums)
    shift = numbers / n[:, None]
    scatter = products - n[:, None, None] * shift[:, :, None] * shift[:, None, :]
    return replace(
        classes,
        weights=n / n.sum(),
        levels=(levels + prior.levels) / (n + 1.0)[:, None],
        means=classes.means[kept] + shift,
        covariances=(scatter + prior.rows * np.diag(prior.variance)) / (n + prior.rows)[:, None, None],
    )


# ---- two classes of one --------------------------------------------------------------------------


class _Axes(NamedTuple):
    """A linear function of the cells of a row for each class, of mean 0 in it."""

    levels: ndarray  # (K, sum of K_j)
    numbers: ndarray  # (K, p)

    def of(self, block, classes):
        """Places of the rows along them, shape (b, K); a number that is missing is that of the mean."""
        by_levels = block.levels @ self.levels.T - (self.levels * classes.levels).sum(axis=1)
        return by_levels + np.einsum("kbp,kp->bk", block.away, self.numbers)


def _split(classes, size, table, prior, rng):
    """The mixture of so many classes in which the largest of these are split along their axes."""
    n_classes, axes = len(classes.weights), _longest_axes(classes, table, prior.variance, rng)
    whole = np.argsort(np.argsort(-classes.weights)) >= size - n_classes
    upper = lower = NOTHING
    for block, shares, _ in table.blocks(classes):
        share = np.where(whole, 1.0, expit(STEEPNESS * axes.of(block, classes)))
        upper = _plus(upper, _expected(block, shares * share))
        lower = _plus(lower, _expected(block, shares * (1.0 - share)))
    twice = replace(classes, means=np.tile(classes.means, (2, 1)))
    return _maximised(_ClassSums(*map(np.concatenate, zip(upper, lower, strict=True))), twice, prior.of(size))


def _longest_axes(classes, table, variance, rng):
    """Along which the rows of each class vary most, numbers in units of √λ; of standard deviation 1."""
    directions = rng.standard_normal(classes.levels.shape), rng.standard_normal(classes.means.shape)
    axes = _Axes(directions[0], directions[1] / np.sqrt(variance))
    for _ in range(AXIS_ROUNDS):
        levels, numbers, n = np.zeros_like(axes.levels), np.zeros_like(axes.numbers), np.zeros(len(classes.weights))
        for block, shares, _ in table.blocks(classes):
            places = shares * axes.of(block, classes)
            levels += (block.levels.T @ places).T - places.sum(axis=0)[:, None] * classes.levels
            numbers += np.einsum("bk,kbp->kp", places, block.away)
            n += shares.sum(axis=0)
        length = np.sqrt((levels**2).sum(axis=1) + (numbers**2 / variance).sum(axis=1))[:, None] + LEAST_LENGTH
        axes = _Axes(levels / length, numbers / variance / length)
    deviation = np.sqrt(length / n[:, None])  # the length of S v is the variance along a unit vector v of an axis of S
    return _Axes(axes.levels / deviation, axes.numbers / deviation)
