"""PyTorch: what is wrong with the arguments, in torch's own kinds of error."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from .support import leaf  # noqa: E402

X, Z, Y = torch.ones(4, 3), torch.ones(4, 3), torch.tensor([0, 1, 2, 0])
bce, ce = ours.binary_cross_entropy_with_logits, ours.cross_entropy
lib, soft, sparse = (
    lambda x, z, f=f, **options: f(logits=x, labels=z, **options)
    for f in (
        logitloss.sigmoid_cross_entropy_with_logits,
        logitloss.softmax_cross_entropy_with_logits,
        logitloss.sparse_softmax_cross_entropy_with_logits,
    )
)
ERRORS = [
    (lambda: bce([1.0], Z), TypeError, "input must be a torch.Tensor, got list. Convert with torch.as_tensor."),
    (lambda: bce(None, None), TypeError, "input must be a torch.Tensor, got NoneType. Convert with torch.as_tensor."),
    (lambda: bce(X, None), TypeError, "target must be a torch.Tensor, got NoneType. Convert with torch.as_tensor."),
    (lambda: bce(X, [1.0]), TypeError, "target must be a torch.Tensor, got list. Convert with torch.as_tensor."),
    (lambda: bce(X, Z, [1.0]), TypeError, "weight must be a torch.Tensor, got list. Convert with torch.as_tensor."),
    (lambda: bce(X, Z[:2]), ValueError, "target must have the shape of input, got target of shape (2, 3) for input of shape (4, 3). Reshape one."),
    (lambda: bce(X.long(), Z), NotImplementedError, "input must be float16, bfloat16, float32 or float64, got dtype torch.int64. Convert with input.to(...)."),
    (lambda: bce(X + 0j, Z), NotImplementedError, "input must be float16, bfloat16, float32 or float64, got a complex one (torch.complex64). Pass real numbers."),
    (lambda: bce(X, Z + 0j), NotImplementedError, "target must be a float of at most 64 bits, an integer or bool, got a complex one (torch.complex64). Pass real numbers."),
    (lambda: bce(X.to_sparse(), Z), NotImplementedError, "input must be a dense tensor, got layout torch.sparse_coo. Convert with input.to_dense()."),
    (lambda: bce(X, Z.to("meta")), RuntimeError, "input and target must be on one device, got cpu and meta. Move one with target.to(input.device)."),
    (lambda: bce(X, Z, pos_weight=Z.to("meta")), RuntimeError, "input and pos_weight must be on one device, got cpu and meta. Move one with pos_weight.to(input.device)."),
    (lambda: bce(X, Z, torch.ones(7)), RuntimeError, "weight must broadcast to the shape of input without enlarging it, got (7,) for input of shape (4, 3). Pass a scalar or one weight per last axis."),
    (lambda: bce(X, Z, pos_weight=torch.ones(2, 4, 3)), RuntimeError, "pos_weight must broadcast to the shape of input without enlarging it, got (2, 4, 3) for input"),
    (lambda: bce(X, Z, reduction="avg"), ValueError, "reduction must be 'mean', 'sum' or 'none', got 'avg'. Pass one of them."),
    (lambda: ce(X, Y[:2]), ValueError, "target must have class indices of shape (4,), or probabilities of the shape of input, (4, 3), got shape (2,). Reshape one."),
    (lambda: ce(X, Z[:, :2].long()), RuntimeError, "target must have class indices of shape (4,), or probabilities of the shape of input, (4, 3), got shape (4, 2). Reshape one."),
    (lambda: ce(torch.tensor(1.0), Y), ValueError, "input must have at least one class, of shape (C), (N, C) or (N, C, ...), got (). Pass one logit per class."),
    (lambda: ce(X[:, :0], Y), ValueError, "input must have at least one class, of shape (C), (N, C) or (N, C, ...), got (4, 0)."),
    (lambda: ce(X, Y.float()), RuntimeError, "target must be integer class indices, or have the shape of input, (4, 3), got dtype torch.float32 and shape (4,). Convert with target.long()."),
    (lambda: ce(X, Y + 1), IndexError, "target must be class indices from 0 to 2, got 3 at target[2]. Correct it, or drop the row."),
    (lambda: ce(X, Y, torch.ones(2)), RuntimeError, "weight must have shape (3,), one for each class, got (2,). Reshape it."),
    (lambda: ce(X, Y, label_smoothing=1.5), RuntimeError, "label_smoothing must be from 0 to 1, got 1.5. It is a fraction of each target."),
    (lambda: ce(X, Y, label_smoothing="a"), TypeError, "label_smoothing must be a number, got 'a'. It is a fraction of each target."),
    (lambda: ce(X, Y, ignore_index=1.5), TypeError, "ignore_index must be an integer of 64 bits, got 1.5. Pass a class index."),
    (lambda: ce(X, Y, ignore_index=2**63), TypeError, "ignore_index must be an integer of 64 bits, got 9223372036854775808. Pass"),
    (lambda: ce(X, Z, ignore_index=1), RuntimeError, "ignore_index is for class indices, got 1 with probabilities. Leave it out, and drop the rows to ignore."),
    (lambda: lib(X, None, name="n"), ValueError, "n: both labels and logits must be provided, labels missing. Pass both."),
    (lambda: lib(X, Z[0], name="n"), ValueError, "n: logits and labels must have the same shape, got (4, 3) and (3,)."),
    (lambda: lib(X.long(), Z, name="n"), TypeError, "n: logits must be float16, bfloat16, float32 or float64, got dtype torch.int64. Convert with logits.to(...)."),
    (lambda: lib(X, Z.to_sparse(), name="n"), TypeError, "n: labels must be a dense tensor, got layout torch.sparse_coo."),
    (lambda: lib(X, "a"), TypeError, "labels must be a torch.Tensor, got str. Convert with torch.as_tensor."),
    (lambda: ours.sigmoid_cross_entropy_with_logits(logits=[1.0], labels=[1.0]), TypeError, "logits must be a torch.Tensor, got list."),
    (lambda: logitloss.weighted_cross_entropy_with_logits(logits=X, labels=Z, pos_weight=[1, 2]), ValueError, "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (4, 3)."),
    (lambda: soft(X, Z[:2]), ValueError, "labels must have the shape of logits, or broadcast to it without enlarging it, got (2, 3) for logits of shape (4, 3)."),
    (lambda: soft(X, Z, axis=2), ValueError, "axis must be an integer from -2 to 1 for logits of shape (4, 3), got 2."),
    (lambda: sparse(X, Y + 1), ValueError, "labels must be class indices from 0 to 2, got 3 at labels[2]."),
    (lambda: sparse(X, Y.float()), TypeError, "labels must be integer class indices, got dtype torch.float32."),
    (lambda: logitloss.sigmoid_cross_entropy_mean_and_grad(logits=leaf(X), labels=Z, out=X), RuntimeError, "out cannot take a gradient that is differentiated in its turn. Leave it out, or detach the logits."),
    (lambda: logitloss.sigmoid_cross_entropy_mean_and_grad(logits=X, labels=Z, out=X.double()), TypeError, "out must be a tensor of dtype torch.float32, that of logits, got torch.float64. Allocate it like logits."),
    (lambda: logitloss.sigmoid_cross_entropy_mean_and_grad(logits=X, labels=Z, out=X[0]), ValueError, "out must have shape (4, 3), that of logits, got (3,). Use torch.empty_like(logits)."),
    (lambda: logitloss.sigmoid_cross_entropy_total(logits=X.to("meta"), labels=Z.to("meta")), RuntimeError, "logits and labels must hold values to be summed exactly, got tensors that are traced, transformed or on the meta device. Sum the losses"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "kind", "text"), ERRORS)
def test_errors(wrong, kind, text):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        wrong()
    assert raised.type is kind
    assert str(raised.value).startswith(text)
