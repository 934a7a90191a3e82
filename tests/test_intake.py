"""The importer: texts read exactly, the unreadable in rejects.parquet, every row accounted for."""

from __future__ import annotations

import datetime as dt
import gzip
import textwrap
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from extracts import VOCABULARY, facts, mapping_of, rejected, run, vocabulary_in
from hypothesis import given, settings
from hypothesis import strategies as st

from sancha.engine.book.extract import encoding_of
from sancha.engine.book.intake import import_extract
from sancha.engine.book.mapping import ColumnMap, Style, date_format, load_mapping, mapped_vocabulary
from sancha.engine.book.reading import plain, quote, reading
from sancha.engine.book.store import open_book, read_file, read_reference
from sancha.engine.diagnostics import PackError, Place, SanchaError
from sancha.engine.feel.types import Type, parse_type
from sancha.engine.policy.vocabulary import Vocabulary

PLACE = Place("mapping.yaml", 1, 1)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return vocabulary_in(tmp_path_factory.mktemp("vocabulary"))


def read(
    kind: str, text: str, *, native: bool = False, zone: str | None = None, **settings: object
) -> object:
    """One text by the SQL that an import runs over whole columns."""
    type_ = parse_type(kind) or Type(kind)
    style = Style(**{k: settings.pop(k) for k in list(settings) if k in Style.__dataclass_fields__})
    column = ColumnMap("a.fact", type_, PLACE, "main", style, ("c",), **settings)
    how = reading(column, {"c": "c"}, native=native, zone=zone)
    cell = f"SELECT nullif(trim({quote(text)}), '') AS c"
    query = f"""SELECT {how.value("t", "p")}, t FROM (SELECT t, {plain("t")} AS p FROM
                (SELECT {how.text} AS t FROM ({cell})))"""
    ((value, there),) = duckdb.sql(query).fetchall()
    return value if there is not None or value is not None else "missing"


# --- single texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60000", "60000.00"),
        ("$60,000.00 ", "60000.00"),
        ("-$5.50", "-5.50"),
        ("$-5.50", "-5.50"),
        ("$ 5", "5.00"),
        ("5 $", "5.00"),
        ("(1,234.5)", "-1234.50"),
        ("500.00-", "-500.00"),
        ("+7", "7.00"),
        (".5", "0.50"),
        ("1.500", "1.50"),
        ("１，２３４．５", "1234.50"),
        ("9999999999999999.99", "9999999999999999.99"),
        ("99999999999999999.99", None),
        ("1,23", None),
        ("1,2345", None),
        ("12,345,67", None),
        ("€5", None),
        ("1.005", None),
        ("1e3", None),
        ("--5", None),
        ("(5", None),
        ("5)", None),
        ("$", None),
        (".", None),
        ("5%", None),
        ("abc", None),
    ],
)
def test_money(text: str, value: str | None) -> None:
    found = read("money", text, thousands_mark=",", currency=("$",))
    assert found == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "settings", "value"),
    [
        ("12.34567", {"exponent": 4}, "123456.70"),
        ("12.3456789", {"exponent": 4}, None),
        ("1.5", {"exponent": 8}, "150000000.00"),
        ("12345", {"exponent": -2}, "123.45"),
        ("1.005", {"rounded": True}, "1.01"),
        ("-1.005", {"rounded": True}, "-1.01"),
        ("1.004999", {"rounded": True}, "1.00"),
        ("1.234,50", {"decimal_mark": ",", "thousands_mark": "."}, "1234.50"),
        ("1 234,50", {"decimal_mark": ",", "thousands_mark": " "}, "1234.50"),
        ("1.5", {"times": 12}, "18.00"),
        ("0.005", {"times": 3}, None),
    ],
)
def test_money_units(text: str, settings: dict[str, object], value: str | None) -> None:
    assert read("money", text, **settings) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("kind", "text", "settings", "value"),
    [
        ("rate", "5.5%", {}, Decimal("0.055")),
        ("rate", "5.5％", {}, Decimal("0.055")),
        ("rate", "5.5", {"exponent": -2}, Decimal("0.055")),
        ("rate", "5.5%", {"exponent": -2}, Decimal("0.055")),
        ("rate", "0.12345678", {}, Decimal("0.12345678")),
        ("rate", "12.345678%", {}, Decimal("0.12345678")),
        ("rate", "0.123456789", {}, None),
        ("rate", "35", {"exponent": -4}, Decimal("0.0035")),
        ("number", "-0.00000001", {}, Decimal("-0.00000001")),
        ("integer", "84", {}, 84),
        ("integer", "84.0", {}, 84),
        ("integer", "84.5", {}, None),
        ("integer", "1,000", {"thousands_mark": ","}, 1000),
        ("integer", "2.5", {"times": 12}, 30),
        ("integer", "9223372036854775808", {}, None),
        ("days", "30", {}, 30),
        ("boolean", "TRUE", {}, True),
        ("boolean", "Y", {}, None),
        ("boolean", "Y", {"codes": (("Y", "true"), ("N", "false")), "otherwise": "reject"}, True),
        ("one of [x, y]", "x", {}, "x"),
        ("one of [x, y]", "X", {}, None),
        ("one of [x, y]", "P I F", {"codes": (("P I F", "x"),), "otherwise": "reject"}, "x"),
        ("one of [x, y]", "y", {"codes": (("P I F", "x"),), "otherwise": "reject"}, None),
        ("one of [x, y]", "y", {"codes": (("P I F", "x"),), "otherwise": "read"}, "y"),
        ("one of [x, y]", "?", {"codes": (("P I F", "x"),), "otherwise": "missing"}, "missing"),
        ("one of [x, y]", "?", {"codes": (("a", "x"),), "otherwise": "value", "otherwise_value": "y"}, "y"),
        ("one of [x, y]", "0", {"codes": (("0", None), ("1", "x")), "otherwise": "reject"}, "missing"),
        ("integer", "1976A", {"codes": (("1976A", "1976"),), "otherwise": "read"}, 1976),
        ("text", "2116", {"width": 5}, "02116"),
        ("text", "123456", {"width": 5}, "123456"),
        ("text", "6.22202E+18", {}, None),
        ("text", "N/A", {"empty": ("N/A",)}, "missing"),
        ("text", "", {}, "missing"),
        ("list of text", "S1; S2 ;", {"split_by": ";"}, ["S1", "S2"]),
        ("list of integer", "1;x", {"split_by": ";"}, None),
    ],
)
def test_other_types(kind: str, text: str, settings: dict[str, object], value: object) -> None:
    assert read(kind, text, **settings) == value


@pytest.mark.parametrize(
    ("text", "format", "century", "value"),
    [
        ("28-Feb-97", "d-mmm-yy", 1960, "1997-02-28"),
        ("8-feb-60", "d-mmm-yy", 1960, "1960-02-08"),
        ("8-Feb-59", "d-mmm-yy", 1960, "2059-02-08"),
        ("29-Feb-00", "d-mmm-yy", 1960, "2000-02-29"),
        ("29-Feb-00", "d-mmm-yy", 1890, None),
        ("31-Feb-97", "d-mmm-yy", 1960, None),
        ("010203", "yymmdd", 1960, "2001-02-03"),
        ("03/02/01", "dd/mm/yy", 1860, "1901-02-03"),
        ("3/2/01", "dd/mm/yy", 1960, None),
        ("3/2/2001", "d/m/yyyy", None, "2001-02-03"),
        ("20240131", "yyyymmdd", None, "2024-01-31"),
        ("2024131", "yyyymmdd", None, None),
        ("20240230", "yyyymmdd", None, None),
        ("2024年1月5日", "yyyy年m月d日", None, "2024-01-05"),
        ("２０２４-０１-０５", "yyyy-mm-dd", None, "2024-01-05"),
        ("2024-01-05x", "yyyy-mm-dd", None, None),
    ],
)
def test_dates(text: str, format: str, century: int | None, value: str | None) -> None:
    window = (century, century + 99) if century else None
    found = read("date", text, formats=(format,), century=window)
    assert found == (None if value is None else dt.date.fromisoformat(value))


def test_dates_without_a_format_are_iso() -> None:
    assert read("date", "2024-01-05") == dt.date(2024, 1, 5)
    assert read("date", "05/01/2024") is None
    assert read("date", "0000-00-00", empty=("0000-00-00",)) == "missing"
    # Typed cells come in ISO form, whatever form the texts of the same column have.
    assert read("date", "2024-01-05", formats=("d/m/yyyy",), native=True) == dt.date(2024, 1, 5)
    assert read("date", "2024-01-05 00:00:00", native=True) == dt.date(2024, 1, 5)
    assert read("date", "2024-01-05", formats=("d/m/yyyy",)) is None


def test_several_formats_are_tried_in_turn() -> None:
    formats = ("yyyy-mm-dd", "d-mmm-yy", "yyyymmdd")
    for text in ("2024-01-05", "5-Jan-24", "20240105"):
        assert read("date", text, formats=formats, century=(1960, 2059)) == dt.date(2024, 1, 5)


def test_date_times_become_local_times() -> None:
    zone = "Europe/Amsterdam"
    # The clocks went back on 2011-10-30: before it the offset is +02, after it +01.
    assert read("date-time", "2011-10-01T00:38:44.546+02:00", zone=zone) == dt.datetime(
        2011, 10, 1, 0, 38, 44, 546000
    )
    assert read("date-time", "2011-11-01T00:38:44+01:00", zone=zone) == dt.datetime(2011, 11, 1, 0, 38, 44)
    assert read("date-time", "2011-10-01T23:30:00Z", zone=zone) == dt.datetime(2011, 10, 2, 1, 30)
    assert read("date-time", "2024-01-05 10:00") == dt.datetime(2024, 1, 5, 10)
    assert read("date-time", "2011-10-01T00:38:44+02:00") is None, "an offset needs the zone"
    assert read("date-time", "2024-01-05") is None, "a day has no time"
    assert read("date-time", "2024-01-05 25:00") is None
    # The local day, not the day of the offset.
    day = read("date", "2011-10-01T23:30:00Z", zone=zone, formats=("iso date-time",))
    assert day == dt.date(2011, 10, 2)
    at = read("date-time", "5/1/2024 9:05", formats=("d/m/yyyy h:mm",))
    assert at == dt.datetime(2024, 1, 5, 9, 5)


@pytest.mark.parametrize("text", ["yyyy-mm", "dd-mm", "yyyy-mm-dd q", "yyyy-mm-dd-dd", "yyyy-mmm-mm-dd"])
def test_formats_that_are_no_dates(text: str) -> None:
    with pytest.raises(ValueError, match=r"`|day"):
        date_format(text)


@given(st.decimals(min_value=-(10**14), max_value=10**14, places=2), st.sampled_from([",", " ", "'"]))
def test_money_is_read_to_the_last_place(amount: Decimal, mark: str) -> None:
    text = f"{amount:,.2f}".replace(",", mark)
    assert read("money", text, thousands_mark=mark) == amount


@given(st.dates(min_value=dt.date(1960, 1, 1), max_value=dt.date(2059, 12, 31)))
def test_every_day_of_the_window_is_read(day: dt.date) -> None:
    text = f"{day.day}-{day:%b}-{day:%y}"
    assert read("date", text, formats=("d-mmm-yy",), century=(1960, 2059)) == day


# --- whole files -------------------------------------------------------------------------------------------

ONE = """
    sources: {main: {file: main.csv, key: id}}
    facts: {a.text: t, a.money: m}
"""


def test_every_row_is_accounted_for(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_text(
        "id,t,m,s\nL2,two,2.00,x\n,nameless,1,x\nL1,one,1.00,x\nL2,again,9,x\nL3,three,oops,x\nL4,draft,1,d\nL5,1\n"
    )
    result = run(
        tmp_path,
        """
        sources: {main: {file: main.csv, key: id, where: {s: {not: d}}}}
        facts: {a.text: t, a.money: m}
        """,
        vocabulary,
    )
    (count,) = result.sources
    assert (count.rows, count.imported, count.rejected, count.left_out) == (7, 3, 3, 1)
    assert facts(result, "loan_id", "a.text", "a.money") == [
        ("L1", "one", Decimal("1.00")),
        ("L2", "two", Decimal("2.00")),
        ("L3", "three", None),
    ]
    assert rejected(result, "row", "text", "reason", "rejected", "fact", "loan") == [
        (2, None, "no key, or a key whose digits a spreadsheet has dropped", "row", None, None),
        (4, "L2", "the key is on row 1 already", "row", None, None),
        (5, "oops", "not an amount", "value", "a.money", "L3"),
        (7, "L5,1", "2 fields where the header has 4", "row", None, None),
    ]
    assert result.values_rejected == 1
    assert "7 rows = 3 imported + 3 rejected + 1 left out by the mapping" in result.text()
    book = open_book(tmp_path / "book", vocabulary, verify=True)
    assert (book.loans, book.as_of, book.synthetic) == (3, dt.date(2024, 12, 31), False)


def test_the_same_extract_gives_the_same_bytes(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_text(
        "id,t,m\n" + "".join(f"L{i * 37 % 997:04d},t{i},{i}.5x\n" for i in range(997))
    )
    first = run(tmp_path, ONE, vocabulary).book.digest
    assert run(tmp_path, ONE, vocabulary).book.digest == first


LISTS = """
    sources:
      main: {file: main.csv, key: id}
      visits: {file: visits.csv, key: loan, order by: [{column: seq, type: integer}]}
      people: {file: people.csv}
      customers: {file: customers.csv, key: no, looked up by: customer}
    facts:
      a.text: {from: customers, column: name}
      a.count: {from: visits, take: count}
      a.flag: {from: visits, where: {who: S9}, take: any}
      a.money: {from: visits, take: last, column: fee}
      a.total: {from: visits, take: sum, column: fee}
      a.day: {from: visits, take: smallest, column: on}
      a.kind: {from: visits, where: {who: [S1]}, take: first, column: kind, when none: unknown}
    lists:
      visits: {from: visits, fields: {date: on, staff: {column: who, split by: "+"}, fee: fee}}
    reference:
      people: {from: people, fields: {id: id, level: lvl}}
"""


def write_lists(folder: Path) -> None:
    (folder / "main.csv").write_text("id,customer\nL1,C1\nL2,C2\nL3,C9\nL4,C1\n")
    (folder / "visits.csv").write_text(
        "loan,seq,on,who,fee,kind\nL1,10,2024-01-03,S1+S2,7,x\nL1,9,2024-01-02,S1,3.50,y\n"
        "L2,1,2024-01-09,S9,bad,\nL8,1,2024-01-01,S1,1,x\n,1,2024-01-01,S1,1,x\nL4,1,2024-02-30,,,x\n"
    )
    (folder / "people.csv").write_text("id,lvl\nS1,2\n,3\nS2,x\n")
    (folder / "customers.csv").write_text("no,name\nC1,Alder\nC2,Birch\nC2,Copy\nC7,Nobody\n")


def test_lists_lookups_and_events(tmp_path: Path, vocabulary: Vocabulary) -> None:
    write_lists(tmp_path)
    result = run(tmp_path, LISTS, vocabulary)
    names = ("a.text", "a.count", "a.flag", "a.money", "a.total", "a.day", "a.kind")
    assert facts(result, *names) == [
        ("Alder", 2, False, Decimal("7.00"), Decimal("10.50"), dt.date(2024, 1, 2), "y"),
        ("Birch", 1, True, None, None, dt.date(2024, 1, 9), "unknown"),
        (None, 0, False, None, None, None, "unknown"),
        ("Alder", 1, False, None, None, None, "unknown"),
    ]
    counts = {c.source: (c.rows, c.imported, c.rejected, c.left_out) for c in result.sources}
    assert counts == {
        "main": (4, 4, 0, 0),
        "visits": (6, 4, 2, 0),
        "people": (3, 2, 1, 0),
        "customers": (4, 2, 1, 1),  # the second C2 is rejected, no loan is of C7
    }
    book = open_book(result.book.path, vocabulary, verify=True)
    first = read_file(book, vocabulary, "L1")
    assert [(v["date"], v["staff"], v["fee"]) for v in first.lists["visits"] or []] == [
        (dt.date(2024, 1, 2), ["S1"], Decimal("3.50")),
        (dt.date(2024, 1, 3), ["S1", "S2"], Decimal("7.00")),
    ]
    assert read_file(book, vocabulary, "L3").lists["visits"] == []
    assert read_reference(book, vocabulary)["people"] == [
        {"id": "S1", "level": 2},
        {"id": "S2", "level": None},
    ]


def test_first_of_the_order_not_of_the_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    write_lists(tmp_path)
    mapping = LISTS.replace("where: {who: [S1]}", "where: {who: {not: S9}}").replace(
        "when none: unknown", "codes: {x: x, y: y}"
    )
    assert facts(run(tmp_path, mapping, vocabulary), "a.kind")[0] == ("y",)


def test_a_list_can_be_missing_where_it_has_no_row(tmp_path: Path, vocabulary: Vocabulary) -> None:
    write_lists(tmp_path)
    result = run(
        tmp_path,
        LISTS.replace("{from: visits, fields", "{from: visits, when none: missing, fields"),
        vocabulary,
    )
    book = open_book(result.book.path, vocabulary)
    assert read_file(book, vocabulary, "L3").lists["visits"] is None
    assert facts(result, "visits") == [(2,), (1,), (None,), (1,)]


def test_required_facts(tmp_path: Path) -> None:
    vocabulary = vocabulary_in(
        tmp_path, VOCABULARY.replace("text: {type: text,", "text: {type: text, required: true,")
    )
    (tmp_path / "main.csv").write_text("id,t,m\nL1,one,1\nL2,,2\n")
    result = run(tmp_path, ONE, vocabulary)
    assert facts(result, "loan_id") == [("L1",)]
    assert rejected(result, "row", "reason", "rejected", "fact") == [
        (2, "the required fact a.text is missing", "row", "a.text")
    ]
    with pytest.raises(PackError, match=r"the required fact `a.text` has no column"):
        load_mapping(mapping_of(tmp_path, ONE.replace("a.text: t, ", "")), vocabulary)


def test_xlsx_cells_have_types(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with xlsxwriter.Workbook(tmp_path / "main.xlsx") as book:
        sheet = book.add_worksheet("loans")
        sheet.write_row(0, 0, ["extract of 2025-01-03"])
        sheet.write_row(1, 0, ["id", "t", "m", "d", "n", "f"])
        sheet.write_row(2, 0, ["L1", "one", 0.1 + 0.2, None, 84, True])
        sheet.write_datetime(2, 3, dt.datetime(2024, 1, 5), book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_row(4, 0, [6222021234567890123, "lost digits", 1])
        sheet.write_row(5, 0, ["L2", "two", "12.5", "5/1/2024", 84.5])
        book.add_worksheet("notes")
    mapping = """
        sources: {main: {file: main.xlsx, sheet: loans, skip: 1, key: id}}
        facts: {a.text: t, a.money: m, a.day: {column: d, format: d/m/yyyy}, a.count: n, a.flag: f}
    """
    result = run(tmp_path, mapping, vocabulary)
    assert facts(result, "a.text", "a.money", "a.day", "a.count", "a.flag") == [
        ("one", Decimal("0.30"), dt.date(2024, 1, 5), 84, True),
        ("two", Decimal("12.50"), dt.date(2024, 1, 5), None, None),
    ]
    assert [(row, why) for row, why in rejected(result, "row", "reason")] == [
        (3, "no key, or a key whose digits a spreadsheet has dropped"),
        (4, "not a whole number, or too large"),
    ]
    with pytest.raises(SanchaError, match="several sheets"):
        run(tmp_path, mapping.replace("sheet: loans, ", ""), vocabulary)
    with pytest.raises(SanchaError, match="no sheet `loan`"):
        run(tmp_path, mapping.replace("sheet: loans", "sheet: loan"), vocabulary)


def test_parquet_columns_have_types(tmp_path: Path, vocabulary: Vocabulary) -> None:
    moment = dt.datetime(2024, 1, 5, 23, 30, tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": [1, 2],
            "m": [0.1 + 0.2, 1e-9],
            "d": pa.array([dt.date(2024, 1, 5), None]),
            "at": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "f": [True, None],
            "s": pa.array([["a", "b"], []]),
        }
    )
    pq.write_table(table, tmp_path / "main.parquet")
    mapping = """
        time zone: Asia/Shanghai
        sources: {main: {file: main.parquet, key: id}}
        facts: {a.money: m, a.day: d, a.at: at, a.flag: f}
        lists: {visits: {from: main, fields: {date: d, staff: s}}}
    """
    result = run(tmp_path, mapping, vocabulary)
    assert facts(result, "a.money", "a.day", "a.at", "a.flag") == [
        (Decimal("0.30"), dt.date(2024, 1, 5), dt.datetime(2024, 1, 6, 7, 30), True),
        (None, None, None, None),
    ]
    assert rejected(result, "row", "text") == [(2, "0.000000001")]
    book = open_book(result.book.path, vocabulary)
    assert [read_file(book, vocabulary, i).lists["visits"][0]["staff"] for i in "12"] == [["a", "b"], []]  # type: ignore[index]

    whole = (tmp_path / "main.parquet").read_bytes()
    (tmp_path / "main.parquet").write_bytes(whole[:-40])
    with pytest.raises(SanchaError, match="cannot be read as Parquet"):
        run(tmp_path, mapping, vocabulary)
    assert open_book(tmp_path / "book", vocabulary).digest == result.book.digest, "the old book stays"


def test_compressed_csv_with_another_delimiter(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv.gz").write_bytes(gzip.compress(b"id;t;m\r\nL1;'a;b';1,5\r\n"))
    mapping = """
        sources: {main: {file: main.csv.gz, key: id, delimiter: ";", quote: "'", decimal mark: ","}}
        facts: {a.text: t, a.money: m}
    """
    assert facts(run(tmp_path, mapping, vocabulary), "a.text", "a.money") == [("a;b", Decimal("1.50"))]
    (tmp_path / "main.csv.gz").write_bytes((tmp_path / "main.csv.gz").read_bytes()[:-9])
    with pytest.raises(SanchaError, match="damaged"):
        run(tmp_path, mapping, vocabulary)


def test_lines_above_the_header_and_marks_without_meaning(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_text('report of May\n\n id |t| m \nL1|"open|1\nL2|two\nL3|a "b|x\n')
    mapping = ONE.replace("key: id", 'key: id, delimiter: "|", quote: none, skip: 2')
    result = run(tmp_path, mapping, vocabulary)
    assert facts(result, "a.text", "a.money") == [('"open', Decimal("1.00")), ('a "b', None)]
    assert rejected(result, "row", "reason") == [(2, "2 fields where the header has 3"), (3, "not an amount")]


def test_gbk_is_named_and_then_read(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_bytes("id,t,m\nL1,温州市鹿城区某某商行,１．５\nL2,其他,2\n".encode("gbk"))
    with pytest.raises(SanchaError) as caught:
        run(tmp_path, ONE, vocabulary)
    assert "not utf-8: line 2" in caught.value.message
    assert "state `encoding: gb18030`" in (caught.value.help or "")
    assert not (tmp_path / "book").exists()
    result = run(tmp_path, ONE.replace("key: id", "key: id, encoding: gb18030"), vocabulary)
    assert facts(result, "a.text", "a.money")[0] == ("温州市鹿城区某某商行", Decimal("1.50"))


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        ("贷款金额,客户名称\n", "gbk", "gb18030"),
        ("貸款金額,客戶名稱\n", "big5", "big5"),
        ("Müller,Straße,café\n", "latin-1", "cp1252"),
        ("贷款\n", "utf-16", "utf-16"),
        ("贷款\n", "utf-8", "utf-8"),
    ],
)
def test_encodings_are_told_apart(text: str, encoding: str, named: str) -> None:
    assert encoding_of((text * 20).encode(encoding)) == named


def test_an_open_quote_swallows_no_rows(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "main.csv").write_text('id,t,m\nL1,"open,1\nL2,two,2\nL3,three,3\n')
    with pytest.raises(SanchaError, match=r"the quote of line 2 is not closed"):
        run(tmp_path, ONE, vocabulary)
    (tmp_path / "main.csv").write_text('id,t,m\nL1,"a 5"" pipe\nof two lines",1\n\nL2,two,2\n')
    with pytest.raises(SanchaError, match="a field holds line breaks"):
        run(tmp_path, ONE, vocabulary)
    result = run(tmp_path, ONE.replace("key: id", "key: id, line breaks: true"), vocabulary)
    assert facts(result, "a.text") == [('a 5" pipe\nof two lines',), ("two",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("id,t,m\n", "no row of `main.csv` can be imported"),
        ("id,t,m\n,x,1\n", "no row of `main.csv` can be imported"),
        ("id,t\nL1,x\n", "has no column `m`"),
        ("id,t,m,m\nL1,x,1,2\n", "two columns `m`"),
        ("id;t;m\nL1;x;1\n", "has no column `id`"),
    ],
)
def test_files_that_cannot_be_imported(
    tmp_path: Path, vocabulary: Vocabulary, content: str, message: str
) -> None:
    (tmp_path / "main.csv").write_text(content)
    with pytest.raises(SanchaError, match=message):
        run(tmp_path, ONE, vocabulary)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["main.csv", "mapping.yaml"], "nothing half-written"


def test_an_absent_file_and_a_strange_kind(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(SanchaError, match="the file of the source `main` is not there") as caught:
        run(tmp_path, ONE, vocabulary)
    assert "mapping.yaml" in (caught.value.help or "")
    (tmp_path / "main.pdf").write_text("x")
    with pytest.raises(SanchaError, match=r"no reader for files of the kind `.pdf`"):
        run(tmp_path, ONE.replace("main.csv", "main.pdf"), vocabulary)


def test_one_file_may_have_any_name(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = tmp_path / "extract of March.csv"
    path.write_text("id,t,m\nL1,one,1\n")
    result = import_extract(path, mapping_of(tmp_path, ONE), vocabulary, tmp_path / "book")
    assert result.sources[0].file == "extract of March.csv"


# --- mappings ----------------------------------------------------------------------------------------------


def test_all_defects_of_a_mapping_in_one_pass(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = mapping_of(
        tmp_path,
        """
        sources:
          main: {file: main.csv, key: id, delimeter: ";"}
          other: {file: other.csv}
        facts:
          a.txt: t
          a.money: {column: m, units: 万元}
          a.day: {column: d, format: d-mmm-yy}
          a.kind: {column: k, codes: {P: z}, otherwise: x}
          a.count: {from: other, take: frist, column: n}
          a.flag: {column: f, century: 1960..2059}
        lists:
          visit: {from: main, fields: {date: d}}
        """,
    )
    with pytest.raises(PackError) as caught:
        load_mapping(path, vocabulary)
    found = {(d.place.line, d.message.split(":")[0], d.help) for d in caught.value.diagnostics if d.place}
    lines = {line: (message, help) for line, message, help in found}
    assert lines[6] == ("unknown key `delimeter` in the source `main`", "did you mean `delimiter`?")
    assert lines[9][0] == "the vocabulary has no fact `a.txt`"
    assert (lines[9][1] or "").startswith("did you mean `a.text`")
    assert lines[10] == ("unknown key `units` in the fact `a.money`", "did you mean `unit`?")
    assert lines[11][0] == "a two-digit year needs its century"
    messages = {message for _, message, _ in found}
    assert "`z` is not a value of type one of [x, y, unknown]" in messages
    assert "`otherwise` is `reject`, `missing`, `read` or `{value" in messages
    assert "the rows of `other` have no key that leads to the loan file" in messages
    assert "unknown way to take a value" in messages
    assert "`century` says nothing about a value of type boolean" in messages
    assert "the vocabulary has no such list `visit`" in messages
    rendered = caught.value.render()
    assert f"{path}:11:" in rendered and "^" in rendered


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("key: id", "", "needs a `key` of its own"),
        ("root: main", "root: mian", "no source `mian`"),
        ("as of: 2024-12-31", "as of: 31/12/2024", "must be a date"),
        ("key: id", "key: id, century: 60..99", "a window of 100 years"),
        ("key: id", "key: id, encoding: gkb", "unknown encoding"),
        ("key: id", "key: id, decimal mark: ',', thousands mark: ','", "are the same"),
        ("a.text: t", "a.text: {column: t, columns: [t, m]}", "needs one of"),
        ("a.text: t", "a.text: {constant: x, column: t}", "`constant` stands alone"),
        ("a.text: t", "a.text: {column: t, take: first}", "`take` is for a fact `from` another source"),
        ("a.money: m", "a.money: {column: m, unit: 万圆}", "unknown unit"),
        ("a.money: m", "a.money: {column: m, round: up}", "`round` must be `half up`"),
        ("a.text: t", "a.day: {column: t, format: yyyy-mm}", "does not name year, month and day"),
        ("key: id", "key: id, order by: {column: t, type: text}", "`order by` is for rows"),
        ("key: id", "key: id, quote: no", "`quote` must be one character"),
        ("facts:", "tim zone: x\nfacts:", "unknown key `tim zone`"),
        ("facts:", "time zone: Asia/Wenzhou\nfacts:", "unknown time zone"),
    ],
)
def test_defects_of_mappings(
    tmp_path: Path, vocabulary: Vocabulary, old: str, new: str, message: str
) -> None:
    path = mapping_of(tmp_path, ONE)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(PackError) as caught:
        load_mapping(path, vocabulary)
    assert message in str(caught.value)


def test_a_mapping_names_its_vocabulary(tmp_path: Path) -> None:
    assert mapped_vocabulary(mapping_of(tmp_path, ONE)) is None
    path = mapping_of(tmp_path, "vocabulary: pack/vocabulary.yaml\n" + textwrap.dedent(ONE))
    assert mapped_vocabulary(path) == tmp_path / "pack" / "vocabulary.yaml"


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["L1", "L2", "L3", "", " L1 "]),
            st.sampled_from(["1", "1.5", "x", "", "-2", "1e9", "0.001"]),
            st.sampled_from(["2024-01-31", "2023-02-29", "", "31.1.2024"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_an_import_agrees_with_a_reading_by_hand(
    tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("import")
    pd.DataFrame(rows, columns=["id", "m", "d"]).to_csv(folder / "main.csv", index=False)
    expected: dict[str, tuple[object, object]] = {}
    values = lost = 0
    for key, money, day in rows:
        if not key.strip() or key.strip() in expected:
            lost += 1
            continue
        amount = {"1": Decimal(1), "1.5": Decimal("1.5"), "-2": Decimal(-2)}.get(money)
        date = dt.date(2024, 1, 31) if day == "2024-01-31" else None
        values += (money != "" and amount is None) + (day != "" and date is None)
        expected[key.strip()] = (amount, date)
    mapping = "sources: {main: {file: main.csv, key: id}}\nfacts: {a.money: m, a.day: d}"
    if not expected:
        with pytest.raises(SanchaError, match="the book would be empty"):
            run(folder, mapping, vocabulary)
        return
    result = run(folder, mapping, vocabulary)
    assert {r[0]: r[1:] for r in facts(result, "loan_id", "a.money", "a.day")} == expected
    assert (result.sources[0].rejected, result.values_rejected) == (lost, values)
