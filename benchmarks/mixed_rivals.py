"""Densities of rows of levels and numbers that a table user would pick, each tuned on its training rows.

Numbers come standardised. A rival maps training `Rows`, their `Layout` and a seed to a :class:`Rival`. Each candidate
of its grid is fitted to four fifths of the rows, that of the largest log-likelihood on the other fifth to all of them.
These also choose how much of the independent marginals is mixed in, ε of `SHARES`: a level or a number that a rival
deems impossible would otherwise cost it everything.

- independent marginals: frequencies of levels, mixtures of Gaussians for numbers.
- Chow–Liu + linear Gaussian: a tree of levels (Chow & Liu, 1968), numbers Gaussian about a ridge regression on levels.
  Missing numbers leave the Gaussian, which is exact.
- StepMix (Morin et al., 2025): latent classes, Gaussians with full covariances in each. Columns with missing numbers
  are Gaussians of its own for them, which are independent; or full, too, missing numbers being the mean in the fit.
  They are integrated out of either density, which is exact.
- ARF (Watson et al., 2023): the density of that paper on the forest of arfpy, which draws but has no density of its
  own; trees grow on at most `GROWN_ROWS` rows, their leaves hold all. A missing number is the median of its column
  while trees grow, and is integrated out of the density, which is exact.
- vine (Nagler & Vatter, 2024): the mixed vine of pyvinecopulib, levels as dummies or as codes, two kinds of pair
  copulas. With dummies some mass falls on rows that cannot be. It refuses missing numbers: they are drawn from f, the
  mixture of Gaussians of their column, and the density is the mean of p(c, x, z)/f(z) over `FILLINGS` draws z.

References
----------
Chow, C. K., & Liu, C. N. (1968). Approximating discrete probability distributions with dependence trees. IEEE
Transactions on Information Theory, 14(3), 462-467.
Morin, S., Legault, R., Laliberté, F., Bakk, Z., Giguère, C.-É., de la Sablonnière, R., & Lacourse, É. (2025). StepMix:
A Python package for pseudo-likelihood estimation of generalized mixture models with external variables. Journal of
Statistical Software, 113(8).
Nagler, T., & Vatter, T. (2024). Solving estimating equations with copulas. Journal of the American Statistical
Association, 119(546), 1168-1180.
Watson, D. S., Blesch, K., Kapar, J., & Wright, M. N. (2023). Adversarial random forests for density estimation and
generative modeling. Proceedings of AISTATS, PMLR 206, 5357-5375.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from scipy import stats
from scipy.special import logsumexp, ndtr, ndtri
from sklearn.mixture import GaussianMixture

from skscore.models.mixed.rows import ALWAYS, Layout, Rows

SHARES = (1e-6, 1e-3, 1e-2, 3e-2, 0.1, 0.3)  # ε
HELD_OUT = 0.2
SEARCH_ROWS = 5_000  # a search over a grid sees at most these many rows
FILLINGS = 16
N_TREES, GROWN_ROWS = 20, 2_000  # trees of a forest, and the rows that they grow on: each leaf costs arfpy milliseconds
TREES_OF_VINE = 5  # after which a vine is cut off: hundreds of pairs of dummies take minutes
WIDE = 5.0  # standard deviations of the wide Gaussian that every column of numbers has a hundredth of


class Rival(NamedTuple):
    """A density of rows."""

    log_prob: Callable[[Rows], np.ndarray]  # nats, shape (n,)
    sample: Callable[[int, np.random.Generator], Rows] | None = None
    chosen: dict[str, Any] = {}


def tuned(fit, grid, train, layout, seed):
    """The best candidate of a grid by rows that were left out, with the best share of the independent marginals."""
    order = np.random.default_rng(seed).permutation(train.n)[:SEARCH_ROWS]
    validation, kept = (train.at(index) for index in np.split(order, [round(HELD_OUT * len(order))]))
    independent = independent_marginals(kept, layout, seed).log_prob(validation)
    found = []
    for candidate in (dict(zip(grid, values, strict=True)) for values in product(*grid.values())):
        rival = attempted(fit, kept, layout, seed, candidate)
        log_p = (
            np.full(validation.n, -np.inf) if rival is None else np.nan_to_num(rival.log_prob(validation), nan=-np.inf)
        )
        found += [(mixed(log_p, independent, share).mean(), share, candidate) for share in SHARES]
    for _, share, candidate in sorted(found, key=lambda each: -each[0]):
        if rival := attempted(fit, train, layout, seed, candidate):
            return with_marginals(rival, train, layout, seed, share, candidate)
    raise ValueError("no candidate could be fitted to all rows")


def attempted(fit, rows, layout, seed, candidate):
    """The fit of a candidate, None if it has none: at the corners of a grid matrices are singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return fit(rows, layout, seed, **candidate)
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError):
            return None


def mixed(log_p, log_q, share):
    """log((1 − ε) p + ε q)."""
    return np.logaddexp(np.log1p(-share) + log_p, np.log(share) + log_q)


def with_marginals(rival, train, layout, seed, share, candidate):
    """The rival with a share of the independent marginals of all rows."""
    marginals = independent_marginals(train, layout, seed)

    def log_prob(rows):
        return mixed(np.nan_to_num(rival.log_prob(rows), nan=-np.inf, posinf=np.inf), marginals.log_prob(rows), share)

    def sample(n, rng):
        n_marginal = rng.binomial(n, share)
        return together([marginals.sample(n_marginal, rng), rival.sample(n - n_marginal, rng)], rng)

    return Rival(log_prob, rival.sample and sample, {**candidate, "share_of_marginals": share})


def together(parts, rng):
    """The rows of all parts, shuffled."""
    rows = Rows(*map(np.concatenate, zip(*parts, strict=True)))
    return rows.at(rng.permutation(rows.n))


def with_gaps(codes, numbers, layout):
    """Rows whose numbers are NaN where their state says so."""
    return Rows(codes, np.where(layout.holds_number(codes), numbers, np.nan))


def drawn(P, rng):
    """A level by each row of probabilities."""
    below = np.cumsum(P, axis=-1)
    return (rng.random((*P.shape[:-1], 1)) * below[..., -1:] >= below[..., :-1]).sum(axis=-1)


# ---- independent marginals -----------------------------------------------------------------------


def independent_marginals(train, layout, seed, n_components=8, ridge=1e-3):
    """Fit frequencies, half a row added to each level, and a mixture of Gaussians for each column of numbers."""
    counts = [
        np.bincount(c, minlength=n_levels) + 0.5 for c, n_levels in zip(train.codes.T, layout.n_levels, strict=True)
    ]
    P = [count / count.sum() for count in counts]
    columns = [column_of_numbers(x[~np.isnan(x)], seed, n_components, ridge) for x in train.numbers.T]

    def log_prob(rows):
        of_levels = sum((np.log(p[c]) for p, c in zip(P, rows.codes.T, strict=True)), np.zeros(rows.n))
        of_numbers = (
            np.where(np.isnan(x), 0.0, f.log_prob(np.nan_to_num(x)))
            for f, x in zip(columns, rows.numbers.T, strict=True)
        )
        return sum(of_numbers, of_levels)

    def sample(n, rng):
        codes = np.stack([drawn(np.tile(p, (n, 1)), rng) for p in P], axis=1) if P else np.empty((n, 0), dtype=np.int64)
        numbers = np.stack([f.sample(n, rng) for f in columns], axis=1) if columns else np.empty((n, 0))
        return with_gaps(codes, numbers, layout)

    return Rival(log_prob, sample)


def column_of_numbers(x, seed, n_components, ridge):
    """A mixture of Gaussians, a hundredth of it as wide as `WIDE` standard deviations."""
    mean, scale = (x.mean(), max(x.std(), 1e-3)) if len(x) else (0.0, 1.0)
    weights, means, scales = np.array([0.01]), np.array([mean]), np.array([WIDE * scale])
    size = min(n_components, len(np.unique(x)) // 5)
    if size:
        fit = GaussianMixture(size, reg_covar=ridge, random_state=seed).fit(x[:, None])
        weights, means = np.append(weights, 0.99 * fit.weights_), np.append(means, fit.means_[:, 0])
        scales = np.append(scales, np.sqrt(fit.covariances_[:, 0, 0]))
    weights = weights / weights.sum()

    def sample(n, rng):
        k = rng.choice(len(weights), n, p=weights)
        return rng.normal(means[k], scales[k])

    return Rival(lambda x: logsumexp(stats.norm.logpdf(x[:, None], means, scales), axis=1, b=weights), sample)


# ---- a tree of levels and a linear Gaussian --------------------------------------------------------


def tree_and_gaussian(train, layout, seed, smoothing, ridge, shrinkage):
    """Fit a Chow–Liu tree of the levels, and a Gaussian about a ridge regression of the numbers on them."""
    tree = chow_liu(train.codes, layout.n_levels, smoothing)
    numbers = linear_gaussian(train, layout.n_levels, ridge, shrinkage)

    def sample(n, rng):
        codes = tree.sample(n, rng)
        return with_gaps(codes, numbers.sample(codes, rng), layout)

    return Rival(lambda rows: tree.log_prob(rows.codes) + numbers.log_prob(rows), sample)


def chow_liu(codes, n_levels, smoothing):
    """The tree of largest mutual information, each pair table with `smoothing` rows spread evenly."""
    q, tables = len(n_levels), {}
    information = np.zeros((q, q))
    for i, j in combinations(range(q), 2):
        counts = np.bincount(codes[:, i] * n_levels[j] + codes[:, j], minlength=n_levels[i] * n_levels[j])
        table = counts.reshape(n_levels[i], n_levels[j]) + smoothing / (n_levels[i] * n_levels[j])
        table = table / table.sum()
        tables[i, j], tables[j, i] = table, table.T
        information[i, j] = information[j, i] = (
            table * np.log(table / np.outer(table.sum(axis=1), table.sum(axis=0)))
        ).sum()
    order, parents = ([0], {}) if q else ([], {})
    while len(order) < q:
        i, j = max(((i, j) for i in order for j in range(q) if j not in order), key=lambda edge: information[edge])
        parents[j] = i
        order.append(j)
    root = np.bincount(codes[:, 0], minlength=n_levels[0]) + smoothing / n_levels[0] if q else np.ones(1)
    root, steps = (
        root / root.sum(),
        {j: tables[i, j] / tables[i, j].sum(axis=1, keepdims=True) for j, i in parents.items()},
    )

    def log_prob(codes):
        log_p = np.log(root[codes[:, 0]]) if q else np.zeros(len(codes))
        return log_p + sum(np.log(steps[j][codes[:, i], codes[:, j]]) for j, i in parents.items())

    def sample(n, rng):
        codes = np.zeros((n, q), dtype=np.int64)
        for j in order:
            codes[:, j] = drawn(steps[j][codes[:, parents[j]]] if j in parents else np.tile(root, (n, 1)), rng)
        return codes

    return Rival(log_prob, sample)


def dummies(codes, n_levels):
    """1 and a column for each level."""
    columns = [codes[:, j, None] == np.arange(n) for j, n in enumerate(n_levels)]
    return np.hstack([np.ones((len(codes), 1)), *columns]).astype(float)


def linear_gaussian(train, n_levels, ridge, shrinkage):
    """Numbers Gaussian about Bᵀφ(c), each column fitted to the rows that have it, each covariance to those of both."""
    features, there = dummies(train.codes, n_levels), ~np.isnan(train.numbers)
    penalty = ridge * np.eye(features.shape[1])
    penalty[0, 0] = 1e-6
    B = np.zeros((features.shape[1], train.numbers.shape[1]))
    for cell, seen in enumerate(there.T):
        F = features[seen]
        B[:, cell] = np.linalg.solve(F.T @ F + penalty, F.T @ train.numbers[seen, cell])
    residuals, pairs = np.where(there, train.numbers - features @ B, 0.0), there.T.astype(float) @ there
    covariance = residuals.T @ residuals / np.maximum(pairs, 1.0)
    variance = np.maximum(np.diag(covariance), 1e-4)
    covariance = (1.0 - shrinkage) * covariance + np.diag(variance - (1.0 - shrinkage) * np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance)
    covariance = (vectors * np.maximum(values, 1e-4)) @ vectors.T

    def log_prob(rows):
        away = rows.numbers - dummies(rows.codes, n_levels) @ B
        return full_log_prob(np.zeros((1, len(covariance))), covariance[None], away)[:, 0]

    def sample(codes, rng):
        noise = rng.standard_normal((len(codes), len(covariance)))
        return dummies(codes, n_levels) @ B + noise @ np.linalg.cholesky(covariance).T

    return Rival(log_prob, sample)


# ---- StepMix ---------------------------------------------------------------------------------------


def stepmix(train, layout, seed, n_classes, ridge, gaps):
    """Fit latent classes; numbers that may be missing are "independent" in each, or "filled" with the mean."""
    from stepmix.stepmix import StepMix

    full = np.array([state == ALWAYS for state in layout.state], dtype=bool)
    if gaps == "filled" and full.all():
        raise ValueError("nothing to fill: this candidate is another one again")
    full |= gaps == "filled"
    blocks, columns = {}, []
    if layout.n_levels:
        sizes = {"max_n_outcomes": max(layout.n_levels), "total_outcomes": sum(layout.n_levels)}
        blocks["levels"] = {"model": "categorical", "n_columns": len(layout.n_levels), **sizes}
        columns.append(train.codes.astype(float))
    if full.any():
        blocks["full"] = {"model": "gaussian_full", "n_columns": int(full.sum()), "reg_covar": ridge}
        columns.append(np.nan_to_num(train.numbers[:, full]))  # standardised: the mean is 0
    if not full.all():
        blocks["gaps"] = {"model": "gaussian_diag_nan", "n_columns": int((~full).sum())}
        columns.append(train.numbers[:, ~full])
    options = {"n_init": 2, "max_iter": 300, "abs_tol": 1e-4, "rel_tol": 1e-7, "progress_bar": 0, "random_state": seed}
    fit = StepMix(n_components=n_classes, measurement=blocks, **options).fit(np.hstack(columns))
    return Rival(partial(stepmix_log_prob, fit, full))


def stepmix_log_prob(fit, full, rows):
    """Log-density of the classes, missing numbers integrated out."""
    log_joint, models = np.tile(np.log(fit.weights_), (rows.n, 1)), fit._mm.models
    if "levels" in models:
        log_joint += models["levels"].log_likelihood(rows.codes.astype(float))
    if "full" in models:
        log_joint += full_log_prob(models["full"].means_, models["full"].covariances_, rows.numbers[:, full])
    if "gaps" in models:
        log_joint += models["gaps"].log_likelihood(rows.numbers[:, ~full])
    return logsumexp(log_joint, axis=1)


def full_log_prob(means, covariances, numbers):
    """log N(x_O; μ_kO, Σ_kOO), shape (n, K)."""
    log_p, there = np.zeros((len(numbers), len(means))), ~np.isnan(numbers)
    for pattern in np.unique(there, axis=0):
        if pattern.any():
            of_pattern = (there == pattern).all(axis=1)
            laws = [
                stats.multivariate_normal(mean[pattern], covariance[np.ix_(pattern, pattern)])
                for mean, covariance in zip(means, covariances, strict=True)
            ]
            log_p[of_pattern] = np.stack([law.logpdf(numbers[np.ix_(of_pattern, pattern)]) for law in laws], axis=-1)
    return log_p


# ---- adversarial random forest ---------------------------------------------------------------------


class Leaves(NamedTuple):
    """Leaves of one tree, and the independent columns in each."""

    low: np.ndarray  # edges of their boxes, (L, q + p)
    high: np.ndarray
    share: np.ndarray  # of the rows, (L,)
    levels: list[np.ndarray]  # probabilities (L, K_j) of each column
    means: np.ndarray  # of the Gaussians that are cut off at the edges, (L, p)
    scales: np.ndarray


def forest(train, layout, seed, n_rows, alpha, least_scale=0.01):
    """Fit an adversarial random forest with so many rows in a leaf, and α more of each level."""
    leaves = [leaves_of(*tree, train, layout, alpha, least_scale) for tree in trees_of(train, layout, seed, n_rows)]

    def log_prob(rows):
        return logsumexp([tree_log_prob(tree, rows) for tree in leaves], axis=0) - np.log(len(leaves))

    def sample(n, rng):
        parts = [
            tree_sample(tree, size, layout, rng)
            for tree, size in zip(leaves, rng.multinomial(n, np.full(len(leaves), 1 / len(leaves))), strict=True)
        ]
        return together(parts, rng)

    return Rival(log_prob, sample)


def trees_of(train, layout, seed, n_rows):
    """Edges of the leaves of each tree, (L, q + p) twice, and the leaf of each training row."""
    import pandas as pd
    from arfpy import arf

    table = tree_table(train)
    few = table.iloc[np.random.default_rng(seed).permutation(train.n)[:GROWN_ROWS]]
    levels = {f"level {j}": pd.CategoricalDtype(range(n_levels)) for j, n_levels in enumerate(layout.n_levels)}
    np.random.seed(seed)  # noqa: NPY002 - arfpy draws from the global generator
    with mock.patch.object(np, "in1d", np.isin, create=True), warnings.catch_warnings():  # arfpy 0.1.1 and numpy 2.4
        warnings.simplefilter("ignore")
        grown = arf.arf(few.astype(levels), num_trees=N_TREES, min_node_size=n_rows, verbose=False, random_state=seed)
        leaf_of_row = grown.clf.apply(table)
    for tree, nodes in zip(grown.clf.estimators_, leaf_of_row.T, strict=True):
        low, high = edges(tree.tree_, table.shape[1])
        leaves, leaf = np.unique(nodes, return_inverse=True)
        yield low[leaves], high[leaves], leaf


def tree_table(rows):
    """Codes, and numbers with the median of a column where they are missing."""
    import pandas as pd

    medians = [np.median(x[~np.isnan(x)]) if not np.isnan(x).all() else 0.0 for x in rows.numbers.T]
    numbers = np.where(np.isnan(rows.numbers), medians, rows.numbers)
    return pd.concat(
        [pd.DataFrame(rows.codes).add_prefix("level "), pd.DataFrame(numbers).add_prefix("number ")], axis=1
    )


def edges(tree, n_columns):
    """Edges of the box of each node; a node whose children are the same one has been pruned."""
    low, high = np.full((tree.node_count, n_columns), -np.inf), np.full((tree.node_count, n_columns), np.inf)
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if left >= 0:
            low[left] = low[right] = low[node]
            high[left] = high[right] = high[node]
        if left >= 0 and left != right:
            high[left, tree.feature[node]] = low[right, tree.feature[node]] = tree.threshold[node]
    return low, high


def leaves_of(low, high, leaf, train, layout, alpha, least_scale):
    """Fit the columns in each leaf."""
    (n_leaves, _), q = low.shape, len(layout.n_levels)
    n_rows, levels = np.bincount(leaf, minlength=n_leaves), []
    for j, n_levels in enumerate(layout.n_levels):
        counts = np.bincount(leaf * n_levels + train.codes[:, j], minlength=n_leaves * n_levels)
        inside = (np.arange(n_levels) > low[:, j, None]) & (np.arange(n_levels) <= high[:, j, None])
        P = (counts.reshape(n_leaves, n_levels) + alpha) * inside
        levels.append(P / P.sum(axis=1, keepdims=True))
    means, scales = np.zeros((n_leaves, train.numbers.shape[1])), np.ones((n_leaves, train.numbers.shape[1]))
    for cell, x in enumerate(train.numbers.T):
        seen = ~np.isnan(x)
        n = np.bincount(leaf[seen], minlength=n_leaves)
        mean = np.bincount(leaf[seen], x[seen], n_leaves) / np.maximum(n, 1)
        squares = np.bincount(leaf[seen], (x[seen] - mean[leaf[seen]]) ** 2, n_leaves)
        means[:, cell] = np.clip(np.where(n, mean, 0.0), low[:, q + cell], high[:, q + cell])
        scales[:, cell] = np.where(n > 1, np.maximum(np.sqrt(squares / np.maximum(n - 1, 1)), least_scale), 1.0)
    return Leaves(low, high, n_rows / n_rows.sum(), levels, means, scales)


def cut_off(tree, q):
    """Φ at the edges of the Gaussians of each leaf, (L, p) twice."""
    return (ndtr((edge[:, q:] - tree.means) / tree.scales) for edge in (tree.low, tree.high))


def tree_log_prob(tree, rows):
    """Log-density of one tree: of the leaves that the known cells lie in."""
    q = rows.codes.shape[1]
    cells = np.hstack([rows.codes, rows.numbers]).astype(np.float32)  # as the tree compares them
    inside = np.ones((rows.n, len(tree.share)), dtype=bool)
    for j, x in enumerate(cells.T[:, :, None]):
        inside &= ((x > tree.low[:, j]) & (x <= tree.high[:, j])) | np.isnan(x)
    row, leaf = np.nonzero(inside)
    log_p = np.log(tree.share[leaf])
    with np.errstate(divide="ignore"):
        for c, P in zip(rows.codes.T, tree.levels, strict=True):
            log_p += np.log(P[leaf, c[row]])
    below, above = cut_off(tree, q)
    for cell, x in enumerate(rows.numbers.T):
        of_number = stats.norm.logpdf(x[row], tree.means[leaf, cell], tree.scales[leaf, cell])
        log_p += np.where(np.isnan(x[row]), 0.0, of_number - np.log(above - below)[leaf, cell])
    top = np.full(rows.n, -1e300)
    np.maximum.at(top, row, log_p)
    with np.errstate(divide="ignore"):
        return top + np.log(np.bincount(row, np.exp(log_p - top[row]), rows.n))


def tree_sample(tree, n, layout, rng):
    """Draw rows from one tree."""
    leaf = rng.choice(len(tree.share), n, p=tree.share)
    codes = np.zeros((n, len(layout.n_levels)), dtype=np.int64)
    for j, P in enumerate(tree.levels):
        codes[:, j] = drawn(P[leaf], rng)
    below, above = cut_off(tree, len(layout.n_levels))
    u = below[leaf] + (above - below)[leaf] * rng.random((n, tree.means.shape[1]))
    return with_gaps(codes, tree.means[leaf] + tree.scales[leaf] * ndtri(u), layout)


# ---- vine copula -----------------------------------------------------------------------------------


def vine(train, layout, seed, levels, families):
    """Fit a mixed vine, levels as "dummies" or "codes"."""
    from pyvinecopulib.core import FitControlsVinecop
    from pyvinecopulib.families import BicopFamily
    from pyvinecopulib.sklearn import VineDensity

    rng = np.random.default_rng(seed)
    columns = [column_of_numbers(x[~np.isnan(x)], seed, 8, 1e-3) for x in train.numbers.T]
    kept = [j for j in range(len(layout.n_levels)) if len(np.unique(train.codes[:, j])) > 1]
    present = {j: np.unique(train.codes[:, j]) for j in kept}
    frame = partial(vine_frame, present=present, ordered=levels == "codes")
    controls = FitControlsVinecop(family_set=[getattr(BicopFamily, name) for name in families], trunc_lvl=TREES_OF_VINE)
    fit = VineDensity(controls=controls, random_state=seed).fit(
        frame(train.codes, completed(train.numbers, columns, rng)[0])
    )

    def log_prob(rows):
        known = np.all([np.isin(rows.codes[:, j], present[j]) for j in kept], axis=0) if kept else np.ones(rows.n, bool)
        log_p = np.full(rows.n, -np.inf)
        log_p[known] = log_mean_density(fit, frame, columns, rows.at(known), np.random.default_rng(seed))
        return log_p

    def sample(n, rng):
        drawn_rows = fit.sample(n, random_state=int(rng.integers(2**31)))
        return vine_rows(drawn_rows, present, layout, levels == "codes", rng)

    return Rival(log_prob, sample)


def completed(numbers, columns, rng):
    """The numbers with drawn ones where they are missing, and the log-density of what was drawn in each row."""
    numbers, log_q = numbers.copy(), np.zeros(len(numbers))
    for x, column in zip(numbers.T, columns, strict=True):
        missing = np.isnan(x)
        x[missing] = column.sample(missing.sum(), rng)
        log_q[missing] += column.log_prob(x[missing])
    return numbers, log_q


def vine_frame(codes, numbers, present, ordered):
    """The columns that a vine is fitted to: levels that the training rows have, and numbers."""
    import pandas as pd

    frame = pd.DataFrame(numbers).add_prefix("number ")
    for j, levels in present.items():
        places = np.searchsorted(levels, codes[:, j])
        frame[f"level {j}"] = pd.Categorical(places, categories=range(len(levels)), ordered=ordered or len(levels) == 2)
    return frame


def log_mean_density(fit, frame, columns, rows, rng):
    """log E[p(c, x, z)/f(z)] over what is filled in for missing numbers."""
    log_p, gaps = np.empty(rows.n), np.isnan(rows.numbers).any(axis=1)
    if (~gaps).any():
        log_p[~gaps] = fit.score_samples(frame(rows.codes[~gaps], rows.numbers[~gaps]))
    if gaps.any():
        few = rows.at(gaps)
        ratios = []
        for _ in range(FILLINGS):
            numbers, log_q = completed(few.numbers, columns, rng)
            ratios.append(fit.score_samples(frame(few.codes, numbers)) - log_q)
        log_p[gaps] = logsumexp(ratios, axis=0) - np.log(FILLINGS)
    return log_p


def vine_rows(cells, present, layout, ordered, rng):
    """Rows of what a vine drew; of several dummies that are 1 one is taken, and the first level if none is."""
    n, p = len(cells), len(layout.state)
    codes, place = np.zeros((n, len(layout.n_levels)), dtype=np.int64), p
    for j, levels in present.items():
        width = 1 if ordered or len(levels) == 2 else len(levels) - 1
        drawn_cells = np.rint(cells[:, place : place + width]).astype(int)
        place += width
        if width == 1:
            level = np.clip(drawn_cells[:, 0], 0, len(levels) - 1)
        else:
            level = np.where(
                drawn_cells.any(axis=1), 1 + (drawn_cells * rng.random(drawn_cells.shape)).argmax(axis=1), 0
            )
        codes[:, j] = levels[level]
    return with_gaps(codes, cells[:, :p], layout)


# ---- all of them -----------------------------------------------------------------------------------

GRIDS = {
    "independent marginals": {"n_components": (1, 2, 4, 8, 16), "ridge": (1e-4, 1e-3, 1e-2)},
    "Chow-Liu + linear Gaussian": {
        "smoothing": (0.5, 2.0, 8.0),
        "ridge": (0.1, 1.0, 10.0),
        "shrinkage": (0.0, 0.02, 0.1),
    },
    "StepMix": {
        "n_classes": (1, 2, 3, 4, 6, 8, 12, 16, 24),
        "ridge": (1e-4, 1e-3, 1e-2, 1e-1),
        "gaps": ("independent", "filled"),
    },
    "ARF": {"n_rows": (5, 15, 40), "alpha": (0.1,)},
    "vine": {"levels": ("codes", "dummies"), "families": (("tll",), ("indep", "gaussian"))},
}
FITS = {
    "independent marginals": independent_marginals,
    "Chow-Liu + linear Gaussian": tree_and_gaussian,
    "StepMix": stepmix,
    "ARF": forest,
    "vine": vine,
}
PACKAGES = {"StepMix": "stepmix", "ARF": "arfpy", "vine": "pyvinecopulib"}


def tuned_rival(name, train, layout, seed):
    """Tune and fit one of the rivals."""
    return tuned(FITS[name], GRIDS[name], train, layout, seed)


RIVALS = {name: partial(tuned_rival, name) for name in FITS}


def absence(name):
    """Return why a rival cannot run here, or None."""
    package = PACKAGES.get(name)
    if package and not importlib.util.find_spec(package):
        return f"it needs {package} (pip install --no-deps {package})"
    return None


# ---- a law of independent columns that each must find ----------------------------------------------


def independent_law(n, rng):
    """Rows of two columns of levels, the second the state of one of two numbers, with layout and log-density."""
    codes = np.stack([drawn(np.tile([0.5, 0.3, 0.2], (n, 1)), rng), drawn(np.tile([0.8, 0.2], (n, 1)), rng)], axis=1)
    layout, numbers = Layout((3, 2), (ALWAYS, 1)), rng.standard_normal((n, 2))
    rows = with_gaps(codes, numbers, layout)
    log_p = np.log([0.5, 0.3, 0.2])[codes[:, 0]] + np.log([0.8, 0.2])[codes[:, 1]]
    return rows, layout, log_p + np.nansum(stats.norm.logpdf(rows.numbers), axis=1)


def check():
    """Compare each rival with the independent law on fresh rows, and what it draws with it."""
    train, layout, _ = independent_law(2000, np.random.default_rng(21))
    fresh, _, truth = independent_law(4000, np.random.default_rng(22))
    for name in filter(lambda name: not absence(name), RIVALS):
        start = time.process_time()
        rival = RIVALS[name](train, layout, seed=0)
        gap = (truth - rival.log_prob(fresh)).mean()
        print(f"{name}: {gap:.3f} nat below the truth, {time.process_time() - start:.1f} CPU s, {rival.chosen}")
        if rival.sample is not None:
            sample = rival.sample(4000, np.random.default_rng(23))
            frequencies = [
                np.bincount(c, minlength=n) / sample.n for c, n in zip(sample.codes.T, layout.n_levels, strict=True)
            ]
            moments = np.nanmean(sample.numbers, axis=0), np.nanstd(sample.numbers, axis=0)
            print("  draws:", *(np.round(part, 2) for part in (*frequencies, *moments)))


if __name__ == "__main__":
    check()
