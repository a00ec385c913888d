"""Arrow columns to NumPy: numbers from typed columns and from text, rows from lists, and keys to group by.

Text is converted here and not by the CSV reader, whose type inference looks at the first block of the file alone and
whose errors name no row.
"""

# pyright: reportAttributeAccessIssue=false
# PyArrow defines its compute functions while it is imported, where pyright cannot see them.

from __future__ import annotations

import bisect
import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def to_numbers(column: pa.Array, *, words: bool) -> np.ndarray:
    """The column in its own dtype, text as float64, and as nan where it is not a number."""
    if pa.types.is_binary(column.type):
        column = pa.concat_arrays(list(_parsed_apart(column, words)))
    if column.null_count:
        column = column.cast(pa.float64(), safe=False)  # a null becomes nan, in bool and integer columns too
    if pa.types.is_boolean(column.type):
        # Several times as fast as PyArrow's own conversion.
        skipped, start = divmod(column.offset, 8)
        bits = np.frombuffer(column.buffers()[1] or b"", np.uint8)[skipped:]
        return np.unpackbits(bits, count=start + len(column), bitorder="little")[start:].view(bool)
    return column.to_numpy(zero_copy_only=False)


def _parsed_apart(texts: pa.Array, words: bool) -> Iterator[pa.Array]:
    """Text as float64, in pieces. What holds no number is halved until it is alone: Arrow does not say which it is."""
    try:
        yield _parsed(texts, words)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            yield pa.nulls(1, pa.float64())
            return
        half = len(texts) // 2
        yield from _parsed_apart(texts[:half], words)
        yield from _parsed_apart(texts[half:], words)


def _parsed(texts: pa.Array, words: bool) -> pa.Array:
    """Decimal text as float64; spaces around it are allowed and, with `words`, true and false in any case."""
    texts = texts.cast(pa.string())
    with contextlib.suppress(pa.ArrowInvalid):
        return texts.cast(pa.float64())
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    if words:
        texts = pc.if_else(pc.equal(texts, "true"), "1", pc.if_else(pc.equal(texts, "false"), "0", texts))
    return texts.cast(pa.float64())


def is_list(type_: pa.DataType) -> bool:
    """Whether the type is that of lists, in any of Arrow's three layouts."""
    return pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)


def to_rows(column: pa.Array, length: int) -> np.ndarray:
    """The lists as the rows of an array, and rows of nan where they are null or of another length."""
    fits = pc.fill_null(pc.equal(pc.list_value_length(column), length), False)
    good = fits.to_numpy(zero_copy_only=False)
    if good.all():
        return to_numbers(column.flatten(), words=False).reshape(-1, length)
    of_good = to_numbers(column.filter(fits).flatten(), words=False).reshape(-1, length)
    rows = np.full((len(column), length), np.nan, of_good.dtype)
    rows[good] = of_good
    return rows


def key_type_of(type_: pa.DataType) -> pa.DataType:
    """One type for each kind of key, so that int8 and int64, or text and a dictionary of text, group together."""
    if pa.types.is_dictionary(type_):
        return key_type_of(type_.value_type)
    for is_kind, kind in (
        (pa.types.is_boolean, pa.bool_()),
        (pa.types.is_signed_integer, pa.int64()),
        (pa.types.is_unsigned_integer, pa.uint64()),
        (pa.types.is_floating, pa.float64()),
    ):
        if is_kind(type_):
            return kind
    return pa.string()


def to_keys(column: pa.Array, key_type: pa.DataType) -> pa.DictionaryArray:
    """The column as codes into its distinct values, null among them; what stands for a missing value becomes null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    missing = None
    if pa.types.is_binary(column.type):
        missing = pc.equal(pc.binary_length(column), 0)  # CSV has no null but the empty cell
    elif pa.types.is_floating(column.type):
        column = pc.add(column.cast(pa.float64()), 0.0)  # -0 and 0 are one group, shown as 0
        missing = pc.is_nan(column)
    column = column.cast(key_type)
    if missing is not None:
        # Not if_else: PyArrow 17 mixes up the text of an array that is a slice of another.
        column = pc.replace_with_mask(column, missing, pa.scalar(None, key_type))
    return column.dictionary_encode(null_encoding="encode")


def constant(value: str, rows: int) -> pa.DictionaryArray:
    """One key for all rows."""
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value]))


def first_failure(column: pa.Array, convert: Callable[[pa.Array], Any]) -> int:
    """The first row that `convert` refuses, given that it refuses the column. It takes arrays: hence bisection."""

    def fails(row: int) -> bool:
        try:
            convert(column[: row + 1])
        except pa.ArrowInvalid:
            return True
        return False

    return bisect.bisect_left(range(len(column)), True, key=fails)


def shown(value: pa.Scalar) -> str:
    """The value as an error text quotes it, short and printable."""
    got = value.as_py()
    if got is None:
        return "null"
    if isinstance(got, bytes):
        got = got.decode(errors="backslashreplace")
        return "an empty cell" if not got else repr(got if len(got) <= 60 else got[:60] + "...")
    if isinstance(got, list):
        bad = next((i for i, number in enumerate(got) if number is None or math.isnan(number)), None)
        where = "" if bad is None else f" with {'null' if got[bad] is None else 'nan'} for class {bad}"
        return f"a list of {len(got)}{where}"
    return repr(got)
