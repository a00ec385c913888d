"""Keys are values: one canonical text for one value, and two for two, in every type that holds it."""

import datetime
import decimal
import itertools
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logitloss.evaluate.input.keys import decode, encode, kind_of, show

D = decimal.Decimal
UTC = datetime.timezone.utc
FIVE = datetime.datetime(2013, 1, 1, 5)


def texts(array, **arguments):
    return encode(array, **arguments).to_pylist()


@pytest.mark.parametrize(
    ("arrays", "text", "value"),
    [
        (
            [
                *(pa.array([5], kind) for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.float64())),
                pa.array(np.float16([5])),
                *(pa.array([D(five)]) for five in ("5", "5.0", "5.000")),
                pa.array([D("5.00")], pa.decimal256(70, 30)),
                pa.array([5]).dictionary_encode(),
                pa.RunEndEncodedArray.from_arrays([1], [5]),
            ],
            "n:5",
            5,
        ),
        ([pa.array([2**64 - 1], pa.uint64()), pa.array([D(2**64 - 1)])], "n:18446744073709551615", 2**64 - 1),
        ([pa.array([-0.0]), pa.array([0]), pa.array([D("0.00")])], "n:0", 0),
        ([pa.array([0.5]), pa.array([0.5], pa.float32()), pa.array([D("0.50")])], "n:0.5", 0.5),
        ([pa.array([0.1])], "n:0x1.999999999999ap-4", 0.1),
        ([pa.array([D("0.1")]), pa.array([D("0.100")])], "n:0.1", D("0.1")),
        ([pa.array([1e300])], "n:0x1.7e43c8800759cp+996", 1e300),
        ([pa.array([-np.inf]), pa.array([-np.inf], pa.float32())], "n:-inf", -np.inf),
        ([pa.array([True]), pa.array([True]).dictionary_encode()], "b:true", True),
        (
            [
                *(pa.array([FIVE], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
                pa.array([FIVE], pa.timestamp("us")).dictionary_encode(),
            ],
            "t:2013-01-01T05:00:00",
            FIVE,
        ),
        (
            [
                pa.array([FIVE.replace(tzinfo=UTC)], pa.timestamp(unit, zone))
                for unit in ("s", "ns")
                for zone in ("UTC", "Asia/Tokyo", "+02:00")
            ],
            "t:2013-01-01T05:00:00Z",
            FIVE.replace(tzinfo=UTC),
        ),
        ([pa.array([1], pa.timestamp("ns"))], "t:1970-01-01T00:00:00.000000001", np.datetime64(1, "ns")),
        (
            [pa.array([datetime.date(2013, 1, 1)], kind) for kind in (pa.date32(), pa.date64())],
            "d:2013-01-01",
            datetime.date(2013, 1, 1),
        ),
        (
            [pa.array([500], pa.time32("ms")), pa.array([500_000_000], pa.time64("ns"))],
            "c:00:00:00.5",
            datetime.time(0, 0, 0, 500_000),
        ),
        (
            [pa.array([90_500], pa.duration("ms")), pa.array([90_500_000_000], pa.duration("ns"))],
            "e:90.5",
            datetime.timedelta(seconds=90.5),
        ),
        ([pa.array([1], pa.duration("ns"))], "e:0.000000001", np.timedelta64(1, "ns")),
        (
            [
                *(pa.array(["5"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
                *(pa.array([b"5"], kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))),
                pa.array(["5"]).dictionary_encode(),
                pa.array(["5"], pa.large_string()).dictionary_encode(),
                pa.DictionaryArray.from_arrays(pa.array([0], pa.uint32()), pa.array(["5"], pa.large_string())),
            ],
            "s:5",
            "5",
        ),
        ([pa.array([""])], "s:", ""),
        (
            [pa.array([uuid.UUID(int=5).bytes], pa.uuid()), pa.array([str(uuid.UUID(int=5))])],
            f"s:{uuid.UUID(int=5)}",
            str(uuid.UUID(int=5)),
        ),
    ],
)
def test_one_value_is_one_text_in_every_type(arrays, text, value):
    assert [texts(array) for array in arrays] == [[text]] * len(arrays)
    assert decode(text) == value
    assert type(decode(text)) is type(value)


def test_missing_values_have_no_text():
    for array in (
        pa.nulls(1),
        *(pa.array([None], kind) for kind in (pa.int8(), pa.float64(), pa.string(), pa.timestamp("ns", "UTC"))),
        pa.array([np.nan]),
        pa.array(np.float16([np.nan])),
        pa.array([np.nan]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([None], pa.string())),
        pa.DictionaryArray.from_arrays(pa.array([None], pa.int8()), pa.array(["a"])),
    ):
        assert texts(array) == [None]
    assert texts(pa.array([b"", b"nan"]), cells=True) == [None, "s:nan"]


def test_two_values_are_two_texts():
    alike = [
        pa.array([1]),
        pa.array([True]),
        pa.array(["1"]),
        pa.array(["true"]),
        pa.array([1], pa.timestamp("s")),
        pa.array([1], pa.timestamp("s", "UTC")),
        pa.array([1], pa.date32()),
        pa.array([1], pa.time32("s")),
        pa.array([1], pa.duration("s")),
        pa.array([1.0000000000000002]),
        pa.array([2**53 + 1]),
        pa.array([2.0**53]),
        pa.array([D("0.1")]),
        pa.array([0.1]),
        pa.array([0.1], pa.float32()),
        pa.array(["2013-01-01"]),
        pa.array([datetime.date(2013, 1, 1)]),
    ]
    found = [texts(array)[0] for array in alike]
    assert len(set(found)) == len(alike)


def test_what_pandas_and_polars_hold():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    assert texts(pa.array(pd.period_range("2013-01", periods=2, freq="M"))) == ["s:2013-01", "s:2013-02"]
    assert texts(pa.array(pd.period_range("2013Q4", periods=1, freq="Q"))) == ["s:2013Q4"]
    cut = pd.cut(pd.Series([1, 3, 3, None]), [0, 2, 4])
    assert (
        texts(pa.array(cut)) == [f"s:{one}" for one in cut[:3]] + [None] == ["s:(0, 2]", "s:(2, 4]", "s:(2, 4]", None]
    )
    left = pd.Series(pd.arrays.IntervalArray.from_tuples([(0.5, 1.0), None], closed="left"))
    assert texts(pa.array(left)) == ["s:[0.5, 1.0)", None]
    for kind in (pl.Categorical, pl.Enum(["b", "a"])):
        assert texts(pl.Series(["a", None, "b"], dtype=kind).to_arrow()) == ["s:a", None, "s:b"]
    field = pa.Schema.from_pandas(pd.DataFrame({"k": pd.period_range("2013-01", periods=1, freq="M")})).field("k")
    metadata = {
        b"ARROW:extension:name": field.type.extension_name.encode(),
        b"ARROW:extension:metadata": field.type.__arrow_ext_serialize__(),
    }
    assert texts(pa.array([516]), metadata=metadata) == ["s:2013-01"]  # as a file is read where pandas is not imported


@pytest.mark.parametrize(
    ("cells", "like", "want"),
    [
        (["1", "1.0", "01", "True"], None, ["s:1", "s:1.0", "s:01", "s:True"]),
        (["1", "1.0", "1.00", "1e0", "007", "+1", "x"], pa.int64(), [*["n:1"] * 4, "s:007", "s:+1", "s:x"]),
        (["0.1"], pa.float64(), texts(pa.array([0.1]))),
        (["0.1"], pa.float32(), texts(pa.array([0.1], pa.float32()))),
        (["0.1", "0.10"], pa.decimal128(3, 2), ["n:0.1"] * 2),
        (["True", "true", "FALSE", "yes", "1"], pa.bool_(), ["b:true", "b:true", "b:false", "s:yes", "s:1"]),
        (
            ["2013-01-01", "2013-01-01 05:00:00", "5"],
            pa.timestamp("us"),
            ["t:2013-01-01T00:00:00", "t:2013-01-01T05:00:00", "s:5"],
        ),
        (
            ["2013-01-01 05:00:00+02:00", "2013-01-01"],
            pa.timestamp("us", "UTC"),
            ["t:2013-01-01T03:00:00Z", "s:2013-01-01"],
        ),
        (["2013-01-01", "soon"], pa.date32(), ["d:2013-01-01", "s:soon"]),
        (["1", ""], pa.string(), ["s:1", None]),
    ],
)
def test_cells_are_text_unless_other_files_have_types(cells, like, want):
    assert texts(pa.array(cells), cells=True, like=like) == want
    assert texts(pa.array(cells).cast(pa.binary()), cells=True, like=like) == want


def test_slices_and_repeats_keep_their_rows():
    for array in (pa.array(["x", "b", None, "a", "b"]), pa.array(["x", "b", None, "a", "b"]).dictionary_encode()):
        assert texts(array[1:]) == ["s:b", None, "s:a", "s:b"]
    cut = (
        pytest.importorskip("pandas").Series([5.0, 1, None, 3, 1]).pipe(pytest.importorskip("pandas").cut, [0, 2, 4, 6])
    )
    assert texts(pa.array(cut)[1:]) == ["s:(0, 2]", None, "s:(2, 4]", "s:(0, 2]"]


def test_what_is_no_key():
    for kind in (pa.list_(pa.int8()), pa.struct({"a": pa.int8()}), pa.map_(pa.string(), pa.int8())):
        assert kind_of(kind) is None
    with pytest.raises(pa.ArrowInvalid):
        encode(pa.array([b"\xff"]))


def test_what_people_see():
    want = {
        "n:5": "5",
        "n:0x1.999999999999ap-4": "0.1",
        "n:1e+22": "1e+22",
        "b:true": "true",
        "t:2013-01-01T05:00:00": "2013-01-01 05:00:00",
        "t:2013-01-01T05:00:00Z": "2013-01-01 05:00:00+00:00",
        "d:2013-01-01": "2013-01-01",
        "e:90.5": "90.5 s",
        "s:n:5": "n:5",
    }
    assert {text: show(text) for text in want} == want


numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(lambda n: (n, pa.array([n]))),
    st.floats(allow_nan=False).map(lambda x: (x, pa.array([x]))),
    st.floats(width=32, allow_nan=False).map(lambda x: (x, pa.array([x], pa.float32()))),
    st.decimals(-(10**9), 10**9, places=6).map(lambda d: (d, pa.array([d]))),
)


@given(st.lists(numbers, min_size=2, max_size=6))
def test_numbers_are_equal_where_their_texts_are(values):
    for (a, in_arrow), (b, other) in itertools.combinations(values, 2):
        assert (a == b) == (texts(in_arrow) == texts(other))
    for value, array in values:
        assert decode(texts(array)[0]) == value
