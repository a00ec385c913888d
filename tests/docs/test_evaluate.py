"""What docs/evaluate.md shows is what its commands and its Python print, run one after the other."""

import contextlib
import importlib
import io
import re
import shlex

import pytest

from .. import ROOT

PAGE = (ROOT / "docs" / "evaluate.md").read_text()
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def lines(text):
    return [line.rstrip() for line in text.splitlines()]


def test_the_page_prints_what_it_shows(tmp_path, monkeypatch):
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    app = pytest.importorskip("logitloss.cli").app
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names, codes, shown = {}, [], 0
    for (language, code), (after, output) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        printed, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            if language == "python":
                exec(compile(code, "docs/evaluate.md", "exec"), names)
            elif language == "sh":
                program, *arguments = shlex.split(code.replace("\\\n", " "))
                assert program == "logitloss"
                with pytest.raises(SystemExit) as stopped:
                    app(arguments, prog_name=program)
                codes.append(stopped.value.code or 0)
        if after == "text":
            assert lines(printed.getvalue() + errors.getvalue()) == lines(output), code
            shown += 1
    assert codes == [0, 0, 1]
    assert shown == 6
    assert (tmp_path / "report.html").stat().st_size > 50_000


@pytest.fixture
def pictures(monkeypatch):
    """The script that takes the pictures."""
    for package in ("PIL", "scipy", "matplotlib", "jinja2"):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("evaluate_page")


def test_its_pictures_are_there_and_small(pictures):
    shown = re.findall(r"^```\{image\} (.*)$", PAGE, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in pictures.PICTURES.values())
    for path in pictures.PICTURES.values():
        assert path.stat().st_size < 200_000


def test_its_pictures_show_what_the_page_is_today(pictures):
    """If not, `python docs/evaluate_page.py` takes them again."""
    today = pictures.digest(pictures.html())
    for path in pictures.PICTURES.values():
        assert pictures.of(path) == today, "stale: run python docs/evaluate_page.py"


def test_a_picture_is_told_to_be_stale(pictures):
    text = pictures.html()
    assert pictures.digest(text.replace("327,346", "327,347")) != pictures.digest(text)
    assert pictures.digest(re.sub(r' d="M[^"]*"', ' d="M 0 0"', text)) == pictures.digest(text)
