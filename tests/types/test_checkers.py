"""What type checkers say of right and wrong uses, each file with its framework installed and NumPy's with or without."""

import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent
USES = sorted(path.name for path in FOLDER.glob("*_uses.py"))


def output(tmp_path, *command):
    """What a checker prints, run away from the sources."""
    return subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True).stdout


def errors_of_mypy(path, tmp_path):
    if path.name.startswith("tensorflow") and not importlib.util.find_spec("tensorflow-stubs"):
        pytest.skip("mypy needs types-tensorflow")
    printed = output(tmp_path, "mypy", "--strict", "--no-error-summary", str(path))
    assert not re.search(r"^mypy: ", printed, re.MULTILINE), printed
    return {int(line) for line in re.findall(r":(\d+): error: ", printed)}, printed


def errors_of_pyright(path, tmp_path):
    printed = output(tmp_path, "pyright", "--pythonpath", sys.executable, "--outputjson", str(path))
    found = json.loads(printed)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"}, printed


CHECKERS = {"mypy": errors_of_mypy, "pyright": errors_of_pyright}


@pytest.mark.parametrize("uses", USES)
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_finds_the_wrong_uses_and_no_other(checker, uses, tmp_path):
    for module in (checker, "typing_extensions", uses.partition("_")[0]):
        if not importlib.util.find_spec(module):
            pytest.skip(f"needs {module}")
    lines = (FOLDER / uses).read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    assert len(wrong) >= 4
    found, printed = CHECKERS[checker](FOLDER / uses, tmp_path)
    assert found == wrong, printed


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_test_of_uses_can_fail(checker, tmp_path):
    if not importlib.util.find_spec(checker):
        pytest.skip(f"needs {checker}")
    (tmp_path / "uses.py").write_text("import numpy\n\nright: int = 1\nwrong: int = numpy.float32(1)\n")
    assert CHECKERS[checker](tmp_path / "uses.py", tmp_path)[0] == {4}
