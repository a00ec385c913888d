"""The `logitloss` command: what it prints where, and its exit codes."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import logitloss
from logitloss._scores import evaluate
from logitloss.cli import app
from logitloss.evaluate import command, score
from logitloss.evaluate.input import read

MAIN = "from logitloss.cli import main; main()"  # what pip makes the command of


@pytest.fixture
def run(capsys):
    """Run the command in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exit:
            app([str(argument) for argument in arguments], prog_name="logitloss")
        return exit.value.code or 0, *capsys.readouterr()

    return run


def python(*arguments, **options):
    return subprocess.run([sys.executable, "-c", *arguments], capture_output=True, timeout=60, **options)


@pytest.fixture
def file(tmp_path):
    """Two groups of predictions, one of them with an infinite loss, and one with labels that are all the same."""
    table = {
        "x": np.float32([1, -2, 0.5, -np.inf, 3, -4]),
        "z": [True, False, False, True, False, False],
        "key": ["b", "b", "b", "[red]a", None, None],
    }
    pa.parquet.write_table(pa.table(table), tmp_path / "p.parquet")
    return tmp_path / "p.parquet"


@pytest.mark.parametrize("format", ["table", "json", "csv", "md"])
def test_the_scores_in_every_form(run, file, format):
    """What the forms look like is tested in test_report.py."""
    code, out, err = run("eval", file, "--logits", "x", "--labels", "z", "--by", "key", "--format", format)
    assert (code, err) == (0, "")
    want = io.StringIO()
    command.WRITERS[format](score(file, logits="x", labels="z", by=["key"]), want)
    assert out == want.getvalue()
    assert "[red]a" in out.replace("\\", "")


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_bad_input_is_one_line_on_stderr_and_nothing_else(run, file, tmp_path, format):
    (tmp_path / "bad.csv").write_text("x,z\n1,0\n1,5\n")
    code, out, err = run("eval", tmp_path / "bad.csv", "--logits", "x", "--labels", "z", "--format", format)
    assert (code, out) == (2, "")
    assert err == (
        f"logitloss eval: {tmp_path}/bad.csv: column 'z', row 2 (the first row of data is row 1): got '5', expected a number "
        "from 0 to 1; correct the value or leave the row out\n"
    )
    code, out, err = run("eval", file, tmp_path / "none.csv", "--logits", "x", "--labels", "z", "--format", format)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [["eval"], ["eval", "p.csv", "--logits", "x"], ["eval", "p.csv", "--format", "xml"], ["score"], ["--unknown"]],
)
def test_usage_errors(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert "Usage: logitloss" in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "option",
    [
        *("--logits", "--labels", "--by", "--weights", "--cluster", "--sql", "--compare"),
        *("--other-logits", "--report", "--title", "--state", "--dask", "FILE"),
    ],
)
def test_an_empty_text_is_a_usage_error_and_not_an_absent_option(run, file, option):
    arguments = ["eval", file, "--logits", "x", "--labels", "z"]
    code, out, err = run(*arguments, *([""] if option == "FILE" else [option, ""]))
    assert (code, out) == (2, "")
    assert "got an empty text" in err
    assert option == "FILE" or option in err


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("command", ["eval", "merge"])
def test_a_limit_is_a_finite_number(run, file, command, value):
    columns = ["--logits", "x", "--labels", "z"] if command == "eval" else []
    code, out, err = run(command, file, *columns, "--max-loss", value)
    assert (code, out) == (2, "")
    assert f"got {value}, expected a finite number" in err
    assert "--max-loss" in err


def test_very_many_groups_are_warned_of(run, tmp_path):
    for groups, warned in (
        (1000, ""),
        (1001, "warning: --by 'id' makes 1,001 groups; is it an id rather than a category?"),
    ):
        table = {"x": np.full(groups, 2.0), "z": np.arange(groups) % 2, "id": np.arange(groups)}
        pa.parquet.write_table(pa.table(table), tmp_path / "p.parquet")
        code, out, err = run("eval", tmp_path / "p.parquet", "-x", "x", "-y", "z", "-b", "id", "-f", "csv")
        assert (code, out.count("\n")) == (0, groups + 2)
        assert err == (f"logitloss: {warned}\n" if warned else "")


def test_short_options(run, file, tmp_path):
    long = run("eval", file, "--logits", "x", "--labels", "z", "--by", "key", "--format", "json")
    short = run("eval", file, "-x", "x", "-y", "z", "-b", "key", "-f", "json", "-o", tmp_path / "p.html")
    assert short == long
    assert (tmp_path / "p.html").exists()


@pytest.fixture
def two(tmp_path):
    """Two models on 400 rows, of which the second is as good as the first but for noise, and a third that is worse."""
    r = np.random.default_rng(0)
    x = r.normal(0, 2, 400)
    table = {"z": r.random(400) < 1 / (1 + np.exp(-x)), "x": x, "same": x + r.normal(0, 0.1, 400), "worse": x - 2}
    table |= {"k": np.arange(400) % 2, "c": np.arange(400) % 40, "id": np.arange(400)}
    pa.parquet.write_table(pa.table(table), tmp_path / "two.parquet")
    pa.parquet.write_table(pa.table(table).take(r.permutation(400)), tmp_path / "shuffled.parquet")
    return tmp_path / "two.parquet"


@pytest.mark.parametrize("clusters", [[], ["--cluster", "c"]])
def test_the_gate_for_two_models(run, two, clusters):
    comparing = ["eval", two, "-y", "z", "-b", "k", *clusters]
    assert run(*comparing, "-x", "same", "--other-logits", "x", "--no-worse-by", "0.05")[::2] == (0, "")
    assert run(*comparing, "-x", "same", "--other-logits", "x", "--no-worse-by", "0.05", "--per-group")[::2] == (0, "")
    code, out, err = run(*comparing, "-x", "worse", "--other-logits", "x", "--no-worse-by", "0.05")
    assert code == 1
    assert "other loss" in out
    assert err.startswith("logitloss eval: worse: the mean loss is 0.")
    code, _, err = run(*comparing, "-x", "worse", "--other-logits", "x", "--no-worse-by", "0.05", "--per-group")
    assert [line.partition("the mean loss")[0] for line in err.splitlines()] == [
        f"logitloss eval: {name}worse: " for name in ("", "k 0: ", "k 1: ")
    ]
    code, _, err = run(*comparing, "-x", "same", "--other-logits", "x", "--no-worse-by", "0", "--confidence", "0.9999")
    assert code == 1
    assert "inconclusive" in err
    assert "(confidence 0.9999)" in err
    assert f"more {'clusters' if clusters else 'rows'}" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["-x", "x", "--confidence", "0.9"],
            "--confidence and --per-group say how --no-worse-by is told; give that as well",
        ),
        (["-x", "x", "--per-group"], "--confidence and --per-group say how --no-worse-by is told; give that as well"),
        (
            ["-x", "x", "--no-worse-by", "0"],
            "--no-worse-by needs a model to compare with; give --compare or --other-logits",
        ),
        (
            ["-x", "x", "--other-logits", "y", "--no-worse-by", "0", "--confidence", "95"],
            "--confidence: got 95, expected a number between 0 and 1, such as 0.95",
        ),
    ],
)
def test_options_that_mean_nothing(run, two, arguments, text):
    assert run("eval", two, "-y", "z", *arguments) == (2, "", f"logitloss eval: {text}\n")


def test_json_says_nothing_that_differs_between_equal_data(run, file, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.parquet"
    copy.write_bytes(file.read_bytes())
    one, other = (run("eval", path, "-x", "x", "-y", "z", "-f", "json")[1] for path in (file, copy))
    assert one == other


def test_nothing_to_do_prints_the_help(run):
    _, out, err = run()  # the exit code depends on the version of typer
    assert "Usage: logitloss" in out + err


def test_version_and_help(run):
    assert run("--version") == (0, f"logitloss {logitloss.__version__}\n", "")
    code, out, _ = run("eval", "--help")
    assert code == 0
    assert all(option in out for option in ("--logits", "--labels", "--by", "--format"))
    for panel in ("Columns", "Input", "Comparing two models", "Gates", "Output", "Running elsewhere"):
        assert f"─ {panel} ─" in out
    assert out.count("logitloss eval ") == 1 + 3  # usage and three examples
    assert "Exit status: 0 done; 1 a gate did not pass; 2 bad input" in " ".join(out.split())


def examples():
    """The examples of the help, as arguments."""
    return [shlex.split(line)[1:] for line in re.findall(r"`(logitloss eval .*)`", evaluate.__doc__)]


def test_the_examples_of_the_help_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = {"logit": [0.5, -1.0], "label": [1, 0], "late": [1, 0], "carrier": ["a", "b"], "day": [1, 2]}
    for place in ("flights.parquet", "new.parquet", "old.parquet", "day=1/a.parquet", "day=2/b.parquet"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        pa.parquet.write_table(pa.table(rows), tmp_path / place)
    assert len(examples()) == 3
    for arguments in examples():
        assert run(*arguments)[0] == 0, arguments


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell):
    code = f"import sys; sys.argv = ['logitloss']; {MAIN}"
    environment = {
        **os.environ,
        "_LOGITLOSS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "logitloss eval --lo",
        "COMP_CWORD": "2",
    }
    environment |= {"_TYPER_COMPLETE_ARGS": "logitloss eval --lo", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert "--logits" in python(code, text=True, env=environment).stdout


def test_ctrl_c(run, file, monkeypatch):
    monkeypatch.setattr(read, "_read", lambda *_: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores the signal
    try:
        done = run("eval", file, "--logits", "x", "--labels", "z")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == (130, "", "logitloss eval: interrupted; nothing was printed\n")


def test_info(run):
    code, out, _ = run("info")
    lines = {line[:16].strip(): line[17:] for line in out.splitlines()}
    assert code == 0
    assert lines["logitloss"] == logitloss.__version__
    assert lines["instruction set"].split()[0] == logitloss._core.isa()
    others = [isa for isa in logitloss._core.instruction_sets() if isa != logitloss._core.isa()]
    assert all(f"{isa} not used: " in lines["instruction set"] for isa in others)
    assert lines["threads"].split()[0] == str(logitloss.get_num_threads())
    assert lines["numpy"] == np.__version__
    assert lines["pyarrow"] == pa.__version__
    missing = lines["not installed"].split(", ")
    assert "pyarrow" not in missing
    assert set(missing) & set(lines) == set()


def imported_by(command):
    code = f"import sys; sys.argv = ['logitloss', *{command!r}.split()]\ntry:\n    {MAIN}\nexcept SystemExit: pass\n"
    done = python(code + "print('\\n' + ' '.join(sys.modules))", text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_info_imports_no_framework(file):
    frameworks = {"pandas", "pyarrow", "dask", "xarray", "ml_dtypes", "torch", "jax", "tensorflow", "sklearn"}
    assert not frameworks & imported_by("info")
    assert "pyarrow" in imported_by(f"eval {file} --logits x --labels z")  # the check can fail


@pytest.mark.parametrize("package", ["typer", "pyarrow"])
def test_a_missing_package_is_named_with_the_way_to_install_it(file, package):
    hide = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['logitloss', 'eval', {str(file)!r}, '--logits', 'x'"
    )
    done = python(f"{hide}, '--labels', 'z']; {MAIN}", text=True)
    want = f'logitloss: this command needs {package}, which is not installed: pip install "logitloss[eval]"\n'
    assert (done.returncode, done.stdout, done.stderr) == (2, "", want)


@pytest.mark.parametrize("missing", ["rich.progress", "logitloss._core"])
def test_an_import_error_of_another_kind_is_not_hidden(missing):
    done = python(f"import sys; sys.modules[{missing!r}] = None; {MAIN}", text=True)
    assert done.returncode == 1
    assert missing in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "want"),
    [
        (
            "LOGITLOSS_ISA",
            "sse9",
            f"an instruction set of this processor ({', '.join(logitloss._core.isas())}), got 'sse9'. Unset",
        ),
        ("LOGITLOSS_NUM_THREADS", "many", "a number of threads from 1 to 65536, got 'many'. Unset it"),
    ],
)
def test_a_setting_of_the_environment_that_cannot_be_met(variable, value, want):
    """Where `import logitloss` raises, the command says the same in one line."""
    done = python(f"import sys; sys.argv = ['bin/logitloss']; {MAIN}", text=True, env={**os.environ, variable: value})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"logitloss: {variable}: expected {want}")
    with pytest.raises(subprocess.CalledProcessError):
        python("import logitloss", env={**os.environ, variable: value}, check=True)


@pytest.mark.parametrize("module", [["-m", "logitloss"], ["-mlogitloss"]])
def test_the_package_runs_as_a_module(module):
    command = [sys.executable, *module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"logitloss {logitloss.__version__}\n")
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LOGITLOSS_ISA": "sse9"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def arguments_for(file, format, *more):
    arguments = ["logitloss", "eval", str(file), "--logits", "x", "--labels", "z", "--by", "key", "--format", format]
    return f"import sys; sys.argv = {[*arguments, *more]!r}; {MAIN}"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_a_full_disk(file, format, unbuffered):
    command = [sys.executable, "-c", arguments_for(file, format)]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=60)
    assert done.returncode == 2
    assert done.stderr == b"logitloss: the output could not be written: No space left on device\n"


@pytest.mark.parametrize(
    "arguments",
    [*(["eval", "FILE", "-x", "x", "-y", "z", "-f", format] for format in ("table", "json", "csv", "md")),
     ["merge", "STATE", "-f", "csv"], ["eval", "--help"], ["--help"], ["info"], ["--version"]],
)  # fmt: skip
def test_a_reader_that_has_seen_enough(file, tmp_path, arguments):
    """A shell's status for a closed pipe, and not 1, which is the gates'."""
    score(file, logits="x", labels="z", state=tmp_path / "s.state")
    names = {"FILE": str(file), "STATE": str(tmp_path / "s.state")}
    arguments = [names.get(one, one) for one in arguments]
    code = f"import sys; sys.argv = ['logitloss', *{arguments!r}]; {MAIN}"
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run([sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, timeout=60)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_closed_pipe_is_told_from_a_gate_that_did_not_pass(file):
    assert python(arguments_for(file, "csv", "--max-loss", "0.1")).returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_a_closed_output_is_told_from_a_gate_that_did_not_pass(file):
    command = f"{shlex.quote(sys.executable)} -m logitloss eval {shlex.quote(str(file))} -x x -y z >&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "logitloss eval: standard output is closed; open it, or send it to /dev/null\n"


def test_what_nobody_foresaw_is_told_from_a_gate_that_did_not_pass(run, file, monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError("not foreseen")

    monkeypatch.setattr(command, "score", fail)
    code, out, err = run("eval", file, "-x", "x", "-y", "z")
    assert (code, out) == (2, "")
    assert err.startswith("Traceback")
    assert err.endswith("ZeroDivisionError: not foreseen\n")


@pytest.mark.parametrize("format", ["csv", "md"])
def test_resumed_and_merged_runs_end_in_order(file, tmp_path, format):
    """Seen: an abort as Python ends, in a third of the runs, from Arrow's thread holding a file object of Python."""
    state = tmp_path / "s.state"
    score(file, logits="x", labels="z", state=state)
    merging = f"import sys; sys.argv = ['logitloss', 'merge', {str(state)!r}, '-f', {format!r}]; {MAIN}"
    resuming = arguments_for(file, format, "--state", str(state)).replace("'--by', 'key', ", "")
    for code in [merging, resuming] * 5:
        done = python(code, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_a_key_that_the_terminal_cannot_show(tmp_path, format):
    pa.parquet.write_table(pa.table({"x": [0.0], "z": [0], "key": ["é"]}), tmp_path / "p.parquet")
    done = python(arguments_for(tmp_path / "p.parquet", format), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\xe9" in done.stdout or rb"\u00e9" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_is_shown_on_a_terminal_alone_and_never_on_stdout(file):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        done = subprocess.run(
            [sys.executable, "-c", arguments_for(file, "csv")],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=environment,
            timeout=60,
        )
    shown = os.read(ours, 1 << 16)
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout.startswith(b"scope,key,rows")
    assert b"6 rows" in shown
    silent = python(arguments_for(file, "csv"))
    assert (silent.stdout, silent.stderr) == (done.stdout, b"")
