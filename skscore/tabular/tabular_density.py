r"""A density of a data frame as it is.

A row holds levels c, among them what stands in place of numbers that are missing, and numbers x:

.. math:: \log p(\text{row}) = \log P(c) + \log p(x \mid c).

The levels have any-order conditionals that start at a tree, the numbers a flow that starts at the conditional Gaussian,
or these two alone; latent classes and a heavy tail are mixed in as rows held out ask for. Every part knows the
conditionals of any cells given any others: see :mod:`skscore.models.mixed`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from .._compat import (
    CallbackSupportMixin,
    FitCallbacks,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    validate_parameters,
)
from ..estimators.all_or_nothing import all_or_nothing
from ..estimators.checks import check_checkpoint, check_counts, check_spread, rows_of_weight, seed_of, warn_of
from ..estimators.native_dtypes import with_index_of
from ..estimators.versions import VersionedEstimator
from ..models.mixed.completions import draw_rows, log_posterior
from ..models.mixed.latent_classes import MOST_CLASSES
from ..models.mixed.rows import Rows
from ..neural import ScoreNetwork
from .contributions import cell_contributions
from .imputation import central, draw_missing, rows_with_holes, told_cells
from .limits_of_columns import limits_of, rows_outside
from .network_blocks import learn_levels, learn_numbers
from .schema import Schema
from .table_fit import Table, fit_table

__all__ = ["TabularDensity"]

POINT_DRAWS = 100  # of a missing cell, behind its median or mode
FITTED = ("schema_", "_density", "_stream", "held_out_score_", "feature_names_in_", "n_features_in_")  # of a last round


class TabularDensity(CallbackSupportMixin, DensityMixin, VersionedEstimator):
    """Density of a data frame with categories, whole numbers, dates and missing cells.

    Parameters
    ----------
    numeric : {"network", "gaussian"} or ScoreNetwork, default="network"
        Numbers given levels: a Gaussian whose mean depends on the levels, in closed form, or a score network on top of
        it, :class:`~skscore.neural.ScoreNetwork`, which needs torch.
    discrete : {"network", "tree"}, default="network"
        Levels: the likeliest tree of columns (Chow & Liu, 1968), in closed form, or a network on top of it that
        predicts each cell from any others, which needs torch; either with the frequencies of combinations of levels if
        rows held out gain by these.
    column_types : mapping from names to kinds, default=None
        Where the guess is wrong: "real", "integer", "ordered", "categorical", "boolean", "date" or "ignore".
        ``schema_`` shows the guess.
    marginals : {"auto", "none", "power", "mixture"}, default="auto"
        Coordinates of the numbers: as they are, bent by a power, or normal scores by a mixture of Gaussians for each
        column. "auto" takes what is likeliest on rows held out.
    missingness : {"model", "ignore"}, default="model"
        Whether it is part of a row which of its numbers are missing. If not, the density is that of the other cells.
    handle_unknown : {"error", "neg_inf", "na"}, default="error"
        A level that `fit` did not see, or a missing cell in a column that had none: an error, a row of log-density −∞,
        or a cell of which nothing is known.
    bounds : mapping from names to (lower, upper), default=None
        Between which the numbers of a column lie, None for no limit. Rows outside have the log-density −∞, and none is
        drawn.
    tail : {"auto", None}, default="auto"
        Whether a Student t for rows far from all others is mixed in, with the weight that rows held out ask for.
    max_classes : int, default=256
        Latent classes of a mixture at most. From 16 on they are doubled only as long as rows held out gain. Few of them
        save time, and keep small groups of unusual rows from having classes of their own.
    parzen : None
        Windows around rows, which would tell who was in the table, are not for tables. The parameter is here so that
        settings can be shared with :class:`DenoisingScoreEstimator`.
    criterion : {"log_likelihood"}, default="log_likelihood"
        What `score` is the mean of.
    random_state : int, RandomState, Generator or None, default=None
        Of the folds, the networks, and the draws of `sample` and `impute` unless these are given their own.
    verbose : int, default=0
        Print every so many validations of a training.

    Attributes
    ----------
    schema_ : Schema
        The columns, their kinds, levels and steps; it prints as a table.
    marginals_ : str
        What was taken for `marginals`.
    mixture_weights_ : dict of str to float
        Weights of the densities that rows held out asked for, by name.
    held_out_score_ : float
        Mean log-density of rows that were not seen, in nats: what `score` of new rows is expected to be. NaN if the
        table has a single row.
    consistency_ : float
        Mean of log p(A) + log p(B | A) − log p(A, B) over random splits A, B of the numbers of rows that were not seen,
        in nats: how far conditionals of a network are from those of its joint density. 0 in closed form, negative where
        numbers given others are known less well than all of them at once.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if all are strings.

    References
    ----------
    Chow, C. K., & Liu, C. N. (1968). Approximating discrete probability distributions with dependence trees. IEEE
    Transactions on Information Theory, 14(3), 462-467.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skscore import TabularDensity
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.choice(["cat", "dog"], 300)
    >>> weight = np.where(kind == "cat", 4.0, 20.0) + rng.standard_normal(300)
    >>> frame = pd.DataFrame({"kind": kind, "weight": np.where(rng.random(300) < 0.1, np.nan, weight)})
    >>> density = TabularDensity("gaussian", "tree", random_state=0).fit(frame)
    >>> density.predict_proba(pd.DataFrame({"weight": [3.0, 21.0]}), "kind").round(2)
    array([[1., 0.],
           [0., 1.]])
    """

    _parameter_constraints = {
        "numeric": [StrOptions({"network", "gaussian"}), ScoreNetwork],
        "discrete": [StrOptions({"network", "tree"})],
        "column_types": [Mapping, None],
        "marginals": [StrOptions({"auto", "none", "power", "mixture"})],
        "missingness": [StrOptions({"model", "ignore"})],
        "handle_unknown": [StrOptions({"error", "neg_inf", "na"})],
        "bounds": [Mapping, None],
        "tail": [StrOptions({"auto"}), None],
        "max_classes": [Interval(Integral, 1, None, closed="left")],
        "parzen": [None],
        "criterion": [StrOptions({"log_likelihood"})],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        numeric: str | ScoreNetwork = "network",
        discrete: str = "network",
        *,
        column_types: Mapping[Hashable, str] | None = None,
        marginals: str = "auto",
        missingness: str = "model",
        handle_unknown: str = "error",
        bounds: Mapping[Hashable, tuple[Any, Any]] | None = None,
        tail: str | None = "auto",
        max_classes: int = MOST_CLASSES,
        parzen: None = None,
        criterion: str = "log_likelihood",
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.numeric = numeric
        self.discrete = discrete
        self.column_types = column_types
        self.marginals = marginals
        self.missingness = missingness
        self.handle_unknown = handle_unknown
        self.bounds = bounds
        self.tail = tail
        self.max_classes = max_classes
        self.parzen = parzen
        self.criterion = criterion
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = tags.input_tags.allow_nan = True
        return tags

    # ---- fit and score ---------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the density to the rows of a frame.

        Parameters
        ----------
        X : frame of pandas, polars or pyarrow, or array-like of shape (n_samples, n_features)
            The rows, missing cells among them.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            How many rows each stands for: exactly as rows that are repeated, if these are held out together. A weighted
            row lies in one fold, and rows that are repeated may lie in several, as equal rows of a table of levels
            have to; this can change the weights of the mixture and the training of networks.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a column names its rows, mixes kinds of values or holds infinite numbers; the message names it and the
            remedy.
        """
        return self._fit_rows(X, sample_weight)

    @all_or_nothing
    def _fit_rows(self, X, sample_weight):
        if isinstance(self.numeric, ScoreNetwork):
            validate_parameters(self.numeric)
            check_checkpoint(self.numeric)
        seed = seed_of(self.random_state)
        self._stream = np.random.default_rng(seed)
        schema = Schema.of(X, self.column_types, self.missingness)
        table = self._table(schema, X, sample_weight, 0 if seed is None else seed)
        callbacks = FitCallbacks(self, X, None)
        of_levels, of_numbers = self._networks(table, callbacks)
        fitted = fit_table(table, self.marginals, self.tail is not None, of_levels, of_numbers, self.max_classes)
        self.schema_, self._density = schema, fitted.density
        self.marginals_, self.mixture_weights_ = fitted.marginals, fitted.weight_of
        self.held_out_score_, self.consistency_ = fitted.held_out, fitted.consistency
        self._set_names(schema)
        callbacks.round(lambda: {name: value for name, value in vars(self).items() if name in FITTED})
        callbacks.end()
        return self

    def _table(self, schema, X, sample_weight, seed):
        """What the density is fitted to."""
        rows = schema.encode(X)
        limits = limits_of(self.bounds, schema, rows)
        weight, *cells = rows_of_weight(check_sample_weight(sample_weight, rows.codes), *rows)
        weight = np.ones(len(cells[0])) if weight is None else weight
        check_counts(weight)
        check_spread(np.nan_to_num(Rows(*cells).numbers, nan=0.0), "X, among its columns of numbers,")
        return Table.of(Rows(*cells), schema.layout, schema.cells, weight, seed, limits)

    def _networks(self, table, callbacks):
        """What learns the levels and the numbers, None where they are in closed form or there is nothing to learn."""
        of_levels = of_numbers = None
        if self.discrete == "network" and len(table.layout.n_levels) > 1 and table.folds:
            of_levels = partial(learn_levels, watch=self._watch("levels", callbacks))
        if self.numeric != "gaussian" and len(table.layout.state) > 0 and table.folds:
            network = self.numeric if isinstance(self.numeric, ScoreNetwork) else ScoreNetwork()
            of_numbers = partial(learn_numbers, network=network, watch=self._watch("numbers", callbacks))
        return of_levels, of_numbers

    def _watch(self, block, callbacks):
        """What is told the state of a training after each validation: a round of callbacks, printed if `verbose`."""

        def watch(state):
            if self.verbose and len(state.validation_curve) % self.verbose == 0:
                print(
                    f"{block}: step {state.step}, {-state.validation_curve[-1]:.3f} nats gained on rows held out, "
                    f"{state.seconds_to_go:.0f} s to go at most"
                )
            return callbacks.round()

        return watch

    def _set_names(self, schema):
        names = [column.name for column in schema.columns]
        self.n_features_in_ = len(names)
        if all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row as it is stored, missing cells included.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            In any order.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p in nats: counting measure on levels and on which cells are missing, Lebesgue measure in the units of
            the frame on numbers. A value of an evenly spaced column counts as its probability over the step.
        """
        rows, unlike = self._rows(X)
        with np.errstate(over="ignore"):  # rows so far away that their squares overflow
            return np.where(unlike, -np.inf, self._density.log_prob(rows, rows.known, rows.known.none))

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Mean log-density of the rows, in nats: larger is better.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            In any order.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            How many rows each stands for.

        Returns
        -------
        float
        """
        log_p = self.score_samples(X)
        return float(np.average(log_p, weights=check_sample_weight(sample_weight, log_p)))

    def _rows(self, X, every=True):
        """The rows of a frame, and which of them are to have the log-density −∞."""
        check_is_fitted(self)
        rows, unlike = self.schema_.rows_and_unlike(X, self.handle_unknown, every)
        outside = rows_outside(self._density.coordinates.limits, rows)
        return rows, outside | unlike if self.handle_unknown == "neg_inf" else outside

    # ---- some cells given others -----------------------------------------------------------------

    def marginal_score_samples(self, X: Any, columns: Iterable[Hashable]) -> np.ndarray:
        """Log-density of some columns, all others summed and integrated out.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            The others need not be there.
        columns : iterable of column names
            The columns that are asked for.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p(columns), in nats.
        """
        rows, unlike = self._rows(X, every=False)
        target = rows.known & self.schema_.cells_of(_names(columns), rows.n)
        return np.where(unlike, -np.inf, self._density.log_prob(rows, target, target.none))

    def conditional_score_samples(self, X: Any, given: Iterable[Hashable]) -> np.ndarray:
        """Log-density of all other columns given some.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            In any order.
        given : iterable of column names
            The columns that are known.

        Returns
        -------
        ndarray of shape (n_samples,)
            log p(other columns | given), in nats.
        """
        rows, unlike = self._rows(X)
        cells = self.schema_.cells_of(_names(given), rows.n)
        log_p = self._density.log_prob(rows, rows.known & ~cells, rows.known & cells)
        return np.where(unlike, -np.inf, log_p)

    def predict_proba(self, X: Any, column: Hashable) -> np.ndarray:
        """Probabilities of the levels of a column given all other cells of each row.

        Parameters
        ----------
        X : frame with any of the columns that `fit` saw
            Cells of columns that it does not have are summed out; `column` itself is not read.
        column : column name
            A discrete column.

        Returns
        -------
        ndarray of shape (n_samples, n_levels)
            In the order of ``schema_.column(column).levels``.
        """
        check_is_fitted(self)
        about = self.schema_.column(column)
        if about.discrete is None or about.numeric is not None:
            raise ValueError(
                f"column={column!r} is {about.kind!r}, which has no levels to predict: `sample` and `impute` draw its "
                "values, or `column_types` makes it 'ordered' or 'categorical'."
            )
        rows = self.schema_.encode(X, self.handle_unknown, every=False)
        known = rows.known
        known.codes[:, about.discrete] = False
        ways = np.arange(len(about.levels))[:, None]
        return np.exp(log_posterior(self._density, rows, known, np.array([about.discrete]), ways))

    def feature_contributions(self, X: Any) -> Any:
        """How much each cell adds to −log p of its row.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            In any order.

        Returns
        -------
        frame of the kind that `fit` saw, of shape (n_samples, n_features)
            In nats, with the index of X. They sum to ``-score_samples(X)`` in each row: those of a column are the means
            of −log p(its cell | the cells before it) over orders of the columns. What a cell of a number adds depends
            on the unit of its column. To compare cells of a row, take away what such cells add in the mean:
            ``parts - density.feature_contributions(table).mean()``.
        """
        rows, _ = self._rows(X)
        names = [column.name for column in self.schema_.columns if column.kind != "ignore"]
        cells = [self.schema_.cells_of([name], rows.n) for name in names]
        values = cell_contributions(self._density, rows, rows.known, cells)
        return with_index_of(X, self.schema_.frame_of(dict(zip(names, values.T, strict=True))))

    # ---- draws -----------------------------------------------------------------------------------

    def sample(self, n_samples: int = 1, given: Any = None, random_state: Any = None) -> Any:
        """Draw rows, with some of their cells given.

        Parameters
        ----------
        n_samples : int, default=1
            A frame `given` decides for itself.
        given : mapping from names to values, or frame, optional
            Cells that are known: the same in every row, or those of a frame that are not missing.
        random_state : int, RandomState, Generator or None, default=None
            None continues the stream of the estimator.

        Returns
        -------
        frame of the kind that `fit` saw
            With the index of `given`, if this is a frame.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r}: give a positive integer.")
        is_frame = given is not None and not isinstance(given, Mapping)
        n = len(given) if is_frame else int(n_samples)
        rows, known = self.schema_.encode_given({} if given is None else given, n)
        drawn_rows, remarks = draw_rows(self._density, rows, known, self._rng(random_state))
        warn_of(remarks)
        drawn = self.schema_.decode(drawn_rows)
        return with_index_of(given, drawn) if is_frame else drawn

    def impute(self, X: Any, n_draws: int | None = None, random_state: Any = None) -> Any:
        """Fill missing cells from their density given the other cells of their row.

        Parameters
        ----------
        X : frame with the columns that `fit` saw
            In any order.
        n_draws : int, optional
            How many filled frames to draw. None fills each cell once, with its conditional median or mode.
        random_state : int, RandomState, Generator or None, default=None
            None continues the stream of the estimator.

        Returns
        -------
        frame of the kind that `fit` saw, or list of n_draws frames
            With the index of X.
        """
        if n_draws is not None and (not isinstance(n_draws, Integral) or n_draws < 1):
            raise ValueError(f"n_draws={n_draws!r}: give a positive integer, or None for medians and modes.")
        rows, _ = self._rows(X)
        missing, layout, rng = self.schema_.missing_levels, self.schema_.layout, self._rng(random_state)
        told = told_cells(rows, missing)
        places = rows_with_holes(told, layout)
        few, few_told = rows.at(places), told.at(places)
        draws, remarks = draw_missing(self._density, few, few_told, missing, n_draws or POINT_DRAWS, rng)
        warn_of(remarks)
        if n_draws is None:
            filled = [central(draws, few, few_told, layout)]
        else:
            filled = [draws.at(slice(k, None, n_draws)) for k in range(n_draws)]
        frames = [with_index_of(X, self.schema_.decode(_put(rows, places, some))) for some in filled]
        return frames[0] if n_draws is None else frames

    def _rng(self, random_state):
        """Source of random numbers of one call."""
        return self._stream if random_state is None else np.random.default_rng(seed_of(random_state))


def _names(columns):
    """Names of columns; a single one may stand for itself."""
    return [columns] if isinstance(columns, str) else columns


def _put(rows, places, some):
    """The rows with `some` at their places."""
    codes, numbers = rows.codes.copy(), rows.numbers.copy()
    codes[places], numbers[places] = some
    return Rows(codes, numbers)
