"""Large arrays are computed in chunks: the same bits as in one, and Ctrl-C is answered between two of them."""

import subprocess
import sys

import numpy as np
import pytest

import logitloss
from logitloss import _chunks

from ..inputs import sample
from ..oracle import bits

loss = logitloss.sigmoid_cross_entropy_with_logits
LAYOUTS = {
    "flat": lambda a: a.ravel(),
    "rows": lambda a: a,
    "columns": np.asfortranarray,
    "backwards": lambda a: a[::-1, :, ::-1],
    "middle": lambda a: a.transpose(1, 0, 2),
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


@pytest.fixture
def small_chunks(monkeypatch):
    """Make the chunks as small as a hundred elements, and count them."""
    seen = []
    whole = _chunks.chunks

    def counted(*arguments):
        for part in whole(*arguments):
            seen.append(1)
            yield part

    def make_small():
        monkeypatch.setattr(_chunks, "_LARGEST", 100)
        monkeypatch.setattr(_chunks, "chunks", counted)
        return seen

    before = logitloss.get_num_threads()
    logitloss.set_num_threads(1)
    yield make_small
    logitloss.set_num_threads(before)


def flat(result):
    """All that a call returned, as bits."""
    parts = result if isinstance(result, tuple) else (result,)
    return [part.to_limbs() if isinstance(part, logitloss.ExactSum) else bits(part) for part in parts]


CALLS = {
    "loss": loss,
    "value_and_grad": logitloss.sigmoid_cross_entropy_value_and_grad,
    "grad_and_hess": logitloss.sigmoid_cross_entropy_grad_and_hess,
    "mean_and_grad": logitloss.sigmoid_cross_entropy_mean_and_grad,
    "total": logitloss.sigmoid_cross_entropy_total,
    "weighted": lambda labels, logits: logitloss.weighted_cross_entropy_with_logits(
        labels=labels, logits=logits, pos_weight=np.arange(logits.shape[-1]) / 8
    ),
    "sum": lambda labels, logits: logitloss.ExactSum(logits),
}
for axis in (0, -1):
    CALLS |= {
        f"softmax {axis}": lambda labels, logits, axis=axis: logitloss.softmax_cross_entropy_value_and_grad(
            labels=labels, logits=logits, axis=axis
        ),
        f"softmax loss {axis}": lambda labels, logits, axis=axis: logitloss.softmax_cross_entropy_with_logits(
            labels=labels, logits=logits, axis=axis
        ),
        f"softmax mean {axis}": lambda labels, logits, axis=axis: logitloss.softmax_cross_entropy_mean_and_grad(
            labels=labels, logits=logits, axis=axis
        ),
    }
CALLS |= {
    f"sparse {function}": lambda labels, logits, function=function: getattr(
        logitloss, f"sparse_softmax_cross_entropy_{function}"
    )(labels=(labels[..., 0] > 0).astype(np.int8), logits=logits)
    for function in ("with_logits", "value_and_grad", "mean_and_grad")
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", CALLS)
def test_the_same_bits(call, layout, small_chunks):
    x, z = (LAYOUTS[layout](a.reshape(5, 70, 9)) for a in sample(3150, np.float32))
    want = flat(CALLS[call](labels=z, logits=x))
    seen = small_chunks()
    got = flat(CALLS[call](labels=z, logits=x))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)
    if layout not in ("flat", "rows"):  # one row of a softmax is one call, and plain losses are the core's
        assert len(seen) > 4


def test_arrays_of_other_kinds_see_to_themselves(small_chunks):
    xr = pytest.importorskip("xarray")
    x, z = sample(3000, np.float32)
    seen = small_chunks()
    got = loss(labels=xr.DataArray(z), logits=xr.DataArray(x))
    np.testing.assert_array_equal(got.values, logitloss.ufuncs.sigmoid_cross_entropy(x, z))
    assert not seen


@pytest.mark.parametrize("shift", [0, 1, 150])
@pytest.mark.parametrize("of", ["logits", "labels"])
@pytest.mark.parametrize("softmax", [False, True])
def test_an_output_may_overlap_an_input(softmax, of, shift, small_chunks):
    call = logitloss.softmax_cross_entropy_mean_and_grad if softmax else logitloss.sigmoid_cross_entropy_mean_and_grad
    memory = np.zeros(1000 + shift, np.float32)
    place = memory[shift:].reshape(200, 5)
    arrays = {name: a.reshape(200, 5) for name, a in zip(("logits", "labels"), sample(1000, np.float32), strict=True)}
    want = call(**arrays)
    memory[:1000] = arrays[of].ravel()
    arrays[of] = memory[:1000].reshape(200, 5)
    small_chunks()
    got = call(**arrays, out=place)
    assert got[1] is place
    for one, other in zip(flat(got), flat(want), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_core_leaves_large_arrays_to_python():
    x = np.zeros((1 << 22) + 1, np.float16)
    assert logitloss._core.sigmoid_cross_entropy_fast(x, x) is None
    assert logitloss._core.sigmoid_cross_entropy_fast(x[1:], x[1:]) is not None


ENDLESS = "np.broadcast_to(np.float32(1), 1 << 40)"
LONG = "np.broadcast_to(np.float16(1), 1 << 31)"


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be sent to one process there")
@pytest.mark.parametrize(
    "call",
    [
        f"logitloss.sigmoid_cross_entropy_total(labels={ENDLESS}, logits={ENDLESS})",
        f"total.update({ENDLESS})",
        f"logitloss.sigmoid_cross_entropy_with_logits(labels={LONG}, logits={LONG})",
        f"logitloss.sigmoid_cross_entropy_value_and_grad(labels={LONG}, logits={LONG})",
        f"logitloss.softmax_cross_entropy_with_logits(labels={LONG}.reshape(-1, 8), logits={LONG}.reshape(-1, 8))",
    ],
    ids=lambda call: call.partition("(")[0],
)
def test_ctrl_c_is_answered_within_a_second(call):
    code = f"""
import os, signal, threading, time
import numpy as np, logitloss
logitloss.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores the signal
total, sent = logitloss.ExactSum(), []
def interrupt():
    sent.append(time.process_time())  # on a busy machine the clock on the wall says little
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, interrupt).start()
try:
    {call}
except KeyboardInterrupt:
    took = time.process_time() - sent[0]
assert total == logitloss.ExactSum()  # nothing half-done
assert logitloss.sigmoid_cross_entropy_total(labels=1.0, logits=np.zeros(())).count == 1
print(took)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1
