"""Does one training choose its smallest noise level as well as a training for each candidate does?

``DenoisingScoreEstimator(sigma_min="auto")`` on laws of known density, beside fits at every candidate: its regret is
the Kullback-Leibler divergence of its density less that of the best of those fits, means over the same fresh rows, and
its cost the CPU seconds in units of their mean. ``DenoisingScoreEstimatorCV`` on some of the tables, beside
`GridSearchCV` over the same candidates and folds: the largest difference of their means, of all candidates and of those
within 0.2 nat of the best, and CPU seconds of a fold in units of a fit and score of the search.

Networks are smaller than the default, and those of the search trained for longer, as trainings from different levels
agree the better the nearer they are to their end. As by default, few rows validate in folds, and many hold out a tenth.
"""  # noqa: D400 - a question

from __future__ import annotations

from itertools import product
from time import process_time

import numpy as np
from bench_noise_levels import DISTRIBUTIONS
from report import command_line, machine, print_table, write
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from threadpoolctl import threadpool_limits

from skscore import DenoisingScoreEstimator, DenoisingScoreEstimatorCV
from skscore.neural import ScoreNetwork

FULL = {
    "laws": ("moons", "ring of eight", "8-d mixture"),
    "validation_folds": {300: 3, 3000: 1},  # for each number of rows
    "sigma_mins": (0.005, 0.01, 0.02, 0.08, 0.32),
    "searched": (("moons", 3000), ("8-d mixture", 3000)),
    "splits": {"n_splits": 2, "test_size": 1000},
    "fresh_rows": 2000,
    "hidden_layer_sizes": (128, 128),
    "max_iter": {"regret": 400, "search": 1000},
}
QUICK = FULL | {
    "laws": ("moons",),
    "validation_folds": {60: 1},
    "sigma_mins": (0.1, 0.32),
    "searched": (("moons", 60),),
    "splits": {"n_splits": 2, "test_size": 20},
    "fresh_rows": 20,
    "hidden_layer_sizes": (8,),
    "max_iter": {"regret": 20, "search": 20},
}
NEAR = 0.2  # nats from the best candidate
SEEDS = {"rows": 10, "fresh rows": 11, "network": 0}


def seconds_of(fit):
    """Return what `fit()` returns, and its CPU seconds."""
    begun = process_time()
    return fit(), process_time() - begun


def network(n_rows, plan, purpose):
    """Return the network of a table of so many rows."""
    n_folds, max_iter = plan["validation_folds"][n_rows], plan["max_iter"][purpose]
    return ScoreNetwork(hidden_layer_sizes=plan["hidden_layer_sizes"], max_iter=max_iter, n_folds=n_folds, device="cpu")


def regret(law, n_rows, plan):
    """Return what the automatic level loses to the best of all candidates, and what its choice costs."""
    truth, fits = DISTRIBUTIONS[law], {}
    X, fresh = truth.sample(n_rows, SEEDS["rows"]), truth.sample(plan["fresh_rows"], SEEDS["fresh rows"])
    for sigma in (*plan["sigma_mins"], "auto"):
        density = DenoisingScoreEstimator(
            network(n_rows, plan, "regret"), sigma_min=sigma, random_state=SEEDS["network"]
        )
        fits[sigma] = seconds_of(lambda density=density: density.fit(X))
    exact = truth.score_samples(fresh).mean()
    divergence = {sigma: float(exact - density.score(fresh)) for sigma, (density, _) in fits.items()}
    (auto, auto_seconds), auto_divergence = fits.pop("auto"), divergence.pop("auto")
    seconds = [seconds for _, seconds in fits.values()]
    return {
        "law": law,
        "rows": n_rows,
        "divergence": list(divergence.values()),
        "chosen": float(auto.sigma_min_),
        "chosen_divergence": auto_divergence,
        "regret": auto_divergence - min(divergence.values()),
        "seconds": seconds,
        "cost": auto_seconds / float(np.mean(seconds)),
    }


def folds(law, n_rows, plan):
    """Return the mean scores of folds by a training for each, and by a training for each candidate, and their cost."""
    X = DISTRIBUTIONS[law].sample(n_rows, SEEDS["rows"])
    own, split = network(n_rows, plan, "search"), ShuffleSplit(**plan["splits"], random_state=1)
    one = DenoisingScoreEstimator(own, random_state=SEEDS["network"])
    search = GridSearchCV(one, {"sigma_min": plan["sigma_mins"]}, cv=split, refit=False)
    path = DenoisingScoreEstimatorCV(own, sigma_mins=plan["sigma_mins"], cv=split, random_state=SEEDS["network"])
    _, searched = seconds_of(lambda: search.fit(X))
    _, along = seconds_of(lambda: path.fit(X))
    _, last = seconds_of(lambda: one.set_params(sigma_min=path.sigma_min_).fit(X))
    scores, expected = path.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    fit = searched / len(plan["sigma_mins"])  # and score, of all folds
    difference, is_near = np.abs(scores - expected), expected > expected.max() - NEAR
    return {
        "law": law,
        "rows": n_rows,
        "path": scores.tolist(),
        "search": expected.tolist(),
        "chosen": [path.sigma_min_, search.best_params_["sigma_min"]],
        "difference": float(difference.max()),
        "difference_near_the_best": float(difference[is_near].max()),
        "seconds": {"search": searched, "path": along - last},
        "cost": (along - last) / fit,
    }


def main(argv=None):
    """Compare both on every law at every size."""
    arguments = command_line("noise_path", __doc__).parse_args(argv)
    plan, facts = QUICK if arguments.quick else FULL, machine()
    regrets, searches = [], []
    with threadpool_limits(1):
        for law, n_rows in product(plan["laws"], plan["validation_folds"]):
            regrets.append(regret(law, n_rows, plan))
            print(law, n_rows, "divergences", np.round(regrets[-1]["divergence"], 3), flush=True)
        searches = [folds(*table, plan) for table in plan["searched"]]
    print_table(
        ["law", "rows", "auto", "regret, nats", "fits"],
        [[r["law"], r["rows"], f"{r['chosen']:g}", f"{r['regret']:.4f}", f"{r['cost']:.2f}"] for r in regrets],
    )
    print_table(
        ["law", "rows", "chosen", "by search", "largest difference, nats", "near the best", "fits a fold"],
        [
            [s["law"], s["rows"], *s["chosen"]]
            + [f"{s[name]:.4f}" for name in ("difference", "difference_near_the_best")]
            + [f"{s['cost']:.2f}"]
            for s in searches
        ],
    )
    write(arguments, facts, {"plan": plan, "regrets": regrets, "searches": searches})


if __name__ == "__main__":
    main()
