"""What imports what: nothing without need, and each ring looks only inward, in Python and in C++."""

import ast
import graphlib
import pathlib
import re

import pytest

import logitloss

from .. import ROOT
from ..processes import UNNEEDED, imported_by, run

SOURCE = pathlib.Path(logitloss.__file__).parent
CORE = ROOT / "cpp"


# --- the public face -------------------------------------------------------------------------------------------------


def public_names(statement):
    """What ``dir(logitloss)`` shows after a statement, without the dunders of every module."""
    got = run(f"{statement}\nimport logitloss\nprint(*(n for n in dir(logitloss) if n != '__dir__'))")
    assert got.stderr == ""
    return {name for name in got.stdout.split() if name == "__version__" or not name.startswith("__")}


def test_dir_shows_the_public_names_alone():
    assert public_names("") == set(logitloss.__all__)
    assert public_names("import logitloss.boosting, logitloss._numpy") == {*logitloss.__all__, "boosting"}


def test_every_public_name_is_documented():
    page = (ROOT / "docs" / "api.md").read_text()
    for name in logitloss.__all__:
        assert name == "__version__" or re.search(rf"\b{name}\b", page), name


# --- imports of other packages ---------------------------------------------------------------------------------------


def test_import_needs_numpy_alone():
    assert not imported_by("import logitloss") & UNNEEDED


def test_the_import_test_can_fail():
    assert imported_by("import logitloss, pyarrow") & UNNEEDED == {"pyarrow"}


def test_import_adds_few_modules():
    """A time is no test on a busy machine; the modules that take it are."""
    code = "import sys, numpy; before = set(sys.modules); import logitloss; print(*sorted(set(sys.modules) - before))"
    added = [name for name in run(code).stdout.split() if not name.startswith("logitloss")]
    assert len(added) < 5, added


# --- rings of Python modules -----------------------------------------------------------------------------------------

# From the innermost ring to the outermost; a name stands for a module or for a package with all its modules.
RINGS = [
    ["_core"],
    ["_checks", "_chunks", "_dispatch", "_exact", "_formulas", "_intervals", "_masks", "_numpy", "_threads", "ufuncs"],
    ["_array_api", "_pandas", "_xarray", "boosting", "dask", "jax", "keras", "sklearn", "tensorflow", "torch"],
    ["_environment", "_sigmoid", "_softmax", "__init__"],
    ["__main__", "_scores", "_terminal", "accuracy", "bench", "cli", "evaluate"],
]
RING_OF = {name: number for number, ring in enumerate(RINGS) for name in ring}
ADAPTERS, COMMAND = 2, 4
OF_A_FRAMEWORK = {
    "torch/_triton": {"torch", "triton"},  # kernels on its tensors, imported by its adapter alone
    "_pandas": {"pandas"},
    "_xarray": {"xarray"},
    "_intervals": {"scipy"},  # imported where scikit-learn or SciPy is there
}


def module_of(path, root):
    """The name of a file: ``_checks`` or ``torch/losses``."""
    return path.relative_to(root).as_posix().removesuffix(".py")


def imports_of(path, root):
    """What a file imports, at its top or inside a function: the names of our modules, and of other packages.

    Our modules are given as paths such as ``torch/losses``, other packages as ``torch.``.
    """
    module = module_of(path, root)
    package = module.split("/")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets = [(alias.name.split("."), 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            targets = [([*base, alias.name], node.level) for alias in node.names]
        else:
            continue
        for parts, level in targets:
            if level:
                yield from ours(package[: len(package) - (level - 1)], parts, root)
            elif parts[0] == "logitloss":
                yield from ours([], parts[1:], root)
            else:
                yield f"{parts[0]}."


def ours(package, parts, root):
    """The longest path of a name that is a module: ``from .torch import losses`` and ``from .torch.losses import f``."""
    path = [*package, *parts]
    while path and not any((root / "/".join(path)).with_suffix(suffix).exists() for suffix in ("", ".py", ".pyi")):
        path.pop()
    yield "/".join(path) or "__init__"


def ring_of(module):
    return RING_OF.get(module.partition("/")[0], len(RINGS))


def ring_breaches(root):
    """Imports that look outward, across two adapters, or to a package that is not the adapter's own."""
    for path in sorted(root.rglob("*.py")):
        module = module_of(path, root)
        top = module.partition("/")[0]
        if top not in RING_OF:
            yield f"{module} is in no ring"
            continue
        for target in sorted(set(imports_of(path, root))):
            if target.endswith("."):
                own = {top, *OF_A_FRAMEWORK.get(module, ())}
                outward = ring_of(module) < COMMAND and target[:-1] in UNNEEDED - own
            else:
                outward = ring_of(target) > ring_of(module)
                outward |= ring_of(target) == ring_of(module) == ADAPTERS and target.partition("/")[0] != top
            if outward:
                yield f"{module} imports {target.rstrip('.')}"


def test_rings():
    assert list(ring_breaches(SOURCE)) == []


def write(root, **files):
    """Write source files by names in which two underscores stand for a folder."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_ring_test_can_fail(tmp_path):
    write(
        tmp_path,
        _checks="def f():\n    import torch.nn\n    from . import _sigmoid\n",
        _numpy="from jax import numpy\nfrom ._checks import f\n",
        _sigmoid="from . import _checks\nfrom .torch.losses import g\n",
        cli="import typer\nfrom logitloss import _sigmoid\n",
        surprise="",
        jax__losses="import jax\nfrom .. import _sigmoid as losses\nfrom ..torch import losses as others\n",
        torch__losses="import torch\nimport jax\nfrom . import _triton\nfrom .._numpy import f\nimport logitloss.cli\n",
        torch___triton="import triton\nimport torch\n",
    )
    assert list(ring_breaches(tmp_path)) == [
        "_checks imports _sigmoid",
        "_checks imports torch",
        "_numpy imports jax",
        "jax/losses imports _sigmoid",
        "jax/losses imports torch/losses",
        "surprise is in no ring",
        "torch/losses imports cli",
        "torch/losses imports jax",
    ]


def check_no_cycle(root):
    """Raise if modules inside the rings of the losses import each other in a circle."""
    graph = {}
    for path in root.rglob("*.py"):
        module = module_of(path, root)
        if ring_of(module) < COMMAND:
            graph[module] = {name for name in imports_of(path, root) if not name.endswith(".")} - {module}
    graphlib.TopologicalSorter(graph).prepare()


def test_no_cycle():
    check_no_cycle(SOURCE)


def test_the_test_of_cycles_can_fail(tmp_path):
    write(tmp_path, _checks="from . import _exact\n", _exact="def f():\n    from ._checks import g\n")
    with pytest.raises(graphlib.CycleError):
        check_no_cycle(tmp_path)


# --- errors, and where the code of a loss stands ---------------------------------------------------------------------


def sentences_outside_checks(package):
    """Where a package with a ``_checks.py`` raises an error whose text stands elsewhere."""
    for path in sorted(package.glob("*.py")):
        module = path.name.removesuffix(".py")
        if module == "_checks" or module in ("boosting", "keras", "sklearn") or RING_OF.get(module) == COMMAND:
            continue  # a framework of one file has its errors in that file
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
                yield f"{module}, line {node.lineno}"


PACKAGES = [SOURCE]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_errors_come_from_one_module_of_a_package(package):
    assert list(sentences_outside_checks(package)) == []


def test_the_test_of_errors_can_fail(tmp_path):
    write(
        tmp_path, _checks="raise ValueError('a')\n", _numpy="\nraise TypeError('b')\n", keras="raise TypeError('c')\n"
    )
    assert list(sentences_outside_checks(tmp_path)) == ["_numpy, line 2"]


HOLDERS = ["_numpy.py", "_formulas.py", "_array_api.py", "dask.py", "keras.py", "torch", "jax", "tensorflow"]


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "softmax_cross_entropy"])
def test_one_search_finds_all_code_of_a_loss(loss):
    """Its stem stands in every ring, in the name of a file or in its text."""
    holders = [SOURCE / f"_{loss.partition('_')[0]}.py", *(SOURCE / name for name in HOLDERS)]
    for holder in (*holders, *(CORE / ring for ring in ("binding", "loops", "math"))):
        files = [holder] if holder.is_file() else [path for path in holder.rglob("*") if path.suffix != ".pyc"]
        assert any(loss in path.name or (path.is_file() and loss in path.read_text()) for path in files), holder


# --- rings of C++ files ----------------------------------------------------------------------------------------------

# The folders whose headers a folder may include, beside its own. logitloss.h says what the binding asks of the core.
MAY_INCLUDE = {
    "math": set(),
    "sums": {"math", "runtime", "logitloss.h"},
    "loops": {"math", "sums", "logitloss.h"},
    "runtime": {"sums", "logitloss.h"},
    "binding": {"runtime", "sums", "logitloss.h"},
    "logitloss.h": {"sums"},
}


def cpp_breaches(root):
    """Includes that look outward, Python outside of the binding, and pointers among the maths."""
    for path in sorted(root.rglob("*.[ch]*")):
        file, text = path.relative_to(root).as_posix(), path.read_text()
        ring = file.partition("/")[0]
        for header in re.findall(r'^#include "(.*)"', text, re.MULTILINE):
            target = header.partition("/")[0] if (root / header).exists() else ring
            if target != ring and target not in MAY_INCLUDE[ring]:
                yield f"{file} includes {header}"
        if ring != "binding" and re.search(r"#include <(Python\.h|nanobind|numpy)", text):
            yield f"{file} sees Python"
        if ring == "math" and re.search(r"\bchar ?\*", text):
            yield f"{file} sees pointers"


def test_rings_of_the_core():
    assert list(cpp_breaches(CORE)) == []


def test_the_ring_test_of_the_core_can_fail(tmp_path):
    files = {
        "logitloss.h": "",
        "math/exp.h": '#include "logitloss.h"\n#include "double_double.h"\nvoid f(const char* data);\n',
        "math/double_double.h": "",
        "loops/loops.h": '#include <Python.h>\n#include "math/exp.h"\n#include "binding/tensors.h"\n',
        "binding/tensors.h": '#include <nanobind/nanobind.h>\n#include "logitloss.h"\n#include "math/double_double.h"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(cpp_breaches(tmp_path)) == [
        "binding/tensors.h includes math/double_double.h",
        "loops/loops.h includes binding/tensors.h",
        "loops/loops.h sees Python",
        "math/exp.h includes logitloss.h",
        "math/exp.h sees pointers",
    ]
