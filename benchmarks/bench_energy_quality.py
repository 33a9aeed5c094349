"""How far is a neural energy from the truth, by implicit, sliced and denoising score matching?

Defaults, 3000 rows, on a banana, a funnel, rings and four separated modes of unequal weights: the divergence
KL(p, p̂) in nats and the relative Fisher divergence E‖ŝ − s‖² / E‖s‖², both on 10,000 fresh rows, for several seeds of
rows. Denoising blurs the rows by the noise level beside it; no objective with derivatives knows the weights of
modes that no row connects. The funnel's slopes are heavy-tailed: its Fisher divergence is that of the rows drawn, not
of the law, whose expectation lies in rows too rare to be among 3000.
"""  # noqa: D400 - a question

from __future__ import annotations

import warnings

import numpy as np
from paired import seconds_of, summary
from report import command_line, machine, print_table, write
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skscore import ScoreMatchingDensity
from skscore.datasets import Banana, Funnel, GaussianMixtureDistribution, Rings
from skscore.neural import NeuralEnergy

WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])
MEANS = 5.0 * np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
DISTRIBUTIONS = {
    "banana": Banana(),
    "funnel": Funnel(),
    "rings": Rings(),
    "four modes": GaussianMixtureDistribution(WEIGHTS, MEANS, np.tile(np.eye(2), (4, 1, 1))),
}
OBJECTIVES = ("implicit", "sliced", "denoising")
NOISE = 0.1
FULL = {"rows": 3000, "test_rows": 10_000, "seeds": 5, "model": {}}
QUICK = {"rows": 60, "test_rows": 50, "seeds": 1, "model": {"hidden_layer_sizes": (4,), "max_iter": 20}}


def distances(law, objective, seed, case):
    """Return KL, relative Fisher divergence and seconds of one fit."""
    X, X_test = law.sample(case["rows"], seed), law.sample(case["test_rows"], 1000 + seed)
    model = NeuralEnergy(device="cpu", random_state=seed, **case["model"])
    density = ScoreMatchingDensity(model, objective=objective, noise_level=NOISE, random_state=0)
    seconds = seconds_of(lambda: density.fit(X))
    slope = law.grad_log_density(X_test)
    fisher = np.square(density.grad_log_density(X_test) - slope).sum() / np.square(slope).sum()
    return law.score_samples(X_test).mean() - density.score(X_test), fisher, seconds


def measured(name, objective, case):
    """Return what the seeds give for one law and objective."""
    columns = zip(
        *(distances(DISTRIBUTIONS[name], objective, seed, case) for seed in range(case["seeds"])), strict=True
    )
    kl, fisher, seconds = (summary([float(value) for value in column]) for column in columns)
    return {"law": name, "objective": objective, "kl": kl, "relative_fisher": fisher, "seconds": seconds}


def main(argv=None):
    """Run the benchmark."""
    arguments = command_line("energy_quality", __doc__).parse_args(argv)
    case, facts = QUICK if arguments.quick else FULL, machine()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = [measured(name, objective, case) for name in DISTRIBUTIONS for objective in OBJECTIVES]
    lines = []
    for found in results:
        ranges = (
            f"{found[key]['median']:.3f} ({found[key]['min']:.3f}..{found[key]['max']:.3f})"
            for key in ("kl", "relative_fisher")
        )
        lines.append([f"{found['law']}, {found['objective']}", *ranges, f"{found['seconds']['median']:.1f}"])
    print_table(["law, objective", "KL, nats", "relative Fisher divergence", "seconds"], lines)
    write(arguments, facts, {"noise_level": NOISE, "cases": results})


if __name__ == "__main__":
    main()
