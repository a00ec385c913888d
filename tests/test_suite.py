"""The tests themselves: what they import, where they are named, and a run of what was skipped."""

import ast
import re
import subprocess
import sys

import pytest

from . import ROOT

TESTS = ROOT / "tests"


def imports_of_test_modules(root):
    """Where a test module is imported, anywhere in a file, as a module or from one."""
    for path in [root] if root.is_file() else root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
            else:
                continue
            for parts in (name.strip(".").split(".") for name in names):
                own = getattr(node, "level", 0) > 0 or parts[0] == "tests"
                if own and any(part.startswith("test_") for part in parts):
                    yield f"{path.relative_to(root).as_posix()} imports {'.'.join(parts)}"


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(path, id=path.name)
        for path in sorted(TESTS.iterdir())
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ],
)
def test_no_test_module_is_imported_by_another(place):
    assert list(imports_of_test_modules(place)) == []


def test_the_test_of_imports_can_fail(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "test_a.py").write_text("from jax.test_util import check_grads\nfrom ..edges import EDGES\n")
    (tmp_path / "core" / "test_b.py").write_text("def test():\n    from .test_a import check_grads\n")
    (tmp_path / "support.py").write_text("from .core import test_a\nimport tests.core.test_b\n")
    assert sorted(imports_of_test_modules(tmp_path)) == [
        "core/test_b.py imports test_a.check_grads",
        "support.py imports core.test_a",
        "support.py imports tests.core.test_b",
    ]


def files_that_name_tests():
    for folder in (".", "cpp", "docs", "proofs", "src", "tools"):
        for path in sorted((ROOT / folder).glob("*" if folder == "." else "**/*")):
            if path.suffix in (".md", ".py", ".h", ".cc", ".txt") and path.name != "CHANGELOG.md":
                yield path


def test_tests_named_elsewhere_exist():
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in files_that_name_tests()
        for name in re.findall(r"\btests/[\w/]+\.py\b", path.read_text())
    }
    assert [(path, name) for path, name in sorted(named) if not (ROOT / name).exists()] == []
    assert ("CONTRIBUTING.md", "tests/oracle.py") in named


def test_a_run_of_what_was_skipped(tmp_path):
    """A test, a case and a module that needed something; then it is there."""
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\n\n"
        "def test_always():\n    pass\n\n\n"
        "@pytest.mark.parametrize('module', ['math', 'framework'])\n"
        "def test_some(module):\n    pytest.importorskip(module)\n"
    )
    (tmp_path / "test_two.py").write_text(
        "import pytest\n\npytest.importorskip('framework')\n\n\ndef test_two():\n    pass\n"
    )

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-q", *options]
        return (
            subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            .stdout.strip()
            .splitlines()[-1]
        )

    assert "no run without it" in run("--skipped")
    assert run().startswith("2 passed, 2 skipped")
    (tmp_path / "framework.py").write_text("")
    for _ in range(2):  # a run of the skipped is no new record
        assert run("--skipped").startswith("2 passed, 2 deselected")
    assert run("--skipped", "test_two.py").startswith("1 passed in")
