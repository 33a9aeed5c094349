"""Denoising score matching with a smallest noise level that is chosen by cross-validation, a training for each fold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv

from .._compat import HasMethods, Interval, StrOptions, check_sample_weight, fit_context, native_frame, validate_numpy
from ..models.family import Model
from ..models.folds import distinct, group_rows
from ..neural import ScoreNetwork
from ..neural.process_group import current_group
from .all_or_nothing import all_or_nothing
from .checks import check_spread, model_object, rows_of_weight, tells_once, warn_user
from .denoising import DenoisingScoreEstimator
from .denoising_routes import read_path
from .noise_path import choose_level, noise_path

__all__ = ["DenoisingScoreEstimatorCV"]

N_FOLDS = 5
FIXED = {"sigma_min", "criterion", "warm_start"}  # parameters of DenoisingScoreEstimator that are none here


class DenoisingScoreEstimatorCV(DenoisingScoreEstimator):
    r"""Density estimator fitted by denoising score matching, its smallest noise level chosen by cross-validation.

    A score that was trained down to the smallest candidate is one at every level above. So each fold takes one
    training, whose density is read at all candidates, while a search over `sigma_min` by
    :class:`~sklearn.model_selection.GridSearchCV` takes one for each. The log-likelihood of the rows held out decides.
    The density is then that of ``DenoisingScoreEstimator(model, sigma_min=sigma_min_, …)`` fitted to all rows.

    Parameters
    ----------
    model : "network", ScoreNetwork, str or model object, default="network"
        As in :class:`DenoisingScoreEstimator`. Its `max_time` is that of each training. Its `checkpoint` is a
        folder, with a file for each training.
    sigma_mins : "auto" or array-like of shape (K,), default="auto"
        Noise levels to try, in units of the standardised columns. "auto" is seven, from 0.005 to 0.32, each twice the
        one before; where there are `noise_levels`, those of them up to 0.32.
    cv : int, splitter, iterable of splits or None, default=None
        A number of folds, None for 5, in which equal rows are in one fold and the order of rows does not matter; or
        splits of scikit-learn.
    one_standard_error : bool, default=False
        Choose the largest level that is within one standard error of the best, that of the differences between
        log-densities of the same rows.
    sigma_max : float or "auto", default="auto"
        As in :class:`DenoisingScoreEstimator`, as are the parameters below.
    n_levels : int or None, default=None
        Train at so many levels from `sigma_max` to the smallest candidate; at least 2, or None for all between.
    noise_levels : array-like of shape (n_levels,) or None, default=None
        Train at these levels, and choose from them.
    noise_distribution : {"lognormal", "loguniform"}, default="lognormal"
        How levels are drawn where there is no ladder.
    weighting : {"balanced", "edm", "sigma2"} or callable, default="balanced"
        Weight λ(σ) of each level.
    preconditioning : {"auto", "per_direction", "whiten", "standardize"}, default="auto"
        Coordinates in which noise is isotropic.
    dequantize : {"auto"} or bool, default="auto"
        Treat columns in which values recur as discrete.
    bounds : tuple (lower, upper) or None, default=None
        Limits of the columns.
    tail : {"auto"} or None, default="auto"
        Mix in a Student density, and mixtures of Gaussians where the rows ask for them.
    parzen : {"auto"} or None, default="auto"
        Mix in a kernel density estimate where the rows ask for it.
    alpha : float, "auto" or "cv", default="auto"
        Ridge of a closed-form model.
    sampler : {"flow", "flow_multistep", "annealed_langevin", "reverse_sde", "predictor_corrector"}, default="flow"
        Of ``sample``.
    n_sampling_levels : int or None, default=None
        Noise levels of the sampler.
    n_likelihood_steps : int, default=16
        Steps of the flow behind a log-density.
    random_state : int, RandomState instance, numpy.random.Generator or None, default=None
        Seeds the trainings and the stream of ``sample``.
    verbose : int, default=0
        k prints every k-th loss of the validation rows of each training.

    Attributes
    ----------
    sigma_min_ : float
        The chosen noise level.
    best_score_ : float
        Its mean log-likelihood of rows held out, in nats.
    cv_results_ : dict of ndarrays
        ``sigma_min``, increasing, and for each the mean log-likelihood of the rows of every split,
        ``split0_test_score``, ..., their mean over the splits (``mean_test_score``) and standard deviation
        (``std_test_score``), as of :class:`~sklearn.model_selection.GridSearchCV`.
    noise_levels_, likelihood_report_ : ndarray, LikelihoodReport
        These and the other attributes of :class:`DenoisingScoreEstimator`.

    Notes
    -----
    In the folds steps of the flow are of one size, as many for the smallest level as `n_likelihood_steps`, or more if
    halving these changes a row by more than 0.15 nat in the mean. Callbacks follow the last training alone.
    ``partial_fit`` keeps the level that the first rows chose.

    Examples
    --------
    >>> from skscore import DenoisingScoreEstimatorCV
    >>> from skscore.datasets import Moons
    >>> X = Moons().sample(150, random_state=0)
    >>> density = DenoisingScoreEstimatorCV("polynomial", sigma_mins=[0.03, 0.3], cv=2).fit(X)
    >>> print(density.sigma_min_, density.cv_results_["mean_test_score"].round(1))
    0.03 [-1.5 -1.7]
    """

    _parameter_constraints = {
        **{k: v for k, v in DenoisingScoreEstimator._parameter_constraints.items() if k not in FIXED},
        "sigma_mins": [StrOptions({"auto"}), "array-like"],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), Iterable, None],
        "one_standard_error": ["boolean"],
    }

    sigma_min = "auto"  # chosen in fit
    criterion = "log_likelihood"
    warm_start = False

    def __init__(
        self,
        model: str | Model | ScoreNetwork = "network",
        *,
        sigma_mins: str | ArrayLike = "auto",
        cv: Any = None,
        one_standard_error: bool = False,
        sigma_max: float | str = "auto",
        n_levels: int | None = None,
        noise_levels: ArrayLike | None = None,
        noise_distribution: str = "lognormal",
        weighting: str | Callable[[Any], Any] = "balanced",
        preconditioning: str = "auto",
        dequantize: bool | str | ArrayLike = "auto",
        bounds: Any = None,
        tail: float | str | None = "auto",
        parzen: float | str | None = "auto",
        alpha: float | str = "auto",
        sampler: str = "flow",
        n_sampling_levels: int | None = None,
        n_likelihood_steps: int = 16,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.sigma_mins = sigma_mins
        self.cv = cv
        self.one_standard_error = one_standard_error
        self.sigma_max = sigma_max
        self.n_levels = n_levels
        self.noise_levels = noise_levels
        self.noise_distribution = noise_distribution
        self.weighting = weighting
        self.preconditioning = preconditioning
        self.dequantize = dequantize
        self.bounds = bounds
        self.tail = tail
        self.parzen = parzen
        self.alpha = alpha
        self.sampler = sampler
        self.n_sampling_levels = n_sampling_levels
        self.n_likelihood_steps = n_likelihood_steps
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    @tells_once
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Choose the smallest noise level by the rows of X, and fit the density to them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two for each fold.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights of the rows, in the training and in the log-likelihood of those held out.
        groups : array-like of shape (n_samples,), optional
            Labels that the splitter ``cv`` keeps together, such as those of ``GroupKFold``.

        Returns
        -------
        self
        """
        self._check_trainings()
        if groups is not None and (self.cv is None or isinstance(self.cv, Integral)):
            warn_user(
                f"groups are not used with cv={self.cv!r}: a splitter reads them. Set for example cv=GroupKFold(5).",
                UserWarning,
            )
        X = native_frame(X)
        rows = validate_numpy(self, X, dtype=np.float64, ensure_min_samples=2)
        weight = check_sample_weight(sample_weight, rows)
        check_spread(rows)
        splits = self._splits(rows, rows_of_weight(weight, np.arange(len(rows)), at_least=2)[1], groups)
        self._choose(*zip(*(self._log_p_of_split(rows, weight, *split) for split in splits), strict=True))
        return self._fit_rows(X, sample_weight, resume=False)

    def partial_fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Go on with further rows at the noise level that the first ones chose.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The first call is that of ``fit``.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.

        Returns
        -------
        self
        """
        is_first = "_density" not in vars(self)
        return self.fit(X, y, sample_weight) if is_first else super().partial_fit(X, y, sample_weight)

    def _check_trainings(self):
        model = model_object(self.model)
        if isinstance(model, ScoreNetwork) and current_group().size > 1:
            raise ValueError(
                "the trainings of a search are those of one process. In a process group fit "
                'DenoisingScoreEstimator(sigma_min="auto"), which chooses a level from one training.'
            )
        checkpoint = getattr(model, "checkpoint", None)
        if checkpoint is not None and not os.path.isdir(checkpoint):
            raise ValueError(
                f"checkpoint={checkpoint!r} holds one training, and each fold has its own: give a folder, which holds "
                'a file for each; or fit DenoisingScoreEstimator(sigma_min="auto"), which takes one training.'
            )
        if self.noise_levels is not None and not isinstance(self.sigma_mins, str):
            raise ValueError(
                f"sigma_mins={self.sigma_mins!r} with noise_levels={self.noise_levels!r}: the latter are the levels to "
                'choose from. Set sigma_mins="auto", or noise_levels=None.'
            )

    def _check_sums(self):
        raise ValueError(
            "DenoisingScoreEstimatorCV chooses a noise level by the log-densities of rows held out, which statistics "
            "do not hold. Call fit; or fit_statistics of DenoisingScoreEstimator at each level."
        )

    def _settings(self):
        return self._at(self.sigma_min_)

    def _at(self, sigma_min):
        """The estimator of one training, at a noise level or at an array of candidates."""
        names = DenoisingScoreEstimator().get_params(deep=False).keys() - FIXED
        return DenoisingScoreEstimator(sigma_min=sigma_min, **{name: getattr(self, name) for name in names})

    @property
    def _candidates(self):
        if isinstance(self.sigma_mins, str):
            return self.sigma_mins
        try:
            candidates = np.unique(np.asarray(self.sigma_mins, dtype=np.float64))
        except (TypeError, ValueError):
            candidates = np.empty(0)  # no numbers
        if not len(candidates) or not np.isfinite(candidates).all() or candidates[0] <= 0.0:
            raise ValueError(f"sigma_mins={self.sigma_mins!r}: give positive numbers, at least one.")
        return candidates

    def _splits(self, X, kept, groups):
        """Places of the rows of training and of test, only of those `kept`, which have weight."""
        if self.cv is not None and not isinstance(self.cv, Integral):
            pairs = check_cv(self.cv).split(X, groups=groups)
            return [tuple(part[np.isin(part, kept)] for part in map(np.asarray, pair)) for pair in pairs]
        n_folds, group = N_FOLDS if self.cv is None else self.cv, group_rows(X[kept])
        if group.max() + 1 < n_folds:
            raise ValueError(f"cv={self.cv!r}: {group.max() + 1} distinct rows make no {n_folds} folds; lower cv.")
        fold = np.random.default_rng(0).permutation(group.max() + 1)[group] % n_folds
        return [(kept[fold != k], kept[fold == k]) for k in range(n_folds)]

    def _log_p_of_split(self, X, weight, train, test):
        """Log-densities of the distinct test rows at every level of the path, (K, n), by one training; weights."""
        one, (seen, held) = self._at(self._candidates), (None if weight is None else weight[at] for at in (train, test))
        readings, preprocessing, _ = one._readings(X[train], seen, read=read_path)
        first, share = distinct(group_rows(X[test]), held)
        log_p = []
        for fitted in readings:
            one._keep(fitted, preprocessing)
            log_p.append(one.score_samples(X[test[first]]))
        return np.stack(log_p), share

    def _choose(self, log_p, weight):
        """Name what the log-densities of the rows held out, (K, n) for each split, say of the levels, and the best."""
        scores = [np.average(each, axis=1, weights=w) for each, w in zip(log_p, weight, strict=True)]
        share = np.concatenate([w / w.sum() for w in weight])
        index = choose_level(np.concatenate(log_p, axis=1), share, self.one_standard_error)
        path, mean = noise_path(self._at(self._candidates)), np.mean(scores, axis=0)
        self.cv_results_ = {
            "sigma_min": path,
            **{f"split{k}_test_score": score for k, score in enumerate(scores)},
            "mean_test_score": mean,
            "std_test_score": np.std(scores, axis=0),
        }
        self.sigma_min_, self.best_score_ = float(path[index]), float(mean[index])
