"""The pictures of a report as SVG: where breaches lie, how they move, how grave the findings are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import quote

import altair as alt
import vl_convert

from sancha.audit.evidence import STAGES, Counts, Evidence, quarter
from sancha.audit.findings import Finding
from sancha.audit.measures import rate
from sancha.audit.severity import LEVELS
from sancha.audit.texts import Texts

FONTS = "Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
INK, RULE_LINE, PAPER = "#1d2733", "#d8d3c8", "#ffffff"
STAGE_COLOURS = ("#1f3a5f", "#b7791f", "#2f7f79")
SEVERITY_COLOURS = {"high": "#a3262a", "medium": "#d08a2e", "low": "#8a9a8b"}
HEAT = ("#faf3ea", "#f0cdb4", "#d9805f", "#a3262a", "#6b1519")
#: A rate of fewer outcomes than this swings too widely to be shown like the others.
LEAST = 30
MOST_BRANCHES = 20

_VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with its title, what it shows in a sentence, and its numbers as rows of text."""

    title: str
    note: str
    alt: str
    svg: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def inline(self) -> str:
        """The SVG for an HTML page: named for screen readers, its ink the page's, its marks live links."""
        svg = self.svg.replace(f'"{INK}"', '"currentColor"')
        svg = svg.replace(f'stroke="{RULE_LINE}"', 'stroke="currentColor" stroke-opacity="0.2"')
        label = f'<svg role="img" aria-label="{escape(self.alt, quote=True)}" '
        return re.sub(r"^<svg ", label, svg, count=1)


def charts(t: Texts, evidence: Evidence, findings: Sequence[Finding]) -> Mapping[str, Chart]:
    """`heat_map`, `trend` and `severity`, each only where it has something to show."""
    made = {
        "heat_map": heat_map(t, evidence),
        "severity": severity(t, findings),
        "trend": trend(t, evidence),
    }
    return {name: chart for name, chart in made.items() if chart is not None}


def heat_map(t: Texts, evidence: Evidence) -> Chart | None:
    """Rates of apparent breaches by branch (rows, worst first) and stage (columns)."""
    cells = {k: c for k, c in evidence.counts("branch", "stage").items() if k[0] is not None}
    cells = {k: c for k, c in cells.items() if c.judged.files}
    totals = {k[0]: c for k, c in evidence.counts("branch").items() if k[0] is not None and c.judged.files}
    if not cells:
        return None
    branches = sorted(totals, key=lambda b: (-_rate(totals[b]), b))
    kept = sorted(totals, key=lambda b: (-totals[b].breach.files, b))[:MOST_BRANCHES]
    branches = [b for b in branches if b in kept]
    stages = [s for s in STAGES if any((b, s) in cells for b in branches)]
    top = max((_rate(c) for c in cells.values() if c.judged.files >= LEAST), default=Decimal(1)) or Decimal(1)
    data = []
    for branch in branches:
        for stage in stages:
            counts = cells.get((branch, stage))
            if counts is None:
                continue
            share = _rate(counts)
            data.append(
                {
                    "branch": branch,
                    "stage": t(f"stage.{stage}"),
                    "rate": float(share),
                    "text": t.percent(share),
                    "few": counts.judged.files < LEAST,
                    "dark": bool(share > top * Decimal("0.55") and counts.judged.files >= LEAST),
                    "says": f"{branch}, {t(f'stage.{stage}')}: {t.percent(share)}",
                    "link": f"#exceptions?stage={quote(stage)}&branch={quote(branch)}&outcome=breach",
                }
            )
    frame = alt.Chart(_data(data)).encode(
        x=alt.X("stage:N", sort=[t(f"stage.{s}") for s in stages], title=None).axis(
            orient="top", labelAngle=0, labelFontSize=13, labelFontWeight="bold", domain=False, ticks=False
        ),
        y=alt.Y("branch:N", sort=branches, title=None).axis(
            labelFontSize=12, domain=False, ticks=False, labelLimit=260, labelPadding=8
        ),
    )
    boxes = frame.mark_rect(stroke=PAPER, strokeWidth=2).encode(
        color=alt.Color("rate:Q", legend=None).scale(range=list(HEAT), domain=[0, float(top)]),
        opacity=alt.condition("datum.few", alt.value(0.35), alt.value(1.0)),
        href="link:N",
        description="says:N",
    )
    figures = frame.mark_text(fontSize=12, aria=False).encode(
        text="text:N", color=alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#23201c"))
    )
    svg = _svg((boxes + figures).properties(width=130 * len(stages), height=26 * len(branches)))
    worst = max(data, key=lambda d: (not d["few"], d["rate"]))
    note = t("heat_map_note", least=LEAST)
    if len(totals) > len(branches):
        note = t.join([note, t("heat_map_cut", shown=len(branches), total=len(totals))])
    rows = [
        (b, *(_cell(t, cells.get((b, s))) for s in stages), _cell(t, totals[b]))
        for b in sorted(totals, key=lambda b: (-_rate(totals[b]), b))
    ]
    alt_text = t("heat_map_alt", high=worst["text"], branch=worst["branch"], stage=worst["stage"])
    header = (t("branch"), *(t(f"stage.{s}") for s in stages), t("all"))
    return Chart(t("heat_map"), note, alt_text, svg, header, tuple(rows))


def trend(t: Texts, evidence: Evidence) -> Chart | None:
    """Rates of apparent breaches by quarter judged, one line a stage."""
    groups: dict[tuple[str, str], Counts] = {}
    for (rule, period, stage), counts in evidence.counts("rule", "period", "stage").items():
        # The groups of a portfolio rule are no files: they would be lost among the thousands. After the day
        # of the book only what was answered early is judged: nothing there could be a breach.
        if period is None or rule in evidence.portfolio or period > quarter(evidence.as_of):
            continue
        if counts.judged.files:
            groups[period, stage] = groups.get((period, stage), Counts()) + counts
    cells = {k: c for k, c in groups.items() if c.judged.files >= LEAST}
    quarters = sorted({k[0] for k in cells})
    if len(quarters) < 2:
        return None
    stages = [s for s in STAGES if any((q, s) in cells for q in quarters)]
    data = [
        {"quarter": q, "stage": t(f"stage.{s}"), "rate": float(_rate(cells[q, s]))}
        for q in quarters
        for s in stages
        if (q, s) in cells
    ]
    names = [t(f"stage.{s}") for s in stages]
    colours = [STAGE_COLOURS[STAGES.index(s)] for s in stages]
    every = 1 + len(quarters) // 21
    two_lines = "[slice(datum.label, 4), slice(datum.label, 4) == 'Q1' ? slice(datum.label, 0, 4) : '']"
    frame = alt.Chart(_data(data)).encode(
        x=alt.X("quarter:O", title=None).axis(
            labelAngle=0,
            labelExpr=two_lines if every == 1 else "datum.label",
            values=quarters[::every],
            tickColor=RULE_LINE,
            domainColor=RULE_LINE,
        ),
        y=alt.Y("rate:Q", title=None)
        .axis(format="%", tickCount=5, domain=False, ticks=False)
        .scale(zero=True),
        color=alt.Color("stage:N", sort=names, title=None)
        .scale(domain=names, range=colours)
        .legend(orient="top", symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=500, labelFontSize=12),
        strokeDash=alt.StrokeDash("stage:N", sort=names, title=None).scale(
            domain=names, range=[[1, 0], [7, 3], [2, 2]][: len(names)]
        ),
    )
    lines = frame.mark_line(strokeWidth=2.2)
    svg = _svg(lines.properties(width=620, height=200))
    rows = [(q, *(_cell(t, cells.get((q, s))) for s in stages)) for q in quarters]
    return Chart(
        t("trend"),
        t("trend_note", least=LEAST),
        t("trend_alt"),
        svg,
        (t("quarter"), *names),
        tuple(rows),
    )


def severity(t: Texts, findings: Sequence[Finding]) -> Chart | None:
    """Findings by stage, stacked by severity."""
    if not findings:
        return None
    stages = [s for s in STAGES if any(f.stage == s for f in findings)]
    count = {
        (s, level): sum(f.stage == s and f.severity.level == level for f in findings)
        for s in stages
        for level in LEVELS
    }
    data = [
        {
            "stage": t(f"stage.{s}"),
            "level": t(f"severity.{level}"),
            "order": LEVELS.index(level),
            "count": n,
            "text": str(n) if n else "",
        }
        for (s, level), n in count.items()
    ]
    names = [t(f"severity.{level}") for level in LEVELS]
    frame = alt.Chart(_data(data)).encode(
        y=alt.Y("stage:N", sort=[t(f"stage.{s}") for s in stages], title=None).axis(
            domain=False, ticks=False, labelFontSize=12, labelPadding=8
        ),
        x=alt.X("count:Q", stack="zero", title=None).axis(None),
        order="order:Q",
    )
    bars = frame.mark_bar(height=24).encode(
        color=alt.Color("level:N", sort=names, title=None)
        .scale(domain=names, range=[SEVERITY_COLOURS[level] for level in LEVELS])
        .legend(orient="top", labelFontSize=12)
    )
    figures = (
        alt.Chart(_data(data))
        .mark_text(color="#ffffff", fontWeight="bold", fontSize=12)
        .encode(
            y=alt.Y("stage:N", sort=[t(f"stage.{s}") for s in stages]),
            x=alt.X("count:Q", stack="zero", bandPosition=0.5),
            order="order:Q",
            detail="level:N",
            text="text:N",
        )
    )
    svg = _svg((bars + figures).properties(width=520, height=34 * len(stages)))
    rows = [(t(f"stage.{s}"), *(str(count[s, level]) for level in LEVELS)) for s in stages]
    return Chart(t("severity_chart"), "", t("severity_alt"), svg, (t("stage"), *names), tuple(rows))


def _data(rows: list[dict[str, Any]]) -> Any:
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def _rate(counts: Counts) -> Decimal:
    return rate(counts.breach.files, counts.judged.files) or Decimal(0)


def _cell(t: Texts, counts: Counts | None) -> str:
    if counts is None or not counts.judged.files:
        return "–"
    n, whole = t.number(counts.breach.files), t.number(counts.judged.files)
    return f"{t.percent(_rate(counts))} ({n} / {whole})"


def _svg(chart: Any) -> str:
    dressed = (
        chart.configure(font=FONTS, background="transparent", padding=4)
        .configure_axis(
            labelColor=INK, gridColor=RULE_LINE, gridDash=[2, 3], labelFont=FONTS, labelFontSize=11
        )
        .configure_axisX(grid=False)
        .configure_legend(labelColor=INK, labelFont=FONTS)
        .configure_view(stroke=None)
    )
    svg = vl_convert.vegalite_to_svg(dressed.to_dict(), vl_version=_VEGA_LITE)
    # Links lead to places of the page itself; the renderer takes them for parts of its own base address.
    return re.sub(r'xlink:href="[^"#]*#', 'href="#', svg)
