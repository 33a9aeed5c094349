"""What the tests share: a seeded generator, numbers of other implementations, and what each marker needs."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

# scikit-learn's array-API checks skip without it, and scipy reads it when it is first imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Tests run in one process for each core (`-n` in setup.cfg), so each takes one thread. numpy, scipy and torch read the
# limit when they are first imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from scipy.special import softmax

from skscore._kernels import threads
from skscore.datasets import GaussianMixtureDistribution
from skscore.samplers import NoiseConditionalScore

REFERENCE = Path(__file__).parent / "reference"
ACCELERATORS = re.compile(r"'(cupy|dpnp|cuda|xpu|mps)'")


@pytest.fixture
def rng():
    """Seeded generator, a fresh one for each test."""
    return np.random.default_rng(0)


@pytest.fixture
def on_threads(monkeypatch):
    """Function that gives every pass, however short, so many threads."""

    def allow(number):
        monkeypatch.setattr(threads, "MIN_FLOPS", 1.0)
        monkeypatch.setattr(threads, "available", lambda: number)

    return allow


@pytest.fixture(scope="session")
def noisy_target():
    """Function from a mixture of Gaussians to its exact `NoiseConditionalScore`, with the variances of its columns."""
    return _noisy_target


def _noisy_target(law):
    weights, means, covariances = (np.asarray(a) for a in (law.weights, law.means, law.covariances))
    centred = means - weights @ means
    variance = weights @ (np.diagonal(covariances, axis1=1, axis2=2) + centred**2)

    def at(sigma):
        return GaussianMixtureDistribution(weights, means, covariances + sigma**2 * np.eye(law.n_features))

    def score_and_divergence(x, sigma):
        """With responsibilities P_k and components' scores s_k: ∇·s = Σ P_k (‖s_k‖² − tr Σ_k⁻¹) − ‖s‖²."""
        precisions = np.linalg.inv(at(sigma).covariances)
        scores = np.einsum("kij,nkj->nki", -precisions, x[:, None] - means)
        log_joint = np.log(weights) + 0.5 * np.linalg.slogdet(precisions)[1]
        responsibility = softmax(log_joint + 0.5 * np.einsum("nki,nki->nk", scores, x[:, None] - means), axis=1)
        score = np.einsum("nk,nki->ni", responsibility, scores)
        squares = (scores**2).sum(axis=2) - np.trace(precisions, axis1=1, axis2=2)
        return score, ((responsibility * squares).sum(axis=1) - (score**2).sum(axis=1))[:, None]

    return NoiseConditionalScore(lambda x, sigma: at(sigma).grad_log_density(x), score_and_divergence, variance)


@pytest.fixture(scope="session", params=["ring_of_eight", "mixture_8d"])
def mixture(request):
    """Mixtures of mean 0 and variance about 1, in the eigenbasis of their covariance."""
    return MIXTURES[request.param]


def _mixture_8d():
    rng = np.random.default_rng(0)
    weights, factors = rng.dirichlet(np.full(5, 3.0)), 0.3 * rng.standard_normal((5, 8, 8)) / np.sqrt(8)
    means, covariances = rng.standard_normal((5, 8)), factors @ factors.mT + 0.01 * np.eye(8)
    means -= weights @ means
    _, basis = np.linalg.eigh((weights * means.T) @ means + np.tensordot(weights, covariances, axes=1))
    return GaussianMixtureDistribution(weights, means @ basis, basis.T @ covariances @ basis)


def _ring_of_eight():
    angle = np.arange(8) * np.pi / 4
    means = np.sqrt(2) * np.column_stack([np.cos(angle), np.sin(angle)])
    return GaussianMixtureDistribution(np.full(8, 1 / 8), means, np.tile(0.03 * np.eye(2), (8, 1, 1)))


MIXTURES = {"ring_of_eight": _ring_of_eight(), "mixture_8d": _mixture_8d()}


@pytest.fixture(scope="session")
def reference():
    """Folder of numbers that independent implementations printed."""
    return REFERENCE


def _missing(marker):
    """What a test with this marker lacks here, or None."""
    if marker == "gpu":
        return None if _has_gpu() else "no accelerator that torch can use"
    return None if find_spec(marker) else f"{marker} is not installed"


def _has_gpu():
    if not find_spec("torch"):
        return False
    import torch

    return torch.accelerator.is_available() if hasattr(torch, "accelerator") else torch.cuda.is_available()


def _is_for_an_accelerator(item):
    """Whether this is one of scikit-learn's array-API checks with a library or a device that is not the CPU's."""
    check = item.callspec.params.get("check") if hasattr(item, "callspec") else None
    return bool(ACCELERATORS.search(str(getattr(check, "keywords", ""))))


def pytest_collection_modifyitems(items):
    """Skip what this machine cannot run, and say why."""
    for item in filter(_is_for_an_accelerator, items):
        item.add_marker("gpu")
    for marker in ("gpu", "torch"):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = _missing(marker) if marked else None
        for item in marked if reason else ():
            item.add_marker(pytest.mark.skip(reason=reason))
