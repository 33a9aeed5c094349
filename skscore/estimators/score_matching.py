r"""Score matching in closed form, as a scikit-learn estimator.

Hyvärinen (2005) fits :math:`s(x) = \nabla\log p(x)` by minimising :math:`J = E[\tfrac12\|s\|^2 + \nabla\cdot s]`, in
which the normaliser of p has no part. For an exponential family J is a quadratic form in the natural parameters, so
``fit`` is one pass over the rows and one solve.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import clone, config_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._compat import (
    Interval,
    Options,
    StrOptions,
    check_same_namespace,
    check_sample_weight,
    fit_context,
    get_namespace,
    is_numpy,
    native_frame,
    validate_data,
    validate_parameters,
)
from ..fitting.inference import pair_tests
from ..fitting.solvers import UnboundedObjectiveError
from ..formulas import score_losses
from ..formulas.moments import moments
from ..models.catalog import MODELS, OBJECTIVES, resolve_objective
from ..models.family import Model, Sample
from ..models.fitted_density import SAMPLERS, FittedDensity
from ..models.standard_errors import parameters_and_covariance
from ..models.windham import middle_rows
from .all_or_nothing import all_or_nothing
from .checks import (
    check_further_rows,
    check_inference,
    check_known_scores,
    check_model,
    check_robust,
    check_rows_part,
    check_spread,
    check_sums,
    check_support,
    model_object,
    robustly_weighted,
    rows_of_weight,
    seed_of,
    seeded,
    warn_of,
    warn_user,
    well_within_range,
    why_unsolved,
)
from .density import DensityEstimator
from .fold_statistics import FoldStatistics
from .model_traits import TRAITS, check_count, check_covariance, offers
from .partitions import rows_to_fit, rows_to_plan, summed_partitions
from .statistics import Columns, Fit, Plan, ScoreStatistics, check_statistics, gathering

__all__ = ["ScoreMatchingDensity"]

NORMALIZER = {"log_normalizer_", "log_normalizer_stderr_", "log_normalizer_ess_"}  # found when first asked for
NAMES_OF_COLUMNS = {"n_features_in_", "feature_names_in_"}  # which a further fit keeps


def _traces(sample):
    """Arrays of numpy that tell a sample from another: its own, or the moments of one that lies elsewhere."""
    X, Y, weight, table = sample
    if is_numpy(X):
        return [np.ascontiguousarray(part) for part in (X, Y, weight) if part is not None]
    return list(vars(table.in_numpy()).values())


def _total(values):
    xp, _ = get_namespace(values)
    return np.float64(float(xp.sum(values)))


class ScoreMatchingDensity(DensityEstimator):
    r"""Density estimator fitted by score matching in closed form.

    Parameters
    ----------
    model : str or model object, default="gaussian"
        A name ("gaussian", "kernel", "pairwise", "polynomial", "truncated_gaussian", or "neural_energy", which needs
        torch) or an object of :mod:`skscore.models` or :class:`skscore.neural.NeuralEnergy`, whose parameters
        are reached as ``model__...`` in a grid.
    objective : {"implicit", "explicit", "sliced", "denoising", "auto"}, default="implicit"
        Hyvärinen's objective; the distance to known scores, given as ``y`` of shape (n_samples, n_features); its form
        along random directions; or at rows with Gaussian noise added, in which case the fitted density is that of the
        noisy rows. "auto" is "implicit", and "sliced" for a neural energy of more than eight columns.
    alpha : float, "auto" or "cv", default="auto"
        Ridge: α/2 times the squared natural parameters is added to the mean objective (for a Gaussian: the squared
        entries of the precision matrix, its linear term free; for kernels: the RKHS norm). "cv" is chosen by rows held
        out, for a kernel model; "auto" is that for a kernel model, and 0 for others.
    l1_ratio : float, default=0.0
        Share of the penalty, for a model of pairwise interactions, that is Σ ``|K_ij|`` over pairs i ≠ j, each
        counted twice, in place of half the squares: it makes K sparse, a graph.
    symmetric : {True, "and", "or"}, default=True
        Estimate a symmetric K; or every column of K by itself, where a pair is an edge if both its entries are not
        zero, or one is, and K is their mean. Columns have problems of their own for the implicit objective, and not on
        the simplex.
    inference : bool, default=False
        Find standard errors of the parameters, by one more pass over the rows, for every model in closed form.
    robust : float or None, default=None
        c ≥ 0: weight each row by the power c of its own fitted density, so that outliers hardly count (Windham, 1995;
        :doc:`/user_guide/graphs`). 0.1 gives up little where there are none, 0 is the plain fit. For models in closed
        form whose powers are of the same model; ``alpha`` then penalises (1 + c)θ, the parameters of the weighted rows.
        Standard errors know that the weights follow the estimate.
    noise_level : float, default=0.1
        σ of ``objective="denoising"``, in the units of X.
    criterion : {"log_likelihood", "hyvarinen"}, default="log_likelihood"
        What ``score`` returns: the mean log-density in nats, comparable between all models, scalers and libraries; or
        minus the mean Hyvärinen score, which needs no normaliser and compares fits of one table in one set of units.
    sampler : {"hmc", "mala"}, default="hmc"
        Markov chains of ``sample`` where the model has no exact sampler.
    random_state : int, RandomState instance, numpy.random.Generator or None, default=None
        Seeds ``sample``, a neural energy without a seed of its own, and the normaliser, deterministic even with None.
    verbose : int, default=0
        1 prints a line for each fit.

    Attributes
    ----------
    location_, precision_, covariance_ : ndarrays
        Of a Gaussian model, and of pairwise interactions with a = b = 1 on R^d; NaN if there is no density.
    theta_ : ndarray of shape (m,)
        Natural parameters of the other models; a polynomial's are ordered as ``exponents_`` (m, n_features).
    alpha_ : float
        The ridge used.
    cv_results_ : dict of ndarrays
        What a kernel model tried, where it had to choose: bandwidth, scale of the base, ridge and the score of rows
        held out, in nats unless ``criterion="hyvarinen"``.
    parameter_covariance_, standard_errors_ : ndarrays of shape (m, m) and (m,)
        Of ``theta_``, with ``inference=True``: the sandwich estimate of :doc:`/user_guide/graphs`. A Gaussian then has
        a ``theta_`` too: the upper triangle of ``precision_``, row by row, and the linear part Kμ.
    objective_ : float
        Minimised objective, without penalty.
    log_normalizer_, log_normalizer_stderr_, log_normalizer_ess_ : float
        log Z of exp(θᵀT)q₀, its standard error in nats and its effective sample size as a fraction of the draws;
        computed when first asked for.
    sampling_diagnostics_ : dict
        Of the last ``sample`` by Markov chains: sampler, acceptance, R-hat and effective sample size.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has string column names.

    References
    ----------
    Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, 695-709.
    Hyvärinen, A. (2007). Some extensions of score matching. Computational Statistics & Data Analysis 51, 2499-2512.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity
    >>> X = load_iris().data
    >>> density = ScoreMatchingDensity(random_state=0).fit(X)
    >>> print(round(density.score(X), 3))
    -2.533
    >>> density.sample(2).shape
    (2, 4)
    """

    _penalty = "alpha"  # the parameter that messages name
    _parameter_constraints: dict[str, list] = {
        "model": [StrOptions({*MODELS, "neural_energy"}), Model],
        "objective": [StrOptions({*OBJECTIVES, "auto"})],
        "alpha": [Interval(Real, 0.0, None, closed="left"), StrOptions({"auto", "cv"})],
        "l1_ratio": [Interval(Real, 0.0, 1.0, closed="both")],
        "symmetric": [StrOptions({"and", "or"}), Options(bool, {True})],
        "inference": ["boolean"],
        "robust": [Interval(Real, 0.0, None, closed="left"), None],
        "noise_level": [Interval(Real, 1e-100, 1e100, closed="neither")],
        "criterion": [StrOptions({"log_likelihood", "hyvarinen"})],
        "sampler": [StrOptions(set(SAMPLERS))],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str | Model = "gaussian",
        *,
        objective: str = "implicit",
        alpha: float | str = "auto",
        l1_ratio: float = 0.0,
        symmetric: bool | str = True,
        inference: bool = False,
        robust: float | None = None,
        noise_level: float = 0.1,
        criterion: str = "log_likelihood",
        sampler: str = "hmc",
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.objective = objective
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.symmetric = symmetric
        self.inference = inference
        self.robust = robust
        self.noise_level = noise_level
        self.criterion = criterion
        self.sampler = sampler
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = self._sums_beside_rows and offers(self, "fits_beside_rows")
        return tags

    @property
    def _sums_beside_rows(self):
        """Whether rows of other array libraries than numpy are summed up where they lie."""
        by_sums_alone = self.objective != "explicit" and not self.inference and self.robust is None
        return by_sums_alone and offers(self, "sums_beside_rows")

    # ---- fit -------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the density to the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two; or a dask array or dataframe (:doc:`/user_guide/dask`).
        y : array-like of shape (n_samples, n_features), optional
            Known scores ∇ log p at the rows, for ``objective="explicit"``; ignored otherwise.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; a weight of 2 is exactly a repeated row.

        Returns
        -------
        self
        """
        self._fit_first_rows(X, y, sample_weight)
        if self._fit.density is None:
            raise ValueError(self._why_unsolved())
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Add rows to those seen so far: fitting k chunks in turn is fitting their union.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The first call needs two rows.
        y : array-like of shape (n_samples, n_features), optional
            Known scores, for ``objective="explicit"``.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.

        Returns
        -------
        self
        """
        if hasattr(self, "_fit"):
            self._check_library(X, "partial_fit")
            further = self.compute_statistics(X, sample_weight, y=y, plan=self._fit.statistics.plan)
            self._keep(Fit(self._fit.statistics + further.whole, path=self._fit.path))
        else:
            self._fit_first_rows(X, y, sample_weight)
        if self._fit.density is None:
            warn_user(f"{self._why_unsolved()} The rows are kept: go on with partial_fit.")
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_fit") and self._fit.density is not None

    def _fit_first_rows(self, X, y, sample_weight):
        """Fit to rows in memory, to partitions of few rows as if these were, or to the statistics of partitions."""
        rows = rows_to_fit(self, X, y, sample_weight)
        if isinstance(rows, tuple):
            self._fit_rows(*rows)
        else:
            self._keep_statistics(rows.statistics(self), rows)

    def _fit_rows(self, X, y, sample_weight):
        plan, sample = self._planned(X, y, sample_weight)
        if self.inference:
            check_inference(self, plan.choice.family)
        if self.robust is not None:
            check_robust(self, plan.choice.family)
            sample = robustly_weighted(self, plan.choice, sample, plan.gathered_for[-1])
        self._keep(Fit(ScoreStatistics.gather(plan, sample)), sample)

    def _adds_up(self, d):
        """Whether statistics of d columns add up whatever plan they have."""
        model = model_object(self.model)
        return model.adds_up(resolve_objective(self.objective, self.noise_level, model, d))

    # ---- statistics as values --------------------------------------------------------------------

    def plan(self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, y: Any = None) -> Plan:
        """What the rows of X decide for the statistics of other rows: coordinates, landmarks, bandwidth, ridge.

        Statistics of kernels, and of a model on a domain, add up only under one plan. It is made of some rows, at
        least two, which should be like all the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the table.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.
        y : array-like of shape (n_samples, n_features), optional
            Known scores, for ``objective="explicit"``.

        Returns
        -------
        Plan
            A value that can be pickled, and sent to where rows are.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skscore import ScoreMatchingDensity
        >>> X, density = load_iris().data, ScoreMatchingDensity("kernel", random_state=0)
        >>> plan = density.plan(X)
        >>> whole = density.compute_statistics(X[:75], plan=plan) + density.compute_statistics(X[75:], plan=plan)
        >>> bool(abs(density.fit_statistics(whole).score(X) - density.fit(X).score(X)) < 1e-6)
        True
        """
        return self._named_plan(*rows_to_plan(self, X, y, sample_weight))[0]

    def compute_statistics(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, y: Any = None, plan: Plan | None = None
    ) -> ScoreStatistics:
        """What a fit keeps of the rows of X, as a value: the statistics of several tables add up by ``+``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows: at least two, or one with a plan.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.
        y : array-like of shape (n_samples, n_features), optional
            Known scores, for ``objective="explicit"``.
        plan : Plan or None, default=None
            From ``plan``; None makes one of these rows. Gaussian models, models of interactions on R^d and polynomials
            need none: their statistics add up whatever rows they were computed of.

        Returns
        -------
        ScoreStatistics

        Examples
        --------
        >>> import numpy as np
        >>> from skscore import ScoreMatchingDensity
        >>> density = ScoreMatchingDensity()
        >>> monday = density.compute_statistics(np.array([[0.0], [2.0]]))
        >>> tuesday = density.compute_statistics(np.array([[4.0], [6.0]]))
        >>> density.fit_statistics(monday + tuesday).location_
        array([3.])
        >>> density.fit_statistics(monday.forget(0.5) + tuesday).location_.round(2)
        array([3.67])
        """
        if (rows := summed_partitions(self, X, y, sample_weight)) is not None:
            return rows.statistics(self, plan)
        if plan is None:
            return self._gathered(*self._named_plan(X, y, sample_weight))
        reader = clone(self)
        plan.columns.show(reader)
        gathered_for, _, sample = reader._checked(X, y, sample_weight, is_first=False)
        check_further_rows(reader, gathered_for, plan)
        check_support(sample.X, plan.choice.family.domain, self.objective)
        return self._gathered(plan.bound_to(sample.moments), sample)

    def _gathered(self, plan, sample):
        """The statistics of a sample."""
        return ScoreStatistics.gather(plan, sample)

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit_statistics(self, statistics: ScoreStatistics | FoldStatistics) -> Self:
        """Fit the density to rows of which the statistics are known.

        Parameters
        ----------
        statistics : ScoreStatistics, or FoldStatistics of a search by folds
            From ``compute_statistics``, or the sum of several, for the same model and objective. The penalties are
            those of this estimator; ``alpha="auto"`` and "cv" are what the plan found.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If they were computed for other parameters, or do not determine the model.
        """
        check_statistics(statistics, (ScoreStatistics, FoldStatistics))
        self._keep_statistics(statistics)
        if self._fit.density is None:
            raise ValueError(self._why_unsolved())
        return self

    def _keep_statistics(self, statistics, rows=None):
        """Solve and keep the fit to statistics, of partitions if these are given."""
        self._keep(Fit(self._penalised(statistics)))
        statistics.plan.columns.show(self)

    def _named_plan(self, X, y, sample_weight):
        """The plan of these rows and a sample of them; a clone has checked them."""
        reader = clone(self)
        reader._validate_params()
        check_sums(reader)
        check_rows_part(reader)
        plan, sample = reader._planned(X, y, sample_weight)
        choosing = [repr(getattr(self, name)) for name in ("alpha", "criterion", "random_state")]
        return plan.named(*choosing, *_traces(sample)), sample

    def _penalised(self, statistics):
        """The statistics under the penalties of this estimator."""
        model = model_object(self.model)
        objective = resolve_objective(self.objective, self.noise_level, model, statistics.plan.columns.number)
        check_further_rows(self, gathering(model, objective), statistics.plan)
        family = statistics.family.penalised(self.l1_ratio, self.symmetric)
        alpha = statistics.choice.alpha if isinstance(self.alpha, str) else self.alpha
        return statistics.chosen(statistics.choice._replace(family=family, alpha=alpha))

    def _planned(self, X, y, sample_weight):
        """The plan of first rows, and a sample of them."""
        gathered_for, model, sample = self._checked(X, y, sample_weight, is_first=True)
        if self.criterion == "log_likelihood":
            warn_of(model.obstacles(sample.X.shape[1]))
        choice = self._choose(model, middle_rows(sample) if self.robust else sample, gathered_for[-1])
        warn_of(choice.remarks)
        check_support(sample.X, choice.family.domain, self.objective)
        return Plan(gathered_for, choice, Columns.seen_by(self)), sample

    def _checked(self, X, y, sample_weight, is_first):
        """What rows are gathered for (plain parameters of the model, and the objective), the model, and the rows."""
        model = model_object(self.model)
        validate_parameters(model)
        at_least = 2 if is_first else 1
        if is_first:
            X = self._first_seen(X)
        checks = {"dtype": "numeric", "ensure_min_samples": at_least}
        tells_later = sample_weight is None  # what is not finite shows in the moments
        X = self._validated(X, reset=is_first, ensure_all_finite=not tells_later, **checks)
        objective = resolve_objective(self.objective, self.noise_level, model, X.shape[1])
        check_model(model, X.shape[1], self.alpha)
        Y = check_known_scores(X, y) if self.objective == "explicit" else None
        weight, X, Y = rows_of_weight(check_sample_weight(sample_weight, X), X, Y, at_least=at_least)
        with np.errstate(all="ignore"):
            table = moments(X, weight) if model.fits_beside_rows else moments(X, weight).in_numpy()
            doubtful = not well_within_range(table)
        if doubtful:
            self._validated(X, reset=False, **checks)
            check_spread(X)
        return gathering(model, objective), model, Sample(X, Y, weight, table)

    def _choose(self, model, sample, objective):
        """What the first rows decide."""
        choice = seeded(model, self.random_state).choose(sample, objective, self.alpha, self.criterion)
        return choice._replace(family=choice.family.penalised(self.l1_ratio, self.symmetric))

    def _keep(self, fit, sample=None):
        """Solve and keep a fit, its results named in place of those before; `sample` has the rows if they are all."""
        seed = seed_of(self.random_state)
        fit = self._solved(fit, sample, seed or 0)
        results = {} if fit.density is None else self._results(fit, sample)
        for name in [name for name in vars(self) if name.endswith("_") and name not in NAMES_OF_COLUMNS]:
            delattr(self, name)
        self._fit, self._stream = fit, np.random.default_rng(seed)
        self._name(**results)
        if fit.density is not None and fit.density.is_normalized:
            self._normalize()
        if self.verbose and fit.density is not None:
            print(f"[ScoreMatchingDensity] {fit.statistics.n_rows:g} rows, objective {fit.value:.6g}")

    def _solved(self, fit, sample, seed):
        """The fit with its density, or without one if the objective has no minimum."""
        try:
            fit, estimate = self._estimate(fit, sample)
        except UnboundedObjectiveError as error:
            return replace(fit, threshold=error.threshold)
        warn_of(estimate.remarks)
        family, theta = fit.family, estimate.theta
        value = family.objective_value(theta, fit.summary, fit.objective)
        theta = theta if self.robust is None else family.power(theta, 1.0 / (1.0 + self.robust))
        density = FittedDensity(family, theta, fit.statistics.reference, seed, repr(self.model))
        return replace(fit, density=density, value=value)

    def _estimate(self, fit, sample):
        """The fit with what it chose on its way, and the estimate of θ."""
        problem = fit.summary, fit.objective, fit.choice.alpha
        return fit, fit.family.as_density(fit.family.solve(*problem), *problem)

    def _results(self, fit, sample):
        """Fitted attributes by name, without the trailing underscore."""
        errors = self._errors(fit, sample) if self.inference else {}
        tried = {} if fit.choice.results is None else {"cv_results": fit.choice.results}
        own = fit.family.attributes(fit.density.theta)
        return {**errors, **own, **tried, "objective": fit.value, "alpha": fit.choice.alpha}

    def _errors(self, fit, sample):
        """θ with its covariance and standard errors, by one more pass over the rows."""
        try:
            ridge = fit.choice.alpha * (1.0 - self.l1_ratio)
            theta, covariance = parameters_and_covariance(fit, sample, ridge, self.robust or 0.0)
        except np.linalg.LinAlgError:
            raise ValueError(
                "inference=True: the rows do not determine every parameter (constant or collinear columns, or fewer "
                "rows than parameters), so that there are no standard errors. Drop such columns, set "
                f"{self._penalty} > 0, or set inference=False."
            ) from None
        warn_of(fit.family.doubts_of_errors(fit.density.theta))
        return {"theta": theta, "parameter_covariance": covariance, "standard_errors": np.sqrt(np.diag(covariance))}

    def _name(self, **results):
        """Keep results as fitted attributes, until the next fit."""
        for name, value in results.items():
            setattr(self, f"{name}_", value)

    def _why_unsolved(self):
        return why_unsolved(self, self._penalty, self._fit.statistics.moments, self._fit.threshold)

    def _validated(self, X, reset, dtype, **checks):
        """Rows checked by scikit-learn; tensors stay tensors only where the model can use them."""
        with nullcontext() if self._sums_beside_rows else config_context(array_api_dispatch=False):
            xp, _ = get_namespace(X)
            floats = xp.float64 if dtype == "float64" else [xp.float64, xp.float32]
            return validate_data(self, X, reset=reset, dtype=floats, **checks)

    def _check_rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        self._check_library(X, "score_samples")
        dtype = "numeric" if self._fit.family.keeps_single_precision else "float64"
        return self._validated(X, reset=False, dtype=dtype)

    def _check_library(self, X, method):
        """Raise a ValueError if X is not an array of the kind, and on the device, that `fit` saw."""
        if self.__sklearn_tags__().array_api_support and hasattr(self, "precision_"):
            check_same_namespace(X, self, attribute="precision_", method=method)

    # ---- the normaliser --------------------------------------------------------------------------

    def __getattr__(self, name):
        """log Z, its standard error and its effective sample size: found when first asked for, then kept.

        Not properties: scikit-learn's HTML display evaluates every property of an estimator.
        """
        if name in TRAITS:
            TRAITS[name](self)
        if name not in NORMALIZER:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        check_is_fitted(self)
        self._normalize()
        return vars(self)[name]

    def __getstate__(self):
        """The state without log Z, which the fitted density has."""
        return {name: value for name, value in super().__getstate__().items() if name not in NORMALIZER}

    def _normalize(self):
        """Find log Z, and say what is doubtful of it, once for each fit."""
        if "log_normalizer_" in vars(self):
            return
        density = self._fit.density
        log_z, stderr, ess = density.log_normalizer()
        warn_of(density.remarks())
        log_z += density.family.log_normalizer_offset(density.theta)
        self._name(log_normalizer=log_z, log_normalizer_stderr=stderr, log_normalizer_ess=ess)

    # ---- the hooks of the public contract --------------------------------------------------------

    @property
    def _variance(self):
        return self._fit.statistics.moments.variance

    def _support(self, X):
        domain = self._fit.family.domain
        return domain.contains(X) if domain.has_boundary else None

    def _log_density(self, X):
        self._normalize()
        return self._fit.density.log_density(X)

    def _score(self, X):
        return self._fit.family.evaluator(X).score(self._fit.density.theta, X)

    def _curvature(self, X, V):
        return self._fit.family.evaluator(X).curvature(self._fit.density.theta, X, V)

    def _divergence(self, X):
        return self._fit.family.evaluator(X).divergence(self._fit.density.theta, X)

    def _hyvarinen(self, X, scale):
        family = self._fit.family
        if hasattr(family, "hyvarinen_score"):
            return family.hyvarinen_score(self._fit.density.theta, X, 1.0 if scale is None else scale)
        if not family.domain.has_boundary:
            return super()._hyvarinen(X, scale)
        unit = np.ones(X.shape[1]) if scale is None else scale
        h, grad_h = family.domain.rescaled(unit).boundary_distance(X / unit)
        score, divergence = self._score_and_divergence(X, scale)
        return score_losses.weighted(score, divergence, h, grad_h)

    def _draw(self, n_samples, rng):
        drawn = self._fit.density.sample(n_samples, self.sampler, rng)
        warn_of(drawn.remarks)
        if drawn.diagnostics is not None:
            self._name(sampling_diagnostics=drawn.diagnostics)
        return drawn.rows

    # ---- the interface of sklearn.mixture --------------------------------------------------------

    @available_if(check_count)
    def bic(self, X: ArrayLike) -> float:
        """Bayesian information criterion −2 log L + k log n of the rows; smaller is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training rows.

        Returns
        -------
        float
            With k the number of free parameters: those of pairs that a penalty left out do not count. It is exact for
            estimates of maximum likelihood, a Gaussian with ``alpha=0``, and approximate for others.
        """
        values = self.score_samples(native_frame(X))
        return self._n_free() * np.log(values.shape[0]) - 2.0 * _total(values)

    @available_if(check_count)
    def aic(self, X: ArrayLike) -> float:
        """Akaike's information criterion −2 log L + 2k of the rows; smaller is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training rows.

        Returns
        -------
        float
            With k as in ``bic``.
        """
        values = self.score_samples(native_frame(X))
        return 2.0 * self._n_free() - 2.0 * _total(values)

    def _n_free(self):
        return self._fit.family.n_free(self._fit.density.theta)

    # ---- interactions, and the interface of sklearn.covariance for Gaussians on R^d ----------------

    def edge_tests(self) -> dict[str, np.ndarray]:
        """Wald tests that an interaction is zero, for each pair of columns.

        Returns
        -------
        dict of ndarrays of shape (n_pairs,)
            Columns ``i`` and ``j`` (and their ``names``, shape (n_pairs, 2), where known), ``interaction``,
            ``standard_error``, ``statistic`` and ``p_value``. Pairs that an l1 penalty left out have the p-value 1;
            those of the others take no account of the selection.
        """
        check_is_fitted(self)
        interactions = getattr(self, "interaction_", getattr(self, "precision_", None))
        if not hasattr(self, "standard_errors_") or interactions is None:
            raise ValueError("edge_tests needs inference=True and a Gaussian model or one of interactions, at fit.")
        tests = pair_tests(interactions, self.theta_, self.parameter_covariance_)
        names = getattr(self, "feature_names_in_", None)
        return tests if names is None else {**tests, "names": np.column_stack([names[tests["i"]], names[tests["j"]]])}

    @available_if(check_covariance)
    def get_precision(self) -> np.ndarray:
        """Return the precision matrix.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            In inverse squared units of X.
        """
        check_is_fitted(self)
        return self.precision_

    @available_if(check_covariance)
    def mahalanobis(self, X: ArrayLike) -> np.ndarray:
        """Squared Mahalanobis distances (x − μ)ᵀK(x − μ) of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        X = self._check_rows(X)
        xp, _ = get_namespace(X)
        centred = X - self.location_
        return xp.sum((centred @ self.precision_) * centred, axis=-1)

    @available_if(check_covariance)
    def error_norm(
        self, comp_cov: ArrayLike, norm: str = "frobenius", scaling: bool = True, squared: bool = True
    ) -> float:
        """Distance between the fitted and another covariance, as in ``EmpiricalCovariance.error_norm``.

        Parameters
        ----------
        comp_cov : array-like of shape (n_features, n_features)
            Covariance to compare with.
        norm : {"frobenius", "spectral"}, default="frobenius"
            Norm of the difference.
        scaling : bool, default=True
            Divide the squared norm by n_features.
        squared : bool, default=True
            Return the squared norm.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        xp, _ = get_namespace(self.covariance_)
        if norm not in ("frobenius", "spectral"):
            raise NotImplementedError(f'norm={norm!r}: choose "frobenius" or "spectral".')
        comp_cov = xp.asarray(comp_cov, dtype=self.covariance_.dtype, device=getattr(self.covariance_, "device", None))
        squares = xp.linalg.svdvals(comp_cov - self.covariance_) ** 2
        total = float(xp.sum(squares) if norm == "frobenius" else xp.max(squares))
        total = total / squares.shape[0] if scaling else total
        return total if squared else total**0.5
