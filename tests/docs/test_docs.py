"""What the documents show is what happens: docstrings, the README's blocks, its commands."""

import contextlib
import doctest
import importlib
import io
import re
import shlex

import numpy as np
import pytest

from .. import ROOT
from ..oracle import bits

README = (ROOT / "README.md").read_text()
FRAMEWORK_PAGES = sorted((ROOT / "docs" / "frameworks").glob("*.md"))


def blocks_of(text):
    """The language and the text of each block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


BLOCKS = blocks_of(README)


@pytest.mark.parametrize("module", ["_sigmoid", "_softmax", "_exact", "ufuncs", "_threads"])
def test_docstrings(module):
    module = importlib.import_module(f"logitloss.{module}")
    failures, tried = doctest.testmod(module)
    assert failures == 0
    assert tried > 0 or module.__name__ == "logitloss._threads"


def test_every_public_function_has_an_example_and_its_sections():
    import logitloss

    for name in logitloss.__all__:
        doc = getattr(logitloss, name).__doc__
        if name.endswith(("logits", "grad", "hess", "total")):
            for section in ("::", "Special values:", "Accuracy:", "Source:", ">>>"):
                assert section in doc, (name, section)


def test_the_docstring_of_a_loss_stands_alone():
    """It sends no reader to another one for its formula, shapes, special values, accuracy or errors."""
    import logitloss

    for name in logitloss.__all__:
        if "cross_entropy" in name:
            doc = getattr(logitloss, name).__doc__
            assert not re.search(r"as above|as in :|(those|that) of\s+:func:|is that of :", doc, re.IGNORECASE), name
            for topic in ("float16, bfloat16", "ValueError", "TypeError"):
                assert topic in doc, (name, topic)


def printed_blocks(blocks):
    """Python blocks, each with the output block behind it."""
    for (language, code), (after, output) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            yield pytest.param(code, output if after == "" else "", id=code.split("\n")[0])


def printed_by(code, place, names):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, place, "exec"), names)
    return printed.getvalue()


@pytest.mark.parametrize(("code", "output"), list(printed_blocks(BLOCKS)))
def test_readme_python(code, output):
    assert output
    assert printed_by(code, "README.md", {}) == output


@pytest.mark.filterwarnings("ignore:Failed to import numba", "ignore:Can't optimze method")  # CatBoost's
@pytest.mark.parametrize("page", FRAMEWORK_PAGES, ids=lambda page: page.stem)
def test_framework_pages(page):
    """A page's Python blocks in their order, as one session; a missing framework ends it."""
    names = {}
    for code, output in (block.values for block in printed_blocks(blocks_of(page.read_text()))):
        try:
            assert printed_by(code, page.name, names) == output
        except ModuleNotFoundError as missing:
            pytest.skip(f"needs {missing.name}")
    assert names


NUMBERS = {
    "∞": "inf",
    "−z": "0-z",
    "−0": "-0.0",
    "−": "-",
    "·": "*",
    "±": "",
    "ln 2": "log(2)",
    "<sup>": "(2.0**",
    "2(2.0**": "(2.0**",
    "</sup>": ")",
}
EDGES = re.search(r"^\| x \| loss z=0 .*\n\|[-|]*\n((?:\|.*\n)*)", README, re.MULTILINE)[1].splitlines()


def in_cell(cell, x, z, part=None):
    """The number that a cell of the table stands for; of numbers for the labels 0, 0.5 and 1, one."""
    for sign, python in NUMBERS.items():
        cell = cell.replace(sign, python)
    parts = cell.partition(", at ")[0].split(", ")
    return eval(parts[part if len(parts) == 3 else 0], {"inf": np.inf, "nan": np.nan, "log": np.log, "x": x, "z": z})


@pytest.mark.parametrize("row", EDGES, ids=lambda row: row.split("|")[1].strip())
def test_readme_edges(row):
    """The table, bit by bit: every number that it prints is what the library gives."""
    import logitloss

    name, *losses, gradient, hessian = (cell.strip() for cell in row.strip("|").split("|"))
    x = in_cell(name.partition(" ")[0], None, None)
    for dtype in ["f4"] if "float32" in name else ["e", "f4", "f8"]:
        for logit in [x, -x] if "±" in name else [x, 150, 3e38] if "more" in name else [x]:
            for part, z in enumerate((0.0, 0.5, 1.0)):
                want = in_cell(losses[part], logit, z), in_cell(gradient, logit, z, part), in_cell(hessian, logit, z)
                logits, labels = np.array([logit], dtype), np.array([z], dtype)
                loss, slope = logitloss.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)
                got = loss, slope, logitloss.sigmoid_cross_entropy_grad_and_hess(labels=labels, logits=logits)[1]
                assert [bits(g)[0] for g in got] == [bits(np.array(w, dtype)) for w in want]


def commands():
    return [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


def test_readme_main_command(monkeypatch, capsys):
    """The words behind `logitloss` in the first command, run here; CI runs the second one as it stands."""
    pytest.importorskip("pyarrow")
    from logitloss.cli import main

    first, second = commands()
    assert second.endswith("-m pytest")
    arguments = shlex.split(first.rpartition("&&")[2])
    assert arguments[0].endswith("/logitloss")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["logitloss", *arguments[1:]])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert "327346" in capsys.readouterr().out


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"grep -e '(.*?)' README.md", script).group(1)
    assert [line for line in README.splitlines() if pattern in line] == [commands()[1]]


def test_the_documented_signature():
    import inspect

    import logitloss

    signature = inspect.signature(logitloss.sigmoid_cross_entropy_with_logits)
    assert [(p.name, p.default) for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY] == [
        ("_sentinel", None),
        ("labels", None),
        ("logits", None),
        ("name", None),
    ]


def rows_of(text):
    """The cells of each row of its tables."""
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]


def generated(name):
    return (ROOT / "docs" / "_generated" / name).read_text().replace(r"\|", "")


def test_the_readmes_errors_are_those_of_the_accuracy_page():
    section = README.partition("\n## Accuracy\n")[2].partition("\n## ")[0]
    names, *errors = [row for row in rows_of(section) if len(row) == 8 and not row[1].startswith("---")]
    assert [row[0] for row in errors] == ["loss", "gradient"]
    for output, *shown in errors:
        table = generated("accuracy_table.md").partition(f"| float32, {output} |")[2].partition("\n\n")[0]
        column = rows_of(f"| {output} |{table}")[0].index("hard, x < 100")
        measured = {row[0]: row[column].strip("*") for row in rows_of(table)}
        for name, text in zip(names[1:], shown, strict=True):
            for one in {"JAX (optax)": ["optax (JAX)"]}.get(name, name.split(", ")):
                assert text == measured[one] or float(text) == float(f"{float(measured[one]):.3g}"), (output, one)


def test_the_readmes_times_are_those_of_the_speed_page():
    section = README.partition("\n## Speed\n")[2].partition("\n## ")[0]
    rows = {row[0]: row for row in rows_of(generated("speed_aims.md"))}
    measured = []
    for case in ("losses into a given array, 16777216", "mean of the losses, its gradient, 16777216"):
        measured += [rows[case][2], rows[case][4].split()[-1]]
    assert re.findall(r"\d\.\d\d", section) == measured
