"""How near do densities come to tables of mixed columns with missing cells, in held-out nats?

Tables (``--tables FILE ...``, parquet files; ``--drop COLUMN ...`` leaves out columns that name the rows or repeat
others) are split with ``default_rng(100 + s).permutation(n)``, the first fifth held out. The schema of the training
rows makes levels and numbers of both parts; numbers are divided by the standard deviations of the training rows and
spread over their cells once, so that every method sees the same numbers and none knows their lattice. Held-out rows
with a level that no training row has are left out. Reported: mean log-likelihood of the held-out rows, mean ± standard
error over the splits, and CPU seconds.

The laws (``--laws NAME ...``) are known: "independent" columns, "conditional Gaussian", and "dependent", in which no
tree and no Gaussian is right. Log-likelihoods are there reported below that of the law.

A run replaces its own records in the JSON file and keeps the others: long runs can be done piece by piece.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bench_density import kept_records, print_quantity
from mixed_rivals import RIVALS, absence, independent_law
from report import command_line, machine, those_here, write
from threadpoolctl import threadpool_limits

from skscore.maps.cells import EvenCells, dequantize
from skscore.models.mixed.rows import ALWAYS, Layout, Rows
from skscore.neural import ScoreNetwork
from skscore.tabular.network_blocks import learn_levels, learn_numbers
from skscore.tabular.schema import Schema
from skscore.tabular.table_fit import Table, fit_table

LAW_ROWS = 2000, 10_000  # to learn from, and to be judged by


class Problem(NamedTuple):
    """Rows to learn from and to be judged by."""

    name: str
    seed: int
    train: Rows
    test: Rows
    layout: Layout
    log_p: np.ndarray | None = None  # of the test rows, where it is known


# ---- problems ------------------------------------------------------------------------------------


def table_problem(frame, name, seed):
    """One split of a table, by its schema."""
    order = np.random.default_rng(100 + seed).permutation(len(frame))
    n_test = len(frame) // 5
    test, train = frame.iloc[order[:n_test]], frame.iloc[order[n_test:]]
    schema, rng = Schema.of(train), np.random.default_rng([seed, n_test])
    parts = [schema.encode(part, "na").at(~schema.unlike(part)) for part in (train, test)]
    even = [cell if isinstance(cell, EvenCells) else None for cell in schema.cells]
    spread = [part._replace(numbers=dequantize(part.numbers, even, rng)) for part in parts]
    mean, scale = np.nanmean(spread[0].numbers, axis=0), np.nanstd(spread[0].numbers, axis=0)
    learn, judge = (part._replace(numbers=(part.numbers - mean) / scale) for part in spread)
    return Problem(name, seed, learn, judge, schema.layout)


def conditional_gaussian_law(n, rng):
    """Rows of two columns of levels that depend on each other, and two numbers that are Gaussian given both."""
    P = np.array([[0.3, 0.1, 0.05], [0.05, 0.2, 0.3]])
    codes = np.stack(np.divmod(rng.choice(6, n, p=P.ravel()), 3), axis=1)
    means = (
        np.array([[-1.0, 0.0], [1.0, 0.5]])[codes[:, 0]] + np.array([[0.0, 2.0], [0.5, 0.0], [0.0, -1.0]])[codes[:, 1]]
    )
    L = np.array([[1.0, 0.0], [0.6, 0.5]])
    z = rng.standard_normal((n, 2))
    log_p = np.log(P[codes[:, 0], codes[:, 1]]) - 0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi) - np.log(0.5)
    return Rows(codes, means + z @ L.T), Layout((2, 3), (ALWAYS, ALWAYS)), log_p


def dependent_law(n, rng):
    """Rows of four columns of levels, the third nearly the sum of the first two, and three curved numbers."""
    a, b = rng.integers(0, 3, n), rng.choice(3, n, p=[0.5, 0.3, 0.2])
    is_sum, other = rng.random(n) < 0.9, rng.integers(0, 3, n)
    c = np.where(is_sum, (a + b) % 3, other)
    chance_of_d = np.where(c == a, 0.8, 0.3)
    d = (rng.random(n) < chance_of_d).astype(np.int64)
    x, z = rng.standard_normal(n), rng.standard_normal((n, 2))
    scale = np.where(d == 1, 0.3, 1.0)
    y, w = np.sin(2.0 * x) + (a - 1.0) + scale * z[:, 0], 0.5 * x * x + np.where(c == 2, 2.0, 0.0) + 0.5 * z[:, 1]
    log_p = (
        np.log(1 / 3)
        + np.log(np.array([0.5, 0.3, 0.2]))[b]
        + np.log(np.where(c == (a + b) % 3, 0.9 + 0.1 / 3, 0.1 / 3))
    )
    log_p += np.log(np.where(d == 1, chance_of_d, 1.0 - chance_of_d))
    log_p += -0.5 * (x**2 + (z**2).sum(axis=1)) - 1.5 * np.log(2 * np.pi) - np.log(scale) - np.log(0.5)
    return Rows(np.stack([a, b, c, d], axis=1), np.stack([x, y, w], axis=1)), Layout((3, 3, 3, 2), (ALWAYS,) * 3), log_p


LAWS = {"independent": independent_law, "conditional Gaussian": conditional_gaussian_law, "dependent": dependent_law}


def law_problem(name, seed, sizes):
    """Rows of a law."""
    rng = np.random.default_rng([7, seed])
    train, layout, _ = LAWS[name](sizes[0], rng)
    test, _, log_p = LAWS[name](sizes[1], rng)
    return Problem(name, seed, train, test, layout, log_p)


# ---- methods -------------------------------------------------------------------------------------


def tabular(train, layout, seed, networks):
    """The density behind `TabularDensity`, on rows that have no lattice."""
    table = Table.of(train, layout, [None] * len(layout.state), np.ones(train.n), seed)
    quiet = {"watch": lambda state: False}
    learn = (partial(learn_levels, **quiet), partial(learn_numbers, network=ScoreNetwork(), **quiet))
    density = fit_table(table, "auto", True, *(learn if networks else ())).density
    return lambda rows: density.log_prob(rows, rows.known, rows.known.none)


def rival(train, layout, seed, name):
    """One of the others."""
    return RIVALS[name](train, layout, seed).log_prob


METHODS = {
    "TabularDensity": partial(tabular, networks=True),
    "TabularDensity, closed form": partial(tabular, networks=False),
    **{name: partial(rival, name=name) for name in RIVALS},
}


def measured(problem, method):
    """Fit one method to one problem and return the record of what it reached."""
    begun = time.process_time()
    log_prob = METHODS[method](problem.train, problem.layout, problem.seed)
    fitted = time.process_time()
    log_p = log_prob(problem.test)
    seconds = 1000 * (time.process_time() - fitted) / problem.test.n
    found = {"nats": float(np.mean(log_p)), "fit_cpu_seconds": fitted - begun, "score_cpu_seconds_of_1000": seconds}
    if problem.log_p is not None:
        found["below_the_law"] = float(np.mean(problem.log_p - log_p))
    return {"problem": problem.name, "split": problem.seed, "method": method, **found}


# ---- the run -------------------------------------------------------------------------------------


def arguments_of(argv):
    """Return the arguments."""
    parser = command_line("mixed", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", default=[], help="parquet files")
    parser.add_argument("--drop", metavar="COLUMN", nargs="+", default=[], help="columns of the tables to leave out")
    parser.add_argument("--laws", choices=LAWS, nargs="*", default=list(LAWS))
    parser.add_argument("--splits", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=list(METHODS))
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.splits, arguments.laws = [0], ["conditional Gaussian"]
        arguments.methods = ["TabularDensity, closed form", "independent marginals"]
    arguments.sizes = (100, 200) if arguments.quick else LAW_ROWS
    arguments.path = arguments.output or (None if arguments.quick else arguments.kept)
    return arguments


def problems_of(arguments):
    """Yield the splits of the tables, then the laws."""
    for path in arguments.tables:
        import pandas as pd  # only here: laws need no frames

        frame = pd.read_parquet(path)
        frame = frame.drop(columns=[name for name in arguments.drop if name in frame])
        yield from (table_problem(frame, path.stem, seed) for seed in arguments.splits)
    yield from (law_problem(name, seed, arguments.sizes) for name in arguments.laws for seed in arguments.splits)


def main(argv=None):
    """Run the methods that are here on all problems; write after each fit."""
    arguments, facts = arguments_of(argv), machine()
    methods = those_here(arguments.methods, absence)
    records, fresh = kept_records(arguments.path), []
    with threadpool_limits(1):
        for problem in problems_of(arguments):
            for method in methods:
                fresh.append(measured(problem, method))
                records[problem.name, problem.seed, method] = fresh[-1]
                write(arguments, facts, {"records": list(records.values())})
                print(
                    problem.name,
                    problem.seed,
                    method,
                    {k: v for k, v in fresh[-1].items() if isinstance(v, float)},
                    flush=True,
                )
    print_quantity("held-out log-likelihood, nats per row", "nats", fresh)
    print_quantity("nats below the law", "below_the_law", fresh, digits=3)
    print_quantity("CPU seconds of the fit, with the search", "fit_cpu_seconds", fresh)
    print_quantity("CPU seconds of 1000 log-densities", "score_cpu_seconds_of_1000", fresh)


if __name__ == "__main__":
    main()
