"""Displays of 30 columns with long names: at the real size of a figure no text meets another, and none is cut."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from skscore.plotting import (
    ContributionsDisplay,
    DensityDisplay,
    GraphDisplay,
    NoiseLevelDisplay,
    PairDisplay,
    PathDisplay,
    ScoreFieldDisplay,
    TrainingDisplay,
)
from skscore.plotting.canvas import fitted_to, spread


def test_texts_that_meet_or_are_cut_are_found(overlaps):
    figure = plt.figure()
    figure.text(0.1, 0.1, "alpha")
    figure.text(0.1, 0.12, "beta", rotation=90)
    figure.text(0.99, 0.5, "cut off")
    figure.text(0.5, 0.9, "alone")
    assert overlaps(figure) == [("cut off", "the edge of the figure"), ("alpha", "beta")]


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_long_names_stay_distinct_on_the_lines_they_have(long_names, lines):
    fitted = [fitted_to(name, 14, lines) for name in long_names]
    assert len(set(fitted)) == len(long_names)
    assert all(name.count("\n") < lines and max(map(len, name.split("\n"))) <= 14 for name in fitted)
    assert fitted_to("ash", 14, lines) == "ash"


def test_places_are_moved_apart_in_their_order_and_no_further(rng):
    at = rng.standard_normal(40)
    apart = spread(at, 0.05)
    np.testing.assert_array_equal(np.argsort(apart), np.argsort(at))
    assert np.diff(np.sort(apart)).min() >= 0.05 - 1e-12
    np.testing.assert_array_equal(spread(at, 0.0), at)


def test_contributions(overlaps, long_names, rng):
    cells = ["a level with a very long name", -123456.789, *rng.standard_normal(28)]
    display = ContributionsDisplay(rng.standard_normal(30), long_names, cells, above_reference=True).plot()
    assert overlaps(display.figure_) == []


def test_trainings(overlaps, rng):
    losses = np.cumsum(rng.standard_normal(300)) * 1e4
    assert overlaps(TrainingDisplay(losses, losses, 30_000).plot().figure_) == []


@pytest.fixture
def interactions(rng):
    """A sparse matrix K of 30 columns, positive definite."""
    K = np.triu(rng.standard_normal((30, 30)) * (rng.random((30, 30)) < 0.15), 1)
    return K + K.T + np.eye(30) * (np.linalg.norm(K + K.T, 2) + 0.1)


@pytest.mark.parametrize(("p", "kind"), [(3, "graph"), (20, "auto"), (30, "auto"), (30, "graph")])
def test_graphs(overlaps, long_names, interactions, p, kind):
    display = GraphDisplay(interactions[:p, :p], long_names[:p]).plot(kind=kind)
    assert overlaps(display.figure_) == []


def test_a_map_of_many_columns_has_as_many_names_as_there_is_room_for(overlaps):
    display = GraphDisplay(np.eye(150)).plot()
    assert 30 < len(display.ax_.get_yticks()) < 150
    assert overlaps(display.figure_) == []
    small = GraphDisplay(np.eye(30)).plot(ax=plt.subplots(figsize=(3.0, 3.0), layout="constrained")[1])
    assert overlaps(small.figure_) == []


def test_paths(overlaps, long_names, interactions):
    alphas = np.geomspace(1.0, 0.01, 9)
    path = [np.sign(interactions) * np.maximum(np.abs(interactions) - alpha, 0.0) for alpha in alphas]
    assert overlaps(PathDisplay(alphas, path, alphas[5], long_names).plot().figure_) == []
    same = [np.triu(np.ones((30, 30)))] * 9  # all lines end at one place
    assert overlaps(PathDisplay(alphas, same, alphas[5], long_names).plot().figure_) == []


def test_noise_levels(overlaps):
    levels = np.geomspace(1e3, 1e-4, 9)
    assert overlaps(NoiseLevelDisplay(levels, levels * 1e5, (levels, levels)).plot().figure_) == []


@pytest.mark.parametrize("log", [False, True])
def test_densities(overlaps, long_names, log):
    axes = [np.linspace(-1e6, 1e6, 9), np.linspace(-1e-4, 1e-4, 9)]
    log_density = -np.add.outer(np.arange(9.0), np.arange(9.0) ** 2)
    levels = {0.5: -5.0, 0.8: -9.25, 0.95: -12.125}
    display = DensityDisplay(axes, log_density, long_names[:2], np.zeros((1, 2)), 28, "marginal", levels)
    assert overlaps(display.plot(log=log).figure_) == []


def test_score_fields(overlaps, long_names, rng):
    score = rng.standard_normal((9, 9, 2)) * 1e5
    display = ScoreFieldDisplay([np.linspace(-1e6, 1e6, 9)] * 2, score, long_names[:2], np.zeros((1, 2)), held=28)
    assert overlaps(display.plot().figure_) == []


def test_pairs(overlaps, long_names, rng):
    real, synthetic = (pd.DataFrame(rng.standard_normal((40, 30)) * 1e7, columns=long_names) for _ in range(2))
    for frame in (real, synthetic):
        frame[long_names[-1]] = rng.choice(["a level with a very long name", "another of the kind"], 40)
        frame[long_names[-2]] = [f"level {k} of many" for k in range(40)]
        frame.loc[rng.random(40) < 0.5, long_names[-3]] = np.nan
    display = PairDisplay(real, synthetic)
    last_ten = display.plot(features=long_names[-10:])
    assert overlaps(last_ten.figure_) == []
    assert overlaps(display.plot(max_columns=2).figure_) == []
