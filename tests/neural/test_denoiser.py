"""Trained networks as a noise-conditional score: what they refuse, and what single precision leaves of them."""

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from skscore.neural import denoiser  # noqa: E402
from skscore.neural.denoiser import Denoiser  # noqa: E402
from skscore.neural.stacks import Architecture, weights_of  # noqa: E402

D, SIZES = 3, (32, 32)


def trained(n_networks=2):
    """Networks with weights drawn at random, last layers too."""
    build = Architecture(np.ones(D), options={"hidden_layer_sizes": SIZES})
    ((stack, _),) = build.initialised(n_networks, seed=1)
    rng = np.random.default_rng(2)
    theta = torch.from_numpy(0.2 * rng.standard_normal((n_networks, sum(p[0].numel() for p in stack.parameters()))))
    return Denoiser(build, weights_of(stack, theta.float()), build.variance)


X = np.random.default_rng(3).standard_normal((50, D))


def test_weights_of_other_networks_are_refused():
    score = trained()
    for weights in (
        [{name.replace("labels", "label"): w for name, w in one.items()} for one in score.weights],  # of other names
        [{name: w[..., :-1] for name, w in one.items()} for one in score.weights],  # of other shapes
    ):
        with pytest.raises(ValueError, match="another network than this version"):
            Denoiser(score.build, weights, score.variance).score(X, 0.5)


def test_products_in_bfloat16_leave_the_divergence_three_digits(monkeypatch):
    exact, rounded = [], []
    for found, native in ((exact, False), (rounded, True)):
        monkeypatch.setattr(denoiser, "multiplies_bfloat16", lambda device, native=native: native)
        found.extend(trained().score_and_divergence(X, 0.5))
    np.testing.assert_array_equal(exact[0], rounded[0])  # the score itself is computed in single precision
    assert not np.array_equal(exact[1], rounded[1])
    assert np.abs(exact[1] - rounded[1]).mean() < 5e-3 * np.abs(exact[1]).mean()


@pytest.mark.parametrize("n", [1, 7, 130])
def test_a_row_depends_on_no_other(n):
    score = trained()
    few, all_of_them = score.score_and_divergence(X[:1], 0.5), score.score_and_divergence(np.resize(X, (n, D)), 0.5)
    for one, many in zip(few, all_of_them, strict=True):
        np.testing.assert_array_equal(one[0], many[0])
