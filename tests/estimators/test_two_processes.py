"""Networks trained by two processes of torch's gloo are those of one process with all rows and the double batch."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()), reason="torch has no gloo"
    ),
]

import two_processes  # noqa: E402

TOGETHER = ["plain", "many", "folds", "further"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What the two processes found."""
    directory = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, two_processes.__file__, directory]
    started = [subprocess.Popen([*command, rank], stderr=subprocess.PIPE, text=True) for rank in "01"]
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    return [pickle.loads((directory / f"{rank}.pickle").read_bytes()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def one():
    """What one process finds with all rows and the double batch."""
    fits = two_processes.fits(64, two_processes.table(), two_processes.row_weights())
    return {name: two_processes.learned(fitted) for name, fitted in fits}


def assert_equal_fits(found, expected, tolerance):
    assert found["n_iter"] == expected["n_iter"]
    assert_allclose(found["curve"], expected["curve"], atol=tolerance)
    for weights, others in zip(found["weights"], expected["weights"], strict=True):
        assert_allclose(weights, others, atol=tolerance)


@pytest.mark.parametrize("name", TOGETHER)
def test_two_processes_are_one_with_the_double_batch(ranks, one, name):
    assert max(np.abs(array).max() for array in one[name]["weights"]) > 0.1  # something was learned
    assert_equal_fits(ranks[0][name], one[name], 1e-5)


@pytest.mark.parametrize("name", [*TOGETHER, "resumed", "in_time", "many_levels"])
def test_both_processes_end_with_equal_weights(ranks, name):
    assert_equal_fits(ranks[0][name], ranks[1][name], 0.0)


def test_a_training_that_was_interrupted_goes_on_from_the_checkpoint_of_the_first_process(ranks):
    assert [found["saved"] for found in ranks] == [True, False]
    assert_equal_fits(ranks[0]["resumed"], ranks[0]["plain"], 0.0)


def test_a_training_does_not_load_what_torch_compiles_with(ranks):
    assert ranks[0]["loaded"] == set()


def test_the_first_process_alone_prints(ranks):
    assert "step 100" in ranks[0]["printed"]
    assert ranks[1]["printed"] == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stopped", "no space left"),
        ("same", "the same rows in two processes"),
        ("columns", "the same columns"),
        ("weights", "give it in all"),
        ("missing", "NaN"),
        ("search", "sigma_min"),
    ],
)
def test_what_fails_in_one_process_fails_in_both(ranks, name, message):
    for found in ranks:
        assert message in found[name]
