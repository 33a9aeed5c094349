"""Does the kernel Stein test reject the truth in 5 % of runs, and alternatives in most?

`kernel_stein_test` at level 5 %, with its defaults but for the replicates, on rows of a Gaussian and of a mixture of
two Gaussians, 2 columns each: how often it rejects the law itself (5 ± 2 % wanted over 400 runs) and laws that differ
from it (80 % wanted). Alternatives that are harder to see are listed without a
limit, among them the weights of separate modes, in which a score has no part.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from report import command_line, machine, print_table, write

from skscore.datasets import GaussianMixtureDistribution
from skscore.metrics import kernel_stein_test

SIZE, POWER, LEVEL = (0.03, 0.07), 0.8, 0.05


def mixture(weight=0.4, shift=0.0, variance=0.5, apart=1.5):
    """Return the law of two components."""
    means = np.array([[-apart, 0.0], [apart, 0.5]]) + shift
    return GaussianMixtureDistribution([weight, 1 - weight], means, np.tile(variance * np.eye(2), (2, 1, 1)))


def normal(shift=0.0, variance=1.0, correlation=0.0):
    """Return the law of one component."""
    covariance = variance * np.array([[1.0, correlation], [correlation, 1.0]])
    return GaussianMixtureDistribution([1.0], np.full((1, 2), shift), covariance[None])


def student(n, random_state):
    """Draw rows of independent columns with 4 degrees of freedom and variance 1."""
    return np.random.default_rng(random_state).standard_t(4, (n, 2)) / np.sqrt(2)


of_its_moments = GaussianMixtureDistribution([1.0], [[0.3, 0.3]], [[[2.66, 0.36], [0.36, 0.56]]])


class Case(NamedTuple):
    """A density, and the law of the rows that it is tested on."""

    density: GaussianMixtureDistribution
    draw: Callable
    n: int
    wanted: str


def of(law):
    """Return the sampler of a law."""
    return lambda n, random_state: law.sample(n, random_state=random_state)


CASES = {
    "Gaussian, the truth": Case(normal(), of(normal()), 100, "size"),
    "mixture, the truth": Case(mixture(), of(mixture()), 100, "size"),
    "Gaussian, mean moved by 0.3": Case(normal(), of(normal(0.3)), 200, "power"),
    "Gaussian, variance times 2": Case(normal(), of(normal(variance=2.0)), 200, "power"),
    "Gaussian, correlation 0.5": Case(normal(), of(normal(correlation=0.5)), 200, "power"),
    "Gaussian, rows of the mixture": Case(normal(), of(mixture()), 200, "power"),
    "mixture, means moved by 0.4": Case(mixture(), of(mixture(shift=0.4)), 200, "power"),
    "mixture, rows of one Gaussian of its mean and covariance": Case(mixture(), of(of_its_moments), 200, ""),
    "mixture, rows of one of its components": Case(mixture(), of(mixture(weight=0.0)), 200, ""),
    "Gaussian, variance times 1.5": Case(normal(), of(normal(variance=1.5)), 200, ""),
    "mixture, variances times 1.5": Case(mixture(), of(mixture(variance=0.75)), 200, ""),
    "Gaussian, Student 4 of variance 1": Case(normal(), student, 200, ""),
    "mixture of modes 10 sd apart, weight 0.4 in place of 0.8": Case(
        mixture(apart=3.5), of(mixture(weight=0.8, apart=3.5)), 200, ""
    ),
}


def rejected(case, runs, n_bootstrap):
    """Return the share of runs in which the test rejects, and the mean CPU seconds of a test."""
    start, n_rejected = time.process_time(), 0
    for k in range(runs):
        X = case.draw(case.n, 10_000 + k)
        n_rejected += kernel_stein_test(case.density, X, n_bootstrap=n_bootstrap, random_state=k).p_value <= LEVEL
    return n_rejected / runs, (time.process_time() - start) / runs


def kept(case, share):
    """Whether the share is as wanted; None if nothing is."""
    return {"size": SIZE[0] <= share <= SIZE[1], "power": share >= POWER}.get(case.wanted)


def main(argv=None):
    """Count rejections of all cases."""
    arguments = command_line("stein_test", __doc__).parse_args(argv)
    facts = machine()
    runs, n_bootstrap = (4, 50) if arguments.quick else (400, 400)
    results = {"runs": runs, "n_bootstrap": n_bootstrap, "level": LEVEL, "cases": {}}
    for name, case in CASES.items():
        share, seconds = rejected(case, runs, n_bootstrap)
        results["cases"][name] = {
            "n": case.n,
            "wanted": case.wanted,
            "rejected": share,
            "seconds": seconds,
            "kept": kept(case, share),
        }
    print_table(
        ["density and rows", "n", "wanted", "rejected", "CPU s"],
        [
            [name, c["n"], c["wanted"], f"{c['rejected']:.1%}", f"{c['seconds']:.4f}"]
            for name, c in results["cases"].items()
        ],
    )
    write(arguments, facts, results)


if __name__ == "__main__":
    main()
