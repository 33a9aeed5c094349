"""The densities that a table user would pick, each tuned on its training rows and behind one door.

Rows come standardised. A method maps training rows and a seed to a :class:`Fitted`; its search sees nothing else:

- Gaussian: mean and the shrunk covariance of Ledoit & Wolf (2004).
- KernelDensity: bandwidth of the Gaussian kernel by 5-fold log-likelihood.
- GaussianMixture: 1 to 20 full components and the ridge of their covariances by 5-fold log-likelihood.
- NSF (Durkan et al., 2019) and MAF (Papamakarios et al., 2017) of zuko: Adam, early stopping on a tenth of the rows,
  the weights of the best epoch.
- DenoisingScoreEstimator: as it comes; with parzen=None, the flow and its tail without windows over the rows.
"""

from __future__ import annotations

import copy
import importlib.util
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity

import skscore

SEARCH_ROWS = 5_000  # a search over a grid sees at most these many rows
COMPONENTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20)
RIDGES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 3e-1)
BANDWIDTHS = np.logspace(-1.7, 0.3, 21)
FLOWS = {"NSF": {"transforms": 3, "bins": 8}, "MAF": {"transforms": 5}}


class Fitted(NamedTuple):
    """A density fitted to standardised rows."""

    score_samples: Callable  # (n, d) -> (n,), nats
    sample: Callable  # n, seed -> (n, d)
    fit_seconds: float  # CPU seconds of the fit of the chosen candidate alone
    chosen: dict  # what the search chose
    score: Callable | None = None  # (n, d) -> (n, d), where the method has one


def timed(call):
    """Return the value of a call and its CPU seconds."""
    start = time.process_time()
    return call(), time.process_time() - start


def gaussian(train, seed):
    """Fit N(mean, Ledoit–Wolf covariance)."""
    fit, seconds = timed(lambda: LedoitWolf().fit(train))
    law = multivariate_normal(fit.location_, fit.covariance_)
    return Fitted(
        lambda X: np.atleast_1d(law.logpdf(X)),
        lambda n, seed: law.rvs(n, random_state=seed).reshape(n, -1),
        seconds,
        {"shrinkage": float(fit.shrinkage_)},
    )


def searched(estimator, grid, train, seed):
    """Return the parameters of the largest 5-fold log-likelihood on (at most SEARCH_ROWS of) the training rows."""
    rows = train[np.random.default_rng(seed).permutation(len(train))[:SEARCH_ROWS]]
    folds = KFold(5, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        for expected in (ConvergenceWarning, FitFailedWarning):  # at the far corners of a grid
            warnings.simplefilter("ignore", expected)
        warnings.filterwarnings("ignore", message="One or more of the test scores are non-finite")
        return GridSearchCV(estimator, grid, cv=folds, refit=False).fit(rows).best_params_


def kernel_density(train, seed):
    """Fit a kernel density, its bandwidth chosen and then shrunk to the number of all rows by n^(−1/(d + 4))."""
    n, d = train.shape
    bandwidth = searched(KernelDensity(), {"bandwidth": BANDWIDTHS}, train, seed)["bandwidth"]
    bandwidth *= min(SEARCH_ROWS / n, 1.0) ** (1 / (d + 4))
    fit, seconds = timed(lambda: KernelDensity(bandwidth=bandwidth).fit(train))
    return Fitted(fit.score_samples, fit.sample, seconds, {"bandwidth": float(bandwidth)})


def gaussian_mixture(train, seed):
    """Fit a mixture of full Gaussians."""
    sizes = [k for k in COMPONENTS if 5 * k < 0.8 * len(train)]
    mixture = GaussianMixture(random_state=seed)
    chosen = searched(mixture, {"n_components": sizes, "reg_covar": RIDGES}, train, seed)
    fit, seconds = timed(lambda: mixture.set_params(**chosen, max_iter=500).fit(train))

    def sample(n, seed):
        return fit.set_params(random_state=seed).sample(n)[0]

    return Fitted(fit.score_samples, sample, seconds, chosen)


def early_stopped(flow, train, validation, generator, rate=1e-3, batch=128, patience=30, most_epochs=1_000):
    """Train a flow by Adam until the validation loss stops falling; return the best epoch, its weights restored."""
    import torch

    optimizer = torch.optim.Adam(flow.parameters(), lr=rate)
    best, best_epoch, best_weights = np.inf, 0, copy.deepcopy(flow.state_dict())
    for epoch in range(most_epochs):
        for rows in torch.randperm(len(train), generator=generator).split(batch):
            optimizer.zero_grad()
            (-flow().log_prob(train[rows]).mean()).backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
            optimizer.step()
        with torch.no_grad():
            loss = -flow().log_prob(validation).mean().item()
        if loss < best:
            best, best_epoch, best_weights = loss, epoch, copy.deepcopy(flow.state_dict())
        if epoch - best_epoch >= patience:
            break
    flow.load_state_dict(best_weights)
    return best_epoch


def normalizing_flow(kind, train, seed, **training):
    """Fit a flow of zuko with two hidden layers of 64 units in each transform."""
    import torch
    import zuko

    order = np.random.default_rng(seed).permutation(len(train))
    validation, kept = (torch.from_numpy(train[i]).float() for i in np.split(order, [round(0.1 * len(train))]))
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        flow = getattr(zuko.flows, kind)(train.shape[1], hidden_features=(64, 64), **FLOWS[kind])
        generator = torch.Generator().manual_seed(seed)
        epoch, seconds = timed(lambda: early_stopped(flow, kept, validation, generator, **training))

    @torch.no_grad()
    def score_samples(X):
        return flow().log_prob(torch.from_numpy(X).float()).double().numpy()

    @torch.no_grad()
    def sample(n, seed):
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            return flow().sample((n,)).double().numpy()

    return Fitted(score_samples, sample, seconds, {"best_epoch": epoch})


def denoising(train, seed, **parameters):
    """Fit the DenoisingScoreEstimator with its defaults, but for `parameters`."""
    fit, seconds = timed(lambda: skscore.DenoisingScoreEstimator(random_state=seed, **parameters).fit(train))
    chosen = {"parzen_weight": fit.parzen_weight_, "score_level": fit.score_level_}
    return Fitted(fit.score_samples, fit.sample, seconds, chosen, fit.grad_log_density)


METHODS = {
    "Gaussian": gaussian,
    "KernelDensity": kernel_density,
    "GaussianMixture": gaussian_mixture,
    "MAF": partial(normalizing_flow, "MAF"),
    "NSF": partial(normalizing_flow, "NSF"),
    "DenoisingScoreEstimator": denoising,
    "DenoisingScoreEstimator, parzen=None": partial(denoising, parzen=None),
}


def absence(method):
    """Return why a method cannot run here, or None."""
    if method in FLOWS and not all(map(importlib.util.find_spec, ("torch", "zuko"))):
        return "it needs torch and zuko (pip install torch; pip install --no-deps zuko)"
    return None
