"""What imports what: nothing without need, and each ring looks only inward."""

import ast
import pathlib

import logitloss

from .. import ROOT
from ..processes import UNNEEDED, imported_by, run

SOURCE = pathlib.Path(logitloss.__file__).parent
CORE = ROOT / "cpp"


def test_import_needs_numpy_alone():
    assert not imported_by("import logitloss") & UNNEEDED


def test_the_import_test_can_fail():
    assert imported_by("import logitloss, pyarrow") & UNNEEDED == {"pyarrow"}


def test_import_adds_few_modules():
    """A time is no test on a busy machine; the modules that take it are."""
    code = "import sys, numpy; before = set(sys.modules); import logitloss; print(*sorted(set(sys.modules) - before))"
    added = [name for name in run(code).stdout.split() if not name.startswith("logitloss")]
    assert len(added) < 5, added


def imports_of(path):
    """The top packages that a source file imports, whether at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


# A framework is imported in its own file alone; the command line, its reports, meter and bench are the outermost ring.
OUTER = ("cli.py", "_terminal.py", "evaluate", "accuracy", "bench")
OF_A_FRAMEWORK = {"torch/_triton.py": {"torch", "triton"}}  # kernels on its tensors, imported by its adapter alone


def ring_breaches(root):
    for path in root.rglob("*.py"):
        place = path.relative_to(root).as_posix()
        if not place.startswith(OUTER):
            # torch.py, _torch.py, or a file in torch/
            own = {place.partition("/")[0].removesuffix(".py").lstrip("_"), *OF_A_FRAMEWORK.get(place, ())}
            yield from (f"{place} imports {name}" for name in set(imports_of(path)) & UNNEEDED - own)


def test_rings():
    assert list(ring_breaches(SOURCE)) == []


def test_the_ring_test_can_fail(tmp_path):
    (tmp_path / "losses.py").write_text("def f():\n    import torch.nn\n    from jax import numpy\n")
    (tmp_path / "jax.py").write_text("import jax\n")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "losses.py").write_text("import torch\nimport jax\n")
    breaches = ["losses.py imports jax", "losses.py imports torch", "torch/losses.py imports jax"]
    assert sorted(ring_breaches(tmp_path)) == breaches


def cpp_breaches(root):
    """Maths files see no pointers and no Python, loops no Python; only the binding files see objects."""
    for path in root.rglob("*.[ch]*"):
        text, place = path.read_text(), path.relative_to(root).as_posix()
        binding = place.startswith("binding/")
        if not binding and ("Python.h" in text or "nanobind" in text or "numpy" in text):
            yield f"{place} sees Python"
        if place.startswith("math/") and ("char*" in text or "logitloss.h" in text):
            yield f"{place} sees pointers"


def test_rings_of_the_core():
    assert list(cpp_breaches(CORE)) == []


def test_the_ring_test_of_the_core_can_fail(tmp_path):
    (tmp_path / "math").mkdir()
    (tmp_path / "math" / "exp.h").write_text('#include "logitloss.h"\n')
    (tmp_path / "loops.h").write_text("#include <Python.h>\n")
    assert sorted(cpp_breaches(tmp_path)) == ["loops.h sees Python", "math/exp.h sees pointers"]
