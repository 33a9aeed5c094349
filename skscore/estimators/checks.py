"""What estimators tell their user: warnings that point at the user's line."""

from __future__ import annotations

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = ["warn_user"]

NOT_THE_USER = {"skscore", "sklearn", "joblib"}


def warn_user(message, category=ConvergenceWarning):
    """Warn at the user's line: in the first frame outside skscore, scikit-learn and joblib."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in NOT_THE_USER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
