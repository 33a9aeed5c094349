"""What an estimator says where its objective has no minimum: why that is, and what helps."""

from __future__ import annotations

import numpy as np

__all__ = ["why_unsolved"]


def why_unsolved(estimator, penalty, table, threshold):
    """Message for rows that do not determine a model.

    Parameters
    ----------
    estimator : estimator
        With its ``model`` and ``l1_ratio``.
    penalty : str
        Name of the parameter that is the strength of its penalty.
    table : Moments
        Of the rows.
    threshold : float or None
        The l1 penalty from which on there is a minimum, where it is known.

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
