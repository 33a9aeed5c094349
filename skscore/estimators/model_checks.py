"""Checks at the door: what a model holds must fit the table, and the rows and their scores the model."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_array

from ..domains import BoundaryWeight, Reals
from ..models.base import GaussianBase
from ..models.catalog import MODELS, resolve_model
from ..models.kernels.kernel import Kernel
from .density import seed_of

__all__ = ["MODEL_NAMES", "check_known_scores", "check_model", "check_support", "model_object", "seeded"]

NEURAL = "neural_energy"
MODEL_NAMES = {*MODELS, NEURAL}


def model_object(model):
    """Model for its name, or itself; torch is loaded for the neural one alone."""
    if isinstance(model, str) and model == NEURAL:
        from ..neural import NeuralEnergy

        return NeuralEnergy()
    return resolve_model(model)


def seeded(model, random_state):
    """The model with the estimator's seed, where it draws numbers and has no seed of its own."""
    if model.get_params(deep=False).get("random_state", 0) is not None:
        return model
    return clone(model).set_params(random_state=seed_of(random_state))


def check_model(model, n_features, alpha):
    """Raise a ValueError where parts of `model` do not fit `n_features` columns, or `alpha` does not fit the model."""
    if alpha == "cv" and not isinstance(model, Kernel):
        raise ValueError(
            f'alpha="cv" is for kernel models, which try a path of ridges at the cost of one; got model={model!r}. '
            "Give a number, or take ScoreMatchingDensityCV."
        )
    for part in model.get_params(deep=False).values():
        _check_part(part, n_features)


def check_known_scores(X, y):
    """The scores y of the explicit objective as an array; a ValueError unless there is one for each entry of X."""
    if y is None:
        raise ValueError(
            'objective="explicit" matches known scores: pass y of shape (n_samples, n_features), got y=None.'
        )
    Y = check_array(y, dtype=np.float64, input_name="y")
    if Y.shape != X.shape:
        raise ValueError(f'objective="explicit": y holds a score for every row, of shape {X.shape}; got {Y.shape}.')
    return Y


def check_support(X, domain, objective):
    """Raise a ValueError where rows lie outside the domain, or the objective would move them there."""
    if domain.has_boundary and objective == "denoising":
        raise ValueError(
            f'objective="denoising" adds noise that leaves the domain {domain}; choose objective="implicit".'
        )
    if domain.has_boundary and not (inside := domain.contains(X)).all():
        raise ValueError(
            f"X has {(~inside).sum()} rows outside the domain {domain}, the first at row {inside.argmin()}. "
            "Drop them, or widen the domain."
        )


@singledispatch
def _check_part(part, n_features):
    """Nothing to check."""


@_check_part.register
def _(part: GaussianBase, n_features):
    _one_for_each_column(part, "loc", n_features)
    if not (_one_for_each_column(part, "scale", n_features) > 0.0).all():
        raise ValueError(f"GaussianBase(scale={part.scale!r}): standard deviations are positive.")


@_check_part.register
def _(part: Reals | BoundaryWeight, n_features):
    part.check(n_features)


def _one_for_each_column(part, name, n_features, finite=True):
    values = np.asarray(getattr(part, name), dtype=np.float64)
    if values.shape not in {(), (1,), (n_features,)}:
        raise ValueError(
            f"{type(part).__name__}: {name} has shape {values.shape}; give one number, or one for each of the "
            f"{n_features} columns."
        )
    if np.isnan(values).any() or (finite and np.isinf(values).any()):
        raise ValueError(f"{type(part).__name__}: {name}={getattr(part, name)!r} is not finite.")
    return values
