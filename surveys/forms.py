"""The instrument as an Excel workbook: a questionnaire to print, and a sheet to collect the answers in.

The sheet `answers` has the columns that `load_responses` reads, with a drop-down list for every coded cell.
"""

from __future__ import annotations

import io
from pathlib import Path

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from sancha.engine.diagnostics import SanchaError
from sancha.engine.files import write_file

from .instrument import Answer, Instrument, Language
from .texts import Texts

_NOT_ASKED = ("synthetic",)


def write_form(instrument: Instrument, out: Path, *, lang: Language = "en", respondents: int = 300) -> None:
    """Write the form as `out` (.xlsx) with numbered lines for `respondents`; empty lines are not read."""
    if out.suffix.lower() != ".xlsx":
        raise SanchaError(
            "the form is an Excel workbook", help="give a file name that ends in .xlsx", where=out
        )
    if not 1 <= respondents <= 100_000:
        raise SanchaError(f"{respondents} lines do not fit a form", help="give a number from 1 to 100000")
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"strings_to_formulas": False, "strings_to_urls": False})
    font = {
        "font_name": "Microsoft YaHei" if lang == "zh" else "Calibri",
        "valign": "top",
        "text_wrap": True,
    }
    formats = {
        "title": book.add_format({**font, "bold": True, "font_size": 16}),
        "head": book.add_format({**font, "bold": True, "bottom": 1, "bg_color": "#E4EEEE"}),
        "text": book.add_format(font),
        "line": book.add_format({**font, "bottom": 4}),
        "box": book.add_format({**font, "bottom": 4, "align": "center"}),
        "any": book.add_format({"num_format": "@"}),
    }
    t = Texts(lang)
    _questionnaire(instrument, book.add_worksheet(t("form.questionnaire")), formats, t, lang)
    answers = book.add_worksheet("answers")
    lists = _codes(instrument, book.add_worksheet(t("form.codes")), formats, t, lang)
    _answers(instrument, answers, formats, lists, lang, respondents)
    book.close()
    write_file(out, content.getvalue())


def _questionnaire(
    instrument: Instrument, sheet: Worksheet, formats: dict[str, Format], t: Texts, lang: Language
) -> None:
    """The questions as a page to print: one row each, a box for every point."""
    points = instrument.scale.points
    last = 1 + len(points) + 1
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(0.5, 0.5, 0.6, 0.6)
    sheet.set_footer("&C&P / &N")
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 6)
    sheet.set_column(1, 1, 62)
    sheet.set_column(2, last, 9)
    sheet.merge_range(0, 0, 0, last, instrument.title.of(lang), formats["title"])
    sheet.merge_range(1, 0, 1, last, instrument.introduction.of(lang), formats["text"])
    sheet.set_row(1, 64)
    row = 3
    for question in instrument.background:
        sheet.write_string(row, 0, question.item, formats["line"])
        choices = "    ".join(f"□ {a.label.of(lang)}" for a in question.answers)
        sheet.merge_range(row, 1, row, last, f"{question.text.of(lang)}\n{choices}", formats["line"])
        sheet.set_row(row, 36 if len(choices) < 110 else 52)
        row += 1
    row += 1
    labels = [f"{p.code} {p.label.of(lang)}" for p in points] + [instrument.scale.dont_know.label.of(lang)]
    for column, label in enumerate(["", t("form.statement"), *labels]):
        sheet.write_string(row, column, label, formats["head"])
    sheet.set_row(row, 48)
    for code, text in _statements(instrument, lang):
        row += 1
        sheet.write_string(row, 0, code, formats["line"])
        sheet.write_string(row, 1, text, formats["line"])
        for column in range(2, last + 1):
            sheet.write_string(row, column, "□", formats["box"])
        sheet.set_row(row, 32 if len(text) > 60 else 18)
    question = instrument.cause_question
    row += 2
    head = f"{question.text.of(lang)} {t('form.most', n=question.most)}"
    sheet.merge_range(row, 0, row, last, head, formats["head"])
    for cause in question.causes:
        row += 1
        sheet.merge_range(row, 0, row, last, f"□ {cause.code} {cause.label.of(lang)}", formats["line"])
    row += 1
    sheet.merge_range(row, 0, row, last, f"□ {t('form.other')}", formats["line"])
    row += 2
    sheet.merge_range(row, 0, row, last, instrument.open_question.text.of(lang), formats["head"])
    sheet.merge_range(row + 1, 0, row + 1, last, "", formats["line"])
    sheet.set_row(row + 1, 60)


def _statements(instrument: Instrument, lang: Language) -> list[tuple[str, str]]:
    """The items with the attention item among them, as in the columns."""
    texts = {i.item: i.text.of(lang) for i in instrument.items}
    attention = {"attention": instrument.attention_item.text.of(lang)}
    return [
        ("" if c == "attention" else c, (texts | attention)[c])
        for c in instrument.columns
        if c in texts | attention
    ]


def _codes(
    instrument: Instrument, sheet: Worksheet, formats: dict[str, Format], t: Texts, lang: Language
) -> dict[str, str]:
    """The codes of each column with their meaning; gives the range of the codes by column."""
    sheet.set_column(0, 1, 16)
    sheet.set_column(2, 2, 60)
    for column, key in enumerate(("column.column", "form.code", "form.meaning")):
        sheet.write_string(0, column, t(key), formats["head"])
    scale = instrument.scale
    points = (*(Answer(code=str(p.code), label=p.label) for p in scale.points), scale.dont_know)
    causes = instrument.cause_question.causes
    blocks: list[tuple[tuple[str, ...], tuple[Answer, ...]]] = [
        *(((b.item,), b.answers) for b in instrument.background),
        ((*instrument.item_codes, "attention"), points),
        ((*instrument.cause_question.columns, instrument.coded_column), causes),
    ]
    ranges: dict[str, str] = {}
    row = 0
    for columns, answers in blocks:
        first = row + 2
        for answer in answers:
            row += 1
            shown = columns[0] if len(columns) == 1 else f"{columns[0]} … {columns[-1]}"
            sheet.write_string(row, 0, shown, formats["text"])
            if answer.code.isdigit():
                sheet.write_number(row, 1, int(answer.code), formats["text"])
            else:
                sheet.write_string(row, 1, answer.code, formats["text"])
            sheet.write_string(row, 2, answer.label.of(lang), formats["text"])
        ranges |= dict.fromkeys(columns, f"='{t('form.codes')}'!$B${first}:$B${row + 1}")
    return ranges


def _answers(
    instrument: Instrument,
    sheet: Worksheet,
    formats: dict[str, Format],
    lists: dict[str, str],
    lang: Language,
    respondents: int,
) -> None:
    texts = {b.item: b.text.of(lang) for b in instrument.background}
    texts |= {i.item: i.text.of(lang) for i in instrument.items}
    texts |= {
        "attention": instrument.attention_item.text.of(lang),
        instrument.open_question.item: instrument.open_question.text.of(lang),
    }
    sheet.freeze_panes(1, 1)
    sheet.set_row(0, 90)
    for column, name in enumerate(c for c in instrument.columns if c not in _NOT_ASKED):
        title = f"{name} {texts[name]}" if name in texts else name
        sheet.write_string(0, column, title, formats["head"])
        sheet.set_column(column, column, 40 if name in (instrument.open_question.item, "cause_other") else 14)
        if name in lists:
            rule = {"validate": "list", "source": lists[name], "error_title": name, "show_error": True}
            sheet.data_validation(1, column, respondents, column, rule)
        elif name == "seconds":
            sheet.data_validation(
                1, column, respondents, column, {"validate": "decimal", "criteria": ">=", "value": 0}
            )
        elif name == "date":
            sheet.set_column(column, column, 14, formats["any"])
    width = len(str(respondents))
    for number in range(1, respondents + 1):
        sheet.write_string(number, 0, f"R{number:0{width}d}", formats["text"])
