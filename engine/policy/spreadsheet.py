"""The rows of decision tables in XLSX, as Excel users lay them out; and tables written as XLSX to be edited.

Three layouts are read, told apart by the first row that is not empty:

- *plain*: a header with the names of inputs and outputs in any order, and perhaps `note`, as in CSV;
- *Camunda*: a header of five rows, the first of which says `input`, `output` or `annotation`;
- *OpenRules*: a first cell `DecisionTable NAME`, then a row of `Condition`, `If`, `Conclusion`, `Then`, then names.

Every cell becomes the text that the same cell has in CSV. What is not understood is an error with its cell. The
contract is docs/formats.md.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import xlsxwriter  # type: ignore[import-untyped]

from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError, did_you_mean
from sancha.engine.feel import types as t
from sancha.engine.feel.check import in_words
from sancha.engine.files import write_file
from sancha.engine.policy.source import read_text, read_yaml
from sancha.engine.policy.workbook import DIGITS, Sheet, letters, open_sheet, plain

if TYPE_CHECKING:
    from sancha.engine.policy.pack import Decision, Pack

#: The cells of a row, inputs before outputs, those in error None; and the place of cell number i.
Cells = tuple[list[str | None], Callable[[int], Place]]

#: Other workbooks, which are not read.
OTHER_BOOKS: Final = frozenset((".xls", ".xlsm", ".xlsb", ".ods", ".et", ".numbers"))
_CODE: Final = "E0408"


@dataclass(frozen=True, slots=True)
class Column:
    """An input or output. `expression`: what the input reads from the file, None for an argument or an output."""

    name: str
    type: t.Type
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class TableShape:
    """What the rows of a table have to fit."""

    name: str
    hit_policy: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*self.inputs, *self.outputs)

    def listed(self) -> str:
        return f"the columns are {', '.join(c.name for c in self.columns)}, and `note` if wanted"


def sheet_of(rows: str) -> tuple[str, str | None]:
    """`authority.xlsx#Sheet 1` as file and sheet; the sheet may be left out."""
    name, mark, sheet = rows.partition("#")
    return (name, sheet) if mark and name.lower().endswith(".xlsx") else (rows, None)


@dataclass(frozen=True, slots=True)
class SheetRows:
    """The rows of a table as a sheet has them, a note for each, and the defects of their cells."""

    rows: list[Cells]
    notes: list[str]
    defects: list[Diagnostic]


def read_xlsx(path: Path, sheet: str | None, shape: TableShape) -> SheetRows:
    """The rows of a table from a sheet of a workbook.

    `sheet`: its name; None for the sheet named as the table, or the only one that is visible. Every defect names its
    cell (`authority.xlsx!D14`, the sheet before the cell if there are several). Raises PackError where there are no
    rows to speak of: for a workbook that cannot be read, or a header that does not fit the table.
    """
    return _Reader(open_sheet(path, sheet, shape.name), shape).rows()


# -- the rows ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a column of the table stands: its values, and the operators beside them, if any."""

    column: int
    operators: int | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """`first`: the first row below the header. `sources`: one a column of the shape.

    `notes`: columns of remarks; `numbers`: those of row numbers, which are not read at all. `foreign`: empty cells
    mean any value, and texts stand without quotes.
    """

    first: int
    sources: tuple[_Source, ...]
    notes: tuple[int, ...]
    numbers: tuple[int, ...]
    foreign: bool


class _Reader:
    def __init__(self, sheet: Sheet, shape: TableShape) -> None:
        self.sheet = sheet
        self.shape = shape
        self.defects: list[Diagnostic] = []
        #: The columns that the layout has.
        self.known: set[int | None] = set()

    def defect(self, message: str, row: int, column: int, help: str | None = None) -> None:
        found = Diagnostic(_CODE, message, self.sheet.place(row, column), help)
        if found not in self.defects:
            self.defects.append(found)

    def rows(self) -> SheetRows:
        sheet = self.sheet
        full = sheet.filled
        if not full:
            raise PackError([Diagnostic(_CODE, "the sheet is empty", sheet.place(0, 0))])
        layout = self.layout(full[0])
        if layout is None or self.defects:
            raise PackError(self.defects)
        self.known |= {*layout.notes, *layout.numbers}
        for source in layout.sources:
            self.known |= {source.column, source.operators}
        self.hidden(layout, full)
        below = [row for row in full if row >= layout.first]
        rows, notes = [self.row(row, layout) for row in below], [self.note(row, layout) for row in below]
        if not rows:
            self.defect("the table has no rows", full[-1], 0)
        return SheetRows(rows, notes, self.defects)

    def hidden(self, layout: _Layout, full: list[int]) -> None:
        for row in full:
            if row in self.sheet.hidden_rows:
                self.defect(
                    f"row {row + 1} is hidden", row, 0, "show it, or delete it: a table has to be seen"
                )
        for source in layout.sources:
            if source.column in self.sheet.hidden_columns:
                name = letters(source.column)
                self.defect(
                    f"column {name} is hidden", full[0], source.column, "show it: a table has to be seen"
                )

    def row(self, row: int, layout: _Layout) -> Cells:
        cells = self.sheet.rows.get(row, {}).keys()
        for column in sorted(cells - self.known):
            self.defect("the cell stands under no column of the table", row, column, self.shape.listed())
        anchors = [self.anchor(row, source.column, layout.first) for source in layout.sources]
        if cells and not cells & self.known:
            return [None] * len(anchors), lambda i: self.sheet.place(row, i)  # what strays is no row
        texts = [self.operand(row, source, i, layout) for i, source in enumerate(layout.sources)]
        return texts, lambda i: self.sheet.place(*anchors[i])

    def note(self, row: int, layout: _Layout) -> str:
        return "; ".join(text for c in layout.notes if (text := self.sheet.text(row, c)))

    def anchor(self, row: int, column: int, first: int) -> tuple[int, int]:
        """The cell that holds the value: a cell that is merged over rows holds for each of them."""
        top, left = self.sheet.merged.get((row, column), (row, column))
        if left != column or any(
            self.sheet.merged.get((row, c)) == (top, left) for c in (column - 1, column + 1)
        ):
            self.defect(
                "the cell is merged over several columns", top, left, "split it: each column has its own cell"
            )
        elif top < first:
            self.defect("the cell is merged with the header", top, left, "split it")
        return top, left

    def operand(self, row: int, source: _Source, i: int, layout: _Layout) -> str | None:
        """The text of a cell, together with its operator; None where it is in error."""
        column, is_input = self.shape.columns[i], i < len(self.shape.inputs)
        at = beside = self.anchor(row, source.column, layout.first)
        text = self.cell(*at, column)
        if text is None:
            return None
        operator = ""
        if source.operators is not None:
            beside = self.anchor(row, source.operators, layout.first)
            operator = self.sheet.text(*beside)
        try:
            if not text and operator.casefold() not in _ALONE:
                if operator:
                    raise _NotUnderstoodError(f"the operator `{operator}` has no value")
                if is_input and layout.foreign:
                    return "-"
                help = "write `-` for any value" if is_input else "an output needs a value, or `null`"
                raise _NotUnderstoodError("the cell is empty", help)
            if not is_input:
                if operator.casefold() not in ("", "is", "=", "are"):
                    raise _NotUnderstoodError(
                        f"the operator `{operator}` is not understood", "a conclusion has `Is`", operator=True
                    )
                return _output(text, column.type) if layout.foreign else text
            if operator:
                return _compared(operator, text, column.type)
            return _input(text, column.type) if layout.foreign else text
        except _NotUnderstoodError as error:
            self.defect(error.message, *(beside if error.operator else at), error.help)
            return None

    def cell(self, row: int, column: int, own: Column) -> str | None:
        """The cell as it would stand in CSV; None where it is in error."""
        if (row, column) in self.sheet.errors:
            self.defect("the cell holds an error of Excel", row, column)
            return None
        if (row, column) in self.sheet.formulas:
            help = "write its value: Copy, then Paste Special, Values"
            self.defect("the cell holds a formula", row, column, help)
            return None
        value = self.sheet.value(row, column)
        if isinstance(value, str):
            low = value.casefold()
            return low if own.type.name == "boolean" and low in ("true", "false") else value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Decimal):
            return self.number(value, row, column, own)
        if isinstance(value, dt.date):
            return self.date(value, row, column, own)
        self.defect("the cell holds a time of day", row, column, "format it as number, date or text")
        return None

    def number(self, value: Decimal, row: int, column: int, own: Column) -> str | None:
        if own.type.name == "text":
            help = "format the cell as text, and write the text in double quotes"
            self.defect(f"the cell holds a number, and `{own.name}` is text", row, column, help)
            return None
        if value.adjusted() >= DIGITS:
            help = f"Excel keeps {DIGITS} digits: format the cell as text, and write the number anew"
            self.defect("the number may have lost digits", row, column, help)
            return None
        return plain(value)

    def date(self, value: dt.date, row: int, column: int, own: Column) -> str | None:
        if own.type.name not in ("date", "date-time", "error"):
            help = "Excel makes dates of `1-5` and `3/4`: format the cell as text, and write it anew"
            self.defect(f"the cell holds a date, and `{own.name}` is {in_words(own.type)}", row, column, help)
            return None
        moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        if own.type.name == "date" and moment.time() == dt.time():
            return f'@"{moment.date()}"'
        return f'@"{moment.isoformat()}"'

    # -- layouts ------------------------------------------------------------------------------------------

    def layout(self, first: int) -> _Layout | None:
        marks = [self.sheet.text(first, column).casefold() for column in range(self.sheet.width)]
        if re.match(
            r"decisiontable|ruletable|(decision|rules)\s", next((mark for mark in marks if mark), "")
        ):
            return self.openrules(first)
        if "input" in marks and "output" in marks and set(marks) <= {"", "input", "output", *_REMARKS}:
            return self.camunda(first, marks)
        return self.plain(first)

    def plain(self, first: int) -> _Layout | None:
        found: dict[int, _Source] = {}
        notes = []
        columns = self.shape.columns
        names = [c.name for c in columns]
        slips = ""
        for column in range(self.sheet.width):
            text = self.sheet.text(first, column)
            at = _named(text, columns)
            if not text:
                continue
            if text == "note":
                notes.append(column)
            elif at is None:
                near = did_you_mean(text, [*names, "note"])
                slips += near or ""
                self.defect(f"unknown column `{text}`", first, column, near or self.shape.listed())
            elif at in found:
                self.defect(f"the column `{text}` is given twice", first, column)
            else:
                found[at] = _Source(column)
        self.complete(found, first, slips)
        sources = tuple(found[i] for i in sorted(found))
        return _Layout(first + 1, sources, tuple(notes), (), foreign=False)

    def complete(self, found: dict[int, _Source], row: int, slips: str = "") -> None:
        for i, column in enumerate(self.shape.columns):
            if i not in found and f"`{column.name}`" not in slips:
                self.defect(f"the column `{column.name}` is lacking", row, 0, self.shape.listed())

    def camunda(self, first: int, marks: list[str]) -> _Layout | None:
        """Rows of the header: kind, label, expression language, expression or name, type; A5 is the hit policy."""
        found: dict[int, _Source] = {}
        notes = tuple(column for column, mark in enumerate(marks) if mark in _REMARKS)
        numbers = (0,) if marks[0] == "" else ()
        if numbers:
            self.hit_policy(first + 4)
        inputs = len(self.shape.inputs)
        for column, mark in enumerate(marks):
            if mark not in ("input", "output"):
                continue
            language = self.sheet.text(first + 2, column)
            if language.casefold() not in ("", "feel"):
                self.defect(
                    f"the expression language `{language}` is not read", first + 2, column, "write `feel`"
                )
            name = self.sheet.text(first + 3, column)
            known = self.shape.inputs if mark == "input" else self.shape.outputs
            at = _named(name, known)
            if at is None:
                shown = ", ".join(f"`{c.expression or c.name}`" for c in known)
                help = (
                    did_you_mean(name, [c.expression or c.name for c in known]) or f"the {mark}s are {shown}"
                )
                self.defect(
                    f"unknown {mark} `{name}`" if name else f"the {mark} is not named",
                    first + 3,
                    column,
                    help,
                )
                continue
            self.type_fits(known[at], first + 4, column)
            at += 0 if mark == "input" else inputs
            if at in found:
                self.defect(f"the {mark} `{name}` is given twice", first + 3, column)
            found[at] = _Source(column)
        if not self.defects:
            self.complete(found, first)
        return _Layout(first + 5, tuple(found[i] for i in sorted(found)), notes, numbers, foreign=True)

    def hit_policy(self, row: int) -> None:
        text = self.sheet.text(row, 0)
        policy = text.casefold().replace("_", " ")
        own = self.shape.hit_policy
        if policy and policy != own and not (policy == "collect" and own.startswith("collect")):
            self.defect(
                f"the hit policy is `{text}` here and `{own}` in the table's YAML", row, 0, "make them agree"
            )

    def type_fits(self, own: Column, row: int, column: int) -> None:
        text = self.sheet.text(row, column)
        kinds = _TYPES.get(text.casefold())
        if text and kinds is None:
            self.defect(f"unknown type `{text}`", row, column, did_you_mean(text, _TYPES) or "leave it empty")
        elif kinds is not None and own.type.name not in (*kinds, "error"):
            self.defect(f"`{own.name}` is {own.type} in the table's YAML", row, column, "make them agree")

    def openrules(self, first: int) -> _Layout | None:
        """`DecisionTable NAME`, what each column is (a condition stands over operators and values), the names."""
        column = next(c for c in range(self.sheet.width) if self.sheet.text(first, c))
        keyword, _, name = self.sheet.text(first, column).partition(" ")
        policies = _KEYWORDS.get(keyword.casefold())
        if policies is None:
            help = "a table begins with `DecisionTable NAME` or `DecisionTableMultiHit NAME`"
            self.defect(f"`{keyword}` is not understood", first, column, help)
        elif self.shape.hit_policy not in policies:
            message = f"`{keyword}` is {_or(policies)}, and the table's hit policy `{self.shape.hit_policy}`"
            self.defect(message, first, column, "make them agree")
        if _joined(name) != _joined(self.shape.name):
            message = f"the table is named `{name}` here and `{self.shape.name}` in its YAML"
            self.defect(message, first, column, "make them agree")
        found: dict[int, _Source] = {}
        notes: list[int] = []
        numbers: list[int] = []
        inputs = len(self.shape.inputs)
        column = 0
        while column < self.sheet.width:
            kind = self.sheet.text(first + 1, column)
            span = 1
            while self.sheet.merged.get((first + 1, column + span), ()) == (
                first + 1,
                column,
            ) or self.sheet.merged.get((first + 2, column + span), ()) == (first + 2, column):
                span += 1
            at = column
            column += span
            role = _ROLES.get(kind.casefold())
            label = self.sheet.text(first + 2, at)
            if kind == "" and label == "":
                continue
            if kind.casefold() in (*_REMARKS, "#"):
                (numbers if kind == "#" else notes).extend(range(at, at + span))
                continue
            if role is None:
                help = "columns are `Condition`, `If`, `Conclusion`, `Then`, `#` or `Annotation`"
                self.defect(
                    f"`{kind}` is not understood" if kind else "the column has no kind", first + 1, at, help
                )
                continue
            known = self.shape.inputs if role == "input" else self.shape.outputs
            number = _named(label, known)
            if number is None:
                help = (
                    did_you_mean(label, [c.name for c in known])
                    or f"the {role}s are {_or([c.name for c in known])}"
                )
                self.defect(
                    f"unknown {role} `{label}`" if label else f"the {role} is not named", first + 2, at, help
                )
                continue
            pair = kind.casefold() in ("condition", "conclusion")
            if span > 2 or (span == 2 and not pair):
                self.defect(
                    f"`{kind}` is merged over {span} columns",
                    first + 1,
                    at,
                    "it has one, `Condition` may have two",
                )
                continue
            number += 0 if role == "input" else inputs
            if number in found:
                self.defect(f"the {role} `{label}` is given twice", first + 2, at)
            found[number] = _Source(at + 1, at) if span == 2 else _Source(at)
        if not self.defects:
            self.complete(found, first + 2)
        sources = tuple(found[i] for i in sorted(found))
        return _Layout(first + 3, sources, tuple(notes), tuple(numbers), foreign=True)


_REMARKS: Final = ("annotation", "annotations", "note", "message", "description")
#: The types of Camunda's header, and those of a pack that they stand for.
_TYPES: Final = {
    "string": ("text", "one of"),
    "boolean": ("boolean",),
    "integer": ("integer", "days"),
    "long": ("integer", "days"),
    "double": ("number", "rate", "money", "integer"),
    "number": ("number", "rate", "money", "integer"),
    "date": ("date", "date-time"),
}
#: The keywords of OpenRules, and the hit policies that they stand for.
_COLLECT: Final = ("collect sum", "collect min", "collect max", "collect count")
_KEYWORDS: Final = {
    "decisiontable": ("first", "unique", "any"),
    "decisiontablesinglehit": ("first", "unique", "any"),
    "decisiontablemultihit": _COLLECT,
}
_ROLES: Final = {"condition": "input", "if": "input", "conclusion": "output", "then": "output"}


def _named(text: str, columns: Sequence[Column]) -> int | None:
    """The number of the column of that name or expression."""
    for i, column in enumerate(columns):
        if text and text in (column.name, column.expression):
            return i
    return None


def _joined(name: str) -> str:
    """`Authority Level`, `AuthorityLevel` and `authority_level` are one name."""
    return re.sub(r"[\s_-]", "", name).casefold()


def _or(names: Sequence[str]) -> str:
    return (
        ", ".join(f"`{name}`" for name in names[:-1]) + (" or " if len(names) > 1 else "") + f"`{names[-1]}`"
    )


# -- cells as others write them ----------------------------------------------------------------------------------------


class _NotUnderstoodError(Exception):
    def __init__(self, message: str, help: str | None = None, *, operator: bool = False) -> None:
        self.message, self.help, self.operator = message, help, operator


#: What begins a test of FEEL, rather than a bare text.
_TEST: Final = re.compile(r'["<>=!\[\](@?]|not\s*\(|null$|-$|parameters\.')


def _input(text: str, type_: t.Type) -> str:
    """A cell of Camunda or OpenRules without an operator: FEEL, or a bare text."""
    return text if _TEST.match(text) else _values(text, type_)


def _output(text: str, type_: t.Type) -> str:
    """An output: FEEL, or a bare text."""
    bare = type_.name == "text" and not re.match(r'"|null$|parameters\.', text)
    return _string(text) if bare else text


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _values(text: str, type_: t.Type) -> str:
    """One or several values, separated by commas; texts with or without quotes."""
    if not t.is_text(type_) or '"' in text:
        return text
    if type_.name == "text" and "," in text:
        help = 'write `"a", "b"` for two values, `"a, b"` for one'
        raise _NotUnderstoodError("a text with a comma may be one value or several", help)
    return ", ".join(_string(part.strip()) for part in text.split(","))


_NUMBER: Final = r"-?\d+(?:\.\d+)?"
_SPAN: Final = re.compile(
    rf"(?P<open>[\[(\]])\s*(?P<a>[^;.,\s][^;]*?)\s*(?:;|\.\.)\s*(?P<b>[^;]+?)\s*(?P<close>[\])\[])"
    rf"|(?P<c>{_NUMBER})\s*-\s*(?P<d>{_NUMBER})|between\s+(?P<e>\S+)\s+and\s+(?P<f>\S+)",
    re.I,
)


def _interval(text: str) -> str:
    """`[1..5)`, `(1;5]`, `1-5` or `between 1 and 5` as a range of FEEL."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise _NotUnderstoodError(
            f"`{text}` is no interval", "write `[1..5]`, `(1..5]`, `1-5` or `between 1 and 5`"
        )
    if found["open"]:
        return f"{found['open']}{found['a']}..{found['b']}{found['close']}"
    return f"[{found['c'] or found['e']}..{found['d'] or found['f']}]"


def _not(text: str) -> str:
    return f"not({text})"


def _test(operator: str) -> Callable[[str, t.Type], str]:
    return lambda text, type_: f"{operator} {_values(text, type_)}"


def _function(name: str, text: str, type_: t.Type) -> str:
    if type_.name != "text":
        raise _NotUnderstoodError("the operator needs a text", operator=True)
    return f"{name}(?, {_values(text, type_)})"


#: The operators of OpenRules' conditions: FEEL for a value of the column's type.
_MEANINGS: Final[dict[str, Callable[[str, t.Type], str]]] = {
    "is": _values,
    "is not": lambda text, type_: _not(_values(text, type_)),
    "is more": _test(">"),
    "is more or equal": _test(">="),
    "is less": _test("<"),
    "is less or equal": _test("<="),
    "is one of": _values,
    "is not one of": lambda text, type_: _not(_values(text, type_)),
    "within": lambda text, type_: _interval(text),
    "outside": lambda text, type_: _not(_interval(text)),
    "contains": partial(_function, "contains"),
    "does not contain": lambda text, type_: f"not({_function('contains', text, type_)})",
    "starts with": partial(_function, "starts with"),
    "ends with": partial(_function, "ends with"),
}
#: Operators that need no value.
_ALONE: Final = {"is true": "true", "is false": "false", "is empty": "null", "is not empty": "not(null)"}
#: Other words for the operators.
_WORDS: Final = {
    "=": "is",
    "==": "is",
    "equals": "is",
    "is equal to": "is",
    "!=": "is not",
    "isn't": "is not",
    "not": "is not",
    "is not equal to": "is not",
    ">": "is more",
    "more": "is more",
    "more than": "is more",
    "is more than": "is more",
    "greater": "is more",
    "greater than": "is more",
    "is greater": "is more",
    "is greater than": "is more",
    ">=": "is more or equal",
    "is more or equal to": "is more or equal",
    "is more than or equal to": "is more or equal",
    "is greater or equal": "is more or equal",
    "is greater or equal to": "is more or equal",
    "is greater than or equal to": "is more or equal",
    "<": "is less",
    "less": "is less",
    "less than": "is less",
    "is less than": "is less",
    "<=": "is less or equal",
    "is less or equal to": "is less or equal",
    "is less than or equal to": "is less or equal",
    "is one": "is one of",
    "is one of many": "is one of",
    "is among": "is one of",
    "among": "is one of",
    "is not among": "is not one of",
    "not among": "is not one of",
    "inside": "within",
    "inside interval": "within",
    "interval": "within",
    "is between": "within",
    "outside interval": "outside",
}


def _compared(operator: str, text: str, type_: t.Type) -> str:
    """A condition of OpenRules as a unary test."""
    word = operator.casefold()
    word = _WORDS.get(word, word)
    if word in _ALONE:
        if text:
            raise _NotUnderstoodError(f"`{operator}` stands with a value", "take the value out")
        return _ALONE[word]
    meaning = _MEANINGS.get(word)
    if meaning is None:
        help = did_you_mean(word, [*_MEANINGS, *_ALONE, *_WORDS])
        raise _NotUnderstoodError(f"the operator `{operator}` is not understood", help, operator=True)
    return meaning(text, type_)


# -- tables to be edited -----------------------------------------------------------------------------------------------

#: Excel takes a list of choices of so many characters; a longer one stands on a sheet of its own.
_MOST_CHOICES: Final = 255
#: A number that comes back from a cell of type number as it is written; no `-0`, which Excel makes `0`.
_PLAIN_NUMBER: Final = re.compile(r"(?!-0$)-?(?:0|[1-9]\d{0,13})(?:\.\d*[1-9])?")


def export_xlsx(shape: TableShape, rows: Sequence[Sequence[str]], notes: Sequence[str], path: Path) -> None:
    """Writes a table as XLSX in the plain layout: `read_xlsx` gives the same rows again.

    `rows`: the cells as text, inputs before outputs; `notes`: one a row, or none. The header stays in view and says
    the types; cells of `one of` and true-or-false columns offer their values. The file is written whole or not at all.
    """
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"created": dt.datetime(2000, 1, 1)})  # the same table gives the same bytes
        _write(book, shape, rows, notes)
    write_file(path, content.getvalue())


def export_table(pack: Pack, name: str, path: Path, day: dt.date | None = None) -> None:
    """Writes a table of a pack as XLSX, to be edited: the version in force on a day (None: the last).

    Raises SanchaError where the pack has no such table, or none in force on the day.
    """
    decision = pack.decisions.get(name)
    if decision is None or decision.versions[0].table is None:
        tables = [n for n, d in pack.decisions.items() if d.versions[0].table is not None]
        help = did_you_mean(name, tables) or f"its tables are {', '.join(tables)}"
        raise SanchaError(f"the pack has no table `{name}`", code="E0404", help=help)
    number = _in_force([(v.valid_from, v.valid_until) for v in decision.versions], day)
    if number is None:
        raise SanchaError(f"`{name}` was not in force on {day}", code="E0404", where=decision.place)
    export_xlsx(*table_source(decision, number), path)


def table_source(
    decision: Decision, number: int
) -> tuple[TableShape, Sequence[Sequence[str]], Sequence[str]]:
    """The columns of a version of a table, the cells of its rows as they are written, and the notes of the rows."""
    table = decision.versions[number].table
    assert table is not None
    documents = read_yaml(Path(decision.place.file), decision.place.file)
    spec = next(d.value for d in documents if d.value.get("table") == decision.name)
    rows = (spec["versions"][number] if spec.get("versions") else spec)["rows"]
    expressions = [part.get("expression") for part in spec["inputs"]]
    inputs = zip(table.inputs, expressions, strict=True)
    shape = TableShape(
        decision.name,
        table.hit_policy,
        tuple(Column(n, type_, e) for (n, type_), e in inputs),
        tuple(Column(n, type_) for n, type_ in table.outputs),
    )
    return (shape, *_sources(rows, Path(decision.place.file).parent, shape))


def _in_force(spans: Sequence[tuple[dt.date, dt.date | None]], day: dt.date | None) -> int | None:
    if day is None:
        return max(range(len(spans)), key=lambda i: spans[i][0])
    held = (i for i, (first, last) in enumerate(spans) if first <= day and (last is None or day <= last))
    return next(held, None)


def _sources(
    rows: str | list[list[str]], folder: Path, shape: TableShape
) -> tuple[list[list[str]], list[str]]:
    """The cells of a table of a sound pack as they are written, and its notes."""
    names = [column.name for column in shape.columns]
    if not isinstance(rows, str):
        return rows, []
    file, sheet = sheet_of(rows)
    if file.lower().endswith(".xlsx"):
        found = read_xlsx(folder / file, sheet, shape)
        return [[cell or "" for cell in cells] for cells, _ in found.rows], found.notes
    records = csv.reader(io.StringIO(read_text(folder / file, file)), strict=True)
    full = [[cell.strip() for cell in record] for record in records if any(cell.strip() for cell in record)]
    header = full[0]
    cells = [[record[header.index(name)] for name in names] for record in full[1:]]
    return cells, [record[header.index("note")] for record in full[1:]] if "note" in header else []


def _write(book: Any, shape: TableShape, rows: Sequence[Sequence[str]], notes: Sequence[str]) -> None:
    sheet = book.add_worksheet(shape.name if len(shape.name) <= 31 else "table")
    text = book.add_format({"num_format": "@"})  # Excel makes no dates of what is typed into text
    whole = book.add_format({"num_format": "General"})
    heads = {
        kind: book.add_format({"bold": True, "bottom": 1, "bg_color": colour})
        for kind, colour in (("input", "#DCE6F1"), ("output", "#E2EFDA"), ("note", "#F2F2F2"))
    }
    names = [column.name for column in shape.columns] + ["note"]
    choices, page = None, "values" if shape.name != "values" else "choices"
    for i, name in enumerate(names):
        kind = "input" if i < len(shape.inputs) else "output" if i < len(shape.columns) else "note"
        cells = [row[i] for row in rows] if kind != "note" else list(notes)
        sheet.set_column(i, i, min(60, max(12, *map(len, [name, *cells])) + 2), text)
        sheet.write_string(0, i, name, heads[kind])
        for number, cell in enumerate(cells, 1):
            if kind != "note" and _PLAIN_NUMBER.fullmatch(cell) and len(cell) <= DIGITS:
                sheet.write_number(number, i, float(cell), whole)
            else:
                sheet.write_string(number, i, cell, text)
        if kind == "note":
            continue
        column = shape.columns[i]
        reads = f"{column.expression}: " if column.expression else ""
        sheet.write_comment(0, i, f"{reads}{in_words(column.type)}", {"author": ""})
        values = ["true", "false"] if column.type.name == "boolean" else list(column.type.values)
        if not t.is_text(column.type) and column.type.name != "boolean":
            continue
        if not values:
            continue
        if kind == "input":
            values.append("-")
        source: Any = values
        if len(",".join(values)) > _MOST_CHOICES:
            choices = choices or book.add_worksheet(page)
            choices.hide()
            choices.write_column(0, i, values)
            letter = letters(i)
            source = f"={page}!${letter}$1:${letter}${len(values)}"
        # An input may hold several values, or a test: what is offered is not all that is allowed.
        rule = {"validate": "list", "source": source, "show_error": kind == "output"}
        sheet.data_validation(1, i, len(rows) + 500, i, rule)
    sheet.freeze_panes(1, 0)
    sheet.ignore_errors({"number_stored_as_text": f"A2:{letters(len(names))}{len(rows) + 500}"})
