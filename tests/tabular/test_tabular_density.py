"""TabularDensity: identities, draws, missing cells, unknown levels, scikit-learn's manners."""

import pickle
import tracemalloc
from dataclasses import replace

import joblib
import narwhals as nw
import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skscore import TabularDensity
from skscore.models.mixed import latent_classes
from skscore.tabular.schema import Schema
from skscore.tabular.table_fit import Table, fit_table


def pets(n, seed):
    """Rows of a known law: a kind, a colour that depends on it, a weight that is sometimes missing, a length."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["cat", "dog"], n, p=[0.4, 0.6])
    colour = np.where(rng.random(n) < 0.8, np.where(kind == "cat", "grey", "brown"), "white")
    weight = np.where(kind == "cat", 4.0, 6.0) + rng.standard_normal(n)
    length = 10.0 * weight + 5.0 * rng.standard_normal(n)
    missing = rng.random(n) < np.where(kind == "cat", 0.3, 0.1)
    return pd.DataFrame({"kind": kind, "weight": np.where(missing, np.nan, weight), "colour": colour, "length": length})


def true_log_density(frame):
    """Of `pets`."""
    is_cat = (frame["kind"] == "cat").to_numpy()
    p = np.where(is_cat, 0.4, 0.6) * np.where(frame["colour"] == "white", 0.2, 0.8)
    missing = frame["weight"].isna().to_numpy()
    share = np.where(is_cat, 0.3, 0.1)
    mean, x = np.where(is_cat, 4.0, 6.0), frame[["weight", "length"]].to_numpy()
    both = norm.logpdf(x[:, 0], mean) + norm.logpdf(x[:, 1], 10.0 * x[:, 0], 5.0)
    alone = norm.logpdf(x[:, 1], 10.0 * mean, np.sqrt(125.0))
    return np.log(p) + np.where(missing, np.log(share) + alone, np.log(1.0 - share) + both)


def closed_form(**parameters):
    return TabularDensity("gaussian", "tree", **parameters)


@pytest.fixture(scope="module")
def density():
    return closed_form(random_state=0).fit(pets(2000, 1))


def test_log_density_is_near_that_of_the_law(density):
    test = pets(4000, 2)
    gap = true_log_density(test) - density.score_samples(test)
    assert -0.01 < gap.mean() < 0.02
    assert density.held_out_score_ == pytest.approx(density.score(test), abs=0.1)


def test_bayes_rule(density):
    frame = pets(50, 3)
    joint = density.score_samples(frame)
    for given in (["kind"], ["weight", "length"], ["colour", "weight"]):
        of_rest = density.conditional_score_samples(frame, given=given)
        np.testing.assert_allclose(of_rest + density.marginal_score_samples(frame, given), joint, atol=1e-9)


def test_a_marginal_needs_its_columns_only_and_one_name_stands_for_itself(density):
    frame = pets(20, 26)
    of_kind = density.marginal_score_samples(frame[["kind"]], "kind")
    np.testing.assert_array_equal(of_kind, density.marginal_score_samples(frame, ["kind"]))
    of_rest = density.conditional_score_samples(frame, given="kind")
    np.testing.assert_allclose(of_rest + of_kind, density.score_samples(frame), atol=1e-9)


def test_probabilities_of_a_level_are_the_ratios_of_densities(density):
    frame = pets(30, 4)
    of_each = [density.score_samples(frame.assign(kind=kind)) for kind in ("cat", "dog")]
    p = density.predict_proba(frame, "kind")
    np.testing.assert_allclose(p[:, 0], 1.0 / (1.0 + np.exp(of_each[1] - of_each[0])))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert list(density.schema_.column("kind").levels) == ["cat", "dog"]


def test_cells_that_are_not_there_are_summed_out_of_a_prediction(density):
    p = density.predict_proba(pd.DataFrame({"length": [40.0]}), "kind")[0]
    x = norm.pdf(40.0, [40.0, 60.0], np.sqrt(125.0)) * [0.4, 0.6]
    np.testing.assert_allclose(p, x / x.sum(), atol=0.03)


def test_contributions_sum_to_minus_the_log_density_and_find_the_odd_cell(density):
    frame = pets(20, 5)
    frame.loc[0, ["kind", "colour", "weight", "length"]] = ["cat", "grey", 4.0, 120.0]
    parts = density.feature_contributions(frame)
    np.testing.assert_allclose(parts.sum(axis=1), -density.score_samples(frame))
    assert parts.loc[0].idxmax() == "length"


def test_draws_are_of_the_law(density):
    drawn, law = density.sample(20_000, random_state=6), pets(20_000, 7)
    pd.testing.assert_series_equal(drawn.dtypes, law.dtypes)
    for column in ("kind", "colour"):
        shares = [frame[column].value_counts(normalize=True).sort_index() for frame in (drawn, law)]
        np.testing.assert_allclose(*shares, atol=0.03)
    missing = [frame["weight"].isna().groupby(frame["kind"]).mean() for frame in (drawn, law)]
    np.testing.assert_allclose(*missing, atol=0.04)
    means = [frame.groupby("kind")[["weight", "length"]].mean() for frame in (drawn, law)]
    np.testing.assert_allclose(*means, rtol=0.03)
    assert density.score(drawn) == pytest.approx(density.score(law), abs=0.05)


def test_given_cells_stay_and_the_others_follow(density):
    drawn = density.sample(4000, given={"kind": "dog", "length": 90.0}, random_state=8)
    assert (drawn["kind"] == "dog").all()
    assert (drawn["length"] == 90.0).all()
    slope = 10.0 / 125.0
    assert drawn["weight"].mean() == pytest.approx(6.0 + slope * 30.0, abs=0.1)
    frame = pd.DataFrame({"kind": ["cat", None, "dog"], "length": [np.nan, 60.0, 50.0]})
    drawn = density.sample(given=frame, random_state=9)
    assert len(drawn) == 3
    assert drawn["kind"].tolist()[::2] == ["cat", "dog"]
    assert drawn["length"].tolist()[1:] == [60.0, 50.0]


def test_missing_cells_are_filled_from_their_conditional(density):
    frame = pets(2, 23).assign(kind="dog", weight=[7.0, np.nan], colour="brown", length=[70.0, 80.0])
    with pytest.raises(ValueError, match=r"kind.*missing"):
        density.impute(frame.assign(kind=[None, "dog"]))
    draws = density.impute(frame, n_draws=300, random_state=10)
    weights = np.array([draw.loc[1, "weight"] for draw in draws])
    slope = 10.0 / 125.0
    assert weights.mean() == pytest.approx(6.0 + slope * 20.0, abs=0.15)
    assert weights.std() == pytest.approx(np.sqrt(1.0 - 10.0 * slope), abs=0.1)
    filled = density.impute(frame, random_state=11)
    pd.testing.assert_frame_equal(filled.drop(index=1), frame.drop(index=1))
    assert filled.loc[1, "weight"] == pytest.approx(weights.mean(), abs=0.2)
    assert frame["weight"].isna().sum() == 1  # X is left as it was


LIBRARIES = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: nw.from_native(frame).to_polars(),
    "pyarrow": lambda frame: nw.from_native(frame).to_arrow(),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_that_are_passed_come_back_in_their_library_and_with_their_index(library):
    of_library = LIBRARIES[library]
    fitted = closed_form(random_state=0).fit(of_library(pets(200, 27)))
    few = pets(5, 28).set_index(pd.Index([7, 3, 9, 3, 1], name="animal"))
    X = few if library == "pandas" else of_library(few.reset_index(drop=True))
    some = X if library == "pyarrow" else X[["kind", "length"]]
    made = fitted.impute(X), *fitted.impute(X, n_draws=2), fitted.feature_contributions(X), fitted.sample(given=some)
    assert {type(frame) for frame in made} == {type(X)}
    if library == "pandas":
        for frame in made:
            pd.testing.assert_index_equal(frame.index, few.index)
        pd.testing.assert_frame_equal(made[0].dropna(), made[0])
        assert fitted.sample(3).index.tolist() == [0, 1, 2]


def test_columns_of_an_array_are_known_by_position_and_by_name():
    rng = np.random.default_rng(29)
    X = np.column_stack([rng.normal(size=200), rng.integers(0, 3, 200), rng.normal(size=200)])
    fitted = closed_form(column_types={2: "real"}, bounds={0: (None, 9.0)}, random_state=0).fit(X)
    by_position, by_name = (fitted.sample(4, given=given, random_state=1) for given in ({1: 2}, {"x1": 2}))
    np.testing.assert_array_equal(by_position, by_name)
    np.testing.assert_array_equal(by_position[:, 1], 2.0)
    np.testing.assert_array_equal(fitted.predict_proba(X, 1), fitted.predict_proba(X, "x1"))
    of_rest = fitted.conditional_score_samples(X, given=[0, 1]) + fitted.marginal_score_samples(X, [0, 1])
    np.testing.assert_allclose(of_rest, fitted.score_samples(X))
    with pytest.raises(ValueError, match=r"no column 3: fit saw \['x0', 'x1', 'x2'\]"):
        fitted.sample(given={3: 0.0})


def test_whole_numbers_that_were_taken_as_levels_can_be_numbers():
    frame = pets(60, 30).assign(owners=np.arange(60) % 5)
    test = frame.head(2).assign(owners=[1, 17])
    with pytest.raises(ValueError, match=r"'owners'.*17.*handle_unknown.*column_types={'owners': 'integer'}"):
        closed_form(random_state=0).fit(frame).score_samples(test)
    numbers = closed_form(column_types={"owners": "integer"}, random_state=0).fit(frame)
    assert np.isfinite(numbers.score_samples(test)).all()


def test_missing_categories_are_filled_with_levels():
    rng = np.random.default_rng(12)
    kind, x = rng.choice(["a", "b"], 600), rng.normal(size=600)
    told = np.where(rng.random(600) < 0.2, None, kind)
    frame = pd.DataFrame({"kind": told, "x": np.where(kind == "a", -3.0, 3.0) + x})
    filled = closed_form(random_state=0).fit(frame).impute(frame, random_state=1)
    assert filled["kind"].notna().all()
    assert (filled["kind"].to_numpy() == kind)[frame["kind"].isna()].mean() > 0.95


def test_unknown_levels_are_errors_or_minus_infinity_or_nothing(density):
    frame = pets(3, 13).assign(colour=["grey", "pink", "white"])
    with pytest.raises(ValueError, match="pink"):
        density.score_samples(frame)
    refused = clone(density).set_params(handle_unknown="neg_inf").fit(pets(500, 14))
    assert np.isneginf(refused.score_samples(frame)).tolist() == [False, True, False]
    left_out = clone(density).set_params(handle_unknown="na").fit(pets(500, 14))
    without = left_out.marginal_score_samples(frame.assign(colour="white"), ["kind", "weight", "length"])
    assert left_out.score_samples(frame)[1] == pytest.approx(without[1])


def test_numbers_alone_are_a_gaussian_when_they_are():
    rng = np.random.default_rng(15)
    A = rng.standard_normal((3, 3))
    X, fresh = (rng.standard_normal((n, 3)) @ A + 1e6 for n in (3000, 2000))
    density = closed_form(marginals="none", random_state=0).fit(X)
    law = multivariate_normal(np.full(3, 1e6), A.T @ A)
    assert abs(law.logpdf(fresh).mean() - density.score(fresh)) < 0.02
    assert density.sample(5).shape == (5, 3)


def test_ignored_missing_numbers_are_integrated_out():
    density = closed_form(missingness="ignore", random_state=0).fit(pets(1500, 16))
    hole = pd.DataFrame({"kind": ["dog"], "weight": [np.nan], "colour": ["brown"], "length": [60.0]})
    of_rest = density.marginal_score_samples(hole.assign(weight=5.0), ["kind", "colour", "length"])
    np.testing.assert_allclose(density.score_samples(hole), of_rest)
    assert density.sample(200)["weight"].notna().all()


def test_heavy_values_beside_missing_cells_that_are_ignored_stay_numbers():
    rng = np.random.default_rng(28)
    x = np.where(rng.random(600) < 0.3, 0.0, rng.gamma(2.0, 10.0, 600))
    frame = pd.DataFrame({"x": np.where(rng.random(600) < 0.1, np.nan, x), "kind": rng.choice(["a", "b"], 600)})
    density = closed_form(missingness="ignore", random_state=0).fit(frame)
    assert density.schema_.discrete_of("x") is None
    assert np.isfinite(density.score_samples(frame)).all()
    assert density.sample(50)["x"].notna().all()


def test_weights_count_rows():
    frame, weight = pets(120, 17), np.random.default_rng(18).integers(0, 3, 120)
    weighted = closed_form(random_state=0).fit(frame, sample_weight=weight)
    plain = closed_form(random_state=0).fit(frame)
    of_weighted = [density.score(frame, sample_weight=weight) for density in (weighted, plain)]
    assert of_weighted[0] > of_weighted[1]
    with pytest.raises(ValueError, match="zero"):
        closed_form().fit(frame, sample_weight=np.zeros(120))


def test_weights_are_repetitions_of_rows_that_are_held_out_together():
    schema = Schema.of(pets(150, 31))
    rows, times = schema.encode(pets(150, 31)), np.random.default_rng(32).integers(1, 4, 150)
    weighted = Table.of(rows, schema.layout, schema.cells, times.astype(float), 0)
    place = np.repeat(np.arange(150), times)
    folds = [np.flatnonzero(np.isin(place, fold)) for fold in weighted.folds]
    repeated = replace(weighted, rows=rows.at(place), weight=np.ones(len(place)), folds=folds)
    fits = [fit_table(table, "auto") for table in (weighted, repeated)]
    assert fits[0].marginals == fits[1].marginals
    assert fits[0].weight_of == pytest.approx(fits[1].weight_of)
    assert fits[0].held_out == pytest.approx(fits[1].held_out)
    new = schema.encode(pets(50, 33))
    np.testing.assert_allclose(*(fit.density.log_prob(new, new.known, new.known.none) for fit in fits), atol=1e-9)


def test_a_row_does_not_depend_on_its_batch_nor_on_the_order_of_columns(density):
    frame = pets(40, 19)
    together = density.score_samples(frame)
    np.testing.assert_allclose(density.score_samples(frame.iloc[[7]]), together[[7]], rtol=1e-12)
    np.testing.assert_array_equal(density.score_samples(frame[["length", "colour", "kind", "weight"]]), together)


def test_the_manners_of_scikit_learn():
    frame = pets(300, 20)
    density = closed_form(random_state=3).fit(frame)
    np.testing.assert_array_equal(density.score_samples(frame), clone(density).fit(frame).score_samples(frame))
    copy = pickle.loads(pickle.dumps(density))
    pd.testing.assert_frame_equal(copy.sample(5), density.sample(5))
    search = GridSearchCV(closed_form(random_state=0), {"marginals": ["none", "power"]}, cv=2).fit(frame)
    assert np.isfinite(search.best_score_)
    steps = make_pipeline(FunctionTransformer(), closed_form(random_state=0)).fit(frame)
    assert np.isfinite(steps.score(frame))
    assert list(density.feature_names_in_) == list(frame.columns)
    assert "kind" in str(density.schema_)


def test_skops_and_joblib_keep_a_density(density, tmp_path):
    frame = pets(20, 27)
    joblib.dump(density, tmp_path / "density.joblib")
    written = skops.io.dumps(density)
    trusted = skops.io.get_untrusted_types(data=written)
    assert all(name.startswith("skscore.") for name in trusted)
    for copy in (joblib.load(tmp_path / "density.joblib"), skops.io.loads(written, trusted=trusted)):
        np.testing.assert_array_equal(copy.score_samples(frame), density.score_samples(frame))
        pd.testing.assert_frame_equal(copy.sample(5, random_state=0), density.sample(5, random_state=0))


def test_parameters_and_calls_are_checked(density):
    frame = pets(10, 21)
    with pytest.raises(ValueError, match="marginals"):
        closed_form(marginals="wavelet").fit(frame)
    with pytest.raises(ValueError, match="n_samples"):
        density.sample(0)
    with pytest.raises(ValueError, match="n_draws"):
        density.impute(frame, n_draws=0)
    with pytest.raises(ValueError, match="length"):
        density.predict_proba(frame, "length")
    with pytest.raises(ValueError, match="size"):
        density.marginal_score_samples(frame, ["size"])


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_few_rows_have_a_density(n):
    frame = pets(n, 22)
    density = closed_form(random_state=0).fit(frame)
    assert np.isfinite(density.score_samples(frame)).all()
    assert len(density.sample(3)) == 3


def test_bounds_are_kept_by_draws_and_densities():
    rng = np.random.default_rng(24)
    frame = pd.DataFrame(
        {"share": rng.beta(0.7, 3.0, 1500), "wait": rng.exponential(2.0, 1500), "age": rng.integers(0, 60, 1500)}
    )
    density = closed_form(bounds={"share": (0, 1), "wait": (0, None), "age": (0, 99)}, random_state=0).fit(frame)
    drawn = density.sample(3000, random_state=1)
    assert drawn["share"].between(0, 1, inclusive="neither").all()
    assert (drawn["wait"] > 0).all()
    assert drawn["age"].between(0, 99).all()
    assert np.isneginf(density.score_samples(frame.head(1).assign(wait=-1.0))).all()
    free = closed_form(random_state=0).fit(frame)
    fresh = pd.DataFrame(
        {"share": rng.beta(0.7, 3.0, 2000), "wait": rng.exponential(2.0, 2000), "age": rng.integers(0, 60, 2000)}
    )
    assert density.score(fresh) > free.score(fresh)
    with pytest.raises(ValueError, match="wait"):
        closed_form(bounds={"wait": (1, None)}).fit(frame)
    with pytest.raises(ValueError, match="lower"):
        closed_form(bounds={"wait": (1, 0)}).fit(frame)


def test_a_tail_can_be_left_out():
    frame = pets(200, 25)
    assert "tail" in closed_form(random_state=0).fit(frame).mixture_weights_
    assert "tail" not in closed_form(tail=None, random_state=0).fit(frame).mixture_weights_


def test_a_table_of_numbers_alone_is_filled_and_conditioned():
    X = np.random.default_rng(31).standard_normal((60, 3))
    density = TabularDensity("gaussian", "tree", handle_unknown="na", random_state=0).fit(X)
    holes = X[:10].copy()
    holes[:, 1] = np.nan
    assert np.isfinite(density.impute(holes, random_state=1)).all()
    np.testing.assert_array_equal(density.sample(4, given={"x1": 0.5}, random_state=1)[:, 1], 0.5)


def test_the_memory_of_a_fit_grows_by_less_than_four_frames(monkeypatch):
    monkeypatch.setattr(latent_classes, "MOST_ROUNDS", 2)

    def wide(n):
        rng = np.random.default_rng(31)
        X = rng.standard_normal((n, 12))
        X[:, :3] = np.where(rng.random((n, 3)) < 0.05, np.nan, X[:, :3])
        levels = {f"c{j}": rng.choice(["a", "b", "c"], n) for j in range(20)}
        return pd.DataFrame({f"x{j}": x for j, x in enumerate(X.T)} | levels)

    def memory(frame):
        tracemalloc.start()
        TabularDensity("gaussian", "tree", random_state=0).fit(frame)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return np.array([peak, frame.memory_usage(deep=True).sum()])

    memory(wide(300))  # kernels are compiled
    of_fit, of_frame = memory(wide(6000)) - memory(wide(3000))
    assert of_fit < 4.0 * of_frame
