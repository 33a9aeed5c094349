"""Can drawn rows of mixed tables be told from rows of the table that were held out?

Tables (``--tables FILE ...``, parquet files; ``--drop COLUMN ...`` leaves out columns that name the rows) are split as
in ``bench_mixed.py``; of more than ``--rows`` training rows the first are taken. A table of round amounts, whose law is
known, comes first. Every method draws rows in the units and the dtypes of the frame: rivals are fitted to standardised
numbers spread over their even cells, and their draws are rounded to these. Reported:

- the AUC of a classifier (HistGradientBoosting with categories, five folds) that tells held-out rows from as many
  draws, and the same for training rows against held-out rows, "the table itself";
- the share of draws with a combination of two columns (``--pair A B``) that no row of the table has;
- how many standard errors the frequency of a pattern of missing cells is off, at most over the patterns of five rows or
  more, and how many patterns that are.
"""  # noqa: D400 - a question

from __future__ import annotations

import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from bench_density import kept_records, print_quantity
from mixed_rivals import RIVALS, absence
from report import command_line, machine, those_here, write
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from skscore import TabularDensity
from skscore.maps.cells import EvenCells, dequantize
from skscore.tabular.schema import Schema

FOLDS, LEAST_ROWS = 5, 5
DRAWN = 2000  # rows at least; the classifier sees as many as are held out


def round_amounts(n, rng):
    """A frame of amounts, of which two thirds are multiples of 100, with a group and missing cells."""
    group = rng.integers(0, 3, n)
    amount = rng.gamma(4.0, 300.0 + 200.0 * group) + 50.0
    step = np.where(rng.random(n) < 2 / 3, 100, 10)
    other = np.where(rng.random(n) < 0.1 + 0.1 * group, np.nan, rng.normal(size=n) + np.log(amount))
    return pd.DataFrame(
        {"group": np.array(["a", "b", "c"])[group], "amount": (np.rint(amount / step) * step).astype(int), "x": other}
    )


# ---- methods: from a training frame to draws -----------------------------------------------------


def tabular(train, n, seed, blocks):
    """Draws of `TabularDensity`."""
    return TabularDensity(*blocks, random_state=seed).fit(train).sample(n, random_state=seed + 1)


def rival(train, n, seed, name):
    """Draws of one of the others."""
    schema, rng = Schema.of(train), np.random.default_rng([seed, n])
    even = [cell if isinstance(cell, EvenCells) else None for cell in schema.cells]
    rows = schema.encode(train)
    numbers = dequantize(rows.numbers, even, rng)
    mean, scale = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
    fit = RIVALS[name](rows._replace(numbers=(numbers - mean) / scale), schema.layout, seed)
    drawn = fit.sample(n, rng)
    return schema.decode(drawn._replace(numbers=mean + scale * drawn.numbers))


METHODS = {
    "TabularDensity": partial(tabular, blocks=("network", "network")),
    "TabularDensity, closed form": partial(tabular, blocks=("gaussian", "tree")),
    **{name: partial(rival, name=name) for name in ("ARF", "vine")},
}


# ---- what is measured ----------------------------------------------------------------------------


def auc(real, other):
    """How well a classifier tells two frames apart."""
    table = pd.concat([real, other], ignore_index=True)
    for name in table:
        if table[name].dtype.kind == "M":
            table[name] = table[name].astype("int64")
        elif table[name].dtype.kind not in "iuf":
            table[name] = table[name].astype("category")
    is_other = np.repeat([0, 1], [len(real), len(other)])
    forest = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    chance = cross_val_predict(forest, table, is_other, cv=FOLDS, method="predict_proba")[:, 1]
    return float(roc_auc_score(is_other, chance))


def share_of_new(frame, drawn, pair):
    """The share of draws with a combination of two columns that no row has; None if they are not there."""
    if not set(pair or ["", ""]) <= set(frame):
        return None
    seen = set(map(tuple, frame[pair].astype(str).to_numpy()))
    return float(np.mean([tuple(values) not in seen for values in drawn[pair].astype(str).to_numpy()]))


def off_in_gaps(frame, drawn):
    """Standard errors by which the frequency of a pattern of missing cells is off at most, and how many there are."""
    patterns = pd.concat([frame.isna(), drawn[frame.columns].isna()], ignore_index=True).agg(tuple, axis=1)
    is_drawn = np.repeat([False, True], [len(frame), len(drawn)])
    counts = pd.crosstab(patterns.astype(str), is_drawn).to_numpy()
    counts = counts[counts.sum(axis=1) >= LEAST_ROWS]
    share, n = counts.sum(axis=1) / len(patterns), np.array([len(frame), len(drawn)])
    error = np.sqrt(share * (1.0 - share) * (1.0 / n).sum())
    off = np.abs(counts[:, 0] / n[0] - counts[:, 1] / n[1])[error > 0.0] / error[error > 0.0]
    return {"most_standard_errors_off": float(off.max(initial=0.0)), "patterns": len(counts)}


def measured(name, seed, frame, method, arguments):
    """Draw by one method on one split, or take training rows, and return the record of what was found."""
    order = np.random.default_rng(100 + seed).permutation(len(frame))
    n = len(frame) // 5
    test, train = (frame.iloc[index].reset_index(drop=True) for index in (order[:n], order[n:][: arguments.rows]))
    begun = time.process_time()
    drawn = train.iloc[:n] if method == REAL else METHODS[method](train, max(n, DRAWN), seed)
    seconds = time.process_time() - begun
    return {
        "problem": name,
        "split": seed,
        "method": method,
        "auc": auc(test, drawn.iloc[:n]),
        "new_combinations": share_of_new(frame, drawn, arguments.pair),
        **off_in_gaps(frame, drawn),
        "cpu_seconds": seconds,
    }


REAL = "the table itself"


# ---- the run -------------------------------------------------------------------------------------


def arguments_of(argv):
    """Return the arguments."""
    parser = command_line("draws", __doc__)
    parser.add_argument("--tables", type=Path, metavar="FILE", nargs="+", default=[], help="parquet files")
    parser.add_argument("--drop", metavar="COLUMN", nargs="+", default=[], help="columns of the tables to leave out")
    parser.add_argument("--pair", metavar="COLUMN", nargs=2, help="columns of which some combinations cannot be")
    parser.add_argument("--rows", type=int, default=6000, help="training rows at most")
    parser.add_argument("--splits", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=list(METHODS))
    arguments = parser.parse_args(argv)
    arguments.n_law = 300 if arguments.quick else 5000
    if arguments.quick:
        arguments.methods = ["TabularDensity, closed form"]
    arguments.path = arguments.output or (None if arguments.quick else arguments.kept)
    return arguments


def frames_of(arguments):
    """Yield the law, then the tables, with their names."""
    yield "round amounts", round_amounts(arguments.n_law, np.random.default_rng(77))
    for path in arguments.tables:
        frame = pd.read_parquet(path)
        yield path.stem, frame.drop(columns=[name for name in arguments.drop if name in frame])


def main(argv=None):
    """Run the methods that are here on all tables; write after each."""
    arguments, facts = arguments_of(argv), machine()
    methods = those_here(arguments.methods, absence)
    records, fresh = kept_records(arguments.path), []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, frame in frames_of(arguments):
            for method in [REAL, *methods]:
                for seed in arguments.splits:
                    fresh.append(measured(name, seed, frame, method, arguments))
                    records[name, seed, method] = fresh[-1]
                    write(arguments, facts, {"records": list(records.values())})
                    print(fresh[-1], flush=True)
    print_quantity("AUC, draws against held-out rows", "auc", fresh, digits=3)
    print_quantity("share of draws with a combination that no row has", "new_combinations", fresh, digits=4)
    print_quantity("standard errors off, patterns of missing cells", "most_standard_errors_off", fresh, digits=1)


if __name__ == "__main__":
    main()
