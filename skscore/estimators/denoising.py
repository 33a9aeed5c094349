r"""Denoising score matching as an estimator of scikit-learn's kind.

Rows x carry Gaussian noise, :math:`\tilde x = x + \sigma z`, and a noise-conditional score :math:`s(\tilde x, \sigma)`
is fitted to :math:`-z/\sigma` (Vincent, 2011, eq. 9), at one noise level or at many (Song & Ermon, 2019). From the
largest level, where rows are all but Gaussian, the probability flow leads down to the density of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._compat import (
    CallbackSupportMixin,
    FitCallbacks,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    validate_numpy,
    validate_parameters,
)
from ..formulas.moments import row_blocks
from ..formulas.schedules import WEIGHTINGS
from ..levels.flow_density import SAMPLERS
from ..levels.mixture import FIRST
from ..levels.parzen import NARROWEST
from ..likelihood import antithetic_noise, denoising_gain
from ..maps.affine import PRECONDITIONINGS
from ..models.catalog import MODELS
from ..models.family import Model, Sample
from ..models.few_rows import few_rows
from ..neural import ScoreNetwork
from ..neural.process_group import ALONE, current_group
from ..samplers import tweedie
from .all_or_nothing import all_or_nothing
from .all_rows import all_rows
from .checks import (
    check_counts,
    check_noise,
    check_spread,
    check_sums,
    model_object,
    rows_of_weight,
    seed_of,
    warn_of,
    warn_user,
)
from .denoising_routes import fit_closed_form, fit_network, read_best
from .density import DensityEstimator
from .ladder_statistics import LadderPlan, LadderStatistics, check_same_plan
from .noise_coordinates import in_coordinates, planned_ladder, preprocessed
from .partitions import rows_to_fit, rows_to_plan, summed_partitions
from .preprocessing import SpreadRows
from .statistics import Columns, check_statistics

__all__ = ["DenoisingScoreEstimator"]

DOUBTFUL_DIFFERENCE = 0.05  # nats
DOUBTFUL_CELLS = 0.1  # nats
DOUBTFUL_REPETITION = 0.1  # of the density in the narrowest windows
INSIDE_DRAWS, MAX_INSIDE_DRAWS = 10_000, 100_000
INSIDE_ERROR = 0.005  # of the logarithm of the mass inside, one standard error
BLOCK_POINTS = 1 << 16  # rows times points of their cells, evaluated together


class DenoisingScoreEstimator(CallbackSupportMixin, DensityEstimator):
    r"""Density estimator fitted by denoising score matching over one or many noise levels.

    The five parameters to touch; all others may stay as they are:

    - ``model``: "polynomial" or another closed form, fitted in seconds, or a :class:`~skscore.neural.ScoreNetwork`;
    - ``sigma_min``: "auto" lets validation rows choose the smallest noise level;
    - ``bounds``: limits of the columns;
    - ``parzen``: None if no draw may lie close to a row of the table;
    - ``random_state``: an integer repeats the fit and its draws.

    Parameters
    ----------
    model : "network", ScoreNetwork, str or model object, default="network"
        A neural network on torch, :class:`~skscore.neural.ScoreNetwork`, which holds the parameters of architecture and
        training; or in closed form an exponential family of :mod:`skscore.models` by its name or as an object.
    sigma_min : float or "auto", default=0.01
        Smallest noise level, in units of the standardised columns (of the whitened directions with
        ``preconditioning="whiten"``). The density is that of rows with this much noise. "auto" trains down to 0.005, or
        at `noise_levels`, and chooses one of seven levels up to 0.32, or of those levels, by the log-likelihood of the
        validation rows; :class:`DenoisingScoreEstimatorCV` chooses by folds.
    sigma_max : float or "auto", default="auto"
        Largest noise level; "auto" is 20 standard deviations of the widest direction.
    n_levels : int or None, default=None
        Train at this many levels in geometric progression; None trains at all levels in between.
    noise_levels : array-like of shape (n_levels,) or None, default=None
        Train at these levels; they stand for `sigma_min`, `sigma_max` and `n_levels`.
    noise_distribution : {"lognormal", "loguniform"}, default="lognormal"
        How levels are drawn where there is no ladder.
    weighting : {"balanced", "edm", "sigma2"} or callable, default="balanced"
        λ(σ): "edm" is unit weight for every level and direction of the preconditioned network (Karras et al., 2022),
        "sigma2" is σ² on the score (Song & Ermon, 2019), and "balanced" the geometric mean of the two. A function maps
        σ to the weight of :math:`\|s + z/\sigma\|^2`.
    preconditioning : {"auto", "per_direction", "whiten", "standardize"}, default="auto"
        Coordinates in which noise is isotropic: the standardised columns, rotated into the eigenvectors of their shrunk
        correlations; these, scaled to unit variance; the standardised columns as they are. A network with output zero
        is the Gaussian of these coordinates. "auto" is the first for networks, and where some columns set the scale of
        others (`scale_slopes_`) each row has scales of its own.
    dequantize : {"auto"} or bool, default="auto"
        Treat columns in which values recur (more than 5 % ties) as discrete: their values are spread over cells, a
        log-density is that of the box of cells, and ``sample`` draws values. A column of at most 20 values, or of
        uneven ones such as codes, is a set: log-densities are those of its values (log P), every draw is one of them,
        and a row with any other has log-density −inf. A value that holds much of an otherwise continuous column counts
        as log P, too. An evenly spaced column of many values (integers, decimals) counts with log P(cell) −
        log(spacing), the density that it was rounded from. False takes all columns as continuous.
    bounds : tuple (lower, upper) or None, default=None
        Limits of the columns, each a number or an array of shape (n_features,), which belong to them. Draws outside are
        drawn again, the density outside is zero, and that inside is divided by `inside_mass_`.
    tail : {"auto"} or None, default="auto"
        Mix in a Student density of small weight, both chosen on validation rows, so that a single far row cannot cost
        hundreds of nats. ``grad_log_density`` then costs as much as ``score_samples``. If rows are held out from
        networks and no column has few values, mixtures of 1, 2, 4, … Gaussians are mixed in, too, as far as these rows
        ask for them. Nothing is with ``tail=None, parzen=None``.
    parzen : {"auto"} or None, default="auto"
        Mix a kernel density estimate of many widths into the density of networks, as far as validation rows ask for
        it: rows that nearly repeat others are beyond any smooth model. The estimator then keeps the rows, and some
        draws lie close to one of them; None forbids it. ``parzen_weight_`` says how many. Tables with columns of few
        values have none.
    alpha : float, "auto" or "cv", default="auto"
        Ridge of a closed-form model at every level, as in :class:`ScoreMatchingDensity`.
    criterion : {"log_likelihood", "elbo", "hyvarinen"}, default="log_likelihood"
        What ``score`` returns: the mean log-density; its lower bound by denoising errors, much cheaper; or minus the
        mean Hyvärinen score.
    sampler : {"flow", "flow_multistep", "annealed_langevin", "reverse_sde", "predictor_corrector"}, default="flow"
        Of ``sample``: the probability flow by Heun's method, or by that of Adams and Bashforth at half the cost;
        Langevin steps down the levels; the reverse diffusion; the latter with Langevin steps at each level.
    n_sampling_levels : int or None, default=None
        Noise levels of the sampler; None is its own number.
    n_likelihood_steps : int, default=16
        Steps of the flow behind a log-density, up to eight times as many where halving them still changes it.
    warm_start : bool, default=False
        Begin with the weights and coordinates of the last fit.
    random_state : int, RandomState instance, numpy.random.Generator or None, default=None
        Seeds the training and the stream of ``sample``. With None a training that has a `checkpoint` is seeded with 0.
    verbose : int, default=0
        k prints every k-th loss of the validation rows, and after the first how long the training will take.

    Attributes
    ----------
    train_loss_curve_, validation_loss_curve_ : list of float
        Denoising losses in nats, less that of the linear denoiser of a Gaussian: 0 is the Gaussian, negative is better.
        Held-out outputs are shrunk as far as is best for them, and without folds the Gaussian may explain a few far
        rows. The curves measure training, and cannot choose a noise level.
    n_iter_, best_iter_ : int
        Steps of training, and the step whose weights were kept; 0 is the Gaussian.
    likelihood_report_ : LikelihoodReport
        Errors of the log-density on validation rows: step halving, probes, points of the cells of discrete columns,
        median and worst row, gain over the Gaussian.
    mixture_weights_ : dict
        Weight of each part of the density: "model" (network or closed form), and "tail", "gaussians" and "windows" (the
        kernel density estimate) where they are mixed in.
    tail_weight_, tail_df_ : float
        Weight ε and degrees of freedom ν of the Student tail.
    parzen_weight_ : float
        Weight of the kernel density estimate; 0 where there is none.
    parzen_widths_ : dict
        Share of each of its widths, in units of `sigma_min`.
    score_level_ : float
        Noise level from which ``grad_log_density`` reads the score of a network: that of least Hyvärinen score on
        validation rows. Closed-form models are read at `sigma_min`.
    scale_slopes_ : ndarray of shape (n_features, n_features)
        Entry (i, j) is the slope along column i of the logarithm of the scale of column j; zeros where rows held out
        have no need of scales of their own.
    alpha_ : float or None
        Ridge of a closed-form model; None for a network.
    noise_levels_ : ndarray of shape (n_levels,)
        Ladder of the training, decreasing; its two ends where levels are continuous.
    sigma_min_ : float
        Smallest noise level, that of the density.
    inside_mass_ : float
        Share of the unbounded density that lies within `bounds`, of the values of discrete columns that lie there. It
        is computed when first asked for, by draws: at least 10,000, and as many as leave a standard error of half a
        percent, but not more than 100,000.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has string column names.

    References
    ----------
    Vincent, P. (2011). A connection between score matching and denoising autoencoders. Neural Computation 23,
    1661-1674. Song, Y., & Ermon, S. (2019). Generative modeling by estimating gradients of the data distribution.
    NeurIPS. Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based
    generative models. NeurIPS.

    Examples
    --------
    In closed form, without torch:

    >>> from sklearn.datasets import load_iris
    >>> from skscore import DenoisingScoreEstimator
    >>> X = load_iris().data
    >>> density = DenoisingScoreEstimator("gaussian", dequantize=False, tail=None).fit(X)
    >>> print(round(density.score(X), 2))
    -2.53
    >>> density.sample(2, random_state=0).shape
    (2, 4)
    """

    _found_when_asked = "inside_mass_"
    _parameter_constraints: dict[str, list] = {
        "model": [StrOptions({"network", *MODELS}), Model, ScoreNetwork],
        "sigma_min": [StrOptions({"auto"}), Interval(Real, 1e-6, 1e3, closed="both")],
        "sigma_max": [StrOptions({"auto"}), Interval(Real, 1e-6, 1e6, closed="both")],
        "n_levels": [Interval(Integral, 1, None, closed="left"), None],
        "noise_levels": ["array-like", None],
        "noise_distribution": [StrOptions({"lognormal", "loguniform"})],
        "weighting": [StrOptions(set(WEIGHTINGS)), callable],
        "preconditioning": [StrOptions({"auto", *PRECONDITIONINGS})],
        "dequantize": [StrOptions({"auto"}), "boolean"],
        "bounds": [tuple, list, None],
        "tail": [StrOptions({"auto"}), None],
        "parzen": [StrOptions({"auto"}), None],
        "alpha": [Interval(Real, 0.0, None, closed="left"), StrOptions({"auto", "cv"})],
        "criterion": [StrOptions({"log_likelihood", "elbo", "hyvarinen"})],
        "sampler": [StrOptions(set(SAMPLERS))],
        "n_sampling_levels": [Interval(Integral, 2, None, closed="left"), None],
        "n_likelihood_steps": [Interval(Integral, 2, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str | Model | ScoreNetwork = "network",
        *,
        sigma_min: float | str = 0.01,
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
        criterion: str = "log_likelihood",
        sampler: str = "flow",
        n_sampling_levels: int | None = None,
        n_likelihood_steps: int = 16,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.sigma_min = sigma_min
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
        self.criterion = criterion
        self.sampler = sampler
        self.n_sampling_levels = n_sampling_levels
        self.n_likelihood_steps = n_likelihood_steps
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # ---- fit -------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the density to the rows of X.

        Networks learn from a memory map without a copy of it. In a process group of torch they are trained by all
        processes, each of which calls ``fit`` with its own rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two; or a dask array or dataframe (:doc:`/user_guide/dask`).
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights of the rows in the loss.

        Returns
        -------
        self
        """
        return self._fit_rows(X, sample_weight, resume=self.warm_start and "_density" in vars(self))

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Go on with further rows: more steps of the networks; closed-form models merge the statistics of all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The first call needs two rows and chooses the coordinates.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.

        Returns
        -------
        self
        """
        return self._fit_rows(X, sample_weight, resume="_density" in vars(self), merge=True)

    @all_or_nothing
    def _fit_rows(self, X, sample_weight, resume, merge=False):
        """Fit to rows in memory, to partitions of few rows as if these were, or to the statistics of partitions."""
        rows = rows_to_fit(self, X, None, sample_weight)
        if isinstance(rows, tuple):
            return self._keep_readings(*self._readings(rows[0], rows[2], resume, merge))
        if not resume:
            return self.fit_statistics(rows.statistics(self))
        X, _, sample_weight = rows.first()
        some = self._checked(X, sample_weight, model_object(self.model), is_first=False)
        statistics = rows.statistics(self, self._seen.plan.with_rows(*some))
        return self.fit_statistics(statistics + self._seen if merge else statistics)

    def _keep_readings(self, readings, preprocessing, seen):
        """Name the results of the one reading, and warn of it."""
        (fitted,), self._seen = readings, seen
        self._keep(fitted, preprocessing)
        if self.bounds is None:
            self.inside_mass_ = 1.0
        warn_of(fitted.remarks)
        self._warn_if_doubtful()
        return self

    def _readings(self, X, sample_weight, resume=False, merge=False, read=read_best):
        """What `read` makes of a training on the rows of X, the preprocessing, and what further rows are added to."""
        p, model = self._settings(), model_object(self.model)
        group = current_group() if isinstance(model, ScoreNetwork) else ALONE
        X, weight = group.together(lambda: self._checked(X, sample_weight, model, is_first=not resume))
        seed = group.first(self._begin_stream(model))
        if not isinstance(model, ScoreNetwork):
            return self._read_statistics(p, self._summed_up(p, model, X, weight, resume, merge), X, weight, seed, read)
        source, preprocessing, seen = self._preprocessed(p, model, all_rows(X, weight, group), resume, merge and resume)
        start = self._density.noisy_score if resume else None
        rows = in_coordinates(p, preprocessing, seen, source.X, source.weight)
        return self._train(p, model, source, *rows, seed, read, start), preprocessing, seen

    def _checked(self, X, sample_weight, model, is_first):
        """Rows and weights, after checks of them and of the model."""
        validate_parameters(model)
        check_noise(model)
        at_least = 2 if is_first else 1
        X = self._first_seen(X) if is_first else X
        dtype = [np.float64, np.float32] if isinstance(model, ScoreNetwork) else np.float64  # networks copy no map
        X = validate_numpy(self, X, reset=is_first, dtype=dtype, ensure_min_samples=at_least)
        weight, X = rows_of_weight(check_sample_weight(sample_weight, X), X, at_least=at_least)
        check_counts(weight)
        check_spread(X)
        return X, weight

    # ---- statistics as values --------------------------------------------------------------------

    def plan(self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, y: Any = None) -> LadderPlan:
        """What the rows of X decide for the statistics of other rows: cells, coordinates, noise levels, the family.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the table, at least two, which should be like all the others. A discrete column has the values
            that it has here, and no others.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.
        y : None
            Ignored.

        Returns
        -------
        LadderPlan
            A value that can be pickled. It holds at most 1000 of the rows, which choose the tail and the number of
            steps of the density in ``fit_statistics``.
        """
        X, _, sample_weight = rows_to_plan(self, X, y, sample_weight)
        return self._named_plan(X, sample_weight)[0]

    def compute_statistics(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, y: Any = None, plan: LadderPlan | None = None
    ) -> LadderStatistics:
        """What a fit in closed form keeps of the rows of X, as a value: those of several tables add up by ``+``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows: at least two, or one with a plan.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.
        y : None
            Ignored.
        plan : LadderPlan or None, default=None
            From ``plan``; None makes one of these rows. Only statistics of one plan add up.

        Returns
        -------
        LadderStatistics

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skscore import DenoisingScoreEstimator
        >>> X, density = load_iris().data, DenoisingScoreEstimator("gaussian", dequantize=False, tail=None)
        >>> plan = density.plan(X[:50])
        >>> whole = density.compute_statistics(X[:75], plan=plan) + density.compute_statistics(X[75:], plan=plan)
        >>> print(round(density.fit_statistics(whole).score(X), 2))
        -2.53
        """
        if (rows := summed_partitions(self, X, y, sample_weight)) is not None:
            return rows.statistics(self, plan)
        if plan is None:
            return LadderStatistics.of_planned(*self._named_plan(X, sample_weight))
        reader, model = clone(self), model_object(self.model)
        plan.columns.show(reader)
        return reader._gathered(reader, model, plan, *reader._checked(X, sample_weight, model, is_first=False))

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit_statistics(self, statistics: LadderStatistics) -> Self:
        """Fit the density, in closed form, to rows of which the statistics are known.

        Parameters
        ----------
        statistics : LadderStatistics
            From ``compute_statistics``, or the sum of several, for the same model, levels and coordinates.

        Returns
        -------
        self
        """
        check_statistics(statistics, LadderStatistics)
        self._check_sums()
        p, model, plan = self._settings(), model_object(self.model), statistics.plan
        check_same_plan(p, model, plan)
        if not isinstance(self.alpha, str):
            statistics = replace(statistics, plan=replace(plan, choice=plan.choice._replace(alpha=self.alpha)))
        plan.columns.show(self)
        seed = self._begin_stream(model)
        X, weight = plan.rows
        return self._keep_readings(*self._read_statistics(p, statistics, X, weight, seed, read_best))

    def _check_sums(self):
        """Raise a ValueError if a fit is no matter of sums over rows."""
        check_sums(self)

    def _named_plan(self, X, sample_weight):
        """The plan of these rows, the rows and their weights; a clone has checked them."""
        reader, model = clone(self), model_object(self.model)
        reader._validate_params()
        reader._check_sums()
        X, weight = reader._checked(X, sample_weight, model, is_first=True)
        plan = planned_ladder(reader, model, X, weight, Columns.seen_by(reader))
        return plan.named(X, weight, repr(self.alpha), repr(self.random_state)), X, weight

    def _gathered(self, p, model, plan, X, weight):
        """Statistics of rows under a plan."""
        check_same_plan(p, model, plan)
        plan.preprocessing.check_values(X)
        return LadderStatistics.gather(plan, X, weight)

    def _summed_up(self, p, model, X, weight, resume, merge):
        """Statistics of the rows, added to those seen before if they are to `merge`."""
        if resume and merge:
            return self._seen + self._gathered(p, model, self._seen.plan, X, weight)
        former = self._preprocessing if resume else None
        plan = planned_ladder(p, model, X, weight, Columns.seen_by(self), former)
        return LadderStatistics.of_planned(plan, X, weight)

    def _read_statistics(self, p, statistics, X, weight, seed, read):
        """As `_readings`, of statistics, and rows X that choose what these do not tell."""
        preprocessing, few = statistics.preprocessing, few_rows(Sample(X, None, weight, statistics.spread))
        rows = in_coordinates(p, preprocessing, few.moments, few.X, few.weight)
        readings = fit_closed_form(p, statistics, *rows, seed, read)
        return readings, preprocessing, statistics.without_rows()

    # ---- networks --------------------------------------------------------------------------------

    def _settings(self):
        """The holder of the parameters of the training."""
        return self

    def _begin_stream(self, model):
        """Begin the stream that ``sample`` continues, and return the seed of the fit."""
        reproducible = self.random_state is None and getattr(model, "checkpoint", None) is not None
        seed = 0 if reproducible else seed_of(self.random_state)
        self._stream = np.random.default_rng(seed)
        return int(self._stream.integers(2**31)) if seed is None else seed

    def _preprocessed(self, p, network, source, resume, merge):
        """All rows, with those here that the preprocessing needs; it, and the moments of all spread rows seen."""
        former = self._preprocessing if resume else None
        source, fitted, seen = preprocessed(p, network, source, former)
        if merge:
            fitted, seen = replace(fitted, moments=fitted.moments + source.moments(lambda X: X)), seen + self._seen
        return source, fitted, seen

    def _train(self, p, network, source, rows, table, seed, read, start):
        """Train networks, with a round of the callbacks and a line of print for each validation."""
        is_first = source.group.is_first
        callbacks = FitCallbacks(self if is_first else None, table.X, None)

        def watch(state, interim):
            if self.verbose and is_first:
                self._report(state)
            return callbacks.round(lambda: self._attributes(interim(), table.preprocessing))

        readings = fit_network(p, network, source, rows, table, seed, watch, read, start)
        callbacks.end()
        return readings

    def _report(self, state):
        """Print the loss of the validation rows, and at first how long the training will take."""
        losses, name = state.validation_curve, type(self).__name__
        if len(losses) == 1:
            print(f"[{name}] {state.seconds_to_go:.0f} s to go, fewer if the loss stalls")
        if len(losses) % self.verbose == 0:
            print(f"[{name}] step {state.step}: {losses[-1]:.3f} nats to the Gaussian")

    def _keep(self, fitted, preprocessing):
        """Name the results."""
        density = fitted.density
        parts = {} if density.mixture is None else density.mixture.parts
        self._density = density
        self._preprocessing = replace(preprocessing, n_points=fitted.n_points, sigma_min=fitted.sigma_min)
        self.alpha_ = fitted.alpha
        self.noise_levels_ = fitted.levels
        self.sigma_min_ = float(fitted.sigma_min)
        self.scale_slopes_ = preprocessing.scale_slopes
        self.score_level_ = fitted.sigma_min if density.score_level is None else density.score_level
        self.mixture_weights_ = {FIRST: 1.0} if density.mixture is None else density.mixture.weight_of
        self.tail_weight_ = self.mixture_weights_.get("tail", 0.0)
        self.tail_df_ = parts["tail"].df if "tail" in parts else np.inf
        self.parzen_weight_ = self.mixture_weights_.get("windows", 0.0)
        self.parzen_widths_ = parts["windows"].weights_by_width() if "windows" in parts else {}
        self.likelihood_report_ = fitted.report
        self.train_loss_curve_ = fitted.train_curve
        self.validation_loss_curve_ = fitted.validation_curve
        self.n_iter_ = fitted.n_iter
        self.best_iter_ = fitted.best_iter
        self.__dict__.pop("inside_mass_", None)  # of an earlier fit

    def _attributes(self, fitted, preprocessing):
        """Fitted attributes by name, for the callbacks."""
        twin = type(self)()
        twin._keep(fitted, preprocessing)
        return {name: value for name, value in vars(twin).items() if name not in self.get_params(deep=False)}

    def _warn_if_doubtful(self):
        report = self.likelihood_report_
        if report is not None and not report.halving_difference <= DOUBTFUL_DIFFERENCE:
            warn_user(
                f"log-densities are doubtful: halving the {report.n_steps} steps of the flow changes a row by "
                f"{report.halving_difference:.2g} nats in the mean. Raise n_likelihood_steps or sigma_min."
            )
        if report is not None and report.cell_difference > DOUBTFUL_CELLS:
            warn_user(
                f"log-densities of rows of discrete columns are doubtful: half of the {report.n_cell_points} points of "
                f"their cells change a row by {report.cell_difference:.2g} nats in the mean. Such columns all but "
                "determine one another: drop one of them, or raise sigma_min."
            )
        repeated = self.parzen_weight_ * self.parzen_widths_.get(NARROWEST, 0.0)
        if repeated > DOUBTFUL_REPETITION:
            warn_user(
                f"{repeated:.0%} of the density lies in windows of width {NARROWEST} over the rows, the least there "
                "is: rows repeat others all but exactly, and log-densities depend on it. Drop repetitions, or set "
                "parzen=None."
            )

    # ---- what the density answers, in the units of the table -------------------------------------

    @cached_property
    def inside_mass_(self):
        """Fraction of the unbounded density within the bounds, by as many draws as give it to half a percent."""
        check_is_fitted(self)
        if self.bounds is None:
            return 1.0
        rng, n_inside, n_drawn = np.random.default_rng(0), 0, 0
        while n_drawn < MAX_INSIDE_DRAWS:
            draws = self._density.sample(INSIDE_DRAWS, "flow", None, rng).rows
            n_inside += int(self._support(self._preprocessing.restored(draws)).sum())
            n_drawn += INSIDE_DRAWS
            if n_drawn - n_inside <= (INSIDE_ERROR * n_inside) ** 2 * n_drawn / max(n_inside, 1):
                break
        return max(n_inside, 0.5) / n_drawn

    def grad_log_density(self, X: ArrayLike, sigma: float | None = None) -> np.ndarray:
        """Score vectors ∇ log p of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.
        sigma : float, optional
            Noise level, in the coordinates of ``sigma_min``, at which the score of the noisy rows is wanted; None for
            the fitted density, whose score a network knows best at ``score_level_``.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In nats per unit of each column; NaN outside the bounds.
        """
        if sigma is None:
            return super().grad_log_density(X)
        if (rows := self._partitions(X)) is not None:
            return rows.evaluate(partial(self.grad_log_density, sigma=sigma), ndim=2)
        X, sigma = self._check_rows(X), _noise_level(sigma)
        centre = self._preprocessing.points(X, 1)
        score = self._density.noisy_score.score(centre.Z, sigma)
        return centre.mean_score(None, self._map.pull_score(centre.Y, score))

    def denoise(self, X: ArrayLike, sigma: float) -> np.ndarray:
        """Mean of the noiseless row given each noisy one, by Tweedie's formula z + σ² s(z, σ).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with Gaussian noise, in the units of the training data. They may lie between the values of discrete
            columns, and beyond bounds.
        sigma : float
            Level of their noise, in the coordinates of ``sigma_min``: with "auto" and "standardize" as
            ``preconditioning``, noise of standard deviation `sigma` times that of each column.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of X, not rounded to the values of discrete columns. The mean is taken in the coordinates of
            ``sigma_min``; for rows with scales of their own (``scale_slopes_``) it is mapped back from there.

        References
        ----------
        Efron, B. (2011). Tweedie's formula and selection bias. JASA, 106(496), 1602-1614.
        """
        X, sigma = self._check_rows(X), _noise_level(sigma)
        return self._map.inverse(tweedie(self._map.forward(X), self._density.noisy_score, sigma))

    @property
    def _map(self):
        return self._preprocessing.map

    @property
    def _variance(self):
        return self._preprocessing.moments.variance

    def _support(self, X):
        return self._preprocessing.inside(X)

    def _criterion_values(self, X):
        if self.criterion != "elbo":
            return super()._criterion_values(X)
        X = self._check_rows(X)
        return self._on_support(self._lower_bound, X, outside=-np.inf)

    def _by_points(self, X, evaluate):
        """``evaluate(points)`` of the rows as points of their cells, a block of rows at a time, put together."""
        blocks = row_blocks(len(X), self._preprocessing.n_points, BLOCK_POINTS)
        found = [evaluate(self._preprocessing.points(X[rows])) for rows in blocks]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _log_density(self, X):
        log_density = self._by_points(X, lambda points: points.log_mean(self._density.log_density(points.Z)))
        warn_of(self._density.remarks())
        return log_density - np.log(self.inside_mass_)

    def _lower_bound(self, X):
        bound = self._by_points(X, lambda points: points.mean_log(self._density.elbo(points.Z)))
        return bound - np.log(self.inside_mass_)

    def _denoising_gain(self, X, levels):
        """Gain over the reference Gaussian at each noise level, in nats per unit of log σ, shape (L,)."""
        Z = next(SpreadRows(self._check_rows(X), self._preprocessing).spreads())
        noisy_score = self._density.noisy_score
        noise = antithetic_noise(len(levels), 4, Z.shape, np.random.default_rng(0))
        return np.array([denoising_gain(Z, noisy_score, *level).mean() for level in zip(levels, noise, strict=True)])

    def _shares(self, points):
        """Log-densities by which points of a cell share in its derivatives; None if there is one point alone."""
        return None if points.n_points == 1 else self._density.log_density(points.Z)

    def _score(self, X):
        def score(points):
            S = self._map.pull_score(points.Y, self._density.score(points.Z))
            return points.mean_score(self._shares(points), S)

        return self._by_points(X, score)

    def _curvature(self, X, V):
        points, f = self._preprocessing.points(X), self._map
        V = points.repeat(V)
        U = f.pushforward(points.Y, V)
        if f.is_affine and points.n_points == 1:
            return self._density.curvature(points.Z, U)
        score, curvature = self._density.score_and_trace(points.Z, U[None])
        along = (f.pull_score(points.Y, score) * V).sum(axis=1, keepdims=True)
        curvature = curvature + f.second_order(points.Y, V, score)
        return points.mean_curvature(self._shares(points), along, curvature)

    def _score_and_divergence(self, X, scale):
        points, f = self._preprocessing.points(X), self._map
        scale = points.slope * (1.0 if scale is None else scale)
        rows = np.repeat(scale, points.n_points, axis=0)
        axes = np.diag(scale[0])[:, None] if (scale == scale[0]).all() else np.eye(X.shape[1])[:, None] * rows
        score, trace = self._density.score_and_trace(points.Z, f.pushforward(points.Y, axes))
        pulled, shares = rows * f.pull_score(points.Y, score), self._shares(points)
        trace = trace + f.second_order(points.Y, axes, score).sum(axis=0)
        return points.mean(shares, pulled), points.mean_curvature(shares, pulled, trace)

    def _draw(self, n_samples, rng):
        def sample(n):
            drawn = self._density.sample(n, self.sampler, self.n_sampling_levels, rng)
            warn_of(drawn.remarks)
            return drawn.rows

        return self._preprocessing.draw(sample, n_samples)


def _noise_level(sigma):
    """The noise level as a float; a ValueError if it is none."""
    if not (isinstance(sigma, Real) and 0.0 < float(sigma) < np.inf):
        raise ValueError(f"sigma={sigma!r}: a noise level is a positive number.")
    return float(sigma)
