r"""Pairwise interactions of the parts of a composition: rows of positive parts that sum to one.

A composition moves along :math:`v_j = e_j - e_d`, part j growing at the cost of the last, for j < d. Generalised score
matching with these directions in place of the axes (Yu, Drton & Shojaie, 2022) is

.. math:: J = \sum_{j<d} E[\tfrac12h_j(v_j^\top s)^2 + h_jv_j^\top\nabla s\,v_j + h_j'v_j^\top s] .

Each term holds two columns of K, so the form is one in all of θ, and is assembled row by row.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array

from .family import PairwiseFamily

__all__ = ["CompositionFamily"]


class CompositionFamily(PairwiseFamily):
    """The family on the simplex.

    Attributes
    ----------
    log_ratios : bool
        Whether the rows of K sum to zero.
    """

    closed_forms = {}
    directions: np.ndarray

    def __init__(self, model, moments):
        super().__init__(model, moments)
        self.log_ratios = model.log_ratios
        self.directions = self.domain.directions(self.p)

    def unknowns(self, size):
        """Indices of the free parameters: if rows of K sum to zero, the diagonal follows from the other entries."""
        if not self.log_ratios:
            return super().unknowns(size)
        i, j = self.pairs
        pairs, diagonal = np.flatnonzero(i != j), self.position.diagonal()
        indices = np.concatenate([pairs, np.arange(self.n_interactions, size)])
        rows = np.concatenate([indices, diagonal[i[pairs]], diagonal[j[pairs]]])
        columns = np.concatenate([np.arange(len(indices)), np.tile(np.arange(len(pairs)), 2)])
        entries = np.where(np.arange(len(rows)) < len(indices), 1.0, -1.0)
        return indices, csc_array((entries, (rows, columns)), shape=(size, len(indices)))

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

    def _score_and_slope(self, theta, X) -> tuple[np.ndarray, np.ndarray]:
        slopes = [self.curvature(theta, X, v) for v in self.directions]
        return self.score(theta, X) @ self.directions.T, np.column_stack(slopes)
