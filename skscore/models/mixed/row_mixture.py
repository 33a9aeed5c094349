r"""Densities of rows mixed by weights.

.. math:: p(T \mid S) = \frac{\sum_k w_k\, p_k(S)\, p_k(T \mid S)}{\sum_k w_k\, p_k(S)}

for the cells T asked for and S known: a conditional of the mixture is one of its parts, each with the weight that the
known cells leave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ..discrete.level_draws import draw_level
from .rows import Rows, distinct

__all__ = ["RowMixture"]


@dataclass(frozen=True, eq=False)
class RowMixture:
    """The density Σ_k w_k p_k: a ``RowDensity``.

    Parameters
    ----------
    weights : ndarray of shape (K,)
        w, which sum to one; none is zero.
    parts : list of K RowDensity
    """

    weights: np.ndarray
    parts: list[Any]

    @property
    def layout(self):
        """The columns of all parts."""
        return self.parts[0].layout

    def _log_shares(self, rows, given):
        """Logarithms of w_k p_k(S), shape (n, K)."""
        if not (given.codes.any() or given.numbers.any()):
            return np.tile(np.log(self.weights), (rows.n, 1))
        first, of_row = distinct(rows, given)
        few, asked = rows.at(first), given.at(first)
        log_p, some = np.zeros((len(first), len(self.parts))), asked.codes.any(axis=1) | asked.numbers.any(axis=1)
        of_some = few.at(some), asked.at(some), asked.none.at(some)
        log_p[some] = np.stack([part.log_prob(*of_some) for part in self.parts], axis=1)
        return (np.log(self.weights) + log_p)[of_row]

    def log_prob(self, rows, target, given):
        """log p(c_T, x_T | c_S, x_S), shape (n,)."""
        shares = self._log_shares(rows, given)
        of_parts = np.stack([part.log_prob(rows, target, given) for part in self.parts], axis=1)
        return logsumexp(shares + of_parts, axis=1) - logsumexp(shares, axis=1)

    def sample(self, rows, given, rng):
        """The `Rows` with every cell that is not given drawn."""
        of_row = draw_level(self._log_shares(rows, given), rng.random(rows.n))
        codes, numbers = rows.codes.copy(), rows.numbers.copy()
        for k, part in enumerate(self.parts):
            index = np.flatnonzero(of_row == k)
            codes[index], numbers[index] = part.sample(rows.at(index), given.at(index), rng)
        return Rows(codes, numbers)
