"""What cannot be scored: every error word for word, truncated and damaged files, and any text at all."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logitloss.evaluate import InputError, engine, score
from logitloss.evaluate.input import read

from .support import columns, write

ROW_1 = "(the first row of data is row 1)"
MEND = "correct the value or leave the row out"
ENDINGS = ".parquet, .pq, .arrow, .arrows, .feather, .ipc, .orc, .csv, .jsonl, .ndjson, .json, or .csv.gz and the like"
DAMAGED = "the file may be truncated or damaged"


def csv(text):
    return "p.csv", text if isinstance(text, bytes) else text.encode()


def typed(**data):
    return "p.parquet", {"x": [1.0, 2.0, 3.0], "z": [0, 1, 0], **data}


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (csv("x,z\n1,0\n,1\n"), f"column 'x', row 2 {ROW_1}: got an empty cell, expected a number; {MEND}"),
        (csv("x,z\n1,0\n1,1\nNaN,1\n"), f"column 'x', row 3 {ROW_1}: got 'NaN', expected a number; {MEND}"),
        (csv("x,z\n\nabc,7\n"), f"column 'x', row 1 {ROW_1}: got 'abc', expected a number; {MEND}"),
        (csv("x,z\ntrue,1\n"), f"column 'x', row 1 {ROW_1}: got 'true', expected a number; {MEND}"),
        (csv(b"x,z\n1\xff,1\n"), f"column 'x', row 1 {ROW_1}: got '1\\\\xff', expected a number; {MEND}"),
        (csv("x,z\n1,0\n1,2\nq,0\n"), f"column 'z', row 2 {ROW_1}: got '2', expected a number from 0 to 1; {MEND}"),
        (csv("x,z\n1,0\n1,-1e-9\n"), f"column 'z', row 2 {ROW_1}: got '-1e-9', expected a number from 0 to 1; {MEND}"),
        (csv("x,z\n1,yes\n"), f"column 'z', row 1 {ROW_1}: got 'yes', expected a number from 0 to 1; {MEND}"),
        (
            csv("x,z\n1,0\n1\n"),
            f"cannot be read as CSV: row 2 {ROW_1} has 1 values, expected 2 as in the header; "
            "correct the row or leave it out",
        ),
        (
            csv(b"x,z,key\n1,0,ok\n1,0,\xff\n"),
            f"column 'key', row 2 {ROW_1}: got '\\\\xff', expected UTF-8 text; {MEND}",
        ),
        (
            csv('x,z,key\n1,0,"a\n1,1,b\n'),
            "cannot be read as CSV: it has an odd number of double quotes, so a quoted "
            'value never ends; the file may be truncated, or a quote in a value not written as ""',
        ),
        (csv(""), "is empty (0 bytes); leave it out, or write it again"),
        (csv("x,z,key\n"), "has no rows, and no rows have no mean; leave it out"),
        (csv("x, label\n1,0\n"), "no column 'z'; the columns are 'x', ' label'"),
        (typed(x=[1.0, None, 3.0]), f"column 'x', row 2 {ROW_1}: got null, expected a number; {MEND}"),
        (typed(x=[1.0, 2.0, math.nan]), f"column 'x', row 3 {ROW_1}: got nan, expected a number; {MEND}"),
        (typed(z=[0, None, 2]), f"column 'z', row 2 {ROW_1}: got null, expected a number from 0 to 1; {MEND}"),
        (typed(z=[True, None, False]), f"column 'z', row 2 {ROW_1}: got null, expected a number from 0 to 1; {MEND}"),
        (
            typed(z=[2**60 + 1, None, 0]),
            f"column 'z', row 1 {ROW_1}: got {2**60 + 1}, expected a number from 0 to 1; {MEND}",
        ),
        (
            csv("x,z\n" + "7" * 99 + "x,1\n"),
            f"column 'x', row 1 {ROW_1}: got '{'7' * 60}...', expected a number; {MEND}",
        ),
        (typed(z=[0, 1, 2]), f"column 'z', row 3 {ROW_1}: got 2, expected a number from 0 to 1; {MEND}"),
        (typed(z=[0, -1, 2]), f"column 'z', row 2 {ROW_1}: got -1, expected a number from 0 to 1; {MEND}"),
        (typed(z=[0, math.nan, 2]), f"column 'z', row 2 {ROW_1}: got nan, expected a number from 0 to 1; {MEND}"),
        (
            typed(z=[1.0, 1.0, 1.5], x=[1.0, 1.0, math.nan]),
            f"column 'x', row 3 {ROW_1}: got nan, expected a number; {MEND}",
        ),
        (
            typed(x=[1, 2, 3]),
            f"column 'x', row 1 {ROW_1}: got a value of type int64, as in the whole column, "
            "expected float16, float32 or float64; name another column, or cast this one",
        ),
        (
            typed(x=["1", "2", "x"]),
            f"column 'x', row 1 {ROW_1}: got a value of type string, as in the whole column, "
            "expected float16, float32 or float64; name another column, or cast this one",
        ),
        (
            typed(z=["1", "0", "x"]),
            f"column 'z', row 1 {ROW_1}: got a value of type string, as in the whole column, "
            "expected bool, an integer or a float; name another column, or cast this one",
        ),
        (
            typed(key=[{"a": 1}] * 3),
            f"column 'key', row 1 {ROW_1}: got a value of type struct<a: int64>, as in the whole "
            "column, expected text, numbers or dates to group by; name another column, or cast this one",
        ),
        (
            typed(x=pa.array([], pa.float32()), z=pa.array([], pa.bool_())),
            "has no rows, and no rows have no mean; leave it out",
        ),
        (("p.parquet", pa.table([[1.0], [2.0], [1]], ["x", "x", "z"])), "2 columns are named 'x'; rename all but one"),
        (
            ("p.txt", b"x,z\n1,1\n"),
            f"the name must end in one of {ENDINGS}, which says how to read it",
        ),
    ],
)
def test_error_texts(tmp_path, file, error):
    name, content = file
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, content)
    has_key = (
        b"key" in content if isinstance(content, bytes) else "key" in (content if isinstance(content, dict) else ())
    )
    with pytest.raises(InputError) as caught:
        score([path], logits="x", labels="z", by=["key"] if has_key else [])
    assert str(caught.value) == f"{path}: {error}"


@pytest.mark.parametrize(
    ("name", "content", "kind", "reason"),
    [
        ("p.csv", b"\n\n", "CSV", "Empty CSV file"),
        ("p.csv", b"x,\xff\n1,0\n", "CSV", "can't decode byte 0xff"),
        ("p.parquet", b"x,z\n1,1\n1,1\n", "Parquet", "Parquet magic bytes not found"),
        ("p.arrow", b"x,z\n" + 20 * b"1,1\n", "Arrow", "Not an Arrow file"),
    ],
)
def test_what_pyarrow_says_is_passed_on_in_one_line(tmp_path, name, content, kind, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        score([tmp_path / name], logits="x", labels="z")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / name}: cannot be read as {kind}: ")
    assert text.endswith(f"; {DAMAGED}")
    assert reason in text
    assert text.count(str(tmp_path)) == 1


@pytest.mark.parametrize(("batch", "piece"), [(7, 100), (100, 9), (30, 11)])
def test_the_row_of_an_error_counts_from_the_file_s_first_in_any_batch(tmp_path, monkeypatch, batch, piece):
    monkeypatch.setattr(read, "BATCH_ROWS", batch)
    monkeypatch.setattr(engine, "PIECE_ROWS", piece)
    monkeypatch.setattr(read, "CSV_BLOCK_BYTES", 64)
    data = {"x": np.zeros(100), "z": np.zeros(100)}
    good = write(tmp_path / "good.csv", data)
    data["z"][[41, 42, 90]] = 3
    for name in ("bad.csv", "bad.parquet", "bad.arrow"):
        with pytest.raises(InputError, match=rf"{name}: column 'z', row 42 .*: got '?3.0'?, expected"):
            score([good, write(tmp_path / name, data)], logits="x", labels="z")
    ragged = ["x,z,t", *["1,0,long enough"] * 40, "1,0"]
    (tmp_path / "ragged.csv").write_text("\n".join(ragged))
    with pytest.raises(InputError, match=r"row 41 \(the first row of data is row 1\) has 2 values, expected 3"):
        score([tmp_path / "ragged.csv"], logits="x", labels="z")


def test_errors_before_a_file_is_read(tmp_path, monkeypatch):
    good = write(tmp_path / "p.parquet", {"x": [1.0], "z": [0]})

    def error(files, **arguments):
        with pytest.raises(InputError) as caught:
            score(files, **{"logits": "x", "labels": "z", **arguments})
        return str(caught.value)

    (tmp_path / "folder.csv").mkdir()
    strange = tmp_path / "a\nb\x1b.parquet"
    assert error([]) == "no files to score; name at least one"
    assert error([good, "missing.csv"]) == "missing.csv: there is no such file or folder; check the path"
    assert error([tmp_path / "folder.csv"]).endswith(
        "folder.csv: no file in it has a name that ends in a known format, such as .parquet"
    )
    assert error([strange]) == f"{tmp_path}/a\\nb\\x1b.parquet: there is no such file or folder; check the path"
    assert error(good, labels="y") == f"{good}: no column 'y'; the columns are 'x', 'z'"
    assert error(good, by=["x", "k"]) == f"{good}: no column 'k'; the columns are 'x', 'z'"
    assert error(good, labels="x") == "columns named twice: logits 'x', labels 'x', by []; name each once"
    assert error(good, by=["z", "z"]) == "columns named twice: logits 'x', labels 'z', by ['z', 'z']; name each once"

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(read, "_format", refuse)
    assert error(good) == f"{good}: cannot be opened: Permission denied; check its permissions"


def sound_or_refused(path, content):
    """Score the bytes: their number of rows, or 0 for an error of one printable line. Anything else escapes."""
    path.write_bytes(content)
    try:
        report = score([path], logits="logit", labels="label", by=["carrier"])
    except InputError as error:
        text = str(error)
    else:
        assert sum(group.score.rows for group in report.groups) == report.overall.rows > 0
        return report.overall.rows
    assert text.isprintable()
    assert text.startswith(f"{path}: ")
    return 0


def small_file(path):
    data = columns(4)
    del data["month"]
    return write(path, data).read_bytes()


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow", "p.csv"])
def test_every_prefix_of_a_file_is_refused(tmp_path, name):
    content = small_file(tmp_path / name)
    assert sound_or_refused(tmp_path / name, content) == 4
    for size in range(len(content)):
        rows = sound_or_refused(tmp_path / name, content[:size])
        # A CSV that ends early can be a shorter CSV: nothing in it says how long it should be.
        assert rows == 0 or (name == "p.csv" and rows <= 4)


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow", "p.csv"])
def test_no_flipped_bit_escapes(tmp_path, name):
    content = small_file(tmp_path / name)
    for i in {*range(min(150, len(content))), *range(max(0, len(content) - 450), len(content))}:
        sound_or_refused(tmp_path / name, content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :])


def test_a_damaged_page_is_noticed_where_the_file_has_checksums(tmp_path):
    path, table = tmp_path / "p.parquet", pa.table({"x": np.arange(1000.0), "z": np.zeros(1000)})
    pa.parquet.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    content = path.read_bytes()
    at = content.index(np.float64(500).tobytes())
    path.write_bytes(content[:at] + np.float64(501).tobytes() + content[at + 8 :])
    with pytest.raises(InputError, match=r"cannot be read as Parquet: .*(crc|checksum|CRC)"):
        score(path, logits="x", labels="z")


cells = st.one_of(
    st.sampled_from(["1", "-0.5", "inf", "nan", "true", "", " ", '"', '""', "1,2", "\r", "\n"]), st.text(max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(cells, min_size=1, max_size=4).map(",".join), max_size=5), st.sampled_from(["\n", "\r\n", "\r"])
)
def test_any_text_after_a_header_is_scored_or_refused(tmp_path_factory, lines, end):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    text = end.join(["logit,label,carrier", *lines])
    sound_or_refused(path, text.encode(errors="surrogatepass"))
