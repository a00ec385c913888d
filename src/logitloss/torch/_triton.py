"""The kernels for CUDA tensors, in Triton: one pass for loss, gradient and their sum, no temporary.

Results are computed in float64 and rounded once to the dtype of the logits, float16, bfloat16 or float32: within
0.501 ulp; a gradient next to its root within 0.501 ulp + 2^-38 min(sigmoid(x), 1 - sigmoid(x)). Subnormals are kept:
no instruction here flushes them. exp and log1p are as short as that allows, so that on a GPU with float64 units for
half its lanes memory, not arithmetic, sets the pace.

``TRITON_INTERPRET=1`` runs them on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# Triton reads these functions' source itself: neither constexpr nor the options of a launch are Python's types.

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 1024
PROGRAMS = 2048  # the same for every size and GPU, so that a sum has one order


def _constant(digits: str) -> tl.constexpr:
    return tl.constexpr(float.fromhex(digits))


# tools/coefficients/triton.sollya
LOG2_E = _constant("0x1.71547652b82fep0")
LN2 = _constant("0x1.62e42fefa39efp-1")
ROUNDS = _constant("0x1.8p52")  # added and taken away, it rounds to an integer
ONE_BITS = tl.constexpr(0x3FF << 52)
# relative error of 1 + r + r^2 E(r) on |r| <= ln(2)/2: 2^-39.6
E0 = _constant("0x1.000000005ddb6p-1")
E1 = _constant("0x1.5555557dccf52p-3")
E2 = _constant("0x1.5555541e80632p-5")
E3 = _constant("0x1.1110a26abf1ep-7")
E4 = _constant("0x1.6c18d2fad0114p-10")
E5 = _constant("0x1.a1854d5914a47p-13")
E6 = _constant("0x1.9e8949ec007eap-16")
# relative error of 2 s + s^3 A(s^2) on 0 <= s <= 1/3: 2^-38.3
A0 = _constant("0x1.5555553b4befcp-1")
A1 = _constant("0x1.9999bcca14f0ap-2")
A2 = _constant("0x1.248a65be33f0fp-2")
A3 = _constant("0x1.c8b9e0edaf26bp-3")
A4 = _constant("0x1.5f42414fef54cp-3")
A5 = _constant("0x1.be179426eda61p-3")


@triton.jit
def _fma(a, b, C: tl.constexpr):
    """a b + C; a bare Python float would be a float32."""
    return tl.fma(a, b, tl.full(b.shape, C, tl.float64))


@triton.jit
def _exp(t):
    """exp(t) for t <= 0; below -700 what rounds to 0 in every narrower dtype."""
    t = tl.where(t < -700, -700.0, t)  # nan passes
    bits = _fma(tl.full(t.shape, LOG2_E, tl.float64), t, ROUNDS)
    k = bits - tl.full(t.shape, ROUNDS, tl.float64)
    r = tl.fma(-k, tl.full(t.shape, LN2, tl.float64), t)
    q = _fma(tl.full(t.shape, E6, tl.float64), r, E5)
    q = _fma(_fma(_fma(_fma(_fma(q, r, E4), r, E3), r, E2), r, E1), r, E0)
    scale = ((bits.to(tl.int64, bitcast=True) << 52) + ONE_BITS).to(tl.float64, bitcast=True)
    return tl.fma(tl.fma(r * r, q, r), scale, scale)


@triton.jit
def _reciprocal(d):
    """1 / d from float32's, mended once: 2^-43."""
    r = (1 / d.to(tl.float32)).to(tl.float64)
    return tl.fma(r, _fma(-d, r, 1.0), r)


@triton.jit
def _tails(x):
    """softplus(-|x|) and sigmoid(-|x|): the small sides of both functions."""
    u = _exp(-tl.abs(x))
    inverse = _reciprocal((1 + u) * (2 + u))
    s = u * (inverse * (1 + u))
    y = s * s
    q = _fma(tl.full(x.shape, A5, tl.float64), y, A4)
    q = _fma(_fma(_fma(_fma(q, y, A3), y, A2), y, A1), y, A0)
    return tl.fma(s * y, q, 2 * s), tl.where(x == 0, 0.5, u * (inverse * (2 + u)))


@triton.jit
def _rounded(value, pointer):
    """The value in the dtype that the pointer points to; by way of float32, whose rounding never shows in a half."""
    return value.to(tl.float32).to(pointer.dtype.element_ty)


@triton.jit(do_not_specialize=["divisor"])
def _sigmoid(
    x_ptr, z_ptr, loss_ptr, grad_ptr, sums_ptr, n, divisor,
    LOSS: tl.constexpr, GRAD: tl.constexpr, SUM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    scale = 1.0 / divisor.to(tl.float64)
    total = tl.zeros((BLOCK,), tl.float64)
    first = tl.program_id(0).to(tl.int64) * BLOCK
    for start in range(first, n, tl.num_programs(0) * BLOCK):
        offset = start + tl.arange(0, BLOCK)
        inside = offset < n
        x = tl.load(x_ptr + offset, mask=inside, other=0).to(tl.float64)
        z = tl.load(z_ptr + offset, mask=inside, other=0).to(tl.float64)
        softplus, sigmoid = _tails(x)
        a = tl.where(x > 0, 1 - z, -z)
        if LOSS or SUM:
            loss = _rounded(tl.where(a == 0, 0.0, a * x) + softplus, x_ptr)
            if LOSS:
                tl.store(loss_ptr + offset, loss, mask=inside)
            if SUM:
                total += tl.where(inside, loss.to(tl.float64), 0.0)
        if GRAD:
            gradient = tl.where(x > 0, a - sigmoid, a + sigmoid) * scale
            tl.store(grad_ptr + offset, _rounded(gradient, x_ptr), mask=inside)
    if SUM:
        tl.store(sums_ptr + tl.program_id(0), tl.sum(total))


@triton.jit
def _others(x, m, is_max):
    """exp(x - m), and 0 for the argmax, unless that is nan."""
    return tl.where(is_max, tl.where(x == x, 0.0, x), _exp(x - m))


@triton.jit(do_not_specialize=["divisor"])
def _sparse_softmax(x_ptr, y_ptr, loss_ptr, grad_ptr, classes, divisor, GRAD: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * classes
    y = tl.load(y_ptr + row).to(tl.int64)
    valid = (y >= 0) & (y < classes)
    x_y = tl.load(x_ptr + y, mask=valid, other=float("nan")).to(tl.float64)

    # Online softmax in one pass: the maximum, and the sum R of exp(x - maximum) over the other classes, rescaled when a
    # new maximum appears.
    m = tl.full((), -float("inf"), tl.float64)
    argmax = tl.full((), 0, tl.int64)
    sum_others = tl.full((), 0.0, tl.float64)
    for start in range(0, classes, BLOCK):
        j = start + tl.arange(0, BLOCK).to(tl.int64)
        x = tl.load(x_ptr + j, mask=j < classes, other=-float("inf"))
        top, offset = tl.max(x, axis=0, return_indices=True)
        x, top = x.to(tl.float64), top.to(tl.float64)
        if top > m:
            sum_others = (sum_others + 1) * _exp(m - top)
            m, argmax = top, start + offset.to(tl.int64)
        sum_others += tl.sum(tl.where(j < classes, _others(x, m, j == argmax), 0.0))
    sum_others = tl.where(m > -float("inf"), sum_others, float("nan"))

    u = 1 + sum_others
    log1p = tl.log(u) - ((u - 1) - sum_others) / u
    tl.store(loss_ptr + row, _rounded(tl.where(y == argmax, 0.0, m - x_y) + log1p, x_ptr))
    if GRAD:
        scale = 1.0 / divisor.to(tl.float64)
        inverse_sum = 1.0 / (1 + sum_others)
        for start in range(0, classes, BLOCK):
            j = start + tl.arange(0, BLOCK).to(tl.int64)
            x = tl.load(x_ptr + j, mask=j < classes, other=0).to(tl.float64)
            hit = tl.where(j == y, 1.0, 0.0) + tl.where(valid, 0.0, float("nan"))
            g = tl.where(j == argmax, 1.0, _exp(x - m)) * inverse_sum - hit
            # The gradient of a dominant class is minus that of the others, which loses no digit.
            g = tl.where(j == argmax, tl.where(sum_others < 1, (1 - hit) - sum_others * inverse_sum, g), g)
            tl.store(grad_ptr + row * classes + j, _rounded(g * scale, x_ptr), mask=j < classes)


def sigmoid(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    loss: bool = False,
    total: bool = False,
    out: torch.Tensor | None = None,
    divisor: int = 1,
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Return losses, ``out`` and the sum of the losses in float64: as far as they are wanted.

    ``out``, contiguous as the logits are, takes the gradient divided by ``divisor``.
    """
    losses = torch.empty_like(logits) if loss else None
    sums = torch.zeros(PROGRAMS, dtype=torch.float64, device=logits.device) if total else None
    n = logits.numel()
    if n:
        programs = min(triton.cdiv(n, BLOCK), PROGRAMS)
        _sigmoid[(programs,)](
            logits, _bytes(labels.contiguous()), losses, out, sums, n, divisor,
            LOSS=loss, GRAD=out is not None, SUM=total, BLOCK=BLOCK, enable_fp_fusion=False,
        )  # fmt: skip
    return losses, out, None if sums is None else sums.sum()


def sparse_softmax(
    logits: torch.Tensor, labels: torch.Tensor, *, out: torch.Tensor | None = None, divisor: int = 1
) -> torch.Tensor:
    """Return the loss of each row of contiguous logits; nan for a label outside the classes.

    ``out``, contiguous as the logits are, takes the gradient divided by ``divisor``.
    """
    losses = logits.new_empty(labels.shape)
    if labels.numel():
        classes = logits.shape[-1]
        _sparse_softmax[(labels.numel(),)](
            logits, labels.contiguous(), losses, out, classes, divisor,
            GRAD=out is not None, BLOCK=min(triton.next_power_of_2(classes), 4 * BLOCK), enable_fp_fusion=False,
        )  # fmt: skip
    return losses


def _bytes(labels: torch.Tensor) -> torch.Tensor:
    """Return bools as bytes, which a kernel can load."""
    return labels.view(torch.uint8) if labels.dtype == torch.bool else labels
