"""The questionnaire: instrument, responses, tabulation, the gap to the replay, and what is written."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import python_calamine
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from sancha.engine.diagnostics import PackError, SanchaError
from sancha.surveys import output
from sancha.surveys.forms import write_form
from sancha.surveys.instrument import Instrument, load_instrument
from sancha.surveys.responses import Responses, load_responses
from sancha.surveys.statistics import (
    alpha_interval,
    association,
    cronbach_alpha,
    item_rest_correlation,
    merge_groups,
    rows_to_pool,
    wilson_interval,
)
from sancha.surveys.synthesize import synthesize_answers
from sancha.surveys.tabulate import NOT_STATED, analyse, grouping, recoded, tabulate
from sancha.surveys.texts import all_texts
from sancha.surveys.triangulation import RuleCounts, RunOutcomes, band_of, gap_tables, load_run

ROOT = Path(__file__).resolve().parent.parent
INSTRUMENT = ROOT / "surveys" / "instrument.yaml"
SOURCE = INSTRUMENT.read_text(encoding="utf-8")
#: The vector of alpha in the content sheet: item variances 1.1 each, variance of the sum 7.9.
VECTOR = [[4, 4, 5], [3, 3, 3], [5, 4, 4], [2, 3, 2], [4, 5, 4], [3, 2, 3]]


@pytest.fixture(scope="module")
def instrument() -> Instrument:
    return load_instrument(INSTRUMENT)


@pytest.fixture(scope="module")
def synthetic(instrument: Instrument, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    synthesize_answers(instrument, path, respondents=180, seed=42)
    return path


def person(instrument: Instrument, number: int, **cells: object) -> dict[str, object]:
    """A respondent who answers 4 throughout, except as given."""
    row: dict[str, object] = {
        "respondent": f"R{number:03d}",
        "date": "2025-03-04",
        "seconds": 300,
        "attention": 2,
    }
    row |= {b.item: b.codes[0] for b in instrument.background}
    row |= dict.fromkeys(instrument.item_codes, 4)
    return row | {"cause_1": "C02"} | cells


def write_csv(path: Path, instrument: Instrument, rows: Sequence[Mapping[str, object]]) -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [c for c in instrument.columns if c != "synthetic"], restval="")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[object]], sheets: Sequence[str] = ("answers",)) -> Path:
    with xlsxwriter.Workbook(path) as book:
        for name in sheets:
            sheet = book.add_worksheet(name)
            for n, row in enumerate(rows):
                sheet.write_row(n, 0, row)
    return path


def read(tmp_path: Path, instrument: Instrument, rows: Sequence[Mapping[str, object]]) -> Responses:
    return load_responses(instrument, write_csv(tmp_path / "answers.csv", instrument, rows))


# --- statistics ------------------------------------------------------------------------------------


def test_alpha_of_the_known_vector() -> None:
    scores = np.array(VECTOR, dtype=float)
    assert scores.var(axis=0, ddof=1) == pytest.approx([1.1, 1.1, 1.1])
    assert scores.sum(axis=1).var(ddof=1) == pytest.approx(7.9)
    assert round(cronbach_alpha(scores), 4) == 0.8734
    low, high = alpha_interval(cronbach_alpha(scores), 6, 3)
    assert low < 0.8734 < high < 1


def test_alpha_of_identical_and_of_unrelated_items() -> None:
    column = np.array([1, 2, 3, 4, 5], dtype=float)
    assert cronbach_alpha(np.column_stack([column] * 4)) == pytest.approx(1)
    assert item_rest_correlation(np.column_stack([column] * 4), 2) == pytest.approx(1)
    assert math.isnan(cronbach_alpha(np.full((6, 3), 4.0)))
    assert math.isnan(cronbach_alpha(column[:, None]))


def test_wilson_interval_of_the_content_sheet() -> None:
    low, high = wilson_interval(18, 40)
    assert (round(low, 3), round(high, 3)) == (0.307, 0.602)
    assert math.isnan(wilson_interval(0, 0)[0])


def test_association_is_chi_square_where_cells_are_large() -> None:
    # 20 of 40 against 10 of 40: expected 15 and 25, so 4 * 25 / ... = 16/3
    result = association(np.array([[20, 20], [10, 30]]))
    assert (result.test, result.degrees) == ("chi-square", 1)
    assert result.statistic == pytest.approx(16 / 3)
    assert result.p == pytest.approx(0.020921, abs=1e-6)


def test_association_is_fisher_for_a_small_table_of_two() -> None:
    result = association(np.array([[3, 1], [1, 3]]))  # the lady tasting tea
    assert result.test == "fisher"
    assert result.p == pytest.approx(0.485714, abs=1e-6)


def test_association_merges_the_smallest_rows_first() -> None:
    merged = association(np.array([[30, 30], [25, 35], [2, 1], [1, 4]]))
    assert (merged.test, merged.rows, merged.degrees) == ("chi-square", 2, 1)
    assert association(np.array([[30, 30], [25, 35], [7, 5], [6, 8]])).rows == 4
    assert association(np.array([[9, 0], [8, 0]])).test == "none"


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=9),
    st.booleans(),
)
def test_merged_groups_are_a_partition_of_groups_that_may_be_shown(sizes: list[int], ordered: bool) -> None:
    named = {string.ascii_letters[n]: size for n, size in enumerate(sizes)}
    groups = merge_groups(named, 5, ordered=ordered)
    codes = [c for g in groups for c in g]
    people = [c for c, size in named.items() if size]
    assert sorted(codes) == sorted(people) or (not groups and sum(sizes) < 5)
    assert all(sum(named[c] for c in g) >= 5 for g in groups)
    if ordered:
        assert codes == [c for c in people if c in codes]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=1, max_size=7))
def test_no_hidden_count_can_be_had_by_subtraction(cells: list[tuple[int, int]]) -> None:
    counts = np.array(cells)
    hidden = sorted(rows_to_pool(counts, 5))
    shown = [i for i in range(len(counts)) if i not in hidden]
    assert all(counts[i].min() >= 5 for i in shown)
    if not hidden or not shown:
        return
    assert len(hidden) >= 2
    pool = counts[hidden].sum(axis=0)
    assert pool.min() >= 5
    for i in hidden:
        # every value that the count of row i may have, given the sizes and the sum of the hidden rows
        others = sum(int(counts[j].sum()) for j in hidden if j != i)
        possible = [a for a in range(int(counts[i].sum()) + 1) if 0 <= pool[0] - a <= others]
        assert len(possible) >= min(5, int(counts[i].sum()) + 1)


# --- the instrument --------------------------------------------------------------------------------


def test_the_instrument_is_that_of_the_content_sheet(instrument: Instrument) -> None:
    assert instrument.item_codes == tuple(f"Q{n:02d}" for n in range(1, 36))
    assert instrument.open_question.item == "Q36"
    assert [b.item for b in instrument.background] == [f"A{n}" for n in range(1, 8)]
    assert {i.item for i in instrument.items if i.reverse} == {
        "Q05",
        "Q08",
        "Q10",
        "Q14",
        "Q21",
        "Q24",
        "Q29",
        "Q30",
    }
    assert [c.code for c in instrument.cause_question.causes] == [f"C{n:02d}" for n in range(1, 12)]
    assert instrument.cause_question.most == 3
    assert (instrument.minimum_seconds, instrument.small_cell) == (90, 5)
    assert all(i.rules or i.note for i in instrument.items), "an item without rules says why"


def test_every_rule_that_an_item_is_compared_with_is_in_the_pack(instrument: Instrument) -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "rules").rglob("*.yaml"))
    pack = set(re.findall(r"^rule: (\S+)", text, flags=re.MULTILINE))
    assert {r for i in instrument.items for r in i.rules} <= pack
    causes = re.findall(
        r"^(C\d\d):", (ROOT / "rules" / "causes.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [c.code for c in instrument.cause_question.causes] == causes


@pytest.mark.parametrize(
    ("old", "new", "says", "at"),
    [
        ("small cell: 5", "smal cell: 5", "unknown key `smal cell`", "smal cell"),
        ("minimum seconds: 90", "minimum seconds: soon", "integer", "soon"),
        ("cause: C05", "cause: C55", "unknown cause `C55`", "C55"),
        ("dimensions: [in, post]", "dimensions: [in, pots]", "unknown dimension `pots`", "pots"),
        ("item: Q02", "item: Q35", "`Q35` is given twice", "item: Q35"),
        ("item: Q36", "item: Q36\n  item: Q37", "`item` is given twice", "item: Q37"),
        ("minor: 0.25", "minor: 0.05", "`minor` must lie above", "0.05"),
        ("code: head_office", "code: branch", "the code `branch` is given twice", "code: branch"),
        ("expected: 2", "expected: 7", "a point of the scale", "expected: 7"),
        ("rules: [PRE-20]", "rules: [PRE-20, PRE-20]", "names a rule twice", "PRE-20, PRE-20"),
        ("{code: 5, label", "{code: 6, label", "the points 1, 2, 3, 4, 5", "{code: 1, label"),
        ("zh: 贷前实地调查由两人共同完成", "zh: ''", "at least 1 character", "zh: ''"),
    ],
)
def test_a_defect_of_the_instrument_names_its_place(
    tmp_path: Path, old: str, new: str, says: str, at: str
) -> None:
    assert old in SOURCE
    changed = SOURCE.replace(old, new, 1)
    path = tmp_path / "instrument.yaml"
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(PackError) as error:
        load_instrument(path)
    defect = next(d for d in error.value.diagnostics if says in d.message)
    assert defect.place is not None
    # a code or item given twice is reported where it stands the second time
    lines = [n for n, line in enumerate(changed.splitlines(), 1) if at in line]
    assert defect.place.line == lines[-1 if "given twice" in says else 0]


# --- responses -------------------------------------------------------------------------------------


def test_answers_are_read_by_code_label_and_full_width_digit(tmp_path: Path, instrument: Instrument) -> None:
    rows = [
        person(
            instrument, 1, Q01="5", Q02="strongly agree", Q03="非常同意", Q04="５", Q05="5 非常同意", Q06="DK"
        ),
        person(
            instrument, 2, Q01="", Q02="不清楚／非本人工作", A2="风险与贷后", A4="1–3 years", date="2025/3/14"
        ),
    ]
    responses = read(tmp_path, instrument, rows)
    assert list(responses.answers.loc["R001", ["Q01", "Q02", "Q03", "Q04", "Q05"]]) == [5, 5, 5, 5, 5]
    assert responses.answers.loc["R001", "Q06"] is pd.NA
    assert responses.dont_know.loc["R001", "Q06"]
    assert not responses.dont_know.loc["R002", "Q01"]
    assert responses.answers.loc["R002", "Q01"] is pd.NA
    assert responses.dont_know.loc["R002", "Q02"]
    assert list(responses.background.loc["R002", ["A2", "A4"]]) == ["risk", "1_3"]
    assert responses.quality.loc["R002", "date"].isoformat() == "2025-03-14"
    assert responses.rejects.empty


def test_a_cell_that_cannot_be_read_is_a_reject_and_the_rest_stays(
    tmp_path: Path, instrument: Instrument
) -> None:
    rows = [
        person(instrument, 1),
        person(
            instrument,
            2,
            Q01="6",
            A2="sales",
            seconds="5 min",
            date="soon",
            cause_1="C12",
            cause_2="C03",
            cause_3="C03",
        ),
        person(instrument, 3, Q35="4.5", Q36="=HYPERLINK(1)", Q36_code="C99"),
    ]
    responses = read(tmp_path, instrument, rows)
    assert responses.respondents == 3
    rejects = {(r.row, r.column): r.text for r in responses.rejects.itertuples()}
    assert rejects == {
        (2, "Q01"): "6",
        (2, "A2"): "sales",
        (2, "seconds"): "5 min",
        (2, "date"): "soon",
        (2, "cause_1"): "C12",
        (2, "cause_3"): "C03",
        (3, "Q35"): "4.5",
        (3, "Q36_code"): "C99",
    }
    assert responses.rejects["reason"].str.len().min() > 0
    assert responses.answers.loc["R002", "Q01"] is pd.NA
    assert responses.answers.loc["R002", "Q02"] == 4
    assert list(responses.causes.columns[responses.causes.loc["R002"]]) == ["C03"]


def test_rows_are_kept_left_out_or_blank_and_never_lost(tmp_path: Path, instrument: Instrument) -> None:
    path = write_csv(
        tmp_path / "answers.csv",
        instrument,
        [
            person(instrument, 1),
            person(instrument, 2),
            person(instrument, 1, Q01=1),
            person(instrument, 4, respondent=""),
        ],
    )
    text = path.read_text(encoding="utf-8") + "R9,2025-03-04\n\n" + "R010" + "," * 53 + "\n"
    path.write_text(text, encoding="utf-8")
    responses = load_responses(instrument, path)
    assert (responses.rows, responses.blank_rows, responses.respondents, responses.rows_left_out) == (
        5,
        2,
        2,
        3,
    )
    assert list(responses.rejects["row"]) == [3, 4, 5]
    assert "row 1 already" in responses.rejects["reason"][0]
    assert responses.answers.loc["R001", "Q01"] == 4, "the first of two rows of a respondent stands"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_damaged_cell_is_listed(
    instrument: Instrument, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tmp_path = tmp_path_factory.mktemp("damaged")
    rows = [person(instrument, n) for n in range(1, 6)]
    columns = [*instrument.item_codes, "A1", "A3", "seconds", "date", "attention"]
    damaged = data.draw(st.sets(st.tuples(st.integers(0, 4), st.sampled_from(columns)), max_size=12))
    junk = st.text(string.punctuation + "xyz七", min_size=1, max_size=5).map(str.strip).filter(bool)
    for row, column in damaged:
        rows[row][column] = "~" + data.draw(junk)
    responses = read(tmp_path, instrument, rows)
    assert {(r.row - 1, r.column) for r in responses.rejects.itertuples()} == damaged
    assert responses.rows == responses.respondents + responses.rows_left_out == 5


def _header(instrument: Instrument) -> str:
    return ",".join(instrument.columns)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda h: b"", "is empty"),
        (lambda h: f"{h}\n".encode(), "no respondent is left"),
        (lambda h: f"{h},受访\nR1\n".encode("gbk"), "GBK"),
        (lambda h: f"{h}\nR1\n".encode("utf-16"), "UTF-16"),
        (lambda h: f"{h}\nR1,\xff\n".encode("latin-1"), "not UTF-8"),
        (lambda h: h.replace(",", ";").encode(), "separated by `;`"),
        (lambda h: h.replace(",", "\t").encode(), "separated by tabs"),
        (lambda h: f"{h}\nR1,\0\n".encode(), "NUL"),
        (lambda h: f'{h}\nR1,"2025\n'.encode(), "damaged"),
        (lambda h: h.replace("Q07", "Q77").encode(), "unknown column `Q77`"),
        (lambda h: h.replace("Q07,", "").encode(), "missing columns: `Q07`"),
        (lambda h: h.replace("Q07", "Q06").encode(), "stands twice"),
        (lambda h: h.replace("A1,", ",A1,").encode(), "has no header"),
    ],
)
def test_a_file_that_cannot_be_worked_with_is_a_clear_error(
    tmp_path: Path, instrument: Instrument, make: Callable[[str], bytes], says: str
) -> None:
    path = tmp_path / "answers.csv"
    path.write_bytes(make(_header(instrument)))
    with pytest.raises(SanchaError, match=re.escape(says)) as error:
        load_responses(instrument, path)
    assert error.value.where == path
    assert error.value.code


def test_a_gbk_file_is_told_how_to_be_converted(tmp_path: Path, instrument: Instrument) -> None:
    path = tmp_path / "答卷.csv"
    path.write_bytes(f"{_header(instrument)}\nR1,是\n".encode("gbk"))
    with pytest.raises(SanchaError) as error:
        load_responses(instrument, path)
    assert error.value.help is not None
    assert "iconv -f GB18030 -t UTF-8" in error.value.help


def test_a_workbook_reads_as_the_csv_does(tmp_path: Path, instrument: Instrument, synthetic: Path) -> None:
    with synthetic.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    cells = [rows[0], *([int(c) if c.isdigit() else c for c in row] for row in rows[1:])]
    from_csv = load_responses(instrument, synthetic)
    from_xlsx = load_responses(instrument, write_xlsx(tmp_path / "answers.xlsx", cells))
    for name in ("background", "answers", "dont_know", "causes", "quality", "open", "rejects"):
        pd.testing.assert_frame_equal(getattr(from_csv, name), getattr(from_xlsx, name))
    assert from_xlsx.synthetic


def test_a_damaged_or_unclear_workbook_is_a_clear_error(tmp_path: Path, instrument: Instrument) -> None:
    whole = write_xlsx(tmp_path / "whole.xlsx", [instrument.columns]).read_bytes()
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SanchaError, match="damaged or locked"):
        load_responses(instrument, cut)
    with pytest.raises(SanchaError, match="several sheets"):
        load_responses(instrument, write_xlsx(tmp_path / "two.xlsx", [["x"]], ["one", "two"]))
    other = tmp_path / "answers.sav"
    other.touch()
    with pytest.raises(SanchaError, match=r"\.csv or \.xlsx"):
        load_responses(instrument, other)
    with pytest.raises(SanchaError, match="cannot be read"):
        load_responses(instrument, tmp_path / "absent.csv")


# --- tabulation ------------------------------------------------------------------------------------


def test_items_are_recoded_and_dont_know_stays_apart(tmp_path: Path, instrument: Instrument) -> None:
    q01 = [5, 5, 4, 4, 3, 2, 1, "DK", "DK", ""]
    rows = [person(instrument, n, Q01=answer, Q05=answer) for n, answer in enumerate(q01, 1)]
    items = analyse(instrument, read(tmp_path, instrument, rows)).items.set_index("item")
    one, turned = items.loc["Q01"], items.loc["Q05"]
    assert (one["n"], one["dont_know"], one["no_answer"]) == (7, 2, 1)
    assert [one[f"share_{p}"] * 7 for p in range(1, 6)] == pytest.approx([1, 1, 1, 2, 2])
    assert one["top2"] == pytest.approx(4 / 7)
    assert one["mean"] == pytest.approx(24 / 7)
    assert one["sd"] == pytest.approx(np.std([5, 5, 4, 4, 3, 2, 1], ddof=1))
    assert turned["reverse"]
    assert not one["reverse"]
    assert [turned[f"share_{p}"] * 7 for p in range(1, 6)] == pytest.approx([2, 2, 1, 1, 1])
    assert turned["top2"] == pytest.approx(2 / 7)
    assert turned["mean"] == pytest.approx(6 - 24 / 7)


def test_alpha_of_a_dimension_is_that_of_the_vector(tmp_path: Path, instrument: Instrument) -> None:
    # the dimension of audit has three items; those who leave one out are not in its alpha
    rows = [person(instrument, n, Q33=a, Q34=b, Q35=c) for n, (a, b, c) in enumerate(VECTOR, 1)] + [
        person(instrument, 7, Q33=1, Q34="DK", Q35=5)
    ]
    dimensions = analyse(instrument, read(tmp_path, instrument, rows)).dimensions.set_index("dimension")
    assert round(dimensions.at["audit", "alpha"], 4) == 0.8734
    assert (dimensions.at["audit", "k"], dimensions.at["audit", "n"]) == (3, 6)


def test_marked_respondents_are_counted_and_kept(tmp_path: Path, instrument: Instrument) -> None:
    rows = [person(instrument, n) for n in range(1, 9)]
    rows += [
        person(instrument, 9, seconds=89, Q01=1),
        person(instrument, 10, seconds=90, attention=3, Q01=1),
        person(instrument, 11, seconds=30, attention="", Q01=1),
    ]
    result = analyse(instrument, read(tmp_path, instrument, rows))
    assert result.respondents == 11
    counted = {n: result.count(n) for n in ("too_fast", "attention_failed", "attention_blank", "marked")}
    assert counted == {"too_fast": 2, "attention_failed": 1, "attention_blank": 1, "marked": 3}
    first = result.items.set_index("item").loc["Q01"]
    assert first["top2"] == pytest.approx(8 / 11)
    assert first["top2_unmarked"] == pytest.approx(1)


def test_causes_are_ranked_by_share_of_respondents(tmp_path: Path, instrument: Instrument) -> None:
    rows = [person(instrument, n, cause_1="C09", cause_2="C02") for n in range(1, 7)]
    rows += [person(instrument, n, cause_1="C02") for n in range(7, 10)] + [
        person(instrument, 10, cause_1="")
    ]
    causes = analyse(instrument, read(tmp_path, instrument, rows)).causes
    assert list(causes["cause"][:2]) == ["C02", "C09"]
    assert list(causes["count"][:3]) == [9, 6, 0]
    assert set(causes["n"]) == {9}
    assert list(causes["share"][:2]) == pytest.approx([1, 6 / 9])
    assert causes["low"][1] == pytest.approx(wilson_interval(6, 9)[0])
    assert list(causes["rank"][:4]) == [1, 2, 3, 3]


def test_too_few_respondents_and_a_wrong_number_of_invited_are_refused(
    tmp_path: Path, instrument: Instrument
) -> None:
    few = read(tmp_path, instrument, [person(instrument, n) for n in range(1, 5)])
    with pytest.raises(SanchaError, match="fewer than 5"):
        analyse(instrument, few)
    enough = read(tmp_path, instrument, [person(instrument, n) for n in range(1, 7)])
    with pytest.raises(SanchaError, match="5 were invited but 6 responded"):
        analyse(instrument, enough, invited=5)
    assert analyse(instrument, enough, invited=8).response_rate == 0.75


@pytest.mark.parametrize("seed", range(4))
def test_published_breakdowns_show_no_small_cell(tmp_path: Path, instrument: Instrument, seed: int) -> None:
    synthesize_answers(instrument, tmp_path / "a.csv", respondents=40 + 60 * seed, seed=seed)
    responses = load_responses(instrument, tmp_path / "a.csv")
    result = analyse(instrument, responses)
    numbers = result.cross[result.cross["state"] != "hidden"]
    assert numbers["count"].min() >= 5
    assert (numbers["n"] - numbers["count"]).min() >= 5
    assert result.cross.loc[result.cross["state"] == "hidden", ["n", "count"]].isna().all(axis=None)
    assert result.background["count"].min() >= 5

    # what is shown adds up to the item's own counts, and no group within another leaves a small rest
    totals = result.items.set_index("item")
    favourable = recoded(instrument, responses.answers) >= 4
    for item, rows in numbers.groupby("item"):
        opinion = favourable[item].notna().to_numpy()
        holds = favourable[item].fillna(False).to_numpy(dtype=bool)
        for _, by in rows.groupby("by"):
            assert int(by["n"].sum()) == totals.at[item, "n"]
            assert int(by["count"].sum()) == totals.at[item, "top2_n"]
        members = [
            (
                r.by,
                opinion & responses.background[r.by].fillna(NOT_STATED).isin(r.group.split("+")).to_numpy(),
            )
            for r in rows.itertuples()
        ]
        for by, part in members:
            for other, whole in members:
                rest = whole & ~part
                if by != other and not (part & ~whole).any() and rest.any():
                    assert min((rest & holds).sum(), (rest & ~holds).sum()) >= 5


def test_groups_are_merged_with_their_neighbour_where_answers_are_ordered(instrument: Instrument) -> None:
    years = next(b for b in instrument.background if b.item == "A4")
    given_years = pd.Series(["under_1"] * 2 + ["1_3"] * 6 + ["4_6"] * 9 + ["over_10"] * 3 + [None] * 5)
    assert grouping(years, given_years, 5) == [("under_1", "1_3"), ("4_6",), ("over_10", NOT_STATED)]
    posts = next(b for b in instrument.background if b.item == "A3")
    given_posts = pd.Series(["rm"] * 9 + ["reviewer"] * 7 + ["workout"] * 2 + ["auditor"] * 4)
    assert grouping(posts, given_posts, 5) == [("rm",), ("reviewer",), ("workout", "auditor")]


def test_departments_that_differ_are_found_to_differ(tmp_path: Path, instrument: Instrument) -> None:
    rows = [person(instrument, n, A2="front", Q01=5 if n % 4 else 2) for n in range(1, 41)]
    rows += [person(instrument, n, A2="audit", Q01=2 if n % 4 else 5) for n in range(41, 81)]
    result = analyse(instrument, read(tmp_path, instrument, rows))
    by = result.cross[(result.cross["item"] == "Q01") & (result.cross["by"] == "A2")].set_index("group")
    assert by["state"].tolist() == ["shown", "shown"]
    assert (by.at["front", "count"], by.at["audit", "count"]) == (30, 10)
    assert by.at["front", "share"] == pytest.approx(0.75)
    test = result.cross_tests[
        (result.cross_tests["item"] == "Q01") & (result.cross_tests["by"] == "A2")
    ].iloc[0]
    assert test["test"] == "chi-square"
    assert test["statistic"] == pytest.approx(20)
    assert test["p"] < 1e-4


# --- perception and practice -----------------------------------------------------------------------


def run_of(**rules: Mapping[str, int]) -> RunOutcomes:
    counts = {
        name.replace("_", "-"): RuleCounts(files, {o: Decimal(n) * 1000 for o, n in files.items()})
        for name, files in rules.items()
    }
    return RunOutcomes("pack", "1", "sha256:p", "sha256:b", "2024-12-31", True, counts)


def answers_of(n: int, top2: int, instrument: Instrument) -> pd.DataFrame:
    return pd.DataFrame({"item": instrument.item_codes, "n": n, "top2_n": top2})


def test_the_gap_of_the_content_sheet(instrument: Instrument) -> None:
    run = run_of(
        PRE_20={"pass": 18, "breach": 22, "waived": 3, "unknown": 4, "not applicable": 9, "not due": 1}
    )
    gap, rules = gap_tables(instrument, answers_of(100, 86, instrument), run)
    row = gap.set_index("item").loc["Q01"]
    assert row["gap"] == pytest.approx(0.41)
    assert (row["band"], row["direction"], row["status"]) == ("conflict", "answers", "compared")
    assert (row["passes"], row["judged"], row["waived"], row["unknown"]) == (18, 40, 3, 4)
    assert row["pass_rate"] == pytest.approx(0.45)
    assert (row["passed_exposure"], row["judged_exposure"]) == (Decimal(18000), Decimal(40000))
    assert rules.set_index(["item", "rule"]).at[("Q01", "PRE-20"), "gap"] == pytest.approx(0.41)


@pytest.mark.parametrize(
    ("gap", "band"),
    [
        ("1/10", "consistent"),
        ("-1/10", "consistent"),
        ("1001/10000", "minor"),
        ("1/4", "minor"),
        ("-1/4", "minor"),
        ("2501/10000", "conflict"),
        ("0", "consistent"),
    ],
)
def test_bands_are_decided_on_exact_fractions(instrument: Instrument, gap: str, band: str) -> None:
    assert band_of(Fraction(gap), instrument) == band


def test_a_gap_of_exactly_a_tenth_is_consistent(instrument: Instrument) -> None:
    # 0.4 - 0.3 is above 0.1 in binary floats
    gap, _ = gap_tables(instrument, answers_of(10, 4, instrument), run_of(PRE_20={"pass": 3, "breach": 7}))
    assert gap.set_index("item").at["Q01", "band"] == "consistent"


def test_rules_of_an_item_are_added_up_and_absent_ones_are_named(instrument: Instrument) -> None:
    run = run_of(
        XV_01={"pass": 10, "breach": 0},
        XV_03={"pass": 5, "breach": 5},
        APR_05={"unknown": 7},
        CB_01={"pass": 1},
    )
    gap, rules = gap_tables(instrument, answers_of(40, 30, instrument), run)
    rows = gap.set_index("item")
    assert (rows.at["Q03", "passes"], rows.at["Q03", "judged"], rows.at["Q03", "absent"]) == (15, 20, "XV-02")
    assert rows.at["Q03", "gap"] == 0
    assert (rows.at["Q18", "status"], rows.at["Q18", "band"]) == ("not judged", "unavailable")
    assert rows.at["Q01", "status"] == "not in the run"
    assert rules.set_index(["item", "rule"]).at[("Q03", "XV-03"), "pass_rate"] == 0.5
    few, _ = gap_tables(instrument, answers_of(4, 3, instrument), run)
    assert few.set_index("item").at["Q06", "status"] == "few answers"
    assert math.isnan(few.set_index("item").at["Q06", "top2"])


def write_run(folder: Path, rows: Sequence[tuple[str, str, int]]) -> Path:
    """A run folder of the documented form: two branches and two quarters a rule and outcome."""
    folder.mkdir()
    schema = pa.schema(
        [(n, pa.string()) for n in ("rule", "version", "stage", "branch", "period", "outcome")]
        + [("files", pa.int64()), ("exposure", pa.decimal128(38, 2))]
    )
    table = [
        {
            "rule": rule,
            "version": "2021-07-01",
            "stage": "pre-loan",
            "branch": branch,
            "period": period,
            "outcome": outcome,
            "files": files,
            "exposure": Decimal(files) * 100,
        }
        for rule, outcome, files in rows
        for branch, period in (("B1", "2024Q1"), (None, "2024Q2"))
    ]
    pq.write_table(pa.Table.from_pylist(table, schema=schema), folder / "outcomes.parquet")
    info = {
        "format": 1,
        "pack": {"name": "demonstration", "version": "1.0.0", "digest": "sha256:p"},
        "book": {
            "path": "book",
            "digest": "sha256:b",
            "as_of": "2024-12-31",
            "synthetic": True,
            "loans": 100,
        },
    }
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def test_a_run_is_summed_over_branches_periods_and_versions(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", [("PRE-20", "pass", 9), ("PRE-20", "breach", 11)]))
    assert run.rules["PRE-20"].files["pass"] == 18
    assert run.rules["PRE-20"].judged == 40
    assert run.rules["PRE-20"].judged_exposure == Decimal(4000)
    assert (run.pack, run.as_of, run.synthetic) == ("demonstration", "2024-12-31", True)


def test_a_run_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SanchaError, match="the run cannot be read"):
        load_run(tmp_path)
    cut = write_run(tmp_path / "cut", [("PRE-20", "pass", 9)])
    whole = (cut / "outcomes.parquet").read_bytes()
    (cut / "outcomes.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SanchaError, match="the run cannot be read"):
        load_run(cut)
    with pytest.raises(SanchaError, match="unknown outcome `passed`"):
        load_run(write_run(tmp_path / "odd", [("PRE-20", "passed", 9)]))
    lacking = write_run(tmp_path / "lacking", [("PRE-20", "pass", 9)])
    (lacking / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SanchaError, match=r"`pack` is missing in run\.json"):
        load_run(lacking)


# --- synthetic answers and the form ----------------------------------------------------------------


def test_synthetic_answers_are_reproducible_and_say_so(
    tmp_path: Path, instrument: Instrument, synthetic: Path
) -> None:
    again = tmp_path / "again.csv"
    synthesize_answers(instrument, again, respondents=180, seed=42)
    assert again.read_bytes() == synthetic.read_bytes()
    synthesize_answers(instrument, again, respondents=180, seed=43)
    assert again.read_bytes() != synthetic.read_bytes()
    table = pd.read_csv(synthetic)
    assert set(table["synthetic"]) == {"yes"}
    assert list(table.columns[:2]) == ["respondent", "synthetic"]
    assert load_responses(instrument, synthetic).synthetic


def test_synthetic_answers_are_plausible(instrument: Instrument, synthetic: Path) -> None:
    responses = load_responses(instrument, synthetic)
    assert responses.rejects.empty
    result = analyse(instrument, responses)
    alphas = result.dimensions.set_index("dimension")["alpha"]
    assert (alphas[["pre", "in", "post"]].between(0.7, 0.95)).all()
    assert 1 <= result.count("too_fast") <= 9
    assert 1 <= result.count("attention_failed") <= 12
    assert result.items["dont_know"].sum() > 50
    favourable = result.cross[(result.cross["by"] == "A2") & (result.cross["state"] == "shown")]
    means = favourable.groupby("group")["share"].mean()
    assert means["front"] > means["audit"]
    with pytest.raises(SanchaError, match="cannot answer"):
        synthesize_answers(instrument, Path("none.csv"), respondents=0, seed=1)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_form_has_the_columns_that_are_read(tmp_path: Path, instrument: Instrument, lang: str) -> None:
    path = tmp_path / "form.xlsx"
    write_form(instrument, path, lang="zh" if lang == "zh" else "en", respondents=7)
    book = python_calamine.CalamineWorkbook.from_path(path)
    header, *lines = book.get_sheet_by_name("answers").to_python()
    assert [str(h).split(" ")[0] for h in header] == [c for c in instrument.columns if c != "synthetic"]
    assert [line[0] for line in lines] == [f"R{n}" for n in range(1, 8)]
    with pytest.raises(SanchaError, match="0 rows, 7 of them blank"):
        load_responses(instrument, path)

    filled = [person(instrument, n) for n in range(1, 7)]
    cells = [header, *([row.get(str(h).split(" ")[0], "") for h in header] for row in filled), lines[-1]]
    responses = load_responses(instrument, write_xlsx(tmp_path / "filled.xlsx", cells))
    assert (responses.respondents, responses.blank_rows, len(responses.rejects)) == (6, 1, 0)


# --- what is written -------------------------------------------------------------------------------


FILES = {*(f"{name}.csv" for name in output.TABLES), "tables.xlsx", "tabulation.json", "report.html"}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_tabulation_is_written_whole_and_the_same_each_time(
    tmp_path: Path, synthetic: Path, lang: str
) -> None:
    run = write_run(
        tmp_path / "run", [("PRE-20", "pass", 9), ("PRE-20", "breach", 11), ("PST-01", "pass", 30)]
    )
    result = tabulate(INSTRUMENT, synthetic, tmp_path / "a", run=run, invited=240, lang=lang)
    tabulate(INSTRUMENT, synthetic, tmp_path / "b", run=run, invited=240, lang=lang)
    assert {p.name for p in (tmp_path / "a").iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert result.response_rate == 0.75

    data = json.loads((tmp_path / "a" / "tabulation.json").read_text(encoding="utf-8"))
    assert data["responses"]["synthetic"] is True
    assert data["random_sample"] is False
    assert len(data["tables"]["items"]) == 35
    gap = next(row for row in data["tables"]["gap"] if row["item"] == "Q01")
    assert gap["pass_rate"] == 0.45

    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    texts = {key: text[lang] for key, text in all_texts().items()}
    for key in ("notice.synthetic", "notice.sample", "notice.run_synthetic", "gap.top"):
        assert texts[key] in page
    assert "75.0%" in page
    assert "2025-03-" in page
    assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import|https?:""", page), (
        "the page needs nothing else"
    )
    assert page.count("<svg") >= 35 + 11
    assert not re.search(r">(nan|None|NaT)<|\bnan\b%", page)


def test_the_workbook_has_a_sheet_for_every_table(tmp_path: Path, synthetic: Path) -> None:
    tabulate(INSTRUMENT, synthetic, tmp_path / "out", lang="zh")
    book = python_calamine.CalamineWorkbook.from_path(tmp_path / "out" / "tables.xlsx")
    assert book.sheet_names == [all_texts()[f"table.{n}"]["zh"] for n in ("summary", *output.TABLES)]
    items = book.get_sheet_by_name(all_texts()["table.items"]["zh"]).to_python()
    assert len(items) == 36
    assert items[1][1] == "贷前实地调查由两人共同完成"


def test_text_that_looks_like_a_formula_stays_text(tmp_path: Path, instrument: Instrument) -> None:
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|'/c calc'!A0", "<script>alert(1)</script>"]
    rows = [person(instrument, n, Q36=text, cause_other=text) for n, text in enumerate(evil, 1)]
    path = write_csv(tmp_path / "answers.csv", instrument, rows)
    tabulate(INSTRUMENT, path, tmp_path / "out")
    with (tmp_path / "out" / "open_answers.csv").open(encoding="utf-8-sig", newline="") as file:
        answers = [row[0] for row in csv.reader(file)][1:]
    assert sorted(answers) == sorted(["'" + e for e in evil[:5]] + evil[5:])
    book = python_calamine.CalamineWorkbook.from_path(tmp_path / "out" / "tables.xlsx")
    cells = [row[0] for row in book.get_sheet_by_name("Open answers").to_python()][1:]
    assert sorted(cells) == sorted(evil)
    assert "<script>" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_folder_with_other_things_is_not_replaced(tmp_path: Path, synthetic: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.docx").touch()
    with pytest.raises(SanchaError, match="holds other things"):
        tabulate(INSTRUMENT, synthetic, out)
    assert [p.name for p in out.iterdir()] == ["thesis.docx"]


def test_nothing_is_half_written(tmp_path: Path, synthetic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    tabulate(INSTRUMENT, synthetic, out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "render_html", fail)
    with pytest.raises(SanchaError, match="No space left"):
        tabulate(INSTRUMENT, synthetic, out, lang="zh")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_without_a_run_the_answers_stand_alone(tmp_path: Path, synthetic: Path) -> None:
    result = tabulate(INSTRUMENT, synthetic, tmp_path / "out")
    assert result.gap.empty
    assert "text" in result.gap
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all_texts()["notice.no_run"]["en"] in page
    assert all_texts()["fact.rate_unknown"]["en"] in page
    with pytest.raises(SanchaError, match="unknown language `fr`"):
        tabulate(INSTRUMENT, synthetic, tmp_path / "other", lang="fr")


def test_texts_are_complete_and_avoid_the_words_to_avoid() -> None:
    def slots(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for key, text in all_texts().items():
        assert set(text) == {"en", "zh"}, key
        assert slots(text["en"]) == slots(text["zh"]), key
    written = SOURCE + json.dumps(dict(all_texts()), ensure_ascii=False)
    assert not re.search("违法|guilty|must be punished", written, flags=re.IGNORECASE)
