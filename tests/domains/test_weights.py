"""Weights: numbers of an independent implementation, slopes, limits and caps, over the list of all members."""

import json

import numpy as np
import pytest
from sklearn.base import clone

from skscore.domains import (
    MCP,
    SCAD,
    Arcsinh,
    Capped,
    Cosh,
    Expm1,
    LogPower,
    Normalised,
    Power,
    Sinh,
    Softplus,
    Tanh,
    TruncatedSine,
    TruncatedTangent,
)
from skscore.domains.weights import WEIGHTS, resolve

# A cap on the value, in the reference, is a cap on the distance here: h⁻¹ of it.
REFERENCE = {
    "get_h_hp('min_pow', 1, 1)": Capped(Power(1.0), 1.0),
    "get_h_hp('min_pow', 2, 1.5)": Capped(Power(2.0), 1.5),
    "get_h_hp('pow', 1.5, NULL)": Power(1.5),
    "get_h_hp('mcp', 1, 5)": MCP(1.0, 5.0),
    "get_h_hp('scad', 1, 3)": SCAD(1.0, 3.0),
    "get_h_hp('log_pow', 2, NULL)": LogPower(2.0),
    "get_h_hp('min_log_pow', 1, 1)": Capped(LogPower(), np.expm1(1.0)),
    "get_h_hp('asinh', 1, NULL)": Arcsinh(),
    "get_h_hp('sinh', 0.5, NULL)": Sinh(0.5),
    "get_h_hp('cosh', 0.5, NULL)": Cosh(0.5),
    "get_h_hp('exp', 0.5, NULL)": Expm1(0.5),
    "get_h_hp('softplus', 1, NULL)": Softplus(),
    "get_h_hp('tanh', 1, NULL)": Tanh(),
    "get_h_hp('truncated_sin', 1, NULL)": TruncatedSine(),
    "get_h_hp('truncated_tan', 1, NULL)": TruncatedTangent(),
    "get_h_hp('min_asinh', 1, 1)": Capped(Arcsinh(), np.sinh(1.0)),
    "get_h_hp('min_softplus', 1, 1)": Capped(Softplus(), np.log(2.0 * np.e - 1.0)),
    "get_h_hp('min_exp', 1, 1)": Capped(Expm1(), np.log(2.0)),
}
MEMBERS = [
    Power(0.5),
    LogPower(0.5),
    LogPower(3.0),
    MCP(2.0, 0.7),
    SCAD(0.5, 1.5),
    *(weight(rate=1.7) for weight in (Arcsinh, Sinh, Cosh, Expm1, Softplus, Tanh, TruncatedSine, TruncatedTangent)),
    *REFERENCE.values(),
]
LIMITS = {"MCP": 2.5, "SCAD": 2.0, "Tanh": 1.0, "TruncatedSine": 1.0, "TruncatedTangent": 1.0}


@pytest.mark.parametrize("call", REFERENCE)
def test_numbers_of_an_independent_implementation(call, reference):
    table = json.loads((reference / "genscore_h_functions.json").read_text())
    h, slope = REFERENCE[call].value_and_slope(np.array(table["x"], dtype=float))
    np.testing.assert_allclose(h, table[call]["h"], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(slope, table[call]["hp"], rtol=1e-10, atol=1e-12)


def test_every_line_of_the_reference_is_named(reference):
    table = json.loads((reference / "genscore_h_functions.json").read_text())
    assert set(table) - {"x"} == set(REFERENCE)


@pytest.mark.parametrize("weight", MEMBERS, ids=str)
def test_slope_is_that_of_the_value(weight, rng):
    t, step = rng.uniform(0.01, 6.0, size=(200, 3)), 1e-6
    h, slope = weight.value_and_slope(t)
    difference = (weight.value_and_slope(t + step)[0] - weight.value_and_slope(t - step)[0]) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-8 * max(1.0, h.max()))


@pytest.mark.parametrize("weight", MEMBERS, ids=str)
def test_weights_vanish_on_the_boundary_and_rise_from_it(weight):
    t = np.append(np.linspace(0.0, 20.0, 500), [1e3, 1e200, np.inf])
    h, slope = weight.value_and_slope(t)
    assert h[0] == 0.0
    assert (h[1:] > 0.0).all()
    assert (h[1:] >= h[:-1]).all()
    assert (slope >= 0.0).all()


@pytest.mark.parametrize("name", WEIGHTS)
def test_limits(name):
    """At ∞ bounded weights are flat; the others are infinite, and never NaN."""
    h, slope = resolve(name).value_and_slope(np.array([np.inf]))
    assert h[0] == pytest.approx(LIMITS.get(name_of(name), np.inf))
    assert slope[0] == 0.0 if name_of(name) in LIMITS else slope[0] >= 0.0


def name_of(name):
    return type(resolve(name)).__name__


def test_resolve_gives_names_their_weight_and_objects_themselves():
    weight = Power(2.0)
    assert resolve(weight) is weight
    assert len({name_of(name) for name in WEIGHTS}) == len(WEIGHTS)


def test_cap_at_a_quantile_of_each_column(rng):
    """The cap of column j is the smallest distance that at least a share q of the finite ones does not exceed."""
    distance = rng.exponential(size=(99, 3)) * [1.0, 10.0, 1.0]
    distance[:, 2] = np.inf
    weight = Capped(Power(2.0), quantile=0.9).fitted(distance)
    assert weight.cap[2] == np.inf
    below = (distance <= weight.cap)[:, :2].sum(axis=0)
    np.testing.assert_array_equal(below, 90)  # ⌈.9 · 99⌉
    h, slope = weight.value_and_slope(distance)
    np.testing.assert_allclose(h[:, :2].max(axis=0), weight.cap[:2] ** 2)
    np.testing.assert_array_equal((slope[:, :2] == 0.0).sum(axis=0), 10)


def test_normalised_weights_have_a_mean_of_one_in_any_units(rng):
    distance = rng.exponential(size=(50, 3)) * [1.0, 10.0, 0.0]  # a column without a distance has no weight
    weight = Normalised(Power(2.0)).fitted(distance)
    h, slope = weight.value_and_slope(distance)
    np.testing.assert_allclose(h.mean(axis=0), [1.0, 1.0, 0.0], rtol=1e-12)
    np.testing.assert_allclose(slope * distance, 2.0 * h, rtol=1e-12)


@pytest.mark.parametrize(
    ("adaptive", "name"), [(Capped(Power(), quantile=0.7), "cap"), (Normalised(Tanh()), "mean")], ids=str
)
def test_sample_weights_repeat_distances(adaptive, name, rng):
    distance, count = rng.exponential(size=(50, 2)), rng.integers(0, 4, size=50)
    repeated = adaptive.fitted(np.repeat(distance, count, axis=0))
    np.testing.assert_allclose(getattr(adaptive.fitted(distance, count), name), getattr(repeated, name), rtol=1e-12)


FITTED = [Capped(Tanh(), quantile=0.5), Capped(Tanh(), [1.0, 2.0]), Normalised(Tanh()), Normalised(Power(), [1.0, 2.0])]


@pytest.mark.parametrize("weight", [*MEMBERS, *FITTED], ids=str)
def test_sound_weights_pass_their_check_and_survive_cloning(weight, rng):
    clone(weight).check(2)
    clone(weight.fitted(rng.exponential(size=(9, 2)))).check(2)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (Power(0.0), "power=0.0.*positive"),
        (Tanh([1.0, 2.0]), "rate=.*one positive number"),
        (SCAD(1.0, 1.0), "gamma=1.0.*larger than 1"),
        (Capped(Power()), "cap or quantile"),
        (Capped(Power(), 1.0, 0.5), "not both"),
        (Capped(Power(), quantile=90.0), r"quantile=90.0.*\(0, 1\]"),
        (Capped(Power(), cap=-1.0), "cap=-1.0.*positive"),
        (Capped(Power(), cap=[1.0, 2.0, 3.0]), r"cap has shape \(3,\)"),
        (Capped(Power(-1.0), cap=1.0), "power=-1.0"),
        (Normalised(Power(-1.0)), "power=-1.0"),
        (Normalised(Power(), mean=0.0), "mean=0.0.*positive"),
        (Normalised(Power(), mean=[1.0, 2.0, 3.0]), r"mean has shape \(3,\)"),
    ],
    ids=str,
)
def test_check_names_what_is_wrong(weight, message):
    with pytest.raises(ValueError, match=message):
        weight.check(2)
