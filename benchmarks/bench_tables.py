"""Which density explains held-out rows of real tables best?

Mean log-likelihood of held-out rows in nats per row, mean ± standard error over random splits; every competitor is
tuned by cross-validation on the training rows of the same split. The tables are those of scikit-learn, and with
``--tables FILE ...`` also the arrays ``X`` of those ``.npz`` files.

Split s: ``i = numpy.random.default_rng(1000 + s).permutation(n)``, test = first round(0.1 n), train = rest; columns
standardised by the training mean and standard deviation, and values are on that scale. Exact duplicates of a row are
dropped first: across a split they leak. Long tables are cut to a random subset.

A score-matching fit may be no density (infinite mass). Such a fit is refused by `score`: it never wins a search, and a
split on which every strength of the ridge was refused is reported as refused, not as a number.
"""  # noqa: D400 - a question

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from paired import seconds_of
from report import command_line, machine, print_table, write
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.models import Polynomial
from skscore.models.monomials import MonomialBasis

FULL = {"splits": 5, "folds": 5, "most_rows": 2_000, "most_parameters": 400}
QUICK = {"splits": 1, "folds": 2, "most_rows": 60, "most_parameters": 60}

ADDITIVE, PAIRS = (partial(Polynomial, 4, interaction_degree=k) for k in (1, 2))


def competitors(n_train):
    """Return each competitor's estimator and grid."""
    sizes = [k for k in (1, 2, 3, 4, 6, 8, 12, 16, 20) if 5 * k < n_train]
    ridges = {"alpha": np.logspace(-3, 0, 4)}
    return {
        "gaussian": (ScoreMatchingDensity(), {"alpha": [0.0, *np.logspace(-4, 0, 9)]}),
        "polynomial, additive": (ScoreMatchingDensity(ADDITIVE(), random_state=0), ridges),
        "polynomial, pairs": (ScoreMatchingDensity(PAIRS(), random_state=0), ridges),
        "KernelDensity": (KernelDensity(), {"bandwidth": np.logspace(-1.2, 0.3, 16)}),
        "GaussianMixture": (
            GaussianMixture(random_state=0),
            {"n_components": sizes, "reg_covar": [1e-6, 1e-3, 1e-2, 1e-1]},
        ),
    }


def tables(files, most_rows):
    """Yield (name, X) of each table, without duplicates and cut to `most_rows`."""
    own = {"sklearn wine": load_wine, "sklearn iris": load_iris, "sklearn breast cancer": load_breast_cancer}
    found = {name: load().data for name, load in own.items()}
    for path in files:
        with np.load(path) as file:
            found[path.stem] = file["X"]
    for name, X in found.items():
        _, first = np.unique(X, axis=0, return_index=True)
        X = X[np.sort(first)]
        kept = np.random.default_rng(0).permutation(len(X))[:most_rows]
        yield name, X[np.sort(kept)]


def split(X, seed):
    """Return training and test rows, standardised by the former."""
    order = np.random.default_rng(1000 + seed).permutation(len(X))
    n_test = round(0.1 * len(X))
    test, train = X[order[:n_test]], X[order[n_test:]]
    mean, scale = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / scale, (test - mean) / scale


@contextmanager
def refusals_and_slow_convergence_expected():
    """Silence what a search over a grid is bound to meet: fits without a density, and fits at their iteration limit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Scoring failed", category=UserWarning)
        warnings.filterwarnings("ignore", message="One or more of the test scores are non-finite", category=UserWarning)
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        yield


def held_out(estimator, grid, train, test, folds):
    """Return the mean log-likelihood of the test rows, the chosen parameters, and how many grid points were refused.

    The log-likelihood is None where the search, or the fit on all training rows, ended without a density.
    """
    search = GridSearchCV(estimator, grid, cv=folds, error_score=np.nan)
    with refusals_and_slow_convergence_expected():
        search.fit(train)
        refused = int(np.isnan(search.cv_results_["mean_test_score"]).sum())
        try:
            nats = float(search.best_estimator_.score_samples(test).mean())
        except ValueError:
            nats = None
    return {"nats": None if np.isnan(search.best_score_) else nats, "chosen": search.best_params_, "refused": refused}


def n_parameters(model, d):
    """Return the number of monomials of a polynomial model in d columns, 0 for any other model."""
    if not isinstance(model, Polynomial):
        return 0
    return len(MonomialBasis(d, model.degree, model.interaction_degree)) - 1


def measured(X, name, plan):
    """Return the splits of one competitor on one table, their mean and standard error."""
    splits, seconds = [], []
    for seed in range(plan["splits"]):
        train, test = split(X, seed)
        estimator, grid = competitors(len(train) * (plan["folds"] - 1) // plan["folds"])[name]
        if n_parameters(getattr(estimator, "model", None), X.shape[1]) > plan["most_parameters"]:
            return {"competitor": name, "outcome": "not run: too many parameters"}
        seconds.append(
            seconds_of(lambda args=(estimator, grid, train, test): splits.append(held_out(*args, plan["folds"])))
        )
    nats = np.array([one["nats"] for one in splits if one["nats"] is not None])
    error = float(nats.std(ddof=1) / np.sqrt(len(nats))) if len(nats) > 1 else None
    return {
        "competitor": name,
        "outcome": "refused" if len(nats) < len(splits) else "fitted",
        "refused_splits": len(splits) - len(nats),
        "nats": float(nats.mean()) if len(nats) else None,
        "standard_error": error,
        "splits": splits,
        "seconds": float(np.sum(seconds)),
    }


def cell(result):
    """Return what the table shows of one competitor."""
    if "nats" not in result:
        return "not run"
    if result["refused_splits"]:
        return f"refused {result['refused_splits']}/{len(result['splits'])}"
    error = result["standard_error"]
    return f"{result['nats']:.2f}" + ("" if error is None else f" ± {error:.2f}")


def main(argv=None):
    """Run all competitors on all tables."""
    parser = command_line("tables", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", default=[], help=".npz files with an array X")
    arguments = parser.parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    if not arguments.tables:
        print("no further tables (--tables FILE ...): only those of scikit-learn are run")
    results = []
    with threadpool_limits(1):
        for table, X in tables(arguments.tables, plan["most_rows"]):
            cases = [measured(X, name, plan) for name in competitors(len(X))]
            results.append({"table": table, "rows": len(X), "columns": X.shape[1], "competitors": cases})
            print(f"{table} {X.shape}: {sum(case.get('seconds', 0.0) for case in cases):.0f} s", flush=True)
    print_table(
        ["table", "rows x columns", *competitors(100)],
        [[r["table"], f"{r['rows']} x {r['columns']}", *map(cell, r["competitors"])] for r in results],
    )
    write(arguments, facts, {"plan": plan, "tables": results})


if __name__ == "__main__":
    main()
