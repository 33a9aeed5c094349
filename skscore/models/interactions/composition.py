r"""Pairwise interactions of the parts of a composition: rows of positive parts that sum to one.

A composition moves along :math:`v_j = e_j - e_d`, part j growing at the cost of the last, for j < d. Generalised score
matching with these directions in place of the axes (Yu, Drton & Shojaie, 2022) is

.. math:: J = \sum_{j<d} E[\tfrac12h_j(v_j^\top s)^2 + h_jv_j^\top\nabla s\,v_j + h_j'v_j^\top s] .

Each term holds two columns of K, so the form is one in all of θ.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array

from ...formulas.moments import row_blocks
from ...formulas.quadratic import QuadraticForm
from .family import PairwiseFamily

__all__ = ["CompositionFamily", "directional_form"]


class CompositionFamily(PairwiseFamily):
    """The family on the simplex.

    Attributes
    ----------
    log_ratios : bool
        Whether the rows of K sum to zero.
    """

    def __init__(self, model, moments):
        super().__init__(model, moments)
        self.log_ratios = model.log_ratios

    def unknowns(self, size):
        """All, or the pairs and η where rows of K sum to zero: each pair is taken from two entries of the diagonal."""
        if not self.log_ratios:
            return super().unknowns(size)
        i, j = self.pairs
        pairs, diagonal = np.flatnonzero(i != j), self.position.diagonal()
        places = np.concatenate([pairs, np.arange(self.n_interactions, size)])
        rows = np.concatenate([places, diagonal[i[pairs]], diagonal[j[pairs]]])
        columns = np.concatenate([np.arange(len(places)), np.tile(np.arange(len(pairs)), 2)])
        entries = np.where(np.arange(len(rows)) < len(places), 1.0, -1.0)
        return places, csc_array((entries, (rows, columns)), shape=(size, len(places)))

    @property
    def directions(self):
        """v_j in rows; the last is 0, as is its weight."""
        return np.eye(self.p) - np.eye(self.p)[-1]

    def pair_weights(self):
        """The last part takes part in every direction: its pairs weigh d − 1 times (Yu, Drton & Shojaie, 2022)."""
        weights = super().pair_weights()
        weights[-1] = weights[:, -1] = self.p - 1.0
        return weights

    def linear_weights(self):
        """Likewise of |η_j|."""
        weights = super().linear_weights()
        weights[-1] *= self.p - 1.0
        return weights

    def assemble(self, X, Y, weight, objective):
        """Form in θ of the implicit objective."""
        return directional_form(self, X, weight, self.directions)

    def _score_and_slope(self, theta, X):
        slopes = [self.curvature(theta, X, v) for v in self.directions]
        return self.score(theta, X) @ self.directions.T, np.column_stack(slopes)


def directional_form(family, X, weight, directions) -> QuadraticForm:
    """Form in θ of generalised score matching along directions, by the derivatives of all statistics.

    Parameters
    ----------
    family : PairwiseFamily
        Supplies ``jacobian``, ``statistics_curvature`` and ``weights``.
    X : ndarray of shape (n, p)
    weight : ndarray of shape (n,) or None
    directions : ndarray of shape (p, p)
        v_j in rows; the axes for densities on a part of R^p.

    Returns
    -------
    QuadraticForm
    """
    weight = np.ones(len(X)) if weight is None else weight
    n, m = float(weight.sum()), family.n_parameters
    Gamma, g = np.zeros((m, m)), np.zeros(m)
    for rows in row_blocks(len(X), 8 * X.shape[1] * m, block_bytes=1 << 22):
        share = weight[rows, None] / n
        h, h_slope = (share * part for part in family.weights(X[rows]))
        D = np.moveaxis(family.jacobian(X[rows]) @ directions.T, 1, 2)  # (n, p, m)
        features = (np.sqrt(h)[..., None] * D).reshape(-1, m)
        Gamma += features.T @ features
        g -= np.einsum("nj,njm->m", h_slope, D)
        g -= sum(h[:, j] @ family.statistics_curvature(X[rows], v) for j, v in enumerate(directions))
    return QuadraticForm(Gamma, g, 0.0, n)
