#!/usr/bin/env python3
"""Fuzzing of all that reads what people and other tools write.

    scripts/fuzz.py TARGET [--minutes N] [--seed S] [--engine hypothesis|atheris|both] [--keep FOLDER]

Targets: `lexer` and `parser` (the strict language), `parser-full` (the full language: read, compiled and run), `xml`
(DMN models: read, checked and run), `tables` (packs whose decision table, as CSV, XLSX or YAML, is no longer one).

What must hold, whatever the input: an error is a FeelSyntaxError or a SanchaError with code and message, places lie
within the text, nothing takes more than 10 seconds or 3 GB, and what was read can be written and read again. Everything
else is a finding: printed, and kept as a file that `tests/test_fuzz.py` replays.

Hypothesis makes inputs by changing those of the test suite, from the seed: the same seed gives the same inputs. Atheris
(libFuzzer; `pip install atheris`) looks for inputs that reach new code; `both` gives half of the time to each.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FINDINGS = ROOT / "tests" / "fuzz"
CASES = ROOT / "tests" / "feel"
MODELS = ROOT / "tests" / "dmn"
#: Seconds of the processor that any input may take. Most take less than a hundredth.
PATIENCE = 10
MEMORY = 3 << 30


class Broken(Exception):
    """Something that must hold does not."""


class TooLong(BaseException):
    """An input took more than PATIENCE. No `Exception`, so that no code under test takes it for its own."""


# -- targets -----------------------------------------------------------------------------------------------------------


def lexer(data: bytes) -> None:
    from sancha.engine.feel.lexer import FeelSyntaxError, tokens

    text = text_of(data)
    try:
        found = tokens(text)
    except FeelSyntaxError as error:
        defect(error, text)
        return
    at = 0
    for token in found:
        if not at <= token.start <= token.end <= len(text):
            raise Broken(f"{token} is out of place")
        at = token.end
    if found[-1].kind != "end":
        raise Broken("the tokens do not end")


def parser(data: bytes) -> None:
    from sancha.engine.feel.check import Scope, check
    from sancha.engine.feel.lexer import FeelSyntaxError
    from sancha.engine.feel.parser import parse, parse_tests
    from sancha.engine.feel.printer import cell_to_text, to_text

    text = text_of(data)
    for read, write in ((parse, to_text), (parse_tests, cell_to_text)):
        try:
            tree = read(text)
        except FeelSyntaxError as error:
            defect(error, text)
            continue
        if plain(read(write(tree))) != plain(tree):
            raise Broken(f"printed as `{write(tree)}`, which is another expression")
    core, defects = check(text, Scope())
    if (core is None) != bool(defects):
        raise Broken("neither a core nor defects")
    for found in defects:
        defect(found, text)


NAMES = ("a", "b", "monthly income", "a-b", "loan", "x/y", "amount", "三查", "?")


def parser_full(data: bytes) -> None:
    from sancha.engine.diagnostics import SanchaError
    from sancha.engine.feel.lexer import FeelSyntaxError
    from sancha.engine.feel.parser import parse_dmn, parse_dmn_tests, parse_type
    from sancha.engine.feel.values import kind_of, to_text
    from sancha.engine.run.dynamic import compile_dynamic

    text = text_of(data)
    values = dict.fromkeys(NAMES) | full_values()
    for read in (parse_dmn, parse_dmn_tests):
        try:
            tree = read(text, NAMES)
        except FeelSyntaxError as error:
            defect(error, text)
            continue
        try:
            program = compile_dynamic(tree, NAMES, text=text)
        except SanchaError as error:
            refusal(error)
            continue
        result = program.run(values)
        kind_of(result.value)
        to_text(result.value)
        for warning in result.warnings:
            if not warning.message or not warning.kind:
                raise Broken(f"a warning that says nothing: {warning}")
    try:
        parse_type(text, NAMES)
    except FeelSyntaxError as error:
        defect(error, text)


def full_values() -> dict[str, Any]:
    from decimal import Decimal

    return {
        "a": Decimal(3),
        "monthly income": Decimal("10000.50"),
        "loan": {"amount": Decimal(5000), "kind": "fixed", "a-b": [Decimal(1), None]},
        "三查": ["a", Decimal(2), None, {"b": True}],
        "?": Decimal(5),
    }


def xml(data: bytes) -> None:
    from sancha.engine.diagnostics import SanchaError
    from sancha.engine.dmn.check import check_model
    from sancha.engine.dmn.read import read_model
    from sancha.engine.dmn.run import json_text, load, to_json

    path = workplace() / "model.dmn"
    path.write_bytes(data)
    try:
        model = read_model(path)
    except SanchaError as error:
        refusal(error)
        return
    for problem in [*model.problems, *check_model(path)]:
        diagnostic(problem)
    try:
        found = load(path).evaluate({}, None)
    except SanchaError as error:
        refusal(error)
        return
    json_text({name: to_json(value) for name, value in found.values.items()})


def tables(data: bytes) -> None:
    """`CSV`, `YAML` or `XLSX` and a line end, then the file's bytes; the pack around it is sound."""
    from sancha.engine.diagnostics import SanchaError
    from sancha.engine.policy.pack import load_pack

    kind, _, content = data.partition(b"\n")
    pack = workplace() / "pack"
    sound = pack_files()
    if kind == b"XLSX":
        sound["rules/level.yaml"] = sound["rules/level.yaml"].replace(b"level.csv", b"level.xlsx")
        del sound["rules/level.csv"]
    files = sound | {
        {b"CSV": "rules/level.csv", b"YAML": "rules/level.yaml", b"XLSX": "rules/level.xlsx"}.get(
            kind, "rules/level.csv"
        ): content
    }
    for old in (pack / "rules").glob("*") if pack.exists() else ():
        old.unlink()
    for name, text in files.items():
        path = pack / name
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    try:
        load_pack(pack)
    except SanchaError as error:
        refusal(error)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "lexer": lexer,
    "parser": parser,
    "parser-full": parser_full,
    "xml": xml,
    "tables": tables,
}


# -- what must hold ----------------------------------------------------------------------------------------------------


def text_of(data: bytes) -> str:
    """The bytes as text; half characters stay, as they come in by JSON and by escapes."""
    return (
        data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
        if valid(data)
        else data.decode("latin-1")
    )


def valid(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def defect(error: Any, text: str) -> None:
    start, end = error.span
    if (
        not (0 <= start <= end <= max(len(text), 1))
        or not error.message
        or not re.fullmatch(r"E\d{4}", error.code)
    ):
        raise Broken(f"{error.code} `{error.message}` at {error.span} of {len(text)} characters")


def refusal(error: Any) -> None:
    from sancha.engine.diagnostics import PackError

    if isinstance(error, PackError):
        if not error.diagnostics:
            raise Broken("refused without a word")
        for found in error.diagnostics:
            diagnostic(found)
    elif not str(error):
        raise Broken("refused without a word")


def diagnostic(found: Any) -> None:
    if not found.message or (found.place is not None and (found.place.line < 0 or found.place.column < 0)):
        raise Broken(f"a defect that says nothing, or nowhere: {found}")
    found.render()


def plain(tree: Any) -> list[Any]:
    """A syntax tree without its places: its nodes from the top down, each with what it holds beside other nodes."""
    from sancha.engine.feel.syntax import Node, walk

    def part(value: Any) -> Any:
        if isinstance(value, Node):
            return Node
        return tuple(map(part, value)) if isinstance(value, tuple) else (type(value), value)

    def parts(node: Any) -> list[Any]:
        names = [name for name in type(node).__dataclass_fields__ if name not in ("span", "name_span")]
        return [type(node), *(part(getattr(node, name)) for name in names)]

    return [parts(node) for node in walk(tree)]


_WORKPLACES: list[tempfile.TemporaryDirectory[str]] = []


def workplace() -> Path:
    """A folder of this process, for targets that read files."""
    if not _WORKPLACES:
        _WORKPLACES.append(tempfile.TemporaryDirectory(prefix="fuzz"))
    return Path(_WORKPLACES[0].name)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLong(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def finding(target: str, data: bytes) -> str | None:
    """What is wrong with the target's behaviour on an input, in a line that tells findings apart; None if nothing."""
    try:
        with patience(PATIENCE):
            TARGETS[target](data)
    except (Exception, TooLong) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if "/engine/" in f.filename] or list(frames)
        place = f"{Path(own[-1].filename).name}:{own[-1].name}"
        if isinstance(error, TooLong | RecursionError | MemoryError):
            place = Path(own[0].filename).name
        return f"{type(error).__name__} in {place}: {str(error)[:200]}"
    return None


# -- inputs ------------------------------------------------------------------------------------------------------------

WORDS = (
    "and or in if then else some every satisfies between true false null not for return function external instance "
    "of list context range number string boolean date time duration partial item ? ( ) [ ] { } , .. . : + - * / ** = "
    '!= < <= > >= // /* */ " \' @" @"2024-02-29" @"P1D" @"PT1H" @"10:30:00@Asia/Shanghai" -> \\ \\u0041 \\uD83D ; # $ '
    "％ ， （ 0 1 -1 1.5 .5 1e5 1e99 1e6144 9999999999999999999999999999999999999 a b loan amount 三查 é 🐎 a-b "
    'monthly income substring("foobar", 3) count( date( range( "[1..3]" x/y is( \x00 \n \t \u2028 \ufeff \ud800'
).split(" ")
NESTS = [
    ("(", ")"), ("[", "]"), ("{a: ", "}"), ("-", ""), ("not(", ")"), ("if true then ", " else 1"), ("1 + ", ""),
    ("for i in [1] return ", ""), ("some i in [1] satisfies ", ""), ("function(x) ", ""), ("abs(", ")"), ("a[", "]"),
    ("a.", ""), ("1 in ", ""), ("a(", ")"), ('"', '"'), ("/*", "*/"), ("1 and ", ""), ("<", ""), ("..", ""),
    ("a instance of list<", ">"), ("x ", ""), ("{", "}"), ("[1..", "]"), ("5 between 1 and ", ""),
]  # fmt: skip


def expressions() -> list[str]:
    """The expressions of the test suite."""
    found = []
    for path in sorted(CASES.rglob("*.txt")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            text, arrow, _ = line.rpartition(" => ")
            if arrow and not line.startswith("#"):
                found.append(text.split(": ", 1)[-1] if text.startswith("on ") else text)
    return found


_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


def changed(text: str, others: list[str], rng: random.Random) -> str:
    """A text with a few changes: pieces left out, doubled, exchanged, put in from elsewhere; or nested deeply."""
    pieces = _PIECES.findall(text)
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        at = rng.randrange(len(pieces) + 1)
        match rng.randrange(9):
            case 0 if pieces:
                del pieces[min(at, len(pieces) - 1)]
            case 1:
                pieces.insert(at, rng.choice(WORDS))
            case 2:
                pieces[at : at + 1] = [rng.choice(WORDS), " "]
            case 3:
                other = _PIECES.findall(rng.choice(others))
                cut = rng.randrange(len(other) + 1)
                pieces[at:] = other[cut:]
            case 4:
                end = rng.randrange(at, len(pieces) + 1)
                pieces[at:at] = pieces[at:end] * rng.choice((1, 2, 30))
            case 5:
                opening, closing = rng.choice(NESTS)
                deep = rng.choice((1, 2, 5, 60, 99, 101, 1000, 9000))
                pieces = [opening * deep, *pieces, closing * rng.choice((deep, deep, deep - 1))]
            case 6:
                pieces.insert(
                    at, chr(rng.choice((rng.randrange(128), rng.randrange(0x3000), rng.randrange(0x110000))))
                )
            case 7:
                pieces.insert(at, rng.choice("0123456789a.") * rng.choice((3, 40, 120, 7000, 100_001)))
            case _:
                rng.shuffle(pieces[at : at + 4])
    return "".join(pieces)


def text_input(rng: random.Random, seeds: list[str]) -> bytes:
    if rng.random() < 0.15:
        text = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 25)))
    else:
        text = changed(rng.choice(seeds), seeds, rng)
    return text.encode("utf-8", "surrogatepass")


_MARKUP = re.compile(r"<[^>]*>|[^<]+")
DOCTYPES = [
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '<!DOCTYPE a [<!ENTITY x0 "xxxxxxxxxx"><!ENTITY x1 "&x0;&x0;&x0;"><!ENTITY x2 "&x1;&x1;&x1;">]>',
    '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
    "<?xml-stylesheet href='x'?>",
    "<!-- -- -->",
    "<![CDATA[<definitions>]]>",
    "&x2;",
    "&#0;",
    "&#x110000;",
    '<a xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/">',
]


def xml_input(rng: random.Random, seeds: list[str]) -> bytes:
    models = model_seeds()
    model = rng.choice(models)
    pieces = _MARKUP.findall(model)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(pieces))
        match rng.randrange(11):
            case 0:
                del pieces[at]
                pieces = pieces or [""]
            case 1:
                pieces.insert(at, pieces[rng.randrange(len(pieces))])
            case 2:
                other = rng.randrange(len(pieces))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 3:
                value = rng.choice([*WORDS, "#" + rng.choice(WORDS), "", "UNIQUE", "feel:list"])
                value = value.replace("\x00", "").replace("\ud800", "").replace("\\", "")
                pieces[at] = re.sub(r'"[^"]*"', f'"{value}"', pieces[at], count=1)
            case 4 | 5:
                text = changed(rng.choice(seeds), seeds, rng)[:5000]
                escaped = text.replace("&", "&amp;").replace("<", "&lt;")
                texts = [i for i, p in enumerate(pieces) if i and pieces[i - 1].rstrip(">").endswith("text")]
                pieces[rng.choice(texts) if texts else at] = escaped
            case 6:
                pieces.insert(at, rng.choice(DOCTYPES))
            case 7:
                name = rng.choice(
                    (
                        "context",
                        "list",
                        "conditional",
                        "a",
                        "contextEntry",
                        "functionDefinition",
                        "if",
                        "itemComponent",
                    )
                )
                deep = rng.choice((1, 5, 100, 300, 3000, 40_000))
                pieces.insert(at, f"<{name}>" * deep + f"</{name}>" * deep)
            case 8:
                pieces[at] = pieces[at].replace(
                    rng.choice(("e", "i", "a", "1", '"')), rng.choice(("", "x", "9")), 1
                )
            case 9:
                end = rng.randrange(at, min(at + 40, len(pieces)) + 1)
                pieces[at:at] = pieces[at:end] * rng.choice((1, 2, 20))
            case _:
                end = rng.randrange(at, min(at + 20, len(pieces)) + 1)
                pieces[at:end] = []
                pieces = pieces or [""]
    data = "".join(pieces).encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1")), "replace")
    return noisy(data, rng) if rng.random() < 0.1 else data


def model_seeds() -> list[str]:
    """The DMN models of the test suite."""
    if not _MODELS:
        _MODELS.extend(path.read_text(encoding="utf-8") for path in sorted(MODELS.rglob("*.dmn")))
    return _MODELS


_MODELS: list[str] = []


def noisy(data: bytes, rng: random.Random) -> bytes:
    """Bytes with some of them changed, left out or doubled."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 50))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(3):
            case 0:
                out[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del out[at : at + rng.choice((1, 2, 16))]
            case _:
                out[at:at] = out[at : at + rng.choice((1, 2, 16))]
    return bytes(out)


TABLE_YAML = """\
table: level
title: {en: Level}
hit policy: unique
in force: {from: 2010-01-01}
inputs:
  - {name: kind, expression: loan.kind}
  - {name: amount, expression: loan.amount}
  - {name: day, expression: loan.decided_on}
outputs:
  - {name: level, type: integer}
  - {name: words, type: text}
rows: level.csv
default: {level: 9, words: '"board"'}
clause: one.1
source: {document: S, evidence: B}
"""
TABLE_ROWS = [
    ["kind", "amount", "day", "level", "words", "note"],
    ["a", "<= 500000", "-", "1", '"low"', ""],
    ["b", "(500000..5000000]", '>= @"2021-07-01"', "2", '"middle"', "since July"],
    ['not("a", b)', "> 100, < 50", '[@"2024-01-01"..@"2024-12-31")', "3", '"high"', ""],
    ["c", "? > 1 and ? < 7", "null", "4", '"high"', "三查"],
]
CELLS = [
    "-", "", "a", '"a"', "a, b", "not(a)", "d", "< 5", ">= 1,000", "５", "[1..2", "5..6", "1-5", "50%", "¥5",
    "null", "true", "1e999", '"' * 3, "=1+1", "@", "2024-02-30", '@"2024-02-30"', "not(not(a))", "? ?",
    "loan.amount", "0.1", "x" * 40_000, "(" * 200, "\n", "\x00", "\ud7ff", "\ufeff", "'", "，", ";", "\t", "9" * 500,
]  # fmt: skip
KEYS = [
    "hit policy: collect sum", "hit policy: first", "hit policy: priority", "hit policy:", "inputs: []", "inputs: 5",
    "inputs:\n  - {name: level, expression: loan.kind}", "outputs:\n  - {name: 三查, type: \"one of [x]\"}",
    "outputs: {}", "rows: level.csv#a", "rows: ../../level.csv", "rows: /etc/passwd", "rows: [level.csv]",
    "rows: level.xlsx", "rows: nothing.xlsx#Sheet 1", "default: 5", "default: {level: x}", "table: level", "table: 5",
    "in force: {from: 2010-13-01}", "in force: {from: 0001-01-01, until: 9999-12-31}", "&a [*a]", "a: &a {b: *a}",
    "? {a: 1}", "<<: 1", "!!python/object:os.system x", "- - - -", "{" * 300, "[" * 3000, "a: " * 50, "%YAML 9.9",
    "---", "...", "\t", "key: |\n  text", "clause: nothing.9", "title: 5",
]  # fmt: skip


def tables_input(rng: random.Random, seeds: list[str]) -> bytes:
    match rng.randrange(3):
        case 0:
            return b"CSV\n" + csv_input(rng, seeds)
        case 1:
            return b"YAML\n" + yaml_input(rng, seeds)
        case _:
            return b"XLSX\n" + xlsx_input(rng, seeds)


def changed_rows(rng: random.Random, seeds: list[str]) -> list[list[str]]:
    rows = [list(row) for row in TABLE_ROWS]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(rows)
        at = rng.randrange(len(row) + 1)
        match rng.randrange(8):
            case 0 | 1 | 2:
                row[at : at + 1] = [rng.choice(CELLS)]
            case 3:
                row[at : at + 1] = [changed(rng.choice(seeds), seeds, rng)[:2000]]
            case 4:
                del row[at:]
            case 5:
                rows.insert(rng.randrange(len(rows) + 1), list(row))
            case 6:
                rows.extend(list(row) for _ in range(rng.choice((1, 50, 400))))
            case _:
                rows.remove(row)
                rows = rows or [[""]]
        rows = [r or [""] for r in rows]
    return rows


def csv_input(rng: random.Random, seeds: list[str]) -> bytes:
    def cell(text: str) -> str:
        quoted = any(c in text for c in ',"\n') and rng.random() < 0.95
        return '"' + text.replace('"', '""') + '"' if quoted else text

    separator = rng.choice((",", ",", ",", ",", ";", "\t"))
    text = "\n".join(separator.join(map(cell, row)) for row in changed_rows(rng, seeds))
    data = text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "gbk")), "replace")
    return noisy(data, rng) if rng.random() < 0.2 else data


def yaml_input(rng: random.Random, seeds: list[str]) -> bytes:
    text = TABLE_YAML.split("\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text))
        match rng.randrange(5):
            case 0:
                text[at] = rng.choice(KEYS)
            case 1:
                text.insert(at, rng.choice(KEYS))
            case 2:
                del text[at]
                text = text or [""]
            case 3:
                text[at] = changed(text[at], [*KEYS, *text], rng)
            case _:
                text[at] = re.sub(
                    r": .*", lambda _: ": " + changed(rng.choice(seeds), seeds, rng)[:2000], text[at]
                )
    data = "\n".join(text).encode("utf-8", "replace")
    return noisy(data, rng) if rng.random() < 0.2 else data


def xlsx_input(rng: random.Random, seeds: list[str]) -> bytes:
    """A workbook as Excel would write it, with odd cells; or one whose parts are damaged."""
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_numbers": False, "nan_inf_to_errors": True}
    ) as book:
        percent = book.add_format({"num_format": "0%"})
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        for name in rng.choice((["level"], ["level"], ["Sheet1"], ["level", "other"], ["a", "b"])):
            sheet = book.add_worksheet(name)
            for i, row in enumerate(changed_rows(rng, seeds)):
                for j, text in enumerate(row):
                    match rng.randrange(20):
                        case 0:
                            sheet.write_number(
                                i,
                                j,
                                rng.choice((0, 0.1, 1e300, -1, 45351, 1 / 3, 5e-324)),
                                rng.choice((None, percent, date)),
                            )
                        case 1:
                            sheet.write_boolean(i, j, rng.random() < 0.5)
                        case 2:
                            sheet.write_formula(
                                i,
                                j,
                                rng.choice(("=1+1", "=NOW()", "=A1", '=HYPERLINK("x")')),
                                None,
                                rng.choice((0, "x", "#N/A")),
                            )
                        case 3:
                            sheet.write_blank(i, j, None, date)
                        case _:
                            sheet.write_string(i, j, text[:32_000].encode("utf-8", "replace").decode())
            if rng.random() < 0.1:
                sheet.merge_range(rng.randrange(3), 0, 3, 2, "merged")
            if rng.random() < 0.1:
                sheet.set_row(rng.randrange(4), None, None, {"hidden": True})
            if rng.random() < 0.1:
                sheet.set_column(1, 1, None, None, {"hidden": True})
            if rng.random() < 0.1 and name != "level":
                sheet.hide()
    data = buffer.getvalue()
    match rng.randrange(5):
        case 0:
            return noisy(data, rng)
        case 1 | 2:
            return repacked(data, rng)
    return data


def repacked(data: bytes, rng: random.Random) -> bytes:
    """The workbook with one of its parts changed, left out, or much too large."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        victim = rng.choice(names)
        for name in names:
            content = old.read(name)
            if name == victim:
                match rng.randrange(6):
                    case 0:
                        continue
                    case 1:
                        content = noisy(content, rng)
                    case 2:
                        content = b""
                    case 3:
                        content = content.replace(b"<row", b"<row r='9999999'", 1).replace(
                            b'r="A1"', b'r="XFD1048576"', 1
                        )
                    case 4:
                        content = content.replace(b"?>", b"?>" + rng.choice(DOCTYPES).encode(), 1)
                    case _:
                        content += b" " * rng.choice((10, 20_000_000))
            new.writestr(name, content)
    return buffer.getvalue()


INPUTS: dict[str, Callable[[random.Random, list[str]], bytes]] = {
    "lexer": text_input,
    "parser": text_input,
    "parser-full": text_input,
    "xml": xml_input,
    "tables": tables_input,
}


def pack_files() -> dict[str, bytes]:
    """A sound pack with one table."""
    if not _PACK:
        _PACK.update(
            {
                "pack.yaml": b"pack: small\nversion: '1'\ntitle: {en: Small}\nnotice: {en: For tests}\n"
                b"languages: [en]\ncurrency: CNY\ntime zone: Asia/Shanghai\n"
                b"dimensions: {branch: loan.branch, exposure: loan.amount}\n",
                "vocabulary.yaml": b"vocabulary: small\ngroups:\n  loan:\n    label: {en: Loan}\n    facts:\n"
                b"      branch: {type: text, label: {en: branch}}\n"
                b'      kind: {type: "one of [a, b, c]", label: {en: kind}}\n'
                b"      amount: {type: money, label: {en: amount}}\n"
                b"      decided_on: {type: date, label: {en: decided on}}\n",
                "calendar.yaml": b"from: 2024-01-01\nuntil: 2024-12-31\nholidays: []\nworking weekends: []\n"
                b"source: a test\n",
                "sources.yaml": b"S: {en: Source}\n",
                "causes.yaml": b"C: {en: Cause}\n",
                "clauses/all.md": b"## one.1 Clause\n\nText.\n",
                "rules/level.yaml": TABLE_YAML.encode(),
                "rules/level.csv": "\n".join(
                    ",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' if c else "" for c in row)
                    for row in TABLE_ROWS
                ).encode(),
                "rules/rule.yaml": b"rule: R-1\ntitle: {en: Rule}\nstage: pre-loan\nimpact: control\ncause: C\n"
                b"clause: one.1\nsource: {document: S, evidence: B}\nfinding: {en: Found}\nrecommend: {en: Do}\n"
                b"judged on: loan.decided_on\nin force: {from: 2010-01-01}\napplies when: loan.amount > 0\n"
                b"require: level.level >= 1\n",
            }
        )
    return dict(_PACK)


_PACK: dict[str, bytes] = {}


# -- runs --------------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """What a run tried and found. Of findings that look alike the shortest input is kept."""

    target: str
    keep: Path | None
    executions: int = 0
    slowest: float = 0.0
    slowest_input: bytes = b""
    found: dict[str, bytes] = field(default_factory=dict)

    def try_(self, data: bytes) -> None:
        start = time.process_time()
        what = finding(self.target, data)
        taken = time.process_time() - start
        self.executions += 1
        if taken > self.slowest:
            self.slowest, self.slowest_input = taken, data
        if what is None:
            return
        alike = what.partition(":")[0] + what.partition(":")[2].partition(":")[0]
        known = self.found.get(alike)
        if known is None:
            print(f"  FINDING {what}", flush=True)
        if known is None or len(data) < len(known):
            self.found[alike] = data
            if self.keep is not None:
                self.write(alike, data)

    def write(self, alike: str, data: bytes) -> None:
        folder = self.keep / self.target if self.keep is not None else Path()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{hashlib.sha256(alike.encode()).hexdigest()[:12]}.bin").write_bytes(data)


def with_hypothesis(run: Run, seconds: float, seed: int, most: int | None = None) -> None:
    """Tries inputs for so many seconds, or `most` of them: those of one seed are always the same."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    seeds = expressions()
    make = INPUTS[run.target]
    end = time.monotonic() + seconds
    while time.monotonic() < end and (most is None or run.executions < most):

        @seeded(seed)
        @settings(
            max_examples=200,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=False), st.integers(0, 2**64))
        def batch(_: random.Random, number: int) -> None:
            if time.monotonic() < end:
                run.try_(make(random.Random(number), seeds))

        batch()
        seed += 1


def with_atheris(run: Run, seconds: float, seed: int) -> None:
    """Looks for inputs that reach new code. Does not return: libFuzzer has no way back."""
    import atheris

    with atheris.instrument_imports(include=["sancha.engine"]):
        TARGETS[run.target](b"")
    corpus = workplace() / "corpus"
    corpus.mkdir()
    rng = random.Random(seed)
    seeds = expressions()
    for number in range(300):
        (corpus / str(number)).write_bytes(INPUTS[run.target](rng, seeds)[:20_000])
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-seed={seed or 1}",
        "-max_len=20000",
        "-rss_limit_mb=0",
        "-timeout=60",
        "-print_final_stats=0",
        "-verbosity=0",
        f"-artifact_prefix={tempfile.gettempdir()}/",  # findings are kept by `report`
    ]

    started = time.monotonic()

    def one(data: bytes) -> None:
        run.try_(data)
        if time.monotonic() - started > seconds:
            report(run, time.monotonic() - started, "atheris")
            for folder in _WORKPLACES:
                folder.cleanup()
            os._exit(bool(run.found))

    atheris.Setup(arguments, one)
    atheris.Fuzz()


def report(run: Run, seconds: float, engine: str) -> None:
    print(
        f"{run.target} ({engine}): {run.executions} executions in {seconds:.0f} s, {len(run.found)} findings; "
        f"slowest {run.slowest:.2f} s, {len(run.slowest_input)} bytes: {run.slowest_input[:60]!r}",
        flush=True,
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    arguments.add_argument("target", choices=list(TARGETS))
    arguments.add_argument("--minutes", type=float, default=1.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--engine", choices=("hypothesis", "atheris", "both"), default="both")
    arguments.add_argument("--keep", type=Path, default=FINDINGS, help="the folder for findings")
    given = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        import atheris  # noqa: F401
    except ImportError:
        if given.engine == "atheris":
            arguments.error("atheris is not installed")
        given.engine = "hypothesis"
    run = Run(given.target, given.keep)
    seconds = given.minutes * 60
    if given.engine == "atheris":
        with_atheris(run, seconds, given.seed)
        return 0
    started = time.monotonic()
    with_hypothesis(run, seconds / 2 if given.engine == "both" else seconds, given.seed)
    report(run, time.monotonic() - started, "hypothesis")
    status = int(bool(run.found))
    if given.engine == "both":
        command = [sys.executable, __file__, given.target, "--engine", "atheris", "--seed", str(given.seed)]
        command += ["--minutes", str(given.minutes / 2), "--keep", str(given.keep)]
        status |= subprocess.run(command, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
