"""Laws of which everything is known: how their rows are drawn, their log-density, and a rule that integrates it.

A log-density is with respect to counting measure on the values of columns that have few, and on an atom in a continuous
column; and to Lebesgue measure on the others: that of a value on a lattice of width w is log P(cell) − log w. The rule
says the same: it has nodes and weights, and ∑ weight · density is the mass. One more law is one more line of `LAWS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import logsumexp

# Of the grid along each of d continuous columns: its nodes, and to how many scales from its centre it is even, and
# reaches; in between it is geometric. An even number of nodes leaves out the centre, where a density may be infinite.
GRIDS = {1: (3000, 0.05, 1e4), 2: (120, 1.5, 30.0)}


class Column(NamedTuple):
    """Law of one column.

    `values` have the weights `weights`: 1 for counting measure, the width of a cell for a lattice. A column that is
    `continuous` has other values, too; `centre` and `scale` say where a density of it has to be integrated finely.
    """

    draw: Callable  # (rng, n) → (n,)
    log_density: Callable  # (n,) → (n,)
    centre: float
    scale: float
    values: np.ndarray = np.empty(0)
    weights: np.ndarray = np.empty(0)
    continuous: bool = False
    lattice: bool = False

    def per_unit(self, x):
        """Whether the density of each x is one per unit of the column, and not a probability."""
        return ~np.isin(x, self.values) if self.continuous else np.full(len(x), self.lattice)

    def grid(self, d, refinement):
        """Nodes and weights of a rule for the whole line, finest at the centre."""
        n, even, reach = GRIDS[d]
        end = np.arcsinh(reach / even)
        t, step = np.linspace(-end, end, n * refinement, retstep=True)
        return self.centre + self.scale * even * np.sinh(t), self.scale * even * np.cosh(t) * step

    def rule(self, d, refinement):
        """Sorted nodes and their weights: the values, and a grid beside them if the column is continuous."""
        if not self.continuous:
            return self.values, self.weights
        nodes, weights = self.grid(d, refinement)
        beside = ~np.isin(nodes, self.values)
        nodes, weights = np.append(nodes[beside], self.values), np.append(weights[beside], self.weights)
        order = np.argsort(nodes)
        return nodes[order], weights[order]


class Law(NamedTuple):
    """Joint law of columns; `bounds` are what a user would say of them."""

    columns: tuple[Column, ...]
    draw: Callable  # (rng, n) → (n, d)
    log_density: Callable  # (n, d) → (n,)
    bounds: tuple | None = None

    @property
    def d(self):
        return len(self.columns)

    @property
    def discrete(self):
        """Whether all its rows can be listed."""
        return not any(column.continuous for column in self.columns)

    @property
    def smooth(self):
        """Whether it has a density with respect to Lebesgue measure."""
        return not any(len(column.values) for column in self.columns)

    def rows(self, n, seed):
        """Rows, shape (n, d)."""
        return self.draw(np.random.default_rng(seed), n)

    def rules(self, counting=True, refinement=1):
        """A rule for each column, of the law's own measure or of Lebesgue's; None if they have too many nodes."""
        if self.d > 2 and not (counting and self.discrete):
            return None
        rule = Column.rule if counting else Column.grid
        return [rule(column, self.d, refinement) for column in self.columns]

    def log_units(self, X, scales):
        """What the log-density of each row loses if its columns are multiplied by `scales`, shape (n,)."""
        return sum(c.per_unit(x) * np.log(scale) for c, x, scale in zip(self.columns, X.T, scales, strict=True))


# ---- of one column -------------------------------------------------------------------------------


def continuous(law):
    """Column with a law of scipy that has a density."""
    lower, quartiles = law.support()[0], law.ppf([0.25, 0.75])
    centre = lower if np.isfinite(lower) else law.median()
    return Column(_drawn(law), law.logpdf, centre, np.ptp(quartiles), continuous=True)


def integers(law, largest, lattice=False):
    """Column of counts; a lattice if they have many values."""
    values = np.arange(0.0, largest + 1.0)
    return Column(_drawn(law), law.logpmf, law.mean(), law.std(), values, np.ones(len(values)), lattice=lattice)


def codes(values, shares):
    """Column of few values, evenly spaced or not."""
    values, shares = np.array(values, dtype=float), np.array(shares)

    def log_density(x):
        return np.log(shares[np.searchsorted(values, x)])

    weights, gap = np.ones(len(values)), np.diff(values).min()
    return Column(lambda rng, n: rng.choice(values, n, p=shares), log_density, values[0], gap, values, weights)


def rounded(law, width, values):
    """Column of a continuous law, rounded to a lattice."""

    def draw(rng, n):
        return values[np.searchsorted(values + width / 2, law.rvs(n, random_state=rng))]

    def log_density(x):
        return np.log((law.cdf(x + width / 2) - law.cdf(x - width / 2)) / width)

    return Column(draw, log_density, law.mean(), law.std(), values, np.full(len(values), width), lattice=True)


def inflated(column, share, value=0.0):
    """A continuous column in which a share of the rows has one and the same value."""

    def draw(rng, n):
        return np.where(rng.random(n) < share, value, column.draw(rng, n))

    def log_density(x):
        rest = np.log1p(-share) + column.log_density(np.where(x == value, column.centre + column.scale, x))
        return np.where(x == value, np.log(share), rest)

    return column._replace(draw=draw, log_density=log_density, values=np.array([value]), weights=np.ones(1))


def _drawn(law):
    return lambda rng, n: law.rvs(n, random_state=rng).astype(float)


# ---- of several ----------------------------------------------------------------------------------


def independent(*columns, bounds=None):
    """Columns that know nothing of one another."""

    def draw(rng, n):
        return np.column_stack([column.draw(rng, n) for column in columns])

    def log_density(X):
        return sum(column.log_density(x) for column, x in zip(columns, X.T, strict=True))

    return Law(columns, draw, log_density, bounds)


def mixture(shares, *laws):
    """Rows of which each has one of several laws."""

    def draw(rng, n):
        part, drawn = rng.choice(len(laws), n, p=shares), np.stack([law.draw(rng, n) for law in laws])
        return drawn[part, np.arange(n)]

    def log_density(X):
        return logsumexp(np.stack([law.log_density(X) for law in laws], axis=1), axis=1, b=shares)

    return Law(laws[0].columns, draw, log_density)


def chain(first, transition, d):
    """Categories 0 … k − 1, each column drawn by the row of `transition` (k, k) that the column before it names."""
    first, transition = np.array(first), np.array(transition)

    def draw(rng, n):
        X = [rng.choice(len(first), n, p=first)]
        for u in rng.random((d - 1, n, 1)):
            X.append((u > transition[X[-1]].cumsum(axis=1)[:, :-1]).sum(axis=1))
        return np.column_stack(X).astype(float)

    def log_density(X):
        X = X.astype(int)
        return np.log(first[X[:, 0]]) + np.log(transition[X[:, :-1], X[:, 1:]]).sum(axis=1)

    return Law((codes(np.arange(len(first)), first),) * d, draw, log_density)


def regression(x, slope, noise):
    """Two columns, y = slope · x + noise."""
    y = noise._replace(scale=noise.scale + abs(slope) * x.scale)

    def draw(rng, n):
        drawn = x.draw(rng, n)
        return np.column_stack([drawn, slope * drawn + noise.draw(rng, n)])

    def log_density(X):
        return x.log_density(X[:, 0]) + noise.log_density(X[:, 1] - slope * X[:, 0])

    return Law((x, y), draw, log_density)


# ---- the list ------------------------------------------------------------------------------------


def normal(mean=0.0, scale=1.0):
    return continuous(stats.norm(mean, scale))


binary = codes([0, 1], [0.85, 0.15])
rain = inflated(continuous(stats.gamma(1.5, scale=2.0)), 0.57)
STAY = [[0.7, 0.2, 0.1], [0.15, 0.7, 0.15], [0.1, 0.2, 0.7]]

LAWS = {
    "exponential": independent(continuous(stats.expon())),
    "lognormal": independent(continuous(stats.lognorm(1.5))),
    "gamma": independent(continuous(stats.gamma(0.5))),
    "student": independent(continuous(stats.t(3))),
    "uniform": independent(continuous(stats.uniform()), bounds=(0.0, 1.0)),
    "beta": independent(continuous(stats.beta(1.2, 3.0)), bounds=(0.0, 1.0)),
    "modes": mixture([0.3, 0.7], independent(normal(-4.0)), independent(normal(4.0))),
    "rounded": independent(rounded(stats.norm(), 0.1, np.arange(-60, 61) / 10)),
    "binary": independent(binary),
    "rare counts": independent(integers(stats.poisson(0.3), 20)),
    "counts": independent(integers(stats.poisson(20.0), 150, lattice=True)),
    "codes": independent(codes([1, 2, 1000], [0.5, 0.3, 0.2])),
    "zero-inflated": independent(rain),
    "six binary": independent(*[binary] * 6),
    "chain": chain([0.5, 0.3, 0.2], STAY, 4),
    "two modes": mixture(
        [0.4, 0.6], independent(normal(-1.5), normal(-1.0, 0.5)), independent(normal(1.5), normal(1.0, 0.5))
    ),
    "skewed pair": regression(continuous(stats.gamma(3.0)), 0.5, normal(0.0, 0.5)),
    "four columns": mixture(
        [0.4, 0.6],
        independent(*[normal(-1.0, 0.7)] * 4),
        independent(normal(1.0), normal(0.5), normal(0.0, 0.5), normal(2.0)),
    ),
    "mixed": mixture(
        [0.6, 0.4],
        independent(codes([0, 1], [0.8, 0.2]), integers(stats.poisson(1.0), 20), normal(-1.0), rain),
        independent(codes([0, 1], [0.3, 0.7]), integers(stats.poisson(3.0), 20), normal(1.0), rain),
    ),
}
