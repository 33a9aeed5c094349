"""Numbers of stored values and back: the lattice, the unit of times, what single precision left."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skscore.tabular.number_line import NumberLine


def test_the_noise_of_arithmetic_is_no_reason_against_a_lattice():
    x = 0.1 * np.arange(50)
    line = NumberLine.through(x)
    assert line.cells.width == 0.1
    assert_array_equal(line.values(line.numbers(x)), np.arange(50) / 10)
    assert (x != np.arange(50) / 10).any()


def test_decimals_of_single_precision_come_back_in_either_precision(rng):
    x = (rng.integers(0, 1000, 60) / 10).astype(np.float32)
    for stored in (x, x.astype(np.float64)):
        line = NumberLine.through(stored)
        assert line.cells.width == 0.1
        assert_array_equal(line.values(line.numbers(stored)), stored)
    assert_array_equal(line.values(np.array([39.14])), np.array([39.1], dtype=np.float32))


def test_a_rare_value_makes_the_lattice_finer(rng):
    x = np.append(rng.integers(0, 100, 500), [50.5]).astype(np.float64)
    assert NumberLine.through(x).cells.width == 0.5


@pytest.mark.parametrize(("x", "width"), [([10, 20, 40], 1.0), ([1.5, 2.5], 0.5), (np.arange(12) * 5, 5.0)])
def test_few_values_do_not_show_their_divisor(x, width):
    assert NumberLine.through(np.asarray(x)).cells.width == width


def test_two_real_numbers_are_no_lattice(rng):
    assert NumberLine.through(rng.normal(size=2) * 1e30).cells is None


@pytest.mark.parametrize(
    ("step", "unit"), [(86400, "D"), (3600, "h"), (43200, "h"), (60, "m"), (7, "s")], ids=lambda value: str(value)
)
def test_the_unit_of_times_is_the_longest_of_which_all_are_multiples(step, unit):
    times = (1_600_000_000 // 86400 * 86400 + step * np.arange(20)).astype("datetime64[s]").astype("datetime64[ns]")
    line = NumberLine.through(times)
    assert (line.unit, line.origin) == (unit, 0)
    assert_array_equal(line.numbers(times), times.astype(f"datetime64[{unit}]").astype(np.int64))
    assert_array_equal(line.numbers(times.astype("datetime64[s]")), line.numbers(times))
    assert_array_equal(line.values(line.numbers(times)), times)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int64", "uint64", "float16", "float32", "datetime64[ns]", "timedelta64[s]"]
)
def test_numbers_beyond_a_dtype_are_clipped(dtype):
    values = np.arange(3, 60).astype(dtype)
    line = NumberLine.through(values)
    least, greatest = line.values(np.array([-1e300, 1e300]))
    assert least < values[0]
    assert values[-1] < greatest
    assert line.values(np.array([40.0])).dtype == dtype
    if values.dtype.kind in "iu":
        info = np.iinfo(dtype)
        assert least == info.min
        assert float(greatest) == pytest.approx(float(info.max))
