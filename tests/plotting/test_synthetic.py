"""The picture of a report: every column, the pairs farthest off, names that fit."""

import numpy as np
import pandas as pd

from skscore.metrics import synthetic_report
from skscore.plotting import SyntheticReportDisplay


def test_a_report_is_drawn_with_every_column_and_few_pairs():
    rng = np.random.default_rng(5)
    names = [f"a column with a name as long as nobody would give {j}" for j in range(6)]
    real, drawn = (pd.DataFrame(rng.standard_normal((40, 6)), columns=names) for _ in range(2))
    report = synthetic_report(real, drawn)
    display = SyntheticReportDisplay(report).plot()
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert sum(label.startswith("association") for label in labels) == 10
    assert sum(label.startswith("Wasserstein") for label in labels) == 6
    assert max(map(len, labels)) < 60
    values = display.ax_.collections[-1].get_offsets()[:, 0]
    assert values[0] == report.quantities[0].value
