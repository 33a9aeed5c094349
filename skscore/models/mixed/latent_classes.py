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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.special import expit

from ..._kernels import latent_classes as kernels
from ..._kernels.one_hot import add_levels
from ...formulas.moments import moments
from ..discrete.level_draws import draw_level
from .known_cells import ClassProducts, KnownCells
from .rows import ALWAYS, CellMask, Layout, Rows

__all__ = ["MOST_CLASSES", "LatentClasses", "fit_latent_classes", "grow_latent_classes", "refit_latent_classes"]


MOST_CLASSES, ROWS_OF_ONE = 256, 10  # of a path, and the rows that each class has on average, at least
MOST_SHARES, MODEST = 2**22, 16  # of classes in rows, in one step of a path; classes that a path may have in any case
MOST_SYSTEMS = 8192  # of equations in one step of a path, one for each class and pattern of missing numbers
LEAST_ROWS = 1e-6  # of a class: below them it is dropped
LEAST_ROUNDS, MOST_ROUNDS = 8, 100  # of a size
STALLED = 2e-3  # gain in nats per row at which they end
AXIS_ROUNDS = 4
STEEPNESS = 5.0  # of the logit of the shares of two halves, in standard deviations along the axis
LEAST_LENGTH = 1e-100  # of an axis, instead of 0 in a class of equal rows


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
        for order, log_joint in self._log_joint(rows, given):
            classes[order] = draw_level(log_joint, rng.random(len(log_joint)))
        codes = self._sampled_levels(rows.codes, given.codes, classes, rng)
        numbers = self._sampled_numbers(rows.numbers, given.numbers, classes, rng)
        return Rows(codes, np.where(self.layout.holds_number(codes), numbers, np.nan))

    def _log_mass(self, rows, known):
        """log p of the cells that are known, shape (n,)."""
        rows, known = _with_states(rows, known, self.layout)
        log_mass = np.empty(rows.n)
        for order, log_joint in self._log_joint(rows, known):
            log_mass[order] = kernels.log_sums(log_joint)
        return log_mass

    def _log_joint(self, rows, known):
        """Places of the rows, a block after the other, and logarithms of the joint density of class and known cells."""
        cells = KnownCells.of(rows, known, self.layout.n_levels, self.weights @ self.means)
        for seen in _Seen.parts(self, cells):
            for block, log_joint in seen.blocks():
                yield block.order, log_joint

    def _sampled_levels(self, codes, given, classes, rng):
        """The codes with the others drawn from P_kj."""
        sampled = codes.copy()
        for j, end in enumerate(np.cumsum(self.layout.n_levels, dtype=np.int64)):
            log_P = np.log(self.levels[:, end - self.layout.n_levels[j] : end])
            sampled[:, j] = np.where(given[:, j], codes[:, j], draw_level(log_P, rng.random(len(codes)), classes))
        return sampled

    def _sampled_numbers(self, numbers, given, classes, rng):
        """The numbers with the others drawn: y + Σ_·O Σ_OO⁻¹ (x_O − y_O) with y of the class, by its N(μ_k, Σ_k)."""
        roots, sampled = np.linalg.cholesky(self.covariances), rng.standard_normal(numbers.shape)
        for k in np.unique(classes):
            sampled[classes == k] = self.means[k] + sampled[classes == k] @ roots[k].T
        away = Rows(np.empty((len(given), 0), dtype=np.int64), numbers - sampled)
        known = CellMask(np.empty((len(given), 0), dtype=bool), given)
        cells = KnownCells.of(away, known, (), origin=np.zeros(given.shape[1]))
        for part, gaussians in cells.parts(self):
            for block in part.blocks(part.masks.shape[1] ** 2 + 1):
                gains = gaussians.gains[block.pattern, classes[block.order]]
                sampled[block.order] += (gains @ block.numbers[:, 1:, None])[:, :, 0]
        return np.where(given, numbers, sampled)


def _with_states(rows, known, layout):
    """The rows and what is known of them: level 0 of its state, too, where a number is."""
    codes, known_codes = rows.codes.copy(), known.codes.copy()
    for cell, state in enumerate(layout.state):
        if state != ALWAYS:
            codes[known.numbers[:, cell], state] = 0
            known_codes[:, state] |= known.numbers[:, cell]
    return Rows(codes, rows.numbers), CellMask(known_codes, known.numbers)


# ---- rows as the classes see them ----------------------------------------------------------------


class _Seen:
    """Rows of a few patterns of known numbers, as the classes see them."""

    def __init__(self, classes, cells, gaussians):
        self.cells, self.gaussians, self.log_weights = cells, gaussians, np.log(classes.weights)
        self.log_levels = _of_places(np.log(classes.levels))

    @classmethod
    def parts(cls, classes, cells):
        """All rows, some patterns after the other."""
        for part, gaussians in cells.parts(classes):
            yield cls(classes, part, gaussians)

    def blocks(self):
        """The rows in blocks, and the logarithms of the joint density of class and known cells, (b, K)."""
        for cells in self.cells.blocks(len(self.log_weights)):
            log_joint = np.tile(self.log_weights, (len(cells.order), 1))
            add_levels(cells.places, self.log_levels, log_joint)
            self.gaussians.add_log_density(cells, log_joint)
            yield cells, log_joint

    def products(self):
        """Sums over rows, none as yet."""
        return ClassProducts(*self.log_levels.shape, *self.cells.masks.shape)

    def expected(self, products):
        """The expected sums of each class from those over rows."""
        return _ClassSums(products.levels[:-1].T, *self.gaussians.expected(products.products))


def _of_places(of_levels):
    """Terms of the levels (K, sum of K_j) by their place (1 + sum of K_j, K): 0 for one that is not known."""
    return np.vstack([of_levels.T, np.zeros(len(of_levels))])


class _ClassSums(NamedTuple):
    """Expected sums over the rows of each class."""

    levels: ndarray  # (K, sum of K_j)
    n: ndarray  # (K,)
    numbers: ndarray  # of x − μ_k, (K, p)
    products: ndarray  # (K, p, p)


NOTHING = _ClassSums(*np.zeros(4))


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
    *_, largest = _grown(_table(rows, layout, weight), sizes, seed, prior_rows)
    return largest


def grow_latent_classes(
    rows, layout, most=MOST_CLASSES, weight=None, seed=0, prior_rows=1.0
) -> Iterator[LatentClasses]:
    """Mixtures of 1, 2, 4, … classes, each grown from the one before when it is asked for.

    Parameters
    ----------
    rows : Rows
        All levels are known; a number that is NaN is missing.
    layout : Layout
    most : float
        No mixture has more classes, nor so many that less than ten rows fall to each, or that a step of the fit would
        take long because there are very many rows or patterns of missing numbers.
    weight : ndarray of shape (n,), optional
        Of the rows: how many they stand for.
    seed : int
        Of the vectors from which the axes are iterated.
    prior_rows : float
        ν.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.latent_classes import grow_latent_classes
    >>> from skscore.models.mixed.rows import Layout, Rows
    >>> rows = Rows(np.random.default_rng(0).integers(3, size=(100, 2)), np.empty((100, 0)))
    >>> [len(mixture.weights) for mixture in grow_latent_classes(rows, Layout((3, 3), ()))]
    [1, 2, 4, 8]
    """
    table = _table(rows, layout, weight)
    n = table.weight.sum()
    most = min(most, n / ROWS_OF_ONE, MOST_SYSTEMS / len(table.cells.masks), max(MODEST, MOST_SHARES / n))
    most = max(1.0, most)
    return _grown(table, [2**k for k in range(int(np.log2(most)) + 1)], seed, prior_rows)


def refit_latent_classes(start, rows, weight=None, prior_rows=1.0) -> LatentClasses:
    """The mixture of rows that steps from one lead to which most of them have seen.

    Parameters
    ----------
    start : LatentClasses
    rows : Rows
        All levels are known; a number that is NaN is missing.
    weight : ndarray of shape (n,), optional
        Of the rows: how many they stand for.
    prior_rows : float
        ν.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.latent_classes import fit_latent_classes, refit_latent_classes
    >>> from skscore.models.mixed.rows import ALWAYS, Layout, Rows
    >>> codes = np.tile([[0], [1]], (500, 1))
    >>> rows = Rows(codes, np.random.default_rng(0).normal(1.0 + 4.0 * codes, 1.0))
    >>> of_most = fit_latent_classes(rows.at(slice(100, None)), Layout((2,), (ALWAYS,)), 2)
    >>> refit_latent_classes(of_most, rows).weights.round(2)
    array([0.5, 0.5])
    """
    table = _table(rows, start.layout, weight)
    return _fitted(start, table, _prior(table, prior_rows).of(len(start.weights)))


class _Table(NamedTuple):
    """What the steps of a fit read."""

    cells: KnownCells  # all levels, and the numbers that are there
    weight: ndarray
    marginals: LatentClasses  # one class of independent columns

    def shares(self, seen):
        """Blocks of the rows seen, what each class has of each of them (b, K), and the sum of their log-densities."""
        for cells, log_joint in seen.blocks():
            weight = self.weight[cells.order]
            yield cells, log_joint, kernels.to_shares(log_joint, weight)


def _table(rows, layout, weight):
    there = CellMask(np.ones(rows.codes.shape, dtype=bool), ~np.isnan(rows.numbers))
    weight = np.ones(rows.n) if weight is None else np.asarray(weight, dtype=np.float64)
    marginals = _marginals(rows, layout, weight)
    return _Table(KnownCells.of(rows, there, layout.n_levels, marginals.means[0]), weight, marginals)


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


def _prior(table, prior_rows):
    return _Prior(table.marginals.levels[0], np.diag(table.marginals.covariances[0]), prior_rows)


def _grown(table, sizes, seed, prior_rows):
    """Mixtures of these sizes, of which the first is 1 and none more than twice the one before."""
    prior = _prior(table, prior_rows)
    mixture, rng = _fitted(table.marginals, table, prior), np.random.default_rng(seed)
    yield mixture
    for size in sizes[1:]:
        mixture = _fitted(_split(mixture, size, table, prior, rng), table, prior.of(size))
        yield mixture


def _marginals(rows, layout, weight):
    """One class of independent columns."""
    columns = [
        (np.bincount(codes, weight, n_levels) + 1.0 / n_levels) / (weight.sum() + 1.0)
        for codes, n_levels in zip(rows.codes.T, layout.n_levels, strict=True)
    ]
    means, variances = np.array([_mean_and_variance(x, weight) for x in rows.numbers.T]).reshape(-1, 2).T
    return LatentClasses(
        layout, np.ones(1), np.concatenate([*columns, np.empty(0)])[None], means[None], np.diag(variances)[None]
    )


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
    for seen in _Seen.parts(classes, table.cells):
        products = seen.products()
        for cells, shares, log_density in table.shares(seen):
            value += log_density
            products.add(cells, shares)
        sums = _plus(sums, seen.expected(products))
    return value / table.weight.sum(), _maximised(sums, classes, prior)


def _plus(one, other):
    return _ClassSums(*(a + b for a, b in zip(one, other, strict=True)))


def _maximised(sums, classes, prior):
    """The mixture whose classes have these sums of their rows."""
    kept = sums.n > LEAST_ROWS
    levels, n, numbers, products = (of_class[kept] for of_class in sums)
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

    def of(self, cells, gaussians, classes):
        """Places of the rows along them, shape (b, K); a number that is missing is that of the mean."""
        means = (self.levels * classes.levels).sum(axis=1) + np.einsum("gkp,kp->gk", gaussians.offsets, self.numbers)
        slopes = np.broadcast_to(self.numbers.T, (len(means), *self.numbers.T.shape))
        places = np.zeros((len(cells.order), len(self.levels)))
        add_levels(cells.places, _of_places(self.levels), places)
        kernels.add_linear(cells.numbers, cells.pattern, np.concatenate([-means[:, None], slopes], axis=1), places)
        return places


def _split(classes, size, table, prior, rng):
    """The mixture of so many classes in which the largest of these are split along their axes."""
    n_classes, axes = len(classes.weights), _longest_axes(classes, table, prior.variance, rng)
    whole = np.argsort(np.argsort(-classes.weights)) >= size - n_classes
    upper = lower = NOTHING
    for seen in _Seen.parts(classes, table.cells):
        above, below = seen.products(), seen.products()
        for cells, shares, _ in table.shares(seen):
            share = np.where(whole, 1.0, expit(STEEPNESS * axes.of(cells, seen.gaussians, classes)))
            above.add(cells, shares * share)
            below.add(cells, shares * (1.0 - share))
        upper, lower = _plus(upper, seen.expected(above)), _plus(lower, seen.expected(below))
    twice = replace(classes, means=np.tile(classes.means, (2, 1)))
    return _maximised(_ClassSums(*map(np.concatenate, zip(upper, lower, strict=True))), twice, prior.of(size))


def _longest_axes(classes, table, variance, rng):
    """Along which the rows of each class vary most, numbers in units of √λ; of standard deviation 1."""
    directions = rng.standard_normal(classes.levels.shape), rng.standard_normal(classes.means.shape)
    axes = _Axes(directions[0], directions[1] / np.sqrt(variance))
    for _ in range(AXIS_ROUNDS):
        levels, numbers, n = np.zeros_like(axes.levels), np.zeros_like(axes.numbers), np.zeros(len(classes.weights))
        for seen in _Seen.parts(classes, table.cells):
            along = seen.products()
            for cells, shares, _ in table.shares(seen):
                places = shares * axes.of(cells, seen.gaussians, classes)
                along.add(cells, places)
                levels -= places.sum(axis=0)[:, None] * classes.levels
                n += shares.sum(axis=0)
            levels += along.levels[:-1].T
            numbers += seen.gaussians.away(along.products)
        length = np.sqrt((levels**2).sum(axis=1) + (numbers**2 / variance).sum(axis=1))[:, None] + LEAST_LENGTH
        axes = _Axes(levels / length, numbers / variance / length)
    deviation = np.sqrt(length / n[:, None])  # the length of S v is the variance along a unit vector v of an axis of S
    return _Axes(axes.levels / deviation, axes.numbers / deviation)
