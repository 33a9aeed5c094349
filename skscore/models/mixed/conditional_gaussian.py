r"""Numbers that are Gaussian given the levels of a row, some of them missing.

.. math:: x \mid c \sim N\bigl(B^\top\varphi(c),\ \Sigma\bigr),\qquad
          \varphi(c) = (1, \text{one-hot } c_1, \ldots, \text{one-hot } c_q).

This is the homogeneous conditional Gaussian of Lauritzen & Wermuth (1989) without interactions. B is a ridge
regression, Σ the covariance of its residuals over the degrees of freedom that B leaves, its correlations shrunk by the
share of them that is noise (Schäfer & Strimmer, 2005). Missing numbers are integrated out by the EM algorithm
(Dempster, Laird & Rubin, 1977). Each conditional is a Gaussian of the same kind: in the order A, B of the cells that
are known and of those that are asked for, :math:`L L^\top = \Sigma_{AB}` and :math:`r = L^{-1}(x - \mu(c))`,

.. math:: \log p(x_B \mid x_A, c) = \sum_{j \in B}\bigl[-\tfrac12 r_j^2 - \tfrac12\log 2\pi - \log L_{jj}\bigr].

References
----------
Dempster, A. P., Laird, N. M., & Rubin, D. B. (1977). Maximum likelihood from incomplete data via the EM algorithm.
Journal of the Royal Statistical Society B, 39(1), 1-38.
Lauritzen, S. L., & Wermuth, N. (1989). Graphical models for associations between variables, some of which are
qualitative and some quantitative. Annals of Statistics, 17(1), 31-57.
Schäfer, J., & Strimmer, K. (2005). A shrinkage approach to large-scale covariance matrix estimation and implications
for functional genomics. Statistical Applications in Genetics and Molecular Biology, 4(1), 32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import inv

from ..._kernels import one_hot, triangles
from ..._kernels.way_distances import way_distances
from ...formulas.moments import row_blocks
from ..discrete.equal_rows import distinct_rows

__all__ = ["ConditionalGaussian", "fit_conditional_gaussian"]

RIDGE = 1.0  # rows that each level has at the common mean, besides its own
LEAST_VARIANCE, LEAST_SHRINKAGE = 1e-8, 1e-6  # of a residual as a share of its column, and of all correlations
MAX_ROUNDS, STALLED = 50, 3e-4  # of EM, and the gain in nats per row at which it ends
GIVEN, TARGET, ABSENT = range(3)  # kinds of cells, in the order that they have in a factor
BLOCK, FACTORS = 1 << 19, 1 << 22  # bytes of the levels or numbers of a block of rows, and of their factors


@dataclass(frozen=True, eq=False)
class ConditionalGaussian:
    """The density N(Bᵀφ(c), Σ) of numbers given levels, and all its conditionals: a ``ConditionalNumbers``.

    Parameters
    ----------
    n_levels : tuple of q int
        K_j.
    coef : ndarray of shape (1 + ΣK, p)
        B.
    covariance : ndarray of shape (p, p)
        Σ.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.conditional_gaussian import ConditionalGaussian
    >>> density = ConditionalGaussian((2,), np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]), np.eye(2))
    >>> codes, both, neither = np.array([[0], [1]]), np.ones((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool)
    >>> density.log_prob(np.zeros((2, 2)), codes, both, neither).round(3)
    array([-2.338, -2.338])
    """

    n_levels: tuple[int, ...]
    coef: np.ndarray
    covariance: np.ndarray

    def features(self, codes):
        """φ(c) of levels (n, q), shape (n, 1 + ΣK)."""
        return _features(codes, self.n_levels)

    def mean(self, codes):
        """Bᵀφ(c) of levels (n, q), shape (n, p)."""
        means = np.tile(self.coef[0], (len(codes), 1))
        for rows, places in _blocks_of_places(codes, self.n_levels):
            one_hot.add_levels(places, self.coef, means[rows])
        return means

    # ---- white coordinates -----------------------------------------------------------------------

    def whiten(self, numbers, codes, target, given):
        """White coordinates of the cells B asked for, and of those A that are given.

        Parameters
        ----------
        numbers : ndarray of shape (n, p)
        codes : ndarray of int, shape (n, q)
        target, given : ndarray of bool, shape (n, p)
            B and A.

        Returns
        -------
        R : ndarray of shape (n, p)
            r, zero in all other cells.
        log_det : ndarray of shape (n,)
            Σ log L_jj over B.
        """
        known = target | given
        rest = np.where(known, numbers, 0.0) - np.where(known, self.mean(codes), 0.0)
        return self._solved(rest, target, given)

    def _solved(self, rest, target, given):
        """L⁻¹ of one vector of each row, (n, p), or of m, (n, m, p), all 0 in other cells; and Σ log L_jj over B."""
        R, log_det = np.empty(rest.shape), np.empty(len(rest))
        for block in _patterns(target, given):
            L = block.factors(self.covariance)
            R[block.rows] = block.by_row(triangles.solve, L, rest[block.rows])
            logs = np.where(block.kinds == TARGET, np.log(np.einsum("kjj->kj", L)), 0.0)
            log_det[block.rows] = logs.sum(axis=1)[block.of_row]
        return R, log_det

    def distances(self, numbers, known, ways, kind):
        """Squared norms of the white coordinates of rows, for each way that their levels may be.

        Parameters
        ----------
        numbers : ndarray of shape (n, p)
        known : ndarray of bool, shape (G, p)
            The cells A of each kind of rows.
        ways : ndarray of int, shape (G, m, q)
            Levels c that rows of this kind may have.
        kind : ndarray of int, shape (n,)
            Of each row.

        Returns
        -------
        squares : ndarray of shape (n, m)
            ‖r_A‖².
        log_det : ndarray of shape (n,)
            Σ log L_jj over A.
        """
        means = self.mean(np.concatenate(ways)).reshape(*ways.shape[:2], numbers.shape[1])
        V, log_det = self._solved(np.where(known[:, None], means, 0.0), known, np.zeros_like(known))
        U, _ = self._solved(np.where(known[kind], numbers, 0.0), known[kind], np.zeros_like(known[kind]))
        return way_distances(U, np.ascontiguousarray(V.mT), kind), log_det[kind]

    def unwhiten(self, R, numbers, codes, target, given):
        """`numbers` with the cells asked for as white coordinates `R` (n, p) say, those of given cells among them."""
        filled = self.mean(codes)
        for block in _patterns(target, given):
            filled[block.rows] += block.by_row(triangles.multiply, block.factors(self.covariance), R[block.rows])
        return np.where(target, filled, numbers)

    # ---- as a density ----------------------------------------------------------------------------

    def log_prob(self, numbers, codes, target, given):
        """log p(x_B | x_A, c), shape (n,)."""
        R, log_det = self.whiten(numbers, codes, target, given)
        return np.where(target, -0.5 * R**2 - 0.5 * np.log(2.0 * np.pi), 0.0).sum(axis=1) - log_det

    def log_prob_of_ways(self, numbers, known, ways, kind):
        """log p(x_A | c) of each row and way, shape (n, m): see `distances`."""
        squares, log_det = self.distances(numbers, known, ways, kind)
        peak = -0.5 * np.log(2.0 * np.pi) * known.sum(axis=1)[kind] - log_det
        return peak[:, None] - 0.5 * squares

    def sample(self, numbers, codes, given, rng):
        """`numbers` with every cell that is not given drawn, shape (n, p)."""
        R, _ = self.whiten(numbers, codes, np.zeros_like(given), given)
        noise = rng.standard_normal(R.shape)
        return self.unwhiten(np.where(given, R, noise), numbers, codes, ~given, given)


# ---- factors of the covariance, for each pattern of cells ----------------------------------------


class _Patterns(NamedTuple):
    """The k patterns of cells among some rows.

    Attributes
    ----------
    rows : slice
    order : ndarray of int, shape (k, p)
        The columns in the order A, B, all others.
    kinds : ndarray of int8, shape (k, p)
        What they are, in this order.
    of_row : ndarray of int, shape (n,)
        The pattern of each row.
    """

    rows: slice
    order: np.ndarray
    kinds: np.ndarray
    of_row: np.ndarray

    def factors(self, covariance):
        """L of each pattern, (k, p, p), the identity in the other columns."""
        present = self.kinds < ABSENT
        both = present[:, :, None] & present[:, None, :]
        ordered = covariance[self.order[:, :, None], self.order[:, None, :]]
        return np.linalg.cholesky(np.where(both, ordered, np.eye(len(covariance))))

    def by_row(self, kernel, L, V):
        """What a kernel makes of the factor of each row and its vectors in `V` (n, ..., p), in their order."""
        n_each = np.prod(V.shape[1:-1], dtype=int)
        result = np.empty((len(V) * n_each, V.shape[-1]))
        kernel(L, self.order, np.repeat(self.of_row, n_each), V.reshape(result.shape), result)
        return result.reshape(V.shape)

    def scattered(self, L, total):
        """Σ of the covariances of B given A over `total` (k,) rows of each pattern, shape (p, p)."""
        asked = self.kinds == TARGET
        root = np.where(asked[:, :, None] & asked[:, None, :], L, 0.0) * np.sqrt(total)[:, None, None]
        in_place = np.empty_like(root)
        np.put_along_axis(in_place, self.order[:, :, None], root, axis=1)
        return np.tensordot(in_place, in_place, axes=((0, 2), (0, 2)))


def _patterns(target, given):
    """The patterns of each block of rows."""
    kind = np.full(target.shape, ABSENT, dtype=np.int8)
    kind[target], kind[given] = TARGET, GIVEN
    for rows in row_blocks(len(kind), 8 * kind.shape[1] ** 2 + 8, FACTORS):
        first, index = distinct_rows(kind[rows])
        kinds = kind[rows][first]
        order = np.argsort(kinds, axis=1, kind="stable")
        yield _Patterns(rows, order, np.take_along_axis(kinds, order, axis=1), index)


def _places(codes, n_levels):
    """Entries of φ(c) that are one beside the first, int32 (n, q)."""
    return (1 + codes + np.cumsum([0, *n_levels])[:-1]).astype(np.int32)


def _blocks_of_places(codes, n_levels):
    """Blocks of the rows, each with its places."""
    for rows in row_blocks(len(codes), 8 * (1 + len(n_levels)), BLOCK):
        yield rows, _places(codes[rows], n_levels)


def _features(codes, n_levels):
    """φ(c)."""
    phi = np.zeros((len(codes), 1 + sum(n_levels)))
    phi[:, 0] = 1.0
    np.put_along_axis(phi, _places(codes, n_levels), 1.0, axis=1)
    return phi


# ---- the fit -------------------------------------------------------------------------------------


def fit_conditional_gaussian(rows, layout, weight=None) -> ConditionalGaussian:
    """The Gaussian of the numbers of `Rows` given their levels.

    Parameters
    ----------
    rows : Rows
        Numbers that are NaN are integrated out.
    layout : Layout
    weight : ndarray of shape (n,), optional
        How many rows each stands for.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.conditional_gaussian import fit_conditional_gaussian
    >>> from skscore.models.mixed.rows import ALWAYS, Layout, Rows
    >>> rng = np.random.default_rng(0)
    >>> codes = rng.integers(0, 2, (500, 1))
    >>> rows = Rows(codes, 4.0 * codes + rng.standard_normal((500, 1)))
    >>> fitted = fit_conditional_gaussian(rows, Layout((2,), (ALWAYS,)))
    >>> fitted.mean(np.array([[0], [1]])).round(1).ravel(), fitted.covariance.round(1)
    (array([0.1, 3.9]), array([[1.]]))
    """
    is_told = ~np.isnan(rows.numbers).all(axis=1)  # rows without any number say nothing
    if not is_told.any():
        p = rows.numbers.shape[1]
        return ConditionalGaussian(layout.n_levels, np.zeros((1 + sum(layout.n_levels), p)), np.eye(p))
    weight = np.ones(rows.n) if weight is None else weight
    if not is_told.all():
        rows, weight = rows.at(is_told), weight[is_told]
    present = ~np.isnan(rows.numbers)
    n_of_column = np.maximum(weight @ present, np.finfo(float).tiny)
    Z = np.where(present, rows.numbers, 0.0)
    origin = weight @ Z / n_of_column
    np.subtract(Z, origin, out=Z, where=present)
    variance = np.einsum("i,ij,ij->j", weight, Z, Z) / n_of_column
    scale = np.sqrt(np.where(variance > 0.0, variance, 1.0))
    Z /= scale
    fitted = _fit_standardised(rows._replace(numbers=Z), present, layout.n_levels, weight)
    coef = fitted.coef * scale
    coef[0] += origin
    return ConditionalGaussian(layout.n_levels, coef, fitted.covariance * np.outer(scale, scale))


def _fit_standardised(rows, present, n_levels, weight):
    """The fit to numbers of mean 0 and variance 1, with zeros in missing cells, which it writes over."""
    gram = _gram(rows.codes, n_levels, weight)
    penalty = np.append(np.finfo(float).eps * weight.sum(), np.full(len(gram) - 1, RIDGE))
    gram.flat[:: len(gram) + 1] += penalty
    ridge = inv(gram.T, overwrite_a=True)  # in place, as the transpose of a symmetric matrix has the order of LAPACK
    freedom = max(1.0, weight.sum() - len(ridge) + np.diag(ridge) @ penalty)  # n less the trace of ridge times Φᵀ W Φ
    gaussian = ConditionalGaussian(n_levels, np.zeros((len(ridge), rows.numbers.shape[1])), np.eye(present.shape[1]))
    patterns, last, spread = list(_patterns(~present, present)), -np.inf, 0.0
    for _ in range(1 if present.all() else MAX_ROUNDS):
        if not present.all():
            spread, value = _expect(gaussian, rows, present, weight, patterns)
            if value - last < STALLED:
                break
            last = value
        gaussian = replace(gaussian, coef=ridge @ _cross(rows, n_levels, weight))
        scatter = _scatter(gaussian, rows, weight) + spread
        gaussian = replace(gaussian, covariance=_shrunk(scatter / freedom, weight.sum()))
    return gaussian


def _expect(gaussian, rows, present, weight, patterns):
    """Write conditional means into the missing cells; the sum of their covariances, and the log-density."""
    spread, log_p = np.zeros_like(gaussian.covariance), 0.0
    for block in patterns:
        there, mean = present[block.rows], gaussian.mean(rows.codes[block.rows])
        L, total = block.factors(gaussian.covariance), np.bincount(block.of_row, weight[block.rows])
        rest = np.where(there, rows.numbers[block.rows] - mean, 0.0)
        R = np.where(there, block.by_row(triangles.solve, L, rest), 0.0)
        mean += block.by_row(triangles.multiply, L, R)
        np.copyto(rows.numbers[block.rows], mean, where=~there)
        logs = np.where(block.kinds == GIVEN, np.log(np.einsum("kjj->kj", L)), 0.0).sum(axis=1)
        log_p -= 0.5 * weight[block.rows] @ np.square(R).sum(axis=1) + total @ logs
        spread += block.scattered(L, total)
    return spread, log_p / weight.sum()


def _shrunk(covariance, n):
    """Σ with its correlations shrunk by the share of their squares that is noise, and no variance of zero."""
    scale = np.sqrt(np.maximum(np.diag(covariance), LEAST_VARIANCE))
    r = covariance / np.outer(scale, scale)
    square = r[np.triu_indices(len(r), 1)] ** 2
    noise = np.square(1.0 - np.minimum(square, 1.0)).sum() / n
    rho = np.clip(noise / square.sum() if square.any() else 1.0, LEAST_SHRINKAGE, 1.0)
    return np.outer(scale, scale) * ((1.0 - rho) * r * ~np.eye(len(r), dtype=bool) + np.eye(len(r)))


def _gram(codes, n_levels, weight):
    """Φᵀ diag(w) Φ."""
    gram = np.zeros((1 + sum(n_levels), 1 + sum(n_levels)))
    for rows, places in _blocks_of_places(codes, n_levels):
        places = np.pad(places, ((0, 0), (1, 0)))  # the first entry is one in every row
        one_hot.sum_pairs(places, weight[rows], gram)
    return gram


def _cross(rows, n_levels, weight):
    """Φᵀ diag(w) X."""
    cross = np.zeros((1 + sum(n_levels), rows.numbers.shape[1]))
    for some, places in _blocks_of_places(rows.codes, n_levels):
        Y = weight[some, None] * rows.numbers[some]
        cross[0] += Y.sum(axis=0)
        one_hot.sum_levels(places, Y, cross)
    return cross


def _scatter(gaussian, rows, weight):
    """Σ w (x − μ(c))(x − μ(c))ᵀ."""
    scatter = np.zeros_like(gaussian.covariance)
    for some in row_blocks(rows.n, 8 * rows.numbers.shape[1], BLOCK):
        rest = rows.numbers[some] - gaussian.mean(rows.codes[some])
        scatter += (rest * weight[some, None]).T @ rest
    return scatter
