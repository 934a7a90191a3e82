"""Findings: criteria, condition, cause, effect, recommendation, with severity and triangulation.

What the replay can know stands here as numbers. Cause and recommendation are people's work: what the rule
suggests is kept as a draft until somebody signs it. A hit is a lead, not a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from sancha.audit.evidence import STAGES, Counts, Evidence
from sancha.audit.measures import Tally, bounds, rate, wilson
from sancha.audit.severity import DUE_DAYS, LEVELS, Severity, assess
from sancha.engine.policy.pack import Pack, Rule
from sancha.engine.policy.vocabulary import Vocabulary

Text = Mapping[str, str]
Kind = Literal["files", "groups", "signal", "data"]
Confidence = Literal["lead", "confirmed"]

#: A gap in the data is a weakness of control, whichever rule it keeps from being judged.
DATA_GAP_IMPACT = "control"


@dataclass(frozen=True, slots=True)
class VersionInForce:
    """A version of a rule, by its first day in force, with its source and the files judged under it."""

    version: str
    document: str
    document_title: Text
    article: str
    evidence: str
    clause: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class ClauseText:
    """A clause of the policy as the pack writes it: Markdown, in all its languages together."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Criteria:
    """What should be: the rule, the clauses that it encodes, and the versions that applied."""

    rule: str
    title: Text
    stage: str
    impact: str
    hard_law: bool
    clauses: tuple[ClauseText, ...]
    versions: tuple[VersionInForce, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """What is: exact counts with amounts, the interval of the rate, the days, and the branches.

    `rate`, `interval` and `bounds` are fractions; `bounds` are the rates if all that is unknown held, and if
    none did, and None where nothing is unknown. `interval` is None where nothing was judged.
    """

    counts: Counts
    rate: Decimal
    amount_rate: Decimal | None
    interval: tuple[Decimal, Decimal] | None
    bounds: tuple[Decimal, Decimal] | None
    first: date | None
    last: date | None
    by_branch: tuple[tuple[str | None, Counts], ...]
    by_quarter: tuple[tuple[str, Counts], ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What it means: files and exposure affected, how much of the scope that is, and what is distressed."""

    affected: Tally
    share_of_judged: Decimal | None
    distressed: Tally | None


@dataclass(frozen=True, slots=True)
class Words:
    """A cause or a recommendation. A draft until `author` is given."""

    text: Text
    author: str | None = None
    code: str | None = None

    @property
    def is_draft(self) -> bool:
        return self.author is None


@dataclass(frozen=True, slots=True)
class ItemComparison:
    """A questionnaire item beside the rule: shares are fractions, `gap` is item minus practice."""

    item: str
    text: Text
    reverse: bool
    answers: int
    agreement: Decimal | None
    files: int
    practice: Decimal | None
    gap: Decimal | None
    band: str

    @property
    def sort_key(self) -> tuple[int, Decimal, str]:
        """Widest gap first, what cannot be compared last."""
        return (self.gap is None, -abs(self.gap or Decimal(0)), self.item)


@dataclass(frozen=True, slots=True)
class PublishedWording:
    """How a regulator has named the like in public, for comparison of words only."""

    when: str
    authority: Text
    words: Text
    source: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What people add to a finding: by whom, and whatever of the rest they have written."""

    finding: str
    author: str
    cause: str | None = None
    recommendation: str | None = None
    response: str | None = None
    accepted: bool | None = None
    owner: str | None = None
    due: date | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Rectification:
    """How far a finding is put right: every finding starts `open`, due by its severity."""

    due: date
    owner: str | None = None
    accepted: bool | None = None
    response: str | None = None
    state: str = "open"


@dataclass(frozen=True, slots=True)
class GapRow:
    """One rule that a data gap keeps from being judged."""

    rule: str
    title: Text
    stage: str
    counts: Counts
    versions: tuple[VersionInForce, ...]

    @property
    def share(self) -> Decimal:
        return gap_share(self.counts) or Decimal(0)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `rules` are the rules it rests on: one, or for a data gap all that it touches.

    A finding of kind `signal` counts the files that raise an early-warning signal: no duty is broken by it.
    """

    number: int
    id: str
    kind: Kind
    title: Text
    stage: str
    rules: tuple[str, ...]
    criteria: Criteria | None
    condition: Condition
    cause: Words
    effect: Effect
    recommendation: Words
    severity: Severity
    confidence: Confidence
    comparisons: tuple[ItemComparison, ...]
    wordings: tuple[PublishedWording, ...]
    rectification: Rectification
    below_materiality: bool
    fact: str | None = None
    gaps: tuple[GapRow, ...] = ()

    @property
    def code(self) -> str:
        """`F03`, by which text and lists name the finding."""
        return f"F{self.number:02}"

    @property
    def outcome(self) -> str:
        """The outcome of the exceptions that the finding lists."""
        return "unknown" if self.kind == "data" else "breach"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the engagement decides about findings. Tolerances are fractions, materiality is in currency."""

    report_date: date
    exception_tolerance: Decimal = Decimal(0)
    unknown_tolerance: Decimal = Decimal("0.05")
    materiality: Decimal = Decimal(0)
    repeat: frozenset[str] = frozenset()
    override: frozenset[str] = frozenset()
    distressed_fact: str | None = None
    distressed_values: tuple[str, ...] = ()


def derive_findings(
    evidence: Evidence,
    pack: Pack,
    terms: Terms,
    *,
    comparisons: Mapping[str, tuple[ItemComparison, ...]] | None = None,
    replies: Iterable[Reply] = (),
    wordings: Mapping[str, tuple[PublishedWording, ...]] | None = None,
    data_gap_words: tuple[Text, Text, Text] | None = None,
) -> tuple[Finding, ...]:
    """All findings of the evidence, worst first: breaches by rule, groups over a limit, and data gaps.

    `data_gap_words` are the title (with a slot `{fact}`), the draft cause and the draft recommendation of a
    data gap; the pack has no words for it, since no rule is broken.
    """
    answers = {reply.finding: reply for reply in replies}
    drafts: list[Finding] = []
    counts = evidence.counts("rule")
    for id_, rule in pack.rules.items():
        tally = counts.get((id_,), Counts())
        found = rate(tally.breach.files, tally.judged.files)
        if not tally.breach.files or found is None:
            continue
        # A tolerance is for weaknesses that come with volume; a rule of statute has none.
        if found <= terms.exception_tolerance and not rule.hard_law:
            continue
        drafts.append(
            _of_rule(
                evidence,
                pack,
                rule,
                tally,
                terms,
                answers.get(id_),
                (comparisons or {}).get(id_, ()),
                _wordings_of(pack, id_, wordings or {}),
            )
        )
    drafts += _data_gaps(evidence, pack, counts, terms, answers, data_gap_words or _PLAIN_GAP_WORDS)
    drafts.sort(
        key=lambda f: (
            LEVELS.index(f.severity.level),
            not (f.criteria and f.criteria.hard_law),
            -f.severity.score,
            -f.effect.affected.exposure,
            f.id,
        )
    )
    return tuple(_numbered(f, i) for i, f in enumerate(drafts, 1))


_PLAIN_GAP_WORDS: tuple[Text, Text, Text] = ({"en": "{fact}", "zh": "{fact}"}, {}, {})


def gap_share(counts: Counts) -> Decimal | None:
    """Unknown outcomes as a fraction of all files to which the rule applies or may apply."""
    return rate(counts.unknown.files, counts.concerned.files)


def plain_fact(name: str) -> str:
    """`visits[2].date` without the number of its item: `visits.date`."""
    head, bracket, rest = name.partition("[")
    return head + rest.partition("]")[2] if bracket else name


def _of_rule(
    evidence: Evidence,
    pack: Pack,
    rule: Rule,
    tally: Counts,
    terms: Terms,
    reply: Reply | None,
    comparisons: tuple[ItemComparison, ...],
    wordings: tuple[PublishedWording, ...],
) -> Finding:
    condition = _condition(evidence, (rule.id,), tally, "breach")
    severity = assess(
        condition.rate,
        rule.impact,
        hard_law=rule.hard_law,
        repeat=rule.id in terms.repeat,
        override=rule.id in terms.override,
    )
    distressed = None
    if terms.distressed_fact and rule.kind != "portfolio":
        distressed = evidence.distressed((rule.id,), terms.distressed_fact, terms.distressed_values)
    affected = tally.breach
    cause = pack.causes.get(rule.cause or "", {})
    return Finding(
        number=0,
        id=rule.id,
        kind="groups" if rule.kind == "portfolio" else "signal" if rule.signal else "files",
        title=rule.title,
        stage=rule.stage,
        rules=(rule.id,),
        criteria=_criteria(evidence, pack, rule),
        condition=condition,
        cause=_words(cause, reply.cause if reply else None, reply, rule.cause),
        effect=Effect(affected, rate(affected.exposure, tally.judged.exposure), distressed),
        recommendation=_words(rule.recommend or {}, reply.recommendation if reply else None, reply),
        severity=severity,
        confidence="confirmed" if reply and reply.confirmed else "lead",
        comparisons=comparisons,
        wordings=wordings,
        rectification=_rectification(severity, terms, reply),
        below_materiality=severity.level != "high" and affected.exposure < terms.materiality,
    )


def _data_gaps(
    evidence: Evidence,
    pack: Pack,
    counts: Mapping[tuple[Any, ...], Counts],
    terms: Terms,
    answers: Mapping[str, Reply],
    words: tuple[Text, Text, Text],
) -> list[Finding]:
    """One finding for each fact whose absence keeps rules from being judged more often than tolerated.

    A rule is put under the fact that it lacks most often: to ask for that fact is what settles it.
    """
    leading: dict[str, str] = {}
    for lacking, fact, _ in evidence.missing_facts():
        leading.setdefault(lacking, plain_fact(fact))
    by_fact: dict[str, list[GapRow]] = {}
    for id_, rule in pack.rules.items():
        tally = counts.get((id_,), Counts())
        if (gap_share(tally) or Decimal(0)) > terms.unknown_tolerance:
            row = GapRow(id_, rule.title, rule.stage, tally, _versions(evidence, pack, rule))
            by_fact.setdefault(leading.get(id_, ""), []).append(row)
    findings = []
    title, cause, recommendation = words
    for fact, rows in sorted(by_fact.items()):
        rows.sort(key=lambda r: (-r.share, r.rule))
        rules = tuple(r.rule for r in rows)
        tally = sum((r.counts for r in rows), Counts())
        condition = _condition(evidence, rules, tally, "unknown")
        severity = assess(condition.rate, DATA_GAP_IMPACT)
        id_ = f"data:{fact}"
        reply = answers.get(id_)
        affected = evidence.lacking(rules)
        label = fact_label(pack.vocabulary, fact)

        def about(text: Text, label: Text = label) -> Text:
            return {lang: words.replace("{fact}", _in(label, lang)) for lang, words in text.items()}

        findings.append(
            Finding(
                number=0,
                id=id_,
                kind="data",
                title=about(title),
                stage=min((r.stage for r in rows), key=STAGES.index),
                rules=rules,
                criteria=None,
                condition=condition,
                cause=_words(about(cause), reply.cause if reply else None, reply),
                effect=Effect(affected, None, None),
                recommendation=_words(about(recommendation), reply.recommendation if reply else None, reply),
                severity=severity,
                confidence="confirmed" if reply and reply.confirmed else "lead",
                comparisons=(),
                wordings=(),
                rectification=_rectification(severity, terms, reply),
                below_materiality=severity.level != "high" and affected.exposure < terms.materiality,
                fact=fact,
                gaps=tuple(rows),
            )
        )
    return findings


def _condition(evidence: Evidence, rules: tuple[str, ...], tally: Counts, outcome: str) -> Condition:
    hits = tally.of(outcome)
    base = tally.concerned if outcome == "unknown" else tally.judged
    branches = _together(evidence.counts("rule", "branch"), rules)
    quarters = _together(evidence.counts("rule", "period"), rules)
    by_branch = sorted(
        (row for row in branches.items() if row[1].concerned.files),
        key=lambda row: (-row[1].of(outcome).files, row[0] or ""),
    )
    first, last = evidence.days(rules, outcome)
    return Condition(
        counts=tally,
        rate=rate(hits.files, base.files) or Decimal(0),
        amount_rate=rate(hits.exposure, base.exposure),
        interval=wilson(hits.files, base.files) if base.files else None,
        bounds=bounds(hits.files, base.files, tally.unknown.files)
        if outcome == "breach" and tally.unknown.files
        else None,
        first=first,
        last=last,
        by_branch=tuple(by_branch),
        by_quarter=tuple(sorted((q, c) for q, c in quarters.items() if q is not None)),
    )


def _together(counts: Mapping[tuple[Any, ...], Counts], rules: tuple[str, ...]) -> dict[Any, Counts]:
    """Counts by (rule, group) summed over some rules, by group."""
    groups: dict[Any, Counts] = {}
    for (rule, group), tally in counts.items():
        if rule in rules:
            groups[group] = groups.get(group, Counts()) + tally
    return groups


def _criteria(evidence: Evidence, pack: Pack, rule: Rule) -> Criteria:
    versions = _versions(evidence, pack, rule)
    ids = dict.fromkeys(v.clause for v in versions) or {rule.clause: None}
    clauses = [pack.clauses[id_] for id_ in ids if id_ in pack.clauses]
    return Criteria(
        rule=rule.id,
        title=rule.title,
        stage=rule.stage,
        impact=rule.impact,
        hard_law=rule.hard_law,
        clauses=tuple(ClauseText(c.id, c.title, c.text) for c in clauses),
        versions=versions,
    )


def _versions(evidence: Evidence, pack: Pack, rule: Rule) -> tuple[VersionInForce, ...]:
    """The versions under which files were judged, oldest first."""
    by_version = evidence.counts("rule", "version")
    counts = {version: c for (id_, version), c in by_version.items() if id_ == rule.id and version}
    found = []
    for version in rule.versions:
        key = version.valid_from.isoformat()
        if key in counts and counts[key].concerned.files:
            source = version.source
            found.append(
                VersionInForce(
                    version=key,
                    document=source["document"],
                    document_title=pack.sources.get(source["document"], {}),
                    article=str(source.get("article") or ""),
                    evidence=source["evidence"],
                    clause=version.clause,
                    counts=counts[key],
                )
            )
    return tuple(found)


def _words(draft: Text, written: str | None, reply: Reply | None, code: str | None = None) -> Words:
    """What people wrote, in whatever language they wrote it, or else the draft."""
    if written and reply:
        return Words({"en": written, "zh": written}, reply.author, code)
    return Words(draft, None, code)


def _rectification(severity: Severity, terms: Terms, reply: Reply | None) -> Rectification:
    due = terms.report_date + timedelta(days=DUE_DAYS[severity.level])
    if reply is None:
        return Rectification(due)
    state = "plan accepted" if reply.accepted and reply.response else "open"
    return Rectification(reply.due or due, reply.owner, reply.accepted, reply.response, state)


def _wordings_of(
    pack: Pack, rule: str, wordings: Mapping[str, tuple[PublishedWording, ...]]
) -> tuple[PublishedWording, ...]:
    """The wordings filed under the longest beginning of the rule's id, of sources that the pack knows.

    Ids of another country's pack may begin alike: what its pack does not cite is not for comparison.
    """
    fitting = [prefix for prefix in wordings if rule.startswith(prefix)]
    found = wordings[max(fitting, key=len)] if fitting else ()
    return tuple(w for w in found if w.source in pack.sources)


def _numbered(finding: Finding, number: int) -> Finding:
    return replace(finding, number=number)


def _in(text: Text, lang: str) -> str:
    """A text in a language, or in whichever it has."""
    return text.get(lang) or next(iter(text.values()))


def fact_label(vocabulary: Vocabulary, fact: str) -> dict[str, str]:
    """The label of a fact in each language: `visits[2].date` is "Site visits 2: date"."""
    name = plain_fact(fact)
    number = fact.partition("[")[2].partition("]")[0]
    space = f" {number}" if number else ""
    if name in vocabulary.facts:
        return dict(vocabulary.facts[name].label)
    head, _, rest = name.partition(".")
    for lists in (vocabulary.lists, vocabulary.reference):
        if head in lists:
            entry = lists[head]
            if not rest:
                return {lang: text + space for lang, text in entry.label.items()}
            if rest in entry.fields:
                labels = entry.fields[rest].label
                return {
                    lang: f"{_in(entry.label, lang)}{space}{'：' if lang == 'zh' else ': '}{labels[lang]}"
                    for lang in labels
                }
    return {"en": fact, "zh": fact}
