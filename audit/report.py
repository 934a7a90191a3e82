"""The report of an engagement: one HTML file that works offline, and a PDF for the file."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sancha.audit import opinion as rules_of_opinion
from sancha.audit import prose
from sancha.audit.charts import Chart, charts
from sancha.audit.clauses import clause_html, clause_title, mark_chinese
from sancha.audit.evidence import STAGES, Counts, Evidence
from sancha.audit.exceptions import type_of, value_text
from sancha.audit.findings import Finding, Terms, Text, fact_label, plain_fact
from sancha.audit.glyphs import missing_glyph_error, missing_glyphs, printable
from sancha.audit.lists import ExceptionList
from sancha.audit.opinion import Opinion, Reason
from sancha.audit.page_data import pack_exceptions
from sancha.audit.texts import Texts, all_texts, avoided_words
from sancha.audit.triangulation import Questionnaire
from sancha.engine.diagnostics import SanchaError
from sancha.engine.page import environment, page_css
from sancha.engine.policy.pack import Pack

#: Rows of a finding's table in the PDF, largest exposure first; all stand in the list beside it.
PDF_ROWS = {"high": 25, "medium": 15, "low": 5}
#: Exceptions that the HTML file holds; beyond, a browser would take too long to unpack them.
HTML_ROWS = 200_000
#: Findings named on the opinion page.
MAIN_FINDINGS = 5
#: Of more findings than this, those of low severity are listed in the PDF without a section of their own.
PRINTED_IN_FULL = 30
LISTED = ("breach", "unknown", "waived")


@dataclass(frozen=True)
class Report:
    """All that a report says, in no language yet."""

    title: Text
    auditee: Text
    reference: str
    authors: tuple[str, ...]
    report_date: date
    statement: Text
    pack: Pack
    evidence: Evidence
    terms: Terms
    findings: tuple[Finding, ...]
    opinion: Opinion
    questionnaire: Questionnaire | None = None
    lists: Mapping[str, ExceptionList] = field(default_factory=dict)
    all_list: ExceptionList | None = None

    @property
    def rules_run(self) -> list[str]:
        return [i for i in self.pack.rules if (i,) in self.evidence.counts("rule")]


def write_html(report: Report, lang: str, path: Path) -> None:
    """Write the report as one HTML file: no part of it lies elsewhere, and it needs no network."""
    t = _texts(report, lang)
    order = [rule for f in report.findings if f.kind != "data" for rule in f.rules]
    total = report.evidence.exception_count()
    table = report.evidence.exceptions(outcomes=LISTED, order=order, limit=HTML_ROWS)
    core, details = pack_exceptions(t, report.pack, report.evidence, report.findings, report.rules_run, table)
    page = environment("sancha.audit").get_template("report.html.j2")
    shared = _context(report, t)
    html = page.render(
        **shared,
        core=Markup(core),
        details=Markup(details),
        shown_exceptions=table.num_rows,
        total_exceptions=total,
        page_texts=Markup(_page_texts(t)),
    )
    path.write_text(html if t.lang == "zh" else mark_chinese(html), encoding="utf-8")


def write_pdf(report: Report, lang: str, path: Path) -> None:
    """Write the report as a tagged PDF (A4). Raises SanchaError where no font has a character of it."""
    # WeasyPrint loads pango, which a machine that only replays need not have.
    from weasyprint import HTML  # type: ignore[import-untyped]

    t = _texts(report, lang)
    page = environment("sancha.audit").get_template("print.html.j2")
    shared = _context(report, t)
    rows = {f.id: _rows(report, t, f) for f in report.findings if not f.below_materiality}
    html = page.render(**shared, rows=rows, print_css=Markup(print_css(t.lang)))
    html = html if t.lang == "zh" else mark_chinese(html)
    with missing_glyphs() as missing:
        pdf = HTML(string=html, base_url=None).write_pdf(
            pdf_variant="pdf/ua-1", pdf_identifier=report.evidence.info["pack"]["digest"].encode()
        )
    if missing:
        raise missing_glyph_error(missing, html)
    path.write_bytes(pdf)


def print_css(lang: str) -> str:
    """The style of the PDF. Its fonts stand in it by name: they must not depend on what a machine prefers."""
    css = _asset("print.css")
    # The Korean faces have quotation marks of Latin width. Chinese is marked, and keeps its own faces.
    return css if lang == "zh" else css.replace('CJK SC"', 'CJK KR"')


# What both forms share


def _texts(report: Report, lang: str) -> Texts:
    t = Texts(lang, report.pack.currency)
    _check_words(report, t)
    return t


def _check_words(report: Report, t: Texts) -> None:
    """Refuse sentences of the pack or of people that pass a verdict. Clauses and data stay as they are."""
    spoken = [("the engagement", t.said(x)) for x in (report.title, report.statement)]
    for f in report.findings:
        origin = f"the rule `{f.id}`" if f.kind != "data" else f"the finding `{f.id}`"
        spoken += [(origin, t.said(x)) for x in (f.title, f.cause.text, f.recommendation.text)]
        spoken.append((f"the response to `{f.id}`", f.rectification.response or ""))
    spoken += [(f"the rule `{i}`", t.said(report.pack.rules[i].finding)) for i in report.rules_run]
    for origin, text in spoken:
        if words := avoided_words(text):
            raise SanchaError(
                f"the text of {origin} says `{words[0]}`, which a report of the audit does not say: {text!r}",
                code="E0804",
                help="a hit is a lead, not a verdict: write “appears”, “no trace found”, “needs clearing”, "
                "疑似、未见留痕、需进一步核实",
            )


def _context(report: Report, t: Texts) -> dict[str, Any]:
    evidence, opinion = report.evidence, report.opinion
    pack = report.pack
    counts = evidence.counts("rule")
    printed = [f for f in report.findings if not f.below_materiality]
    brief = [f for f in printed if f.severity.level == "low"] if len(printed) > PRINTED_IN_FULL else []
    number_of = {rule: f.code for f in reversed(report.findings) for rule in f.rules if f.kind != "data"}
    return {
        "t": t,
        "lang": "zh-CN" if t.lang == "zh" else "en",
        "r": report,
        "pack": pack,
        "prose": prose,
        "evidence": evidence,
        "findings": report.findings,
        "full": [f for f in printed if f not in brief],
        "brief": brief,
        "small": [f for f in report.findings if f.below_materiality],
        "main": [f for f in report.findings if not f.below_materiality][:MAIN_FINDINGS],
        "opinion": opinion,
        "reasons": [_reason(t, r) for r in opinion.reasons],
        "limits": _limits(report, t),
        "method": _method(report, t),
        "standing": standing_line(report, t),
        "notice_short": re.split(r"(?<=[.。！!])", t.said(pack.notice).strip())[0].strip(),
        "period": _period(report, t),
        "scope_lines": _scope(report, t),
        "charts": charts(t, evidence, report.findings),
        "stages": [s for s in STAGES if any(pack.rules[i].stage == s for i in report.rules_run)],
        "rule_rows": [(pack.rules[i], counts[(i,)], number_of.get(i)) for i in report.rules_run],
        "newest": _newest_versions(evidence),
        "clause_html": lambda text: clause_html(text, t.lang),
        "clause_title": lambda text: clause_title(text, t.lang),
        "fact_label": lambda fact: t.said(fact_label(pack.vocabulary, fact)),
        "tags": [
            tag
            for tag in _TAGS
            if any(tag == v.source["evidence"] for i in report.rules_run for v in pack.rules[i].versions)
        ],
        "asset": lambda name: Markup(_asset(name)),
        "page_css": Markup(page_css()),
        "svg": _data_address,
        "branches_hit": _branches_hit,
        "share_of": lambda part, whole: t.percent(Decimal(part) / Decimal(whole) if whole else None),
        "in_scope": _files_in_scope(evidence),
        "questionnaire": report.questionnaire,
        "gap_share": _unknown_share(evidence),
    }


_TAGS = ("V-text", "V-law", "V-sec", "V-prac", "R-hi", "R-lo", "B")


def _asset(name: str) -> str:
    return resources.files("sancha.audit").joinpath("templates", name).read_text(encoding="utf-8")


def _data_address(chart: Chart) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(chart.svg.encode()).decode()


def _branches_hit(finding: Finding) -> list[tuple[str | None, Counts]]:
    return [row for row in finding.condition.by_branch if row[1].of(finding.outcome).files]


def _unknown_share(evidence: Evidence) -> Decimal | None:
    counts = evidence.counts().get((), Counts())
    whole = counts.concerned.files
    return Decimal(counts.unknown.files) / whole if whole else None


def _files_in_scope(evidence: Evidence) -> int:
    """The files to which the rule of widest reach applies: at least so many lie in scope."""
    counts = evidence.counts("rule")
    files = (c.concerned.files for (rule,), c in counts.items() if rule not in evidence.portfolio)
    return max(files, default=0)


def standing_line(report: Report, t: Texts) -> str:
    """What every page names: the pack, the span of rule versions, and the data gap."""
    pack = t("pack_line", name=report.pack.name, version=report.pack.version)
    versions = sorted({v for (v,) in report.evidence.counts("version") if v})
    span = versions[0] if len(versions) == 1 else f"{versions[0]} – {versions[-1]}" if versions else "–"
    return t("standing", pack=pack, versions=span, gap=t.percent(_unknown_share(report.evidence)))


def _newest_versions(evidence: Evidence) -> dict[str, str]:
    newest: dict[str, str] = {}
    for (rule, version), counts in evidence.counts("rule", "version").items():
        if version and counts.concerned.files:
            newest[rule] = max(version, newest.get(rule, ""))
    return newest


def _reason(t: Texts, reason: Reason) -> str:
    slots = dict(reason.slots)
    if "stage" in slots:
        slots["stage"] = t(f"stage.{slots['stage']}")
    if reason.key == "reason.coverage":
        slots = {name: t.percent(value) for name, value in slots.items()}
    return t(reason.key, **slots)


def _period(report: Report, t: Texts) -> str:
    first, last = report.evidence.scope.first, report.evidence.scope.last
    if first and last:
        return t("from_until", first=t.day(first), last=t.day(last))
    if first:
        return t("from_only", first=t.day(first))
    return t("until_only", last=t.day(last)) if last else t("whole_period")


def _scope(report: Report, t: Texts) -> list[tuple[str, str]]:
    scope = report.evidence.scope
    lines = [
        (t("branch"), t.listed(list(scope.branches))),
        (t("product"), t.listed(list(scope.products))),
        (t("stage"), t.listed([t(f"stage.{s}") for s in scope.stages])),
        (t("rules"), t.listed(list(scope.rules))),
    ]
    return [(name, value or t("all")) for name, value in lines]


def _limits(report: Report, t: Texts) -> list[str]:
    evidence = report.evidence
    unknown = report.opinion.outcomes.unknown.files
    lines = [t("limit.lead")]
    if unknown:
        lines.append(t("limit.unknown", unknown=t.number(unknown), share=t.percent(_unknown_share(evidence))))
    lines.append(t("limit.records"))
    if rejects := evidence.rejects():
        lines.append(t("limit.rejects", count=t.number(rejects)))
    hindsight = evidence.info["hindsight"]
    lines.append(t("limit.hindsight_on" if hindsight else "limit.hindsight_off"))
    return lines


def _method(report: Report, t: Texts) -> list[str]:
    evidence, terms = report.evidence, report.terms
    o = rules_of_opinion
    lines = [
        t("method.hindsight" if evidence.info["hindsight"] else "method.replay"),
        t("method.outcomes"),
        t("method.interval"),
        t("method.severity"),
        t("method.due"),
        t("method.score"),
        t(
            "method.conclusion",
            coverage_low=t.percent(o.COVERAGE_LOW, 0),
            coverage_high=t.percent(o.COVERAGE_HIGH, 0),
            score_low=o.SCORE_LOW,
            score_high=o.SCORE_HIGH,
            many=o.MANY_HIGH,
        ),
        t(
            "method.tolerance",
            exceptions=t.percent(terms.exception_tolerance),
            unknown=t.percent(terms.unknown_tolerance),
        ),
    ]
    if terms.materiality:
        lines.append(t("method.materiality", amount=t.money(terms.materiality)))
    lines.append(t("method.sample", seed=evidence.seed))
    if evidence.portfolio & set(report.rules_run) and (evidence.scope.branches or evidence.scope.products):
        lines.append(t("method.portfolio"))
    if count := evidence.without_branch():
        lines.append(t("method.no_branch", count=t.number(count)))
    undated = sum(c.tally.files for c in evidence.cells if c.period is None and c.outcome == "unknown")
    if undated:
        lines.append(t("method.no_day", count=t.number(undated)))
    lines.append(t("method.words"))
    return lines


# The rows of the PDF


@dataclass(frozen=True, slots=True)
class Row:
    """An exception as text for print."""

    name: str
    branch: str
    judged_on: str
    version: str
    exposure: str
    says: str
    note: str


def _rows(report: Report, t: Texts, finding: Finding) -> list[Row]:
    most = PDF_ROWS[finding.severity.level]
    rows = []
    for r in report.evidence.largest(finding.rules, finding.outcome, most).to_pylist():
        if finding.kind == "data":
            says = f"{r['rule']}: " + ", ".join(r["missing"] or ())
        else:
            says = facts_line(t, report.pack, r["facts"] or ())
        rows.append(
            Row(
                name=printable(r["loan_id"] or r["group"] or "–"),
                branch=printable(r["branch"] or "–"),
                judged_on=str(r["judged_on"] or "–"),
                version=r["version"] or "–",
                exposure=t.exact(r["exposure"]),
                says=printable(says),
                note=printable(r["note"] or ""),
            )
        )
    return rows


def facts_line(t: Texts, pack: Pack, facts: Sequence[Mapping[str, str]], most: int = 170) -> str:
    """Facts read in so many characters: facts of the file first, then fields of lists with their values.

    What does not fit is counted: `+3`. All of it stands in the list and in the page.
    """
    grouped: dict[str, list[str]] = {}
    for fact in sorted(facts, key=lambda f: "[" in f["fact"]):
        value = value_text(t, type_of(pack, fact["fact"]), fact["value"] or "–")
        grouped.setdefault(plain_fact(fact["fact"]), []).append(value)
    parts = []
    for name, values in grouped.items():
        different = list(dict.fromkeys(values))
        more = f", +{len(different) - 3}" if len(different) > 3 else ""
        parts.append(f"{name} = {', '.join(different[:3])}{more}")
    shown: list[str] = []
    while parts and sum(map(len, shown)) + len(parts[0]) <= most:
        shown.append(parts.pop(0))
    return "; ".join([*shown, f"+{len(parts)}"] if parts else shown)


def _page_texts(t: Texts) -> str:
    """The texts that the page's script shows, as JSON that cannot end its element."""
    texts = {key: text[t.lang] for key, text in all_texts().items()}
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")
