"""Does fitting a Gaussian cost what one product X.T @ X must cost?

`ScoreMatchingDensity().fit` against `EmpiricalCovariance().fit` and against one `X.T @ X` on the same rows, on one BLAS
thread. At 10⁶ × 50 float64 it may take at most 0.8 of the former, twice the latter, and 10 % of X in extra memory. The
other rows say what weights, single precision, other shapes and `partial_fit` cost; both references stay unweighted and
whole there.
"""  # noqa: D400 - a question

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from paired import interleaved, peak_bytes, ratio, summary
from report import command_line, machine, print_table, spread, write
from sklearn.covariance import EmpiricalCovariance
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity

LIMITS = {"to_covariance": 0.8, "to_product": 2.0, "peak_memory": 0.1}


class Case(NamedTuple):
    """A table, and how it reaches the estimator."""

    rows: int
    columns: int
    dtype: str = "float64"
    weighted: bool = False
    chunks: int = 1

    def __str__(self):
        extras = [self.dtype, "weighted" * self.weighted, f"{self.chunks} chunks" * (self.chunks > 1)]
        return f"{self.rows} x {self.columns} " + " ".join(filter(None, extras))


FULL = (
    Case(1_000_000, 50),
    Case(1_000_000, 50, weighted=True),
    Case(1_000_000, 50, chunks=100),
    Case(1_000_000, 50, dtype="float32"),
    Case(100_000, 200),
    Case(1_000_000, 5),
)
QUICK = (Case(2_000, 5), Case(2_000, 5, weighted=True), Case(2_000, 5, chunks=4), Case(2_000, 5, dtype="float32"))


def fitted(case, X, weight):
    """Fit as the case says."""
    density = ScoreMatchingDensity()
    if case.chunks == 1:
        return density.fit(X, sample_weight=weight)
    for chunk in np.array_split(X, case.chunks):
        density.partial_fit(chunk)
    return density


def measured(case, repetitions):
    """Return paired ratios, seconds and the peak of memory of one case."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.rows, case.columns), dtype=case.dtype)
    weight = rng.uniform(0.5, 1.5, case.rows) if case.weighted else None
    candidates = {
        "fit": lambda: fitted(case, X, weight),
        "covariance": lambda: EmpiricalCovariance().fit(X),
        "product": lambda: X.T @ X,
    }
    seconds = interleaved(candidates, repetitions)
    return {
        "case": str(case),
        "to_covariance": ratio(seconds, "fit", "covariance"),
        "to_product": ratio(seconds, "fit", "product"),
        "peak_memory": peak_bytes(candidates["fit"]) / X.nbytes,
        "seconds": {name: summary(values) for name, values in seconds.items()},
    }


def plain(result):
    """Return the numbers without a spread: extra memory as a fraction of X, and median seconds of the fit."""
    return result["peak_memory"], result["seconds"]["fit"]["median"]


def within_limits(result):
    """Say for each limit whether a case keeps it."""
    kept = {name: result[name]["median"] <= LIMITS[name] for name in ("to_covariance", "to_product")}
    return kept | {"peak_memory": result["peak_memory"] < LIMITS["peak_memory"]}


def main(argv=None):
    """Run all cases."""
    arguments = command_line("moments", __doc__).parse_args(argv)
    facts = machine()
    with threadpool_limits(1):
        cases = [measured(case, 3 if arguments.quick else 9) for case in (QUICK if arguments.quick else FULL)]
    print_table(
        ["table", "fit / EmpiricalCovariance", "fit / X.T @ X", "extra memory / X", "fit, s"],
        [
            (c["case"], *map(spread, (c["to_covariance"], c["to_product"])), *map("{:.3f}".format, plain(c)))
            for c in cases
        ],
    )
    kept = None if arguments.quick else within_limits(cases[0])  # the limits belong to the first full size
    print(f"limits {LIMITS} of the first table kept: {kept}")
    write(arguments, facts, {"limits": LIMITS, "kept": kept, "cases": cases})


if __name__ == "__main__":
    main()
