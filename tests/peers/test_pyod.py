"""The detector that the guide makes for PyOD, run if PyOD is there."""

import textwrap
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from skscore import ScoreMatchingDensity

PAGE = Path(__file__).resolve().parents[2] / "docs" / "user_guide" / "outliers.rst"

if find_spec("pyod"):

    def test_the_adapter_of_the_guide_is_a_detector_of_pyod():
        lines = PAGE.read_text("utf-8").partition(".. code-block:: python\n")[2].partition("\nRows that are known")[0]
        names = {}
        exec(textwrap.dedent(lines), names)
        rows = np.random.default_rng(0).standard_normal((200, 3))
        rows[:5] *= 10.0
        detector = names["PyODDensity"](ScoreMatchingDensity(), contamination=0.025).fit(rows)
        np.testing.assert_array_equal(np.flatnonzero(detector.labels_), np.arange(5))
        np.testing.assert_array_equal(detector.predict(rows), detector.labels_)
