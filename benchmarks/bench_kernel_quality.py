"""Does the kernel exponential family, as it comes, replace a tuned kernel density?

Toys are laws of `skscore.datasets`: n training rows, columns standardised by them, 4000 fresh rows to judge by; five
seeds, three for n = 3000. Tables (the breast cancer of scikit-learn, five principal components, and with
``--tables FILE ...`` the arrays ``X`` of those ``.npz`` files) are split as in `bench_tables.py`. `KernelDensity` and
`GaussianMixture` are tuned by 5-fold log-likelihood on the training rows; the kernel family has its defaults, and on
`four_gaussians` also its ``n_components=4``. Values are on the standardised scale. Reported:

- mean log-likelihood of the rows held out, and the paired difference of two methods, mean ± standard error over seeds;
- E‖ŝ − s‖², the squared error of the score at the same rows, where the law is known;
- the far mass: mass of the fitted density farther than three radii of the table from each of its rows (a radius is the
  largest distance of a row from the mean), by importance sampling from a Cauchy law that is as wide as the table;
- the effective sample size behind log Z, and whether a warning told of a small one.
"""  # noqa: D400 - a question

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from baselines import kernel_density, searched, timed
from bench_density import mean_and_error, read_tables
from bench_tables import split
from report import command_line, machine, print_table, write
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.special import softmax
from scipy.stats import multivariate_t
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.datasets import DISTRIBUTIONS
from skscore.models import Kernel

TOYS = ("banana", "rings", "moons", "funnel", "spirals", "checkerboard", "four_gaussians")
FULL = {"toys": TOYS, "seeds": {300: 5, 1000: 5, 3000: 3}, "held_out": 4000, "splits": 5, "draws": 50_000}
QUICK = {"toys": TOYS[:1], "seeds": {60: 1}, "held_out": 100, "splits": 1, "draws": 1000}

COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 20)
RIDGES = (1e-6, 1e-2)
DEFAULTS, CLUSTERED = "kernel", "kernel, 4 components"
MIN_ESS = 0.05


class Case(NamedTuple):
    """Standardised rows to learn from and to be judged by; log p and score of the latter where they are known."""

    problem: str
    seed: int
    train: np.ndarray
    test: np.ndarray
    log_density: np.ndarray | None = None
    score: np.ndarray | None = None


class Fit(NamedTuple):
    """A fitted density: log p and score at rows, CPU seconds, and what the fit says of itself."""

    score_samples: callable
    grad_log_density: callable
    seconds: float
    says: dict


# ---- problems ------------------------------------------------------------------------------------


def toy(name, n, plan, seed):
    """Return draws of a law, with its density and score in the units of the standardised columns."""
    law, rng = DISTRIBUTIONS[name], np.random.default_rng(seed)
    train, test = law.sample(n, rng), law.sample(plan["held_out"], rng)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    log_density = law.score_samples(test) + np.log(scale).sum()
    return Case(
        name, seed, (train - mean) / scale, (test - mean) / scale, log_density, law.grad_log_density(test) * scale
    )


def components_of_breast_cancer(seed):
    """Return the five first principal components of a split, of unit variance."""
    train, test = split(load_breast_cancer().data, seed)
    components = PCA(5, whiten=True).fit(train)
    return Case("breast cancer, 5 components", seed, components.transform(train), components.transform(test))


def cases(plan, tables):
    """Yield the cases of each problem."""
    for n, seeds in plan["seeds"].items():
        for name in plan["toys"]:
            yield [toy(name, n, plan, seed) for seed in range(seeds)]
    if plan is FULL:
        yield [components_of_breast_cancer(seed) for seed in range(plan["splits"])]
    for name, X in tables:
        yield [Case(name, seed, *split(X, seed)) for seed in range(plan["splits"])]


# ---- methods -------------------------------------------------------------------------------------


def fit_kernel(model, train):
    """Fit a kernel family and keep what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        density, seconds = timed(lambda: ScoreMatchingDensity(model, random_state=0).fit(train))
        ess = density.log_normalizer_ess_
    messages = [str(warning.message) for warning in caught]
    says = {
        "ess": ess,
        "doubtful": any("doubtful" in message for message in messages),
        "at_an_edge": any("the chosen" in message for message in messages),
        "bandwidth": np.ravel(density.bandwidth_).tolist(),
        "base_scale": np.ravel(density.base_scale_).tolist(),
        "alpha": np.ravel(density.alpha_).tolist(),
    }
    return Fit(density.score_samples, density.grad_log_density, seconds, says)


def fit_kernel_density(train, seed):
    """Fit a kernel density; its score is the mean shift over h²."""
    density, seconds = timed(lambda: kernel_density(train, seed))
    h = density.chosen["bandwidth"]

    def score(X):
        return (softmax(-0.5 * cdist(X, train, "sqeuclidean") / h**2, axis=1) @ train - X) / h**2

    return Fit(density.score_samples, score, seconds, density.chosen)


def fit_mixture(train, seed):
    """Fit a mixture of Gaussians; its score is the mean of theirs, weighted by the posterior."""
    sizes = [k for k in COMPONENTS if 5 * k < 0.8 * len(train)]
    mixture, grid = GaussianMixture(random_state=seed), {"n_components": sizes, "reg_covar": RIDGES}
    chosen, seconds = timed(lambda: searched(mixture, grid, train, seed))
    mixture.set_params(**chosen, max_iter=500).fit(train)

    def score(X):
        slopes = np.einsum("kij,nkj->nki", mixture.precisions_, mixture.means_ - X[:, None])
        return np.einsum("nk,nki->ni", mixture.predict_proba(X), slopes)

    return Fit(mixture.score_samples, score, seconds, chosen)


def methods(problem):
    """Return the methods that are tried on a problem, by name."""
    found = {
        DEFAULTS: lambda case: fit_kernel(Kernel(), case.train),
        "KernelDensity": lambda case: fit_kernel_density(case.train, case.seed),
        "GaussianMixture": lambda case: fit_mixture(case.train, case.seed),
    }
    if problem == "four_gaussians":
        found[CLUSTERED] = lambda case: fit_kernel(Kernel(n_components=4), case.train)
    return found


# ---- what is measured ----------------------------------------------------------------------------


def far_mass(score_samples, train, n_draws, seed):
    """Return the mass farther than three radii of the table from each of its rows."""
    mean, d = train.mean(axis=0), train.shape[1]
    radius = np.linalg.norm(train - mean, axis=1).max()
    wide = multivariate_t(mean, radius**2 * np.eye(d), df=1)
    draws = wide.rvs(n_draws, random_state=seed).reshape(n_draws, d)
    far = draws[cKDTree(train).query(draws)[0] > 3.0 * radius]
    return float(np.exp(score_samples(far) - wide.logpdf(far)).sum() / n_draws)


def measured(case, method, plan):
    """Return what one method reached on one case."""
    fit = methods(case.problem)[method](case)
    found = {"nats": float(fit.score_samples(case.test).mean()), "cpu_seconds": fit.seconds, **fit.says}
    if case.score is not None:
        found["score_error"] = float(((fit.grad_log_density(case.test) - case.score) ** 2).sum(axis=1).mean())
    if method in (DEFAULTS, CLUSTERED):
        found["far_mass"] = far_mass(fit.score_samples, case.train, plan["draws"], case.seed)
    return found


def columns(found):
    """Return the list of each quantity over the seeds."""
    return {name: [one[name] for one in found] for name in found[0]}


def results_of(problem, plan):
    """Return what all methods reached on the cases of a problem."""
    first = problem[0]
    known = first.log_density is not None
    return {
        "problem": first.problem,
        "rows": len(first.train),
        "columns": first.train.shape[1],
        "law": [float(case.log_density.mean()) for case in problem] if known else None,
        "methods": {
            method: columns([measured(case, method, plan) for case in problem]) for method in methods(first.problem)
        },
    }


# ---- what is shown -------------------------------------------------------------------------------


def lines(results):
    """Yield each problem with each form of the kernel family that was tried on it: result, form, first cells."""
    for result in results:
        for form in (DEFAULTS, CLUSTERED):
            if form in result["methods"]:
                more = ", 4 components" * (form == CLUSTERED)
                yield result, result["methods"][form], [result["problem"] + more, result["rows"]]


def print_likelihoods(results):
    """Print held-out log-likelihoods and paired differences."""
    rows = []
    for result, kernel, cells in lines(results):
        others = [result["methods"][name]["nats"] for name in ("KernelDensity", "GaussianMixture")]
        law = f"{np.mean(result['law']):.3f}" if result["law"] else "–"
        nats = [f"{np.mean(values):.3f}" for values in (kernel["nats"], *others)]
        gains = [mean_and_error(np.subtract(kernel["nats"], other), 3) for other in others]
        rows.append([*cells, law, *nats, *gains])
    print("\nheld-out log-likelihood, nats per row")
    header = ["", "rows", "law", "kernel", "KernelDensity", "GaussianMixture", "gain on the former", "on the latter"]
    print_table(header, rows)


def print_scores(results):
    """Print the squared error of the score."""
    names = ("KernelDensity", "GaussianMixture")
    rows = [
        [*cells, *(mean_and_error(m["score_error"], 2) for m in (kernel, *(result["methods"][name] for name in names)))]
        for result, kernel, cells in lines(results)
        if "score_error" in kernel
    ]
    print("\nsquared error of the score, standardised columns")
    print_table(["", "rows", "kernel", *names], rows)


def print_safety(results):
    """Print what the kernel family says of itself, the worst of the seeds."""
    rows = []
    for _, kernel, cells in lines(results):
        counts = defaultdict(int)
        for ess, doubtful, edge in zip(kernel["ess"], kernel["doubtful"], kernel["at_an_edge"], strict=True):
            counts["small"] += ess < MIN_ESS
            counts["silent"] += ess < MIN_ESS and not doubtful
            counts["edge"] += edge
        cells += [f"{max(kernel['far_mass']):.1e}", f"{min(kernel['ess']):.2f}"]
        rows.append(
            [*cells, *(counts[name] for name in ("small", "silent", "edge")), f"{np.mean(kernel['cpu_seconds']):.1f}"]
        )
    print("\nfar mass and effective sample size, the worst of the seeds; counts of seeds")
    print_table(["", "rows", "far mass", "ESS", "ESS < 5 %", "unwarned", "edge of a grid", "fit, CPU s"], rows)


def main(argv=None):
    """Run all methods on all problems; write after each problem, so that an interrupted run loses one."""
    parser = command_line("kernel_quality", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", default=[], help=".npz files with an array X")
    arguments = parser.parse_args(argv)
    plan, facts, results = QUICK if arguments.quick else FULL, machine(), []
    if not arguments.tables:
        print("no further tables (--tables FILE ...): only that of scikit-learn is run")
    with threadpool_limits(1):
        for problem in cases(plan, read_tables(arguments.tables)):
            results.append(results_of(problem, plan))
            write(arguments, facts, {"plan": plan, "problems": results})
            print(problem[0].problem, len(problem[0].train), flush=True)
    print_likelihoods(results)
    if any(result["law"] for result in results):
        print_scores(results)
    print_safety(results)


if __name__ == "__main__":
    main()
