"""What estimators ask of their user and tell them: parameters and rows that fit each other, errors and warnings."""

from __future__ import annotations

import os
import re
import sys
import warnings
from contextvars import ContextVar
from functools import singledispatch, wraps
from weakref import WeakKeyDictionary

import numpy as np
from joblib import Parallel
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state

from .._compat import get_namespace
from ..domains import BoundaryWeight, Reals
from ..fitting.solvers import UnboundedObjectiveError
from ..formulas.moments import moments
from ..models.base import GaussianBase
from ..models.catalog import MODELS
from ..models.family import Sample
from ..models.kernels.kernel import Kernel
from ..models.windham import windham_weights
from ..neural import NeuralEnergy, ScoreNetwork
from .evaluation import in_blocks

__all__ = [
    "MOST_ROWS",
    "NAMED_MODELS",
    "check_checkpoint",
    "check_counts",
    "check_further_rows",
    "check_inference",
    "check_known_scores",
    "check_model",
    "check_noise",
    "check_robust",
    "check_rows_part",
    "check_spread",
    "check_sums",
    "check_support",
    "edge_of_the_path",
    "is_network",
    "model_object",
    "robustly_weighted",
    "rows_of_weight",
    "seed_of",
    "seeded",
    "tells_once",
    "warn_of",
    "warn_user",
    "well_within_range",
    "why_unsolved",
]

NAMED_MODELS = {**MODELS, "network": ScoreNetwork, "neural_energy": NeuralEnergy}
NEGLIGIBLE_WEIGHT = float(np.finfo(np.float64).eps) ** 2  # of the largest: at 1e8 deviations it moves no variance
SMALLEST_SPREAD = 1e-150  # of a column; its square, with room for products and shares, is a double
MOST_ROWS = 1e30  # that weights count
NOT_THE_USER = {"skscore", "sklearn", "joblib"}
FIGURE = re.compile(r"\d[\d.]*(e[-+]?\d+)?")


# ---- warnings ------------------------------------------------------------------------------------


_to_be_told: ContextVar[dict | None] = ContextVar("to_be_told", default=None)  # by text without figures
_told: WeakKeyDictionary[Parallel, set] = WeakKeyDictionary()  # by the jobs of one search


def warn_user(message, category=ConvergenceWarning):
    """Warn at the user's line: in the first frame outside skscore, scikit-learn and joblib.

    A search of scikit-learn fits many times, in one run of joblib's Parallel. What these fits tell that differs in its
    figures alone is told once in that run, and once more of the fit to all rows that comes after it.
    """
    kind = FIGURE.sub("", str(message)), category
    if (later := _to_be_told.get()) is not None:
        later[kind] = message, category
        return
    frame, level, told = sys._getframe(), 1, set()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in NOT_THE_USER:
        if isinstance(run := frame.f_locals.get("self"), Parallel):
            told = _told.setdefault(run, set())
        frame, level = frame.f_back, level + 1
    if kind not in told:
        warnings.warn(message, category, stacklevel=level)
    told.add(kind)


def tells_once(fit):
    """Return the method `fit` of a search, which warns at its end, and once of what differs in its figures alone.

    The figures are those of the last fit that the search made.
    """

    @wraps(fit)
    def fit_and_tell(self, *args, **kwargs):
        found: dict = {}
        token = _to_be_told.set(found)
        try:
            return fit(self, *args, **kwargs)
        finally:
            _to_be_told.reset(token)
            for message, category in found.values():
                warn_user(message, category)

    return fit_and_tell


def warn_of(remarks):
    """Warn of each of the remarks that numerics made, once."""
    for remark in dict.fromkeys(remarks):
        warn_user(remark)


# ---- parameters ----------------------------------------------------------------------------------


def seed_of(random_state):
    """Integer seed for scikit-learn's kind of random state or a Generator; None, which is fresh entropy, for None."""
    if random_state is None:
        return None
    is_generator = isinstance(random_state, np.random.Generator)
    draw = random_state.integers if is_generator else check_random_state(random_state).randint
    return int(draw(np.iinfo(np.int32).max))


def check_checkpoint(model):
    """Raise a ValueError if the `checkpoint` of a model would lie in a folder that is not there, or not to be written.

    A training says so itself; this is for fits that do other things before.
    """
    if model.checkpoint is None:
        return
    path = os.path.abspath(model.checkpoint)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    if not os.access(folder, os.W_OK):
        raise ValueError(
            f"checkpoint={os.fspath(model.checkpoint)!r} cannot be written: {folder} is no folder that you may "
            "write to. Give a path in one that is."
        )


def model_object(model):
    """Model object for its name, or the object itself."""
    return NAMED_MODELS[model]() if isinstance(model, str) else model


def is_network(model):
    """Whether a model, or the one of this name, is trained on rows in place of a closed form of sums over them."""
    return isinstance(model_object(model), NeuralEnergy | ScoreNetwork)


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


def check_inference(estimator, family):
    """Raise a ValueError if the rows cannot be asked for their gradients."""
    if not family.has_row_gradients:
        raise ValueError(
            f"inference=True needs the gradient of each row, which model={estimator.model!r} does not form. Take a "
            'single model in closed form, such as "gaussian", "pairwise" or "polynomial".'
        )


def check_robust(estimator, family):
    """Raise a ValueError if a power of the density does not weight the rows as the fit needs it."""
    robust, objective = estimator.robust, estimator.objective
    if objective in ("explicit", "denoising"):
        raise ValueError(
            f"robust={robust} with objective={objective!r}: rows weighted by a power of their density "
            'do not have the known scores, or the noise, that it matches. Choose objective="implicit".'
        )
    if not family.closed_under_powers:
        raise ValueError(
            f"robust={robust} with model={estimator.model!r}: robust weights need a closed form, and that a power "
            'of a density is of the same model: "gaussian", "pairwise", "truncated_gaussian", "polynomial", or an '
            "ExponentialFamily without a base measure. Choose one of them, or set robust=None."
        )


# ---- rows ----------------------------------------------------------------------------------------


def rows_of_weight(weight, *tables, at_least=1):
    """Weights and tables without the rows of no weight, which count for nothing however far they lie.

    A ValueError if fewer than `at_least` have all the weight, to rounding.
    """
    if weight is None:
        return weight, *tables
    xp, _ = get_namespace(weight)
    share = weight / xp.max(weight)
    if (n_heavy := int(xp.count_nonzero(share > float(np.finfo(np.float64).eps)))) < at_least:
        raise ValueError(
            f"sample_weight: {n_heavy} of {share.shape[0]} rows have all the weight, a fit needs {at_least}. Give more "
            "rows a positive weight, of comparable size."
        )
    kept = share > NEGLIGIBLE_WEIGHT
    if bool(xp.all(kept)):
        return weight, *tables
    return weight[kept], *(None if table is None else table[kept] for table in tables)


def robustly_weighted(estimator, choice, sample, objective):
    """The rows of a sample, weighted by powers of their fitted densities."""
    try:
        weight, remarks = windham_weights(choice.family, sample, objective, choice.alpha, estimator.robust)
    except UnboundedObjectiveError as error:
        raise ValueError(
            f"robust={estimator.robust}: the rows with their robust weights do not determine "
            f"model={estimator.model!r} ({error}). Lower robust, set alpha > 0, or drop columns that are constant or "
            "repeat others."
        ) from None
    warn_of(remarks)
    weight, X = rows_of_weight(weight, sample.X)
    return Sample(X, None, weight, moments(X, weight))


def check_counts(weight):
    """Raise a ValueError if weights that count rows say that there are all but none, or more than squares allow."""
    if weight is not None and not 1.0 / MOST_ROWS < (total := weight.sum()) < MOST_ROWS:
        raise ValueError(
            f"sample_weight: {total:.3g} in all, where each weight says how many rows a row stands for. Divide the "
            "weights by their mean."
        )


def check_spread(X, name="X"):
    """Raise a ValueError if the squares of a column, or of its spread, leave the range of double precision."""
    xp, _ = get_namespace(X)
    lowest, highest = (xp.astype(end(X, axis=0), xp.float64) for end in (xp.min, xp.max))
    largest = xp.where(highest > -lowest, highest, -lowest)
    spread = highest - lowest
    beyond = (largest > 1.0 / SMALLEST_SPREAD) | ((spread > 0.0) & (spread < SMALLEST_SPREAD))
    if not bool(xp.any(beyond)):
        return
    j = [bool(column) for column in beyond].index(True)
    raise ValueError(
        f"{name} has values up to {float(largest[j]):.3g} in column {j}, with a spread of {float(spread[j]):.3g}: "
        f"beyond {SMALLEST_SPREAD:g} and {1.0 / SMALLEST_SPREAD:g} squares overflow or vanish. Rescale the column: "
        "divide it by a number of the size of its values."
    )


def well_within_range(moments):
    """Whether moments show that `check_spread` would pass, so that it need not read the rows."""
    size = 1e-10 / SMALLEST_SPREAD
    columns = zip(moments.mean, moments.variance, strict=True)
    return all(abs(float(m)) < size and size**-2.0 < float(v) < size**2.0 for m, v in columns)


def check_known_scores(X, y):
    """The scores y of the explicit objective as an array; a ValueError unless there is one for each entry of X."""
    if y is None:
        raise ValueError(
            'objective="explicit" matches known scores: pass y of shape (n_samples, n_features), got y=None.'
        )
    with config_context(array_api_dispatch=False):  # as the rows are read where scores are known
        Y = check_array(y, dtype=np.float64, input_name="y")
    if Y.shape != X.shape:
        raise ValueError(f'objective="explicit": y holds a score for every row, of shape {X.shape}; got {Y.shape}.')
    check_spread(Y, "y")
    return Y


def check_support(X, domain, objective):
    """Raise a ValueError where rows lie outside the domain, or the objective would move them there."""
    if domain.has_boundary and objective == "denoising":
        raise ValueError(
            f'objective="denoising" adds noise that leaves the domain {domain}; choose objective="implicit".'
        )
    if domain.has_boundary and not (inside := in_blocks(domain.contains, X)).all():
        raise ValueError(
            f"X has {(~inside).sum()} rows outside the domain {domain}, the first at row {inside.argmin()}. "
            f"{domain.remedy(X[inside.argmin()])}"
        )


def check_noise(model):
    """Raise a ValueError if noise would lead rows out of the domain of `model`."""
    domain = getattr(model, "domain", None)
    if domain is not None and domain.has_boundary:
        raise ValueError(
            f"model={model!r}: noise leaves its domain {domain}. Take ScoreMatchingDensity, which adds none, or a "
            "model on all of R^d with bounds."
        )


def check_further_rows(estimator, gathered_for, former):
    """Raise a ValueError unless rows gathered for a model and objective can be added to those seen before.

    Parameters
    ----------
    estimator : ScoreMatchingDensity
    gathered_for : tuple
        Model and objective of the further rows.
    former : Plan
    """
    if gathered_for != former.gathered_for:
        raise ValueError(
            f"model={estimator.model!r}, objective={estimator.objective!r}, noise_level={estimator.noise_level}: not "
            "what the rows seen so far were gathered for. partial_fit and statistics add rows to the same model and "
            "objective; to change them, call fit."
        )
    check_rows_part(estimator)


def check_rows_part(estimator):
    """Raise a ValueError if what the estimator is asked for needs all rows at once."""
    if estimator.inference:
        raise ValueError(
            "inference=True needs all rows at once: call fit with rows in memory, or set inference=False to "
            "partial_fit or to add statistics."
        )
    if estimator.robust is not None:
        raise ValueError(
            "robust weights need all rows at once: call fit with rows in memory, or set robust=None to partial_fit "
            "further rows or to add statistics."
        )


def check_sums(estimator):
    """Raise a ValueError if a fit is no matter of sums over rows, which statistics are."""
    if is_network(estimator.model):
        raise ValueError(
            f"model={estimator.model!r} is a network, which is trained on rows and keeps no statistics of them. Call "
            "fit or partial_fit, or take a model in closed form."
        )


# ---- what a fit tells ----------------------------------------------------------------------------


def why_unsolved(estimator, penalty, table, threshold):
    """Message for rows that do not determine a model, with the remedy.

    Parameters
    ----------
    estimator : estimator
        With its ``model`` and ``l1_ratio``.
    penalty : str
        Name of the parameter that is the strength of its penalty.
    table : Moments
        Of the rows.
    threshold : float or None
        The l1 penalty from which on there is a minimum, if it is known.

    Returns
    -------
    str
    """
    constant, remedy = np.flatnonzero(table.constant).tolist(), _remedy(penalty, estimator.l1_ratio, threshold)
    return (
        f"The score-matching objective of model={estimator.model!r} is unbounded below with {penalty}="
        f"{getattr(estimator, penalty)}: {table.n:g} rows do not determine it (constant columns: {constant}; collinear "
        f"columns or fewer rows than parameters have the same effect). {remedy}"
    )


def _remedy(penalty, l1_ratio, threshold):
    otherwise = "drop such columns or choose a smaller model."
    if threshold:
        return (
            f"Its l1 part has a minimum from {threshold:.4g} on: set {penalty} there, give the model a "
            f"diagonal_multiplier above 1, add a ridge (l1_ratio < 1), {otherwise}"
        )
    if l1_ratio < 1.0:
        return f"Set {penalty} > 0, {otherwise}"
    return (
        f"Set {penalty} > 0 with a ridge in it (l1_ratio < 1), as an l1 penalty leaves diagonals free; or {otherwise}"
    )


def edge_of_the_path(index, alphas, is_whole):
    """Remarks if the chosen one of descending penalties is the last on its grid.

    Parameters
    ----------
    index : int
    alphas : ndarray of shape (L,)
    is_whole : bool
        Whether the grid begins where no edge is left, beyond which nothing changes.

    Returns
    -------
    tuple of str
    """
    if len(alphas) == 1 or (index == 0 and is_whole) or 0 < index < len(alphas) - 1:
        return ()
    end, remedy = ("greatest", "larger") if index == 0 else ("least", "smaller")
    return (f"the chosen alpha {alphas[index]:.3g} is the {end} of those tried; give {remedy} ones in alphas.",)
