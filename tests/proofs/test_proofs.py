"""The proofs in seconds: a sample of each, the hardest inputs, and the golden hashes through the installed library."""

import json
import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from logitloss import _core, ufuncs

from .. import ROOT, oracle

RUN = ROOT / "proofs" / "run.py"
sys.path.append(str(RUN.parent))
from claims import CLAIMS, DERIVATIVE, FLOAT64_ERROR, GOLDEN, LOSS, constant  # noqa: E402
from run import missing  # noqa: E402

# --- the hardest inputs ----------------------------------------------------------------------------------------------

DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
CASES = [line for line in (ROOT / "proofs" / "worst_cases.txt").read_text().splitlines() if line and line[0] != "#"]


@pytest.mark.parametrize("case", CASES)
def test_worst_case(case):
    name, function, *numbers = case.split()
    x, z, expected = map(float.fromhex, numbers)
    dtype = np.dtype(DTYPES[name])
    truth = oracle.hessian(x) if function == "hessian" else getattr(oracle, function)(x, z)
    rounded = np.copysign(float(oracle.nearest(truth, dtype)), -1 if truth < 0 else 1)
    assert rounded.hex() == expected.hex()  # -0 is not +0

    logits, labels = np.array([x], dtype), np.array([z], dtype)
    loss, gradient = ufuncs.sigmoid_cross_entropy_value_and_grad(logits, labels)
    _, hessian = ufuncs.sigmoid_cross_entropy_grad_and_hess(logits, labels)
    (got,) = {"loss": loss, "gradient": gradient, "hessian": hessian}[function]
    if name != "float64":
        assert float(got).hex() == expected.hex()
        return
    soft = function == "gradient" and z not in (0, 1)
    terms = (1 - z if x > 0 else z) + oracle.sigmoid(-abs(oracle.mp.mpf(x))) if soft else 0
    allowed = constant(*(LOSS if function == "loss" else DERIVATIVE))
    assert np.signbit(got) == (truth < 0)
    assert abs(oracle.mp.mpf(float(got)) - truth) <= allowed * oracle.unit(truth, dtype) + terms * constant(
        *FLOAT64_ERROR
    )


# --- the same bits on every instruction set --------------------------------------------------------------------------

STEP = np.uint64(0x9E3779B97F4A7C15)
COUNT = 12500
# Bits of the fraction, and exponents of finite numbers.
FORMATS = {"float16": (10, 31), "bfloat16": (7, 255), "float32": (23, 255), "float64": (52, 2047)}


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def counters():
    return np.arange(1, COUNT + 1, dtype=np.uint64) * STEP


def random(seed):
    return mix(mix(np.array([seed], np.uint64) * STEP) + counters())


def assemble(name, sign, exponent, r):
    fraction_bits = FORMATS[name][0]
    dtype = np.dtype(DTYPES[name])
    fraction = r & np.uint64((1 << fraction_bits) - 1)
    values = sign << np.uint64(8 * dtype.itemsize - 1) | exponent << np.uint64(fraction_bits) | fraction
    return values.astype(f"u{dtype.itemsize}").view(dtype)


def inputs(name):
    """The logits, labels and weights of proofs/same_bits.cc."""
    exponents = FORMATS[name][1]
    seed = 3 * list(FORMATS).index(name)
    x, z, w = (random(seed + k) for k in (1, 2, 3))
    bias, byte, zero = np.uint64(exponents // 2), np.uint64(255), np.uint64(0)

    def field(r):
        return r >> np.uint64(55) & byte

    anywhere = field(x) * np.uint64(exponents) >> np.uint64(8)
    near = bias - np.uint64(12) + field(x) % np.uint64(22)
    logits = assemble(name, x >> np.uint64(63), np.where(x >> np.uint64(52) & np.uint64(7), near, anywhere), x)
    kind = z >> np.uint64(52) & np.uint64(3)
    hard = assemble(name, zero, np.where(kind == 1, bias, zero), zero * z)
    labels = np.where(kind < 2, hard, assemble(name, zero, bias - np.uint64(1) - field(z) % np.uint64(8), z))
    return logits, labels, assemble("float64", zero, np.uint64(1020) + field(w) % np.uint64(6), w)


def hashes():
    found = {}
    for name in FORMATS:
        logits, labels, weights = inputs(name)
        loss, gradient = ufuncs.sigmoid_cross_entropy_value_and_grad(logits, labels)
        _, hessian = ufuncs.sigmoid_cross_entropy_grad_and_hess(logits, labels)
        weighted = ufuncs.weighted_sigmoid_cross_entropy(logits, labels, weights)
        for result, array in (("loss", loss), ("gradient", gradient), ("hessian", hessian), ("weighted", weighted)):
            bits = array.view(f"u{array.dtype.itemsize}").astype(np.uint64)
            found[f"{name}-{result}-{COUNT}"] = f"{int(mix(bits + counters()).sum(dtype=np.uint64)):016x}"
    return found


@pytest.mark.parametrize("isa", _core.isas())
def test_golden_hashes(isa):
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.proofs import test_proofs; test_proofs.report()"
    )
    environment = os.environ | {"LOGITLOSS_ISA": isa}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    used, found = json.loads(done.stdout)
    assert used == isa
    golden = json.loads(GOLDEN.read_text())
    assert found == {name: golden[name] for name in found}


def report():
    """What a process of its own says to test_golden_hashes."""
    print(json.dumps([_core.isa(), hashes()]))


# --- a sample of each proof ------------------------------------------------------------------------------------------

# Every how-many-th input, so that each takes about a second.
SAMPLES = {
    "float32-hard": 1000,
    "float32-soft": 1000,
    "float16-pairs": 1000,
    "bfloat16-pairs": 1000,
    "float64": 400,
    "maths": 50,
    "same-bits": 50,
}


def test_every_claim_has_a_sample():
    assert SAMPLES.keys() == {claim.name for claim in CLAIMS}


@pytest.fixture(scope="module")
def programs():
    if lack := missing():
        pytest.skip(f"the proofs cannot be built: {lack}")
    return ROOT / "build" / "proofs"


@pytest.mark.parametrize(("claim", "sample"), SAMPLES.items())
def test_sampled_proof(programs, claim, sample):
    command = [sys.executable, RUN, claim, "--sample", str(sample), "--no-arm", "--build", programs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds" in done.stdout
