"""What fit learns of a frame: kinds of columns, their levels, numbers and states, and what it refuses."""

import pickle
from datetime import date, datetime

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skops.io
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from skscore.models.mixed.rows import ALWAYS, Layout, Rows
from skscore.tabular.schema import Schema

N = 60


@pytest.fixture
def frame(rng):
    """A column of each kind, some of them with missing cells."""
    height = rng.normal(170.0, 8.0, N).round(1)
    height[::7] = np.nan
    return pd.DataFrame(
        {
            "sex": pd.Categorical(rng.choice(["f", "m"], N), categories=["m", "f", "x"]),
            "height": height,
            "steps": rng.integers(0, 20_000, N),
            "income": np.where(rng.random(N) < 0.4, 0.0, rng.gamma(2.0, size=N)),
            "children": rng.integers(0, 4, N),
            "city": rng.choice(["Bern", "Basel", None], N).astype(object),
            "born": np.datetime64("1990-01-01", "us") + rng.integers(0, 9000, N) * np.timedelta64(1, "D"),
            "member": pd.array(rng.random(N) < 0.5, dtype="boolean"),
            "country": "CH",
        }
    )


@pytest.fixture
def schema(frame):
    return Schema.of(frame)


def kinds(frame, **options):
    return {column.name: column.kind for column in Schema.of(frame, **options).columns}


# ---- kinds ---------------------------------------------------------------------------------------


def test_kinds_are_guessed_from_dtypes_and_values(frame):
    frame["size"] = pd.Categorical(["S", "L"] * (N // 2), categories=["S", "L"], ordered=True)
    guessed = [
        "categorical",
        "real",
        "integer",
        "real",
        "integer",
        "categorical",
        "date",
        "boolean",
        "constant",
        "ordered",
    ]
    assert kinds(frame) == dict(zip(frame, guessed, strict=True))


def test_floats_that_are_whole_are_integers_and_few_values_that_recur_are_levels(rng):
    frame = pd.DataFrame(
        {
            "whole": rng.integers(0, 500, N) * 1.0,
            "flag": rng.choice([0.0, 1.0, np.nan], N),
            "crop": rng.choice([0.25, 0.5], N),
        }
    )
    schema = Schema.of(frame)
    assert list(kinds(frame).values()) == ["integer", "integer", "real"]
    assert schema.layout == Layout((3, 2), (ALWAYS,))
    assert_array_equal(schema.column("crop").levels, [0.25, 0.5])


def test_a_kind_that_is_asked_for_decides(frame):
    schema = Schema.of(frame, {"children": "real", "steps": "categorical", "height": "ignore", "born": "ordered"})
    assert [schema.numeric_of(name) for name in ("children", "steps", "height", "born")] == [1, None, None, None]
    assert len(schema.column("born").levels) == frame["born"].nunique()
    assert list(schema.decode(schema.encode(frame))) == [name for name in frame if name != "height"]
    assert_array_equal(schema.encode(frame.drop(columns="height")).codes, schema.encode(frame).codes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"age": "real"}, "names the column 'age', but the frame has .*'height'"),
        ({"height": "number"}, "gives the column 'height' the kind 'number': give one of .*'real'"),
        ({"city": "real"}, "'real' of the column 'city', which needs numbers: it holds 2 values of text, such as 'B"),
        ({"height": "integer"}, "'integer' of the column 'height', which needs whole numbers"),
        ({"steps": "boolean"}, "'boolean' of the column 'steps', which needs at most two values"),
        ({"steps": "date"}, "'date' of the column 'steps', which needs dates or durations"),
        (dict.fromkeys(["sex", "height"], "ignore") | {"x": "real"}, "names the column 'x'"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(frame, asked, message):
    with pytest.raises(ValueError, match=message):
        Schema.of(frame, asked)


def test_columns_that_name_the_rows_are_refused_with_the_remedy(rng):
    n = 30
    names = {
        "code": [f"A{k}" for k in range(n)],
        "id": np.arange(1, n + 1),
        "back": np.arange(n)[::-1].astype(float),
        "label": pd.Categorical(["twice", "twice", *(f"B{k}" for k in range(n - 2))]),
    }
    for name, values in names.items():
        frame = pd.DataFrame({"x": rng.normal(size=n), name: values})
        with pytest.raises(
            ValueError, match=rf"Column '{name}' seems to name the rows.*column_types={{'{name}': 'ignore'}}"
        ):
            Schema.of(frame)
        assert kinds(frame, column_types={name: "ignore"})[name] == "ignore"
        assert kinds(frame, column_types={name: "categorical"})[name] == "categorical"


@pytest.mark.parametrize("values", [np.arange(1990, 2020), np.arange(1, 31)[np.r_[1, 0, 2:30]], 7 * np.arange(30)])
def test_measurements_that_differ_are_no_names(values):
    assert kinds(pd.DataFrame({"x": values})) == {"x": "integer"}


# ---- the two blocks ------------------------------------------------------------------------------


def test_blocks_are_in_the_order_of_the_frame(schema):
    assert schema.layout == Layout((3, 2, 2, 4, 3, 2), state=(1, ALWAYS, 2, ALWAYS))
    assert [schema.discrete_of(name) for name in ("sex", "height", "income", "children", "country")] == [
        0,
        1,
        2,
        3,
        None,
    ]
    assert [schema.numeric_of(name) for name in ("height", "steps", "income", "born", "sex")] == [0, 1, 2, 3, None]


def test_levels_are_all_categories_and_the_missing_one_comes_last(frame, schema):
    rows = schema.encode(frame)
    assert list(schema.column("sex").levels) == ["m", "f", "x"]
    assert_array_equal(rows.codes[:, 0], frame["sex"].cat.codes)
    assert_array_equal(rows.codes[:, 4] == 2, frame["city"].isna())


def test_a_state_says_that_a_cell_holds_a_number_is_missing_or_a_heavy_value(frame):
    frame.loc[:9, "income"] = np.nan
    schema = Schema.of(frame)
    rows = schema.encode(frame)
    state = np.select([frame["income"].isna(), frame["income"] == 0.0], [1, 2])
    assert_array_equal(rows.codes[:, schema.discrete_of("income")], state)
    assert_array_equal(rows.numbers[:, schema.numeric_of("income")], frame["income"].where(frame["income"] > 0.0))
    assert_array_equal(schema.layout.holds_number(rows.codes), ~np.isnan(rows.numbers))


def test_no_value_of_a_smooth_count_is_heavy_but_those_of_round_amounts_are(rng):
    age = rng.poisson(30, 2000)
    amount = np.where(rng.random(2000) < 0.3, 1000, rng.integers(100, 5000, 2000))
    schema = Schema.of(pd.DataFrame({"age": age, "amount": amount}))
    assert len(schema.column("age").levels) == 0
    assert_array_equal(schema.column("amount").levels, [1000])


def test_weights_are_repetitions_of_rows(rng):
    frame = pd.DataFrame({"x": np.r_[0.0, 0.0, rng.normal(size=58)]})
    weight = np.r_[10, 10, np.ones(58)]
    repeated = frame.loc[np.repeat(np.arange(60), weight.astype(int))]
    states = [Schema.of(*arguments).column("x").levels for arguments in ((frame, None, "model", weight), (repeated,))]
    assert_array_equal(*states)
    assert_array_equal(states[0], [0.0])
    assert len(Schema.of(frame).column("x").levels) == 0


def test_missing_numbers_that_tell_nothing_need_no_state(frame):
    schema = Schema.of(frame, missingness="ignore")
    rows = schema.encode(frame)
    assert schema.discrete_of("height") is None
    assert_array_equal(np.isnan(rows.numbers[:, 0]), frame["height"].isna())
    frame.loc[0, ["steps", "income"]] = np.nan
    rows = schema.encode(frame)
    assert np.isnan(rows.numbers[0, 1:3]).all()
    assert rows.codes[0, schema.discrete_of("income")] == -1
    assert not schema.unlike(frame).any()


def test_lattices_are_those_of_integers_decimals_and_dates(schema):
    assert [cells and cells.width for cells in schema.cells] == [0.1, 1.0, None, 1.0]


def test_dates_are_days_unless_they_have_a_time(rng):
    days = np.datetime64("2020-01-01") + np.sort(rng.integers(0, 1000, N))
    clock = days.astype("datetime64[ns]") + rng.integers(0, 86400, N) * np.timedelta64(1, "s")
    schema = Schema.of(pd.DataFrame({"day": days.astype("datetime64[s]"), "clock": clock}))
    numbers = schema.encode(pd.DataFrame({"clock": clock, "day": days.astype("datetime64[ms]")})).numbers
    assert_array_equal(numbers[:, 0], days.astype(int))
    assert_array_equal(numbers[:, 1], clock.astype("datetime64[s]").astype(int))


def test_masks_of_columns(schema):
    mask = schema.cells_of(["income", "children", "country"], 2)
    assert_array_equal(mask.codes, [[False, False, True, True, False, False]] * 2)
    assert_array_equal(mask.numbers, [[False, False, True, False]] * 2)
    with pytest.raises(ValueError, match=r"no column 'age': fit saw .*'height'"):
        schema.cells_of(["age"], 2)


# ---- other frames --------------------------------------------------------------------------------


def test_frames_of_any_library_and_order_of_columns_have_the_same_rows(frame, schema):
    rows = schema.encode(frame)
    for other in (pl.from_pandas(frame), pa.Table.from_pandas(frame), nw.from_native(frame), frame[list(frame)[::-1]]):
        found = schema.encode(other)
        assert_array_equal(found.codes, rows.codes)
        assert_array_equal(found.numbers, rows.numbers)


def test_arrays_have_names_of_their_own_and_come_back_as_arrays(rng):
    X = np.column_stack([rng.normal(size=N), rng.integers(0, 3, N)])
    X[0, 0] = np.nan
    schema = Schema.of(X, {"x0": "real"})
    assert [(column.name, column.kind) for column in schema.columns] == [("x0", "real"), ("x1", "integer")]
    assert_array_equal(schema.decode(schema.encode(X)), X)


def test_what_fit_did_not_see_is_refused_or_known_as_such(frame, schema):
    strange = frame.astype({"sex": object, "steps": float})
    changes = {"sex": "z", "steps": np.nan, "children": 9, "member": pd.NA, "country": "FR"}
    for row, (name, value) in enumerate(changes.items()):
        strange.loc[row, name] = value
        with pytest.raises(ValueError, match=rf"Column '{name}' holds what fit did not see.*handle_unknown='neg_inf'"):
            schema.encode(frame.assign(**{name: strange[name]}))
    rows = schema.encode(strange, handle_unknown="na")
    assert_array_equal(schema.unlike(strange), np.arange(N) < len(changes))
    assert_array_equal(np.argwhere(rows.codes == -1), [[0, 0], [2, 3], [3, 5]])
    assert np.isnan(rows.numbers[1, schema.numeric_of("steps")])
    with pytest.raises(ValueError, match="handle_unknown is 'ignore': give one of"):
        schema.encode(strange, handle_unknown="ignore")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns=["sex", "city"]), r"\['sex', 'city'\] are absent, \[\] are unknown"),
        (lambda frame: frame.assign(age=1), r"\[\] are absent, \['age'\] are unknown"),
        (lambda frame: frame.iloc[:0], "The frame has no rows"),
        (lambda frame: frame.assign(height="tall"), "Column 'height' holds text, but a number is needed"),
        (lambda frame: frame.assign(born="soon"), "Column 'born' holds text that is no time"),
        (lambda frame: frame.assign(height=np.inf), "Column 'height' holds infinite numbers"),
    ],
)
def test_frames_that_cannot_be_read_are_refused(frame, schema, change, message):
    with pytest.raises(ValueError, match=message):
        schema.encode(change(frame))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({1.0, 2.0}, "set is no frame: give one of pandas"),
        ([1.0, 2.0], r"shape \(2,\) and dtype float64 is no table"),
        ([["a", 1.0], ["b", 2.0]], "or a frame if columns differ in dtype"),
        (np.zeros(3), r"shape \(3,\) and dtype float64 is no table"),
        (np.array([["a"]]), "dtype <U1 is no table"),
        (pl.LazyFrame({"x": [1]}), "LazyFrame is no frame"),
        (pd.DataFrame(), "The frame has no columns"),
        (pd.DataFrame({"x": []}), "The frame has no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "share their name: rename them.*'a'"),
        (pd.DataFrame({"x": [1, "a"]}), "Column 'x' holds objects of type int and str.*column_types={'x': 'ignore'}"),
        (pd.DataFrame({"x": [[1], [2]]}), "Column 'x' holds objects of type list"),
        (pl.DataFrame({"x": [[1], [2]]}), "Column 'x' holds List"),
        (pd.DataFrame({"x": [1.0, np.inf]}), "Column 'x' holds infinite numbers"),
        (pd.DataFrame({"x": pd.period_range("2020", periods=2)}), "Column 'x' holds Unknown"),
    ],
)
def test_what_is_no_table_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        Schema.of(frame)


def test_arguments_are_checked(frame):
    with pytest.raises(ValueError, match="missingness is 'drop': give one of"):
        Schema.of(frame, missingness="drop")
    with pytest.raises(ValueError, match="leaves out every column"):
        Schema.of(frame, dict.fromkeys(frame, "ignore"))


def test_columns_of_which_nothing_is_to_be_learnt_come_back(rng):
    frame = pd.DataFrame({0: rng.normal(size=3), "empty": pd.Series([None] * 3, dtype="Int64"), "one": ["x"] * 3})
    schema = Schema.of(frame)
    assert schema.layout == Layout((), (ALWAYS,))
    assert_frame_equal(schema.decode(schema.encode(frame)), frame)
    assert schema.unlike(frame.assign(empty=[1, None, None], one=["x", "y", None])).tolist() == [True, True, True]


def test_a_single_row_is_constant():
    frame = pd.DataFrame({"x": [1.5], "city": ["Bern"], "empty": [None]})
    schema = Schema.of(frame)
    assert schema.layout == Layout((), ())
    assert_frame_equal(schema.decode(schema.encode(frame)), frame)


# ---- rows of which some cells are known ----------------------------------------------------------


def test_values_that_are_given_stand_in_all_rows(schema):
    given = {"sex": "f", "height": 171.5, "income": 0.0, "born": "1990-01-11", "city": None, "country": "CH"}
    rows, known = schema.encode_given(given, 3)
    assert rows.n == 3
    assert_array_equal(rows.codes, [[1, 0, 1, -1, 2, -1]] * 3)
    assert_array_equal(known.codes, [[True, True, True, False, False, False]] * 3)
    assert_array_equal(rows.numbers, [[171.5, np.nan, np.nan, 7315.0]] * 3)
    assert_array_equal(known.numbers, [[True, False, False, True]] * 3)


@pytest.mark.parametrize("value", [date(1990, 1, 11), datetime(1990, 1, 11), pd.Timestamp("1990-01-11")])
def test_a_date_is_given_in_any_form(schema, value):
    assert schema.encode_given({"born": value}, 1)[0].numbers[0, 3] == 7315.0


def test_a_frame_is_given_with_the_cells_that_are_known(frame, schema):
    some = frame[["height", "city"]]
    rows, known = schema.encode_given(some, N)
    whole = schema.encode(frame)
    assert_array_equal(known.numbers[:, 0], frame["height"].notna())
    assert_array_equal(known.codes[:, 4], frame["city"].notna())
    assert known.codes.sum() == some.notna().to_numpy().sum()
    assert_array_equal(rows.codes[known.codes], whole.codes[known.codes])
    assert_array_equal(rows.numbers[known.numbers], whole.numbers[known.numbers])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"age": 3}, "no column 'age'"),
        ({"sex": "z"}, "Column 'sex' holds what fit did not see there: 'z'. Only what fit saw can be given"),
        ({"country": "FR"}, "Column 'country' holds what fit did not see there: 'FR'"),
        ({"height": "tall"}, "Column 'height' holds text, but a number is needed"),
        (pd.DataFrame({"height": [170.0, 180.0]}), "given has 2 rows, but 3 are asked for"),
        (pd.DataFrame({"age": [1, 2, 3]}), r"\['age'\] are unknown"),
    ],
)
def test_what_cannot_be_given_is_refused(schema, given, message):
    with pytest.raises(ValueError, match=message):
        schema.encode_given(given, 3)


# ---- draws ---------------------------------------------------------------------------------------


def test_draws_are_values_of_their_column(frame):
    frame["byte"] = np.arange(N, dtype=np.uint8) * 4
    frame["when"] = np.datetime64("2020-01-01", "ns") + np.arange(N)[::-1] * np.timedelta64(1, "D")
    schema = Schema.of(frame)
    rows = schema.encode(frame.iloc[:3])
    columns = [schema.numeric_of(name) for name in ("height", "steps", "byte", "when")]
    rows.numbers[:, columns] = [[170.04, 12.4, -30.0, -1e9], [39.14, 99.6, 1e9, 1e9], [170.0, 3.0, 9.9, 18000.3]]
    rows.codes[:, schema.discrete_of("height")] = 0
    drawn = schema.decode(rows)
    assert_array_equal(drawn["height"], [170.0, 39.1, 170.0])
    assert_array_equal(drawn["steps"], [12, 100, 3])
    assert_array_equal(drawn["byte"], [0, 255, 8])
    assert list(drawn["when"].dt.year) == [1677, 2262, 2019]
    assert list(drawn.dtypes) == list(frame.dtypes)


def test_no_rows_make_a_frame_of_no_rows(frame, schema):
    empty = schema.decode(schema.encode(frame).at(slice(0)))
    assert_frame_equal(empty, frame.iloc[:0].reset_index(drop=True))


def test_cells_that_are_not_known_come_back_missing(schema):
    rows, _ = schema.encode_given({}, 2)
    assert schema.decode(Rows(rows.codes, rows.numbers))["city"].isna().all()


# ---- a schema to keep and to read ----------------------------------------------------------------


def dumped_by_skops(schema):
    data = skops.io.dumps(schema)
    unknown = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("skscore.") for name in unknown)
    return skops.io.loads(data, trusted=unknown)


@pytest.mark.parametrize("dump", [lambda schema: pickle.loads(pickle.dumps(schema)), dumped_by_skops])
def test_a_schema_is_stored_without_objects_of_a_frame_library(frame, schema, dump):
    kept = dump(schema)
    assert str(kept) == str(schema)
    assert_frame_equal(kept.decode(kept.encode(frame)), frame)


def test_a_schema_prints_as_a_table(frame, schema):
    lines = str(schema).splitlines()
    assert lines[0].split() == ["column", "kind", "dtype", "values"]
    assert [line.split()[0] for line in lines[1:]] == list(frame)
    low, high = frame["height"].min(), frame["height"].max()
    assert lines[1].split(maxsplit=3)[3] == "3 levels: m, f, x"
    assert lines[2].split(maxsplit=3)[3] == f"{low:g} to {high:g}; step 0.1; missing"
    assert lines[4].endswith("often 0")
    assert f"{frame['born'].min():%Y-%m-%d} to {frame['born'].max():%Y-%m-%d}; step 1 days" in lines[7]
    assert lines[9].endswith("always CH")
    assert "<td>3 levels: m, f, x</td>" in schema._repr_html_()


def test_numbers_of_which_fresh_rows_hold_others_are_no_levels():
    """A number of many zeros: each table has its own values beside them."""
    rng = np.random.default_rng(21)
    rain = np.where(rng.random(120) < 0.9, 0.0, np.round(rng.exponential(size=120), 5))
    column = Schema.of(pd.DataFrame({"rain": rain, "x": rng.standard_normal(120)})).column("rain")
    assert len(np.unique(rain)) <= 20
    assert column.line is not None
    assert column.levels.tolist() == [0.0]


def test_lists_of_rows_are_an_array():
    X = np.random.default_rng(22).normal(size=(20, 2))
    assert_array_equal(Schema.of(X.tolist()).encode(X.tolist()).numbers, X)
