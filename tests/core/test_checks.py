"""Every error text: it names the argument, what was expected, what was got and what to do."""

import sys
import types

import numpy as np
import pytest

import logitloss

F = np.float32
loss = logitloss.sigmoid_cross_entropy_with_logits
weighted = logitloss.weighted_cross_entropy_with_logits


class Tensor:
    """An array of a framework without an adapter, which NumPy could convert silently."""

    def __init__(self):
        self.shape, self.dtype = (2,), np.dtype(F)

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("converted silently")


Tensor.__module__ = "framework.tensors"

EXPECTED_LOGITS = "logits must be float16, bfloat16, float32 or float64"
ERRORS = [
    (
        lambda: loss(F([1]), F([1])),
        ValueError,
        "only named arguments are accepted (labels=..., logits=..., ...), got a positional one. Frameworks disagree",
    ),
    (lambda: loss([1.0], [1.0], [1.0]), ValueError, "Frameworks disagree on the order, so write the names."),
    (lambda: loss(), ValueError, "both labels and logits must be provided, labels and logits missing. Pass both."),
    (lambda: loss(labels=[1.0]), ValueError, "both labels and logits must be provided, logits missing. Pass both."),
    (lambda: loss(logits=[1.0]), ValueError, "both labels and logits must be provided, labels missing. Pass both."),
    (
        lambda: loss(labels=np.ones(3), logits=np.ones((1, 2))),
        ValueError,
        "logits and labels must have the same shape, got (1, 2) and (3,). Reshape one, or use logitloss.ufuncs for broadcasting",
    ),
    (
        lambda: loss(labels=np.ones((2, 1)), logits=np.ones(2)),
        ValueError,
        "must have the same shape, got (2,) and (2, 1)",
    ),
    (lambda: loss(labels=1.0, logits=[1.0]), ValueError, "must have the same shape, got (1,) and ()"),
    (
        lambda: loss(labels=[1.0], logits=[1]),
        TypeError,
        EXPECTED_LOGITS + ", got dtype int64. Convert with logits.astype(",
    ),
    (lambda: loss(labels=[1.0], logits=[True]), TypeError, EXPECTED_LOGITS + ", got dtype bool."),
    (lambda: loss(labels=[1.0], logits=[1j]), TypeError, EXPECTED_LOGITS + ", got dtype complex128."),
    (lambda: loss(labels=[1.0], logits=["a"]), TypeError, EXPECTED_LOGITS + ", got dtype <U1."),
    (lambda: loss(labels=[1.0], logits=np.array([1.0], object)), TypeError, EXPECTED_LOGITS + ", got dtype object."),
    (lambda: loss(labels=[1.0], logits=np.longdouble([1])), TypeError, EXPECTED_LOGITS + ", got dtype float128."),
    (
        lambda: loss(labels=[1j], logits=[1.0]),
        TypeError,
        "labels must be a float of at most 64 bits, an integer or bool",
    ),
    (lambda: loss(labels=["1"], logits=[1.0]), TypeError, "got dtype <U1. Convert with labels.astype(numpy.float64)."),
    (
        lambda: loss(labels=[[1.0], [1.0, 2.0]], logits=[1.0]),
        ValueError,
        "labels must be an array or a rectangular nesting of lists of numbers: ",
    ),
    (
        lambda: loss(labels=[1.0, 0.0], logits=Tensor()),
        TypeError,
        "logits must be a NumPy array, a number or a list, got framework.tensors.Tensor. "
        "There is no adapter for framework: convert it to a NumPy array yourself.",
    ),
    (lambda: loss(labels=Tensor(), logits=[1.0, 0.0]), TypeError, "labels must be a NumPy array, a number or a list"),
    (
        lambda: loss(labels=np.ma.array([1.0, 0.0], mask=[0, 1]), logits=[1.0, 0.0]),
        TypeError,
        "got numpy.ma.MaskedArray. Pass value.compressed(), or value.filled()",
    ),
    (
        lambda: loss(labels=[np.ma.array([1.0, 0.0], mask=[0, 1])], logits=[[1.0, 0.0]]),
        TypeError,
        "labels must be a NumPy array, a number or a list, got numpy.ma.MaskedArray. Pass value.compressed(), or",
    ),
    (lambda: loss(labels=[1.0], logits=(np.ma.masked,)), TypeError, "with values of your choice."),
    (
        lambda: weighted(labels=[1.0], logits=[1.0], pos_weight=[1.0, 2.0]),
        ValueError,
        "without enlarging it, got (2,) for",
    ),
    (
        lambda: weighted(labels=[1.0], logits=[1.0], pos_weight=[[1.0]]),
        ValueError,
        "logits of shape (1,). Pass a scalar or one weight per last axis.",
    ),
    (
        lambda: weighted(labels=np.ones(3), logits=np.ones(3), pos_weight=[1.0, 2.0]),
        ValueError,
        "got (2,) for logits of",
    ),
    (
        lambda: weighted(labels=[1.0], logits=[1.0], pos_weight="3"),
        TypeError,
        "pos_weight must be a float of at most 64",
    ),
    (lambda: weighted(labels=[1.0], logits=[1], pos_weight=1), TypeError, EXPECTED_LOGITS),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_text(call, error, text):
    with pytest.raises(error) as raised:
        call()
    assert text in str(raised.value)
    assert str(raised.value).endswith((".", ")", "dimensions")) or "inhomogeneous" in str(raised.value)


@pytest.mark.parametrize("function", [loss, lambda **k: weighted(pos_weight=1, **k)])
def test_name_stands_in_front(function):
    for arguments in (
        {"labels": [1.0], "logits": None},
        {"labels": [1.0, 2.0], "logits": [1.0]},
        {"labels": [1.0], "logits": [1]},
    ):
        with pytest.raises((ValueError, TypeError)) as raised:
            function(**arguments, name="discriminator")
        assert str(raised.value).startswith("discriminator: ")
    with pytest.raises(ValueError, match=r"^generator: only named"):
        loss([1.0], name="generator")


@pytest.mark.parametrize(
    "function",
    [
        logitloss.sigmoid_cross_entropy_value_and_grad,
        logitloss.sigmoid_cross_entropy_grad_and_hess,
        logitloss.sigmoid_cross_entropy_mean_and_grad,
        logitloss.sigmoid_cross_entropy_total,
    ],
)
def test_siblings_check_the_same(function):
    with pytest.raises(ValueError, match="must have the same shape"):
        function(labels=np.ones(3), logits=np.ones(2))
    with pytest.raises(TypeError, match=EXPECTED_LOGITS):
        function(labels=[1], logits=[1])
    with pytest.raises(TypeError, match="no adapter for framework"):
        function(labels=[1.0], logits=Tensor())
    with pytest.raises(TypeError):
        function([1.0], [1.0])


@pytest.mark.parametrize(
    "function", [logitloss.sigmoid_cross_entropy_mean_and_grad, logitloss.sigmoid_cross_entropy_total]
)
def test_reductions_read_numpy_arrays(function):
    import pandas as pd

    with pytest.raises(
        TypeError,
        match=r"logits must be a NumPy array to be summed, got pandas.*Series\. Convert it with numpy.asarray, or sum the parts with logitloss.ExactSum.",
    ):
        function(labels=np.ones(3), logits=pd.Series(np.ones(3)))


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        (
            np.empty(2),
            TypeError,
            "out must be a NumPy array of dtype float32, that of logits, got float64. Allocate it like logits.",
        ),
        (np.empty(2, ">f4"), TypeError, "out must be a NumPy array of dtype float32, that of logits, got >f4"),
        ([0.0, 0.0], TypeError, "got builtins.list"),
        (
            np.empty(3, F),
            ValueError,
            r"out must be a writeable array of shape \(2,\), that of logits, got shape \(3,\)",
        ),
        (np.broadcast_to(F(0), 2), ValueError, r"got a read-only one of shape \(2,\). Use numpy.empty_like\(logits\)."),
    ],
)
def test_out(out, error, text):
    before = np.array(out).tobytes()
    with pytest.raises(error, match=text):
        logitloss.sigmoid_cross_entropy_mean_and_grad(labels=F([0, 1]), logits=F([0, 1]), out=out)
    assert np.array(out).tobytes() == before  # nothing half-written


def test_types_that_share_a_character_with_numpys():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(TypeError, match="or float64, got dtype int1"):
        loss(labels=F([1]), logits=np.zeros(1, ml_dtypes.int1))
    with pytest.raises(TypeError, match="or bool, got dtype float8_e4m3b11fnuz"):
        loss(labels=np.zeros(1, ml_dtypes.float8_e4m3b11fnuz), logits=F([1]))


def test_the_framework_is_not_asked_to_convert(monkeypatch):
    """The type decides, also for an array that has __array_ufunc__ = None."""
    module = types.ModuleType("framework")
    monkeypatch.setitem(sys.modules, "framework", module)
    monkeypatch.setattr(Tensor, "__array_ufunc__", None, raising=False)
    with pytest.raises(TypeError, match="no adapter for framework"):
        loss(labels=Tensor(), logits=Tensor())


@pytest.mark.parametrize(
    ("n", "error", "text"),
    [
        (0, ValueError, "n must be a number of threads from 1 to 65536, got 0. Pass 1 to use no extra threads."),
        (-3, ValueError, "got -3"),
        (2.0, TypeError, "n must be an integer number of threads, got float. Pass an int."),
        ("2", TypeError, "got str"),
    ],
)
def test_threads(n, error, text):
    before = logitloss.get_num_threads()
    with pytest.raises(error, match=text):
        logitloss.set_num_threads(n)
    assert logitloss.get_num_threads() == before
