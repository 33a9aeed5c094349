"""Which density explains held-out rows of real tables best?

Mean log-likelihood of held-out rows in nats per row, mean ± standard error over random splits; every competitor is
tuned by cross-validation on the training rows of the same split, polynomials, whose normaliser takes seconds, on a
fifth of these that is held out once. The tables are those of scikit-learn, and with ``--tables FILE ...`` also the
arrays ``X`` of those ``.npz`` files.

Split s: ``i = numpy.random.default_rng(1000 + s).permutation(n)``, test = first round(0.1 n), train = rest; columns
standardised by the training mean and standard deviation, and values are on that scale. Exact duplicates of a row are
dropped first: across a split they leak. Long tables are cut to a random subset.

Log-densities of polynomials have a normaliser with a standard error, of which the largest on any split is kept. The
file is written after each competitor; with ``--resume`` what it holds already is not run again.
"""  # noqa: D400 - a question

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from paired import seconds_of
from report import command_line, machine, print_table, write
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.models import Polynomial
from skscore.models.envelope import MOST_TERMS, n_terms

FULL = {"splits": 5, "folds": 5, "most_rows": 2_000, "most_terms": MOST_TERMS}
QUICK = {"splits": 1, "folds": 2, "most_rows": 60, "most_terms": 60}

POLYNOMIALS = {"Polynomial(4), additive": 1, "Polynomial(4)": 2}  # their interaction degrees


def competitors(n_train, folds):
    """Return each competitor's search."""
    sizes = [k for k in (1, 2, 3, 4, 6, 8, 12, 16, 20) if 5 * k < n_train]
    once = ShuffleSplit(1, test_size=0.2, random_state=0)
    polynomials = {
        name: ScoreMatchingDensity(Polynomial(4, interaction_degree=k), random_state=0)
        for name, k in POLYNOMIALS.items()
    }
    mixtures = {"n_components": sizes, "reg_covar": [1e-6, 1e-3, 1e-2, 1e-1]}
    return {
        "gaussian": GridSearchCV(ScoreMatchingDensity(), {"alpha": [0.0, *np.logspace(-4, 0, 9)]}, cv=folds),
        **{name: GridSearchCV(one, {"alpha": [0.1, 0.3, 1.0, 3.0]}, cv=once) for name, one in polynomials.items()},
        "KernelDensity": GridSearchCV(KernelDensity(), {"bandwidth": np.logspace(-1.2, 0.3, 16)}, cv=folds),
        "GaussianMixture": GridSearchCV(GaussianMixture(random_state=0), mixtures, cv=folds),
    }


def tables(files, most_rows):
    """Yield (name, X) of each table, without duplicates and cut to `most_rows`."""
    own = {"wine": load_wine, "iris": load_iris, "breast cancer": load_breast_cancer, "diabetes": load_diabetes}
    found = {f"sklearn {name}": load().data for name, load in own.items()}
    standardised = StandardScaler().fit_transform(found["sklearn breast cancer"])
    found["sklearn breast cancer, 5 components"] = PCA(5, random_state=0).fit_transform(standardised)
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
def slow_convergence_expected():
    """Silence what a search over a grid is bound to meet: fits at their iteration limit, and doubtful normalisers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        yield


def held_out(search, train, test):
    """Return the mean log-likelihood of the test rows, the standard error of its normaliser, and what was chosen."""
    with slow_convergence_expected():
        best = search.fit(train).best_estimator_
        nats = float(best.score_samples(test).mean())
        error = float(best.log_normalizer_stderr_) if isinstance(best, ScoreMatchingDensity) else 0.0
    return {"nats": nats, "normalizer_stderr": error, "chosen": search.best_params_}


def measured(X, name, plan):
    """Return the splits of one competitor on one table, their mean and standard error."""
    splits, seconds = [], []
    if name in POLYNOMIALS and n_terms(X.shape[1], 4, POLYNOMIALS[name]) > plan["most_terms"]:
        return {"competitor": name, "outcome": "not run: too many terms"}
    for seed in range(plan["splits"]):
        train, test = split(X, seed)
        search = competitors(len(train) * (plan["folds"] - 1) // plan["folds"], plan["folds"])[name]
        seconds.append(seconds_of(lambda args=(search, train, test): splits.append(held_out(*args))))
    nats = np.array([one["nats"] for one in splits])
    return {
        "competitor": name,
        "outcome": "fitted",
        "nats": float(nats.mean()),
        "standard_error": float(nats.std(ddof=1) / np.sqrt(len(nats))) if len(nats) > 1 else None,
        "normalizer_stderr": max(one["normalizer_stderr"] for one in splits),
        "splits": splits,
        "seconds": float(np.sum(seconds)),
    }


def earlier(path, plan):
    """Return the tables that a run of the same plan left in a file, by name."""
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    if results["plan"] != plan:
        raise SystemExit(f"{path} is of another plan; run without --resume")
    return {table["table"]: table for table in results["tables"]}


def cell(result):
    """Return what the table shows of one competitor."""
    if "nats" not in result:
        return "not run"
    error = result["standard_error"]
    return f"{result['nats']:.2f}" + ("" if error is None else f" ± {error:.2f}")


def cells(cases, names):
    """Return what the table shows of all competitors."""
    by_name = {case["competitor"]: cell(case) for case in cases}
    return [by_name[name] for name in names]


def main(argv=None):
    """Run all competitors on all tables."""
    parser = command_line("tables", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", default=[], help=".npz files with an array X")
    parser.add_argument("--resume", action="store_true", help="go on from what the JSON file holds")
    arguments = parser.parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    if not arguments.tables:
        print("no further tables (--tables FILE ...): only those of scikit-learn are run")
    results = earlier(arguments.output or arguments.kept, plan) if arguments.resume else {}
    with threadpool_limits(1):
        for table, X in [*tables(arguments.tables, plan["most_rows"])][: 1 if arguments.quick else None]:
            facts_of_table = {"table": table, "rows": len(X), "columns": X.shape[1], "competitors": []}
            cases = results.setdefault(table, facts_of_table)["competitors"]
            known = [case["competitor"] for case in cases]
            for name in competitors(len(X), plan["folds"]):
                if name not in known:
                    cases.append(measured(X, name, plan))
                    write(arguments, facts, {"plan": plan, "tables": list(results.values())})
            print(f"{table} {X.shape}: {sum(case.get('seconds', 0.0) for case in cases):.0f} s", flush=True)
    names = list(competitors(100, 5))
    print_table(
        ["table", "rows x columns", *names],
        [[r["table"], f"{r['rows']} x {r['columns']}", *cells(r["competitors"], names)] for r in results.values()],
    )


if __name__ == "__main__":
    main()
