"""What docs/evaluate.md shows is what its commands and its Python print, run one after the other."""

import contextlib
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
    assert shown == 4
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_its_pictures_are_there_and_small():
    pictures = re.findall(r"^```\{image\} (.*)$", PAGE, re.MULTILINE)
    assert len(pictures) == 2
    for picture in pictures:
        assert (ROOT / "docs" / picture).stat().st_size < 200_000
