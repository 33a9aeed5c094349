"""The main job on real data: ``python -m skscore.demo``.

On two tables that ship with scikit-learn it tunes score-matching densities, `KernelDensity` and `GaussianMixture` in
the same way, on the same folds, and compares their log-likelihood on rows that none has seen; ranks tumours by how
unusual they are; chooses the noise levels of a score network by a grid search, and by one training a fold; draws new
rows; and writes a figure.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from .estimators.denoising import DenoisingScoreEstimator
from .estimators.denoising_cv import DenoisingScoreEstimatorCV
from .estimators.score_matching import ScoreMatchingDensity
from .estimators.transformed import TransformedDensity
from .metrics import energy_distance, log_likelihood_scorer
from .models import Gaussian, Polynomial
from .neural import ScoreNetwork
from .plotting import DensityDisplay, ScoreFieldDisplay

# Density on standardised columns, and the grid that tunes it; prefixes are those of a Pipeline step named "density".
CANDIDATES = {
    "KernelDensity": (KernelDensity(), {"bandwidth": np.geomspace(0.1, 2.0, 12)}),
    "GaussianMixture": (
        GaussianMixture(reg_covar=1e-3, random_state=0),
        {"n_components": [1, 2, 3, 4, 6], "covariance_type": ["full", "diag"]},
    ),
    "score matching: Gaussian": (
        ScoreMatchingDensity(Gaussian()),
        {"model__covariance_type": ["full", "diag"], "alpha": [0.0, 0.01, 0.03, 0.1]},
    ),
    "score matching: power-transformed": (
        TransformedDensity(ScoreMatchingDensity(Gaussian()), PowerTransformer()),
        {"density__alpha": [0.0, 0.01, 0.03, 0.1]},
    ),
}
NOISE_GRID: dict[str, list] = {"n_levels": [None, 10], "sigma_min": [0.01, 0.1, 0.4]}
FOLDS = KFold(5, shuffle=True, random_state=0)
NOISE_FOLDS = KFold(3)
NETWORK = ScoreNetwork(hidden_layer_sizes=(64, 64), max_iter=400, n_folds=1, device="cpu")


def breast_cancer():
    """Eight measurements of 569 tumours, without near-copies of the radius, and whether each is malignant."""
    data = load_breast_cancer()
    wanted = [
        name.startswith("mean") and not name.endswith(("area", "perimeter")) for name in data.feature_names.tolist()
    ]
    return data.data[:, wanted], data.feature_names[wanted], data.target == 0


def tuned(density, grid):
    """Search over `grid` by held-out log-likelihood, behind a scaler."""
    pipeline = make_pipeline(StandardScaler(), density)
    step = pipeline.steps[-1][0]
    grid = {f"{step}__{name}": values for name, values in grid.items()}
    return GridSearchCV(pipeline, grid, scoring=log_likelihood_scorer, cv=FOLDS)


def compare(title, X):
    """Print the held-out log-likelihood of every candidate: an outer loop of folds around each search."""
    print(f"\n{title}: {len(X)} rows, {X.shape[1]} columns; held-out log-likelihood in nats, columns standardised")
    print(f"  {'density':<36}{'mean':>8}{'s.e.':>7}{'worst row':>11}{'seconds':>9}")
    for name, (density, grid) in CANDIDATES.items():
        start = time.perf_counter()
        rows = np.concatenate([tuned(density, grid).fit(X[i]).score_samples(X[k]) for i, k in FOLDS.split(X)])
        error = rows.std() / np.sqrt(len(rows))
        print(f"  {name:<36}{rows.mean():8.3f}{error:7.3f}{rows.min():11.1f}{time.perf_counter() - start:9.1f}")


def rank_anomalies(X, malignant):
    """Fit on half of the benign tumours, rank all others by log-density; return labels and surprise of each density."""
    benign = np.flatnonzero(~malignant)
    train = benign[::2]
    test = np.setdiff1d(np.arange(len(X)), train)
    surprise = {
        name: -tuned(density, grid).fit(X[train]).score_samples(X[test]) for name, (density, grid) in CANDIDATES.items()
    }
    print(f"\nAnomalies: fitted on {len(train)} benign tumours, {len(test)} others ranked by -log p")
    for name, values in surprise.items():
        top = malignant[test][np.argsort(-values)[:50]].sum()
        print(f"  {name:<36}ROC AUC {roc_auc_score(malignant[test], values):.3f}, malignant among the top 50: {top}")
    return malignant[test], surprise


def choose_noise_levels(X):
    """Choose noise levels of a small score network by held-out log-likelihood, on the first split, in two ways."""
    if importlib.util.find_spec("torch") is None:
        print("\nNoise levels: a score network needs torch: pip install 'skscore[torch]'")
        return
    train, test = next(FOLDS.split(X))
    grid = {f"denoisingscoreestimator__{name}": values for name, values in NOISE_GRID.items()}
    density = DenoisingScoreEstimator(NETWORK, random_state=0)
    start = time.perf_counter()
    search = GridSearchCV(make_pipeline(StandardScaler(), density), grid, cv=NOISE_FOLDS).fit(X[train])
    searched = time.perf_counter()
    path = DenoisingScoreEstimatorCV(NETWORK, sigma_mins=NOISE_GRID["sigma_min"], cv=NOISE_FOLDS, random_state=0)
    path.fit(StandardScaler().fit_transform(X[train]))
    ended = time.perf_counter()
    print(f"\nNoise levels: {len(train)} rows, mean log-likelihood of three folds in nats")
    print("  sigma_min  n_levels    mean")
    for chosen, mean in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        sigma_min, n_levels = (chosen[f"denoisingscoreestimator__{name}"] for name in ("sigma_min", "n_levels"))
        mark = "  <- chosen" if chosen == search.best_params_ else ""
        print(f"  {sigma_min:9g}{n_levels or 'all':>10}{mean:8.3f}{mark}")
    print(f"  GridSearchCV: {len(search.cv_results_['params'])} trainings a fold, {searched - start:.1f} s in all")
    means = ", ".join(f"{m:.3f}" for m in path.cv_results_["mean_test_score"])
    print(f"  DenoisingScoreEstimatorCV: one a fold for all sigma_min, {ended - searched:.1f} s in all")
    print(f"    sigma_min {NOISE_GRID['sigma_min']}: {means}; chosen {path.sigma_min_:g}")
    likelihood = log_likelihood_scorer(search.best_estimator_, X[test])
    print(f"  the {len(test)} rows left out: score network {likelihood:.3f}", end="")
    for name in ("KernelDensity", "GaussianMixture"):
        print(
            f", {name} {log_likelihood_scorer(tuned(*CANDIDATES[name]).fit(X[train]).best_estimator_, X[test]):.3f}",
            end="",
        )
    print()


def draw_rows(X, names):
    """Draw as many rows as the table has from the power-transformed Gaussian and set them beside the real ones."""
    density = TransformedDensity(ScoreMatchingDensity(Gaussian()), PowerTransformer()).fit(X)
    draws = density.sample(len(X), random_state=0)
    print(f"\nSamples: {len(draws)} new rows in the units of the table; 5th, 50th and 95th percentile, real | drawn")
    for name, real, drawn in zip(names[:4], X.T, draws.T, strict=False):
        quantiles = " | ".join("  ".join(f"{q:8.3g}" for q in np.percentile(v, [5, 50, 95])) for v in (real, drawn))
        print(f"  {name:<24}{quantiles}")
    Z = StandardScaler().fit(X)
    halves = energy_distance(Z.transform(X[::2]), Z.transform(X[1::2]))
    distance = energy_distance(Z.transform(X), Z.transform(draws))
    print(f"  energy distance, columns standardised: drawn to real {distance:.4f}, half to half of real {halves:.4f}")
    return draws


def draw_figure(path, X, names, draws, labels, surprise):
    """Write the figure: real and drawn rows, anomalies, and a polynomial density with its score field."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nFigure: it needs matplotlib: pip install 'skscore[plot]'")
        return
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    real, roc, field = figure.subplots(1, 3)
    i, j = 0, 4
    real.plot(X[:, i], X[:, j], ".", color="0.55", markersize=4, label="real tumours")
    real.plot(draws[:, i], draws[:, j], ".", color="tab:orange", markersize=4, alpha=0.6, label="drawn")
    real.set(xlabel=names[i], ylabel=names[j], title="Breast cancer: real and drawn rows")
    real.legend(frameon=False)
    for name, values in surprise.items():
        roc.plot(*roc_curve(labels, values)[:2], label=name)
    roc.set(xlabel="false alarms", ylabel="malignant tumours found", title="Anomalies by log-density")
    roc.legend(frameon=False, loc="lower right")
    wine = load_wine().data[:, :2]
    labelled: dict[str, Any] = {"xlabel": "alcohol, %", "ylabel": "malic acid, g/l"}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), ScoreMatchingDensity(Polynomial())),
        {"scorematchingdensity__alpha": [0.0, 0.01, 0.1, 1.0]},
        cv=FOLDS,
    ).fit(wine)
    plain = TransformedDensity(search.best_estimator_[-1], StandardScaler()).fit(wine)
    DensityDisplay.from_estimator(plain, wine, ax=field, **labelled)
    ScoreFieldDisplay.from_estimator(plain, wine, ax=field, color="tab:red", width=0.003, **labelled)
    field.set_title("Wine: polynomial density and its score field")
    figure.savefig(path, dpi=110)
    print(f"\nFigure written to {path}")


def main(argv=None):
    """Run the demo.

    Parameters
    ----------
    argv : list of str, optional
        Command line; ``--output PATH`` names the figure.
    """
    parser = argparse.ArgumentParser(prog="python -m skscore.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="skscore_demo.png", help="where the figure goes (default: %(default)s)")
    output = parser.parse_args(argv).output
    X, names, malignant = breast_cancer()
    with threadpool_limits(1):  # hundreds of small fits: threads would only wait for each other
        compare("Breast cancer", X)
        compare("Wine", load_wine().data)
        labels, surprise = rank_anomalies(X, malignant)
        choose_noise_levels(X)
        draws = draw_rows(X, names)
        draw_figure(output, X, names, draws, labels, surprise)


if __name__ == "__main__":
    main()
