"""Do sparse interactions recover graphs better than the graphical lasso, and do their intervals cover the truth?

`edges`: chain, hubs and Erdős–Rényi graphs with weak edges, of 100 columns on R^d, and of 30 columns truncated to the
orthant, where the graphical lasso is wrong by model, with and without the default's shrunk correlations. Columns are
scaled to unit variance. Pairs are ranked by when they enter a path of 20 penalties, each path below its own largest
one; a gain is our measure less the lasso's, with its standard error over tables. F1 is that of the graph which each
method chooses; "best on" a path is the largest F1 that any choice from it could have, and that "of pseudo-likelihood"
the largest that any threshold on its z-values could have, which says how far a method without tuning reaches.
`coverage`: 95 % intervals over 100 exactly simulated tables of each law, without a penalty.
`speed`: CPU seconds on one thread, the median of several turns.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
import warnings
from itertools import product
from typing import NamedTuple

import numpy as np
from paired import interleaved, summary
from report import command_line, machine, print_table, spread, write
from scipy.special import ndtr, ndtri
from sklearn.covariance import GraphicalLassoCV, graphical_lasso
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from threadpoolctl import threadpool_limits
from truncated_regression import evidence

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.domains import Capped, Orthant, Power
from skscore.formulas.moments import moments
from skscore.models import PairwiseInteraction, TruncatedGaussian
from skscore.models.family import Sample
from skscore.models.interactions.penalty_path import PathProblem, penalty_path
from skscore.models.objectives import Implicit

FRACTIONS = np.geomspace(1.0, 0.05, 20)
CRITERIA = {
    f"gamma {gamma}{', refitted' * refit}": (gamma, refit) for gamma, refit in product((0.0, 0.5), (False, True))
}
RANKINGS = ("auc", "precision")
F1_PART = {250: 1.0, 500: 1.5, 1000: 1.5}  # of that of GraphicalLassoCV, at least, by rows
Z_95 = 1.959964

# ---- graphs and laws -----------------------------------------------------------------------------


def chain(p, rng):
    """Return the precision matrix of a chain, with partial correlations of -0.3."""
    return np.eye(p) + 0.3 * (np.eye(p, k=1) + np.eye(p, k=-1))


def hubs(p, rng):
    """Return that of stars of ten columns, with partial correlations of -0.25."""
    centre = 10 * (np.arange(p) // 10)
    K = np.eye(p)
    K[np.arange(p), centre] = K[centre, np.arange(p)] = 0.25
    np.fill_diagonal(K, 1.0)
    return K


def erdos_renyi(p, rng):
    """Return that of two random neighbours for each column, with partial correlations of either sign."""
    upper = np.triu(rng.random((p, p)) < 2.0 / (p - 1), 1) * rng.choice([-0.3, 0.3], (p, p))
    K = upper + upper.T
    return K + max(1.0, 0.2 - np.linalg.eigvalsh(K)[0]) * np.eye(p)


GRAPHS = {"chain": chain, "hubs": hubs, "Erdős–Rényi": erdos_renyi}


def gaussian_rows(K, eta, n, rng):
    """Return exact rows."""
    C = np.linalg.inv(K)
    return rng.multivariate_normal(C @ eta, C, n)


def truncated_rows(K, eta, n, rng, sweeps=200):
    """Return the ends of n chains of Gibbs' sampler for the Gaussian on the orthant."""
    X, scale = np.ones((n, len(K))), 1.0 / np.sqrt(np.diag(K))
    for _ in range(sweeps):
        for j, s in enumerate(scale):
            mean = X[:, j] + s**2 * (eta[j] - X @ K[j])
            X[:, j] = np.maximum(mean - s * ndtri(rng.random(n) * ndtr(mean / s)), 1e-12)
    return X


def rejected_rows(K, eta, n, rng):
    """Return exact rows of the Gaussian on the orthant, by rejection."""
    kept = np.empty((0, len(K)))
    while len(kept) < n:
        rows = gaussian_rows(K, eta, 8 * n, rng)
        kept = np.concatenate([kept, rows[(rows > 0.0).all(axis=1)]])
    return kept[:n]


def root_rows(K, eta, n, rng):
    """Return exact rows of exp(−√xᵀK√x + 2ηᵀ√x), η ≤ 0, by rejection from independent exponentials.

    A negative interaction is bounded by −2K_ij √(x_i x_j) ≤ |K_ij| (x_i + x_j).
    """
    rate = np.diag(K) - np.where(K < 0.0, -K, 0.0).sum(axis=1)
    kept = np.empty((0, len(K)))
    while len(kept) < n:
        rows = rng.exponential(1.0 / rate, (8 * n, len(K)))
        roots = np.sqrt(rows)
        log_ratio = rows @ rate - ((roots @ K) * roots).sum(axis=1) + 2.0 * roots @ eta
        kept = np.concatenate([kept, rows[np.log(rng.random(8 * n)) < log_ratio]])
    return kept[:n]


# ---- edges ---------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """A law N(μ, K⁻¹), perhaps truncated, the model of it, from how many tables, and other rankings of its pairs."""

    draw: object
    model: PairwiseInteraction
    columns: int
    mean: float
    tables: int
    rankings: dict


PSEUDO = {"best of pseudo-likelihood": evidence}
SETTINGS = {
    "Gaussian": Setting(gaussian_rows, PairwiseInteraction(), 100, 0.0, 3, {}),
    "truncated": Setting(truncated_rows, TruncatedGaussian(), 30, 0.5, 10, PSEUDO),
    "truncated, not shrunk": Setting(truncated_rows, TruncatedGaussian(diagonal_multiplier=1.0), 30, 0.5, 10, PSEUDO),
}


def entered(matrices):
    """Return how early each pair enters a path, ties by its size at the end."""
    sizes = np.abs(matrices[-1])
    return sum(matrix != 0.0 for matrix in matrices) + sizes / (sizes.max() + 1.0)


def largest_penalty(density):
    """Return the least penalty without an edge."""
    return PathProblem(density._fit.family, density._fit.summary, Implicit()).sparse.greatest_alpha()


def own_path(model, X):
    """Return interactions at each penalty."""
    density = ScoreMatchingDensity(model, alpha=1.0, l1_ratio=1.0).fit(X)
    target = PathProblem(density._fit.family, density._fit.summary, Implicit())
    path = penalty_path(target, FRACTIONS * largest_penalty(density))
    return [target.family.path_entry(theta) for theta in path.thetas]


def lasso_path(X):
    """Return precision matrices at each penalty, as far as the graphical lasso comes."""
    S, path = np.cov(X.T, ddof=0), []
    largest = np.abs(S - np.diag(np.diag(S))).max()
    for fraction in FRACTIONS:
        try:
            path.append(graphical_lasso(S, alpha=fraction * largest)[1])
        except FloatingPointError:
            break
    return path


def chosen_graphs(model, X):
    """Return the matrix that each criterion chooses, and those that it could have chosen."""
    graphs = {"GraphicalLassoCV": GraphicalLassoCV().fit(X).precision_}
    for name, (gamma, refit) in CRITERIA.items():
        density = ScoreMatchingDensityCV(model, selection="ebic", gamma=gamma, refit=refit).fit(X)
        graphs[name] = density.interaction_
    return graphs, density.path_


def best_f1(truth, rank):
    """Return the largest F1 of the pairs that rank above a threshold."""
    hits = np.cumsum(truth[np.argsort(-rank)])
    return float((2.0 * hits / (np.arange(1, len(truth) + 1) + hits[-1])).max())


def recovery(setting, X, K):
    """Return ranking and F1 of all methods on one table."""
    X, pairs = X / X.std(axis=0), np.triu_indices(len(K), 1)
    truth = K[pairs] != 0.0
    graphs, path = chosen_graphs(setting.model, X)
    lasso = lasso_path(X)
    f1 = {name: f1_score(truth, graph[pairs] != 0.0) for name, graph in graphs.items()}
    for name, matrices in {"best on own path": path, "best on lasso's": lasso}.items():
        f1[name] = max(f1_score(truth, matrix[pairs] != 0.0) for matrix in matrices)
    f1 |= {name: best_f1(truth, ranking(X)[pairs]) for name, ranking in setting.rankings.items()}
    ranks = {"own": entered(own_path(setting.model, X))[pairs], "lasso": entered(lasso)[pairs]}
    return {
        "auc": {name: roc_auc_score(truth, rank) for name, rank in ranks.items()},
        "precision": {name: average_precision_score(truth, rank) for name, rank in ranks.items()},
        "f1": f1,
    }


def mean_of(tables):
    """Return means over tables of results, number by number."""
    return {key: {name: float(np.mean([t[key][name] for t in tables])) for name in tables[0][key]} for key in tables[0]}


def gains(tables):
    """Return mean and standard error over tables of what our ranking has above the lasso's."""
    above = {key: np.array([t[key]["own"] - t[key]["lasso"] for t in tables]) for key in RANKINGS}
    return {
        key: {"mean": float(gain.mean()), "error": float(gain.std(ddof=min(1, len(gain) - 1)) / np.sqrt(len(gain)))}
        for key, gain in above.items()
    }


def edges(quick):
    """Return means over seeds for each law, graph and number of rows."""
    sizes = (60,) if quick else (250, 500, 1000)
    graphs = [*GRAPHS.items()][: 1 if quick else None]
    cases = []
    for (law, setting), (graph, precision) in product(SETTINGS.items(), graphs):
        p = 8 if quick else setting.columns
        tables = {n: [] for n in sizes}
        for seed in range(1 if quick else setting.tables):
            rng = np.random.default_rng(seed)
            K = precision(p, rng)
            X = setting.draw(K, K @ np.full(p, setting.mean), max(sizes), rng)
            for n in sizes:
                tables[n].append(recovery(setting, X[:n], K))
        cases += [
            {"law": law, "graph": graph, "rows": n, **mean_of(tables[n]), "gain": gains(tables[n])} for n in sizes
        ]
    rankings = [cell for name in ("AUC", "precision") for cell in (f"{name}, own", "lasso", "gain")]
    methods = dict.fromkeys(name for case in cases for name in case["f1"])
    print_table(["law, graph, rows", *rankings, *methods], [edge_row(case, methods) for case in cases])
    return cases


def edge_row(case, methods):
    """Return the cells of one line of the table, F1 of each method that was run."""
    ranked = [
        cell
        for key in RANKINGS
        for cell in (*map("{:.3f}".format, case[key].values()), "{mean:.4f} ± {error:.4f}".format(**case["gain"][key]))
    ]
    f1 = [f"{case['f1'][name]:.3f}" if name in case["f1"] else "" for name in methods]
    return f"{case['law']}, {case['graph']}, {case['rows']}", *ranked, *f1


def edges_kept(cases):
    """Say for each law and limit in which share of the cases it was kept, F1 for each criterion."""
    return {law: limits_kept([case for case in cases if case["law"] == law]) for law in SETTINGS}


def limits_kept(cases):
    """Return the shares of these cases."""
    ranked = {key: float(np.mean([case["gain"][key]["mean"] >= 0.0 for case in cases])) for key in RANKINGS}
    wanted = [F1_PART[case["rows"]] * case["f1"]["GraphicalLassoCV"] for case in cases]
    chosen = {
        name: float(np.mean([case["f1"][name] >= least for case, least in zip(cases, wanted, strict=True)]))
        for name in cases[0]["f1"]
        if name != "GraphicalLassoCV"
    }
    return {**ranked, "f1": chosen}


# ---- coverage ------------------------------------------------------------------------------------


class Truth(NamedTuple):
    """A law that can be simulated exactly, and the model of it."""

    draw: object
    model: PairwiseInteraction
    K: np.ndarray
    eta: np.ndarray
    n: int


def band(p, value):
    """Return a chain with interactions of one size and changing sign."""
    sign = np.diag((-1.0) ** np.arange(p - 1), k=1)
    return np.eye(p) + value * (sign + sign.T)


ROOTS = PairwiseInteraction(0.5, 0.5, domain=Orthant(), weight=Capped(Power(1.5), 1.0))
TRUTHS = {
    "Gaussian, 300 x 5": Truth(gaussian_rows, PairwiseInteraction(), band(5, 0.3), np.linspace(-1.0, 1.0, 5), 300),
    "truncated Gaussian, 1000 x 4": Truth(
        rejected_rows, TruncatedGaussian(weight=Capped(Power(1.0), 1.0)), band(4, 0.3), np.full(4, 0.5), 1000
    ),
    "exponential square root, 1000 x 4": Truth(root_rows, ROOTS, band(4, 0.3), np.linspace(-0.5, 0.0, 4), 1000),
}


def covered(truth, n_tables):
    """Return shares of parameters within their 95 % interval, and within three standard errors."""
    rng, theta = np.random.default_rng(0), np.concatenate([truth.K[np.triu_indices(len(truth.K))], truth.eta])
    distances = []
    for _ in range(n_tables):
        X = truth.draw(truth.K, truth.eta, truth.n, rng)
        density = ScoreMatchingDensity(truth.model, inference=True).fit(X)
        distances.append(np.abs(density.theta_ - theta) / density.standard_errors_)
    distances = np.array(distances)
    return {"interval": float(np.mean(distances < Z_95)), "three_errors": float(np.mean(distances < 3.0))}


def coverage(quick):
    """Return the shares for each law."""
    shares = {name: covered(truth, 2 if quick else 100) for name, truth in TRUTHS.items()}
    print_table(
        ["law", "95 % interval covers", "within 3 errors"],
        [(name, f"{s['interval']:.3f}", f"{s['three_errors']:.4f}") for name, s in shares.items()],
    )
    return shares


def coverage_kept(shares):
    """Say for each law whether both limits were kept."""
    return {name: bool(0.92 <= s["interval"] <= 0.98 and s["three_errors"] >= 0.95) for name, s in shares.items()}


# ---- speed ---------------------------------------------------------------------------------------


def statistics_of(model, X):
    """Return a call that forms the statistics of a table."""
    family = model.choose(Sample(X, None, None, moments(X)), Implicit(), 0.0, "log_likelihood").family
    return lambda: family.assemble(X, None, None, Implicit())


def whole_fit(model, X, fractions):
    """Return a call that goes from rows to the density at the penalty that eBIC chooses, without refits."""
    alphas = fractions * largest_penalty(ScoreMatchingDensity(model, alpha=1.0, l1_ratio=1.0).fit(X))
    return lambda: ScoreMatchingDensityCV(model, alphas=alphas, selection="ebic", refit=False).fit(X)


def speed(quick):
    """Return CPU seconds of each job, beside its limit."""
    rng = np.random.default_rng(0)
    sizes = ((40, 6), (50, 8), (60, 10)) if quick else ((300, 100), (1000, 200), (250, 500))
    roots, truncated, wide = (rng.standard_normal(size) for size in sizes)
    wide = wide + 0.5 * np.roll(wide, 1, axis=1)
    jobs = {
        "statistics, a = b = 1/2": (statistics_of(ROOTS, np.abs(roots)), 0.1),
        "truncated Gaussian, 10 penalties": (
            whole_fit(TruncatedGaussian(), np.abs(truncated), np.geomspace(1.0, 0.1, 10)),
            0.5,
        ),
        "Gaussian, 20 penalties": (whole_fit(PairwiseInteraction(), wide, np.geomspace(1.0, 0.2, 20)), 0.5),
    }
    with threadpool_limits(1):
        seconds = interleaved({name: call for name, (call, _) in jobs.items()}, 2 if quick else 5, cpu_seconds)
    results = {
        f"{name}, {n} x {p}": {"seconds": summary(seconds[name]), "limit": jobs[name][1]}
        for name, (n, p) in zip(jobs, sizes, strict=True)
    }
    print_table(
        ["job", "CPU seconds", "limit"], [(name, spread(r["seconds"], 3), r["limit"]) for name, r in results.items()]
    )
    return results


def cpu_seconds(call):
    """Return the CPU time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def speed_kept(results):
    """Say for each job whether its median is within the limit."""
    return {name: bool(result["seconds"]["median"] <= result["limit"]) for name, result in results.items()}


SECTIONS = {"edges": (edges, edges_kept), "coverage": (coverage, coverage_kept), "speed": (speed, speed_kept)}


def main(argv=None):
    """Run the sections."""
    arguments = command_line("graphs", __doc__).parse_args(argv)
    facts, results = machine(), {}
    for name, (run, kept) in SECTIONS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = run(arguments.quick)
        results[name] = {"found": found}
        if not arguments.quick:
            results[name]["kept"] = kept(found)
            print(f"{name}, limits kept: {results[name]['kept']}")
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
