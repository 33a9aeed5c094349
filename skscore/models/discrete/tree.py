r"""A tree of discrete columns, and what it says of any cells given any others.

.. math:: P(c) = \prod_j T_j(c_j \mid c_{\mathrm{pa}(j)}), \qquad
          T_j(l \mid k) = \frac{t_{ij}(k, l)}{\sum_l t_{ij}(k, l)}, \qquad
          t_{ij} \propto N_{ij} + \frac{1}{2 \max(K_i, K_j)},

with i = pa(j) and :math:`N_{ij}` the table of counts of two columns. The edges are the spanning tree of greatest mutual
information of these tables, which among all trees is the likeliest (Chow & Liu, 1968). The root has the table of its
own counts plus ½. Conditionals are sums over all cells that are not given, each exact by one pass of messages up the
tree, see ``_kernels.belief``.

New names of the levels change no probability. Neither does a new order of the columns, as long as mutual information,
the number of levels or the entropy tell apart those that tie: the root is the column that shares most information with
all others.

References
----------
Chow, C. K., & Liu, C. N. (1968). Approximating discrete probability distributions with dependence trees. IEEE
Transactions on Information Theory, 14(3), 462-467.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy import ndarray

from ..._kernels import belief

__all__ = ["Tree", "fit_tree"]

PSEUDO_COUNT = 0.5
DIGITS = 10  # of an information in nats: below them it ties


@dataclass(frozen=True, eq=False)
class Tree:
    """A density of levels that is a tree, an ``AnyOrder``.

    Parameters
    ----------
    n_levels : tuple of q int
    order : ndarray of int64, shape (q,)
        The columns, each after its parent.
    parent : ndarray of int64, shape (q,)
        Of each column; q for the root.
    tables : ndarray of float64
        T_j of each column in turn, with a row for each level of its parent; the root's has one row.
    """

    n_levels: tuple[int, ...]
    order: ndarray
    parent: ndarray
    tables: ndarray

    def log_prob(self, codes, target, given):
        """log P(c_T | c_S), shape (n,); entries of `codes` (n, q) in neither mask are not read."""
        return self._log_evidence(codes, target | given) - self._log_evidence(codes, given)

    def log_conditionals(self, codes, given, columns=None):
        """log P(c_j = k | c_S without j), a block of K_j entries for each of the `columns`, by default all.

        Examples
        --------
        >>> import numpy as np
        >>> from skscore.models.discrete.tree import fit_tree
        >>> tree = fit_tree(np.array([[0, 0], [1, 1], [1, 1]]), (2, 2))
        >>> np.exp(tree.log_conditionals(np.array([[0, -1]]), np.array([[True, False]]))).round(3)
        array([[0.375, 0.625, 0.833, 0.167]])
        """
        columns, place = range(len(self.n_levels)) if columns is None else columns, np.full(len(self.n_levels), -1)
        width = 0
        for j in columns:
            place[j], width = width, width + self.n_levels[j]
        out = np.empty((len(codes), width))
        self._pass(belief.log_conditionals, codes, given, place, out)
        return out

    def sample(self, codes, given, rng):
        """`codes` with every cell that is not given drawn from P(c | c_S), shape (n, q)."""
        return self._pass(belief.draw, codes, given, rng.random(codes.shape))

    def _log_evidence(self, codes, given):
        out = np.zeros(len(codes))
        if not given.any():
            return out
        self._pass(belief.log_evidence, codes, given, out)
        return out

    def _pass(self, kernel, codes, given, *last):
        """A kernel on copies of rows, of the one layout for which it is compiled; the copy of `codes` comes back."""
        rows, given = np.array(codes, dtype=np.int64, order="C"), np.array(given, dtype=bool, order="C")
        kernel(rows, given, *self._arrays, *last)
        return rows

    @cached_property
    def _arrays(self):
        """The tree as the kernels have it."""
        levels = np.array([*self.n_levels, 1])
        first = np.concatenate([[0], np.cumsum(levels)])
        sizes = levels[:-1] * levels[self.parent]
        return self.order, self.parent, first, np.cumsum(sizes) - sizes, self.tables, np.log(self.tables)


# ---- fit -----------------------------------------------------------------------------------------


def fit_tree(codes, n_levels, weight=None):
    """The tree of rows of levels.

    Parameters
    ----------
    codes : ndarray of int64, shape (n, q)
        Level of each cell, 0 to K_j − 1.
    n_levels : tuple of q int
        K_j.
    weight : ndarray of shape (n,) or None
        Weights of the rows; a weight of 2 is a row that is there twice.

    Returns
    -------
    Tree

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.discrete.tree import fit_tree
    >>> a, b, c = np.random.default_rng(0).integers(0, 2, (3, 500))
    >>> fit_tree(np.column_stack([a, a | b, a | b | c]), (2, 2, 2)).parent
    array([1, 3, 1])
    """
    columns, n_levels = np.ascontiguousarray(codes.T), tuple(int(k) for k in n_levels)
    order, parent = _spanning_tree(columns, n_levels, weight)
    tables = [_conditional(columns, n_levels, weight, parent[j], j).ravel() for j in range(len(n_levels))]
    return Tree(n_levels, order, parent, np.concatenate([np.empty(0), *tables]))


def _pair_table(columns, n_levels, weight, i, j):
    """Smoothed counts of the levels of columns i and j, shape (K_i, K_j)."""
    size = n_levels[i], n_levels[j]
    counts = np.bincount(columns[i] * size[1] + columns[j], weight, minlength=size[0] * size[1])
    return counts.reshape(size) + PSEUDO_COUNT / max(size)


def _conditional(columns, n_levels, weight, i, j):
    """P(c_j | c_i), shape (K_i, K_j); P(c_j) if j is the root, shape (1, K_j)."""
    if i == len(n_levels):
        table = _counts(columns[j], n_levels[j], weight)[None]
    else:
        table = _pair_table(columns, n_levels, weight, i, j)
    return table / table.sum(axis=1, keepdims=True)


def _counts(column, n_levels, weight):
    return np.bincount(column, weight, minlength=n_levels) + PSEUDO_COUNT


def _entropy(table):
    p = table / table.sum()
    return -(p * np.log(p)).sum()


def _spanning_tree(columns, n_levels, weight):
    """Order and parents of the tree of greatest information, grown from the most informative column."""
    q = len(n_levels)
    information = np.zeros((q, q))
    for i, j in combinations(range(q), 2):
        table = _pair_table(columns, n_levels, weight, i, j)
        value = _entropy(table.sum(axis=0)) + _entropy(table.sum(axis=1)) - _entropy(table)
        information[i, j] = information[j, i] = round(value, DIGITS)
    entropy = [_entropy(_counts(*pair, weight)) for pair in zip(columns, n_levels, strict=True)]
    keys = (np.array(entropy), np.array(n_levels), information.sum(axis=0))
    ranked = np.lexsort([-np.round(key, DIGITS) for key in keys])
    return _grown(information, ranked)


def _grown(information, ranked):
    """The spanning tree of greatest sum (Prim's algorithm); of edges that tie, the first by rank."""
    q = len(ranked)
    order, parent = np.empty(q, dtype=np.int64), np.full(q, q)
    nearest = np.full(q, -1.0)
    for t in range(q):
        free = ranked[~np.isin(ranked, order[:t])]
        order[t] = j = free[np.argmax(nearest[free])]
        closer = information[j] > nearest
        closer[order[: t + 1]] = False
        nearest[closer], parent[closer] = information[j, closer], j
    return order, parent
