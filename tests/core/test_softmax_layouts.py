"""The same bits of a row whatever its batch, strides, axis, threads and instruction set."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import logitloss

from .. import ROOT
from ..oracle import DTYPES, bits
from .support import DENSE, SPARSE, assert_same, batch


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("classes", [1, 2, 10, 64, 65, 512, 513, 1300])
def test_batch_strides_and_axis(dtype, classes):
    x, y, z = batch(dtype, 61, classes)
    want, want_dense = SPARSE(labels=y, logits=x), DENSE(labels=z, logits=x)
    for i in (0, 7, 60):
        assert_same(SPARSE(labels=y[i], logits=x[i]), [w[i] for w in want])
        assert_same(DENSE(labels=z[i], logits=x[i]), [w[i] for w in want_dense])
    for part in (slice(3, 40), slice(None, None, -2)):
        assert_same(SPARSE(labels=y[part], logits=x[part]), [w[part] for w in want])
    assert_same(SPARSE(labels=y, logits=np.asfortranarray(x)), want)
    padded = np.zeros((61, classes * 2), dtype)
    padded[:, ::2] = x
    assert_same(SPARSE(labels=y, logits=padded[:, ::2]), want)
    loss, gradient = DENSE(labels=z.T, logits=x.T, axis=0)
    assert_same([loss, gradient.T], want_dense)
    cube, cube_labels = x.T.reshape(1, classes, 61), z.T.reshape(1, classes, 61)
    for axis in (1, -2):
        loss, gradient = DENSE(labels=cube_labels, logits=cube, axis=axis)
        assert_same([loss[0], gradient[0].T], want_dense)
        assert_same(
            [logitloss.softmax_cross_entropy_with_logits(labels=cube_labels, logits=cube, axis=axis)[0]], want_dense[:1]
        )


@pytest.mark.parametrize("shape", [(40_000, 10), (3000, 100), (5, 100_003), (1, 400_000)])
def test_threads(shape, threads):
    x, y, z = batch(np.dtype(np.float32), *shape)
    threads(1)
    want, want_dense = SPARSE(labels=y, logits=x), DENSE(labels=z, logits=x)
    for count in (2, 3, 7):
        threads(count)
        assert_same(SPARSE(labels=y, logits=x), want)
        assert_same(DENSE(labels=z, logits=x), want_dense)


def digest():
    h = hashlib.sha256()
    for dtype in DTYPES:
        for classes in (3, 10, 100, 1111):
            x, y, z = batch(dtype, 200, classes, seed=classes)
            for result in (*SPARSE(labels=y, logits=x), *DENSE(labels=z, logits=x)):
                h.update(bits(result).tobytes())
    return h.hexdigest()


@pytest.mark.parametrize("isa", logitloss._core.isas())
def test_every_instruction_set(isa):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.core import test_softmax_layouts; print(test_softmax_layouts.digest())"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LOGITLOSS_ISA": isa}, capture_output=True, text=True
    )
    assert run.stdout.strip() == digest(), run.stderr
