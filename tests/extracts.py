"""A vocabulary with a fact of each type, and imports onto it, for tests of extracts."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sancha.engine.book.intake import ImportResult, import_extract
from sancha.engine.book.rejects import list_rejects
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.vocabulary import Vocabulary, load_vocabulary

VOCABULARY = """
vocabulary: extracts
groups:
  a:
    label: {en: A}
    facts:
      text: {type: text, label: {en: text}}
      kind: {type: "one of [x, y, unknown]", label: {en: kind}}
      flag: {type: boolean, label: {en: flag}}
      count: {type: integer, label: {en: count}}
      number: {type: number, label: {en: number}}
      money: {type: money, label: {en: money}}
      total: {type: money, label: {en: total}}
      rate: {type: rate, label: {en: rate}}
      day: {type: date, label: {en: day}}
      at: {type: date-time, label: {en: at}}
      month: {type: text, label: {en: month}}
lists:
  visits:
    label: {en: Visits}
    fields:
      date: {type: date, label: {en: date}}
      staff: {type: list of text, label: {en: staff}}
      fee: {type: money, label: {en: fee}}
reference:
  people:
    label: {en: People}
    fields:
      id: {type: text, required: true, label: {en: id}}
      level: {type: integer, label: {en: level}}
"""
#: What every mapping of these tests begins with.
HEAD = "mapping: test\nas of: 2024-12-31\nroot: main\n"


def vocabulary_in(folder: Path, text: str = VOCABULARY) -> Vocabulary:
    path = folder / "vocabulary.yaml"
    path.write_text(text)
    return load_vocabulary(path)


def mapping_of(folder: Path, text: str) -> Path:
    path = folder / "mapping.yaml"
    path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
    return path


def run(folder: Path, mapping: str, vocabulary: Vocabulary, source: Path | None = None) -> ImportResult:
    """The extract that lies in the folder, or the one at `source`, as `folder/book`."""
    return import_extract(source or folder, mapping_of(folder, mapping), vocabulary, folder / "book")


def refused(folder: Path, mapping: str, vocabulary: Vocabulary) -> SanchaError:
    """The error of an import, after which nothing is left."""
    with pytest.raises(SanchaError) as error:
        run(folder, mapping, vocabulary)
    assert not [p for p in folder.iterdir() if "book" in p.name]
    return error.value


def facts(result: ImportResult, *names: str) -> list[tuple[Any, ...]]:
    """These columns of the loan files, in order of their ids."""
    columns = ", ".join(f'"{n}"' for n in names)
    return duckdb.sql(f"SELECT {columns} FROM '{result.book.path}/loans.parquet' ORDER BY loan_id").fetchall()


def rejected(result: ImportResult, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of all rejects, in their order."""
    found, _ = list_rejects(result.book.path)
    return [tuple(row[c] for c in columns) for row in found.to_pylist()]
