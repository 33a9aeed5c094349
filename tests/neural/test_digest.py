"""Digests: the same for values that mean the same, in every process, and another one for all others."""

import inspect
import math
import os
import re
import subprocess
import sys
from functools import cache, partial, wraps

import numpy as np
import pandas as pd
import pytest

from skscore import ScoreMatchingDensity
from skscore.models import Kernel, Polynomial
from skscore.neural.digest import digest

POWER = 2


def power(k):
    return lambda sigma: sigma**k


def of_module(sigma):
    return sigma**POWER


def through(sigma):
    return of_module(sigma)


def counted(function):
    @wraps(function)
    def wrapper(sigma):
        return function(sigma)

    return wrapper


class Weighting:
    """λ(σ) with a state."""

    def __init__(self, k):
        self.k = k

    def __call__(self, sigma):
        return sigma**self.k


class Narrow:
    WIDTH = 8

    def width(self):
        return self.WIDTH


class Wide(Narrow):
    WIDTH = 16


class Slots:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


def named(width):
    """A class of this name."""
    return type("Named", (), {"WIDTH": width})


NUMBERS = np.arange(6.0).reshape(3, 2)
SAME = {
    "list and tuple": ([8], (8,)),
    "list and array": ([0.1, 0.2], np.array([0.1, 0.2])),
    "types of numbers": ([8, 1, 0.5], (np.int64(8), True, np.float32(0.5))),
    "order of memory": (NUMBERS, np.asfortranarray(NUMBERS)),
    "every other row": (NUMBERS[::2], NUMBERS[::2].copy()),
    "frame": (NUMBERS, pd.DataFrame(NUMBERS, columns=["a", "b"])),
    "precision": (NUMBERS, NUMBERS.astype(np.float32)),
    "zeros": (np.zeros(2), -np.zeros(2)),
    "order of names": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "lambdas": (lambda x: x**2, lambda x: x**2),
    "closures": (power(2), power(2)),
    "partials": (partial(pow, exp=2), partial(pow, exp=2)),
    "objects": (Weighting(2), Weighting(2)),
    "objects with slots": (Slots(2), Slots(2)),
    "estimators": (ScoreMatchingDensity(Kernel(5)), ScoreMatchingDensity(Kernel(5), random_state=7)),
}
OTHER = {
    "lambdas": (lambda x: x**2, lambda x: x**3),
    "lambdas that call": (lambda x: math.sin(x), lambda x: math.cos(x)),
    "inner lambdas": (lambda x: lambda y: y + 1, lambda x: lambda y: y + 2),
    "closures": (power(2), power(3)),
    "defaults": (lambda x, k=2: x, lambda x, k=3: x),
    "defaults by name": (lambda x, *, k=2: x, lambda x, *, k=3: x),
    "partials": (partial(pow, exp=2), partial(pow, exp=3)),
    "objects": (Weighting(2), Weighting(3)),
    "objects with slots": (Slots(2), Slots(3)),
    "built in": (math.exp, math.log),
    "ufuncs": (np.exp, np.log),
    "wrapped": (counted(power(2)), counted(power(3))),
    "cached": (cache(power(2)), cache(power(3))),
    "methods": (Weighting(2).__call__, Weighting(3).__call__),
    "classes": (Narrow, Wide),
    "classes of one name": (named(8), named(16)),
    "many numbers": (np.arange(2000.0), np.arange(2000.0) + 0.5 * (np.arange(2000) == 1000)),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "one bit": (np.array([1e8]), np.array([np.nextafter(1e8, 2e8)])),
    "missing": (np.array([np.nan]), np.array([0.0])),
    "levels": (["a", "b"], ["ab"]),
    "text and number": ("8", 8),
    "patterns": (re.compile("a"), re.compile("b")),
    "estimators": (ScoreMatchingDensity(Kernel(5)), ScoreMatchingDensity(Polynomial())),
    "parameters": (ScoreMatchingDensity(Kernel(5)), ScoreMatchingDensity(Kernel(6))),
    "order": ((1, 2), (2, 1)),
    "nesting": ((1, (2, 3)), ((1, 2), 3)),
}
WITHOUT = frozenset({"random_state"})


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_values_that_mean_the_same(one, other):
    assert digest(one, without=WITHOUT) == digest(other, without=WITHOUT)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_values_that_do_not(one, other):
    assert digest(one) != digest(other)


@pytest.mark.parametrize("function", [of_module, through])
def test_what_a_function_reads_of_its_module_counts(function, monkeypatch):
    before = digest(function)
    monkeypatch.setitem(globals(), "POWER", 3)
    assert digest(function) != before


def test_large_arrays_count_to_their_end():
    X = np.zeros((3, 700_001))
    Y = X.copy()
    Y[-1, -1] = 1.0
    assert digest(X) == digest(np.asfortranarray(X)) != digest(Y)


def test_what_holds_itself():
    whole = ["a"]
    whole.append(whole)
    assert digest(whole) == digest(whole)


def test_a_parameter_that_cannot_be_described_is_named():
    with pytest.raises(ValueError, match=r"model=<generator .* cannot be told from other values .*checkpoint=None"):
        digest(ScoreMatchingDensity(x for x in "a"))


PROCESS = """
import functools, runpy, sys
digest = runpy.run_path(sys.argv[1])["digest"]  # the file alone: the package imports scikit-learn
class Weighting:
    def __call__(self, sigma):
        return sigma in {"a", "b", "c"}
print(digest(Weighting(), functools.partial(Weighting), Weighting, lambda x: {"x", "y", "z"}, {"u", "v", "w"}))
"""


def test_processes_agree():
    """Their addresses and the order of their sets differ."""
    command = [sys.executable, "-c", PROCESS, inspect.getsourcefile(digest)]
    printed = {
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in "12"
    }
    assert len(printed) == 1
    assert len(printed.pop().strip()) == 64
