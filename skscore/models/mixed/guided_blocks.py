r"""Levels first, then numbers, where each term of a sum is dear: a cheaper density says which terms matter.

The sums of :mod:`skscore.models.mixed.blocks` over combinations of levels c are those of a guide g, corrected at a few
of its draws,

.. math:: \sum_c p(c, \cdot) = \Bigl[\sum_c g(c, \cdot)\Bigr]\,
          E_{c \sim g(c \mid \cdot)}\Bigl[\frac{p(c, \cdot)}{g(c, \cdot)}\Bigr].

The draws are the evenly spaced quantiles of g(c | ·), the same in every call, so that the sum is that of the guide if p
is the guide. With no more combinations than draws every term is taken. Draws of levels are the guide's, drawn once more
by the same ratios (Rubin, 1988).

References
----------
Rubin, D. B. (1988). Using the SIR algorithm to simulate posterior distributions. In Bayesian Statistics 3 (pp.
395-402). Oxford University Press.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from .blocks import BlockDensity

__all__ = ["GuidedBlocks"]

DRAWS = 16  # of the guide, for each row


@dataclass(frozen=True, eq=False)
class GuidedBlocks(BlockDensity):
    """The density P(c) p(x | c), whose sums follow a guide: a ``RowDensity``.

    Parameters
    ----------
    layout : Layout
    levels : AnyOrder
        P(c).
    numbers : ConditionalNumbers
        p(x | c).
    guide : BlockDensity
        g, of the same columns.
    """

    guide: BlockDensity

    def _completed(self, rows, free, target, given):
        for index, kind, ways, log_w in self.guide._completed(rows, free, target, given):
            few = ways.shape[1] <= DRAWS
            chosen = ways[kind] if few else ways[kind[:, None], _quantiles(log_w)]
            m = chosen.shape[1]
            many, asked, known = (pair.at(index).repeat(m) for pair in (rows, target, given))
            many = many._replace(codes=np.concatenate(chosen))
            asked = asked._replace(codes=asked.codes | np.repeat(free[index], m, axis=0))
            log_p = self._log_term(many, asked, known)
            if not few:
                log_p = log_p - self.guide._log_term(many, asked, known)
            whole = 0.0 if few else logsumexp(log_w, axis=1, keepdims=True) - np.log(m)
            yield index, np.arange(len(index)), chosen, whole + log_p.reshape(len(index), m)


def _quantiles(log_w):
    """Places of the ways of each row at evenly spaced quantiles of their weights, shape (k, DRAWS)."""
    below = np.cumsum(softmax(log_w, axis=1), axis=1)
    u = (np.arange(DRAWS) + 0.5) / DRAWS
    return np.stack([np.minimum(np.searchsorted(row, u), len(row) - 1) for row in below])
