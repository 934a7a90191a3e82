"""The manuals hold: their tables are those of the engine, and every example gives what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sancha.engine.diagnostics import PackError
from sancha.engine.feel import types as t
from sancha.engine.feel.builtins import BUILTINS
from sancha.engine.feel.check import Scope, check_cell
from sancha.engine.feel.lexer import KEYWORDS
from sancha.engine.feel.manual import MANUALS, TABLES, refreshed
from sancha.engine.feel.operators import FORMS, OPERATORS
from sancha.engine.policy.pack import load_pack
from sancha.engine.run.as_text import as_text
from sancha.engine.run.session import FullSession, StrictSession
from sancha.engine.run.to_python import compile_core

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(feel|cells)\n(.*?)^```$", re.M | re.S)
IN_TABLE = re.compile(r"`([^`]+)` → `([^`]+)`")


@cache
def strict() -> StrictSession:
    session = StrictSession(load_pack(ROOT / "rules"))
    session.load(ROOT / "rules" / "files" / "ordinary working-capital loan.json")
    return session


def examples(name: str, kind: str) -> Iterator[tuple[str, str]]:
    """The lines `expression → answer` of the blocks of a kind."""
    for block in BLOCK.finditer((DOCS / name).read_text(encoding="utf-8")):
        if block[1] == kind:
            for line in block[2].splitlines():
                expression, arrow, answer = line.partition(" → ")
                assert arrow, line
                yield expression, answer


def answered(session: StrictSession | FullSession, text: str) -> str:
    """An answer, or the first error, as the manuals show it."""
    try:
        return session.answer(text).split("\n")[0]
    except PackError as error:
        first = error.diagnostics[0]
        return f"error {first.code}: {first.message}"


def cell(text: str) -> str:
    """The answer of a cell `input: tests`."""
    name, _, tests = text.partition(": ")
    operand = strict().core(name)
    core, defects = check_cell(tests, operand, Scope(parameters=strict().scope.parameters))
    assert core is not None, defects
    value = compile_core(core)(*strict().args)
    return "unknown" if value is None else str(as_text(value, t.BOOLEAN))


@pytest.mark.parametrize("name", MANUALS)
def test_the_tables_are_fresh(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert refreshed(text) == text, f"docs/{name} is stale: run `make docs`"


def test_every_table_stands_in_a_manual() -> None:
    texts = "".join((DOCS / name).read_text(encoding="utf-8") for name in MANUALS)
    assert {m[1] for m in re.finditer(r"<!-- table: ([\w -]+) -->", texts)} == set(TABLES)


def test_the_manuals_name_everything() -> None:
    strict_text = (DOCS / "language.md").read_text(encoding="utf-8")
    for row in OPERATORS:
        assert row.doc in strict_text, row.key
    for form in FORMS:
        assert form.doc in strict_text, form.name
    for word in KEYWORDS:
        assert f"`{word}`" in strict_text
    full = (DOCS / "feel.md").read_text(encoding="utf-8")
    for name, rows in BUILTINS.items():
        assert full.count(f"\n| `{name}(") == len(rows), name


@pytest.mark.parametrize(("text", "answer"), list(examples("language.md", "feel")))
def test_examples_of_the_strict_language(text: str, answer: str) -> None:
    assert answered(strict(), text) == answer


@pytest.mark.parametrize(("text", "answer"), list(examples("language.md", "cells")))
def test_cells_of_the_strict_language(text: str, answer: str) -> None:
    assert cell(text) == answer


@pytest.mark.parametrize(("text", "answer"), list(examples("feel.md", "feel")))
def test_examples_of_the_full_language(text: str, answer: str) -> None:
    assert answered(FullSession(), text) == answer


def test_examples_in_tables() -> None:
    for name, session in (("language.md", strict()), ("feel.md", FullSession())):
        pairs = IN_TABLE.findall((DOCS / name).read_text(encoding="utf-8").replace("\\|", "|"))
        assert len(pairs) > 50
        for text, expected in pairs:
            value = session.answer(text).rpartition(" : ")[0]
            assert value == expected, text


def test_no_answer_is_left_open() -> None:
    for name in MANUALS:
        assert "→ ?" not in (DOCS / name).read_text(encoding="utf-8")
