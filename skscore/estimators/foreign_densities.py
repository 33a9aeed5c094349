"""How scikit-learn's estimators take weights and give draws, behind one call for each.

Weights: `fit(X, sample_weight=w)` where the signature has it, `fit(X, step__sample_weight=w)` for a Pipeline, not at
all for `GaussianMixture`. Draws: an array from `KernelDensity.sample(n, random_state)`, a pair from
`GaussianMixture.sample(n)`, whose seed is a constructor parameter.
"""

from __future__ import annotations

from copy import copy
from inspect import signature

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter


def weight_arguments(estimator, weight):
    """Return the keyword arguments by which an estimator's `fit` accepts weights.

    Parameters
    ----------
    estimator : estimator, "passthrough" or None
        Asked through the signature of its `fit`; a Pipeline step by step.
    weight : ndarray of shape (n,) or None
        The weights.

    Returns
    -------
    dict
        Empty where there are no weights, or none are accepted.
    """
    if weight is None or not hasattr(estimator, "fit"):
        return {}
    if isinstance(estimator, Pipeline):
        return {
            f"{name}__{key}": value
            for name, step in estimator.steps
            for key, value in weight_arguments(step, weight).items()
        }
    return {"sample_weight": weight} if has_fit_parameter(estimator, "sample_weight") else {}


def draw(density, n_samples, rng):
    """Return draws of a fitted density, seeded whether its `sample` is given the seed or holds it.

    Parameters
    ----------
    density : estimator
        With `sample`; left as it is.
    n_samples : int
        Number of rows.
    rng : numpy.random.Generator
        Source of the seed; the global generator is not touched.

    Returns
    -------
    ndarray of shape (n_samples, d)
        The draws.
    """
    seed = int(rng.integers(np.iinfo(np.int32).max))
    if "random_state" in signature(density.sample).parameters:
        return density.sample(n_samples, random_state=seed)
    draws, _ = copy(density).set_params(random_state=seed).sample(n_samples)
    return draws
