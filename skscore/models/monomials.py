r"""The algebra of polynomials in several variables, as linear algebra on coefficient vectors.

A basis lists the exponents γ of all monomials :math:`u^\gamma = \prod_j u_j^{\gamma_j}` up to a total degree in which
at most `interaction_degree` variables occur: graded, then lexicographic, the constant first. The set is closed under
division, so :math:`\partial_j` maps it into itself and is a sparse matrix on coefficients; gradient, Laplacian, heat
flow and change of origin of a polynomial are products with such matrices.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np
from scipy.sparse import csr_array

from .._compat import is_numpy
from .._kernels import monomials as kernels
from .monomial_products import evaluated

__all__ = ["MonomialBasis"]


def _exponents(n_features, degree, interaction_degree):
    """All exponents, shape (M, d), by total degree and then lexicographically (x₁ before x₂)."""
    rows = [np.zeros((1, n_features), dtype=np.int64)]
    for n_variables in range(1, min(interaction_degree, n_features, degree) + 1):
        parts = _compositions(n_variables, degree)
        for chosen in combinations(range(n_features), n_variables):
            block = np.zeros((len(parts), n_features), dtype=np.int64)
            block[:, chosen] = parts
            rows.append(block)
    exponents = np.concatenate(rows)
    order = np.lexsort([*(-exponents.T[::-1]), exponents.sum(axis=1)])
    return exponents[order]


def _compositions(n_parts, total):
    """All ways to write totals up to `total` as `n_parts` positive integers, shape (k, n_parts)."""
    if n_parts == 1:
        return np.arange(1, total + 1)[:, None]
    blocks = []
    for first in range(1, total - n_parts + 2):
        rest = _compositions(n_parts - 1, total - first)
        blocks.append(np.hstack([np.full((len(rest), 1), first), rest]))
    return np.concatenate(blocks)


class MonomialBasis:
    """Monomials in `n_features` variables up to a total and an interaction degree.

    Parameters
    ----------
    n_features : int
    degree : int
        Largest total degree.
    interaction_degree : int
        Largest number of distinct variables in a monomial.

    Attributes
    ----------
    exponents : ndarray of shape (M, d)
        Exponents γ, the constant first.

    Examples
    --------
    >>> from skscore.models.monomials import MonomialBasis
    >>> MonomialBasis(2, degree=2, interaction_degree=1).exponents.tolist()
    [[0, 0], [1, 0], [0, 1], [2, 0], [0, 2]]
    """

    def __init__(self, n_features, degree, interaction_degree):
        self.degree, self.interaction_degree = degree, interaction_degree
        self.exponents = _exponents(n_features, degree, interaction_degree)
        self._multipliers = np.random.default_rng(0).integers(1, 2**62, size=n_features, dtype=np.int64)
        keys = self._hash(self.exponents)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self.variable = np.where(self.exponents.any(axis=1), (self.exponents > 0).argmax(axis=1), 0)
        parents = self.exponents.copy()
        parents[np.arange(1, len(parents)), self.variable[1:]] -= 1
        self.parent = self.index(parents)

    def __getstate__(self):
        return {"size": (self.exponents.shape[1], self.degree, self.interaction_degree)}

    def __setstate__(self, state):
        # Built anew: kernels compile again for the read-only arrays of a memory map.
        MonomialBasis.__init__(self, *state["size"])

    def __len__(self):
        return len(self.exponents)

    def _hash(self, exponents):
        return (exponents * self._multipliers).sum(axis=-1)  # wraps around: a hash, not a number

    def index(self, exponents):
        """Positions of `exponents` (..., d) in the basis."""
        return self._order[np.searchsorted(self._keys, self._hash(exponents))]

    # ---- values ----------------------------------------------------------------------------------

    def moments(self, U, weight):
        """Weighted sums of all monomials over the rows of U (n, d), shape (M,)."""
        return kernels.moments(np.ascontiguousarray(U), np.ascontiguousarray(weight), self.parent, self.variable)

    def evaluate(self, coefficients, U):
        """Values of the polynomials with `coefficients` (k, M) at the rows of U (n, d), shape (n, k)."""
        if not is_numpy(U):
            return evaluated(self, coefficients, U)
        return kernels.combine(np.ascontiguousarray(U), np.ascontiguousarray(coefficients), self.parent, self.variable)

    # ---- operators on coefficients ---------------------------------------------------------------

    @cached_property
    def derivatives(self):
        """Matrices D_j, with D_j c the coefficients of ∂_j of the polynomial c."""
        return [self._lowering(j) for j in range(self.exponents.shape[1])]

    def _lowering(self, j):
        source = np.flatnonzero(self.exponents[:, j])
        lowered = self.exponents[source].copy()
        lowered[:, j] -= 1
        values = self.exponents[source, j].astype(float)
        return csr_array((values, (self.index(lowered), source)), shape=(len(self), len(self)))

    def laplacian(self, coefficients, scale):
        """Coefficients of Σ_j ∂_j²/scale_j² of the polynomials `coefficients`, shape (..., M)."""
        return sum((D @ (D @ coefficients.T)).T / s**2 for D, s in zip(self.derivatives, scale, strict=True))

    def smoothed_moments(self, values, sigma, scale):
        """Means of all monomials of u + σz/scale from those of u: exp(½σ²Δ) (the heat flow), a finite sum."""
        total, term = values, values
        for k in range(1, self.degree // 2 + 1):
            term = (0.5 * sigma**2 / k) * sum(
                D.T @ (D.T @ term) / s**2 for D, s in zip(self.derivatives, scale, strict=True)
            )
            total = total + term
        return total

    def change_of_origin(self, centre, scale):
        """Matrix B (M, M) with B c the coefficients in x of the polynomial c in u = (x − centre)/scale."""
        columns = []
        for gamma in self.exponents:
            lower = self._divisors(gamma)
            factor = np.prod(
                [[comb(int(g), int(k)) for g, k in zip(gamma, row, strict=True)] for row in lower], axis=1
            ) * np.prod((-centre) ** (gamma - lower), axis=1)
            columns.append((self.index(lower), factor / np.prod(scale**gamma)))
        B = np.zeros((len(self), len(self)))
        for k, (rows, values) in enumerate(columns):
            B[rows, k] = values
        return B

    @staticmethod
    def _divisors(gamma):
        """All exponents below γ, shape (k, d)."""
        used = np.flatnonzero(gamma)
        grids = np.meshgrid(*[np.arange(gamma[j] + 1) for j in used], indexing="ij")
        lower = np.zeros((max(1, int(np.prod(gamma[used] + 1))), len(gamma)), dtype=np.int64)
        for j, grid in zip(used, grids, strict=True):
            lower[:, j] = grid.ravel()
        return lower
