"""The columns of a book: which Arrow type stands for which type of the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from sancha.engine.feel.types import Type
from sancha.engine.policy.vocabulary import Field, Vocabulary

#: The root table: one row a loan file.
LOANS = "loans"
LOAN_ID = "loan_id"
#: The number of an item within its loan file: 1, 2, …
ITEM = "item"
#: What the name of a reference table begins with, as in `reference/staff`.
REFERENCE = "reference/"

_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "one of": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "days": pa.int64(),
    "money": pa.decimal128(18, 2),
    "rate": pa.decimal128(18, 8),
    "number": pa.decimal128(30, 8),
    "date": pa.date32(),
    "date-time": pa.timestamp("us"),
}


def arrow_type(t: Type) -> pa.DataType:
    """The Arrow type of a fact or of a field: decimals for money, rates and numbers, never binary floats."""
    if t.name == "list" and t.item is not None:
        return pa.list_(arrow_type(t.item))
    return _ARROW[t.name]


def tables(vocabulary: Vocabulary) -> list[str]:
    """The names of all tables a book of the vocabulary may have, the root table first."""
    return [LOANS, *vocabulary.lists, *(REFERENCE + name for name in vocabulary.reference)]


def table_schema(vocabulary: Vocabulary, table: str) -> pa.Schema:
    """The columns of one table: `loans`, the name of a list, or `reference/NAME`; KeyError for any other.

    The root table ends with one integer column a list, its number of items; a book may lack these.
    """
    fields = [pa.field(name, arrow_type(field.type)) for name, field in fields_of(vocabulary, table).items()]
    if table == LOANS:
        counts = [pa.field(name, pa.int64()) for name in vocabulary.lists]
        return pa.schema([pa.field(LOAN_ID, pa.string(), nullable=False), *fields, *counts])
    if table.startswith(REFERENCE):
        return pa.schema(fields)
    keys = [pa.field(LOAN_ID, pa.string(), nullable=False), pa.field(ITEM, pa.int64(), nullable=False)]
    return pa.schema([*keys, *fields])


def fields_of(vocabulary: Vocabulary, table: str) -> Mapping[str, Field]:
    """The fields of one table by name, as `table_schema` has them, without keys and numbers of items."""
    if table == LOANS:
        return vocabulary.facts
    if table.startswith(REFERENCE):
        return vocabulary.reference[table.removeprefix(REFERENCE)].fields
    return vocabulary.lists[table].fields


def file_of(table: str) -> str:
    """The path of a table within the folder of its book."""
    return f"{table}.parquet"
