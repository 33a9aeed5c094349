"""A fit that fails or is interrupted changes nothing: the estimator stays as it was, fitted or not."""

from __future__ import annotations

from functools import wraps

__all__ = ["all_or_nothing"]


def all_or_nothing(fit):
    """Return the method `fit`, which undoes what it has set on its estimator if it does not come to its end.

    Attributes are put back as they were; so `fit` sets them anew, and changes none of them in place.
    """

    @wraps(fit)
    def fit_or_undo(self, *args, **kwargs):
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:  # an interrupt from the keyboard is none of Exception
            vars(self).clear()
            vars(self).update(before)
            raise

    return fit_or_undo
