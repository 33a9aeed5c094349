r"""Score matching in closed form behind scikit-learn's door.

Hyvärinen (2005) fits :math:`s(x) = \nabla\log p(x)` by minimising :math:`J = E[\tfrac12\|s\|^2 + \nabla\cdot s]`, in
which the normaliser of p has no part. For an exponential family J is a quadratic form in the natural parameters, so
``fit`` is one pass over the rows and one solve.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from numbers import Real

import numpy as np
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from .._compat import (
    Interval,
    Options,
    StrOptions,
    check_same_namespace,
    check_sample_weight,
    fit_context,
    get_namespace,
    validate_data,
    validate_parameters,
)
from ..fitting.solvers import UnboundedObjectiveError
from ..formulas import score_losses
from ..formulas.moments import Summary, moments
from ..models.catalog import OBJECTIVES, resolve_objective
from ..models.family import Choice, Model, Sample
from ..models.fitted_density import SAMPLERS, FittedDensity
from .covariance_surface import CovarianceSurface
from .density import DensityEstimator, rows_of_weight, seed_of
from .inference import Inference
from .model_checks import MODEL_NAMES, check_known_scores, check_model, check_support, model_object, seeded
from .robust import Robust
from .unsolved import why_unsolved

__all__ = ["ScoreMatchingDensity"]


class ScoreMatchingDensity(Inference, Robust, CovarianceSurface, DensityEstimator):
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
    random_state : int, RandomState instance or None, default=None
        Seeds ``sample``, a neural energy without a seed of its own, and the normaliser, deterministic even with None.
    verbose : int, default=0
        1 prints a line for each fit.

    Attributes
    ----------
    location_, precision_, covariance_ : ndarrays
        Of a Gaussian model.
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
    Hyvärinen, A. (2007). Some extensions of score matching. Computational Summary & Data Analysis 51, 2499-2512.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscore import ScoreMatchingDensity
    >>> X = load_iris().data
    >>> density = ScoreMatchingDensity(random_state=0).fit(X)
    >>> round(density.score(X), 3)
    -2.533
    >>> density.sample(2).shape
    (2, 4)
    """

    _penalty = "alpha"  # the parameter that messages name
    _parameter_constraints = {
        "model": [StrOptions(MODEL_NAMES), Model],
        "objective": [StrOptions({*OBJECTIVES, "auto"})],
        "alpha": [Interval(Real, 0.0, None, closed="left"), StrOptions({"auto", "cv"})],
        "l1_ratio": [Interval(Real, 0.0, 1.0, closed="both")],
        "symmetric": [StrOptions({"and", "or"}), Options(bool, {True})],
        "inference": ["boolean"],
        "robust": [Interval(Real, 0.0, None, closed="left"), None],
        "noise_level": [Interval(Real, 1e-100, 1e100, closed="neither")],
        "criterion": [StrOptions({"log_likelihood", "hyvarinen"})],
        "sampler": [StrOptions(set(SAMPLERS))],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model="gaussian",
        *,
        objective="implicit",
        alpha="auto",
        l1_ratio=0.0,
        symmetric=True,
        inference=False,
        robust=None,
        noise_level=0.1,
        criterion="log_likelihood",
        sampler="hmc",
        random_state=None,
        verbose=0,
    ):
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
        by_moments = self.objective != "explicit" and not self.inference and self.robust is None
        tags.array_api_support = self._is_gaussian() and by_moments
        return tags

    # ---- fit -------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the density to the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two.
        y : array-like of shape (n_samples, n_features), optional
            Known scores ∇ log p at the rows, for ``objective="explicit"``; ignored otherwise.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; a weight of 2 is exactly a repeated row.

        Returns
        -------
        self
        """
        self._fit_rows(X, y, sample_weight, first=True)
        if self._law is None:
            raise ValueError(self._why_unsolved())
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
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
        self._fit_rows(X, y, sample_weight, first=not hasattr(self, "statistics_"))
        if self._law is None:
            message = f"{self._why_unsolved()} The rows are kept: go on with partial_fit."
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        return self

    def __sklearn_is_fitted__(self):
        return getattr(self, "_law", None) is not None

    def _fit_rows(self, X, y, sample_weight, first):
        model = model_object(self.model)
        validate_parameters(model)
        X = self._validated(X, reset=first, dtype="numeric", ensure_min_samples=2 if first else 1)
        objective = resolve_objective(self.objective, self.noise_level, model, X.shape[1])
        check_model(model, X.shape[1], self.alpha)
        Y = check_known_scores(X, y) if self.objective == "explicit" else None
        weight, X, Y = rows_of_weight(check_sample_weight(sample_weight, X), X, Y)
        table = moments(X if Y is None else np.hstack([X, Y]), weight)
        own = table.leading(X.shape[1])
        sample = Sample(X, Y, weight, own)
        self._check_same_statistics(model, objective, first)
        if first:
            self._choice = self._choose(model, self._without_far_rows(sample), objective)
        family = self._choice.family if first else self.family_.rebound(own)
        check_support(X, family.domain, self.objective)
        self._check_inference(family, first)
        if self.robust is not None:
            weight, X = rows_of_weight(self._robust_weight(family, sample, objective, first), X)
            table = own = moments(X, weight)
        statistics = Summary(table, family.assemble(X, Y, weight, objective))
        reference = moments(family.domain.to_reals(X), weight) if family.domain.has_boundary else own
        if not first:
            family, statistics, reference = self._merged(family, statistics, reference)
        self._forget_solution()
        self.family_, self.statistics_, self._reference = family, statistics, reference
        self._solve(sample if first else None, objective)
        if self.inference and self._law is not None:
            self._infer(X, Y, weight, objective)
        return self

    def _choose(self, model, sample, objective):
        """Family and ridge by the first rows."""
        family, alpha, results = seeded(model, self.random_state).choose(sample, objective, self.alpha, self.criterion)
        return Choice(family.penalised(self.l1_ratio, self.symmetric), alpha, results)

    def _merged(self, family, statistics, reference):
        """Family, statistics and reference of all rows seen, in the coordinates of their union."""
        seen = self.statistics_.moments + statistics.moments
        union = self.family_.rebound(seen.leading(self.n_features_in_))
        parts = [(self.family_, self.statistics_), (family, statistics)]
        forms = [union.translate(part.form, source) for source, part in parts]
        return union, Summary(seen, None if None in forms else forms[0] + forms[1]), self._reference + reference

    def _check_same_statistics(self, model, objective, first):
        """Refuse to merge statistics of another model or objective; functions are trusted."""
        plain = {name: repr(value) for name, value in model.get_params().items() if not callable(value)}
        gathered = type(model).__name__, plain, objective
        if not first and gathered != self._gathered:
            raise ValueError(
                f"model={self.model!r}, objective={self.objective!r}, noise_level={self.noise_level}: not what "
                "the rows seen so far were gathered for. partial_fit adds rows to the same model and objective; to "
                "change them, call fit."
            )
        self._gathered = gathered

    def _validated(self, X, reset, dtype, **checks):
        """Rows checked by scikit-learn; tensors stay tensors only where the model can use them."""
        keeps_namespace = self.__sklearn_tags__().array_api_support
        with nullcontext() if keeps_namespace else config_context(array_api_dispatch=False):
            xp, _ = get_namespace(X)
            floats = xp.float64 if dtype == "float64" else [xp.float64, xp.float32]
            return validate_data(self, X, reset=reset, dtype=floats, **checks)

    def _check_rows(self, X):
        check_is_fitted(self)
        if self.family_.array_api_support:
            check_same_namespace(X, self, attribute="precision_", method="score_samples")
        return self._validated(X, reset=False, dtype="numeric" if self.family_.keeps_single_precision else "float64")

    def _forget_solution(self):
        for name in getattr(self, "_named", ()):
            delattr(self, name)
        self._law, self._named = None, set()

    def _name(self, **results):
        """Keep results as fitted attributes, until the next fit."""
        results = {f"{name}_": value for name, value in results.items()}
        vars(self).update(results)
        self._named |= set(results)

    def _estimate(self, sample, objective):
        """θ by the statistics of all rows seen; `sample` has the rows where they are the first."""
        return self.family_.solve(self.statistics_, objective, self._choice.alpha)

    def _solve(self, sample, objective):
        """Find θ and name it; leave the estimator without a law where the objective has no minimum."""
        try:
            theta = self._estimate(sample, objective)
        except UnboundedObjectiveError as error:
            self._threshold = error.threshold
            return
        family, statistics = self.family_, self.statistics_
        value = family.objective_value(theta, statistics, objective)
        theta = theta if self.robust is None else family.power(theta, 1.0 / (1.0 + self.robust))
        self._name(**family.attributes(theta), objective=value, alpha=self._choice.alpha)
        if self._choice.results is not None:
            self._name(cv_results=self._choice.results)
        seed = seed_of(self.random_state)
        self._stream = np.random.default_rng(seed)
        self._law = FittedDensity(family, theta, self._reference, seed or 0, repr(self.model))
        if self.verbose:
            print(f"[ScoreMatchingDensity] {statistics.moments.n:g} rows, objective {value:.6g}")

    def _why_unsolved(self):
        table = self.statistics_.moments.leading(self.n_features_in_)
        return why_unsolved(self, self._penalty, table, self._threshold)

    # ---- the normaliser --------------------------------------------------------------------------

    def __getattr__(self, name):
        """log Z, its standard error and its effective sample size: found when first asked for, then kept.

        Not properties: scikit-learn's HTML display evaluates every property of an estimator.
        """
        if name not in ("log_normalizer_", "log_normalizer_stderr_", "log_normalizer_ess_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        check_is_fitted(self)
        log_z, stderr, ess = self._law.log_normalizer()
        log_z += self.family_.log_normalizer_offset(self._law.theta)
        self._name(log_normalizer=log_z, log_normalizer_stderr=stderr, log_normalizer_ess=ess)
        return vars(self)[name]

    # ---- the hooks of the public contract --------------------------------------------------------

    @property
    def _variance(self):
        return self.statistics_.moments.leading(self.n_features_in_).variance

    def _support(self, X):
        return self.family_.domain.contains(X) if self.family_.domain.has_boundary else None

    def _log_density(self, X):
        return self._law.log_density(X)

    def _score(self, X):
        return self.family_.score(self._law.theta, X)

    def _curvature(self, X, V):
        return self.family_.curvature(self._law.theta, X, V)

    def _divergence(self, X):
        return self.family_.divergence(self._law.theta, X)

    def _hyvarinen(self, X, scale):
        if hasattr(self.family_, "hyvarinen_score"):
            return self.family_.hyvarinen_score(self._law.theta, X, 1.0 if scale is None else scale)
        if not self.family_.domain.has_boundary:
            return super()._hyvarinen(X, scale)
        unit = np.ones(X.shape[1]) if scale is None else scale
        h, grad_h = self.family_.domain.rescaled(unit).boundary_distance(X / unit)
        return score_losses.weighted(*self._score_and_divergence(X, scale), h, grad_h)

    def _draw(self, n_samples, rng):
        draws, diagnostics = self._law.sample(n_samples, self.sampler, rng)
        if diagnostics is not None:
            self._name(sampling_diagnostics=diagnostics)
        return draws
