r"""How near synthetic rows are to a real table, each number beside its value for real rows.

The rows to be matched, the *target*, are the hold-out, or without one a random half of the real rows. The synthetic
rows and as many of the other real rows, the *reference*, are both compared with it: a perfect synthesiser reaches the
reference, not zero. Three quantities ask whether rows of the real table come back, and need a hold-out, rows of the
same law that the synthesiser has not seen:

- the share of synthetic rows that are nearer to the real table than to as many rows of the hold-out, in Gower's
  distance: ½ if it has not been copied, with a standard error of :math:`\sqrt{1/(4n)}`;
- the share of synthetic rows that are rows of the real table, against that of the hold-out;
- the AUC of :math:`\log p` of real rows against those held out, if the density p is given: an attack that decides by
  it who was in the table.

A pass is no proof of privacy: each of these is one attack, and others may succeed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from scipy.stats import mannwhitneyu
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score

from .arguments import method_of
from .table_cells import TableCells, read_tables
from .table_distances import (
    Distance,
    associations,
    coverage,
    exact_copies,
    gower_distance,
    marginal_distances,
    nearest_distance,
    spreads,
)
from .two_samples import cross_validated_auc

__all__ = ["NO_PROOF", "Quantity", "SyntheticReport", "synthetic_report"]

MAX_ROWS = 10_000  # of each table behind distances of rows and behind classifiers
MAX_CODES, MAX_CLASSES = 254, 20  # levels that a classifier tells apart, and predicts; the rarest are one
TREES = 50
OF_LEVELS = HistGradientBoostingClassifier, accuracy_score
OF_NUMBERS = HistGradientBoostingRegressor, r2_score
NORMAL_95 = 1.96
NO_PROOF = "A pass is no proof of privacy."
BEST = {
    "Wasserstein distance": 0.0,
    "total variation": 0.0,
    "missing cells": 0.0,
    "association": 0.0,
    "two-sample AUC": 0.5,
    "coverage": 1.0,
    "R2 of prediction": 1.0,
    "accuracy of prediction": 1.0,
    "nearer to real than to hold-out": 0.5,
    "exact copies": 0.0,
    "membership AUC": 0.5,
}


class Measures(NamedTuple):
    """What all tables are measured with.

    Attributes
    ----------
    sd : ndarray of shape (d,)
        Units of numbers.
    holed : ndarray of bool, shape (d,)
        Columns with missing cells.
    distance : function from (n, d) and (m, d) to (n, m)
        Between rows.
    """

    sd: ndarray
    holed: ndarray
    distance: Distance


class Quantity(NamedTuple):
    """A number of a report.

    Attributes
    ----------
    quantity : str
    column : str
        A column, two with " × " between them, or "all".
    value : float
    low, high : float
        95 % interval of the value over the rows that are judged, NaN where there is none. Which rows were held out is
        not in it.
    real : float
        The same for real rows in place of synthetic ones.
    best : float
    """

    quantity: str
    column: str
    value: float
    low: float
    high: float
    real: float
    best: float


@dataclass(frozen=True)
class SyntheticReport:
    """What `synthetic_report` found.

    Parameters
    ----------
    quantities : tuple of Quantity
        In the order of the frame.
    n_rows : int
        Of the synthetic rows, and of the real ones beside them.
    n_target : int
        Of the rows that both were compared with.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import synthetic_report
    >>> rng = np.random.default_rng(1)
    >>> report = synthetic_report(rng.normal(size=(60, 2)), rng.normal(size=(60, 2)))
    >>> report.frame[report.frame["column"] == "all"]["quantity"].tolist()
    ['two-sample AUC', 'coverage']
    """

    quantities: tuple[Quantity, ...]
    n_rows: int
    n_target: int

    @property
    def frame(self) -> Any:
        """The quantities as a frame of pandas, one in a row."""
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("The frame of a report needs pandas: pip install pandas.") from None
        return pd.DataFrame(list(self.quantities), columns=Quantity._fields)

    def __repr__(self) -> str:
        rows = [("", "value", "real", "best", "worst column"), *map(_line, self._groups())]
        width = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([row[0].ljust(width[0]), *_right(row[1:4], width[1:4]), row[4]]).rstrip() for row in rows]
        first = f"{self.n_rows} synthetic rows, and as many real ones, against {self.n_target} other real rows"
        return "\n".join([first, *lines, NO_PROOF])

    def _groups(self):
        """The quantities of each name."""
        names = dict.fromkeys(each.quantity for each in self.quantities)
        return [[each for each in self.quantities if each.quantity == name] for name in names]


def _mean(values):
    """Mean of the values that are known, NaN if none is."""
    known = [value for value in values if not np.isnan(value)]
    return np.mean(known) if known else np.nan


def _right(cells, width):
    return [cell.rjust(w) for cell, w in zip(cells, width, strict=True)]


def _line(group):
    """Cells of the line of quantities of one name: their mean over columns, and the column farthest off."""
    value, real = (_mean([getattr(each, name) for each in group]) for name in ("value", "real"))
    worst = max(
        group, key=lambda each: np.nan_to_num(abs(each.value - each.best) - abs(each.real - each.best), nan=-1.0)
    )
    about = group[0].quantity + (", mean" if len(group) > 1 else "")
    numbers = [f"{value:.3f}", f"{real:.3f}", f"{group[0].best:g}"]
    if group[0].column == "all":
        return about, *numbers, "" if np.isnan(group[0].low) else f"[{group[0].low:.3f}, {group[0].high:.3f}]"
    return about, *numbers, f"{worst.column}: {worst.value:.3f} ({worst.real:.3f})"


def synthetic_report(
    real: Any,
    synthetic: Any,
    holdout: Any = None,
    density: Any = None,
    random_state: int | np.random.Generator | None = 0,
) -> SyntheticReport:
    """Compare synthetic rows with a real table.

    Parameters
    ----------
    real : frame of pandas, polars or pyarrow, or ndarray of shape (n_samples, n_features)
        The rows that the synthesiser was fitted to; missing cells may be among them.
    synthetic : frame or ndarray
        Rows of the same columns.
    holdout : frame or ndarray, default=None
        Real rows that the synthesiser has not seen, as many as of `real` if possible. Without them `real` is halved,
        and whether it was copied is not known.
    density : fitted density, default=None
        The one that drew `synthetic`, with ``score_samples``; its likelihood is then tried as an attack on membership.
    random_state : int, numpy.random.Generator or None, default=0
        Of the halves, of subsamples of at most 10,000 rows behind distances and classifiers, and of these.

    Returns
    -------
    SyntheticReport
        ``frame`` has one row for each quantity, with its value for real rows and what is best;
        :class:`~skscore.plotting.SyntheticReportDisplay` draws them.

    Raises
    ------
    ValueError
        If the tables have not the same columns, or hold different things in one.

    Notes
    -----
    Of each column: the 1-Wasserstein distance in standard deviations of the real column, or the total variation of
    levels, and the difference of the shares of missing cells. Of each pair: the difference of correlations, of Cramér's
    V or of correlation ratios. Of the rows: the AUC of gradient boosting that tells the tables apart; the share of
    target rows that have a synthetic one in their neighbourhood (coverage); and how well each column of the target is
    predicted from the others by boosting that was trained on synthetic rows. A pass is no proof of privacy.

    References
    ----------
    Lopez-Paz, D., & Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR. Naeem, M. F., Oh, S. J., Uh, Y.,
    Choi, Y., & Yoo, J. (2020). Reliable fidelity and diversity metrics for generative models. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.metrics import synthetic_report
    >>> rng = np.random.default_rng(1)
    >>> real, synthetic = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + [1.0, 0.0]
    >>> report = synthetic_report(real, synthetic)
    >>> moved = report.quantities[0]
    >>> print(f"{moved.quantity} of {moved.column}: {moved.value:.1f}, of real rows {moved.real:.1f}")
    Wasserstein distance of x0: 1.2, of real rows 0.2
    """
    if density is not None and holdout is None:
        raise ValueError(
            "density needs holdout: give real rows that its fit has not seen, to compare with those it has."
        )
    rng = np.random.default_rng(random_state)
    tables = read_tables({"real": real, "synthetic": synthetic} | ({} if holdout is None else {"holdout": holdout}))
    train, drawn = tables["real"], tables["synthetic"]
    kept, target = _halves(train, rng) if holdout is None else (train, tables["holdout"])
    n = min(len(kept), len(drawn), MAX_ROWS)
    target, samples = _some(target, MAX_ROWS, rng), (_some(drawn, n, rng), _some(kept, n, rng))
    holed = np.any([np.isnan(table.cells).any(axis=0) for table in tables.values()], axis=0)
    about = Measures(spreads(train), holed, gower_distance(train, target))
    values, expected = (dict(_fidelity(sample, target, about, int(rng.integers(2**31)))) for sample in samples)
    quantities = [_quantity(*key, values[key], expected[key]) for key in values]
    if holdout is not None:
        quantities += _copying(samples[0], train, tables["holdout"], about.distance, rng)
    if density is not None:
        quantities.append(_membership(density, real, holdout, rng))
    return SyntheticReport(tuple(quantities), n, len(target))


def _halves(table, rng):
    if len(table) < 4:
        raise ValueError(f"real has {len(table)} rows, too few to halve: give holdout, or more rows.")
    order = rng.permutation(len(table))
    return table.at(order[: len(order) // 2]), table.at(order[len(order) // 2 :])


def _some(table, n, rng) -> TableCells:
    """At most n rows of the table."""
    return table if len(table) <= n else table.at(np.sort(rng.choice(len(table), n, replace=False)))


def _quantity(name, column: Hashable, value, real, half_width=np.nan):
    return Quantity(
        name, str(column), float(value), float(value - half_width), float(value + half_width), float(real), BEST[name]
    )


# ---- fidelity ------------------------------------------------------------------------------------


def _fidelity(
    sample: TableCells, target: TableCells, about: Measures, seed: int
) -> Iterator[tuple[tuple[str, Hashable], float]]:
    """Yield ((quantity, column), value) of a sample that is to be like the target."""
    names, is_level = target.names, target.is_level
    of_marginal = np.where(is_level, "total variation", "Wasserstein distance").tolist()
    yield from zip(zip(of_marginal, names, strict=True), marginal_distances(sample, target, about.sd), strict=True)
    for j in np.flatnonzero(about.holed).tolist():
        share = [np.isnan(table.cells[:, j]).mean() for table in (sample, target)]
        yield ("missing cells", names[j]), abs(share[0] - share[1])
    pairs = [f"{names[i]} × {names[j]}" for i, j in zip(*np.triu_indices(len(names), 1), strict=True)]
    error = np.abs(associations(sample) - associations(target))
    yield from ((("association", pair), gap) for pair, gap in zip(pairs, error, strict=True))
    yield ("two-sample AUC", "all"), _two_sample_auc(sample, target, seed)
    yield ("coverage", "all"), coverage(sample, target, about.distance)
    for j, name in enumerate(names if len(names) > 1 else []):
        kind = "accuracy of prediction" if is_level[j] else "R2 of prediction"
        yield (kind, name), _prediction(sample, target, j, seed)


def _two_sample_auc(a, b, seed):
    """AUC of boosting that tells the tables apart, NaN if they are too small."""
    if min(len(a), len(b)) < 10:
        return np.nan
    classifier = _boosting(HistGradientBoostingClassifier, a.is_level, seed)
    return cross_validated_auc(_features(a), _features(b), classifier, 5, seed)


def _prediction(sample, target, j, seed):
    """How well column j of the target is predicted from the others by boosting trained on the sample."""
    others = np.arange(len(sample.names)) != j
    kind, skill = OF_LEVELS if sample.is_level[j] else OF_NUMBERS
    (X, y), (X_new, y_new) = (_question(table, j, others) for table in (sample, target))
    if len(y) < 2 or len(y_new) < 2:
        return np.nan
    if np.ptp(y) == 0.0:
        return skill(y_new, np.full(len(y_new), y[0]))
    return skill(y_new, _boosting(kind, sample.is_level[others], seed).fit(X, y).predict(X_new))


def _question(table, j, others):
    """The other columns of rows that hold column j, and that column."""
    held = ~np.isnan(table.cells[:, j])
    y = table.cells[held, j]
    return _features(table)[np.ix_(held, others)], np.minimum(y, MAX_CLASSES - 1) if table.is_level[j] else y


def _features(table):
    """Cells as boosting takes them."""
    return np.where(table.is_level, np.minimum(table.cells, MAX_CODES - 1), table.cells)


def _boosting(kind, is_level, seed):
    return kind(max_iter=TREES, early_stopping=False, categorical_features=is_level, random_state=seed)


# ---- copies and membership -----------------------------------------------------------------------


def _copying(drawn, train, holdout, distance, rng):
    """Yield what tells whether the synthetic rows repeat the real table."""
    n = min(len(train), len(holdout), MAX_ROWS)
    near, fresh = _nearer_share(drawn, _some(train, n, rng), _some(holdout, n, rng), distance), np.nan
    if len(holdout) > 3:
        half, rest = _halves(holdout, rng)
        m = min(len(train), len(rest), MAX_ROWS)
        fresh = _nearer_share(_some(half, MAX_ROWS, rng), _some(train, m, rng), _some(rest, m, rng), distance)
    yield _quantity("nearer to real than to hold-out", "all", near, fresh, NORMAL_95 * np.sqrt(0.25 / len(drawn)))
    yield _quantity("exact copies", "all", exact_copies(drawn, train), exact_copies(holdout, train))


def _nearer_share(rows, train, holdout, distance):
    """Share of the rows that are nearer to `train` than to `holdout`; those at equal distance count half."""
    to_train, to_holdout = (nearest_distance(rows, table, distance) for table in (train, holdout))
    return (to_train < to_holdout).mean() + 0.5 * (to_train == to_holdout).mean()


def _membership(density, real, holdout, rng):
    """The AUC of the log-density of real rows against those held out; beside it that of two halves of the latter."""
    score_samples = method_of(density, "score_samples", "give the fitted density that drew the rows")
    seen, fresh = (np.asarray(score_samples(table)) for table in (real, holdout))
    value, sd = _auc(seen, fresh)
    one, other = np.array_split(rng.permutation(fresh), 2)
    return _quantity("membership AUC", "all", value, _auc(one, other)[0], NORMAL_95 * sd)


def _auc(high, low):
    """P(high > low) + ½ P(high = low), and its standard deviation if both have one law."""
    n, m = len(high), len(low)
    auc = mannwhitneyu(high, low).statistic / (n * m) if min(n, m) else np.nan
    return auc, np.sqrt((n + m + 1) / (12 * n * m)) if min(n, m) else np.nan
