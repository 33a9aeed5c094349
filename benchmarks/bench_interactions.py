"""How long does a path of sparse interactions take, beside scikit-learn's graphical lasso on the same covariance?

From given statistics to the solutions at each penalty, on one thread, at a duality gap of 1e-11. The graphical lasso
has the same number of penalties over the same range below its own largest one, at its default tolerance. Limits: a
tenth of its time at 200 columns and 1000 rows, half a second at 500 columns and 250 rows, 0.3 s for ten penalties of
the truncated Gaussian with its linear part profiled out, which has a block of 200 × 200 for each of its 200 columns.
The same model without a linear part is no limit but a hard case: its blocks are uncentred moments of positive rows.

On real tables, raw and standardised, the estimators take part as they come: ``ScoreMatchingDensityCV()``, by folds and
by the criterion for graphs, and ``GraphicalLassoCV()``; where skglm is installed also its graphical lasso at the
same number of penalties and folds as ours, from given covariances. CPU seconds; the limit is twice those of
GraphicalLassoCV. The tables are those of scikit-learn, and with ``--tables FILE ...`` also the arrays ``X`` of those
``.npz`` files.
"""  # noqa: D400 - a question

from __future__ import annotations

import importlib.util
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write
from sklearn.covariance import GraphicalLassoCV, graphical_lasso
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensityCV
from skscore.fitting.interaction_problem import InteractionProblem
from skscore.fitting.interactions import lambda_max, path
from skscore.formulas.quadratic import QuadraticForm


class Case(NamedTuple):
    """A chain of columns; positive rows have a block of the truncated Gaussian for each column."""

    rows: int
    columns: int
    n_penalties: int
    lowest: float
    positive: bool = False
    centered: bool = False
    lasso: bool = False
    limit: float | None = None  # of the median: a part of the graphical lasso, or seconds where there is none

    def __str__(self):
        law = "truncated " * self.positive + "Gaussian" + " without linear part" * self.centered
        return (
            f"{law} {self.rows} x {self.columns}, {self.n_penalties} penalties down to {self.lowest:g} of the largest"
        )


FULL = (
    Case(1000, 200, 20, 0.1, lasso=True, limit=0.1),
    Case(250, 500, 20, 0.2, limit=0.5),
    Case(1000, 200, 10, 0.1, positive=True, limit=0.3),
    Case(1000, 200, 10, 0.1, positive=True, centered=True),
)
QUICK = (Case(100, 8, 4, 0.2, lasso=True), Case(20, 30, 4, 0.5), Case(100, 8, 4, 0.2, positive=True))


def chain(case):
    """Rows of a Gaussian whose precision matrix is that of a chain, with positive entries where asked."""
    precision = np.eye(case.columns) + 0.4 * (np.eye(case.columns, k=1) + np.eye(case.columns, k=-1))
    noise = np.random.default_rng(0).standard_normal((case.rows, case.columns))
    X = np.linalg.solve(np.linalg.cholesky(precision).T, noise.T).T
    return np.abs(X) if case.positive else X


def statistics(X, case):
    """A shared covariance, or blocks of the truncated Gaussian with the weight min(x, 1)."""
    n, p = X.shape
    if not case.positive:
        return QuadraticForm(np.cov(X.T, ddof=0), np.eye(p), 0.0, n)
    h = np.minimum(X, 1.0)
    blocks = np.stack([(X.T * column) @ X / n for column in h.T])
    slope, mean_h = (X < 1.0).mean(axis=0), h.mean(axis=0)
    pull = (X < 1.0).T @ X / n + np.diag(mean_h)
    if not case.centered:  # the linear part at its best for each K
        cross = h.T @ X / n
        blocks -= cross[:, :, None] * cross[:, None, :] / mean_h[:, None, None]
        pull -= cross * (slope / mean_h)[:, None]
    return QuadraticForm(blocks, pull, 0.0, n)


def lasso_path(S, fractions):
    """Fit the graphical lasso at each penalty."""
    largest = np.abs(S - np.diag(np.diag(S))).max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fraction in fractions:
            graphical_lasso(S, alpha=fraction * largest)


def measured(case, repetitions):
    """Return seconds, and the ratio to the graphical lasso where it takes part."""
    form = statistics(chain(case), case)
    problem, fractions = InteractionProblem(form), np.geomspace(1.0, case.lowest, case.n_penalties)
    penalties = lambda_max(problem) * fractions
    candidates = {"path": lambda: path(problem, penalties)}
    if case.lasso:
        candidates["lasso"] = lambda: lasso_path(form.Gamma, fractions)
    seconds = interleaved(candidates, repetitions)
    result = {name: summary(values) for name, values in seconds.items()}
    judged = ratio(seconds, "path", "lasso") if case.lasso else result["path"]
    fits = path(problem, penalties)
    return {
        "case": str(case),
        "seconds": result,
        "to_lasso": judged if case.lasso else None,
        "pairs": int(np.count_nonzero(np.triu(fits[-1].K, 1))),
        "largest_residual": max(fit.residual for fit in fits),
        "kept": None if case.limit is None else judged["median"] <= case.limit,
    }


# ---- real tables -----------------------------------------------------------------------------------

LIMIT = 2.0  # of the CPU time of GraphicalLassoCV
OFTEN = 0.02  # share of the rows that differ from zero in a pixel that is kept: the others are constant in some folds


def tables(files, most_rows):
    """Yield (name, X) of each table."""
    digits = load_digits().data
    own = {
        "wine": load_wine().data,
        "breast cancer": load_breast_cancer().data,
        "diabetes": load_diabetes().data,
        "digits, 20 components": PCA(20, random_state=0).fit_transform(digits),
        "digits": digits[:, (digits > 0.0).mean(axis=0) > OFTEN],
    }
    others = {path.stem: np.load(path)["X"] for path in files}
    for name, X in (own | others).items():
        yield name, np.asarray(X, dtype=float)[:most_rows]


def skglm_path(X, alphas):
    """Fit skglm's graphical lasso at each penalty, to all rows and to the rows of five folds."""
    from skglm.covariance import GraphicalLasso

    for rows in [np.arange(len(X)), *(train for train, _ in KFold(5).split(X))]:
        S = np.cov(X[rows].T, ddof=0)
        model = GraphicalLasso(algo="primal", warm_start=True)
        for alpha in alphas:
            model.set_params(alpha=alpha).fit(S)


def cpu_seconds(call):
    """Return the CPU time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def _or_failed(call, *arguments):
    """Return whether the call came to its end: the graphical lasso does not on some tables."""
    try:
        call(*arguments)
    except FloatingPointError:
        return False
    return True


def measured_table(name, X, repetitions):
    """Return CPU seconds and ratios to GraphicalLassoCV, with what our path certifies at the penalty it chose."""
    kinds = {"cv": ScoreMatchingDensityCV(), "ebic": ScoreMatchingDensityCV(selection="ebic")}
    candidates = {kind: lambda model=model: model.fit(X) for kind, model in kinds.items()}
    candidates["lasso"] = lambda: _or_failed(GraphicalLassoCV().fit, X)
    if importlib.util.find_spec("skglm"):
        largest = np.abs(np.cov(X.T, ddof=0) - np.diag(X.var(axis=0))).max()
        candidates["skglm"] = lambda: skglm_path(X, largest * np.geomspace(1.0, 1e-3, 30))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kinds["cv"].fit(X)
    unconverged = [str(one.message) for one in caught if issubclass(one.category, ConvergenceWarning)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = interleaved(candidates, repetitions, clock=cpu_seconds)
        lasso_ends = candidates["lasso"]()
    problem = InteractionProblem(QuadraticForm(np.cov(X.T, ddof=0), np.eye(X.shape[1]), 0.0, len(X)))
    fit = path(problem, [alpha for alpha in kinds["cv"].alphas_ if alpha >= kinds["cv"].alpha_])[-1]
    ratios = {kind: ratio(seconds, kind, "lasso") for kind in seconds if kind != "lasso"}
    return {
        "table": name,
        "shape": list(X.shape),
        "seconds": {kind: summary(values) for kind, values in seconds.items()},
        "to_lasso": ratios,
        "relative_residual": fit.relative_residual,
        "gap": fit.gap / np.abs(np.trace(fit.K)),
        "unconverged": unconverged,
        "lasso_ends": lasso_ends,
        "kept": all(ratios[kind]["median"] <= LIMIT for kind in kinds) and not unconverged,
    }


def table_row(result):
    """Return the cells of one line of the table of real tables."""
    n, p = result["shape"]
    ratios = [
        spread(result["to_lasso"][kind]) if kind in result["to_lasso"] else "" for kind in ("cv", "ebic", "skglm")
    ]
    own, lasso = result["seconds"]["cv"], result["seconds"]["lasso"]
    return (
        f"{result['table']} ({n} x {p})",
        spread(own),
        spread(lasso) + " fails" * (not result["lasso_ends"]),
        *ratios,
        result["gap"],
        result["kept"],
    )


def row(result):
    """Return the cells of one line of the table."""
    part = spread(result["to_lasso"], 4) if result["to_lasso"] else ""
    return result["case"], spread(result["seconds"]["path"], 3), part, result["pairs"], result["kept"]


def main(argv=None):
    """Run all cases."""
    parser = command_line("interactions", __doc__)
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help=".npz files with an array X")
    arguments = parser.parse_args(argv)
    facts, quick = machine(), arguments.quick
    with threadpool_limits(1):
        real = []
        for name, X in [*tables(arguments.tables, 80 if quick else None)][: 1 if quick else None]:
            X = X[:, :4] if quick else X
            real.append(measured_table(f"{name}, standardised", scale(X), 1 if quick else 3))
            real.append(measured_table(f"{name}, raw", X, 1 if quick else 3))
        simulated = [measured(case, 2 if quick else 5) for case in (QUICK if quick else FULL)]
    print_table(["path", "seconds", "part of graphical_lasso", "pairs at its end", "limit kept"], map(row, simulated))
    header = ["table", "CPU s", "GraphicalLassoCV", "cv / lasso", "ebic / lasso", "skglm / lasso", "gap", "limit kept"]
    print_table(header, map(table_row, real))
    write(arguments, facts, {"simulated": simulated, "tables": real})


if __name__ == "__main__":
    main()
