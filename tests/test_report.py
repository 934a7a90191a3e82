"""The report: its texts, the lists, the page in a browser, and the PDF with every character drawn."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fixtures.audit_run import codes_like, draw_codes, write_book, write_run
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from sancha.audit import lists as lists_module
from sancha.audit.charts import charts
from sancha.audit.clauses import clause_html, clause_title, mark_chinese
from sancha.audit.engagement import MANIFEST, EngagementResult, run_engagement
from sancha.audit.evidence import Evidence, Scope
from sancha.audit.findings import Terms, derive_findings
from sancha.audit.glyphs import printable
from sancha.audit.lists import safe_cell, write_list
from sancha.audit.opinion import form_opinion
from sancha.audit.report import Report, facts_line, print_css, write_html, write_pdf
from sancha.audit.texts import AVOIDED, LANGUAGES, Texts, all_texts, avoided_words
from sancha.audit.triangulation import published_wordings
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import Pack, load_pack
from sancha.surveys.instrument import load_instrument
from sancha.surveys.synthesize import synthesize_answers

ROOT = Path(__file__).resolve().parent.parent
INSTRUMENT = ROOT / "surveys" / "instrument.yaml"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SLOT = re.compile(r"\{(\w+)")
#: No font has it: the code point is not assigned.
NOWHERE = "\u0378"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack(ROOT / "rules")


@pytest.fixture(scope="module")
def made(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EngagementResult]:
    """A small engagement in both languages: some rules, 600 files, a questionnaire."""
    folder = tmp_path_factory.mktemp("made")
    book = write_book(folder / "book", 600)
    codes = draw_codes(pack, 600, 4_000, seed=7)
    codes |= {"PRE-20": codes_like(600, breach=150, unknown=9), "PRE-08": codes_like(600, breach=2)}
    groups = {"CON-01": {"C": 1, "F": 0, "A": 0}}
    write_run(
        folder / "run", book, pack, codes, groups=groups, notes={"PST-01": "the waiver W-1 had run out"}
    )
    synthesize_answers(load_instrument(INSTRUMENT), folder / "answers.csv", respondents=90, seed=2)
    (folder / "ENGAGEMENT.yaml").write_text(
        f"""\
engagement: T-2024
title: {{en: Three checks <b>test</b>, zh: 三查测试}}
auditee: {{en: A bank, zh: 某银行}}
authors: [Zhao Min, 王立]
report date: 2025-01-20
languages: [zh, en]
book: book
pack: {ROOT / "rules"}
run: run
seed: 5
scope: {{rules: [PRE-20, PRE-08, XV-04, PST-01, CON-01, W-01, APR-01]}}
period: {{from: 2022-01-01}}
materiality: 1000000
questionnaire: {{instrument: {INSTRUMENT}, responses: answers.csv, invited: 120}}
repeat findings: [PRE-20]
""",
        encoding="utf-8",
    )
    result = run_engagement(folder / "ENGAGEMENT.yaml", folder / "out")
    return folder, result


@pytest.fixture
def report(pack: Pack, made: tuple[Path, EngagementResult]) -> Report:
    folder, _ = made
    return report_of(pack, folder, Scope(rules=("PRE-20",)))


def report_of(pack: Pack, folder: Path, scope: Scope) -> Report:
    portfolio = [r.id for r in pack.rules.values() if r.kind == "portfolio"]
    evidence = Evidence(
        folder / "run",
        folder / "book",
        scope,
        branch=pack.branch,
        product=pack.product,
        portfolio=portfolio,
    )
    terms = Terms(date(2025, 1, 20))
    findings = derive_findings(evidence, pack, terms, wordings=published_wordings())
    return Report(
        title={"en": "Test"},
        auditee={"en": "A bank"},
        reference="T",
        authors=(),
        report_date=date(2025, 1, 20),
        statement={},
        pack=pack,
        evidence=evidence,
        terms=terms,
        findings=findings,
        opinion=form_opinion(evidence, pack, findings),
    )


# Texts


def test_every_text_has_both_languages_and_the_same_slots() -> None:
    for key, text in all_texts().items():
        assert set(text) == set(LANGUAGES), key
        assert all(t.strip() for t in text.values()), key
        assert set(SLOT.findall(text["en"])) == set(SLOT.findall(text["zh"])), key


def test_no_text_uses_a_word_to_avoid() -> None:
    for key, text in all_texts().items():
        for words in text.values():
            assert not avoided_words(words), key
    for wordings in published_wordings().values():
        assert not any(avoided_words(w) for one in wordings for w in one.words.values())


def test_every_key_of_the_templates_exists() -> None:
    used: set[str] = set()
    for path in (ROOT / "audit" / "templates").iterdir():
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"\bt\('([^'~]+)'[,)]", text)) | set(re.findall(r'\bt\("([^"]+)"[,)]', text))
    for path in (ROOT / "audit").glob("*.py"):
        used |= set(re.findall(r'\bt\("([^"]+)"[,)]', path.read_text(encoding="utf-8")))
    missing = {key for key in used if key not in all_texts() and not key.endswith(".")}
    assert not missing


def test_numbers_in_both_languages() -> None:
    en, zh = Texts("en"), Texts("zh")
    assert (en.money(Decimal("32600000")), zh.money(Decimal("32600000"))) == (
        "CNY 32.6 million",
        "3,260.0万元",
    )
    assert zh.money(Decimal("1234567890")) == "12.35亿元" and en.money(Decimal("12.5")) == "CNY 12.50"
    assert (en.percent(Decimal("0.45")), en.percent(Decimal("0.0002")), en.percent(None)) == (
        "45.0%",
        "0.02%",
        "–",
    )
    assert en.percent(Decimal("0.00004")) == "0.004%" and en.percent(Decimal("0.99999")) == "99.999%"
    assert (en.points(Decimal("0.41")), en.points(Decimal("-0.1"))) == ("+41.0", "−10.0")
    assert (en.day(date(2024, 7, 1)), zh.day(date(2024, 7, 1))) == ("1 July 2024", "2024年7月1日")
    assert Texts("zh", "USD").money(Decimal(50_000)) == "5.0万美元"
    assert en("effect.files", exposure="x", files="1", share="y").startswith("Exposure of x in 1 file is")
    with pytest.raises(SanchaError, match="no report in the language `fr`"):
        Texts("fr")


def test_clauses_in_one_language() -> None:
    text = "Two **people** visit.\n\n- one\n- two\n\n由两人<共同>到场。\n"
    assert clause_title("Two people · 双人调查", "zh") == "双人调查"
    assert clause_html(text, "zh") == "<p>由两人&lt;共同&gt;到场。</p>"
    html = clause_html(text, "en")
    assert html == "<p>Two <strong>people</strong> visit.</p><ul><li>one</li><li>two</li></ul>"
    assert clause_html("Only one language.", "zh") == "<p>Only one language.</p>"


def test_chinese_in_an_english_page_is_marked() -> None:
    page = '<script>if (a < b) "湖滨"</script><td title="湖滨">湖滨支行, “x”</td>'
    marked = mark_chinese(page)
    assert marked == (
        '<script>if (a < b) "湖滨"</script><td title="湖滨"><span lang="zh-CN">湖滨支行</span>, “x”</td>'
    )


def test_facts_fit_their_line(pack: Pack) -> None:
    facts = [{"fact": f"visits[{i}].date", "value": f"2024-01-{i:02}"} for i in range(1, 9)]
    facts += [{"fact": "loan.amount", "value": "5000000.00"}, {"fact": "x" * 200, "value": "1"}]
    assert facts_line(Texts("en"), pack, facts) == "loan.amount = 5,000,000.00; +2"
    assert "visits.date = 2024-01-01, 2024-01-02, 2024-01-03, +5" in facts_line(Texts("en"), pack, facts, 400)


# What an engagement leaves


def test_all_of_it_is_there_and_named(made: tuple[Path, EngagementResult]) -> None:
    folder, result = made
    out = folder / "out"
    names = {p.name for p in out.iterdir()}
    assert names == {
        *("report.html", "report.pdf", "lists", "findings.json", MANIFEST, "questionnaire", "en"),
    }
    assert result.reports[:2] == (out / "report.html", out / "report.pdf")
    assert all(p.is_file() for p in (*result.reports, *result.lists))
    manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    assert "亟待重大改进" in result.summary() and "600笔中150笔" not in result.summary()
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_findings_for_machines(made: tuple[Path, EngagementResult]) -> None:
    folder, result = made
    found = json.loads((folder / "out" / "findings.json").read_text(encoding="utf-8"))
    assert [f["id"] for f in found["findings"]] == [f.id for f in result.findings]
    first = found["findings"][0]
    assert Decimal(first["effect"]["affected"]["exposure"]) == result.findings[0].effect.affected.exposure
    assert found["opinion"]["grade"] == result.opinion.grade


def test_the_same_engagement_gives_the_same_files(
    made: tuple[Path, EngagementResult], tmp_path: Path
) -> None:
    folder, _ = made
    run_engagement(folder / "ENGAGEMENT.yaml", tmp_path / "again", lang="en")
    first = folder / "out" / "en"
    for path in (tmp_path / "again").rglob("*"):
        twin = first / path.relative_to(tmp_path / "again")
        if path.is_file() and twin.is_file():
            assert path.read_bytes() == twin.read_bytes(), path.name


# Lists


def test_lists_hold_every_row_and_no_formula(tmp_path: Path) -> None:
    nasty = ["=1+1", "+x", "-5", "@cmd", "\tx", "\rx", "湖滨", "a,b\nc"]
    n = len(nasty)
    facts = pa.array(
        [[{"fact": "application.amount", "value": "=9"}, {"fact": "visits[1].date", "value": "d"}]] * n,
        pa.list_(pa.struct([("fact", pa.string()), ("value", pa.string())])),
    )
    table = pa.table(
        {
            "loan_id": nasty,
            "rule": ["PRE-20"] * n,
            "stage": ["pre-loan"] * n,
            "branch": nasty,
            "product": [None] * n,
            "outcome": ["breach"] * n,
            "version": ["2015-01-01"] * n,
            "judged_on": pa.array([date(2024, 1, 2)] * n, pa.date32()),
            "exposure": pa.array([Decimal("12345.60")] * n, pa.decimal128(18, 2)),
            "facts": facts,
            "missing": pa.array([["a.b"]] * n),
            "note": nasty,
            "group": pa.array([None] * n, pa.string()),
            "sample": [True] * n,
        }
    )
    done = write_list(
        tmp_path,
        "L",
        "All",
        table.to_batches(),
        Texts("en"),
        about=[("Note", "=not a formula")],
        apart=["application.amount"],
        fact_labels={},
        titles={"PRE-20": "Two"},
        made_on=date(2025, 1, 20),
        says=lambda batch: ["+words"] * batch.num_rows,
    )
    assert done.rows == n
    raw = (tmp_path / "L.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    with open(tmp_path / "L.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [r[0] for r in rows[1:]] == ["'=1+1", "'+x", "'-5", "'@cmd", "'\tx", "'\rx", "湖滨", "a,b\nc"]
    book = CalamineWorkbook.from_path(str(tmp_path / "L.xlsx"))
    assert book.sheet_names == ["Exceptions", "About"]
    sheet = book.get_sheet_by_name("Exceptions").to_python()
    assert [r[0] for r in sheet[1:5]] == ["=1+1", "+x", "-5", "@cmd"]
    at = sheet[0].index("Exposure")
    assert sheet[1][at] == 12345.6 and sheet[1][sheet[0].index("Judged on")] == date(2024, 1, 2)
    assert "application.amount (application.amount)" in sheet[0]
    assert [row[sheet[0].index("What it says")] for row in sheet[1:]] == ["+words"] * n
    assert rows[1][rows[0].index("What it says")] == "'+words"
    assert b"<f>" not in b"".join(zlib.decompress(part, -15) for part in _members(tmp_path / "L.xlsx"))
    assert book.get_sheet_by_name("About").to_python()[1] == ["Note", "=not a formula"]


def _members(path: Path) -> Iterator[bytes]:
    """The deflated parts of an archive."""
    import zipfile

    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for info in archive.infolist():
            file.seek(info.header_offset)
            head = file.read(30)
            file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
            yield file.read(info.compress_size)


def test_safe_cells() -> None:
    assert [safe_cell(v) for v in ("=x", None, 5, "x=y", "\tx")] == ["'=x", "", "5", "x=y", "'\tx"]


def test_long_lists_take_several_sheets_and_long_texts_are_cut(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "SHEET_ROWS", 20)
    monkeypatch.setattr(lists_module, "CELL_CHARACTERS", 40)
    table = report.evidence.exceptions()
    write_list(
        tmp_path,
        "L",
        "All",
        table.to_batches(max_chunksize=7),
        Texts("zh"),
        about=[],
        apart=[],
        fact_labels={},
        titles={},
        made_on=date(2025, 1, 20),
        says=lambda batch: [""] * batch.num_rows,
    )
    book = CalamineWorkbook.from_path(str(tmp_path / "L.xlsx"))
    sheets = [s for s in book.sheet_names if s.startswith("例外清单")]
    rows = [len(book.get_sheet_by_name(s).to_python()) - 1 for s in sheets]
    assert sum(rows) == table.num_rows and len(sheets) == -(-table.num_rows // 20) and max(rows) == 20
    cell = book.get_sheet_by_name(sheets[0]).to_python()[1][-1]
    assert len(cell) == 40 and cell.endswith("（已截断，完整内容见CSV）")
    with open(tmp_path / "L.csv", encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(file))) == table.num_rows + 1


def test_each_finding_has_its_list(made: tuple[Path, EngagementResult]) -> None:
    folder, result = made
    for finding in result.findings:
        (path,) = (folder / "out" / "lists").glob(f"{finding.code}_*.csv")
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = len(list(csv.reader(file))) - 1
        assert rows == finding.condition.counts.of(finding.outcome).files
        book = CalamineWorkbook.from_path(str(path.with_suffix(".xlsx")))
        about = {row[0]: row[1] for row in book.get_sheet_by_name("说明").to_python()}
        assert "sancha-demonstration 1.0.0" in about["政策包"] and "数据缺口" in about["溯源"]


# The page


def visible_text(html: str) -> str:
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S)
    return re.sub(r"<[^>]+>", " ", html)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_stands_alone(made: tuple[Path, EngagementResult], lang: str) -> None:
    folder, _ = made
    path = folder / "out" / ("en" if lang == "en" else "") / "report.html"
    html = path.read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert links and all(link.startswith(("#", "data:", "lists/")) for link in links)
    for link in links:
        if link.startswith("lists/"):
            assert (path.parent / link).is_file()
    rest = html.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    assert "http://" not in rest and "https://" not in rest
    assert "<b>test</b>" not in html
    anchors = set(re.findall(r'id="([^"]+)"', html))
    assert all(link[1:] in anchors for link in links if re.fullmatch(r"#[\w-]+", link))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_names_pack_versions_gap_and_notice(
    pack: Pack, made: tuple[Path, EngagementResult], lang: str
) -> None:
    folder, _ = made
    html = (folder / "out" / ("en" if lang == "en" else "") / "report.html").read_text(encoding="utf-8")
    text = visible_text(html)
    for needed in (pack.notice[lang][:30], "sancha-demonstration 1.0.0", pack.digest):
        assert needed in text
    assert ("data gap:" if lang == "en" else "数据缺口：") in text
    assert ("Draft taken from the policy pack" if lang == "en" else "草稿，取自政策包") in text
    assert ("These answers are synthetic" if lang == "en" else "问卷答案为合成数据") in text
    assert not avoided_words(text)


def unpacked(block: str) -> tuple[dict[str, Any], bytes]:
    whole = zlib.decompress(base64.b64decode(block), -15)
    length = int.from_bytes(whole[:4], "little")
    return json.loads(whole[4 : 4 + length]), whole[4 + length :]


def test_the_data_of_the_page_are_the_exceptions(pack: Pack, made: tuple[Path, EngagementResult]) -> None:
    folder, _ = made
    html = (folder / "out" / "report.html").read_text(encoding="utf-8")
    core, data = unpacked(re.search(r'id="core">([^<]*)<', html)[1])  # type: ignore[index]
    kinds = {"u4": "I", "u2": "H", "u1": "B", "i4": "i", "f8": "d"}
    columns = {
        name: memoryview(data)[at : at + size * int(kind[1])].cast(kinds[kind]).tolist()
        for name, (kind, at, size) in core["arrays"].items()
    }
    rules = ("PRE-20", "PRE-08", "XV-04", "PST-01", "CON-01", "W-01", "APR-01")
    evidence = report_of(pack, folder, Scope(rules=rules, first=date(2022, 1, 1))).evidence
    table = evidence.exceptions(outcomes=("breach", "unknown", "waived"))
    assert core["rows"] == table.num_rows
    picked = zip(*(columns[c] for c in ("loan", "rule", "outcome", "cents")), strict=True)
    shown = sorted(
        (
            "" if loan == 2**32 - 1 else core["loans"][loan],
            core["rules"][rule]["id"],
            core["outcomes"][o],
            cents,
        )
        for loan, rule, o, cents in picked
    )
    assert shown == sorted(
        (r["loan_id"] or "", r["rule"], r["outcome"], float(r["exposure"] * 100)) for r in table.to_pylist()
    )


NASTY = "<script>alert(1)</script>\"&'=湖 {x}"


def test_data_never_become_markup(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.audit_run.BRANCHES", [NASTY] * 12)
    book = write_book(tmp_path / "book", 90)
    codes = {"PRE-20": codes_like(90, breach=40)}
    write_run(tmp_path / "run", book, pack, codes, notes={"PRE-20": NASTY})
    report = report_of(pack, tmp_path, Scope())
    for lang in LANGUAGES:
        write_html(report, lang, tmp_path / "r.html")
        html = (tmp_path / "r.html").read_text(encoding="utf-8")
        assert "alert(1)" in html and html.count("<script") == 4 and "<script>alert" not in html
    write_pdf(report, "zh", tmp_path / "r.pdf")
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)
    assert "<script>alert(1)</script>" in text.replace("\n", "").replace(" ", "")
    if CHROMIUM is None:
        return
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        page.goto((tmp_path / "r.html").as_uri())
        page.wait_for_selector("#table tbody tr.row")
        page.locator("tr.row td.more button").first.click()
        page.wait_for_selector("tr.detail")
        assert "<script>alert(1)</script>" in page.inner_text("tr.detail")
        assert "<script>alert(1)</script>" in page.inner_text("tr.row td:nth-child(4)")
        page.locator(".heat_map a").first.click()
        page.wait_for_function("document.querySelector('#filters [name=branch]').value.includes('alert(1)')")
        assert not asked
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(made: tuple[Path, EngagementResult]) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    folder, result = made
    rule = next(f for f in result.findings if f.id == "PRE-20")
    with sync.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((folder / "out" / "en" / "report.html").as_uri())
        page.wait_for_selector("#table tbody tr.row")
        total = page.inner_text("#matching")
        page.select_option("#filters [name=rule]", "PRE-20")
        page.select_option("#filters [name=outcome]", "breach")
        n = rule.condition.counts.breach.files
        page.wait_for_function(f"document.getElementById('matching').textContent.startsWith('{n} of ')")
        assert page.locator("#table tbody tr.row").count() == min(n, 50)
        page.click("[data-sort=cents]")
        amounts = [Decimal(a.replace(",", "")) for a in page.locator("#table td.n").all_inner_texts()]
        assert amounts == sorted(amounts, reverse=True)
        page.locator("tr.row td.more button").first.click()
        page.wait_for_selector("tr.detail")
        assert "application.amount" in page.inner_text("tr.detail")
        assert "No trace found of a site visit by two people" in page.inner_text("tr.detail strong")
        page.locator("tr.row button[data-loan]").first.click()
        page.wait_for_selector("dialog[open]")
        listed = page.locator("dialog .grid-outcomes li").count()
        assert listed == 6  # the rules in scope that judge files
        page.keyboard.press("Escape")
        page.click("#filters button[type=reset]")
        page.wait_for_function(f"document.getElementById('matching').textContent === '{total}'")
        page.fill("#filters [name=text]", "L00012")
        page.wait_for_function(f"document.getElementById('matching').textContent !== '{total}'")
        loans = page.locator("tr.row button[data-loan]").all_inner_texts()
        assert loans and all("L00012" in loan for loan in loans)
        page.evaluate(f"location.hash = '#{rule.code}'")
        page.wait_for_selector(f"#{rule.code}[open]")
        page.locator(".heat_map a").first.click()
        page.wait_for_function("document.querySelector('#filters [name=branch]').value !== ''")
        assert "%" not in page.evaluate("document.querySelector('#filters [name=branch]').value")
        assert not complaints
        browser.close()


def test_pages_of_large_books_say_what_they_leave_out(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sancha.audit.report.HTML_ROWS", 10)
    write_html(report, "en", tmp_path / "r.html")
    text = visible_text((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert f"holds the first 10 of {report.evidence.exception_count()} exceptions" in text


def test_charts_are_named_and_link_into_the_page(report: Report) -> None:
    made = charts(Texts("en"), report.evidence, report.findings)
    assert set(made) == {"heat_map", "severity", "trend"}
    heat = made["heat_map"]
    assert 'href="#exceptions?stage=pre-loan&amp;branch=' in heat.svg and "vega-datasets" not in heat.svg
    assert heat.inline.startswith('<svg role="img" aria-label="Heat map: the highest rate is ')
    assert len(heat.rows) == len({c.branch for c in report.evidence.cells})
    assert "currentColor" in heat.inline and "<script" not in heat.svg


def test_a_pack_that_passes_a_verdict_is_refused(report: Report, tmp_path: Path) -> None:
    finding = report.findings[0]
    for lang, word in (("zh", "违法"), ("en", "GUILTY of")):
        words = dataclasses.replace(finding.recommendation, text={lang: f"… {word} …"})
        changed = dataclasses.replace(finding, recommendation=words)
        with pytest.raises(SanchaError, match=r"the text of the rule `PRE-20` says `(违法|guilty)`"):
            write_html(dataclasses.replace(report, findings=(changed,)), lang, tmp_path / "r.html")
    assert not list(tmp_path.iterdir())
    assert AVOIDED == ("违法", "guilty", "must be punished")


# The PDF


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_pdf(pack: Pack, made: tuple[Path, EngagementResult], lang: str) -> None:
    folder, result = made
    path = folder / "out" / ("en" if lang == "en" else "") / "report.pdf"
    reader = PdfReader(path)
    assert reader.metadata is not None
    assert reader.metadata.title == ("Three checks <b>test</b>" if lang == "en" else "三查测试")
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"] == ("en" if lang == "en" else "zh-CN")
    pages = [" ".join(page.extract_text().split()) for page in reader.pages]
    assert reader.pages[0].mediabox.width == pytest.approx(595.28, abs=0.1)
    titles = [entry["/Title"] for entry in reader.outline if not isinstance(entry, list)]
    t = Texts(lang)
    for key in ("opinion", "heat_map", "findings_list", "trend", "method", "annex"):
        assert t(key) in titles, key
    whole = "".join(pages).replace(" ", "")
    for finding in result.findings:
        assert finding.code in whole
    gap = ("data gap:" if lang == "en" else "数据缺口：").replace(" ", "")
    for number, page in enumerate(pages[1:], 2):
        squeezed = page.replace(" ", "")
        assert "sancha-demonstration1.0.0" in squeezed and gap in squeezed, number
        assert f"{number}/{len(pages)}" in squeezed
        assert ("Demonstrationpack" if lang == "en" else "示范政策包") in squeezed
    assert not avoided_words("".join(pages))
    big = next(f for f in result.findings if f.id == "PRE-20")
    n = big.condition.counts.breach.files
    shown = f"Showing25of{n},largest" if lang == "en" else f"显示{n}项中的25项"
    assert big.severity.level == "high" and n > 25 and shown in whole
    fonts = {f for page in reader.pages for f in _fonts(page)}
    assert fonts and all("Noto-Sans-CJK" in f or "Noto-Serif-CJK" in f for f in fonts), fonts


def _fonts(page: Any) -> list[str]:
    fonts = page["/Resources"].get("/Font", {})
    return [fonts[name]["/BaseFont"] for name in fonts]


def test_the_contents_name_the_pages(made: tuple[Path, EngagementResult]) -> None:
    folder, _ = made
    reader = PdfReader(folder / "out" / "en" / "report.pdf")
    pages = [" ".join(page.extract_text().split()) for page in reader.pages]
    shown = re.search(r"Method and limits (?:\. ?)*(\d+)", pages[1])
    assert shown is not None
    assert "Outcomes: pass, apparent breach" in pages[int(shown[1]) - 1]


@pytest.mark.parametrize("where", ["title", "data"])
def test_a_missing_glyph_fails_the_build(report: Report, tmp_path: Path, where: str) -> None:
    if where == "title":
        broken = dataclasses.replace(report, auditee={"en": f"A bank {NOWHERE} here"})
    else:
        finding = report.findings[0]
        branches = ((f"x{NOWHERE}", finding.condition.by_branch[0][1]),)
        condition = dataclasses.replace(finding.condition, by_branch=branches)
        broken = dataclasses.replace(report, findings=(dataclasses.replace(finding, condition=condition),))
    with pytest.raises(SanchaError, match=r"no installed font has 1 of the report's characters.*U\+0378"):
        write_pdf(broken, "en", tmp_path / "r.pdf")
    assert not list(tmp_path.iterdir())


def test_the_error_says_where_the_character_stands(report: Report, tmp_path: Path) -> None:
    broken = dataclasses.replace(report, auditee={"en": f"The bank {NOWHERE} of the lake"})
    with pytest.raises(SanchaError) as caught:
        write_pdf(broken, "en", tmp_path / "r.pdf")
    assert "The bank" in str(caught.value.where) and "install a font" in (caught.value.help or "")


def test_control_characters_in_data_leave_a_mark() -> None:
    assert printable("a\x00b\x1fc\ud800\ufffe\u0085") == "a\ufffdb\ufffdc\ufffd\ufffd\ufffd"
    assert printable("湖滨\n支行") == "湖滨\n支行"


def test_the_fonts_of_the_pdf_are_named() -> None:
    assert '"Noto Serif CJK SC"' in print_css("zh") and "CJK KR" not in print_css("zh")
    english = print_css("en")
    assert '"Noto Serif CJK KR"' in english and "'Noto Sans CJK SC'" in english


def test_an_engagement_without_findings(pack: Pack, tmp_path: Path) -> None:
    """A clean run gives a report that says so, not an empty table."""
    book = write_book(tmp_path / "book", 60)
    write_run(tmp_path / "run", book, pack, {"PRE-20": codes_like(60, breach=0)})
    clean = report_of(pack, tmp_path, Scope())
    assert not clean.findings and clean.opinion.grade == "satisfactory"
    write_html(clean, "en", tmp_path / "r.html")
    write_pdf(clean, "zh", tmp_path / "r.pdf")
    text = visible_text((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "No rule in scope shows an apparent breach" in text
    assert "总体有效" in "".join(p.extract_text() for p in PdfReader(tmp_path / "r.pdf").pages)
