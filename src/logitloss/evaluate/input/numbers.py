"""Arrow columns to NumPy: numbers from every type that holds numbers and from text, rows from lists."""

# pyright: reportAttributeAccessIssue=false
# PyArrow defines its compute functions while it is imported, where pyright cannot see them.

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = r"^\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|(?i:inf|infinity))\s*$"


def plain_type(type_: pa.DataType) -> pa.DataType:
    """The type without what only says how values are kept: dictionaries, run ends, extensions."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return plain_type(type_.value_type)
    return plain_type(type_.storage_type) if isinstance(type_, pa.BaseExtensionType) else type_


def plain(column: pa.Array) -> pa.Array:
    """The column in its plain type."""
    if pa.types.is_run_end_encoded(column.type):
        return plain(pc.run_end_decode(column))
    if pa.types.is_dictionary(column.type):
        return plain(column.dictionary_decode())
    return plain(column.storage) if isinstance(column, pa.ExtensionArray) else column


def is_list(type_: pa.DataType) -> bool:
    """Whether the type is that of lists, in any of Arrow's layouts."""
    kinds = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view")
    return any(getattr(pa.types, f"is_{kind}")(type_) for kind in kinds)


def is_real(type_: pa.DataType) -> bool:
    """Whether the type is one of fractional numbers."""
    return pa.types.is_floating(type_) or pa.types.is_decimal(type_)


def is_number(type_: pa.DataType) -> bool:
    """Whether the type is one of numbers, or of truth values."""
    return is_real(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_)


def to_numbers(column: pa.Array, *, words: bool = False) -> np.ndarray:
    """The column in its own dtype, or float64; nan where it is null or text that is no number.

    Spaces around text are allowed and, with `words`, true and false in any case.
    """
    column = plain(column)
    if not is_number(column.type):
        column = _parsed(column, words)
    elif column.null_count or pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)  # a null becomes nan, in bool and integer columns too
    if pa.types.is_boolean(column.type):
        # Several times as fast as PyArrow's own conversion.
        skipped, start = divmod(column.offset, 8)
        bits = np.frombuffer(column.buffers()[1] or b"", np.uint8)[skipped:]
        return np.unpackbits(bits, count=start + len(column), bitorder="little")[start:].view(bool)
    return column.to_numpy(zero_copy_only=False)


def _parsed(texts: pa.Array, words: bool) -> pa.Array:
    """Decimal text as float64: converted here, and not by a reader whose type inference looks at the first block."""
    texts = texts.cast(pa.binary())
    good = pc.match_substring_regex(texts, _NUMBER)
    if words and not pc.all(good).as_py():
        texts = pc.if_else(pc.match_substring_regex(texts, r"^\s*(?i:true)\s*$"), b"1", texts)
        texts = pc.if_else(pc.match_substring_regex(texts, r"^\s*(?i:false)\s*$"), b"0", texts)
        good = pc.match_substring_regex(texts, _NUMBER)
    if not pc.all(good).as_py():
        texts = pc.replace_with_mask(texts, pc.invert(pc.fill_null(good, True)), pa.scalar(None, texts.type))
    return pc.utf8_trim_whitespace(texts.cast(pa.string())).cast(pa.float64())


def to_rows(column: pa.Array, length: int) -> np.ndarray:
    """The lists as the rows of an array, and rows of nan where they are null or of another length."""
    column = _listed(column)
    fits = pc.fill_null(pc.equal(pc.list_value_length(column), length), False)
    good = fits.to_numpy(zero_copy_only=False)
    if good.all():
        return to_numbers(column.flatten()).reshape(-1, length)
    of_good = to_numbers(column.filter(fits).flatten()).reshape(-1, length)
    rows = np.full((len(column), length), np.nan, of_good.dtype)
    rows[good] = of_good
    return rows


def commonest_length(column: pa.Array) -> int | None:
    """The length that most of the lists have; None where there is none."""
    lengths = Counter(one for one in pc.list_value_length(_listed(column)).to_pylist() if one)
    return lengths.most_common(1)[0][0] if lengths else None


def _listed(column: pa.Array) -> pa.Array:
    column = plain(column)
    if pa.types.is_list_view(column.type) or pa.types.is_large_list_view(column.type):
        column = column.cast(pa.large_list(column.type.value_type))
    return column
