"""A frame comes back from its rows of levels and numbers: the same values, dtypes, categories and missing cells."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from skscore.tabular.schema import Schema

TABLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "mixed"
NAMES = {"cars": ["Name"], "hawks": ["BandNumber", "CaptureTime", "ReleaseTime"], "storms": ["name"]}


def assert_comes_back(frame):
    """The rows of a frame decode to the frame."""
    schema = Schema.of(frame)
    back = schema.decode(schema.encode(frame))
    if isinstance(frame, pd.DataFrame):
        assert_frame_equal(back, frame, check_exact=True)
    elif isinstance(frame, pl.DataFrame):
        polars.testing.assert_frame_equal(back, frame, check_exact=True)
    else:
        assert back.schema == frame.schema
        back, frame = (table.to_pandas(types_mapper=pd.ArrowDtype) for table in (back, frame))
        assert_frame_equal(back, frame, check_exact=True)


# ---- columns of every kind and dtype -------------------------------------------------------------

WORDS = ["unused", "missing", "ü", "B", "a", ""]


def reals(rng, n):
    return rng.normal(size=n) * 10.0 ** rng.integers(-200, 200)


def offset_reals(rng, n):
    return 1e9 + rng.normal(size=n)


def single_reals(rng, n):
    return rng.normal(size=n).astype(np.float32)


def decimals(rng, n):
    places = 10 ** rng.integers(1, 4)
    return (rng.integers(-50, 50) * places + rng.integers(0, 400, n)) / places


def quarters(rng, n):
    return rng.integers(0, 50, n) / 4


def single_decimals(rng, n):
    return (rng.integers(0, 400, n) / 10).astype(np.float32)


def zero_inflated(rng, n):
    return np.where(rng.random(n) < 0.5, 0.0, rng.normal(size=n))


def small_integers(rng, n):
    return rng.integers(0, rng.integers(1, 100), n)


def multiples_of_five(rng, n):
    return 5 * rng.integers(1, 20, n)


def large_integers(rng, n):
    return 2**60 + rng.integers(0, 10**6, n)


def truths(rng, n):
    return rng.random(n) < 0.5


def words(rng, n):
    return rng.choice(WORDS[1:], n).astype(object)


def moments(rng, n):
    return rng.integers(0, 10**6, n) * 10 ** rng.integers(0, 6)


FLOATS = [reals, offset_reals, single_reals, decimals, quarters, zero_inflated, small_integers]
SINGLES = [single_reals, single_decimals, quarters, small_integers]
PANDAS = [
    *((dtype, values) for dtype in ("float64", "Float64", "double[pyarrow]") for values in FLOATS),
    *((dtype, values) for dtype in ("float32", "Float32", "float[pyarrow]") for values in SINGLES),
    *((dtype, small_integers) for dtype in ("uint8", "Int8", "int16", "UInt16", "int32[pyarrow]")),
    *((dtype, multiples_of_five) for dtype in ("int64", "Int64", "uint64")),
    *((dtype, large_integers) for dtype in ("int64", "Int64", "uint64", "int64[pyarrow]")),
    *((dtype, truths) for dtype in ("bool", "boolean", "bool[pyarrow]", "object")),
    *((dtype, words) for dtype in ("str", "string[python]", "string[pyarrow]", "object", "category", "category")),
    *((dtype, moments) for dtype in ("datetime64[s]", "datetime64[us]", "datetime64[ns, UTC]", "timedelta64[ms]")),
    *(
        (dtype, moments)
        for dtype in ("datetime64[ms, Europe/Zurich]", "timestamp[us][pyarrow]", "duration[s][pyarrow]")
    ),
]
POLARS = [
    *((pl.Float64(), values) for values in FLOATS),
    *((pl.Float32(), values) for values in (single_reals, single_decimals)),
    *((dtype(), small_integers) for dtype in (pl.Int8, pl.UInt8, pl.Int32, pl.UInt64)),
    *((pl.Int64(), values) for values in (multiples_of_five, large_integers)),
    (pl.Boolean(), truths),
    (pl.String(), words),
    (pl.Categorical(), words),
    (pl.Enum(WORDS), words),
    (pl.Decimal(20, 2), small_integers),
    (pl.Date(), small_integers),
    *((pl.Datetime(unit, zone), moments) for unit, zone in (("ms", None), ("us", "Europe/Zurich"), ("ns", "UTC"))),
    *((pl.Duration(unit), moments) for unit in ("ms", "us")),
]
NEVER_MISSING = ("uint8", "int16", "int64", "uint64", "bool")


def pandas_column(rng, n, missing):
    dtype, make = PANDAS[rng.integers(len(PANDAS))]
    values = make(rng, n)
    if dtype == "category":
        categories = pd.Index(rng.permutation(WORDS), dtype=rng.choice(["str", "object"]))
        column = pd.Series(pd.Categorical(values, categories, ordered=bool(rng.integers(2))))
    else:
        column = pd.Series(values).astype(dtype)
    return column if dtype in NEVER_MISSING else column.mask(missing, other=None if dtype == "object" else pd.NA)


def polars_column(rng, n, missing):
    dtype, make = POLARS[rng.integers(len(POLARS))]
    nothing = float("nan") if dtype.is_float() and rng.integers(2) else None
    cells = [nothing if empty else value for value, empty in zip(make(rng, n).tolist(), missing, strict=True)]
    return pl.Series(cells, strict=False).cast(dtype)


@st.composite
def frames(draw):
    """A frame of up to 8 columns, each of a kind, a dtype and a share of missing cells of its own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(1, 100)), draw(st.integers(1, 8))
    library = draw(st.sampled_from(["pandas", "polars", "pyarrow"]))
    make = pandas_column if library == "pandas" else polars_column
    shares = [draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])) for _ in range(d)]
    columns = {f"column {j}": make(rng, n, rng.random(n) < share) for j, share in enumerate(shares)}
    frame = (pd if library == "pandas" else pl).DataFrame(columns)
    return frame.to_arrow() if library == "pyarrow" else frame


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(frames())
def test_a_frame_of_any_columns_comes_back(frame):
    assert_comes_back(frame)


ODD = {
    "intervals": pd.DataFrame({"x": pd.cut(np.arange(9.0), 3)}),
    "categories of numbers": pd.DataFrame({"x": pd.Categorical([3, 1, None], categories=[3, 2, 1])}),
    "categories of arrow": pd.DataFrame({"x": pd.array(["a", "b", None], "string").astype("category")}),
    "None and NaN": pd.DataFrame({"x": [None, "a", "b"], "y": ["a", np.nan, "b"]}, dtype=object),
    "objects": pd.DataFrame(
        {"x": [True, None, False], "y": [1, 5, None], "z": [date(2020, 1, 1)] * 2 + [None]}, dtype=object
    ),
    "names that are numbers": pd.DataFrame([[1.5, "a"], [2.5, "b"]], columns=[7, 3]),
    "nothing": pl.DataFrame({"x": [None, None], "y": pl.Series([None, None], dtype=pl.Enum(["a"])), "z": [1, 2]}),
    "nothing in arrow": pl.DataFrame({"x": [None, None], "z": [1, 2]}).to_arrow(),
    "far integers": pd.DataFrame({"x": np.uint64(2**64 - 30) + np.arange(25, dtype="uint64")[::-1]}),
    "nanoseconds": pd.DataFrame({"x": pd.to_datetime(1_700_000_000_123_456_789 + np.arange(30) ** 5)}),
}


@pytest.mark.parametrize("frame", ODD.values(), ids=ODD.keys())
def test_an_odd_frame_comes_back(frame):
    assert_comes_back(frame)


# ---- tables of the world -------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["cars", "credit_data", "diamonds", "fertil2", "hawks", "penguins", "storms", "wage"])
def test_a_table_comes_back(table):
    path = TABLES / f"{table}.parquet"
    if not path.exists():
        pytest.skip("the mixed tables lie beside the repository, in shared/data/mixed")
    frame = pd.read_parquet(path).drop(columns=NAMES.get(table, []))
    assert_comes_back(frame)
    assert_comes_back(pl.from_pandas(frame))
