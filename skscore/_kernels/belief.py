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


@njit(cache=True, nogil=True, error_model="numpy")
def _relative(logs, begin, end, weight, place):
    """Write exp(logs[begin:end] − their maximum) to a place of `weight`; return the maximum and the sum."""
    top, total = logs[begin], 0.0
    for k in range(begin + 1, end):
        top = max(top, logs[k])
    for k in range(begin, end):
        term = np.exp(logs[k] - top)
        weight[place + k - begin] = term
        total += term
    return top, total


@njit(cache=True, nogil=True, error_model="numpy")
def _upward(r, codes, given, order, parent, first, start, tables, log_tables, below, weight, messages, heard):
    """Write the messages of all columns into rows of `messages`, and into `below` their sums at each node.

    `heard` says at which nodes there are any: columns with no given cell at or below them send zeros, which are left
    out.
    """
    for k in range(below.shape[0]):
        below[k] = 0.0
    for j in range(heard.shape[0]):
        heard[j] = False
    for t in range(order.shape[0] - 1, -1, -1):
        j = order[t]
        if not (heard[j] or given[r, j]):
            continue
        begin, n_own, above = first[j], first[j + 1] - first[j], first[parent[j]]
        n_above = first[parent[j] + 1] - above
        heard[parent[j]] = True
        if given[r, j]:
            level = codes[r, j]
            for k in range(n_above):
                messages[j, k] = log_tables[start[j] + k * n_own + level] + below[begin + level]
                below[above + k] += messages[j, k]
            continue
        top, _ = _relative(below, begin, begin + n_own, weight, 0)
        for k in range(n_above):
            row, total = start[j] + k * n_own, 0.0
            for level in range(n_own):
                total += tables[row + level] * weight[level]
            messages[j, k] = top + np.log(total)
            below[above + k] += messages[j, k]


@njit(cache=True, nogil=True, error_model="numpy")
def _downward(r, j, codes, given, order, parent, first, start, tables, log_tables, below, weight, rest, sent, pi):
    """Write log π of column j, up to a constant, into its entries of `pi`, where those of its parent i are.

    `rest` is scratch, and `sent` the message of j, zeros if it sent none.
    """
    i, begin, n_own = parent[j], first[j], first[j + 1] - first[j]
    n_above = first[i + 1] - first[i]
    if i < order.shape[0] and given[r, i]:
        row = start[j] + codes[r, i] * n_own
        for level in range(n_own):
            pi[begin + level] = log_tables[row + level]
        return
    for k in range(n_above):
        rest[k] = pi[first[i] + k] + below[first[i] + k] - sent[k]
    _relative(rest, 0, n_above, weight, 0)
    for level in range(n_own):
        pi[begin + level] = 0.0
    for k in range(n_above):
        row = start[j] + k * n_own
        for level in range(n_own):
            pi[begin + level] += tables[row + level] * weight[k]
    for level in range(n_own):
        pi[begin + level] = np.log(pi[begin + level])


@njit(cache=True, nogil=True)
def _scratch(first):
    """Sums, weights, messages, and which nodes hear one, of one row."""
    n_columns, most = first.shape[0] - 2, 0
    for j in range(n_columns + 1):
        most = max(most, first[j + 1] - first[j])
    return np.empty(first[-1]), np.empty(most), np.empty((n_columns, most)), np.empty(n_columns + 1, dtype=np.bool_)


@njit(cache=True, nogil=True)
def _at_or_above(place, order, parent):
    """The columns that have a place, and those above them, each after its parent."""
    needed = np.zeros(order.shape[0] + 1, dtype=np.bool_)
    for t in range(order.shape[0] - 1, -1, -1):
        j = order[t]
        needed[j] |= place[j] >= 0
        needed[parent[j]] |= needed[j]
    return [j for j in order if needed[j]]


@njit(cache=True, nogil=True, error_model="numpy")
def log_evidence(codes, given, order, parent, first, start, tables, log_tables, out):
    """Write the log-probability of the given cells of each row into `out` (n,)."""
    below, weight, messages, heard = _scratch(first)
    for r in range(codes.shape[0]):
        _upward(r, codes, given, order, parent, first, start, tables, log_tables, below, weight, messages, heard)
        out[r] = below[first[-2]]


@njit(cache=True, nogil=True, error_model="numpy")
def log_conditionals(codes, given, order, parent, first, start, tables, log_tables, place, out):
    """Write log P(c_j = l | given cells but j's own) into entry ``place[j] + l`` of each row of `out`.

    Columns of place −1 are left out.
    """
    below, weight, messages, heard = _scratch(first)
    pi, rest, none = np.zeros(first[-1]), np.empty(weight.shape[0]), np.zeros(weight.shape[0])
    visited = _at_or_above(place, order, parent)
    for r in range(codes.shape[0]):
        _upward(r, codes, given, order, parent, first, start, tables, log_tables, below, weight, messages, heard)
        for j in visited:
            sent = messages[j] if heard[j] or given[r, j] else none
            _downward(
                r, j, codes, given, order, parent, first, start, tables, log_tables, below, weight, rest, sent, pi
            )
            if place[j] < 0:
                continue
            n_own = first[j + 1] - first[j]
            for level in range(n_own):
                rest[level] = pi[first[j] + level] + below[first[j] + level]
            top, total = _relative(rest, 0, n_own, weight, 0)
            shift = top + np.log(total)
            for level in range(n_own):
                out[r, place[j] + level] = rest[level] - shift


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh_open(r, given, first, below, of_level):
    """Write what the messages leave each level of the columns that are not given, relative to the largest."""
    for j in range(given.shape[1]):
        if not given[r, j]:
            _relative(below, first[j], first[j + 1], of_level, first[j])


@njit(cache=True, nogil=True)
def _knows_the_same(r, codes, given):
    """Whether row r has the same given cells as the row before, with the same levels."""
    if r == 0:
        return False
    for j in range(given.shape[1]):
        if given[r, j] != given[r - 1, j] or (given[r, j] and codes[r, j] != codes[r - 1, j]):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def draw(codes, given, order, parent, first, start, tables, log_tables, uniform):
    """Draw the cells of `codes` that are not given from their conditional law, by `uniform` (n, q), in place.

    Rows that know the same as the row before share its messages.
    """
    below, weight, messages, heard = _scratch(first)
    of_level = np.empty(first[-1])
    for r in range(codes.shape[0]):
        if not _knows_the_same(r, codes, given):
            _upward(r, codes, given, order, parent, first, start, tables, log_tables, below, weight, messages, heard)
            _weigh_open(r, given, first, below, of_level)
        for j in order:
            if given[r, j]:
                continue
            n_own = first[j + 1] - first[j]
            row = start[j] + (codes[r, parent[j]] * n_own if parent[j] < order.shape[0] else 0)
            total = 0.0
            for level in range(n_own):
                weight[level] = tables[row + level] * of_level[first[j] + level]
                total += weight[level]
            left, level = uniform[r, j] * total, 0
            while level < n_own - 1 and left >= weight[level]:
                left -= weight[level]
                level += 1
            codes[r, j] = level
