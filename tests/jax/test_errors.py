"""The losses for JAX: what is refused and how, also by the handlers that XLA calls."""

import math
import subprocess

import numpy as np
import pytest

import logitloss

from .. import ROOT
from .support import jax, jnp, same, xj

nan = math.nan


# --- errors ----------------------------------------------------------------------------------------------------------


def test_an_index_that_is_no_class():
    x, y = jnp.zeros((3, 2)), jnp.array([0, 2, -1])
    with pytest.raises(ValueError, match=r"from 0 to 1, got 2 at labels\[1\]"):
        xj.softmax_cross_entropy_with_integer_labels(x, y)
    with pytest.raises(ValueError, match=r"got 4294967296 at labels\[0\]"):
        xj.softmax_cross_entropy_with_integer_labels(x, np.array([2**32, 0, 0]))
    value, slope = jax.jit(jax.value_and_grad(lambda x, y: xj.softmax_cross_entropy_with_integer_labels(x, y).sum()))(
        x, y
    )
    assert jnp.isnan(value)
    same(slope, np.float32([[-0.5, 0.5], [nan, nan], [nan, nan]]))
    wide = jax.jit(xj.softmax_cross_entropy_with_integer_labels)
    with jax.enable_x64(True):
        same(wide(x, jnp.array([0, 2**32, 1])), np.float32([0.6931472, nan, 0.6931472]))


def test_indices_may_be_a_list_with_traced_ones():
    got = jax.jit(lambda y: xj.softmax_cross_entropy_with_integer_labels(jnp.zeros((2, 2)), [y, 1]))(0)
    same(got, np.float32([0.6931472, 0.6931472]))


def jitted(f):
    return lambda: jax.jit(f)(jnp.ones(3), jnp.ones(3))


ONES = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: xj.sigmoid_binary_cross_entropy(ONES, ONES[:, None]),
            ValueError,
            "must have the same shape, got (3,) and (3, 1)",
        ),
        (
            lambda: xj.sigmoid_binary_cross_entropy(jnp.arange(3), ONES),
            TypeError,
            "logits must be float16, bfloat16, float32 or float64, got dtype int32",
        ),
        (
            lambda: xj.sigmoid_binary_cross_entropy(ONES, jnp.ones(3, jnp.float8_e4m3b11fnuz)),
            TypeError,
            "labels must be a float of at most 64 bits, an integer or bool, got dtype float8",
        ),
        (lambda: xj.sigmoid_binary_cross_entropy(ONES, None), ValueError, "labels missing"),
        (
            lambda: xj.softmax_cross_entropy(ONES, np.ones((2, 3))),
            ValueError,
            "without enlarging it, got (2, 3) for logits of shape (3,)",
        ),
        *(
            (
                lambda f=f, z=z: f(np.ones((2, 3, 4)), z, axis=(-1, 2)),
                ValueError,
                "axis must name each axis of the classes once, got (2, 2). Leave out what is repeated.",
            )
            for f, z in (
                (xj.softmax_cross_entropy, np.ones((2, 3, 4))),
                (xj.softmax_cross_entropy_with_integer_labels, np.ones((2, 3), int)),
            )
        ),
        *(
            (call, error, f"{argument} must be an array or a rectangular nesting of lists of numbers: ")
            for argument, error, call in (
                ("logits", ValueError, lambda: xj.sigmoid_binary_cross_entropy([[1.0], [1.0, 2.0]], ONES)),
                ("logits", TypeError, lambda: xj.sigmoid_binary_cross_entropy(object(), ONES)),
                ("labels", TypeError, lambda: xj.sigmoid_binary_cross_entropy(ONES, np.array(["a"]))),
                ("labels", ValueError, lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, [[1], [1, 2]])),
            )
        ),
        (lambda: xj.softmax_cross_entropy(ONES, ONES, axis=1), ValueError, "axis must be an integer from -1 to 0"),
        (lambda: xj.softmax_cross_entropy(ONES, ONES, axis=(0, 1)), ValueError, "axis must be an integer from -1 to 0"),
        (
            lambda: xj.softmax_cross_entropy(ONES, ONES, where=np.ones((2, 3))),
            ValueError,
            "where must broadcast to the shape of logits, with or without the axis of the classes, and not enlarge it, got (2, 3) for logits of shape (3,). Reshape it.",
        ),
        (
            lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, 1.0),
            TypeError,
            "labels must be integer class indices, got dtype float64",
        ),
        (
            lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, [1]),
            ValueError,
            "got logits of shape (3,) and labels of shape (1,)",
        ),
        (lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, None), ValueError, "labels missing"),
        (
            lambda: logitloss.sigmoid_cross_entropy_with_logits(labels=ONES[:2], logits=jnp.ones(3), name="mine"),
            ValueError,
            "mine: logits and labels",
        ),
        (
            lambda: logitloss.weighted_cross_entropy_with_logits(
                labels=ONES, logits=jnp.ones(3), pos_weight=np.ones((2, 3))
            ),
            ValueError,
            "pos_weight must broadcast to the shape of logits without enlarging it, got (2, 3)",
        ),
        (
            lambda: logitloss.weighted_cross_entropy_with_logits(labels=ONES, logits=jnp.ones(3), pos_weight=1j),
            TypeError,
            "pos_weight must be a float",
        ),
        (
            jitted(lambda x, z: logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)),
            TypeError,
            "sigmoid_cross_entropy_total adds up values, which arrays being traced do not have. Call it outside the transformed function, or sum the losses there.",
        ),
        *(
            (
                lambda f=f: f(labels=[1, 0, 0], logits=jnp.ones(3), out=ONES),
                TypeError,
                "out must be None for arrays that cannot be written to, got numpy.ndarray. Take the gradient that is returned.",
            )
            for f in (
                logitloss.sigmoid_cross_entropy_mean_and_grad,
                logitloss.softmax_cross_entropy_mean_and_grad,
                logitloss.sparse_softmax_cross_entropy_mean_and_grad,
            )
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def handler(name, results, *arrays):
    return jax.jit(jax.ffi.ffi_call(f"logitloss_{name}", results))(*arrays)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ((np.ones(3, np.complex64), ONES), "logitloss: no kernel for XLA's type 15"),
        ((ONES,), "logitloss: too few operands, got 1"),
    ],
)
def test_the_handlers_refuse_what_they_do_not_know(arrays, text):
    with pytest.raises(Exception, match=text):
        handler("sigmoid_cross_entropy", jax.ShapeDtypeStruct((3,), np.float32), *arrays).block_until_ready()


def test_the_handler_of_class_indices_refuses_other_integers():
    with pytest.raises(Exception, match="logitloss: class indices must be int32 or int64"):
        handler("softmax_cross_entropy", jax.ShapeDtypeStruct((), np.float32), ONES, np.int16(1)).block_until_ready()


LAYOUTS = """
#include "xla/ffi/api/c_api.h"
#include "binding/xla_api.h"
using namespace logitloss::xla;
#define SAME(ours, member, theirs, their_member) \\
  static_assert(offsetof(ours, member) == offsetof(theirs, their_member) && \\
                sizeof(ours::member) == sizeof(theirs::their_member))
SAME(Extension, type, XLA_FFI_Extension_Base, type);
SAME(Version, major, XLA_FFI_Api_Version, major_version);
SAME(Version, minor, XLA_FFI_Api_Version, minor_version);
SAME(MetadataExtension, metadata, XLA_FFI_Metadata_Extension, metadata);
using Metadata = std::remove_pointer_t<decltype(MetadataExtension::metadata)>;
SAME(Metadata, version, XLA_FFI_Metadata, api_version);
SAME(ErrorArguments, message, XLA_FFI_Error_Create_Args, message);
SAME(ErrorArguments, code, XLA_FFI_Error_Create_Args, errc);
SAME(Api, create_error, XLA_FFI_Api, XLA_FFI_Error_Create);
SAME(Buffer, type, XLA_FFI_Buffer, dtype);
SAME(Buffer, data, XLA_FFI_Buffer, data);
SAME(Buffer, rank, XLA_FFI_Buffer, rank);
SAME(Buffer, dimensions, XLA_FFI_Buffer, dims);
SAME(Buffers, size, XLA_FFI_Args, size);
SAME(Buffers, buffers, XLA_FFI_Args, args);
SAME(Buffers, buffers, XLA_FFI_Rets, rets);
SAME(Call, api, XLA_FFI_CallFrame, api);
SAME(Call, arguments, XLA_FFI_CallFrame, args);
SAME(Call, results, XLA_FFI_CallFrame, rets);
static_assert(MetadataExtension::type == XLA_FFI_Extension_Metadata && internal_error == XLA_FFI_Error_Code_INTERNAL);
static_assert(XLA_FFI_API_MAJOR == 0);
"""


def test_the_layouts_are_those_of_the_header_that_jaxlib_ships(tmp_path):
    (tmp_path / "layouts.cc").write_text("#include <type_traits>\n" + LAYOUTS)
    command = [
        "c++",
        "-std=c++17",
        "-fsyntax-only",
        f"-I{ROOT / 'cpp'}",
        f"-I{jax.ffi.include_dir()}",
        tmp_path / "layouts.cc",
    ]
    try:
        got = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        pytest.skip("no C++ compiler")
    assert got.returncode == 0, got.stderr
