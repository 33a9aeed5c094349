"""What does choosing a kernel density cost, and does the choice keep what it promises?

`tables`: CPU seconds on one thread of `ScoreMatchingDensity("kernel")`, which chooses bandwidth, noise, ridge and base
measure, and its mean log-likelihood of rows that it never saw, beside `KernelDensity` with the best of 20 bandwidths by
`GridSearchCV`, in the same process.
`promises`: tables with ties, repetitions, outliers and bounded columns. By how much the mean log-likelihood of the rows
under the fit to all of them falls short of the cross-validated one, where no warning says so.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
import warnings

import numpy as np
from paired import summary
from report import command_line, machine, print_table, write
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.datasets import DISTRIBUTIONS

BANDWIDTHS = np.logspace(-1.5, 0.5, 20)
N_FRESH = 4000
MAX_SECONDS = {300: 1.0, 1000: 2.5}  # by rows
MAX_SHORTFALL = 0.3  # nats a row
PARTS = {"train": 0.8, "few": 0.22}


def drawn(name, n, n_fresh=N_FRESH):
    """Return a function that draws `n` rows of a law, and fresh ones, for each seed."""

    def draw(seed):
        rng, law = np.random.default_rng(seed), DISTRIBUTIONS[name]
        return law.sample(n, rng), law.sample(n_fresh, rng)

    return draw


def parted(X, share, n_components=None):
    """Return a function that deals a table into rows to fit and others, for each seed."""

    def deal(seed):
        order, n = np.random.default_rng(seed).permutation(len(X)), int(share * len(X))
        A, B = X[order[:n]], X[order[n:]]
        if n_components is None:
            return A, B
        components = PCA(n_components, whiten=True).fit(A)
        return components.transform(A), components.transform(B)

    return deal


def tables(quick):
    """Return the tables by name."""
    if quick:
        return {"banana": drawn("banana", 40, 100)}
    iris = load_iris().data + 0.02 * np.random.default_rng(9).standard_normal((150, 4))  # of rows without ties
    return {
        "iris, 33": parted(iris, PARTS["few"]),
        "iris": parted(iris, PARTS["train"]),
        "banana, 300": drawn("banana", 300),
        "checkerboard, 300": drawn("checkerboard", 300),
        "spirals, 300": drawn("spirals", 300),
        "breast cancer, 5 components": parted(load_breast_cancer().data, PARTS["train"], 5),
        "banana, 1000": drawn("banana", 1000),
        "rings, 1000": drawn("rings", 1000),
    }


def fitted_in(model, A):
    """Return CPU seconds of a fit."""
    start = time.process_time()
    model.fit(A)
    return time.process_time() - start


def both(A, B):
    """Return seconds and scores of both searches, on columns of mean 0 and variance 1."""
    mean, scale = A.mean(axis=0), A.std(axis=0)
    A, B = (A - mean) / scale, (B - mean) / scale
    kernel = ScoreMatchingDensity("kernel", random_state=0)
    grid = GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS})
    seconds = {"kernel": fitted_in(kernel, A), "KernelDensity": fitted_in(grid, A)}
    return seconds, {"kernel": kernel.score(B), "KernelDensity": grid.score(B) / len(B)}


def selection(quick):
    """Return seconds and held-out scores on each table."""
    results = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted_in(ScoreMatchingDensity("kernel"), np.random.default_rng(0).standard_normal((40, 2)))  # compiled
        for name, make in tables(quick).items():
            runs = [both(*make(seed)) for seed in range(1 if quick else 5)]
            results[name] = {
                "rows": len(make(0)[0]),
                "seconds": {key: summary([seconds[key] for seconds, _ in runs]) for key in runs[0][0]},
                "ratio": summary([seconds["kernel"] / seconds["KernelDensity"] for seconds, _ in runs]),
                "score": {key: summary([scores[key] for _, scores in runs]) for key in runs[0][1]},
            }
    print_table(
        ["table", "rows", "kernel, s", "KernelDensity, s", "ratio", "kernel, nats", "KernelDensity, nats"],
        [
            (
                name,
                r["rows"],
                *(f"{r['seconds'][key]['median']:.2f}" for key in ("kernel", "KernelDensity")),
                f"{r['ratio']['median']:.1f}",
                *(f"{r['score'][key]['median']:.3f}" for key in ("kernel", "KernelDensity")),
            )
            for name, r in results.items()
        ],
    )
    return results


def selection_kept(results):
    """Say for each table whether it took no longer than it should."""
    most = {name: min(s for n, s in MAX_SECONDS.items() if r["rows"] <= n) for name, r in results.items()}
    return {name: r["seconds"]["kernel"]["median"] <= most[name] for name, r in results.items()}


def awkward(seed):
    """Return a table of 2 to 8 columns with ties, repetitions, outliers or bounds, by turns."""
    rng = np.random.default_rng(seed)
    d, n = int(rng.integers(2, 9)), int(rng.integers(40, 250))
    X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d))
    if seed % 4 == 0:
        return np.round(X, 1)
    if seed % 4 == 1:
        return np.repeat(X, rng.integers(1, 6, n), axis=0)[:400]
    if seed % 4 == 2:
        X[: max(1, n // 50)] *= 20.0
        return X
    return rng.random((n, d)) ** rng.integers(1, 4)


def promise(X):
    """Return the shortfall of the score from the cross-validated one, and whether a warning was given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        density = ScoreMatchingDensity("kernel", random_state=0).fit(X)
    return float(density.cv_results_["mean_test_score"].max() - density.score(X)), bool(caught)


def promises(quick):
    """Return the shortfalls on all tables."""
    with threadpool_limits(1):
        found = [promise(awkward(seed)) for seed in range(1 if quick else 100)]
    unwarned = [shortfall for shortfall, warned in found if not warned]
    print(f"{len(found)} tables, {len(found) - len(unwarned)} with a warning")
    if unwarned:
        print(f"shortfall without a warning: at most {max(unwarned):.3f} nats a row")
    return {
        "tables": len(found),
        "warned": len(found) - len(unwarned),
        "greatest_unwarned": max(unwarned, default=None),
    }


def promises_kept(results):
    """Say whether no fit fell far short in silence."""
    return results["greatest_unwarned"] <= MAX_SHORTFALL


def main(argv=None):
    """Measure both."""
    arguments = command_line("kernel_selection", __doc__).parse_args(argv)
    facts, results = machine(), {"tables": selection(arguments.quick), "promises": promises(arguments.quick)}
    if not arguments.quick:
        results["kept"] = {
            "seconds": selection_kept(results["tables"]),
            "promises": promises_kept(results["promises"]),
        }
        print(f"limits kept: {results['kept']}")
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
