"""A user's script over every public estimator: type checkers must accept it as it is (tests/test_typing.py)."""

import numpy as np

from skscore import (
    BijectiveTransformer,
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TransformedDensity,
)
from skscore.datasets import DISTRIBUTIONS, GaussianMixtureDistribution, Moons
from skscore.domains import Box, Capped, Power
from skscore.metrics import energy_distance, hyvarinen_score, log_likelihood_scorer
from skscore.models import Kernel, Polynomial, TruncatedGaussian
from skscore.plotting import DensityDisplay, ScoreFieldDisplay
from skscore.samplers import MALA, Target, run_chains


def main() -> float:
    """Fit every estimator, and use what they share."""
    X: np.ndarray = Moons(noise=0.1).sample(200, random_state=0)
    gaussian = ScoreMatchingDensity("gaussian", alpha=0.1).fit(X, sample_weight=np.ones(200))
    polynomial = ScoreMatchingDensity(Polynomial(degree=4), alpha="auto", random_state=0).partial_fit(X)
    kernel = ScoreMatchingDensity(Kernel(n_landmarks=20, bandwidth=1.0, base_scale=1.0), alpha=0.01).fit(X)
    shares = ScoreMatchingDensity(TruncatedGaussian(Box(-5.0, 5.0), weight=Capped(Power(), cap=1.0))).fit(X)
    graph = ScoreMatchingDensityCV("pairwise", selection="ebic", n_alphas=10).fit(X)
    noisy = DenoisingScoreEstimator("gaussian", sigma_min=0.1, dequantize=False, random_state=0).fit(X)
    arcsinh = BijectiveTransformer(np.arcsinh, np.sinh, [lambda x: 1 / np.sqrt(1 + x**2)])
    scaled = TransformedDensity(ScoreMatchingDensity(), arcsinh).fit(X)
    sources: np.ndarray = ScoreMatchingICA(2, random_state=np.random.RandomState(0)).fit(X).transform(X)
    conditional = ConditionalScoreDensity(20, bandwidth="median", input_bandwidth=1.0, alpha=0.1).fit(X[:, :1], X[:, 1])

    log_density: np.ndarray = gaussian.score_samples(X) - polynomial.score_samples(X.tolist())
    nats: float = kernel.score(X) + shares.score(X, sample_weight=np.ones(200)) + graph.score(X) + scaled.score(X)
    scores: np.ndarray = noisy.grad_log_density(X, sigma=0.2) + gaussian.hyvarinen_score(X, standardize=True)[:, None]
    draws: np.ndarray = noisy.sample(200, random_state=1)
    expected: np.ndarray = conditional.predict(X[:, :1])
    distance: float = energy_distance(draws, X) + log_likelihood_scorer(gaussian, X)
    loss: float = hyvarinen_score(gaussian.grad_log_density, X, divergence=lambda X: np.full(len(X), -2.0))

    mixture = GaussianMixtureDistribution([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], np.tile(np.eye(2), (2, 1, 1)))
    target = Target(mixture.score_samples, mixture.grad_log_density)
    chains = run_chains(MALA(0.5), target, X, n_warmup=10, n_draws=10, rng=np.random.default_rng(0))
    rings: np.ndarray = DISTRIBUTIONS["rings"].score_samples([[1.0, 0.0]])
    arrays = [log_density, scores, expected, sources, rings, chains.draws]
    return nats + distance + loss + sum(float(array.mean()) for array in arrays)


def draw_figures(density: ScoreMatchingDensity, X: np.ndarray) -> None:
    """Draw the density and its score."""
    DensityDisplay.from_estimator(density, X, grid_resolution=20).plot(log=True)
    ScoreFieldDisplay.from_estimator(density, X, features=(0, 1)).plot(show_rows=True)


if __name__ == "__main__":
    print(f"{main():.1f}")
