r"""How much each cell of a row adds to its −log p.

With the columns in an order π, −log p is a sum over them by the chain rule. The mean over orders,

.. math:: \phi_j = -\frac1R\sum_{r=1}^R \log p\bigl(x_j \mid x_k : k \text{ before } j \text{ in } \pi_r\bigr),
          \qquad \sum_j \phi_j = -\log p(x),

is the Shapley value of cell j in the game in which a set S of cells is worth −log p(x_S) (Shapley, 1953), estimated
from random orders, each with its reverse (Castro, Gómez & Tejada, 2009; Mitchell et al., 2022). Cells that agree with
others share what they have in common evenly; a cell at odds with the rest of its row costs many nats.

References
----------
Castro, J., Gómez, D., & Tejada, J. (2009). Polynomial calculation of the Shapley value based on sampling. Computers &
Operations Research, 36(5), 1726-1730.
Mitchell, R., Cooper, J., Frank, E., & Holmes, G. (2022). Sampling permutations for Shapley value estimation. JMLR,
23(43), 1-46.
Shapley, L. S. (1953). A value for n-person games. In Contributions to the Theory of Games II (pp. 307-317). Princeton.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np

__all__ = ["cell_contributions"]

ORDERS, SEED = 8, 0x0DE5  # half of them reverses of the others, the same in every call


def cell_contributions(density, rows, known, columns):
    """Nats that the cells of each column add, shape (n, len(columns)).

    Parameters
    ----------
    density : MovedRows
    rows : Rows
    known : CellMask
        Cells that hold something.
    columns : list of CellMask
        The cells of each column.
    """
    rng, d = np.random.default_rng(SEED), len(columns)
    orders = [rng.permutation(d).tolist() for _ in range(ORDERS // 2)]
    orders += [order[::-1] for order in orders]
    log_p = _of_sets(density, rows, known, columns, {frozenset(order[: k + 1]) for order in orders for k in range(d)})
    total = np.zeros((rows.n, d))
    for order in orders:
        for k, j in enumerate(order):
            total[:, j] += log_p[frozenset(order[:k])] - log_p[frozenset(order[: k + 1])]
    return total / ORDERS


def _of_sets(density, rows, known, columns, sets):
    """log p(x_S) of each set of columns, shape (n,), by set; 0 of the empty one."""
    sets = sorted(sets, key=sorted)
    masks = [reduce(or_, (columns[j] for j in some)) & known for some in sets]
    return {frozenset(): np.zeros(rows.n)} | dict(zip(sets, density.log_marginals(rows, masks), strict=True))
