"""How near do densities come to tables and to known laws, in held-out nats and in their draws?

Tables (``--tables FILE ...``, ``.npz`` files with an array ``X``) are split as in `bench_tables.py`: 10 % of the rows
are held out, columns are standardised by the training rows, and every method is tuned on these alone. Reported: mean
log-likelihood of the held-out rows on that scale, mean ± standard error over the splits, and CPU seconds.

``--rows N ...`` leaves only so many training rows, in whose standard deviations the columns are then measured.

Toys (``--toys NAME ...``, laws of `skscore.datasets`) give 4500 training rows, and 20 000 fresh rows estimate
KL(p ‖ q) = E_p[log p − log q] by their exact density; the first 5000 the error of the score, E‖ŝ − ∇log p‖²/E‖∇log p‖².

``--samples`` adds three distances of a method's draws: cross-validated AUC of a classifier that tells them from
training rows (as many of each) and from held-out rows (likewise); sliced Wasserstein-1 and energy distance, to the
held-out rows, of as many draws as there are training rows. The method "real rows" is the training rows themselves.

A run replaces its own records in the JSON file and keeps the others: long runs can be done piece by piece.
"""  # noqa: D400 - a question

from __future__ import annotations

import json
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from baselines import METHODS, absence, timed
from bench_tables import split
from report import command_line, machine, print_table, those_here, write
from scipy.stats import wasserstein_distance
from threadpoolctl import threadpool_limits

from skscore.datasets import DISTRIBUTIONS
from skscore.metrics import classifier_two_sample_auc, energy_distance

TOYS = ("moons", "banana", "funnel", "four_gaussians", "rings", "spirals", "checkerboard")
SCORED_ROWS = 5000
FULL = {"toys": TOYS, "splits": range(5), "methods": tuple(METHODS), "toy_rows": (4_500, 20_000)}
QUICK = {
    "toys": TOYS[:1],
    "splits": range(1),
    "methods": ("Gaussian", "KernelDensity", "GaussianMixture"),
    "toy_rows": (60, 200),
}


class Problem(NamedTuple):
    """Standardised rows to learn from and to be judged by."""

    name: str
    kind: str  # "table" or "toy"
    seed: int
    train: np.ndarray
    test: np.ndarray
    log_density: np.ndarray | None  # of the test rows, where it is known
    score: np.ndarray | None = None  # of the first of these


def read_tables(files):
    """Yield name and rows of each file."""
    for path in files:
        with np.load(path) as file:
            yield path.stem, file["X"]


def table_problems(tables, seeds, numbers):
    """Yield each split of each table, of all training rows or of the first so many of them."""
    for name, X in tables:
        for seed in seeds:
            train, test = split(X, seed)
            if numbers is None:
                yield Problem(name, "table", seed, train, test, None)
            for few in (train[:n] for n in numbers or ()):
                mean, scale = few.mean(axis=0), few.std(axis=0)
                yield Problem(
                    f"{name}, {len(few)} rows", "table", seed, (few - mean) / scale, (test - mean) / scale, None
                )


def toy_problems(names, seeds, rows):
    """Yield draws of each law, the density in the units of the standardised columns."""
    for name in names:
        for seed in seeds:
            rng = np.random.default_rng(seed)
            train, test = (DISTRIBUTIONS[name].sample(n, rng) for n in rows)
            mean, scale = train.mean(axis=0), train.std(axis=0)
            log_density = DISTRIBUTIONS[name].score_samples(test) + np.log(scale).sum()
            score = DISTRIBUTIONS[name].grad_log_density(test[:SCORED_ROWS]) * scale
            yield Problem(name, "toy", seed, (train - mean) / scale, (test - mean) / scale, log_density, score)


def two_clusters():
    """Return a small table, so that a quick run has one."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 3)) + 3 * rng.integers(2, size=(60, 1))


def sliced_wasserstein(X, Y, rng, n_directions=200):
    """Mean Wasserstein-1 distance of the two samples along random directions."""
    directions = rng.standard_normal((n_directions, X.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return float(np.mean([wasserstein_distance(X @ u, Y @ u) for u in directions]))


def distances(draws, problem):
    """Return how far the draws, as many as there are training rows, are from real rows."""
    train, test, rng = problem.train, problem.test, np.random.default_rng(problem.seed)
    n_few = min(len(draws), len(test))
    few_draws, few_rows = (rng.permutation(rows)[:n_few] for rows in (draws, test))  # a mixture draws in order
    return {
        "auc_train": None if draws is train else classifier_two_sample_auc(train, draws, random_state=problem.seed),
        "auc_test": classifier_two_sample_auc(few_rows, few_draws, random_state=problem.seed),
        "sliced_wasserstein": sliced_wasserstein(draws, test, rng),
        "energy_distance": energy_distance(draws, test),
    }


def record(problem, method, **found):
    """Return the findings under the three words that name them."""
    return {"problem": problem.name, "kind": problem.kind, "split": problem.seed, "method": method, **found}


def measured(problem, method, samples):
    """Fit one method to one problem and return the record of what it reached."""
    fitted, seconds = timed(lambda: METHODS[method](problem.train, problem.seed))
    log_likelihood, score_seconds = timed(lambda: fitted.score_samples(problem.test))
    found = {
        "nats": float(np.mean(log_likelihood)),
        "fit_cpu_seconds": fitted.fit_seconds,
        "search_cpu_seconds": seconds - fitted.fit_seconds,
        "score_cpu_seconds": score_seconds,
        "score_cpu_seconds_of_1000": 1000 * score_seconds / len(problem.test),
        "chosen": fitted.chosen,
    }
    if problem.log_density is not None:
        gap = problem.log_density - log_likelihood
        found |= {"kl": float(gap.mean()), "kl_standard_error": float(gap.std(ddof=1) / np.sqrt(len(gap)))}
    if problem.score is not None and fitted.score is not None:
        error = fitted.score(problem.test[: len(problem.score)]) - problem.score
        found["score_error"] = float((error**2).sum() / (problem.score**2).sum())
    if samples:
        draws, found["sample_cpu_seconds"] = timed(lambda: fitted.sample(len(problem.train), problem.seed))
        found |= distances(draws, problem)
    return record(problem, method, **found)


def kept_records(path):
    """Return the records of earlier runs, by what they are records of."""
    if path is None or not path.exists():
        return {}
    records = json.loads(path.read_text("utf-8"))["results"]["records"]
    return {(one["problem"], one["split"], one["method"]): one for one in records}


def mean_and_error(values, digits):
    """Return "mean ± standard error"."""
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.{digits}f}"


def print_quantity(title, name, records, digits=2):
    """Print one quantity: a row for each problem, a column for each method, the mean over the splits in the cell."""
    cells = defaultdict(list)
    for one in records:
        if one.get(name) is not None:
            cells[one["problem"], one["method"]].append(one[name])
    if not cells:
        return
    problems, methods = (list(dict.fromkeys(key[k] for key in cells)) for k in (0, 1))
    print(f"\n{title}")
    shown = {key: mean_and_error(values, digits) for key, values in cells.items()}
    print_table(["", *methods], [[p, *(shown.get((p, m), "–") for m in methods)] for p in problems])


def print_records(records):
    """Print every quantity that was measured."""
    tables, toys = ([one for one in records if one["kind"] == kind] for kind in ("table", "toy"))
    print_quantity("held-out log-likelihood, nats per row (standardised columns)", "nats", tables)
    print_quantity("KL(p || q), nats", "kl", toys, digits=3)
    print_quantity("squared error of the score, in units of its mean square", "score_error", toys, digits=3)
    print_quantity("CPU seconds of the fit, without the search", "fit_cpu_seconds", records)
    print_quantity("CPU seconds of 1000 log-densities", "score_cpu_seconds_of_1000", records)
    print_quantity("AUC, draws against training rows", "auc_train", records, digits=3)
    print_quantity("AUC, draws against held-out rows", "auc_test", records, digits=3)
    print_quantity("sliced Wasserstein-1 to held-out rows", "sliced_wasserstein", records, digits=3)
    print_quantity("energy distance to held-out rows", "energy_distance", records, digits=4)


def versions():
    """Return the versions of the optional packages that are here."""
    found = {}
    for name in ("torch", "zuko"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def arguments_of(argv):
    """Return the arguments, what was not given filled in."""
    parser = command_line("density", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", help=".npz files with an array X")
    parser.add_argument("--rows", type=int, metavar="N", nargs="+", help="only so many training rows of each table")
    parser.add_argument("--toys", choices=DISTRIBUTIONS, nargs="*", help="of skscore.datasets; the bare option: none")
    parser.add_argument("--splits", type=int, nargs="+", help="seeds of the splits of tables, and of the draws of toys")
    parser.add_argument("--methods", choices=METHODS, nargs="+")
    parser.add_argument("--samples", action="store_true", help="judge draws of each method too")
    arguments = parser.parse_args(argv)
    plan = QUICK if arguments.quick else FULL
    for name in ("toys", "splits", "methods"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, plan[name])
    arguments.toy_rows = plan["toy_rows"]
    arguments.path = arguments.output or (None if arguments.quick else arguments.kept)
    return arguments


def problems_of(arguments):
    """Yield all problems that were asked for, and say so where no table was."""
    tables = read_tables(arguments.tables or ())
    if arguments.quick:
        tables = [("two clusters", two_clusters())]
    elif not arguments.tables:
        print("no tables (--tables FILE ...): only toys are run")
    yield from table_problems(tables, arguments.splits, arguments.rows)
    yield from toy_problems(arguments.toys, arguments.splits, arguments.toy_rows)


def fresh_records(problem, methods, samples):
    """Yield the record of each method on one problem, those of the real rows first."""
    if samples:
        yield record(problem, "real rows", **distances(problem.train, problem))
    for method in methods:
        yield measured(problem, method, samples)


def main(argv=None):
    """Run the methods that are here on all problems; write after each fit, so that an interrupted run loses one."""
    arguments, facts = arguments_of(argv), machine()
    methods = those_here(arguments.methods, absence)
    records, fresh = kept_records(arguments.path), []
    with threadpool_limits(1):
        for problem in problems_of(arguments):
            for one in fresh_records(problem, methods, arguments.samples):
                fresh.append(one)
                records[problem.name, problem.seed, one["method"]] = one
                write(arguments, facts, {"versions": versions(), "records": list(records.values())})
                print(problem.name, problem.seed, one["method"], one.get("nats", "–"), flush=True)
    print_records(fresh)


if __name__ == "__main__":
    main()
