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

import numpy as np

__all__ = ["cell_contributions"]

ORDERS, SEED = 8, 0x0DE5  # half of them reverses of the others, the same in every call


def cell_contributions(density, rows, known, columns):
    """Nats that the cells of each column add, shape (n, len(columns)).

    Parameters
    ----------
    density : RowDensity
    rows : Rows
    known : CellMask
        Cells that hold something.
    columns : list of CellMask
        The cells of each column.
    """
    rng, total = np.random.default_rng(SEED), np.zeros((rows.n, len(columns)))
    orders = [rng.permutation(len(columns)) for _ in range(ORDERS // 2)]
    for order in [*orders, *(order[::-1] for order in orders)]:
        seen, before = known.none, np.zeros(rows.n)
        for j in order:
            seen |= columns[j] & known
            log_p = density.log_prob(rows, seen, known.none)
            total[:, j] += before - log_p
            before = log_p
    return total / ORDERS
