r"""Levels that a row may hold where it tells none, with their probabilities given all that it tells.

With F the open cells, A the levels that each may hold and S the cells that are known, numbers among them,

.. math:: P(c_F \mid c_F \in A, S) = \frac{p(c_F, S)}{\sum_{c \in A} p(c, S)}, \qquad c_F \in A .

Every combination is weighed if there are at most `MOST` of them. Otherwise each draw is the end of a chain of its own,
a Gibbs sampler (Geman & Geman, 1984) whose law is this one whatever it starts from: columns are dealt anew in every
sweep into blocks of at most `WAYS` combinations, and a block is drawn given all other cells, as the density of whole
rows has it. Chains start from draws of the density. They run until R̂ (Gelman & Rubin, 1992) of log p(c_F, S), with
variances within and between the halves of all chains of a row, pooled over rows, is at most `SETTLED`:

.. math:: \hat R^2 = 1 - \frac1T + \frac{B}{W}, \qquad B = \text{variance of means of } T \text{ states}, \quad
          W = \text{variance within} .

References
----------
Gelman, A., & Rubin, D. B. (1992). Inference from iterative simulation using multiple sequences. Statistical Science,
7(4), 457-472.
Geman, S., & Geman, D. (1984). Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images. IEEE
Transactions on Pattern Analysis and Machine Intelligence, 6(6), 721-741.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax

from ...formulas.moments import evenly
from ..discrete.level_draws import draw_level
from .rows import CellMask, Rows, distinct

__all__ = ["draw_levels", "draw_rows", "log_posterior"]

MOST, WAYS = 1024, 32  # combinations of levels of one row, and of a block of a Gibbs sweep
BLOCK = 1 << 16  # rows, each with one combination, at a time
SWEEPS, MOST_SWEEPS, SETTLED = 8, 64, 1.1  # of the first window, of the last, and R-hat that ends them
CHAINS = 32  # behind an R-hat, at least
PROPOSALS, ENOUGH, ASKED = 512, 64.0, 16  # draws of levels, those of them that numbers have to leave, and rows asked


def log_posterior(density, rows, known, columns, ways):
    """Logarithms of the probabilities of some combinations of levels, shape (n, m).

    Parameters
    ----------
    density : RowDensity
    rows : Rows
    known : CellMask
        S.
    columns : ndarray of int, shape (f,)
        F, the same in all rows.
    ways : ndarray of int, shape (m, f)
        The levels that they may hold.
    """
    return log_softmax(_log_joint(density, rows, known, columns, ways), axis=1)


def _log_joint(density, rows, known, columns, ways):
    """log p(c_F, S) of some combinations of levels, shape (n, m)."""
    joint = CellMask(known.codes.copy(), known.numbers)
    joint.codes[:, columns] = True
    log_p = np.empty((rows.n, len(ways)))
    for index in np.array_split(np.arange(rows.n), max(1, -(-log_p.size // BLOCK))):
        many, asked = (pair.at(index).repeat(len(ways)) for pair in (rows, joint))
        many.codes[:, columns] = np.tile(ways, (len(index), 1))
        log_p[index] = density.log_prob(many, asked, asked.none).reshape(len(index), len(ways))
    return log_p


def draw_levels(density, rows, known, free, allowed, n_draws, rng):
    """Draws of the codes of each row with the open cells filled, shape (n, n_draws, q), and remarks on them.

    Parameters
    ----------
    density : RowDensity
    rows : Rows
    known : CellMask
        S.
    free : ndarray of bool, shape (n, q)
        F, none of which is known.
    allowed : list of q ndarrays of int
        A, the levels that may be drawn in each column.
    n_draws : int
    rng : numpy.random.Generator

    Returns
    -------
    codes : ndarray of int64
    remarks : tuple of str
        If chains disagree.
    """
    codes, worst = np.repeat(rows.codes[:, None], n_draws, axis=1), 1.0
    patterns, of_row = np.unique(free, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        index, columns = np.flatnonzero(of_row.ravel() == k), np.flatnonzero(pattern)
        few, told = rows.at(index), known.at(index)
        if _n_ways(columns, allowed) <= MOST:
            drawn = _drawn(density, few, told, columns, allowed, n_draws, rng)
        else:
            drawn, disagreement = _drawn_in_turn(density, few, told, columns, allowed, n_draws, rng)
            worst = max(worst, disagreement)
        codes[np.ix_(index, np.arange(n_draws), columns)] = drawn
    return codes, () if worst <= SETTLED else (_why_unsettled(worst),)


def _why_unsettled(disagreement):
    return (
        f"the Gibbs chains behind the levels that are drawn disagree after {MOST_SWEEPS} sweeps (R-hat "
        f"{disagreement:.3g}, above {SETTLED}): some open columns all but determine one another, so that their levels "
        "may be off. Give more cells, or leave out columns that repeat others, with column_types={...: 'ignore'}."
    )


def _n_ways(columns, allowed):
    return np.prod([float(len(allowed[j])) for j in columns])


def _ways(columns, allowed):
    """Every combination of the levels of these columns, shape (m, f)."""
    place = np.indices([len(allowed[j]) for j in columns]).reshape(len(columns), -1 if len(columns) else 1).T
    return np.stack([allowed[j][place[:, k]] for k, j in enumerate(columns)], axis=1) if len(columns) else place


def _drawn(density, rows, known, columns, allowed, n_draws, rng):
    """Levels of these columns drawn together, shape (n, n_draws, f)."""
    ways = _ways(columns, allowed)
    log_p = log_posterior(density, rows, known, columns, ways)
    of_draw = np.repeat(np.arange(rows.n), n_draws)
    return ways[draw_level(log_p, rng.random(len(of_draw)), of_draw)].reshape(rows.n, n_draws, len(columns))


def _drawn_in_turn(density, rows, known, columns, allowed, n_draws, rng):
    """The same at the ends of Gibbs chains, and their R̂."""
    n_chains = max(n_draws, -(-CHAINS // rows.n))
    many, told = rows.repeat(n_chains), known.repeat(n_chains)
    every = CellMask(np.ones_like(told.codes), told.numbers)
    many = many._replace(codes=_started(density.sample(many, told, rng).codes, columns, allowed, rng))
    n_sweeps, disagreement = SWEEPS, np.inf
    while disagreement > SETTLED and n_sweeps <= MOST_SWEEPS:
        log_p = np.stack([_swept(density, many, every, columns, allowed, rng) for _ in range(n_sweeps)])
        disagreement, n_sweeps = _rhat(log_p.reshape(n_sweeps, rows.n, n_chains)), 2 * n_sweeps
    return many.codes[:, columns].reshape(rows.n, n_chains, len(columns))[:, :n_draws], disagreement


def _started(codes, columns, allowed, rng):
    """The codes with levels that are allowed in these columns."""
    for j in columns:
        strange = np.flatnonzero(~np.isin(codes[:, j], allowed[j]))
        codes[strange, j] = rng.choice(allowed[j], len(strange))
    return codes


def _swept(density, rows, every, columns, allowed, rng):
    """Draw these columns of the rows anew, block by block, in place; return log p(c_F, S) at the end, shape (n,)."""
    for block in _blocks(rng.permutation(columns), allowed):
        others, ways = CellMask(every.codes.copy(), every.numbers), _ways(block, allowed)
        others.codes[:, block] = False
        log_p = _log_joint(density, rows, others, block, ways)
        place = draw_level(log_p, rng.random(rows.n))
        rows.codes[:, block] = ways[place]
    return log_p[np.arange(rows.n), place]


def _blocks(columns, allowed):
    """The columns in their order, as blocks of at most `WAYS` combinations or of a single column."""
    blocks = [columns[:1]]
    for j in columns[1:]:
        wider = np.append(blocks[-1], j)
        if _n_ways(wider, allowed) <= WAYS:
            blocks[-1] = wider
        else:
            blocks.append(np.array([j]))
    return blocks


def _rhat(values):
    """R̂ of chains of `values` (n_states, n, n_draws), those of each of the n rows among themselves."""
    halves = np.concatenate(np.split(values, 2), axis=2)
    within, between = halves.var(axis=0, ddof=1).mean(), halves.mean(axis=0).var(axis=1, ddof=1).mean()
    if within == 0.0:
        return 1.0 if between == 0.0 else np.inf
    return float(np.sqrt(1.0 - 1.0 / len(halves) + between / within))


# ---- whole rows ----------------------------------------------------------------------------------


def draw_rows(density, rows, known, rng):
    """The rows with every cell that is not known drawn, and remarks on them.

    With numbers known and more than `MOST` combinations open, the density draws levels among `PROPOSALS` of its draws
    without the numbers. If fewer than `ENOUGH` of these are left by the numbers, levels are ends of Gibbs chains.

    Parameters
    ----------
    density : RowDensity
    rows : Rows
    known : CellMask
    rng : numpy.random.Generator

    Returns
    -------
    Rows
    remarks : tuple of str
    """
    n_levels, remarks = np.array(density.layout.n_levels, dtype=float), ()
    many = np.where(known.codes, 1.0, n_levels).prod(axis=1) > MOST
    doubtful = np.flatnonzero(many & known.numbers.any(axis=1))
    if len(doubtful) and _effective_draws(density, rows.at(doubtful), known.at(doubtful), rng) < ENOUGH:
        few, told = rows.at(doubtful), known.at(doubtful)
        allowed = [np.arange(K) for K in density.layout.n_levels]
        drawn, remarks = draw_levels(density, few, told, ~told.codes, allowed, 1, rng)
        rows, known = Rows(rows.codes.copy(), rows.numbers), CellMask(known.codes.copy(), known.numbers)
        rows.codes[doubtful], known.codes[doubtful] = drawn[:, 0], True
    return density.sample(rows, known, rng), remarks


def _effective_draws(density, rows, known, rng):
    """The least effective sample size (Σw)²/Σw² of draws of the levels with weights w = p(x_S | c), over some rows."""
    first, _ = distinct(rows, known)
    index = first[evenly(len(first), ASKED)]
    many, told = rows.at(index).repeat(PROPOSALS), known.at(index).repeat(PROPOSALS)
    many = many._replace(codes=density.sample(many, CellMask(told.codes, np.zeros_like(told.numbers)), rng).codes)
    all_levels = CellMask(np.ones_like(told.codes), np.zeros_like(told.numbers))
    log_w = density.log_prob(many, CellMask(np.zeros_like(told.codes), told.numbers), all_levels)
    share = softmax(log_w.reshape(len(index), PROPOSALS), axis=1)
    return (1.0 / np.square(share).sum(axis=1)).min()
