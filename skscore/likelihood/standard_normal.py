"""The density N(0, I): annealing starts from it, and probability flows end in it."""

from __future__ import annotations

import numpy as np

__all__ = ["log_standard_normal"]


def log_standard_normal(T: np.ndarray) -> np.ndarray:
    """Evaluate the log-density of N(0, I).

    Parameters
    ----------
    T : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
        In nats.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.likelihood.standard_normal import log_standard_normal
    >>> log_standard_normal(np.array([[0.0], [1.0]])).round(4)
    array([-0.9189, -1.4189])
    """
    return -0.5 * (T * T).sum(axis=1) - 0.5 * T.shape[1] * np.log(2.0 * np.pi)
