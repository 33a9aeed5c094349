"""Which methods an estimator has by its model: those of a Gaussian, and those that count parameters."""

from __future__ import annotations

from ..models.family import Model
from .checks import NAMED_MODELS

__all__ = ["TRAITS", "check_count", "check_covariance", "offers"]


def offers(estimator, trait):
    """Whether the model, which may be no model at all before it is checked, has a trait."""
    model = NAMED_MODELS.get(estimator.model, object)() if isinstance(estimator.model, str) else estimator.model
    return isinstance(model, Model) and getattr(model, trait)


def check_covariance(estimator):
    """True; an AttributeError unless the model has a covariance."""
    if not offers(estimator, "is_gaussian"):
        raise AttributeError(
            'only Gaussians on R^d have a covariance, which are model="gaussian" and model="pairwise" with a=b=1; '
            f"this estimator has model={estimator.model!r}"
        )
    return True


def check_count(estimator):
    """True; an AttributeError unless a count of parameters says how flexible the model is."""
    if not offers(estimator, "counts_parameters"):
        raise AttributeError(
            "a count of parameters says nothing of a model whose penalty makes it smooth; "
            f"this estimator has model={estimator.model!r}"
        )
    return True


# Whether the model of an estimator has what it is asked for; scikit-learn's own message would give no reason.
TRAITS = {
    **dict.fromkeys(("covariance_", "get_precision", "mahalanobis", "error_norm"), check_covariance),
    **dict.fromkeys(("aic", "bic"), check_count),
}
