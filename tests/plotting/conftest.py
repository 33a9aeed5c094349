"""What the tests of the displays share: a canvas without a screen, closed after each, a table, and faults of texts."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_wine

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

SLACK = 1.0  # pixels by which boxes may meet
LONG_NAMES = [f"concentration_per_litre_of_compound_{j:02d}" for j in range(30)]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture
def long_names():
    """Names of 30 columns."""
    return LONG_NAMES


def drawn_texts(figure):
    """(text, its box (left, bottom, right, top) in pixels) of each line of text that the renderer draws."""
    boxes, renderer = [], figure.canvas.get_renderer()
    draw, height = renderer.draw_text, figure.bbox.height

    def record(gc, x, y, s, prop, angle, ismath=False, mtext=None):
        w, h, d = renderer.get_text_width_height_descent(s, prop, ismath)
        turn = np.deg2rad(angle)
        corners = np.array([[0, -d], [w, -d], [0, h - d], [w, h - d]])
        corners = corners @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + [x, height - y]
        boxes.append((s, (*corners.min(axis=0), *corners.max(axis=0))))
        draw(gc, x, y, s, prop, angle, ismath, mtext)

    figure.draw(renderer)  # once for the layout
    renderer.draw_text = record
    try:
        figure.draw(renderer)
    finally:
        del renderer.draw_text
    return boxes


def _overlaps(figure):
    """Pairs of texts that meet, and texts that leave the figure, as it is drawn at its real size."""
    boxes = drawn_texts(figure)
    width, height = figure.bbox.width, figure.bbox.height
    for s, (left, bottom, right, top) in boxes:
        if min(left, bottom, width - right, height - top) < -SLACK:
            yield s, "the edge of the figure"
    for (s, a), (t, b) in combinations(boxes, 2):
        if min(a[2], b[2]) - max(a[0], b[0]) > SLACK and min(a[3], b[3]) - max(a[1], b[1]) > SLACK:
            yield s, t


@pytest.fixture
def overlaps():
    return lambda figure: list(_overlaps(figure))
