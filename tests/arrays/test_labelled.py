"""Arrays with labels of their own: matched by them, or refused with an error that says what to do."""

import re

import numpy as np
import pytest

import logitloss

pd = pytest.importorskip("pandas")
xr = pytest.importorskip("xarray")

X = np.float32([[1, 2], [3, 4], [5, 6]])
Z = np.float32([[1, 0], [0, 1], [0.25, 0.75]])
Y = np.array([1, 0, 1])
ORDER = [2, 0, 1]

ELEMENTWISE = ["with_logits", "value_and_grad", "grad_and_hess"]
FRAME = pd.DataFrame(X, list("abc"), ["p", "q"])
LABELS = pd.DataFrame(Z, list("abc"), ["p", "q"])
ARRAY = xr.DataArray(X, dims=("r", "c"), coords={"r": list("abc")})
NAMED = xr.DataArray(Z, dims=("r", "c"), coords={"r": list("abc")})


def results(function, labels, logits, **options):
    got = getattr(logitloss, function)(labels=labels, logits=logits, **options)
    return got if isinstance(got, tuple) else (got,)


def assert_same(got, want):
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


# --- pandas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_frames_are_matched_by_index_and_columns(name):
    function = f"sigmoid_cross_entropy_{name}"
    got = results(function, LABELS.iloc[ORDER][["q", "p"]], FRAME)
    assert_same(got, results(function, Z, X))
    assert all(one.index.equals(FRAME.index) and one.columns.equals(FRAME.columns) for one in got)
    got = results(function, LABELS["p"].iloc[ORDER], FRAME["p"])
    assert_same(got, results(function, Z[:, 0], X[:, 0]))


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
@pytest.mark.parametrize("function", ["softmax_cross_entropy_with_logits", "softmax_cross_entropy_value_and_grad"])
def test_a_softmax_of_frames_keeps_the_labels_of_its_rows(function, axis):
    got = results(function, LABELS.iloc[ORDER][["q", "p"]], FRAME, axis=axis)
    assert_same(got, results(function, Z, X, axis=axis))
    assert got[0].index.equals(FRAME.index if axis in (-1, 1) else FRAME.columns)
    assert all(one.columns.equals(FRAME.columns) and one.index.equals(FRAME.index) for one in got[1:])


def test_one_distribution_for_all_rows_is_matched_to_the_columns():
    got = results("softmax_cross_entropy_with_logits", pd.Series([0.25, 0.75], ["q", "p"]), FRAME)
    assert_same(got, results("softmax_cross_entropy_with_logits", [0.75, 0.25], X))
    weight = pd.Series([2.0, 3.0], ["q", "p"])
    got = results("weighted_cross_entropy_with_logits", LABELS, FRAME, pos_weight=weight)
    assert_same(got, results("weighted_cross_entropy_with_logits", Z, X, pos_weight=[3.0, 2.0]))


@pytest.mark.parametrize("name", ["with_logits", "value_and_grad"])
def test_class_indices_are_matched_by_index(name):
    function = f"sparse_softmax_cross_entropy_{name}"
    got = results(function, pd.Series(Y, list("abc")).iloc[ORDER], FRAME)
    assert_same(got, results(function, Y, X))
    assert got[0].index.equals(FRAME.index)
    got = results(function, pd.Series(Y, list("cab")), X)  # arrays have no index to be matched to
    assert_same(got, results(function, Y, X))
    assert type(got[0]) is np.ndarray


@pytest.mark.parametrize("logits", [FRAME, X], ids=["frame", "array"])
def test_a_series_of_class_indices_must_be_classes(logits):
    with pytest.raises(ValueError, match=re.escape("labels must be class indices from 0 to 1, got 5 at labels[2].")):
        results("sparse_softmax_cross_entropy_with_logits", pd.Series([0, 1, 5], list("abc")), logits)


BAD_INDEX = [
    (list("abd"), "must have the index of logits, in any order, got none for 'c'. "),
    (list("bab"), "must have the index of logits, in any order, got labels that repeat, in another order. "),
    (range(3), "must have the index of logits, in any order, got none for 'a'. "),
]


@pytest.mark.parametrize(("index", "text"), BAD_INDEX)
@pytest.mark.parametrize("function", ["sigmoid_cross_entropy_with_logits", "softmax_cross_entropy_with_logits"])
def test_another_index_is_refused(function, index, text):
    with pytest.raises(ValueError, match=re.escape(f"n: labels {text}")):
        results(function, LABELS.set_axis(index), FRAME, name="n")
    with pytest.raises(ValueError, match=re.escape(f"labels {text}")):
        results("sparse_softmax_cross_entropy_value_and_grad", pd.Series(Y, index), FRAME)


def test_equal_indexes_may_repeat():
    frame, labels = FRAME.set_axis(list("aab")), LABELS.set_axis(list("aab"))
    assert_same(
        results("softmax_cross_entropy_with_logits", labels, frame), results("softmax_cross_entropy_with_logits", Z, X)
    )


def test_other_columns_and_weights_are_refused():
    text = "must have the columns of logits, in any order, got none for 'q'. "
    with pytest.raises(ValueError, match=re.escape(f"labels {text}")):
        results("sigmoid_cross_entropy_with_logits", LABELS.set_axis(["p", "k"], axis=1), FRAME)
    weight = pd.Series([2.0, 3.0, 4.0], range(3))
    with pytest.raises(ValueError, match="pos_weight must have the index of logits"):
        results("weighted_cross_entropy_with_logits", LABELS["p"], FRAME["p"], pos_weight=weight)


def test_integer_columns_must_be_the_class_indices():
    results("sparse_softmax_cross_entropy_with_logits", Y, FRAME.set_axis([0, 1], axis=1))
    with pytest.raises(
        ValueError, match=re.escape("names of the classes must be 0, 1, ... in order, because labels are")
    ):
        results("sparse_softmax_cross_entropy_with_logits", Y, FRAME.set_axis([1, 0], axis=1))
    with pytest.raises(ValueError, match=re.escape("got [1, 2]. Sort the classes, or name them by text.")):
        results("sparse_softmax_cross_entropy_with_logits", Y, ARRAY.assign_coords(c=[1, 2]))


# --- xarray ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("labels", [NAMED.T, NAMED[ORDER], NAMED.T[:, ORDER], NAMED.drop_vars("r").T, Z])
def test_arrays_are_matched_by_dimension_and_coordinate(name, labels):
    function = f"sigmoid_cross_entropy_{name}"
    got = results(function, labels, ARRAY)
    assert_same(got, results(function, Z, X))
    assert all(one.dims == ("r", "c") and list(one["r"]) == list("abc") for one in got)


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("chunked", [False, True], ids=["numpy", "dask"])
@pytest.mark.parametrize("function", ["softmax_cross_entropy_with_logits", "softmax_cross_entropy_value_and_grad"])
def test_a_softmax_keeps_the_other_dimensions(function, axis, chunked):
    if chunked:
        pytest.importorskip("dask")
    logits, labels = (ARRAY.chunk(), NAMED.chunk()) if chunked else (ARRAY, NAMED)
    got = results(function, labels.T[:, ORDER], logits, axis=axis)
    assert_same(got, results(function, Z, X, axis=axis))
    assert got[0].dims == (("r",) if axis else ("c",))
    assert all(one.dims == ("r", "c") for one in got[1:])


def test_what_has_fewer_dimensions_is_matched_by_name():
    got = results("softmax_cross_entropy_with_logits", NAMED[:, 0].T, ARRAY, axis=0)
    assert_same(got, results("softmax_cross_entropy_with_logits", Z[:, :1], X, axis=0))
    weight = xr.DataArray([2.0, 3.0, 4.0], dims="r", coords={"r": list("bca")})
    got = results("weighted_cross_entropy_with_logits", NAMED, ARRAY, pos_weight=weight)
    assert_same(got, results("weighted_cross_entropy_with_logits", Z, X, pos_weight=np.c_[[4.0, 2.0, 3.0]]))
    got = results("softmax_cross_entropy_with_logits", NAMED[0, ::-1], ARRAY[0])
    assert_same(got, results("softmax_cross_entropy_with_logits", Z[0, ::-1], X[0]))


@pytest.mark.parametrize("name", ["with_logits", "value_and_grad"])
def test_class_indices_are_matched_by_coordinate(name):
    function = f"sparse_softmax_cross_entropy_{name}"
    labels = xr.DataArray(Y, dims="r", coords={"r": list("abc")})
    got = results(function, labels[ORDER], ARRAY)
    assert_same(got, results(function, Y, X))
    assert list(got[0]["r"]) == list("abc")


def test_other_dimensions_and_coordinates_are_refused():
    function = "sigmoid_cross_entropy_with_logits"
    with pytest.raises(
        ValueError, match=re.escape("labels must have the dimensions ('r', 'c'), in any order, got ('r',")
    ):
        results(function, NAMED.rename(c="k"), ARRAY)
    with pytest.raises(
        ValueError, match=re.escape("labels must have the dimensions among ('r', 'c'), in any order, got")
    ):
        results("softmax_cross_entropy_with_logits", NAMED[0].rename(c="k"), ARRAY)
    with pytest.raises(
        ValueError, match="labels must have the coordinate 'r' of logits, in any order, got none for 'a'"
    ):
        results(function, NAMED.assign_coords(r=list("bcd")), ARRAY)


# --- what only looks like an array -----------------------------------------------------------------------------------


def test_labels_of_another_library_are_refused():
    for labels, logits, package in [(NAMED, FRAME, "pandas"), (LABELS, ARRAY, "xarray")]:
        for function in ("sigmoid_cross_entropy_with_logits", "softmax_cross_entropy_with_logits"):
            with pytest.raises(TypeError, match=f"labels must be of {package}, as logits are, or a NumPy array, got "):
                results(function, labels, logits)


def polars(text):
    return eval(text, {"pl": pytest.importorskip("polars"), "X": X})


def dask_frame():
    return pytest.importorskip("dask.dataframe").from_pandas(FRAME, npartitions=2)


NEARLY = {
    "Series": (lambda: polars("pl.Series(X[:, 0])"), lambda v, _: v.to_numpy()),
    "DataFrame": (lambda: polars("pl.DataFrame(X)"), lambda v, _: v.to_numpy()),
    "LazyFrame": (lambda: polars("pl.LazyFrame(X)"), lambda v, _: v.collect().to_numpy()),
    "Expr": (
        lambda: polars("pl.col('column_0') * 2"),
        lambda v, _: polars("pl.DataFrame(X)").select(v).to_series().to_numpy(),
    ),
    "Dataset": (lambda: xr.Dataset({"a": ARRAY}), lambda v, _: v.to_dataarray()),
    "dask Series": (lambda: dask_frame()["p"], lambda v, _: v.to_dask_array(lengths=True)),
    "dask DataFrame": (dask_frame, lambda v, _: v.to_dask_array(lengths=True)),
    "ChunkedArray": (
        lambda: pytest.importorskip("pyarrow").chunked_array([X[:, 0]]),
        lambda v, _: v.to_numpy(),
    ),
}


@pytest.mark.parametrize("kind", NEARLY)
@pytest.mark.parametrize("argument", ["logits", "labels"])
def test_the_conversion_that_an_error_names_works(kind, argument):
    make, convert = NEARLY[kind]
    value = make()
    with pytest.raises(TypeError) as error:
        results("sigmoid_cross_entropy_with_logits", value, value if argument == "logits" else X)
    text = str(error.value)
    assert text.startswith(f"{argument} must be a NumPy array, a number or a list, got ")
    assert kind.split()[-1] in text
    converted = convert(value, argument)
    (got,) = results("sigmoid_cross_entropy_with_logits", converted, converted)
    assert got.shape == converted.shape
    call = re.search(rf"{argument}(\.\w+\([^)]*\))+", text)
    assert call is None or eval(call[0], {argument: value}).shape == converted.shape
