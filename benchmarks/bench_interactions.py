"""How long does a path of sparse interactions take, beside scikit-learn's graphical lasso on the same covariance?

From given statistics to the solutions at each penalty, on one thread, at a duality gap of 1e-11. The graphical lasso
has the same number of penalties over the same range below its own largest one, at its default tolerance. Limits: a
tenth of its time at 200 columns and 1000 rows, half a second at 500 columns and 250 rows, 0.3 s for ten penalties of
the truncated Gaussian with its linear part profiled out, which has a block of 200 × 200 for each of its 200 columns.
The same model without a linear part is no limit but a hard case: its blocks are uncentred moments of positive rows.
"""  # noqa: D400 - a question

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write
from sklearn.covariance import graphical_lasso
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

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


def row(result):
    """Return the cells of one line of the table."""
    part = spread(result["to_lasso"], 4) if result["to_lasso"] else ""
    return result["case"], spread(result["seconds"]["path"], 3), part, result["pairs"], result["kept"]


def main(argv=None):
    """Run all cases."""
    arguments = command_line("interactions", __doc__).parse_args(argv)
    facts = machine()
    with threadpool_limits(1):
        results = [measured(case, 2 if arguments.quick else 5) for case in (QUICK if arguments.quick else FULL)]
    print_table(["path", "seconds", "part of graphical_lasso", "pairs at its end", "limit kept"], map(row, results))
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
