r"""Messages along a tree of discrete columns (Pearl, 1988), one row after the other, as logarithms.

Column j hangs below its parent i by the table :math:`T_j(k, l) = P(c_j = l \mid c_i = k)`. With :math:`e_j(l)` one
where the cell is not given or has level l, and zero else, messages go up, and down again:

.. math::

   \lambda_{j \to i}(k) = \sum_l T_j(k, l)\, e_j(l) \prod_{h \text{ below } j} \lambda_{h \to j}(l), \qquad
   \pi_j(l) \propto \sum_k T_j(k, l)\, e_i(k)\, \pi_i(k) \prod_{h \ne j \text{ below } i} \lambda_{h \to i}(k).

The root hangs below one more node, of a single level: the message that this node receives is the probability of the
given cells. The tree is given by five arrays:

* `order`: the columns, each after its parent;
* `parent`: of each column, q for the root's;
* `first`: levels of column j are ``first[j]:first[j + 1]`` of all, the node above the root is column q;
* `start`: the table of column j begins there in `tables`, level k of the parent after level k − 1;
* `tables` and `log_tables`: all positive.

A sum over levels is taken relative to its largest term, so that no message of many columns is lost. Each function has
`given` (n, q), and reads `codes` (n, q) in these cells only.

References
----------
Pearl, J. (1988). Probabilistic reasoning in intelligent systems: networks of plausible inference. Morgan Kaufmann.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _relative(logs, weight):
    """Write exp(logs − max) into the first entries of `weight`, and return the maximum."""
    top = logs.max()
    for k in range(logs.shape[0]):
        weight[k] = np.exp(logs[k] - top)
    return top


@njit(cache=True, nogil=True)
def _message(j, n_above, code, given, first, start, tables, log_tables, below, weight, message):
    """Write log λ of column j to its parent, which has `n_above` levels."""
    own = below[first[j] : first[j + 1]]
    n_own = own.shape[0]
    if given[j]:
        for k in range(n_above):
            message[k] = log_tables[start[j] + k * n_own + code[j]] + own[code[j]]
        return
    top = _relative(own, weight)
    for k in range(n_above):
        row, total = start[j] + k * n_own, 0.0
        for level in range(n_own):
            total += tables[row + level] * weight[level]
        message[k] = top + np.log(total)


@njit(cache=True, nogil=True)
def _upward(code, given, order, parent, first, start, tables, log_tables, below, weight, messages):
    """Write the messages of all columns into rows of `messages`, and into `below` their sums at each node."""
    below[:] = 0.0
    for t in range(order.shape[0] - 1, -1, -1):
        j = order[t]
        above = below[first[parent[j]] : first[parent[j] + 1]]
        _message(j, above.shape[0], code, given, first, start, tables, log_tables, below, weight, messages[j])
        for k in range(above.shape[0]):
            above[k] += messages[j, k]


@njit(cache=True, nogil=True)
def _downward(j, i, code, given, first, start, tables, log_tables, below, weight, message, pi):
    """Write log π of column j, up to a constant, into its entries of `pi`, where those of its parent i are."""
    own, above = pi[first[j] : first[j + 1]], pi[first[i] : first[i + 1]]
    n_own = own.shape[0]
    if i < given.shape[0] and given[i]:
        row = start[j] + code[i] * n_own
        own[:] = log_tables[row : row + n_own]
        return
    for k in range(above.shape[0]):
        message[k] = above[k] + below[first[i] + k] - message[k]
    _relative(message[: above.shape[0]], weight)
    for level in range(n_own):
        total = 0.0
        for k in range(above.shape[0]):
            total += tables[start[j] + k * n_own + level] * weight[k]
        own[level] = np.log(total)


@njit(cache=True, nogil=True)
def _scratch(first):
    """Empty sums, weights and messages of one row."""
    n_columns, most = first.shape[0] - 2, (first[1:] - first[:-1]).max()
    return np.empty(first[-1]), np.empty(most), np.empty((n_columns, most))


@njit(cache=True, nogil=True)
def log_evidence(codes, given, order, parent, first, start, tables, log_tables, out):
    """Write the log-probability of the given cells of each row into `out` (n,)."""
    below, weight, messages = _scratch(first)
    for r in range(codes.shape[0]):
        _upward(codes[r], given[r], order, parent, first, start, tables, log_tables, below, weight, messages)
        out[r] = below[-1]


@njit(cache=True, nogil=True)
def log_conditionals(codes, given, order, parent, first, start, tables, log_tables, out):
    """Write log P(c_j = l | given cells but j's own) into entry ``first[j] + l`` of each row of `out` (n, ΣK)."""
    below, weight, messages = _scratch(first)
    pi = np.zeros(first[-1])
    for r in range(codes.shape[0]):
        code, known = codes[r], given[r]
        _upward(code, known, order, parent, first, start, tables, log_tables, below, weight, messages)
        for j in order:
            _downward(j, parent[j], code, known, first, start, tables, log_tables, below, weight, messages[j], pi)
            own = out[r, first[j] : first[j + 1]]
            own[:] = pi[first[j] : first[j + 1]] + below[first[j] : first[j + 1]]
            top = _relative(own, weight)
            own -= top + np.log(weight[: own.shape[0]].sum())


@njit(cache=True, nogil=True)
def draw(codes, given, order, parent, first, start, tables, log_tables, uniform):
    """Draw the cells of `codes` that are not given from their conditional law, by `uniform` (n, q), in place."""
    below, weight, messages = _scratch(first)
    for r in range(codes.shape[0]):
        code, known = codes[r], given[r]
        _upward(code, known, order, parent, first, start, tables, log_tables, below, weight, messages)
        for j in order:
            if known[j]:
                continue
            n_own = first[j + 1] - first[j]
            row = start[j] + (code[parent[j]] * n_own if parent[j] < order.shape[0] else 0)
            _relative(log_tables[row : row + n_own] + below[first[j] : first[j + 1]], weight)
            rest = uniform[r, j] * weight[:n_own].sum()
            level = 0
            while level < n_own - 1 and rest >= weight[level]:
                rest -= weight[level]
                level += 1
            code[j] = level
