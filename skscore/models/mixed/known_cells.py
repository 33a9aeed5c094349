r"""Known cells of rows, and the Gaussians that latent classes have of the numbers among them.

Rows are sorted by their pattern g, which says which numbers O are known. With an origin o near all numbers and
:math:`\tilde x = (1, x - o)`, zeros in cells that are not known, each class k and pattern have

.. math::

   \log N(x_O; \mu_{k,O}, \Sigma_{k,OO}) = \text{peak} - \tfrac12 \|\tilde W \tilde x\|^2, \qquad
   E[x - \mu_k \mid x_O] = \tilde A \tilde x,

.. math::

   \tilde W = L^{-1} [-(\mu_k - o)_O,\ I], \qquad L L^\top = \Sigma_{k,OO}, \qquad
   \tilde A = \Sigma_{k,\cdot O} L^{-\top} \tilde W .

So a step of expectation and maximisation reads nothing of the rows but :math:`M = \sum_i r_{ik}\, \tilde x_i \tilde
x_i^\top` of each class and pattern: :math:`\sum_i r_{ik} E[(x_i - \mu_k)(x_i - \mu_k)^\top] = \tilde A M \tilde A^\top
+ M_{00} (\Sigma_k - \Sigma_{k,\cdot O} \Sigma_{k,OO}^{-1} \Sigma_{k,O\cdot})`, summed over patterns.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from ..._kernels import latent_classes as kernels
from ..._kernels.one_hot import sum_levels
from ...formulas.moments import row_blocks
from ..discrete.equal_rows import distinct_rows

__all__ = ["ClassGaussians", "ClassProducts", "KnownCells"]

BLOCK = 1 << 16  # terms of rows and classes at a time
SYSTEMS = 1 << 18  # numbers in the matrices of all classes and of the patterns that pass together


class KnownCells(NamedTuple):
    """Known cells of rows, in the order of their patterns.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        Which row each is.
    places : ndarray of int32, shape (n, q)
        Its levels, numbered through all columns; one more for a level that is not known.
    numbers : ndarray of shape (n, 1 + p)
        x̃.
    pattern : ndarray of int, shape (n,)
        g.
    masks : ndarray of bool, shape (G, p)
        Known numbers of each pattern.
    origin : ndarray of shape (p,)
        o.
    """

    order: ndarray
    places: ndarray
    numbers: ndarray
    pattern: ndarray
    masks: ndarray
    origin: ndarray

    @classmethod
    def of(cls, rows, known, n_levels, origin):
        """The cells of `Rows` in a `CellMask`."""
        masks, pattern = _patterns(known.numbers)
        order, first = np.argsort(pattern, kind="stable"), np.cumsum([0, *n_levels])
        places, numbers = np.empty(rows.codes.shape, dtype=np.int32), np.ones((rows.n, 1 + len(origin)))
        for some in row_blocks(rows.n, len(first) + len(origin), BLOCK):
            few, seen = rows.at(order[some]), known.at(order[some])
            places[some] = np.where(seen.codes, few.codes + first[:-1], first[-1])
            numbers[some, 1:] = np.where(seen.numbers, few.numbers - origin, 0.0)
        return cls(order, places, numbers, pattern[order], masks, origin)

    def parts(self, classes):
        """The rows, those of a few patterns after the other, and the `ClassGaussians` of these, as pairs."""
        for few in row_blocks(len(self.masks), classes.covariances.size + 1, SYSTEMS):
            rows = slice(*np.searchsorted(self.pattern, [few.start, few.stop]))
            part = self._replace(masks=self.masks[few], pattern=self.pattern - few.start).at(rows)
            yield part, ClassGaussians(classes, part.masks, self.origin)

    def blocks(self, n_classes):
        """The rows, a block after the other."""
        for rows in row_blocks(len(self.order), n_classes, BLOCK):
            yield self.at(rows)

    def at(self, rows):
        """Some of the rows."""
        order, places, numbers, pattern = (array[rows] for array in self[:4])
        return KnownCells(order, places, numbers, pattern, self.masks, self.origin)


def _patterns(known):
    """The different rows of `known` (n, p), and which of them each row has."""
    first, pattern = distinct_rows(np.packbits(known, axis=1))
    return known[first], pattern


class ClassGaussians:
    """The Gaussians N(μ_kO, Σ_kOO) of the cells of each mask, and what they say of all numbers.

    Parameters
    ----------
    classes : LatentClasses
    masks : ndarray of bool, shape (G, p)
    origin : ndarray of shape (p,)
        o.
    """

    def __init__(self, classes, masks, origin):
        n_classes, p = classes.means.shape
        W, log_det = np.zeros((len(masks), p, p, n_classes)), np.empty((len(masks), n_classes))
        kernels.whiten(classes.covariances, masks, W, log_det)
        self.masks, self.covariances = masks, classes.covariances
        self.whitening = np.moveaxis(W, 3, 1)  # L⁻¹, 0 outside O, (G, K, p, p)
        self.offsets = np.where(masks[:, None], classes.means - origin, 0.0)  # (μ_k − o)_O, (G, K, p)
        shift = -np.einsum("gabk,gkb->gak", W, self.offsets)
        self.squared = np.concatenate([shift[:, :, None], W], axis=2)  # W̃, (G, p, 1 + p, K)
        self.peaks = (-log_det - 0.5 * np.log(2.0 * np.pi) * masks.sum(axis=1)[:, None])[:, None]  # (G, 1, K)

    def add_log_density(self, cells, out):
        """Add log N(x_O; μ_kO, Σ_kOO) of `KnownCells` to `out` (n, K)."""
        kernels.add_linear(cells.numbers, cells.pattern, self.peaks, out)
        kernels.subtract_squares(cells.numbers, cells.pattern, self.squared, out)

    @cached_property
    def gains(self):
        """Σ_k·O Σ_kOO⁻¹, shape (G, K, p, p)."""
        return self.covariances @ self.whitening.mT @ self.whitening

    def away(self, products):
        """Sums over the rows of x − μ_k, 0 in cells that are not known, from M (G, K, 1 + p, 1 + p); shape (K, p)."""
        first = products[:, :, :, 0]
        return (first[:, :, 1:] - first[:, :, :1] * self.offsets).sum(axis=0)

    def expected(self, products):
        """Sums over the rows of 1, E[x − μ_k | x_O] and E[(x − μ_k)(x − μ_k)ᵀ | x_O], from M (G, K, 1 + p, 1 + p).

        Their shapes are (K,), (K, p) and (K, p, p).
        """
        n, complete = products[:, :, 0, 0], self.masks.all()
        to_all = np.broadcast_to(np.eye(self.masks.shape[1]), self.whitening.shape) if complete else self.gains
        A = np.concatenate([-to_all @ self.offsets[:, :, :, None], to_all], axis=3)
        of_numbers, of_products = (A @ products[:, :, :, :1])[:, :, :, 0].sum(axis=0), (A @ products @ A.mT).sum(axis=0)
        if not complete:
            of_products += np.einsum("gk,gkij->kij", n, self.covariances - self.gains @ self.covariances)
        return n.sum(axis=0), of_numbers, of_products


class ClassProducts:
    """Sums over rows by their shares (n, K): how many have each level, and M.

    Parameters
    ----------
    n_places : int
        Of levels.
    n_classes, n_patterns, n_numbers : int
        K, G and p.
    """

    def __init__(self, n_places, n_classes, n_patterns, n_numbers):
        self.levels = np.zeros((n_places, n_classes))
        self.lower = np.zeros((n_patterns, 1 + n_numbers, 1 + n_numbers, n_classes))

    def add(self, cells, shares):
        """Add rows."""
        sum_levels(cells.places, shares, self.levels)
        kernels.sum_products(cells.numbers, cells.pattern, shares, self.lower)

    @property
    def products(self):
        """M, (G, K, 1 + p, 1 + p)."""
        lower = np.moveaxis(self.lower, 3, 1)
        return lower + np.tril(lower, -1).mT
