"""Keys as values: equal values have one canonical text, in whatever type, unit, scale or zone they came.

The text is a character for the kind, a colon and the exact value:

    n:5  n:0.5  n:inf            numbers: integers, floats and decimals alike; the float 0.1, which is no decimal 0.1,
                                 is n:0x1.999999999999ap-4
    b:true                       truth values
    t:2013-01-01T05:00:00        instants without a zone; t:2013-01-01T05:00:00Z with one
    d:2013-01-01  c:05:00:00.5   dates, times of the day
    e:90.5                       durations in seconds
    s:AA                         text, bytes, UUIDs, and pandas's intervals and periods as pandas prints them

A missing value has no text: null, nan, and the empty cell of a CSV, which has no other null.
"""

# pyright: reportAttributeAccessIssue=false
# PyArrow defines its compute functions while it is imported, where pyright cannot see them.

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")  # 007 is no number but a text
_BOOLS = {word: f"b:{word.lower()}" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
Metadata = Mapping[bytes, bytes] | None


def kind_of(type_: pa.DataType, metadata: Metadata = None) -> str | None:
    """The character for a type's kind; "" for the type of nulls, None for what is no key, such as a list."""
    types = pa.types
    if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
        return kind_of(type_.value_type)
    if _extension(type_, metadata)[0]:
        return "s"
    if isinstance(type_, pa.BaseExtensionType):
        return kind_of(type_.storage_type)
    for is_kind, kind in (
        (types.is_null, ""),
        (types.is_boolean, "b"),
        (lambda t: types.is_integer(t) or types.is_floating(t) or types.is_decimal(t), "n"),
        (types.is_timestamp, "t"),
        (types.is_date, "d"),
        (types.is_time, "c"),
        (types.is_duration, "e"),
        (_is_text, "s"),
    ):
        if is_kind(type_):
            return kind
    return None


def encode(
    column: pa.Array,
    metadata: Metadata = None,
    *,
    cells: bool = False,
    like: pa.DataType | None = None,
) -> pa.DictionaryArray:
    """The column as codes into the canonical texts of its distinct values.

    Arguments:
        column: of a type that has a kind.
        metadata: that of its field, which names a type of pandas where pandas is not imported.
        cells: the column holds text from a format without types, where an empty cell is a missing value.
        like: the type of such a column in files that have types: what can be read as a value of it becomes one.

    Raises:
        pa.ArrowInvalid: for bytes that are no UTF-8.
    """
    if isinstance(column.type, pa.RunEndEncodedType):
        column = pc.run_end_decode(column)
    if pa.types.is_dictionary(column.type):
        return _through(column.indices, encode(column.dictionary))
    name, parameters = _extension(column.type, metadata)
    column = column.storage if isinstance(column, pa.ExtensionArray) else column
    if name:
        return _through(*_distinct(column, name, parameters))
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string()).dictionary_encode()
    if _is_text(column.type):
        column = column.cast(pa.large_string() if pa.types.is_large_binary(column.type) else pa.string())
    codes = column.dictionary_encode()
    texts = _cells(codes.dictionary, like) if cells else _texts(codes.dictionary)
    return _through(codes.indices, texts.dictionary_encode())


def decode(text: str) -> Any:
    """The value as Python's own type; NumPy's where Python has none so fine or so far, such as nanoseconds."""
    kind, value = text[0], text[2:]
    if kind == "n":
        return _number(value)
    if kind == "b":
        return value == "true"
    if kind in "tdc":
        return _instant(kind, value)
    if kind == "e":
        nanoseconds = int(Decimal(value).scaleb(9))
        return (
            np.timedelta64(nanoseconds, "ns")
            if nanoseconds % 1000
            else datetime.timedelta(microseconds=nanoseconds // 1000)
        )
    return value


def show(text: str) -> str:
    """The value for people: as it would stand in a file."""
    kind, value = text[0], text[2:]
    if kind == "n":
        return str(_number(value))
    if kind == "t":
        return value.replace("T", " ").replace("Z", "+00:00")
    return f"{value} s" if kind == "e" else value


def _through(indices: pa.Array, coded: pa.DictionaryArray) -> pa.DictionaryArray:
    """The codes that `coded` gives to the values that the indices stand for."""
    return pa.DictionaryArray.from_arrays(coded.indices.take(indices), coded.dictionary)


def _texts(values: pa.Array) -> pa.Array:
    """The canonical texts of typed values, of which none is null; null for nan."""
    kind = kind_of(values.type)
    if kind == "s":
        return _prefixed("s:", values)
    if kind == "b":
        return pc.if_else(values, "b:true", "b:false")
    if pa.types.is_integer(values.type):
        return _prefixed("n:", values.cast(pa.string()))
    if kind == "n":
        if pa.types.is_float16(values.type):
            values = values.cast(pa.float32())
        return pa.array(map(_number_text, values.to_pylist()), pa.string())
    numbers = values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64()).to_numpy()
    unit = "D" if pa.types.is_date32(values.type) else getattr(values.type, "unit", "ms")  # date64 has none
    if kind == "e":
        digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
        return pa.array(
            (f"e:{_trimmed(format(Decimal(n).scaleb(-digits), 'f'))}" for n in numbers.tolist()), pa.string()
        )
    instants = numbers.astype(f"M8[{unit}]")
    if kind == "d":
        instants = instants.astype("M8[D]")
    zone = "Z" if kind == "t" and values.type.tz else ""
    written = np.datetime_as_string(instants).tolist()
    if kind == "c":
        written = [one.partition("T")[2] for one in written]
    return pa.array((None if one == "NaT" else f"{kind}:{_trimmed(one)}{zone}" for one in written), pa.string())


def _cells(texts: pa.Array, like: pa.DataType | None) -> pa.Array:
    """The canonical texts of cells: those of values of the type `like` where they are such, else of text."""
    plain = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), _prefixed("s:", texts))
    if like is None:
        return plain
    kind = kind_of(like)
    if kind == "b":
        return pa.array((_BOOLS.get(one, other) for one, other in _both(texts, plain)), pa.string())
    if kind == "n":
        parse = np.dtype(like.to_pandas_dtype()).type if pa.types.is_floating(like) else Decimal
        return pa.array((_parsed_number(one, parse) or other for one, other in _both(texts, plain)), pa.string())
    if kind in ("t", "d", "c"):
        found = (_parsed_instant(one, like) for one in texts)
        return pa.array((one or other for one, other in zip(found, plain.to_pylist(), strict=True)), pa.string())
    return plain


def _both(texts: pa.Array, plain: pa.Array) -> Iterable[tuple[str, str | None]]:
    return zip(texts.to_pylist(), plain.to_pylist(), strict=True)


def _parsed_number(text: str, parse: Callable[[str], Any]) -> str | None:
    if text in ("inf", "-inf"):
        return f"n:{text}"
    return _number_text(parse(text)) if _NUMBER.fullmatch(text) else None


def _parsed_instant(text: pa.Scalar, like: pa.DataType) -> str | None:
    try:
        return _texts(pa.array([text.cast(like)], like))[0].as_py()
    except pa.ArrowException:
        return None


def _number_text(value: float | Decimal) -> str | None:
    """Exact: the integer, the decimal digits where these are the float, else the float in hexadecimal digits."""
    if value != value:
        return None
    if value in (np.inf, -np.inf):
        return f"n:{float(value)}"
    exact = Decimal(float(value)) if not isinstance(value, Decimal) else value
    if abs(exact) < 2**64 and exact == int(exact):
        return f"n:{int(exact)}"
    nearest = float(value)
    if Decimal(nearest) != exact:  # a decimal that is no float
        return f"n:{_trimmed(format(exact, 'f'))}"
    return f"n:{nearest!r}" if Decimal(repr(nearest)) == exact else f"n:{nearest.hex()}"


def _number(text: str) -> int | float | Decimal:
    if "x" in text:
        return float.fromhex(text)
    if text.lstrip("-").isdecimal():
        return int(text)
    nearest = float(text)
    return nearest if nearest in (np.inf, -np.inf) or Decimal(nearest) == Decimal(text) else Decimal(text)


def _instant(kind: str, text: str) -> Any:
    found = np.datetime64(f"1970-01-01T{text}" if kind == "c" else text.removesuffix("Z"))
    value: Any = found.item()  # an integer where Python has no such instant
    if isinstance(value, int):
        return found
    if kind == "c":
        return value.time()
    return value.replace(tzinfo=datetime.timezone.utc) if text.endswith("Z") else value


def _trimmed(text: str) -> str:
    """Without the zeros at the end of a fraction."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _prefixed(kind: str, texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(kind, texts.type), texts, pa.scalar("", texts.type))


def _is_text(type_: pa.DataType) -> bool:
    kinds = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{kind}")(type_) for kind in kinds)


def _extension(type_: pa.DataType, metadata: Metadata) -> tuple[str, dict[str, str]]:
    """Which of the types that are printed it is, and its parameters; "" for none of them."""
    if isinstance(type_, pa.BaseExtensionType):
        name = type_.extension_name
        serialized = type_.__arrow_ext_serialize__() if name.startswith("pandas.") else b""
    else:
        name = (metadata or {}).get(b"ARROW:extension:name", b"").decode()
        serialized = (metadata or {}).get(b"ARROW:extension:metadata", b"")
    if name not in ("pandas.period", "pandas.interval", "arrow.uuid"):
        return "", {}
    return name, json.loads(serialized) if serialized else {}


def _distinct(column: pa.Array, name: str, parameters: dict[str, str]) -> tuple[pa.Array, pa.DictionaryArray]:
    """Codes for the values of a type that is printed, and the canonical texts that they stand for."""
    if name == "pandas.interval":
        left, right = (one.dictionary_encode() for one in column.flatten())
        both = pc.add(pc.multiply(left.indices.cast(pa.int64()), len(right.dictionary)), right.indices.cast(pa.int64()))
        codes = both.dictionary_encode()
        closed = parameters["closed"]
        opening, closing = "([)]"[closed in ("left", "both")], "([)]"[2 + (closed in ("right", "both"))]
        texts = []
        for code in codes.dictionary.to_pylist():
            low, high = (
                e.dictionary[i].as_py() for e, i in zip((left, right), divmod(code, len(right.dictionary)), strict=True)
            )
            texts.append(f"{opening}{low}, {high}{closing}")
    elif name == "pandas.period":
        import pandas

        codes = column.dictionary_encode()
        texts = [str(pandas.Period(ordinal=n, freq=parameters["freq"])) for n in codes.dictionary.to_pylist()]
    else:
        codes = column.cast(pa.binary()).dictionary_encode()
        texts = [str(uuid.UUID(bytes=one)) for one in codes.dictionary.to_pylist()]
    return codes.indices, pa.array([f"s:{one}" for one in texts], pa.string()).dictionary_encode()
