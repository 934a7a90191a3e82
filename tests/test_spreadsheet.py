"""Decision tables in XLSX: three layouts, every kind of cell, and for each wrong cell its message."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import textwrap
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_pack import write_pack

from sancha.engine.diagnostics import PackError, SanchaError
from sancha.engine.feel import types as t
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.spreadsheet import Column, TableShape, export_table, export_xlsx, read_xlsx
from sancha.engine.policy.workbook import open_sheet

TABLE = """
table: level
hit policy: {policy}
inputs:
  - {{name: kind, expression: loan.kind}}
  - {{name: amount, expression: loan.amount}}
  - {{name: branch, expression: loan.branch}}
  - {{name: day, expression: loan.decided_on}}
outputs:
  - {{name: level, type: integer}}
  - {{name: text, type: text}}
rows: {rows}
"""
RULE = """
rule: R-1
judged on: loan.decided_on
in force: {from: 2020-01-01}
applies when: loan.amount > 0
require: level.level >= 1
"""
HEADER = ["kind", "amount", "branch", "day", "level", "text"]
SHAPE = TableShape(
    "level",
    "unique",
    (
        Column("kind", t.one_of("a", "b", "c"), "loan.kind"),
        Column("amount", t.MONEY, "loan.amount"),
        Column("branch", t.TEXT, "loan.branch"),
        Column("day", t.DATE, "loan.decided_on"),
        Column("secured", t.BOOLEAN),
        Column("rate", t.RATE),
    ),
    (Column("level", t.INTEGER), Column("text", t.TEXT)),
)
NAMES = [c.name for c in SHAPE.columns]


class Formula(str):
    pass


def workbook(
    path: Path, rows: list[list[Any]], *, sheet: str = "Sheet1", then: Callable[..., None] | None = None
) -> Path:
    """A workbook of one sheet, typed as Excel types; None leaves a cell empty. `then(book, sheet)` adds to it."""
    book = xlsxwriter.Workbook(path)
    page = book.add_worksheet(sheet)
    formats = {
        dt.date: book.add_format({"num_format": "yyyy-mm-dd"}),
        dt.datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
        dt.time: book.add_format({"num_format": "hh:mm"}),
    }
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            if isinstance(value, Formula):
                page.write_formula(r, c, value, None, 7)
            elif isinstance(value, str):
                page.write_string(r, c, value)
            elif isinstance(value, dt.date | dt.time):
                page.write_datetime(r, c, value, formats[type(value)])
            elif value is not None:
                page.write(r, c, value)
    if then is not None:
        then(book, page)
    book.close()
    return path


def texts(path: Path, shape: TableShape = SHAPE, sheet: str | None = None) -> list[list[str]]:
    found = read_xlsx(path, sheet, shape)
    assert found.defects == []
    return [[cell or "" for cell in cells] for cells, _ in found.rows]


def messages(path: Path, shape: TableShape = SHAPE, sheet: str | None = None) -> list[str]:
    try:
        defects = PackError(read_xlsx(path, sheet, shape).defects).diagnostics
    except PackError as error:
        defects = error.diagnostics
    return [
        (f"{Path(d.place.file).name}!{d.place.cell}: " if d.place else "")
        + d.message
        + (f" = {d.help}" if d.help else "")
        for d in defects
    ]


def good(**cells: Any) -> list[Any]:
    row = {
        "kind": "a",
        "amount": 5,
        "branch": '"N"',
        "day": "-",
        "secured": "-",
        "rate": "-",
        "level": 1,
        "text": '"x"',
    }
    return [{**row, **cells}[name] for name in NAMES]


# -- the plain layout -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("amount", 5_000_000, "5000000"),
        ("amount", 0.1, "0.1"),
        ("amount", 0.1 + 0.2, "0.3"),
        ("amount", 1.1 * 3, "3.3"),
        ("amount", -2.5, "-2.5"),
        ("amount", 123_456_789_012_345, "123456789012345"),
        ("amount", 1e-7, "0.0000001"),
        ("amount", "  >= 5 ", ">= 5"),
        ("amount", "(1..2.50]", "(1..2.50]"),
        ("amount", "-", "-"),
        ("rate", 0.35, "0.35"),
        ("secured", True, "true"),
        ("secured", "FALSE", "false"),
        ("day", dt.date(2024, 2, 29), '@"2024-02-29"'),
        ("day", dt.datetime(2024, 2, 29), '@"2024-02-29"'),
        ("day", '< @"2024-02-29"', '< @"2024-02-29"'),
        ("branch", '"N", "S"', '"N", "S"'),
        ("kind", "a, b", "a, b"),
        ("level", 3, "3"),
    ],
)
def test_cells_as_in_csv(tmp_path: Path, column: str, value: Any, expected: str) -> None:
    path = workbook(tmp_path / "level.xlsx", [NAMES, good(**{column: value})])
    assert texts(path)[0][NAMES.index(column)] == expected


def test_a_percent_is_its_value(tmp_path: Path) -> None:
    def percent(book: Any, page: Any) -> None:
        page.write(1, NAMES.index("rate"), 0.355, book.add_format({"num_format": "0%"}))

    path = workbook(tmp_path / "level.xlsx", [NAMES, good()], then=percent)
    assert texts(path)[0][NAMES.index("rate")] == "0.355"


AS_VALUE = "write its value: Copy, then Paste Special, Values"
AS_TEXT = "Excel makes dates of `1-5` and `3/4`: format the cell as text, and write it anew"
ANEW = "Excel keeps 15 digits: format the cell as text, and write the number anew"
IN_QUOTES = "format the cell as text, and write the text in double quotes"


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("amount", None, "level.xlsx!B2: the cell is empty = write `-` for any value"),
        ("level", None, "level.xlsx!G2: the cell is empty = an output needs a value, or `null`"),
        ("amount", Formula("=A1*2"), f"level.xlsx!B2: the cell holds a formula = {AS_VALUE}"),
        ("amount", 1234567890123456, f"level.xlsx!B2: the number may have lost digits = {ANEW}"),
        (
            "amount",
            dt.date(2024, 5, 1),
            f"level.xlsx!B2: the cell holds a date, and `amount` is money = {AS_TEXT}",
        ),
        (
            "amount",
            dt.time(9, 30),
            "level.xlsx!B2: the cell holds a time of day = format it as number, date or text",
        ),
        ("branch", 101, f"level.xlsx!C2: the cell holds a number, and `branch` is text = {IN_QUOTES}"),
    ],
)
def test_wrong_cells(tmp_path: Path, column: str, value: Any, expected: str) -> None:
    path = workbook(tmp_path / "level.xlsx", [NAMES, good(**{column: value})])
    assert messages(path) == [expected]


def patched(path: Path, part: str, old: str, new: str) -> Path:
    """The workbook with a text of one of its parts replaced."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_errors_of_excel_are_no_values(tmp_path: Path) -> None:
    """Readers that see values alone take `#N/A` for an empty cell."""
    path = workbook(tmp_path / "level.xlsx", [NAMES, good()])
    patched(path, "xl/worksheets/sheet1.xml", '<c r="B2"><v>5</v>', '<c r="B2" t="e"><v>#N/A</v>')
    assert messages(path) == ["level.xlsx!B2: the cell holds an error of Excel"]


def test_cells_far_off_are_found(tmp_path: Path) -> None:
    """One stray cell at the end of a sheet must not take the room of all cells before it."""
    path = workbook(
        tmp_path / "level.xlsx", [NAMES, good()], then=lambda book, page: page.write("XFD1048576", "x")
    )
    assert messages(path) == [
        f"level.xlsx!XFD1048576: the cell stands under no column of the table = {SHAPE.listed()}"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [('<c r="B2"', '<c r="B999999999"'), ('<c r="B2"', '<c r="A2"'), ('<row r="2"', '<row r="0"')],
)
def test_cells_out_of_place_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = workbook(tmp_path / "level.xlsx", [NAMES, good()])
    patched(path, "xl/worksheets/sheet1.xml", old, new)
    assert messages(path)[0].startswith("`level.xlsx` is no XLSX workbook, or it is damaged")


@pytest.mark.parametrize(
    ("code", "serial", "expected"),
    [
        ("0.00", 45322, "45322"),
        ("#,##0.00;[Red]-#,##0.00", 45322, "45322"),
        ('"day" 0', 45322, "45322"),
        ("@", 45322, "45322"),
        ("d/m/yy", 45322, "2024-01-31"),
        ('[$-804]yyyy"年"m"月"d"日"', 45322, "2024-01-31"),
        ("dddd, mmmm dd, yyyy", 45322, "2024-01-31"),
        ("yyyy-mm-dd hh:mm", 45322.5, "2024-01-31 12:00:00"),
        ("[h]:mm", 1.25, "06:00:00"),
        (14, 45322, "2024-01-31"),
        (57, 45322, "2024-01-31"),
        (20, 0.25, "06:00:00"),
        (14, 59, "1900-02-28"),
        (14, 61, "1900-03-01"),
    ],
)
def test_number_formats(tmp_path: Path, code: str | int, serial: float, expected: str) -> None:
    book = xlsxwriter.Workbook(tmp_path / "dates.xlsx")
    book.add_worksheet().write_number(0, 0, serial, book.add_format({"num_format": code}))
    book.close()
    assert str(open_sheet(tmp_path / "dates.xlsx", None, "").value(0, 0)) == expected


def test_dates_from_1904(tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "dates.xlsx", {"date_1904": True})
    book.add_worksheet().write_datetime(0, 0, dt.date(2024, 2, 29), book.add_format({"num_format": 14}))
    book.close()
    assert open_sheet(tmp_path / "dates.xlsx", None, "").value(0, 0) == dt.date(2024, 2, 29)


def test_strings_of_several_runs(tmp_path: Path) -> None:
    def rich(book: Any, page: Any) -> None:
        page.write_rich_string(1, 0, "a", book.add_format({"bold": True}), ", b", "\n")
        page.write_string(1, 7, '"_x0041_"')

    (row,) = texts(workbook(tmp_path / "level.xlsx", [NAMES, good()], then=rich))
    assert (row[0], row[-1]) == ("a, b", '"_x0041_"')


def test_counts_that_lie_are_not_believed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "level.xlsx", [NAMES, good()])
    with zipfile.ZipFile(path) as archive:
        (count,) = re.findall(r'uniqueCount="\d+"', archive.read("xl/sharedStrings.xml").decode())
    patched(path, "xl/sharedStrings.xml", count, 'uniqueCount="29999999999999"')
    assert len(texts(path)) == 1


def test_entities_are_not_resolved(tmp_path: Path) -> None:
    path = workbook(tmp_path / "level.xlsx", [NAMES, good(amount=Formula("=1"))])
    lol = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    part = "xl/worksheets/sheet1.xml"
    patched(path, part, "<worksheet", lol + "<worksheet")
    patched(path, part, "<f>1</f><v>7</v>", "<f>1</f><v>&c;</v>")
    assert len(messages(path)) == 1


def test_empty_rows_notes_and_order(tmp_path: Path) -> None:
    names = ["note", *reversed(NAMES)]
    rows = [
        [None],
        names,
        ["why", *reversed(good(amount=1))],
        [None, " ", None],
        [None, *reversed(good(amount=2))],
        [None],
    ]
    found = read_xlsx(workbook(tmp_path / "level.xlsx", rows), None, SHAPE)
    assert [cells[1] for cells, _ in found.rows] == ["1", "2"] and found.notes == ["why", ""]
    assert [str(place(0)).rpartition("!")[2] for _, place in found.rows] == ["I3", "I5"]


def test_merged_cells_hold_for_each_row(tmp_path: Path) -> None:
    def merge(book: Any, page: Any) -> None:
        page.merge_range(1, 0, 3, 0, "b")

    rows = [NAMES, *[good(kind=None, amount=n) for n in (1, 2, 3)]]
    path = workbook(tmp_path / "level.xlsx", rows, then=merge)
    assert [row[:2] for row in texts(path)] == [["b", "1"], ["b", "2"], ["b", "3"]]
    assert str(read_xlsx(path, None, SHAPE).rows[2][1](0)).endswith("level.xlsx!A2")


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        (
            (1, 0, 1, 1),
            "A2: the cell is merged over several columns = split it: each column has its own cell",
        ),
        ((0, 0, 1, 0), "A1: the cell is merged with the header = split it"),
    ],
)
def test_merged_cells_that_have_no_meaning(tmp_path: Path, corners: tuple[int, ...], expected: str) -> None:
    def merge(book: Any, page: Any) -> None:
        page.merge_range(*corners, "kind" if corners[0] == 0 else "b")

    path = workbook(tmp_path / "level.xlsx", [NAMES, good()], then=merge)
    assert f"level.xlsx!{expected}" in messages(path)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ["level.xlsx!A1: the sheet is empty"]),
        ([NAMES], ["level.xlsx!A1: the table has no rows"]),
        (
            [[*NAMES[:-1], "txet"], good()],
            ["level.xlsx!H1: unknown column `txet` = did you mean `text`?"],
        ),
        (
            [NAMES[:-1], good()[:-1]],
            ["level.xlsx!A1: the column `text` is lacking = " + SHAPE.listed()],
        ),
        ([[*NAMES, "kind"], [*good(), "a"]], ["level.xlsx!I1: the column `kind` is given twice"]),
        (
            [NAMES, [*good(), "stray"]],
            ["level.xlsx!I2: the cell stands under no column of the table = " + SHAPE.listed()],
        ),
    ],
)
def test_wrong_headers(tmp_path: Path, rows: list[list[Any]], expected: list[str]) -> None:
    assert messages(workbook(tmp_path / "level.xlsx", rows)) == expected


def test_what_is_hidden_is_an_error(tmp_path: Path) -> None:
    def hide(book: Any, page: Any) -> None:
        page.set_row(2, None, None, {"hidden": True})
        page.set_column(1, 1, None, None, {"hidden": True})

    path = workbook(tmp_path / "level.xlsx", [NAMES, good(), good(kind="b")], then=hide)
    assert messages(path) == [
        "level.xlsx!B1: column B is hidden = show it: a table has to be seen",
        "level.xlsx!A3: row 3 is hidden = show it, or delete it: a table has to be seen",
    ]


# -- sheets -----------------------------------------------------------------------------------------------------------


def add(name: str, *, hidden: bool = False) -> Callable[[Any, Any], None]:
    def then(book: Any, page: Any) -> None:
        other = book.add_worksheet(name)
        other.write_row(0, 0, NAMES)
        other.write_row(1, 0, good(kind="c"))
        if hidden:
            other.hide()

    return then


def test_which_sheet_is_read(tmp_path: Path) -> None:
    rows = [NAMES, good()]
    alone = workbook(tmp_path / "alone.xlsx", rows, then=add("level", hidden=True))
    assert texts(alone)[0][0] == "a"  # a hidden sheet is nobody's table
    named = workbook(tmp_path / "named.xlsx", rows, then=add("level"))
    assert texts(named)[0][0] == "c"
    assert texts(named, sheet="Sheet1")[0][0] == "a"
    assert str(read_xlsx(named, None, SHAPE).rows[0][1](1)).endswith("named.xlsx!level!B2")
    both = workbook(tmp_path / "both.xlsx", rows, then=add("other"))
    assert messages(both) == [
        "`both.xlsx` has several sheets, and none is named `level`"
        " = write `rows: both.xlsx#SHEET`; the sheets are `Sheet1`, `other`"
    ]
    assert messages(both, sheet="othr") == ["`both.xlsx` has no sheet `othr` = did you mean `other`?"]
    assert messages(alone, sheet="level") == [
        "`alone.xlsx` hides its sheet `level` = unhide it: a table has to be seen"
    ]


def test_files_that_are_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "level.xlsx"
    expected = (
        "`level.xlsx` is no XLSX workbook, or it is damaged or locked by a password"
        " = open it in Excel and save it as `Excel Workbook (*.xlsx)`"
    )
    path.write_text("kind,amount\n")
    assert messages(path) == [expected]
    whole = workbook(tmp_path / "whole.xlsx", [NAMES, good()]).read_bytes()
    path.write_bytes(whole[:1500])
    assert messages(path) == [expected]


@given(cut=st.integers(0, 3000), byte=st.integers(0, 255))
@settings(max_examples=60)
def test_damaged_workbooks_are_errors(tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.xlsx"
    if not whole.exists():
        workbook(whole, [NAMES, good()])
    content = bytearray(whole.read_bytes())
    content[cut % len(content)] = byte
    (folder / "damaged.xlsx").write_bytes(content)
    try:
        read_xlsx(folder / "damaged.xlsx", None, SHAPE)
    except PackError as error:
        assert error.diagnostics


# -- Camunda's layout -------------------------------------------------------------------------------------------------


def camunda(*rows: list[Any], **header: Any) -> list[list[Any]]:
    base = {
        "kinds": [None, "Input", "Input", "input", "Input", "OUTPUT", "Output", "Annotation"],
        "labels": ["Level", "Kind", "Amount", "Branch", "Day", "Level", "Text", None],
        "languages": [None, "feel", None, None, None, None, None, None],
        "names": [None, "loan.kind", "amount", "loan.branch", "day", "level", "text", None],
        "types": ["UNIQUE", "string", "double", "string", "date", "integer", "string", None],
    }
    return [*{**base, **header}.values(), *rows]


FOUR = TableShape("level", "unique", SHAPE.inputs[:4], SHAPE.outputs)


def test_camunda(tmp_path: Path) -> None:
    rows = camunda(
        ["r1", "a, b", "[1..5)", "North", dt.date(2024, 5, 1), 1, "Refer (manual)", "why"],
        ["r2", None, 5, '"S", "W"', None, 2, '"quoted"', None],
        ["r3", 'not("a")', "> 5", "-", "-", 3, "null", None],
    )
    assert texts(workbook(tmp_path / "level.xlsx", rows), FOUR) == [
        ['"a", "b"', "[1..5)", '"North"', '@"2024-05-01"', "1", '"Refer (manual)"'],
        ["-", "5", '"S", "W"', "-", "2", '"quoted"'],
        ['not("a")', "> 5", "-", "-", "3", "null"],
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            {"types": ["FIRST", None, None, None, None, None, None, None]},
            "level.xlsx!A5: the hit policy is `FIRST` here and `unique` in the table's YAML = make them agree",
        ),
        (
            {"types": [None, None, "string", None, None, None, None, None]},
            "level.xlsx!C5: `amount` is money in the table's YAML = make them agree",
        ),
        (
            {"types": [None, None, "dubble", None, None, None, None, None]},
            "level.xlsx!C5: unknown type `dubble` = did you mean `double`?",
        ),
        (
            {"languages": [None, "juel", None, None, None, None, None, None]},
            "level.xlsx!B3: the expression language `juel` is not read = write `feel`",
        ),
        (
            {"names": [None, "loan.knid", "amount", "loan.branch", "day", "level", "text", None]},
            "level.xlsx!B4: unknown input `loan.knid` = did you mean `loan.kind`?",
        ),
        (
            {"names": [None, "kind", "amount", "loan.branch", "day", "level", None, None]},
            "level.xlsx!G4: the output is not named = the outputs are `level`, `text`",
        ),
        (
            {"names": [None, "kind", "amount", "branch", "day", "level", "level", None], "types": []},
            "level.xlsx!G4: the output `level` is given twice",
        ),
        (
            {"kinds": [None, "Input", "Input", "input", None, "OUTPUT", "Output", "Annotation"]},
            "level.xlsx!A1: the column `day` is lacking = the columns are kind, amount, branch, day, level, text,"
            " and `note` if wanted",
        ),
    ],
)
def test_camunda_headers(tmp_path: Path, header: dict[str, list[Any]], expected: str) -> None:
    rows = camunda(["r1", "a", 1, "N", "-", 1, "x", None], **header)
    assert messages(workbook(tmp_path / "level.xlsx", rows), FOUR) == [expected]


def test_camunda_cells(tmp_path: Path) -> None:
    rows = camunda(["r1", "a", 1, "North, South", "-", None, "x", None])
    one_or_two = 'write `"a", "b"` for two values, `"a, b"` for one'
    assert messages(workbook(tmp_path / "level.xlsx", rows), FOUR) == [
        f"level.xlsx!D6: a text with a comma may be one value or several = {one_or_two}",
        "level.xlsx!F6: the cell is empty = an output needs a value, or `null`",
    ]


# -- OpenRules' layout ------------------------------------------------------------------------------------------------

TWO = TableShape("approval_level", "first", SHAPE.inputs[:3], SHAPE.outputs)


def openrules(path: Path, *rows: list[Any], title: str = "DecisionTable ApprovalLevel", **cells: str) -> Path:
    def merge(book: Any, page: Any) -> None:
        page.merge_range(0, 0, 0, 7, title)
        for left, kind, name in ((1, "Condition", "amount"), (5, "Conclusion", "level")):
            page.merge_range(1, left, 1, left + 1, kind)
            page.merge_range(2, left, 2, left + 1, name)
        for cell, text in cells.items():
            page.write(cell, text)

    header = [
        [],
        ["#", None, None, "If", "If", None, None, "Then"],
        ["No.", None, None, "kind", "loan.branch", None, None, "text"],
    ]
    return workbook(path, [*header, *rows], then=merge)


def test_openrules(tmp_path: Path) -> None:
    path = openrules(
        tmp_path / "level.xlsx",
        [1, "Is Less", 5, "a, b", "North", "Is", 1, "low"],
        [2, "Within", "[5;10)", None, None, "=", 2, "middle"],
        [3, ">=", "10", "c", '"S", "W"', None, 3, "high"],
        [4, "Is Empty", None, "-", "null", "Is", 4, "null"],
    )
    assert texts(path, TWO) == [
        ['"a", "b"', "< 5", '"North"', "1", '"low"'],
        ["-", "[5..10)", "-", "2", '"middle"'],
        ['"c"', ">= 10", '"S", "W"', "3", '"high"'],
        ["-", "null", "null", "4", "null"],
    ]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("Is", 5, "5"),
        ("Is Not", 5, "not(5)"),
        ("is more or equal", 5, ">= 5"),
        ("Is One Of", "5, 6", "5, 6"),
        ("Is Not One Of", "5, 6", "not(5, 6)"),
        ("Within", "5-10", "[5..10]"),
        ("Inside", "between 5 and 10", "[5..10]"),
        ("Outside", "(5..10]", "not((5..10])"),
        ("Is Not Empty", None, "not(null)"),
        (None, "> 5", "> 5"),
    ],
)
def test_operators_of_openrules(tmp_path: Path, operator: str | None, value: Any, expected: str) -> None:
    path = openrules(tmp_path / "level.xlsx", [1, operator, value, "-", "-", "Is", 1, "x"])
    assert texts(path, TWO)[0][1] == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("Is Mor", 5, "B4: the operator `Is Mor` is not understood = did you mean `is more`?"),
        ("Match", "5.*", "B4: the operator `Match` is not understood"),
        ("Is", None, "C4: the operator `Is` has no value"),
        ("Is Empty", 5, "C4: `Is Empty` stands with a value = take the value out"),
        (
            "Within",
            "five",
            "C4: `five` is no interval = write `[1..5]`, `(1..5]`, `1-5` or `between 1 and 5`",
        ),
        ("Contains", "5", "B4: the operator needs a text"),
    ],
)
def test_openrules_conditions(tmp_path: Path, operator: str, value: Any, expected: str) -> None:
    path = openrules(tmp_path / "level.xlsx", [1, operator, value, "-", "-", "Is", 1, "x"])
    assert messages(path, TWO) == [f"level.xlsx!{expected}"]


def test_openrules_conclusions(tmp_path: Path) -> None:
    path = openrules(tmp_path / "level.xlsx", [1, "Is", 5, "-", "-", "Add", 1, "x"])
    assert messages(path, TWO) == [
        "level.xlsx!F4: the operator `Add` is not understood = a conclusion has `Is`"
    ]


MULTI = "`collect sum`, `collect min`, `collect max` or `collect count`"
BEGINS = "a table begins with `DecisionTable NAME` or `DecisionTableMultiHit NAME`"
KINDS = "columns are `Condition`, `If`, `Conclusion`, `Then`, `#` or `Annotation`"


@pytest.mark.parametrize(
    ("title", "cells", "expected"),
    [
        (
            "DecisionTable Other",
            {},
            "A1: the table is named `Other` here and `approval_level` in its YAML = make them agree",
        ),
        (
            "DecisionTableMultiHit ApprovalLevel",
            {},
            f"A1: `DecisionTableMultiHit` is {MULTI}, and the table's hit policy `first` = make them agree",
        ),
        ("Decision ApprovalLevel", {}, f"A1: `Decision` is not understood = {BEGINS}"),
        (
            "DecisionTable ApprovalLevel",
            {"D2": "ActionAny"},
            f"D2: `ActionAny` is not understood = {KINDS}",
        ),
        (
            "DecisionTable ApprovalLevel",
            {"E3": "brnch"},
            "E3: unknown input `brnch` = did you mean `branch`?",
        ),
    ],
)
def test_openrules_headers(tmp_path: Path, title: str, cells: dict[str, str], expected: str) -> None:
    row = [1, "Is", 5, "-", "-", "Is", 1, "x"]
    path = openrules(tmp_path / "level.xlsx", row, title=title, **cells)
    assert messages(path, TWO) == [f"level.xlsx!{expected}"]


# -- packs ------------------------------------------------------------------------------------------------------------


def pack_with(
    folder: Path, rows: list[list[Any]], reference: str = "level.xlsx", policy: str = "first"
) -> Path:
    write_pack(folder, TABLE.format(rows=reference, policy=policy), RULE)
    workbook(folder / "rules" / reference.partition("#")[0], rows)
    return folder


def faults(folder: Path) -> str:
    with pytest.raises(PackError) as caught:
        load_pack(folder)
    return caught.value.message.replace(str(folder) + "/", "")


def test_a_pack_with_a_workbook(tmp_path: Path) -> None:
    rows = [HEADER, ["a", ">= 0.1", '"N"', dt.date(2024, 5, 1), 1, '"x"'], ["-", "-", "-", "-", 2, '"y"']]
    pack = load_pack(pack_with(tmp_path / "xlsx", rows, "level.xlsx#Sheet1"))
    csv = (
        'kind,amount,branch,day,level,text\na,>= 0.1,"""N""","@""2024-05-01""",1,"""x"""\n-,-,-,-,2,"""y"""\n'
    )
    other = write_pack(
        tmp_path / "csv", TABLE.format(rows="level.csv", policy="first"), RULE, rules__level_csv=csv
    )

    def table(of: Pack) -> Any:
        return of.decisions["level"].versions[0].table

    assert table(pack) == table(load_pack(other))
    before = pack.digest
    (tmp_path / "xlsx/rules/~$level.xlsx").write_bytes(b"a lock of Excel")
    assert load_pack(tmp_path / "xlsx").digest == before
    assert table(pack).rows[0].tests[1].args[1].value == Decimal("0.1")


def test_a_wrong_cell_is_shown(tmp_path: Path) -> None:
    rows = [HEADER, ["a", "> 5 m", '"N"', "-", 1, '"x"'], ["d", 6, '"N"', "-", "one", '"x"']]
    assert faults(pack_with(tmp_path, rows)) == textwrap.dedent(
        """\
        error[E0102]: unexpected `m`: expected the end of the expression
         --> rules/level.xlsx!B2
          |
        2 | > 5 m
          |     ^
          = help: a number has no unit: write it in full, without `m`

        error[E0206]: `d` is not a value of this fact
         --> rules/level.xlsx!A3
          |
        3 | d
          | ^
          = help: the values are `a`, `b`, `c`

        error[E0201]: unknown name `one`
         --> rules/level.xlsx!E3
          |
        3 | one
          | ^^^"""
    )


def test_all_defects_in_one_pass(tmp_path: Path) -> None:
    rows = [HEADER, ["a", Formula("=1"), '"N"', "-", 1, '"x"'], ["d", 6, '"N"', "-", None, '"x"']]
    found = faults(pack_with(tmp_path, rows))
    assert [line for line in found.split("\n") if "-->" in line] == [
        f" --> rules/level.xlsx!{cell}" for cell in ("B2", "A3", "E3")
    ]


@pytest.mark.parametrize(
    ("cell", "message", "mark", "help"),
    [
        ("５000", "E0101]: full-width digit `５`", "^^", "write `5` instead"),
        (">= 5，000", "E0101]: unexpected character `，`", "    ^^", "write `,` instead"),
        (
            "<= 5,000,000",
            "E0408]: `5,000,000` would be several numbers",
            "   ^^^^^^^^^",
            "write `5000000` for one number, and a blank after each comma for several",
        ),
        (
            "5000 - 6000",
            "E0408]: `5000 - 6000` would be a difference",
            "^^^^^^^^^^^",
            "write `[5000..6000]` for a range",
        ),
        ("20%", "E0101]: unexpected character `%`", "  ^", "write 20% as 0.2"),
    ],
)
def test_slips_in_cells(tmp_path: Path, cell: str, message: str, mark: str, help: str) -> None:
    assert faults(pack_with(tmp_path, [HEADER, ["a", cell, "-", "-", 1, '"x"']])) == (
        f"error[{message}\n --> rules/level.xlsx!B2\n  |\n2 | {cell}\n  | {mark}\n  = help: {help}"
    )


def test_slips_in_csv_are_the_same(tmp_path: Path) -> None:
    csv = 'kind,amount,branch,day,level,text\na,"<= 5,000",-,-,1,"""x"""\nb,"5, 6",-,-,1,"""x"""\n'
    write_pack(tmp_path, TABLE.format(rows="level.csv", policy="first"), RULE, rules__level_csv=csv)
    assert faults(tmp_path).startswith(
        "error[E0408]: `5,000` would be several numbers\n --> rules/level.csv:2:7\n"
    )


def test_rows_that_overlap_are_cells(tmp_path: Path) -> None:
    rows = [HEADER, ["a", "-", "-", "-", 1, '"x"'], ["-", 5, "-", "-", 2, '"x"']]
    assert faults(pack_with(tmp_path, rows, policy="unique")) == textwrap.dedent(
        """\
        error[E0407]: rows 1 and 2 of `level` both match some files
         --> rules/level.xlsx!A3
          |
        3 | -
          | ^
          = help: separate them, or make the hit policy `first`"""
    )


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("level.xls", "tables are read from CSV and XLSX, not from `.xls`"),
        ("level.xlsx#Sheet2", "`level.xlsx` has no sheet `Sheet2`"),
    ],
)
def test_defects_of_the_workbook_stand_at_its_name(tmp_path: Path, reference: str, expected: str) -> None:
    found = faults(pack_with(tmp_path, [HEADER], reference))
    assert expected in found
    assert "--> rules/part0.yaml:11:7\n" in found


# -- tables to be edited ----------------------------------------------------------------------------------------------

RULES = Path(__file__).parents[1] / "rules"


@pytest.fixture(scope="module")
def shipped() -> Pack:
    return load_pack(RULES)


@pytest.mark.parametrize(
    "name", ["authority", "authority_modifiers", "authority_escalations", "industry_level"]
)
def test_an_exported_table_is_the_table(tmp_path: Path, shipped: Pack, name: str) -> None:
    """A pack whose table is the exported workbook means the same."""
    shutil.copytree(RULES, tmp_path / "rules")
    export_table(shipped, name, tmp_path / f"rules/approval/{name}.xlsx")
    part = tmp_path / f"rules/approval/{name}.yaml"
    part.write_text(part.read_text().replace(f"{name}.csv", f"{name}.xlsx"))
    assert load_pack(tmp_path / "rules").decisions[name].versions == shipped.decisions[name].versions


def test_an_exported_workbook_is_made_to_be_edited(tmp_path: Path, shipped: Pack) -> None:
    path = tmp_path / "authority.xlsx"
    export_table(shipped, "authority", path)
    before = path.read_bytes()
    export_table(shipped, "authority", path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert '<pane ySplit="1"' in sheet and 'type="list"' in sheet and "real_estate" in sheet
    found = open_sheet(path, None, "authority")
    assert [found.value(0, column) for column in range(4)] == ["exposure", "security", "level", "note"]
    assert found.value(1, 2) == 1 and found.value(1, 3) == "sub-branch approver"


def test_long_lists_of_choices(tmp_path: Path) -> None:
    values = tuple(f"industry_{n}" for n in range(60))
    shape = TableShape(
        "level", "first", (Column("industry", t.one_of(*values)),), (Column("level", t.INTEGER),)
    )
    rows = [[value, str(n)] for n, value in enumerate(values)]
    export_xlsx(shape, rows, [], tmp_path / "level.xlsx")
    assert texts(tmp_path / "level.xlsx", shape) == rows


@example(cells=[["-0", "0"], ["- 0", "-0"]])
@given(
    cells=st.lists(
        st.lists(st.text('0123456789.-<>=[(], abct"@', min_size=1, max_size=12), min_size=2, max_size=2),
        min_size=1,
    )
)
def test_any_cells_come_back(tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    shape = TableShape("level", "first", (Column("amount", t.MONEY),), (Column("level", t.INTEGER),))
    rows = [[cell.strip() or "-" for cell in row] for row in cells]
    export_xlsx(shape, rows, ["n"] * len(rows), path)
    assert texts(path, shape) == rows


def test_only_tables_are_exported(tmp_path: Path, shipped: Pack) -> None:
    with pytest.raises(SanchaError, match="no table `authorit`") as caught:
        export_table(shipped, "authorit", tmp_path / "x.xlsx")
    assert caught.value.help == "did you mean `authority`?"
    with pytest.raises(SanchaError, match="was not in force on 1990-01-01"):
        export_table(shipped, "authority", tmp_path / "x.xlsx", dt.date(1990, 1, 1))
    assert not list(tmp_path.iterdir())
