"""What tests of models share: numbers of an independent implementation for polynomials and kernels, and its tables."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="session")
def cases(reference):
    """Numbers of each case, by its name."""
    return json.loads((reference / "kernel_and_polynomial.json").read_text())["cases"]


@pytest.fixture(scope="session")
def rows(reference):
    """Function from the name of a table to its rows."""
    return lambda name: np.loadtxt(reference / "data" / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)
