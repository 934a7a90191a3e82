"""Findings in words: exact counts, in either language, from the numbers of a finding."""

from __future__ import annotations

from sancha.audit.findings import Condition, Finding, Terms
from sancha.audit.measures import Tally
from sancha.audit.severity import IMPACT
from sancha.audit.texts import Texts


def base(finding: Finding) -> Tally:
    """The N of "n of N": outcomes judged, or for a data gap also those that could not be."""
    counts = finding.condition.counts
    return counts.concerned if finding.kind == "data" else counts.judged


def hits(finding: Finding) -> Tally:
    """The n of "n of N"."""
    return finding.condition.counts.of(finding.outcome)


def headline(t: Texts, finding: Finding) -> str:
    """Title and count in one line."""
    n, whole = t.number(hits(finding).files), t.number(base(finding).files)
    return t(f"headline.{finding.kind}", title=t.said(finding.title), n=n, N=whole)


def found(t: Texts, finding: Finding) -> str:
    """`812 of 9,301 (8.7%)`, for tables."""
    n, whole = t.number(hits(finding).files), t.number(base(finding).files)
    return f"{n} / {whole} ({t.percent(finding.condition.rate)})"


def plain(t: Texts, finding: Finding) -> str:
    """The finding for readers of the opinion page."""
    return t(
        f"plain.{finding.kind}",
        n=t.number(hits(finding).files),
        N=t.number(base(finding).files),
        rate=t.percent(finding.condition.rate),
        exposure=t.money(hits(finding).exposure),
        rules=len(finding.rules),
        files=t.number(finding.effect.affected.files),
    )


def condition(t: Texts, finding: Finding) -> list[str]:
    """Sentences: the count with its interval and amounts, the days, the data gap, the waivers."""
    c = finding.condition
    low, high = c.interval or (None, None)
    sentences = [
        t(
            f"condition.{finding.kind}",
            n=t.number(hits(finding).files),
            N=t.number(base(finding).files),
            rate=t.percent(c.rate),
            low=t.percent(low),
            high=t.percent(high),
            amount=t.money(hits(finding).exposure),
            total=t.money(base(finding).exposure),
            amount_rate=t.percent(c.amount_rate),
        )
    ]
    if c.first and c.last:
        key = "condition.day" if c.first == c.last else "condition.days"
        sentences.append(t(key, first=t.day(c.first), last=t.day(c.last)))
    if finding.kind != "data":
        sentences.append(_gap(t, c))
        if c.counts.waived.files:
            waived = c.counts.waived
            sentences.append(
                t("condition.waived", waived=t.number(waived.files), amount=t.money(waived.exposure))
            )
    if pending := c.counts.of("not due").files:
        sentences.append(t("condition.not_due", count=t.number(pending)))
    return sentences


def _gap(t: Texts, c: Condition) -> str:
    if c.bounds is None:
        return t("condition.no_unknown")
    return t(
        "condition.unknown",
        unknown=t.number(c.counts.unknown.files),
        amount=t.money(c.counts.unknown.exposure),
        low=t.percent(c.bounds[0]),
        high=t.percent(c.bounds[1]),
    )


def effect(t: Texts, finding: Finding, terms: Terms) -> list[str]:
    """Sentences: exposure affected, what of it is distressed, and what is not known."""
    e = finding.effect
    sentences = [
        t(
            f"effect.{finding.kind}",
            exposure=t.money(e.affected.exposure),
            files=t.number(e.affected.files),
            share=t.percent(e.share_of_judged),
        )
    ]
    if e.distressed is not None:
        sentences.append(
            t(
                "effect.distressed" if e.distressed.files else "effect.distressed_none",
                files=t.number(e.distressed.files),
                exposure=t.money(e.distressed.exposure),
                fact=terms.distressed_fact,
                values=t.listed(list(terms.distressed_values)),
            )
        )
    if finding.kind != "data":
        unknown = finding.condition.counts.unknown
        sentences.append(
            t("effect.gap", unknown=t.number(unknown.files), exposure=t.money(unknown.exposure))
            if unknown.files
            else t("effect.no_gap")
        )
    return sentences


def severity(t: Texts, finding: Finding) -> list[str]:
    """The arithmetic of the severity, term by term."""
    s = finding.severity
    impact = next(name for name, points in IMPACT.items() if points == s.impact)
    parts = [
        t(
            "severity_line",
            arithmetic=s.arithmetic,
            likelihood=s.likelihood,
            rate=t.percent(finding.condition.rate),
            impact=s.impact,
            kind=t(f"impact.{impact}"),
        )
    ]
    parts += [
        t("severity_aggravator", points=points, name=t(f"aggravator.{name}"))
        for name, points in s.aggravators
    ]
    sentences = [t.listed(parts) + ("。" if t.lang == "zh" else "."), t("severity_bands")]
    if s.by_statute:
        sentences.append(t("severity_statute"))
    return sentences


def slots_filled(text: str, values: dict[str, str], labels: dict[str, str]) -> str:
    """A rule's finding text with its `{fact}` slots filled; a fact without value shows its label."""
    for fact, label in labels.items():
        text = text.replace("{" + fact + "}", values.get(fact) or f"[{label}]")
    return text
