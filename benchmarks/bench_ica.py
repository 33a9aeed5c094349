"""Does score matching unmix independent components as well as FastICA, and twice as many as there are columns?

Eight sources, 10,000 rows, a random mixing matrix: Amari distance of the estimated unmixing, beside FastICA on the
same rows; the median of five tables may be 1.1 times FastICA's. Overcomplete: the share of true directions that have
one found at |cosine| > 0.95. Of eight filters in four columns, on rows drawn from the energy model itself, 0.9 must be
found. Mixtures x = As of twice as many sources as columns follow another law, so no limit is set: the table says how
many columns of A are met, by columns and by how often a source is active, and how far the objective at the true
directions lies above the minimum found. Where it does, no search can help.
"""  # noqa: D400 - a question

from __future__ import annotations

from functools import partial
from statistics import median

import numpy as np
from paired import interleaved, ratio, summary
from report import command_line, machine, print_table, spread, write
from scipy.optimize import linear_sum_assignment, minimize
from sklearn.decomposition import FastICA
from threadpoolctl import threadpool_limits

from skscore.estimators.ica import ScoreMatchingICA
from skscore.formulas.moments import moments
from skscore.models.unmixing import logcosh, objective, principal_coordinates
from skscore.samplers import HMC, Target, run_chains

D, FILTERS, COLUMNS = 8, 8, 4
MIXTURES = [(columns, active) for columns in (2, 4, 8) for active in (1.0, 0.2, 0.05)]
LIMIT, MIN_FOUND, NEAR = 1.1, 0.9, 0.95


def laplace(rng, n):
    """Eight Laplace sources."""
    return rng.laplace(size=(n, D))


def super_gaussian(rng, n):
    """Two each of Laplace, Student with five degrees of freedom, logistic and sparse sources."""
    sparse = rng.laplace(size=(n, 2)) * (rng.uniform(size=(n, 2)) < [0.3, 0.6])
    return np.hstack([rng.laplace(size=(n, 2)), rng.standard_t(5, (n, 2)), rng.logistic(size=(n, 2)), sparse])


def uniform(rng, n):
    """Eight uniform sources, which are sub-Gaussian."""
    return rng.uniform(-1.0, 1.0, (n, D))


def amari(components, mixing):
    """Return the distance from a scaled permutation, in [0, 1]."""
    P, d = np.abs(components @ mixing), len(mixing)
    rows, columns = P / P.max(axis=1, keepdims=True), P / P.max(axis=0)
    return (rows.sum() + columns.sum() - 2 * d) / (2 * d * (d - 1))


def unmixed(law, source, n, seeds):
    """Amari distances and seconds, beside FastICA."""
    distances, times = ({"score_matching": [], "fast_ica": []} for _ in range(2))
    for seed in seeds:
        rng = np.random.default_rng(seed)
        mixing = rng.standard_normal((D, D))
        X = law(rng, n) @ mixing.T
        candidates = {
            "score_matching": ScoreMatchingICA(source=source, random_state=seed),
            "fast_ica": FastICA(whiten="unit-variance", random_state=seed, max_iter=1000),
        }
        for name, candidate in candidates.items():
            distances[name].append(amari(candidate.fit(X).components_, mixing))
        seconds = interleaved({name: partial(candidate.fit, X) for name, candidate in candidates.items()}, 1)
        for name, (once,) in seconds.items():
            times[name].append(once)
    part = median(distances["score_matching"]) / median(distances["fast_ica"])
    return {
        "sources": law.__name__,
        "amari": {name: summary(values) for name, values in distances.items()},
        "part_of_fast_ica": part,
        "time_ratio": ratio(times, "score_matching", "fast_ica"),
        "kept": bool(part <= LIMIT),
    }


def apart(rng, filters, columns):
    """Unit rows no two of which are nearer than |cosine| 0.8."""
    while True:
        A = rng.standard_normal((filters, columns))
        A /= np.linalg.norm(A, axis=1, keepdims=True)
        if np.abs(A @ A.T - np.eye(filters)).max() < 0.8:
            return A


def energy(A, rng, n, alpha=0.5):
    """Rows from log p = −α Σ log cosh a_kᵀx."""
    log_density = lambda X: -alpha * np.log(np.cosh(X @ A.T)).sum(axis=1)  # noqa: E731
    target = Target(log_density, lambda X: alpha * logcosh(X @ A.T)[0] @ A)
    start = 3.0 * rng.standard_normal((n // 10, COLUMNS))
    chains = run_chains(HMC(0.5, n_leapfrog=8), target, start, n_warmup=200, n_draws=10, thin=10, rng=rng)
    return chains.draws.reshape(-1, COLUMNS)


def matched(A, directions):
    """Share of the rows of A with a direction of their own at |cosine| > 0.95."""
    cosine = np.abs(A @ (directions / np.linalg.norm(directions, axis=1, keepdims=True)).T)
    return float(np.mean(cosine[linear_sum_assignment(-cosine)] > NEAR))


def filters_found(n, seeds):
    """Shares of the filters of an energy that are found."""
    shares = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        A = apart(rng, FILTERS, COLUMNS)
        ica = ScoreMatchingICA(FILTERS, random_state=seed).fit(energy(A, rng, n))
        shares.append(matched(A, ica.components_))
    return {"found": summary(shares), "kept": bool(median(shares) >= MIN_FOUND)}


def sources_found(columns, active, n, seeds):
    """Shares of the columns of A found in rows x = As of Laplace sources, each active in a part of the rows."""
    shares, heights = [], []
    for seed in seeds:
        rng, m = np.random.default_rng(seed), 2 * columns
        A = apart(rng, m, columns)
        X = (rng.laplace(size=(n, m)) * (rng.uniform(size=(n, m)) < active)) @ A
        ica = ScoreMatchingICA(m, random_state=seed).fit(X)
        shares.append(matched(A, ica.mixing_.T))
        heights.append(lowest_at(A, X) - ica.objective_)
    return {"columns": columns, "active": active, "found": summary(shares), "truth_above_minimum": summary(heights)}


def lowest_at(A, X):
    """Lowest objective, over the scales, with a filter along each row of A where rows are white."""
    coordinates = principal_coordinates(moments(X))
    W = A @ coordinates.matrix
    W /= np.linalg.norm(W, axis=1, keepdims=True)

    def at(alpha):
        J, _, slope = objective(W, alpha, X, coordinates, logcosh)
        return J, slope

    return minimize(at, np.ones(len(W)), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(W)).fun


def main(argv=None):
    """Run all laws."""
    arguments = command_line("ica", __doc__).parse_args(argv)
    facts = machine()
    n, seeds = (500, range(1)) if arguments.quick else (10_000, range(5))
    laws = [(laplace, "logcosh"), (super_gaussian, "logcosh"), (uniform, "quartic")]
    with threadpool_limits(1):
        square = [unmixed(law, source, n, seeds) for law, source in laws]
        filters = filters_found(n, seeds)
        mixtures = [sources_found(columns, active, n, seeds) for columns, active in MIXTURES]
    cells = [
        (
            result["sources"],
            spread(result["amari"]["score_matching"], 4),
            spread(result["amari"]["fast_ica"], 4),
            f"{result['part_of_fast_ica']:.2f}",
            spread(result["time_ratio"], 1),
            result["kept"],
        )
        for result in square
    ]
    print_table(["sources", "Amari distance", "of FastICA", "part", "times its seconds", "limit kept"], cells)
    print_table(["overcomplete", "found", "limit kept"], [("filters", spread(filters["found"]), filters["kept"])])
    rows = [(r["columns"], r["active"], spread(r["found"]), spread(r["truth_above_minimum"], 3)) for r in mixtures]
    print_table(["columns", "a source active", "directions of A found", "objective of A above"], rows)
    write(arguments, facts, {"square": square, "filters": filters, "mixtures": mixtures})


if __name__ == "__main__":
    main()
