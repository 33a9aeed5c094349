"""A user's script over every public estimator: type checkers must accept it as it is (tests/test_typing.py)."""

from pathlib import Path

import numpy as np

from skscore import (
    BijectiveTransformer,
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    DensityOutlierDetector,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TabularDensity,
    TransformedDensity,
    fit_blocks,
    load,
    save,
)
from skscore.datasets import DISTRIBUTIONS, GaussianMixtureDistribution, Moons
from skscore.domains import Box, Capped, Orthant, Power
from skscore.estimators.statistics import Plan, ScoreStatistics
from skscore.inspection import box_probability, highest_density_level, marginal_log_density, modes, quantiles
from skscore.metrics import (
    energy_distance,
    hyvarinen_score,
    kernel_stein_test,
    log_likelihood_scorer,
    synthetic_report,
)
from skscore.models import (
    ExponentialFamily,
    Gaussian,
    GaussianBase,
    Kernel,
    PairwiseInteraction,
    Polynomial,
    TruncatedGaussian,
)
from skscore.neural import NeuralEnergy, ScoreNetwork
from skscore.plotting import (
    ContributionsDisplay,
    DensityDisplay,
    GraphDisplay,
    NoiseLevelDisplay,
    PairDisplay,
    PathDisplay,
    ScoreFieldDisplay,
    SyntheticReportDisplay,
    TrainingDisplay,
)
from skscore.samplers import MALA, Target, run_chains


def main() -> float:
    """Fit every estimator, and use what they share."""
    X: np.ndarray = Moons(noise=0.1).sample(200, random_state=0)
    gaussian = ScoreMatchingDensity("gaussian", alpha=0.1).fit(X, sample_weight=np.ones(200))
    polynomial = ScoreMatchingDensity(Polynomial(degree=4), alpha="auto", random_state=0).partial_fit(X)
    plan: Plan = polynomial.plan(X[:100])
    old: ScoreStatistics = polynomial.compute_statistics(X[:100], np.ones(100), plan=plan).forget(0.5)
    polynomial.fit_statistics(old + polynomial.compute_statistics(X[100:], plan=plan))
    kernel = ScoreMatchingDensity(Kernel(n_landmarks=20, bandwidth=1.0, base_scale=1.0), alpha=0.01).fit(X)
    shares = ScoreMatchingDensity(TruncatedGaussian(Box(-5.0, 5.0), weight=Capped(Power(), cap=1.0))).fit(X)
    graph = ScoreMatchingDensityCV("pairwise", selection="ebic", n_alphas=10).fit(X)
    streamed = fit_blocks(ScoreMatchingDensity(), [X[:100], lambda: (X[100:], np.ones(100))], n_jobs=1)
    noisy = DenoisingScoreEstimator("gaussian", sigma_min=0.1, dequantize=False, random_state=0).fit(X)
    path = DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.1, 0.3], cv=2, dequantize=False).fit(X)
    arcsinh = BijectiveTransformer(np.arcsinh, np.sinh, [lambda x: 1 / np.sqrt(1 + x**2)])
    scaled = TransformedDensity(ScoreMatchingDensity(), arcsinh).fit(X)
    table = TabularDensity("gaussian", "tree", column_types={"x0": "real"}, random_state=0).fit(
        X, sample_weight=np.ones(200)
    )
    rest: np.ndarray = table.conditional_score_samples(X, given=["x0"]) + table.marginal_score_samples(X, ["x0"])
    verdicts: np.ndarray = (
        DensityOutlierDetector(gaussian, contamination=0.1).fit(X, sample_weight=np.ones(200)).predict(X)
    )
    sources: np.ndarray = ScoreMatchingICA(2, random_state=np.random.RandomState(0)).fit(X).transform(X)
    conditional = ConditionalScoreDensity(20, bandwidth="median", input_bandwidth=1.0, alpha=0.1).fit(X[:, :1], X[:, 1])

    log_density: np.ndarray = gaussian.score_samples(X) - polynomial.score_samples(X.tolist())
    nats: float = (
        table.score(X)
        + rest.mean()
        + verdicts.mean()
        + kernel.score(X)
        + shares.score(X, sample_weight=np.ones(200))
        + graph.score(X)
        + streamed.score(X)
        + scaled.score(X)
    )
    denoised: np.ndarray = noisy.denoise(X, sigma=0.2)
    scores: np.ndarray = noisy.grad_log_density(X, sigma=0.2) + gaussian.hyvarinen_score(X, standardize=True)[:, None]
    draws: np.ndarray = (path if path.best_score_ > noisy.score(X) else noisy).sample(200, random_state=1)
    expected: np.ndarray = conditional.predict(X[:, :1])
    distance: float = energy_distance(draws, X) + log_likelihood_scorer(gaussian, X)
    loss: float = hyvarinen_score(gaussian.grad_log_density, X, divergence=lambda X: np.full(len(X), -2.0))

    level: float = (
        highest_density_level(polynomial, 0.9, n_draws=100).value + box_probability(gaussian, {0: (0, 1)}).value
    )
    middle: np.ndarray = (
        quantiles(gaussian, [0.5], columns=[0]).value + marginal_log_density(gaussian, X[:, :1], [0]).value
    )
    distance += level + kernel_stein_test(gaussian, X, bandwidth=1.0, n_bootstrap=9, random_state=0).p_value

    report = synthetic_report(X[:100], draws, holdout=X[100:], density=gaussian)
    distance += report.quantities[0].value

    mixture = GaussianMixtureDistribution([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], np.tile(np.eye(2), (2, 1, 1)))
    target = Target(mixture.score_samples, mixture.grad_log_density)
    chains = run_chains(MALA(0.5), target, X, n_warmup=10, n_draws=10, rng=np.random.default_rng(0))
    rings: np.ndarray = DISTRIBUTIONS["rings"].score_samples([[1.0, 0.0]])
    arrays = [log_density, denoised, middle, modes(gaussian).points, scores, expected, sources, rings, chains.draws]
    return nats + distance + loss + sum(float(array.mean()) for array in arrays)


def other_models() -> list[ScoreMatchingDensity]:
    """Densities of the models that `main` leaves out."""
    quadratic = ExponentialFamily(
        statistics=lambda X: -0.5 * X**2,
        jacobian=lambda X: -X[:, :, None] * np.eye(X.shape[1]),
        laplacian=lambda X: np.full(X.shape, -1.0),
        base=GaussianBase(loc=[0.0, 1.0], scale=2.0),
    )
    pairs = PairwiseInteraction(a=0.5, b=0.5, domain=Orthant(), weight="tanh", diagonal_multiplier="auto")
    return [ScoreMatchingDensity(model, alpha=0.1) for model in (Gaussian("diag"), quadratic, pairs)]


def train_networks(X: np.ndarray) -> float:
    """Fit what needs torch, which `main` does not."""
    network = ScoreNetwork(hidden_layer_sizes=(16, 16), learning_rate="auto", max_iter=10, checkpoint=Path("fit.pt"))
    noisy = DenoisingScoreEstimator(network, noise_levels=[1.0, 0.1], random_state=0).fit(X)
    short = DenoisingScoreEstimator(ScoreNetwork(max_iter=10)).fit(X).set_params(model__dropout=0.1)
    energy = ScoreMatchingDensity(NeuralEnergy((16, 16), max_iter=10, callback=stop_early), objective="sliced").fit(X)
    gradients: np.ndarray = noisy.grad_log_density(X, sigma=0.5) - energy.grad_log_density(X)
    return noisy.score(X) + short.partial_fit(X).score(X) + float(gradients.mean())


def keep(density: TabularDensity, X: np.ndarray, path: Path) -> float:
    """Save a density and ask the file."""
    save(density, path)
    return float(load(path).score(X))


def stop_early(step: int, objective: float, validation: float) -> bool:
    """Whether rows held out say that an energy has gone astray."""
    return step > 100 and validation > 2 * objective


def draw_figures(density: ScoreMatchingDensity, graph: ScoreMatchingDensityCV, noisy: DenoisingScoreEstimator) -> None:
    """Draw a density and its score, a graph and its path, and noise levels."""
    X: np.ndarray = Moons().sample(50)
    GraphDisplay.from_estimator(graph, layout="circle").plot(threshold=0.1)
    PathDisplay.from_estimator(graph, feature_names=["a", "b"]).plot()
    SyntheticReportDisplay(synthetic_report(X, Moons().sample(50))).plot()
    NoiseLevelDisplay.from_estimator(noisy, X, n_levels=9).plot()
    DensityDisplay.from_estimator(density, X, kind="marginal", regions=(0.5, 0.9)).plot(log=True, colorbar=False)
    ScoreFieldDisplay.from_estimator(density, X, features=(0, 1), limits=((0, 8), (0, 5))).plot(show_rows=True)


def draw_rows_and_training(table: TabularDensity, noisy: DenoisingScoreEstimator) -> None:
    """Draw rows against those drawn, what a row is made of, and how a network was trained."""
    X: np.ndarray = Moons().sample(50)
    PairDisplay.from_estimator(table, X, n_draws=20).plot(features=[1, "x0"])
    ContributionsDisplay.from_estimator(table, X[:1], reference=X).plot(max_columns=1)
    TrainingDisplay.from_estimator(noisy).plot()


if __name__ == "__main__":
    print(f"{main():.1f}")
