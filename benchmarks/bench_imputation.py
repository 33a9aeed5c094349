"""How good are draws of missing cells: are their intervals right, and how far are they from the truth?

Numbers (``--numbers FILE``, an ``.npz`` file with an array X; equal rows are one): a fifth of the cells of all rows are
taken away at random, and 20 % of the rows held out; each method learns from the others and fills the held-out rows with
200 draws. Reported in standard deviations of the columns, over the cells that were taken: root mean square error of the
mean of the draws and of one draw, share of the cells inside the 90 % interval of the draws (Weibull's quantiles, which
are right at any number of draws), and the continuous ranked probability score.

Levels (``--levels FILE ...``, parquet files): the same for the cells of categorical columns; reported are the share of
levels that the most probable one hits, beside the most frequent level and IterativeImputer on codes.

A run replaces its own records in the JSON file and keeps the others: long runs can be done piece by piece.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from bench_density import kept_records
from report import command_line, machine, print_table, write
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - it registers the imputer
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from threadpoolctl import threadpool_limits

from skscore import TabularDensity

MISSING, HELD_OUT, N_DRAWS = 0.2, 0.2, 200


def with_holes(shape, rng):
    """Which cells are taken away; no row loses all."""
    holes = rng.random(shape) < MISSING
    holes[holes.all(axis=1), 0] = False
    return holes


def closed_form(seed):
    """TabularDensity without networks."""
    return TabularDensity("gaussian", "tree", missingness="ignore", random_state=seed)


# ---- numbers -------------------------------------------------------------------------------------


def drawn_by_density(train, test, seed, make):
    """Draws of the missing cells by a density of the rows, shape (n_draws, n, d)."""
    density = make(seed).fit(train)
    return np.stack(density.impute(test, n_draws=N_DRAWS, random_state=seed))


def drawn_by_posterior(train, test, seed, n_draws=20):
    """Draws of Bayesian regressions in turn, each with a fit of its own."""
    fits = (IterativeImputer(sample_posterior=True, random_state=seed + k).fit(train) for k in range(n_draws))
    return np.stack([imputer.transform(test) for imputer in fits])


def filled_once(train, test, seed, imputer):
    """A single filling."""
    return imputer.fit(train).transform(test)[None]


NUMBERS = {
    "TabularDensity": lambda *rows: drawn_by_density(
        *rows, lambda seed: TabularDensity(random_state=seed, missingness="ignore")
    ),
    "TabularDensity, closed form": lambda *rows: drawn_by_density(*rows, closed_form),
    "IterativeImputer, posterior": drawn_by_posterior,
    "IterativeImputer": lambda *rows: filled_once(*rows, IterativeImputer(random_state=0)),
    "KNNImputer": lambda *rows: filled_once(*rows, KNNImputer()),
    "mean": lambda *rows: filled_once(*rows, SimpleImputer()),
}


def quality(draws, truth):
    """Of draws (n_draws, k) of k cells with these true values."""
    mean, one = draws.mean(axis=0), draws[0]
    found = {
        "rmse_of_mean": np.sqrt(np.mean((mean - truth) ** 2)),
        "rmse_of_a_draw": np.sqrt(np.mean((one - truth) ** 2)),
    }
    ordered = np.sort(draws, axis=0)
    m = len(draws)
    rank = np.arange(1, m + 1)[:, None]
    between = (ordered * (2 * rank - m - 1)).sum(axis=0) / max(m * (m - 1), 1)  # half the mean distance of two draws
    found["crps"] = np.mean(np.abs(draws - truth).mean(axis=0) - between)
    if m > 1:
        lower, upper = np.quantile(draws, [0.05, 0.95], axis=0, method="weibull")
        found |= {"coverage": np.mean((lower <= truth) & (truth <= upper)), "width": np.mean(upper - lower)}
    return {name: float(value) for name, value in found.items()}


def of_numbers(X, name, seed, methods):
    """Yield the record of each method on one table of numbers."""
    rng = np.random.default_rng([41, seed])
    X = np.unique(X, axis=0)
    X = X[rng.permutation(len(X))]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    holes, n_test = with_holes(X.shape, rng), round(HELD_OUT * len(X))
    told = np.where(holes, np.nan, X)
    test, train, missing = told[:n_test], told[n_test:], holes[:n_test]
    for method in methods:
        begun = time.process_time()
        draws = NUMBERS[method](train, test, seed)
        seconds = time.process_time() - begun
        yield {
            "problem": name,
            "split": seed,
            "method": method,
            **quality(draws[:, missing], X[:n_test][missing]),
            "cpu_seconds": seconds,
        }


# ---- levels --------------------------------------------------------------------------------------


LEVELS = {"TabularDensity": ("network", "network"), "TabularDensity, closed form": ("gaussian", "tree")}


def filled_by(numeric, discrete, told, n_test, seed):
    """The first rows of a table, their missing cells filled by a density of the others."""
    density = TabularDensity(numeric, discrete, handle_unknown="na", random_state=seed).fit(told.iloc[n_test:])
    return density.impute(told.iloc[:n_test], random_state=seed)


def of_levels(frame, name, seed, methods):
    """Yield how often each method finds the levels that were taken from a table."""
    rng = np.random.default_rng([43, seed])
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    columns = [c for c in frame if frame[c].dtype.name in ("category", "object", "str", "string", "bool", "boolean")]
    holes = rng.random((len(frame), len(columns))) < MISSING
    told = frame.copy()
    for k, column in enumerate(columns):
        told[column] = frame[column].astype("object").where(~holes[:, k], None).astype("category")
    n_test = round(HELD_OUT * len(frame))
    filled = {method: filled_by(*LEVELS[method], told, n_test, seed) for method in methods if method in LEVELS}
    codes = told.apply(lambda c: c.cat.codes.replace(-1, np.nan) if c.dtype.name == "category" else c).astype(float)
    turns = IterativeImputer(random_state=seed).fit(codes.iloc[n_test:]).transform(codes.iloc[:n_test])
    hits = {method: [] for method in (*filled, "IterativeImputer on codes", "most frequent")}
    for k, column in enumerate(columns):
        asked = holes[:n_test, k] & frame[column].notna().to_numpy()[:n_test]
        truth = frame[column].astype("object").to_numpy()[:n_test][asked]
        levels = np.array([*told[column].cat.categories], dtype=object)
        place = np.clip(np.rint(turns[asked, list(told).index(column)]), 0, len(levels) - 1).astype(int)
        for method, frame_of_method in filled.items():
            hits[method].append(frame_of_method[column].astype("object").to_numpy()[asked] == truth)
        hits["IterativeImputer on codes"].append(levels[place] == truth)
        hits["most frequent"].append(told[column].iloc[n_test:].mode()[0] == truth)
    for method, found in hits.items():
        yield {"problem": name, "split": seed, "method": method, "accuracy": float(np.mean(np.concatenate(found)))}


# ---- the run -------------------------------------------------------------------------------------


def two_columns(n=120):
    """A small table for a run that shows that this script works."""
    x = np.random.default_rng(3).standard_normal((n, 1))
    return np.hstack([x, x + 0.5 * np.random.default_rng(4).standard_normal((n, 1))])


def main(argv=None):
    """Fill the cells that were taken away, and say how well."""
    parser = command_line("imputation", __doc__)
    parser.add_argument(
        "--numbers", type=Path, metavar="FILE", nargs="+", default=[], help=".npz files with an array X"
    )
    parser.add_argument("--levels", type=Path, metavar="FILE", nargs="+", default=[], help="parquet files")
    parser.add_argument("--splits", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", choices=NUMBERS, nargs="+", default=list(NUMBERS))
    arguments, facts = parser.parse_args(argv), machine()
    tables = [(np.load(path)["X"], path.stem) for path in arguments.numbers]
    if arguments.quick or not (tables or arguments.levels):
        tables, arguments.methods = [(two_columns(), "two columns")], ["TabularDensity, closed form", "mean"]
    fresh = []
    with threadpool_limits(1):
        for seed in arguments.splits:
            for X, name in tables:
                fresh += of_numbers(X, name, seed, arguments.methods)
            for path in arguments.levels:
                import pandas as pd  # only here: numbers need no frames

                fresh += of_levels(pd.read_parquet(path), path.stem, seed, arguments.methods)
    kept = kept_records(arguments.output or (None if arguments.quick else arguments.kept))
    kept |= {(one["problem"], one["split"], one["method"]): one for one in fresh}
    write(arguments, facts, {"records": list(kept.values())})
    for names in (("rmse_of_mean", "rmse_of_a_draw", "coverage", "width", "crps", "cpu_seconds"), ("accuracy",)):
        rows = [one for one in fresh if names[0] in one]
        if rows:
            cells = [[f"{one[n]:.3f}" if n in one else "–" for n in names] for one in rows]
            print_table(
                ["", *names], [[f"{one['problem']} {one['method']}", *c] for one, c in zip(rows, cells, strict=True)]
            )


if __name__ == "__main__":
    main()
