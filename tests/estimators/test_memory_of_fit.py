"""What a fit in closed form holds beside its table does not grow with the rows: they are read in blocks."""

import tracemalloc

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity
from skscore.domains import Orthant
from skscore.estimators import evaluation, ladder_statistics
from skscore.models import Kernel, PairwiseInteraction, Polynomial, few_rows
from skscore.models.interactions import family as interactions

D, FEW, MANY = 8, 40_000, 52_000
KERNEL = Kernel(10, bandwidth=2.0, base_scale=1.0)
DENSITIES = {
    "gaussian": ScoreMatchingDensity(),
    "gaussian, explicit": ScoreMatchingDensity(objective="explicit"),
    "pairwise on a domain": ScoreMatchingDensity(PairwiseInteraction(domain=Orthant()), alpha=0.1),
    "polynomial, explicit": ScoreMatchingDensity(Polynomial(2), objective="explicit"),
    "standard errors": ScoreMatchingDensity(inference=True),
    "kernel": ScoreMatchingDensity(KERNEL, alpha=0.1, random_state=0),
    "kernel, fourier": ScoreMatchingDensity(Kernel(10, bandwidth=2.0, base_scale=1.0, basis="fourier"), alpha=0.1),
    "transformed": TransformedDensity(ScoreMatchingDensity(), StandardScaler()),
    "ladder of Gaussians": DenoisingScoreEstimator("gaussian", dequantize=False, random_state=0),
    "ladder of polynomials": DenoisingScoreEstimator(Polynomial(2), n_levels=2, dequantize=False, tail=None),
}
COPIES = {"transformed": 2.5, "pairwise on a domain": 1.5}  # of the table: its image; the distances to the boundary


def extra_memory(density, n, weighted):
    """The most that a fit to n rows holds beside them, in bytes."""
    rng = np.random.default_rng(0)
    X, weight = np.exp(0.3 * rng.standard_normal((n, D))), rng.random(n) + 0.5 if weighted else None
    y = -X if density.get_params().get("objective") == "explicit" else None
    tracemalloc.start()
    try:
        density.fit(X, y, sample_weight=weight)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "weighted"), [*((name, name.startswith("ladder")) for name in DENSITIES), ("kernel", True)]
)
def test_memory_of_a_fit_does_not_grow_with_the_rows(name, weighted, monkeypatch):
    monkeypatch.setattr(few_rows, "MOST_TO_CHOOSE", 1000)
    for module in (evaluation, few_rows, interactions, ladder_statistics):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1 << 16)
    few, many = (extra_memory(DENSITIES[name], n, weighted) for n in (FEW, MANY))
    assert many - few < COPIES.get(name, 0.25) * 8 * D * (MANY - FEW)
