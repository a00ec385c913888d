"""What the documents show is what happens: docstrings, the README's blocks, its commands."""

import contextlib
import doctest
import importlib
import io
import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HOST_PAGES = sorted((ROOT / "docs" / "hosts").glob("*.md"))


def blocks_of(text):
    """The language and the text of each block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


BLOCKS = blocks_of(README)


@pytest.mark.parametrize("module", ["losses", "softmax", "exact", "ufuncs", "threads"])
def test_docstrings(module):
    module = importlib.import_module(f"xent.{module}")
    failures, tried = doctest.testmod(module)
    assert failures == 0
    assert tried > 0 or module.__name__ == "xent.threads"


def test_every_public_function_has_an_example_and_its_sections():
    import xent

    for name in xent.__all__:
        doc = getattr(xent, name).__doc__
        if name.endswith(("logits", "grad", "hess", "total")):
            for section in ("::", "Special values:", "Accuracy:", "Source:", ">>>"):
                assert section in doc, (name, section)


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
@pytest.mark.parametrize("page", HOST_PAGES, ids=lambda page: page.stem)
def test_host_pages(page):
    """A page's Python blocks in their order, as one session; a host that is missing ends it."""
    names = {}
    for code, output in (block.values for block in printed_blocks(blocks_of(page.read_text()))):
        try:
            assert printed_by(code, page.name, names) == output
        except ModuleNotFoundError as missing:
            pytest.skip(f"needs {missing.name}")
    assert names


def commands():
    return [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


def test_readme_main_command(monkeypatch, capsys):
    """The words behind `xent` in the first command, run here; CI runs the second one as it stands."""
    pytest.importorskip("pyarrow")
    from xent.cli import main

    first, second = commands()
    assert second.endswith("-m pytest")
    arguments = shlex.split(first.rpartition("&&")[2])
    assert arguments[0].endswith("/xent")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["xent", *arguments[1:]])
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

    import xent

    signature = inspect.signature(xent.sigmoid_cross_entropy_with_logits)
    assert [(p.name, p.default) for p in signature.parameters.values()] == [
        ("_sentinel", None),
        ("labels", None),
        ("logits", None),
        ("name", None),
    ]
