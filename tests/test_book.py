"""Books on disk: what is written is what is read, and every damage has a clear error."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sancha.engine.book import store
from sancha.engine.book.loan_file import load_loan_file, loan_file_from_json, to_json
from sancha.engine.book.schema import arrow_type, table_schema, tables
from sancha.engine.book.store import (
    Book,
    BookWriter,
    digest_of,
    iter_files,
    open_book,
    read_file,
    read_reference,
    write_book,
)
from sancha.engine.diagnostics import SanchaError
from sancha.engine.feel.types import parse_type
from sancha.engine.policy.vocabulary import Vocabulary, load_vocabulary

DAY = dt.date(2024, 12, 31)
RULES = Path(__file__).parent.parent / "rules"

SMALL = """
vocabulary: a small loan file
groups:
  loan:
    label: {en: Loan, zh: 贷款}
    facts:
      amount: {type: money, required: true, label: {en: amount, zh: 金额}}
      rate: {type: rate, label: {en: rate, zh: 利率}}
      grade: {type: "one of [normal, loss]", label: {en: grade, zh: 分类}}
      decided_at: {type: date-time, label: {en: decided at, zh: 审批时间}}
      meters: {type: number, label: {en: meter reading, zh: 读数}}
lists:
  visits:
    label: {en: Visits, zh: 走访}
    known on: date
    fields:
      date: {type: date, label: {en: date, zh: 日期}}
      staff: {type: list of text, label: {en: staff, zh: 人员}}
      on_site: {type: boolean, label: {en: on site, zh: 现场}}
  calls:
    label: {en: Calls, zh: 电话}
    fields:
      minutes: {type: integer, label: {en: minutes, zh: 分钟}}
reference:
  staff:
    label: {en: Staff, zh: 员工}
    fields:
      id: {type: text, label: {en: staff number, zh: 员工号}}
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return load_vocabulary(path)


def small_tables(vocabulary: Vocabulary) -> dict[str, pa.Table]:
    """Three loan files, not in order: L3 has no visits, for L1 the visits are missing."""
    loans = [
        {"loan_id": "L3", "loan.amount": Decimal("3.00"), "loan.grade": "loss", "visits": 0, "calls": 0},
        {"loan_id": "L1", "loan.amount": Decimal("1.05"), "loan.rate": Decimal("0.04350000"), "calls": 1},
        {
            "loan_id": "L2",
            "loan.amount": Decimal("9999999999999999.99"),
            "loan.decided_at": dt.datetime(2024, 2, 29, 9, 30),
            "loan.meters": Decimal("12345678901234567890.00000001"),
            "visits": 2,
            "calls": 0,
        },
    ]
    visits = [
        {"loan_id": "L2", "item": 2, "date": dt.date(2024, 2, 29), "staff": [], "on_site": False},
        {"loan_id": "L2", "item": 1, "date": None, "staff": ["S1", "S2"], "on_site": None},
    ]
    calls = [{"loan_id": "L1", "item": 1, "minutes": 7}]
    staff = [{"id": "S2"}, {"id": "S1"}]
    rows = {"loans": loans, "visits": visits, "calls": calls, "reference/staff": staff}
    return {name: pa.Table.from_pylist(r, table_schema(vocabulary, name)) for name, r in rows.items()}


def small_book(folder: Path, vocabulary: Vocabulary, **replaced: pa.Table) -> Book:
    made = {**small_tables(vocabulary), **replaced}
    return write_book(folder, vocabulary, made, as_of=DAY, synthetic=True, source="made for the test")


def test_each_type_has_a_column_type_without_binary_floats() -> None:
    names = ["text", "boolean", "integer", "number", "money", "rate", "date", "date-time", "days"]
    kinds = {name: arrow_type(parse_type(name)) for name in names}
    assert kinds["money"] == pa.decimal128(18, 2)
    assert kinds["rate"] == pa.decimal128(18, 8)
    assert kinds["number"] == pa.decimal128(30, 8)
    assert kinds["date-time"] == pa.timestamp("us")
    assert arrow_type(parse_type("list of text")) == pa.list_(pa.string())
    assert not any(pa.types.is_floating(kind) for kind in kinds.values())


def test_the_columns_of_the_demonstration_vocabulary() -> None:
    vocabulary = load_vocabulary(RULES / "vocabulary.yaml")
    assert tables(vocabulary)[0] == "loans"
    root = table_schema(vocabulary, "loans")
    assert root.names[:2] == ["loan_id", "borrower.id"]
    assert root.field("application.amount").type == pa.decimal128(18, 2)
    assert root.names[-len(vocabulary.lists) :] == list(vocabulary.lists)
    assert table_schema(vocabulary, "visits").names[:2] == ["loan_id", "item"]
    assert "item" not in table_schema(vocabulary, "reference/delegations").names


def test_what_is_written_is_what_is_read(tmp_path: Path, small: Vocabulary) -> None:
    written = small_book(tmp_path / "book", small)
    book = open_book(tmp_path / "book", small, verify=True)
    assert book == written
    assert (book.as_of, book.loans, book.synthetic) == (DAY, 3, True)
    assert book.rows == {"loans": 3, "visits": 2, "calls": 1, "reference/staff": 2}

    files = list(iter_files(book, small, batch=2))
    assert [f.id for f in files] == ["L1", "L2", "L3"]
    assert files == [read_file(book, small, f.id) for f in files]
    first, second, third = files
    assert first.facts["loan.rate"] == Decimal("0.0435")
    assert first.facts["loan.grade"] is None
    assert first.lists == {"visits": None, "calls": [{"item": 1, "minutes": 7}]}
    assert second.facts["loan.amount"] == Decimal("9999999999999999.99")
    assert second.facts["loan.meters"] == Decimal("12345678901234567890.00000001")
    assert second.facts["loan.decided_at"] == dt.datetime(2024, 2, 29, 9, 30)
    assert second.lists["visits"] == [
        {"item": 1, "date": None, "staff": ["S1", "S2"], "on_site": None},
        {"item": 2, "date": dt.date(2024, 2, 29), "staff": [], "on_site": False},
    ]
    assert third.lists == {"visits": [], "calls": []}
    assert read_reference(book, small) == {"staff": [{"id": "S2"}, {"id": "S1"}]}


def test_an_absent_list_is_missing_and_a_given_one_is_counted(tmp_path: Path, small: Vocabulary) -> None:
    made = small_tables(small)
    made["loans"] = made["loans"].drop_columns(["visits", "calls"])
    del made["calls"]
    write_book(tmp_path / "book", small, made, as_of=DAY, synthetic=False, source="")
    book = open_book(tmp_path / "book", small)
    assert pq.read_table(book.tables["loans"], columns=["visits"])["visits"].to_pylist() == [0, 2, 0]
    assert [f.lists["calls"] for f in iter_files(book, small)] == [None, None, None]


def test_a_book_without_numbers_of_items_is_read(tmp_path: Path, small: Vocabulary) -> None:
    made = small_tables(small)
    with BookWriter(tmp_path / "book", small, as_of=DAY, synthetic=False, source="") as writer:
        writer.append("loans", made["loans"].drop_columns(["visits", "calls"]).sort_by("loan_id"))
        writer.append("visits", made["visits"].sort_by("item"))
    book = open_book(tmp_path / "book", small)
    assert [len(f.lists["visits"] or []) for f in iter_files(book, small)] == [0, 2, 0]
    assert read_file(book, small, "L1").lists["calls"] is None


def test_the_bytes_do_not_depend_on_the_chunks(
    tmp_path: Path, small: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ROW_GROUP", 64)
    ids = [f"L{i:04}" for i in range(300)]
    schema = table_schema(small, "loans")
    loans = pa.table({n: pa.nulls(300, schema.field(n).type) for n in schema.names})
    loans = loans.set_column(0, "loan_id", pa.array(ids))
    loans = loans.set_column(1, "loan.amount", pa.array(map(Decimal, range(300)), pa.decimal128(18, 2)))
    digests = set()
    for size in (1, 7, 64, 65, 300):
        folder = tmp_path / f"by {size}"
        with BookWriter(folder, small, as_of=DAY, synthetic=True, source="") as writer:
            for start in range(0, 300, size):
                writer.append("loans", loans.slice(start, size))
        digests.add(writer.book.digest)
        groups = pq.ParquetFile(folder / "loans.parquet").metadata
        sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
        assert sizes == [64, 64, 64, 64, 44]
    assert len(digests) == 1


def test_nothing_is_left_after_an_interruption(tmp_path: Path, small: Vocabulary) -> None:
    made = small_tables(small)
    with (
        pytest.raises(KeyboardInterrupt),
        BookWriter(tmp_path / "book", small, as_of=DAY, synthetic=True, source="") as writer,
    ):
        writer.append("loans", made["loans"].sort_by("loan_id"))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_book(tmp_path: Path, small: Vocabulary) -> None:
    before = small_book(tmp_path / "book", small)
    with (
        pytest.raises(SanchaError, match="cannot write the book: No space left on device"),
        BookWriter(tmp_path / "book", small, as_of=DAY, synthetic=True, source="") as writer,
    ):
        writer.append("loans", small_tables(small)["loans"].sort_by("loan_id").slice(0, 1))
        raise OSError(28, "No space left on device")
    assert open_book(tmp_path / "book", small) == before
    assert [p.name for p in tmp_path.iterdir()] == ["book"]


def test_a_book_takes_the_place_of_a_book_but_of_nothing_else(tmp_path: Path, small: Vocabulary) -> None:
    small_book(tmp_path / "book", small)
    made = small_tables(small)
    one = {"loans": made["loans"].slice(1, 1).drop_columns(["visits", "calls"])}
    write_book(tmp_path / "book", small, one, as_of=DAY, synthetic=True, source="")
    assert open_book(tmp_path / "book", small).loans == 1
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("dear to someone")
    with pytest.raises(SanchaError, match="is not a book"):
        small_book(tmp_path / "thesis", small)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "dear to someone"


def set_header(folder: Path, **values: object) -> None:
    header = json.loads((folder / "book.json").read_text(encoding="utf-8")) | values
    (folder / "book.json").write_text(json.dumps(header), encoding="utf-8")


def rewrite(folder: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a table on disk as another program might, header included."""
    path = folder / f"{table}.parquet"
    rows = change(pq.read_table(path))
    pq.write_table(rows, path)
    header = json.loads((folder / "book.json").read_text(encoding="utf-8"))
    header["tables"][table] = rows.num_rows
    if table == "loans":
        header["loans"] = rows.num_rows
    (folder / "book.json").write_text(json.dumps(header), encoding="utf-8")


def with_ids(*ids: str | None) -> Callable[[pa.Table], pa.Table]:
    return lambda t: t.set_column(t.column_names.index("loan_id"), "loan_id", pa.array(ids, pa.string()))


def with_column(name: str, values: list[object], kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda t: t.set_column(t.column_names.index(name), name, pa.array(values, kind))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "there is no such book"),
    "no header": (lambda f: (f / "book.json").unlink(), "the folder is not a book: it has no book.json"),
    "broken header": (lambda f: (f / "book.json").write_text('{"format": 1,'), "book.json cannot be read"),
    "header not an object": (lambda f: (f / "book.json").write_text("[]"), "is not an object"),
    "header lacks a key": (lambda f: (f / "book.json").write_text('{"format": 1}'), "lacks `vocabulary`"),
    "header with a wrong value": (lambda f: set_header(f, loans="3"), "wrong value for `loans`"),
    "another format": (lambda f: set_header(f, format=2), "format 2"),
    "a day that is none": (lambda f: set_header(f, as_of="2024-02-30"), "`2024-02-30` as its day"),
    "unknown table": (lambda f: set_header(f, tables={"loans": 3, "visit": 2}), "a table `visit`"),
    "no root table": (lambda f: set_header(f, tables={"visits": 2}), "no table `loans`"),
    "no file": (lambda f: (f / "visits.parquet").unlink(), "lacks the file of its table `visits`"),
    "truncated": (
        lambda f: (f / "loans.parquet").write_bytes((f / "loans.parquet").read_bytes()[:-700]),
        "truncated or damaged",
    ),
    "empty file": (lambda f: (f / "visits.parquet").write_bytes(b""), "truncated or damaged"),
    "no rows": (lambda f: rewrite(f, "loans", lambda t: t.slice(0, 0)), "the book is empty"),
    "rows lost": (lambda f: set_header(f, tables={"loans": 3, "visits": 5}), "2 rows, and book.json says 5"),
    "column lacks": (
        lambda f: rewrite(f, "loans", lambda t: t.drop_columns(["loan.rate"])),
        "`loans` lacks the column `loan.rate`",
    ),
    "column too many": (
        lambda f: rewrite(f, "visits", lambda t: t.append_column("dates", t["date"])),
        "no column `dates` in `visits`",
    ),
    "column of another type": (
        lambda f: rewrite(f, "loans", with_column("loan.rate", [0.1, 0.2, None], pa.float64())),
        "`loan.rate` of `loans` is double; expected decimal128",
    ),
    "loan id twice": (lambda f: rewrite(f, "loans", with_ids("L1", "L2", "L1")), "more than once.*`L1`"),
    "loan id missing": (lambda f: rewrite(f, "loans", with_ids("L1", None, "L3")), "without a loan id"),
    "orphan": (lambda f: rewrite(f, "calls", with_ids("L9")), "not in `loans`: `L9`"),
    "item without parent": (lambda f: rewrite(f, "calls", with_ids(None)), "not in `loans`: `\\(none\\)`"),
    "misnumbered items": (
        lambda f: rewrite(f, "visits", with_column("item", [1, 1], pa.int64())),
        "not numbered 1, 2, … in `L2`",
    ),
    "miscounted items": (
        lambda f: rewrite(f, "loans", with_column("visits", [1, 2, 0], pa.int64())),
        "does not tell the number of items in `L1`",
    ),
    "value outside its enumeration": (
        lambda f: rewrite(f, "loans", with_column("loan.grade", ["norml", None, None], pa.string())),
        "holds `norml`",
    ),
    "required fact missing": (
        lambda f: rewrite(
            f, "loans", with_column("loan.amount", [None, Decimal("1.00"), None], pa.decimal128(18, 2))
        ),
        "`loan.amount` is required, and missing in 2 rows",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_book_has_a_clear_error(tmp_path: Path, small: Vocabulary, name: str) -> None:
    damage, message = DAMAGES[name]
    small_book(tmp_path / "book", small)
    damage(tmp_path / "book")
    with pytest.raises(SanchaError, match=message) as raised:
        open_book(tmp_path / "book", small)
    assert raised.value.where is not None
    assert "book" in str(raised.value.where)


def test_a_changed_byte_is_found_on_request(tmp_path: Path, small: Vocabulary) -> None:
    small_book(tmp_path / "book", small)
    rewrite(tmp_path / "book", "calls", with_column("minutes", [8], pa.int64()))
    open_book(tmp_path / "book", small)
    with pytest.raises(SanchaError, match="digest"):
        open_book(tmp_path / "book", small, verify=True)


def test_rows_in_any_order_are_fine(tmp_path: Path, small: Vocabulary) -> None:
    book = small_book(tmp_path / "book", small)
    before = list(iter_files(book, small))
    for table in ("loans", "visits"):
        rewrite(tmp_path / "book", table, lambda t: t.take(list(reversed(range(t.num_rows)))))
    assert list(iter_files(open_book(tmp_path / "book", small), small)) == before


def test_a_file_that_is_not_there_names_the_nearest(tmp_path: Path, small: Vocabulary) -> None:
    book = small_book(tmp_path / "book", small)
    with pytest.raises(SanchaError, match="no loan file `L22`") as raised:
        read_file(book, small, "L22")
    assert raised.value.help == "the nearest are `L2`, `L1`, `L3`"


def test_bad_rows_do_not_get_into_a_book(tmp_path: Path, small: Vocabulary) -> None:
    made = small_tables(small)
    loans = made["loans"]
    cases = [
        ({"loans": loans.slice(0, 0)}, "would be empty"),
        ({"visits": made["visits"]}, "needs the table `loans`"),
        ({"loans": loans, "visit": made["visits"]}, "no table `visit`"),
        ({"loans": pa.concat_tables([loans, loans])}, "a loan id comes twice"),
        ({"loans": loans.drop_columns(["loan.amount", "loan.rate"])}, "columns `loan.amount`, `loan.rate`"),
        ({"loans": with_column("loan.grade", ["x", None, None], pa.string())(loans)}, "holds `x`"),
        ({"loans": with_ids("L1", None, "L2")(loans)}, "rows without `loan_id`"),
    ]
    for bad, message in cases:
        with pytest.raises(SanchaError, match=message):
            write_book(tmp_path / "book", small, bad, as_of=DAY, synthetic=True, source="")
    assert list(tmp_path.iterdir()) == []


def test_the_digest_is_over_paths_and_contents(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    (tmp_path / "b.parquet").write_bytes(b"b")
    (tmp_path / "reference" / "a.parquet").write_bytes(b"a")
    (tmp_path / "note.txt").write_bytes(b"not part of it")
    # sha256 of the two lines `b.parquet 3e23…` and `reference/a.parquet ca97…`, by sha256sum
    assert digest_of(tmp_path) == "sha256:79195af37e843611a15d0cdb2f3dfcf4d8e1ee65ab9968669353ebd272d8b841"


FILE = """{"as_of": "2024-12-31", "id": "L7",
  "loan": {"amount": 1234567.5, "rate": "0.0435", "grade": "normal", "decided_at": "2024-02-29T09:30:00"},
  "visits": [{"date": "2024-02-29", "staff": ["S1"]}, {"on_site": true}],
  "staff": [{"id": "S1"}]}"""


def test_a_loan_file_as_json(tmp_path: Path, small: Vocabulary) -> None:
    path = tmp_path / "file.json"
    path.write_text(FILE, encoding="utf-8")
    file, reference, as_of = load_loan_file(path, small)
    assert (file.id, as_of, reference) == ("L7", DAY, {"staff": [{"id": "S1"}]})
    assert file.facts["loan.amount"] == Decimal("1234567.50")
    assert isinstance(file.facts["loan.amount"], Decimal)
    assert file.facts["loan.decided_at"] == dt.datetime(2024, 2, 29, 9, 30)
    assert file.facts["loan.meters"] is None
    assert file.lists["calls"] is None
    assert file.lists["visits"] == [
        {"date": dt.date(2024, 2, 29), "staff": ["S1"], "on_site": None, "item": 1},
        {"date": None, "staff": None, "on_site": True, "item": 2},
    ]
    again = json.loads(json.dumps(to_json(file, small, reference=reference, as_of=as_of)))
    assert loan_file_from_json(again, small) == (file, reference, as_of)


@pytest.mark.parametrize(
    ("text", "where", "message", "help"),
    [
        ('{"lone": {}}', "lone", "no group and no list `lone`", "did you mean `loan`"),
        ('{"loan": {"amonut": 1}}', "loan.amonut", "no fact `loan.amonut`", "did you mean `amount`"),
        ('{"loan": {"amount": true}}', "loan.amount", "is `true`; expected money", None),
        ('{"loan": {"amount": "1,000"}}', "loan.amount", 'is `"1,000"`', "without separators"),
        ('{"loan": {"amount": 1.005}}', "loan.amount", "at most 2 digits after the point", None),
        ('{"loan": {"amount": 1e17}}', "loan.amount", "at most 16 digits before the point", None),
        ('{"loan": {"amount": "NaN"}}', "loan.amount", "a finite number", None),
        ('{"loan": {"grade": "Normal"}}', "loan.grade", "expected one of", "did you mean `normal`"),
        ('{"loan": {"decided_at": "2024-02-29T09:30:00+08:00"}}', "loan.decided_at", "date-time", "offset"),
        ('{"loan": {}, "visits": [{}, {"date": "20240229"}]}', "visits[2].date", "a date", "2024-12-31"),
        ('{"visits": [{"date": "2023-02-29"}]}', "visits[1].date", "a date", "2024-12-31"),
        ('{"visits": [{"staff": "S1"}]}', "visits[1].staff", "an array", None),
        ('{"visits": [{"staff": [1]}]}', "visits[1].staff", "expected text", None),
        ('{"visits": [{"dated": "2024-02-29"}]}', "visits[1].dated", "no field `dated`", "`date`"),
        ('{"visits": {"date": "2024-02-29"}}', "visits", "an array of objects", None),
        ('{"calls": [{"minutes": 1.5}]}', "calls[1].minutes", "a whole number", None),
        ('{"loan": 5}', "loan", "is a group", None),
        ("[]", "the whole text", "an object of groups", None),
        ('{"id": "L1", "loan": {}}', "loan.amount", "required fact `loan.amount` is missing", None),
    ],
)
def test_a_bad_loan_file_names_the_place(
    small: Vocabulary, text: str, where: str, message: str, help: str | None
) -> None:
    with pytest.raises(SanchaError) as raised:
        loan_file_from_json(json.loads(text, parse_float=Decimal), small)
    assert raised.value.where == where
    assert message in raised.value.message
    if help:
        assert help in str(raised.value.help)


def test_binary_floats_are_refused(small: Vocabulary) -> None:
    with pytest.raises(SanchaError, match="binary floating point") as raised:
        loan_file_from_json({"loan": {"amount": 0.1}}, small)
    assert "parse_float=Decimal" in str(raised.value.help)


def test_a_file_that_is_not_json(tmp_path: Path, small: Vocabulary) -> None:
    path = tmp_path / "file.json"
    path.write_bytes('{"id": "客户"}'.encode("gbk"))
    with pytest.raises(SanchaError, match="not UTF-8"):
        load_loan_file(path, small)
    path.write_text('{"id": }')
    with pytest.raises(SanchaError, match="not JSON") as raised:
        load_loan_file(path, small)
    assert str(raised.value.where).endswith("file.json:1:8")
    with pytest.raises(SanchaError, match="cannot read"):
        load_loan_file(tmp_path / "none.json", small)


money = st.decimals(-(10**15), 10**15, places=2, allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
visit = st.fixed_dictionaries(
    {}, optional={"date": st.dates().map(str), "staff": st.lists(texts, max_size=3), "on_site": st.booleans()}
)
loan_files = st.fixed_dictionaries(
    {
        "id": texts,
        "loan": st.fixed_dictionaries(
            {"amount": money},
            optional={"grade": st.sampled_from(["normal", "loss"]), "decided_at": st.datetimes().map(str)},
        ),
    },
    optional={"visits": st.lists(visit, max_size=3), "calls": st.lists(st.just({"minutes": 3}), max_size=2)},
)


@given(loan_files)
def test_json_and_back_is_the_same_file(small: Vocabulary, mapping: dict[str, object]) -> None:
    file, reference, as_of = loan_file_from_json(mapping, small)
    again = json.loads(json.dumps(to_json(file, small)), parse_float=Decimal)
    assert loan_file_from_json(again, small) == (file, reference, as_of)


@pytest.mark.parametrize("path", sorted((RULES / "files").glob("*.json")), ids=lambda p: p.stem)
def test_the_files_of_the_pack_survive_a_book(tmp_path: Path, path: Path) -> None:
    vocabulary = load_vocabulary(RULES / "vocabulary.yaml")
    file, reference, as_of = load_loan_file(path, vocabulary)
    loans = {"loan_id": file.id, **file.facts} | {
        n: None if v is None else len(v) for n, v in file.lists.items()
    }
    made = {"loans": pa.Table.from_pylist([loans], table_schema(vocabulary, "loans"))}
    for name, items in file.lists.items():
        rows = [{"loan_id": file.id, **item} for item in items or []]
        made[name] = pa.Table.from_pylist(rows, table_schema(vocabulary, name))
    for name, rows in reference.items():
        made[f"reference/{name}"] = pa.Table.from_pylist(rows, table_schema(vocabulary, f"reference/{name}"))
    assert as_of is not None
    write_book(tmp_path / "book", vocabulary, made, as_of=as_of, synthetic=True, source="one file")
    book = open_book(tmp_path / "book", vocabulary)
    assert read_file(book, vocabulary, file.id) == file
    assert read_reference(book, vocabulary) == reference
