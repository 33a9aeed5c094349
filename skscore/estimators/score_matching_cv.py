"""Score matching with a penalty that is chosen along its path."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv

from .._compat import HasMethods, Interval, Options, StrOptions, check_sample_weight, n_rows
from ..fitting.criteria import one_standard_error
from ..fitting.solvers import Estimate
from ..models.catalog import MODELS
from ..models.family import Choice, Model
from ..models.folds import folds_of, taken
from ..models.interactions.penalty_path import (
    PathProblem,
    among_densities,
    automatic_alphas,
    by_ebic,
    by_folds,
    by_smic,
    fold_statistics,
    left_out,
    penalty_path,
    split_statistics,
)
from .all_or_nothing import all_or_nothing
from .checks import edge_of_the_path, rows_of_weight, tells_once, warn_of, warn_user
from .fold_statistics import FoldStatistics
from .score_matching import ScoreMatchingDensity
from .statistics import Fit

__all__ = ["ScoreMatchingDensityCV"]

LOWEST = (1e-3, 1e-6, 1e-9)  # of the penalties of a path, relative to the greatest; the next if the lowest is chosen
SLOW = 10.0  # seconds, after which a path says what it is doing


class ScoreMatchingDensityCV(ScoreMatchingDensity):
    r"""Density estimator fitted by score matching, with a penalty chosen from a path.

    All penalties are fitted at little more than the cost of one, each from the one before; folds share their
    statistics.

    Parameters
    ----------
    model : str or model object, default="pairwise"
        As in :class:`ScoreMatchingDensity`.
    alphas : "auto" or array-like of shape (L,), default="auto"
        Penalties to try. "auto" descends from the least penalty that leaves no edge to a thousandth of it, and further
        if the last one is chosen, as in tables with columns of very different units; or, without an l1 part, over
        ridges from 100 to 1e-6.
    n_alphas : int, default=30
        Length of an automatic path with an l1 part.
    l1_ratio : float, default=1.0
        Share of the penalty that is Σ ``|K_ij|`` over pairs, for models of interactions; 0 for other models.
    symmetric : {True, "and", "or"}, default=True
        As in :class:`ScoreMatchingDensity`.
    selection : {"cv", "ebic", "smic"}, default="cv"
        By the objective of rows held out, without penalty; by the extended Bayesian information criterion (Foygel &
        Drton, 2010), for graphs; by the score matching information criterion (Matsuda, Uehara & Hyvärinen, 2021).
        Estimates that are no density are chosen only if none is one.
    cv : int, splitter or iterable of splits, default=5
        A number of folds, in which equal rows are in one fold and the order of rows does not matter; or splits of
        scikit-learn. Folds are of equal size, and those of a table of more than 10,000 distinct rows follow a hash of
        each row, which parts of a table know, too.
    rule : {"best", "one_standard_error"}, default="best"
        Of ``selection="cv"``: the best penalty, or the strongest within one standard error of it.
    gamma : float, default=0.5
        γ of the extended criterion: how dear an edge is where there are many columns.
    refit : bool, default=True
        Judge each graph of ``selection="ebic"`` by its unpenalised fit, and return that of the chosen one.
    calibrate : bool, default=True
        Let an edge of ``selection="ebic"`` cost λ times as much, with λ = E[ψ²]/Γ the gain by chance of a pair that is
        not there, in units of that of a log-likelihood. False is the criterion of the literature, which depends on the
        units of X.
    inference : bool, default=False
        Find standard errors; they take no account of the choice of the penalty.
    objective : {"implicit", "explicit", "sliced", "denoising", "auto"}, default="implicit"
        As in :class:`ScoreMatchingDensity`, as are the parameters below.
    noise_level : float, default=0.1
        σ of ``objective="denoising"``.
    criterion : {"log_likelihood", "hyvarinen"}, default="log_likelihood"
        What ``score`` returns.
    sampler : {"hmc", "mala"}, default="hmc"
        Markov chains of ``sample``.
    random_state : int, RandomState instance, numpy.random.Generator or None, default=None
        Seeds ``sample`` and the normaliser.
    verbose : int, default=0
        1 prints a line for each fit, and for each penalty of a path with an l1 part.

    Attributes
    ----------
    alpha_ : float
        The chosen penalty.
    alphas_ : ndarray of shape (L,)
    path_ : list of ndarrays
        Interaction matrices along the path, or θ for other models.
    cv_results_ : dict of ndarrays
        ``alphas``, criterion (``mean_test_score``, larger is better) and number of edges (``n_edges``) along the path;
        with ``selection="cv"`` also ``split0_test_score``, ..., and their standard deviation ``std_test_score``.
    interaction_, linear_ : ndarrays
        K and η, and the other attributes of :class:`ScoreMatchingDensity`.

    References
    ----------
    Foygel, R., & Drton, M. (2010). Extended Bayesian information criteria for Gaussian graphical models. NeurIPS.
    Lin, L., Drton, M., & Shojaie, A. (2016). Estimation of high-dimensional graphical models using regularized score
    matching. Electronic Journal of Statistics, 10(1), 806-854.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensityCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 5))
    >>> X[:, 1] += 0.8 * X[:, 0]
    >>> graph = ScoreMatchingDensityCV(selection="ebic").fit(X)
    >>> bool(np.abs(graph.interaction_[0, 1]) > 3 * np.abs(graph.interaction_[0, 2:]).max())
    True
    """

    _parameter_constraints = {
        **{k: v for k, v in ScoreMatchingDensity._parameter_constraints.items() if k not in ("alpha", "robust")},
        "model": [StrOptions(set(MODELS)), Model],
        "alphas": [StrOptions({"auto"}), "array-like"],
        "n_alphas": [Interval(Integral, 1, None, closed="left")],
        "selection": [StrOptions({"cv", "ebic", "smic"})],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), Iterable],
        "rule": [StrOptions({"best", "one_standard_error"})],
        "gamma": [Interval(Real, 0.0, 1.0, closed="both")],
        "refit": ["boolean"],
        "calibrate": ["boolean"],
        "symmetric": [StrOptions({"and", "or"}), Options(bool, {True})],
    }

    alpha = "auto"  # chosen in fit
    _penalty = "alphas"
    robust = None  # weights would have to follow the penalty along its path
    _groups: Any = None  # of the rows, while they are fitted

    def __init__(
        self,
        model: str | Model = "pairwise",
        *,
        alphas: str | ArrayLike = "auto",
        n_alphas: int = 30,
        l1_ratio: float = 1.0,
        symmetric: bool | str = True,
        selection: str = "cv",
        cv: Any = 5,
        rule: str = "best",
        gamma: float = 0.5,
        refit: bool = True,
        calibrate: bool = True,
        inference: bool = False,
        objective: str = "implicit",
        noise_level: float = 0.1,
        criterion: str = "log_likelihood",
        sampler: str = "hmc",
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.l1_ratio = l1_ratio
        self.symmetric = symmetric
        self.selection = selection
        self.cv = cv
        self.rule = rule
        self.gamma = gamma
        self.refit = refit
        self.calibrate = calibrate
        self.inference = inference
        self.objective = objective
        self.noise_level = noise_level
        self.criterion = criterion
        self.sampler = sampler
        self.random_state = random_state
        self.verbose = verbose

    @all_or_nothing
    @tells_once
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the density to the rows of X, with the penalty that they choose.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two.
        y : array-like of shape (n_samples, n_features), optional
            Known scores ∇ log p at the rows, for ``objective="explicit"``; ignored otherwise.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; a weight of 2 is exactly a repeated row.
        groups : array-like of shape (n_samples,), optional
            Labels that the splitter ``cv`` keeps together, such as those of ``GroupKFold``.

        Returns
        -------
        self
        """
        if groups is not None and (self.selection != "cv" or isinstance(self.cv, Integral)):
            warn_user(
                f"groups are not used with selection={self.selection!r}, cv={self.cv!r}: a splitter reads them. Set "
                'selection="cv" and, for example, cv=GroupKFold(5).',
                UserWarning,
            )
        self._groups = groups
        super().fit(X, y, sample_weight)
        self._groups = None
        return self

    def _fit_rows(self, X, y, sample_weight):
        n = n_rows(X)
        _, kept = rows_of_weight(check_sample_weight(sample_weight, X), np.arange(n))
        self._place = np.full(n, -1)
        self._place[kept] = np.arange(len(kept))
        super()._fit_rows(X, y, sample_weight)
        del self._place

    # ---- statistics as values --------------------------------------------------------------------

    def _gathered(self, plan, sample):
        """The statistics of a sample, of each fold if folds choose the penalty."""
        if self.selection == "cv" and isinstance(self.cv, Integral):
            return FoldStatistics.gather(plan, sample, int(self.cv))
        return super()._gathered(plan, sample)

    def _keep_statistics(self, statistics, rows=None):
        """Solve and keep the fit to statistics, with the penalty that they choose, or the partitions of their rows."""
        self._check_choice(statistics, rows)
        judge = statistics if rows is None or self.selection == "cv" else rows.arrays()
        self._keep(Fit(self._penalised(statistics.whole)), judge)
        statistics.plan.columns.show(self)

    def _check_choice(self, statistics, rows):
        """Raise a ValueError if statistics do not tell which penalty is best."""
        if self.selection == "cv" and not isinstance(self.cv, Integral):
            raise ValueError(
                f"cv={self.cv!r}: a splitter deals rows by their places in one table, of which sums know nothing. Give "
                "a number of folds, or call fit with rows in memory."
            )
        if self.selection == "cv" and not isinstance(statistics, FoldStatistics):
            raise ValueError(
                f'selection="cv" with cv={self.cv} needs the statistics of each fold: give those that '
                "compute_statistics of this estimator returns."
            )
        if rows is None and (self.selection == "smic" or (self.selection == "ebic" and self.calibrate)):
            remedy = ", or calibrate=False" if self.selection == "ebic" else ""
            raise ValueError(
                f'selection="{self.selection}" asks every row for its gradient, which statistics do not keep. Call '
                f'fit, or choose selection="cv"{remedy}.'
            )

    def _choose(self, model, sample, objective):
        choice = model.choose(sample, objective, 0.0, self.criterion)
        family = choice.family.penalised(self.l1_ratio, self.symmetric)
        if self.selection == "ebic" and self.l1_ratio == 0.0:
            raise ValueError(
                'selection="ebic" counts edges, which l1_ratio=0 does not leave out. Set l1_ratio > 0 with a model of '
                'interactions, such as "pairwise", or selection="cv".'
            )
        if self.selection == "smic" and not family.has_row_gradients:
            raise ValueError(
                f'selection="smic" needs the gradient of each row, which model={self.model!r} does not form. Choose '
                'selection="cv", or model="pairwise", which is Gaussian by default.'
            )
        return Choice(family, 0.0, remarks=choice.remarks)

    def _estimate(self, fit, rows):
        """The fit at the penalty that the first rows choose, with its path, and the estimate there.

        They are a sample, partitions, or the statistics of their folds; None for further rows.
        """
        if rows is None:
            return super()._estimate(fit, rows)
        target = PathProblem(fit.family, fit.summary, fit.objective)
        pairs = self._pairs(target, rows) if self.selection == "cv" else []
        for alphas in self._paths(target):
            path = penalty_path(target, alphas, watch=self._watch_of_path(len(alphas)))
            index, results, thetas = self._judge(target, rows, path, pairs)
            if index < len(alphas) - 1:
                break
        warn_of(path.remarks)
        warn_of(edge_of_the_path(index, path.alphas, isinstance(self.alphas, str) and self.l1_ratio > 0.0))
        family = fit.family
        tried = {"alphas": path.alphas, "path": [family.path_entry(theta) for theta in path.thetas]}
        if path.edges:
            results["n_edges"] = path.n_edges
            warn_of(self._passed_over(results, index))
            is_refitted = self.selection == "ebic" and self.refit
            family = family.on_graph(path.edges[index]) if is_refitted else family
        chosen = fit.statistics.chosen(Choice(family, float(path.alphas[index]), results))
        fit = replace(fit, statistics=chosen, path=tried)
        if thetas[index] is None:  # no graph of the path could be refitted
            return super()._estimate(fit, rows)
        return fit, family.as_density(Estimate(thetas[index]), fit.summary, fit.objective, fit.choice.alpha)

    def _passed_over(self, results, index):
        """Remarks on a graph that is better by eBIC than the chosen one, and no density."""
        best = int(np.nanargmax(results["mean_test_score"]))
        if self.selection != "ebic" or best == index:
            return
        yield (
            f"the best graph by eBIC, of {results['n_edges'][best]} edges, is no density: its mass is infinite. The "
            f"best that is one, of {results['n_edges'][index]} edges, was chosen. Leave out columns that nearly repeat "
            'others, or set selection="cv".'
        )

    def _results(self, fit, sample):
        """Fitted attributes by name, with those of the path."""
        return {**super()._results(fit, sample), **(fit.path or {})}

    def _paths(self, target):
        """Penalties to try, and longer paths if the least of them is chosen."""
        if isinstance(self.alphas, str):
            return (automatic_alphas(target, self.n_alphas, lowest) for lowest in LOWEST[: 1 + 2 * target.is_sparse])
        try:
            alphas = np.sort(np.asarray(self.alphas, dtype=np.float64).ravel())[::-1]
        except (TypeError, ValueError):
            alphas = np.empty(0)  # no numbers
        if not len(alphas) or not np.isfinite(alphas).all() or alphas[-1] < 0.0:
            raise ValueError(f"alphas={self.alphas!r}: give numbers of at least 0, at least one.")
        return (alphas,)

    def _watch_of_path(self, n_alphas):
        """What prints a line for each fit of the path if verbose, and warns once if the path is slow."""
        begun, number, has_warned = time.monotonic(), 0, False

        def watch(fit):
            nonlocal number, has_warned
            number, seconds = number + 1, time.monotonic() - begun
            done = f"{number} of {n_alphas} penalties, {int(fit.edges.sum()) // 2} edges, {seconds:.1f} s"
            if self.verbose:
                print(f"[{type(self).__name__}] {done}")
            if seconds > SLOW and number < n_alphas and not has_warned:
                has_warned = True
                folds = ", and each fold of the cross-validation takes as long" * (self.selection == "cv")
                warn_user(
                    f"the path of penalties is slow: {done}{folds}. Fewer n_alphas, stronger alphas or "
                    'selection="ebic" take less time; verbose=1 shows the progress.',
                    UserWarning,
                )

        return watch

    def _pairs(self, target, rows):
        """Statistics to fit and to score on, for each split of the rows."""
        if isinstance(rows, FoldStatistics):
            return left_out(rows.summaries(target.family))
        if isinstance(self.cv, Integral):
            return fold_statistics(target, folds_of(rows, self.cv))
        place = self._place  # of each row among those of weight, which alone are left; −1 for the others
        splits = check_cv(self.cv).split(place, groups=self._groups)
        parts = ([place[train], place[test]] for train, test in splits)
        return split_statistics(target, ([taken(rows, at[at >= 0]) for at in pair] for pair in parts))

    def _judge(self, target, rows, path, pairs):
        """Index of the chosen penalty, what was tried by name, and the θ that were judged."""
        values, thetas, error, of_splits = self._criterion(target, rows, path, pairs)
        judged = among_densities(target, path.alphas, thetas, values)
        index = one_standard_error(judged, error) if self.rule == "one_standard_error" else int(np.argmin(judged))
        results = {f"split{k}_test_score": -value for k, value in enumerate(of_splits)}
        if results:  # the spread is that of the splits, not of their mean
            results["std_test_score"] = error * np.sqrt(len(of_splits) - 1)
        return index, {"alphas": path.alphas, **results, "mean_test_score": -values}, thetas

    def _criterion(self, target, rows, path, pairs):
        """Values along the path, smaller is better, the θ that have them, their errors, and the values of splits."""
        no_error = np.zeros(len(path.alphas))
        if self.selection == "cv":
            values, error, of_splits = by_folds(target, pairs, path.alphas)
            return values, path.thetas, error, of_splits
        if self.selection == "smic":
            return by_smic(target, rows, path), path.thetas, no_error, []
        return *by_ebic(target, rows, path, self.gamma, self.refit, self.calibrate), no_error, []
