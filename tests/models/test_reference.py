"""Gaussian and polynomial fits against numbers computed with 50 digits by an independent implementation."""

import numpy as np
import pytest

from skscore import ScoreMatchingDensity
from skscore.formulas.moments import moments
from skscore.formulas.quadratic import QuadraticForm
from skscore.models import Gaussian, GaussianBase, Polynomial
from skscore.models.objectives import Implicit
from skscore.models.polynomial import PolynomialFamily

RTOL = 1e-9
GAUSSIAN = [
    "gauss_full_ridge=0.0",
    "gauss_diag_ridge=0.0",
    "gauss_full_ridge=0.1",
    "gauss_spherical_ridge=0.1",
]
POLYNOMIAL = [
    "poly2_lam=0.0_nobase",
    "poly4_lam=0.0_nobase",
    "poly4_lam=0.0_gaussbase",
    "poly4_lam=0.01_gaussbase",
]


def test_no_case_is_left_out(cases):
    assert {name for name in cases if name.startswith(("gauss", "poly"))} == {*GAUSSIAN, *POLYNOMIAL}


@pytest.mark.parametrize("name", GAUSSIAN)
def test_gaussian(cases, rows, name):
    case = cases[name]
    X, evaluated = rows(case["train"]), rows(case["eval"])
    density = ScoreMatchingDensity(Gaussian(name.split("_")[1]), alpha=case["lam"]).fit(X)
    np.testing.assert_allclose(density.location_, case["mean"], rtol=RTOL)
    np.testing.assert_allclose(density.precision_, case["precision"], rtol=RTOL, atol=1e-12)
    np.testing.assert_allclose(density.objective_, case["J_train"], rtol=RTOL)
    np.testing.assert_allclose(density.grad_log_density(evaluated), case["grad"], rtol=RTOL)
    np.testing.assert_allclose(density.score_samples(evaluated), case["log_prob"], rtol=RTOL)


def polynomial(case):
    base = GaussianBase(case["base"]["mu"], case["base"]["s"]) if case["base"] else None
    return Polynomial(degree=len(case["theta"]), base=base)


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_polynomial(cases, rows, name):
    case = cases[name]
    X, evaluated = rows(case["train"]), rows(case["eval"])
    density = ScoreMatchingDensity(polynomial(case), alpha=case["lam"]).fit(X)
    np.testing.assert_allclose(density.theta_, case["theta"], rtol=RTOL)
    np.testing.assert_allclose(density.objective_, case["J_train"], rtol=RTOL)
    np.testing.assert_allclose(density.grad_log_density(evaluated), case["grad"], rtol=RTOL)
    laplacian = density.hyvarinen_score(evaluated) - 0.5 * np.sum(np.square(case["grad"]), axis=1)
    np.testing.assert_allclose(laplacian, case["laplacian"], rtol=1e-8)
    log_unnormalised = density.score_samples(evaluated) + density.log_normalizer_  # zero at x = 0
    np.testing.assert_allclose(log_unnormalised, case["log_unnorm"], rtol=RTOL, atol=1e-12)
    if "logZ" in case:
        np.testing.assert_allclose(density.log_normalizer_, case["logZ"], rtol=RTOL)


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_polynomial_form_in_raw_units(cases, rows, name):
    """Γ, g and c of the natural parameters themselves: centre 0, scale 1, the base measure inside."""
    case = cases[name]
    X = rows(case["train"])
    family = PolynomialFamily(polynomial(case), centre=np.zeros(1), scale=np.ones(1))
    form = family.assemble(X, None, None, Implicit())
    delta = family.base_coefficients(moments(X))
    based = QuadraticForm(form.Gamma, -form.gradient(delta), form.value(delta), form.n)
    np.testing.assert_allclose(np.trace(based.Gamma), case["Gamma_trace"], rtol=RTOL)
    np.testing.assert_allclose(based.g, case["g"], rtol=RTOL, atol=1e-12)
    np.testing.assert_allclose(based.c, case["c"], rtol=RTOL)
    np.testing.assert_allclose(based.value(np.array(case["theta"])), case["J_train"], rtol=RTOL)
