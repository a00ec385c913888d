"""Results are verified before they are timed: right ones pass, wrong ones do not."""

import numpy as np
import pytest

from logitloss.bench import Case, WrongResult, cases

from ..oracle import BFLOAT16
from .support import SMALL, implementation, result


@pytest.mark.parametrize("case", SMALL, ids=str)
@pytest.mark.parametrize("name", ["logitloss", "NumPy formula", "SciPy"])
def test_right_results_pass(name, case):
    x, z = cases.draw(case)
    prepared = implementation(name)(case, x, z)
    if prepared is None:
        pytest.skip(f"{name} has no {case}")
    cases.verify(case, name, result(prepared), cases.expected(case, x, z))


def test_bfloat16_is_drawn_computed_and_checked():
    case = Case("mean_and_grad", "bfloat16", "soft", (1000,))
    x, z = cases.draw(case)
    assert x.dtype == z.dtype == BFLOAT16
    cases.verify(case, "logitloss", result(implementation("logitloss")(case, x, z)), cases.expected(case, x, z))


@pytest.mark.parametrize("case", SMALL, ids=str)
@pytest.mark.parametrize("mode", ["eager", "function", "XLA"])
def test_the_results_of_logitloss_in_tensorflow_pass(mode, case):
    x, z = cases.draw(case)
    prepared = implementation(f"logitloss.tensorflow {mode}")(case, x, z)
    cases.verify(case, "logitloss.tensorflow", result(prepared), cases.expected(case, x, z))


@pytest.mark.filterwarnings("ignore")  # those of the frameworks
@pytest.mark.parametrize("case", [Case("mean_and_grad", "float32", "hard", (1000,)), SMALL[-1]], ids=str)
@pytest.mark.parametrize(
    "name",
    ["scikit-learn", "numexpr", "logitloss.torch", "torch eager", "logitloss.jax, jit", "jax.jit", "TensorFlow eager"],
)
def test_the_results_of_frameworks_pass(name, case):
    x, z = cases.draw(case)
    try:
        prepared = implementation(name)(case, x, z)
    except RuntimeError as error:
        if "cannot be modified after initialization" not in str(error):
            raise
        pytest.skip("another test of this process has already set TensorFlow's threads")
    if prepared is None:
        pytest.skip(f"{name} has no {case}")
    cases.verify(case, name, result(prepared), cases.expected(case, x, z))


@pytest.mark.parametrize("op", ["forward", "call", "grad_and_hess"])
@pytest.mark.parametrize("name", ["logitloss.torch", "logitloss.jax, jit", "logitloss.tensorflow eager"])
def test_what_is_called_logitloss_is_logitloss(name, op):
    case = Case(op, "float32", "hard", (1000,))
    x, z = cases.draw(case)
    own = result(implementation("logitloss")(case, x, z))
    for output, want in zip(result(implementation(name)(case, x, z)), own, strict=True):
        assert np.array_equal(np.float32(output), want)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_wrong_results_do_not(case):
    x, z = cases.draw(case)
    want = cases.expected(case, x, z)
    right = result(implementation("logitloss")(case, x, z))
    for number, output in enumerate(right):
        for wrong in (output * 1.05, output + 0.05, np.asarray(output) * np.nan, np.stack([output, output])):
            outputs = [*right[:number], wrong, *right[number + 1 :]]
            with pytest.raises(WrongResult, match=f"someone on {case.op}, .*: output {number} "):
                cases.verify(case, "someone", tuple(outputs), want)
    with pytest.raises(WrongResult, match=f"expected {len(right)} outputs, got {len(right) + 1}"):
        cases.verify(case, "someone", (*right, right[0]), want)
    other = cases.draw(case)[1] if case.labels == "class" else 1 - z.astype(x.dtype)
    other = np.roll(other, 1) if case.labels == "class" else other
    if case.op != "call":  # the names of the arguments are the same for all labels
        with pytest.raises(WrongResult):
            cases.verify(case, "someone", result(implementation("logitloss")(case, x, other)), want)


def test_the_definition_is_the_definition():
    """Held against the same in 50 digits."""
    mpmath = pytest.importorskip("mpmath")
    case = Case("grad_and_hess", "float32", "soft", (50,))
    x, z = cases.draw(case)
    (gradient, _), (hessian, _) = cases.expected(case, x, z).outputs
    ((loss, _),) = cases.expected(case._replace(op="forward"), x, z).outputs
    with mpmath.workdps(50):
        for i in range(50):
            s = 1 / (1 + mpmath.exp(-mpmath.mpf(float(x[i]))))
            z_i = mpmath.mpf(float(z[i]))
            assert loss[i] == pytest.approx(float(-z_i * mpmath.log(s) - (1 - z_i) * mpmath.log(1 - s)), rel=1e-13)
            assert gradient[i] == pytest.approx(float(s - z_i), rel=1e-10)
            assert hessian[i] == pytest.approx(float(s * (1 - s)), rel=1e-12)
