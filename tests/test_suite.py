"""The tests themselves: a run of what was skipped runs just that."""

import subprocess
import sys

from . import ROOT

TESTS = ROOT / "tests"


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
