"""Which held-out number chooses a smallest noise level without regret?

One grid over `sigma_min` on laws of known density, scored by five numbers at once on the held-out rows of each fold:

* the mean log-density;
* its lower bound by denoising errors, `criterion="elbo"`;
* the denoising loss at the candidate's own levels, a mean over a geometric ladder: ½‖s + z/σ‖² as it stands, with
  weight σ², and with the unit weight of the preconditioned network ("edm").

The regret of a number is the Kullback-Leibler divergence of the candidate that it picks, fitted to all rows, less that
of the best candidate of the grid. Divergences are means over the same rows, which no fit has seen.

Networks are smaller than the default and trained for fewer steps, so that the 96 fits end within a quarter of an hour.
"""  # noqa: D400 - a question

from __future__ import annotations

from copy import copy
from itertools import product

import numpy as np
from report import command_line, machine, print_table, write
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator
from skscore.datasets import GaussianMixtureDistribution, Moons
from skscore.formulas.schedules import geometric_ladder
from skscore.neural import ScoreNetwork

FULL = {
    "laws": ("moons", "ring of eight", "8-d mixture"),
    "rows": (300, 3000),
    "sigma_min": (0.01, 0.03, 0.1, 0.3),
    "folds": 3,
    "held_out_rows": 1000,
    "network": {"hidden_layer_sizes": (128, 128), "max_iter": 1200, "n_folds": 1},
}
QUICK = FULL | {
    "laws": ("moons",),
    "rows": (60,),
    "sigma_min": (0.1, 0.5),
    "folds": 2,
    "held_out_rows": 20,
    "network": {"hidden_layer_sizes": (8,), "max_iter": 20, "n_folds": 1},
}
LOSS_LEVELS = 17
WEIGHTS = {
    "loss": lambda sigma: 1.0,
    "σ² loss": lambda sigma: sigma**2,
    "edm loss": lambda sigma: sigma**2 * (1 + sigma**2),
}
CRITERIA = ("log-likelihood", "bound", *WEIGHTS)


def ring_of_eight():
    """Eight round Gaussians on a circle, all columns of unit variance."""
    angle = np.arange(8) * np.pi / 4
    means = np.sqrt(2) * np.column_stack([np.cos(angle), np.sin(angle)])
    return GaussianMixtureDistribution(np.full(8, 1 / 8), means, np.tile(0.03 * np.eye(2), (8, 1, 1)))


def mixture_in_eight_dimensions():
    """Five oblong Gaussians of unequal weight."""
    rng = np.random.default_rng(0)
    weights, factors = rng.dirichlet(np.full(5, 3.0)), 0.3 * rng.standard_normal((5, 8, 8)) / np.sqrt(8)
    return GaussianMixtureDistribution(weights, rng.standard_normal((5, 8)), factors @ factors.mT + 0.01 * np.eye(8))


DISTRIBUTIONS = {"moons": Moons(), "ring of eight": ring_of_eight(), "8-d mixture": mixture_in_eight_dimensions()}


def denoising_losses(density, X):
    """Return the weighted losses w(σ) ½‖s + z/σ‖² by name, each a mean over the rows X and over noise levels."""
    scale, rng = density._preprocessing.moments.scale, np.random.default_rng(0)
    losses = dict.fromkeys(WEIGHTS, 0.0)
    for sigma in geometric_ladder(density.noise_levels_[-1], density.noise_levels_[0], LOSS_LEVELS):
        z = rng.standard_normal(X.shape)
        score = scale * density.grad_log_density(X + sigma * scale * z, sigma=sigma)
        loss = 0.5 * ((score + z / sigma) ** 2).sum(axis=1).mean() / LOSS_LEVELS
        losses = {name: losses[name] + weight(sigma) * loss for name, weight in WEIGHTS.items()}
    return losses


def criteria(density, X, y=None):
    """Return all five numbers of a fitted density on the rows X; larger is better."""
    bound = copy(density).set_params(criterion="elbo").score(X)
    losses = {name: -loss for name, loss in denoising_losses(density, X).items()}
    return {"log-likelihood": density.score(X), "bound": bound, **losses}


def search(law, n_rows, plan):
    """Return the divergence of every candidate, and what each criterion says of them and picks."""
    X, fresh = (
        DISTRIBUTIONS[law].sample(n_rows, random_state=0),
        DISTRIBUTIONS[law].sample(plan["held_out_rows"], random_state=1),
    )
    density = DenoisingScoreEstimator(ScoreNetwork(device="cpu", **plan["network"]), random_state=0)
    folds = KFold(plan["folds"], shuffle=True, random_state=0)
    grid = GridSearchCV(density, {"sigma_min": plan["sigma_min"]}, scoring=criteria, refit=False, cv=folds).fit(X)
    exact = DISTRIBUTIONS[law].score_samples(fresh).mean()
    fits = [clone(density).set_params(sigma_min=sigma).fit(X) for sigma in plan["sigma_min"]]
    divergence = np.array([exact - fit.score(fresh) for fit in fits])
    values = {name: grid.cv_results_[f"mean_test_{name}"] for name in CRITERIA}
    picks = {name: int(np.argmax(value)) for name, value in values.items()}
    return {
        "law": law,
        "rows": n_rows,
        "divergence": divergence.tolist(),
        "criteria": {name: value.tolist() for name, value in values.items()},
        "picked": {name: plan["sigma_min"][k] for name, k in picks.items()},
        "regret": {name: float(divergence[k] - divergence.min()) for name, k in picks.items()},
    }


def main(argv=None):
    """Search on every law at every size."""
    arguments = command_line("noise_levels", __doc__).parse_args(argv)
    plan, facts, searches = QUICK if arguments.quick else FULL, machine(), []
    with threadpool_limits(1):
        for law, n_rows in product(plan["laws"], plan["rows"]):
            searches.append(search(law, n_rows, plan))
            print(law, n_rows, "divergences", np.round(searches[-1]["divergence"], 3), flush=True)
    print("picked sigma_min, and its regret in nats")
    print_table(
        ["law", "rows", *CRITERIA],
        [
            [s["law"], s["rows"]] + [f"{s['picked'][name]:g}: {s['regret'][name]:.3f}" for name in CRITERIA]
            for s in searches
        ],
    )
    write(arguments, facts, {"plan": plan, "searches": searches})


if __name__ == "__main__":
    main()
