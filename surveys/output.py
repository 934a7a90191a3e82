"""A tabulation as files: `report.html`, `tables.xlsx`, `tabulation.json` and one CSV a table."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xlsxwriter

import sancha
from sancha.engine.files import replacing_folder
from sancha.engine.page import environment

from . import charts
from .texts import Texts, figure, percent, probability, ratio, signed

if TYPE_CHECKING:
    from .tabulate import Tabulation

JSON_FILE = "tabulation.json"
TABLES = (
    "gap",
    "gap_rules",
    "items",
    "dimensions",
    "reliability",
    "causes",
    "causes_by_group",
    "cause_tests",
    "cross",
    "cross_tests",
    "background",
    "quality",
    "open_answers",
    "cause_texts",
    "rejects",
)
_SHARES = frozenset(
    ("top2", "top2_low", "top2_high", "top2_unmarked", "share", "low", "high", "pass_rate")
) | frozenset(f"share_{p}" for p in range(1, 6))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_tabulation(result: Tabulation, out: Path) -> None:
    """Write all files of a tabulation into the folder `out`, all or nothing."""
    with replacing_folder(out, JSON_FILE) as folder:
        for name in TABLES:
            (folder / f"{name}.csv").write_bytes(csv_bytes(getattr(result, name)))
        (folder / "tables.xlsx").write_bytes(_workbook(result))
        (folder / JSON_FILE).write_text(
            json.dumps(_as_json(result), ensure_ascii=False, indent=1, allow_nan=False) + "\n",
            encoding="utf-8",
        )
        (folder / "report.html").write_text(render_html(result), encoding="utf-8")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8 with a byte order mark. A `'` goes before what Excel would run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table.columns)
    for row in table.itertuples(index=False):
        writer.writerow([_csv_cell(v) for v in row])
    return text.getvalue().encode("utf-8-sig")


def _csv_cell(value: object) -> object:
    value = _plain(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def _plain(value: Any) -> Any:
    """A cell as a Python value: None for what is missing, a number rounded to twelve places."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if hasattr(value, "item"):
        value = value.item()
    return round(value, 12) if isinstance(value, float) else value


def _as_json(result: Tabulation) -> dict[str, Any]:
    def cell(value: Any) -> Any:
        value = _plain(value)
        return str(value) if isinstance(value, Decimal | dt.date) else value

    run = result.run
    return {
        "format": 1,
        "sancha": sancha.__version__,
        "language": result.lang,
        "instrument": {"name": result.instrument.instrument, "version": result.instrument.version},
        "responses": {"file": result.file, "digest": result.file_digest, "synthetic": result.synthetic},
        "respondents": result.respondents,
        "invited": result.invited,
        "response_rate": _plain(result.response_rate),
        "first_day": cell(result.first_day),
        "last_day": cell(result.last_day),
        "random_sample": False,
        "run": None
        if run is None
        else {
            "pack": {"name": run.pack, "version": run.pack_version, "digest": run.pack_digest},
            "book": {"digest": run.book_digest, "as_of": run.as_of, "synthetic": run.synthetic},
        },
        "tables": {
            name: [
                {c: cell(v) for c, v in zip(table.columns, row, strict=True)}
                for row in table.itertuples(index=False)
            ]
            for name in TABLES
            for table in [getattr(result, name)]
        },
    }


def _notices(result: Tabulation, t: Texts) -> list[str]:
    notices = [t("notice.synthetic")] if result.synthetic else []
    notices.append(t("notice.sample"))
    if result.run is None:
        notices.append(t("notice.no_run"))
    else:
        run = result.run
        notices.append(t("notice.run", pack=run.pack, version=run.pack_version, day=run.as_of))
        notices += [t("notice.run_synthetic")] if run.synthetic else []
    return notices


def _facts(result: Tabulation, t: Texts) -> list[tuple[str, str]]:
    days = t("fact.days_unknown")
    if result.first_day is not None:
        days = t("fact.days_range", first=result.first_day, last=result.last_day)
    facts = [
        ("fact.instrument", f"{result.instrument.instrument} {result.instrument.version}"),
        ("fact.file", result.file),
        ("fact.digest", result.file_digest),
        ("fact.respondents", str(result.respondents)),
        ("fact.invited", "–" if result.invited is None else str(result.invited)),
        ("fact.rate", t("fact.rate_unknown") if result.invited is None else percent(result.response_rate)),
        ("fact.days", days),
    ]
    if result.run is not None:
        facts += [
            ("fact.pack", f"{result.run.pack} {result.run.pack_version}"),
            ("fact.pack_digest", result.run.pack_digest),
            ("fact.as_of", result.run.as_of),
            ("fact.book_digest", result.run.book_digest),
        ]
    return [(t(key), value) for key, value in facts]


def _methods(result: Tabulation, t: Texts) -> list[str]:
    instrument = result.instrument
    bands = instrument.gap_bands
    return [
        t("method.items"),
        t("method.alpha"),
        t("method.gap", consistent=bands.consistent, minor=bands.minor),
        t("method.cross", least=instrument.small_cell),
        t("method.marks", seconds=instrument.minimum_seconds),
    ]


_CODED = {"band": "band", "status": "status", "test": "test", "state": "state"}


def _said(column: str, value: Any, table: str, t: Texts) -> Any:
    """A cell in words of the language."""
    value = _plain(value)
    if isinstance(value, bool):
        return t("yes" if value else "no")
    if column in _CODED and isinstance(value, str):
        return t(f"{_CODED[column]}.{value}")
    if column == "direction":
        return t(f"direction.{value or 'none'}")
    if table == "quality" and column == "name":
        return t(f"quality.{value}")
    return value


def _workbook(result: Tabulation) -> bytes:
    t = Texts(result.lang)
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(
        stream,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    # a fixed day of creation, so that the same answers give the same bytes
    created = dt.datetime.combine(result.last_day or dt.date(2000, 1, 1), dt.time())
    title = result.instrument.title.of(result.lang)
    book.set_properties({"title": f"{title}: {t('page.title')}", "created": created})
    font = {"font_name": "Microsoft YaHei" if result.lang == "zh" else "Calibri", "valign": "top"}
    formats = {
        "head": book.add_format(
            {**font, "bold": True, "bottom": 1, "text_wrap": True, "bg_color": "#E4EEEE"}
        ),
        "title": book.add_format({**font, "bold": True, "font_size": 14}),
        "text": book.add_format({**font, "text_wrap": True}),
        "share": book.add_format({**font, "num_format": "0.0%"}),
        "gap": book.add_format({**font, "num_format": "+0.00;-0.00;0.00"}),
        "figure": book.add_format({**font, "num_format": "0.000"}),
        "money": book.add_format({**font, "num_format": "#,##0.00"}),
        "count": book.add_format({**font, "num_format": "#,##0"}),
    }
    cover = book.add_worksheet(t("table.summary"))
    cover.set_column(0, 0, 28)
    cover.set_column(1, 1, 100)
    cover.write_string(0, 0, title, formats["title"])
    line = 2
    for notice in _notices(result, t):
        cover.merge_range(line, 0, line, 1, notice, formats["text"])
        line += 1
    for name, value in _facts(result, t):
        line += 1
        cover.write_string(line, 0, name, formats["text"])
        cover.write_string(line, 1, value, formats["text"])
    line += 2
    cover.write_string(line, 0, t("method.title"), formats["head"])
    for method in _methods(result, t):
        line += 1
        cover.merge_range(line, 0, line, 1, method, formats["text"])
        cover.set_row(line, 48)

    questions = {b.item: f"{b.item} {b.text.of(result.lang)}" for b in result.instrument.background}
    for name in TABLES:
        table: pd.DataFrame = getattr(result, name)
        sheet = book.add_worksheet(t(f"table.{name}"))
        sheet.freeze_panes(1, 1)
        for column, label in enumerate(table.columns):
            sheet.write_string(0, column, t(f"column.{label}"), formats["head"])
            sheet.set_column(column, column, _width(table[label], label))
        for row, cells in enumerate(table.itertuples(index=False), start=1):
            for column, value in enumerate(cells):
                label = table.columns[column]
                said = questions[value] if label == "by" else _said(label, value, name, t)
                if said is None:
                    continue
                if isinstance(said, str):
                    sheet.write_string(row, column, said, formats["text"])
                else:
                    sheet.write_number(row, column, said, formats[_number_format(label, said)])
        if len(table):
            sheet.autofilter(0, 0, len(table), len(table.columns) - 1)
    book.close()
    return stream.getvalue()


def _width(values: pd.Series, label: str) -> int:
    if label in ("text", "answer", "reason"):
        return 60
    longest = max((len(str(v)) for v in values if isinstance(v, str)), default=0)
    return min(40, max(11, longest + 2))


def _number_format(label: str, value: object) -> str:
    if label in _SHARES:
        return "share"
    if label == "gap":
        return "gap"
    return "money" if isinstance(value, Decimal) else "count" if isinstance(value, int) else "figure"


def render_html(result: Tabulation) -> str:
    """The tabulation as one self-contained page."""
    templates = environment("sancha.surveys")
    t = Texts(result.lang)
    templates.filters |= {
        "percent": percent,
        "signed": signed,
        "figure": figure,
        "probability": probability,
    }
    return templates.get_template("report.html.j2").render(
        t=t,
        r=result,
        lang=result.lang,
        notices=_notices(result, t),
        facts=_facts(result, t),
        methods=_methods(result, t),
        gaps=_gap_rows(result, t),
        dimensions=_dimension_rows(result, t),
        causes=_cause_rows(result, t),
        cross=[_grid(result, t, b, "cross", "cross_tests", "item") for b in _broken_down(result)],
        cause_groups=[
            _grid(result, t, b, "causes_by_group", "cause_tests", "cause") for b in _broken_down(result)
        ],
        item_names=dict(zip(result.items["item"], result.items["text"], strict=True)),
        cause_names=dict(zip(result.causes["cause"], result.causes["label"], strict=True)),
        background=_background(result),
        quality=[(t(f"quality.{q.name}"), q.count_) for q in _named(result.quality)],
        version=sancha.__version__,
    )


def _named(table: pd.DataFrame) -> list[Any]:
    """Rows with attributes; `count` and `index` would hide methods of a named tuple."""
    return list(table.rename(columns={"count": "count_"}).itertuples(index=False, name="Row"))


def _gap_rows(result: Tabulation, t: Texts) -> list[dict[str, Any]]:
    """The items compared, the largest gaps first."""
    reverse = {i.item for i in result.instrument.items if i.reverse}
    notes = {i.item: i.note.of(result.lang) for i in result.instrument.items if i.note}
    rows = []
    for g in sorted(_named(result.gap), key=lambda g: (math.isnan(g.gap), -abs(g.gap), g.item)):
        words = t(
            "gap.text",
            top2=percent(g.top2),
            top2_n=g.top2_n,
            n=g.n,
            rate=percent(g.pass_rate),
            passes=f"{g.passes:,}",
            judged=f"{g.judged:,}",
        )
        beside = []
        if g.status not in ("compared", "not in the run"):
            beside.append(t(f"status.{g.status}"))
        if g.direction:
            beside.append(t(f"gap.better_{g.direction}"))
        if g.absent:
            beside.append(t("gap.absent", rules=g.absent))
        if g.waived or g.unknown:
            beside.append(t("gap.beside", waived=f"{g.waived:,}", unknown=f"{g.unknown:,}"))
        amount = ratio(g.passed_exposure, g.judged_exposure)
        rows.append(
            {
                "g": g,
                "rules": g.rules.split(", "),
                "reverse": g.item in reverse,
                "chart": charts.dumbbell(g.top2, g.top2_low, g.top2_high, g.pass_rate, g.band, words),
                "words": t.join(words, t(f"gap.says_{g.direction}")) if g.direction else words,
                "amount": "" if math.isnan(amount) else t("gap.amount", rate=percent(amount)),
                "beside": beside,
                "note": notes.get(g.item),
            }
        )
    return rows


def _dimension_rows(result: Tabulation, t: Texts) -> list[dict[str, Any]]:
    shares = {i.item: [getattr(i, f"share_{p}") for p in range(1, 6)] for i in _named(result.items)}
    extent = charts.diverging_extent(list(shares.values()))
    points = result.instrument.scale.points
    sections = []
    for d in _named(result.dimensions):
        items = [i for i in _named(result.items) if i.dimensions.split(", ")[0] == d.dimension]
        alpha_line = t(
            "dimension.line",
            mean=figure(d.mean),
            alpha=figure(d.alpha),
            low=figure(d.alpha_low),
            high=figure(d.alpha_high),
            k=d.k,
            n=d.n,
        )
        rows = []
        for i in items:
            said = ", ".join(
                f"{p.label.of(result.lang)} {percent(s)}" for p, s in zip(points, shares[i.item], strict=True)
            )
            rows.append({"i": i, "chart": charts.diverging_bar(shares[i.item], extent, said)})
        sections.append({"d": d, "line": alpha_line, "low": d.alpha < 0.7, "rows": rows})
    return sections


def _cause_rows(result: Tabulation, t: Texts) -> list[dict[str, Any]]:
    most = result.causes["high"].max()
    rows = []
    for c in _named(result.causes):
        said = f"{percent(c.share)} ({percent(c.low)}–{percent(c.high)})"
        rows.append({"c": c, "said": said, "chart": charts.share_bar(c.share, c.low, c.high, most, said)})
    return rows


def _broken_down(result: Tabulation) -> list[Any]:
    return [b for b in result.instrument.background if b.break_down]


def _grid(result: Tabulation, t: Texts, question: Any, table: str, tests: str, name: str) -> dict[str, Any]:
    """One breakdown as a table: items or causes down, groups across."""
    cells: pd.DataFrame = getattr(result, table)
    cells = cells[cells["by"] == question.item]
    tested: pd.DataFrame = getattr(result, tests)
    tested = tested[tested["by"] == question.item].set_index(name)
    sizes = result.background[result.background["item"] == question.item]
    rows = []
    for code, group in cells.groupby(name, sort=False):
        shown = {c.group: c for c in _named(group) if c.state == "shown"}
        together = next((c for c in _named(group) if c.state == "together"), None)
        rows.append(
            {
                "code": code,
                "cells": [shown.get(g) for g in sizes["group"]],
                "together": together,
                "test": t(f"test.{tested.at[code, 'test']}"),
                "p": tested.at[code, "p"],
                "q": tested.at[code, "q"],
            }
        )
    return {
        "by": question.text.of(result.lang),
        "groups": list(zip(sizes["label"], sizes["count"], strict=True)),
        "rows": rows,
    }


def _background(result: Tabulation) -> list[dict[str, Any]]:
    return [
        {
            "text": b.text.of(result.lang),
            "rows": _named(result.background[result.background["item"] == b.item]),
        }
        for b in result.instrument.background
    ]
