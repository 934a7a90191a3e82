"""An engagement: a YAML file that says what is audited, and the one function that does it all.

pack, book, questionnaire -> replay -> findings -> report and lists, written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sancha.audit.engagement_file import Engagement, load_engagement, load_replies, unknown_rules
from sancha.audit.evidence import Evidence, Scope
from sancha.audit.exceptions import label, sentences
from sancha.audit.findings import Finding, Reply, Terms, derive_findings
from sancha.audit.lists import ExceptionList, write_list
from sancha.audit.opinion import Opinion, form_opinion
from sancha.audit.prose import headline
from sancha.audit.report import LISTED, Report, standing_line, write_html, write_pdf
from sancha.audit.texts import LANGUAGES, Texts, all_texts
from sancha.audit.triangulation import Questionnaire, published_wordings, questionnaire
from sancha.engine.diagnostics import PackError, SanchaError, did_you_mean
from sancha.engine.policy.pack import Pack, load_pack

#: The file by which a folder is known to hold the output of an engagement.
MANIFEST = "engagement.json"
#: What an engagement leaves in its folder; languages beside the first have folders of their own.
_PRODUCTS = ("report.html", "report.pdf", "lists", "findings.json", "run", "questionnaire", MANIFEST)
#: Facts with a column of their own in a list; more stand together in one.
FACT_COLUMNS = 24
#: Findings that the summary names.
SUMMARY = 10
_MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class EngagementResult:
    """What an engagement left: `reports` are the HTML and PDF files, the main language first."""

    out: Path
    run: Path
    findings: tuple[Finding, ...]
    opinion: Opinion
    reports: tuple[Path, ...]
    lists: tuple[Path, ...]
    text: str

    def summary(self) -> str:
        """What was found and where it lies, in the main language of the report."""
        return self.text


def run_engagement(
    engagement: Path,
    out: Path,
    *,
    lang: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> EngagementResult:
    """Do an engagement and write all of it into the folder `out`, or nothing.

    Replays the book (or takes the engagement's `run`), tabulates the questionnaire, derives the findings,
    and writes `report.html`, `report.pdf`, `lists/`, `findings.json`, `run/` and `questionnaire/`; a second
    language has its own folder. `lang` overrides the engagement's languages. `progress` is told each step by
    name, its number and how many there are. The output of an earlier engagement in `out` is replaced, other
    files there stay. Raises SanchaError, or PackError with the places in the files at fault.
    """
    plan = load_engagement(engagement)
    languages: Sequence[str] = (lang,) if lang else tuple(dict.fromkeys(plan.file.languages))
    for one in languages:
        Texts(one)
    _refuse_foreign(out, languages)
    pack = load_pack(plan.at(plan.file.pack))
    if defects := list(unknown_rules(plan, pack)):
        raise PackError(defects)
    replies = load_replies(plan)
    steps = _Steps(progress, 4 + 3 * len(languages))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            result = _work(plan, pack, replies, languages, staged, out, steps)
            _put(staged, out)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        help = "make room, and run the engagement again" if error.errno == errno.ENOSPC else None
        raise SanchaError(
            f"the engagement could not be written: {error.strerror or error}",
            where=error.filename,
            help=help,
        ) from error
    return result


def _work(
    plan: Engagement,
    pack: Pack,
    replies: Sequence[Reply],
    languages: Sequence[str],
    staged: Path,
    out: Path,
    steps: _Steps,
) -> EngagementResult:
    file = plan.file
    steps("replay")
    run, run_shown = _run(plan, pack, staged, out, steps.wanted)
    evidence = Evidence(
        run,
        plan.at(file.book),
        Scope(
            branches=file.scope.branches,
            products=file.scope.products,
            stages=file.scope.stages,
            rules=file.scope.rules,
            first=file.period.from_,
            last=file.period.until,
        ),
        branch=pack.branch,
        product=pack.product,
        portfolio=[r.id for r in pack.rules.values() if r.kind == "portfolio"],
        seed=file.seed,
    )
    steps("questionnaire")
    answers = _questionnaire(plan, run, staged, languages[0], evidence)
    steps("findings")
    terms = Terms(
        report_date=file.report_date,
        exception_tolerance=file.tolerance.exceptions,
        unknown_tolerance=file.tolerance.unknown,
        materiality=file.materiality,
        repeat=frozenset(file.repeat_findings),
        override=frozenset(file.management_override),
        distressed_fact=file.distressed.fact if file.distressed else None,
        distressed_values=file.distressed.values if file.distressed else (),
    )
    texts = all_texts()
    findings = derive_findings(
        evidence,
        pack,
        terms,
        comparisons=answers.by_rule if answers else None,
        replies=replies,
        wordings=published_wordings(),
        data_gap_words=(texts["gap.title"], texts["gap.cause"], texts["gap.recommendation"]),
    )
    if unmatched := sorted({r.finding for r in replies} - {f.id for f in findings}):
        raise SanchaError(
            f"a response speaks of `{unmatched[0]}`, which is no finding of this engagement",
            where=plan.at(file.responses) if file.responses else None,
            help=did_you_mean(unmatched[0], [f.id for f in findings]),
            code="E0801",
        )
    opinion = form_opinion(evidence, pack, findings)
    report = Report(
        title=file.title.of(),
        auditee=file.auditee.of(),
        reference=file.engagement,
        authors=file.authors,
        report_date=file.report_date,
        statement=file.statement.of(),
        pack=pack,
        evidence=evidence,
        terms=terms,
        findings=findings,
        opinion=opinion,
        questionnaire=answers,
    )
    reports: list[Path] = []
    lists: list[Path] = []
    for i, one in enumerate(languages):
        folder = staged if i == 0 else staged / one
        (folder / "lists").mkdir(parents=True)
        steps(f"lists ({one})")
        by_finding, everything = _lists(report, one, folder / "lists")
        told = dataclasses.replace(report, lists=by_finding, all_list=everything)
        steps(f"HTML ({one})")
        write_html(told, one, folder / "report.html")
        steps(f"PDF ({one})")
        write_pdf(told, one, folder / "report.pdf")
        reports += [folder / "report.html", folder / "report.pdf"]
        lists += sorted((folder / "lists").iterdir())
    steps("digests")
    _write_json(staged / "findings.json", _findings_json(report))
    _write_json(staged / MANIFEST, _manifest(report, staged))
    final = {p: out / p.relative_to(staged) for p in (*reports, *lists)}
    return EngagementResult(
        out=out,
        run=run_shown,
        findings=findings,
        opinion=opinion,
        reports=tuple(final[p] for p in reports),
        lists=tuple(final[p] for p in lists),
        text=_summary(report, languages[0], out, [final[p] for p in reports], len(findings) + 1),
    )


@dataclass
class _Steps:
    """Tells what is being done."""

    tell: Callable[[str, int, int], None] | None
    total: int
    done: int = 0

    @property
    def wanted(self) -> bool:
        return self.tell is not None

    def __call__(self, name: str) -> None:
        self.done += 1
        if self.tell is not None:
            self.tell(name, self.done, self.total)


# The run and the questionnaire


def _run(plan: Engagement, pack: Pack, staged: Path, out: Path, progress: bool) -> tuple[Path, Path]:
    """The run to read now, and where it lies when all is done."""
    if plan.file.run is None:
        from sancha.engine.run.replay import replay

        made = replay(
            plan.at(plan.file.book),
            plan.at(plan.file.pack),
            staged / "run",
            engine=plan.file.engine,
            hindsight=plan.file.hindsight,
            progress=progress,
        )
        return made.path, out / "run"
    run = plan.at(plan.file.run)
    try:
        info = json.loads((run / "run.json").read_text(encoding="utf-8"))
        book = json.loads((plan.at(plan.file.book) / "book.json").read_text(encoding="utf-8"))
        digests = {
            "pack": (info["pack"]["digest"], pack.digest),
            "book": (info["book"]["digest"], book["digest"]),
        }
        hindsight = bool(info["hindsight"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SanchaError(f"the run cannot be read: {error}", where=run, code="E0802") from error
    for what, (of_run, of_input) in digests.items():
        if of_run != of_input:
            raise SanchaError(
                f"the run was made with another {what}: {of_run}, and the {what} given is {of_input}",
                where=plan.document.place(("run",)),
                help="replay the book again, or leave `run` out",
                code="E0802",
            )
    if hindsight != plan.file.hindsight:
        raise SanchaError(
            f"the run was made {'with' if hindsight else 'without'} hindsight, the engagement asks otherwise",
            where=plan.document.place(("run",)),
            code="E0802",
        )
    return run, run


def _questionnaire(
    plan: Engagement, run: Path, staged: Path, lang: str, evidence: Evidence
) -> Questionnaire | None:
    if plan.file.questionnaire is None:
        return None
    from sancha.surveys.tabulate import tabulate

    asked = plan.file.questionnaire
    tabulation = tabulate(
        plan.at(asked.instrument),
        plan.at(asked.responses),
        staged / "questionnaire",
        run=run,
        invited=asked.invited,
        lang=lang,
    )
    return questionnaire(tabulation, evidence)


# Writing


def _lists(report: Report, lang: str, folder: Path) -> tuple[Mapping[str, ExceptionList], ExceptionList]:
    t = Texts(lang, report.pack.currency)
    pack, evidence = report.pack, report.evidence
    about = _about(report, t)
    titles = {i: t.said(pack.rules[i].title) for i in report.rules_run}

    def write(
        name: str, title: str, rules: Sequence[str] | None, outcomes: Sequence[str], order: Sequence[str]
    ) -> ExceptionList:
        # Facts of the file have columns of their own where all rows are of one rule.
        facts = evidence.fact_names(rules, outcomes) if rules and len(rules) == 1 else []
        apart = [f for f in facts if "[" not in f][:FACT_COLUMNS]
        return write_list(
            folder,
            name,
            title,
            evidence.exception_batches(rules=rules, outcomes=outcomes, order=order),
            t,
            about=about,
            apart=apart,
            fact_labels={f: t.said(label(pack, f)) for f in apart},
            titles=titles,
            made_on=report.report_date,
            says=lambda batch: sentences(t, pack, evidence, batch),
        )

    by_finding = {}
    for f in report.findings:
        name = f"{f.code}_" + (f.id if f.kind != "data" else re.sub(r"\W+", "-", f.id))
        by_finding[f.id] = write(name, f"{f.code} {t.said(f.title)}", f.rules, (f.outcome,), f.rules)
    order = [rule for f in report.findings if f.kind != "data" for rule in f.rules]
    return by_finding, write("exceptions", t("all_exceptions"), None, LISTED, order)


def _about(report: Report, t: Texts) -> list[tuple[str, str]]:
    info = report.evidence.info
    return [
        (t("report"), f"{report.reference} {t.said(report.title)}"),
        (t("auditee"), t.said(report.auditee)),
        (t("report_date"), report.report_date.isoformat()),
        (t("pack"), f"{report.pack.name} {report.pack.version} {info['pack']['digest']}"),
        (t("book"), f"{info['book']['digest']} ({report.evidence.as_of.isoformat()})"),
        (t("provenance"), standing_line(report, t)),
        (t("sample"), t("method.sample", seed=report.evidence.seed)),
        (t("note"), t("limit.lead")),
        ("", t.said(report.pack.notice)),
    ]


def _findings_json(report: Report) -> dict[str, Any]:
    """The findings for machines: every number of the report, decimals as text."""
    return {
        "format": 1,
        "engagement": report.reference,
        "report_date": report.report_date.isoformat(),
        "opinion": _plain(report.opinion),
        "findings": [{"code": f.code, **_plain(f)} for f in report.findings],
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        return f"{value:f}" if value == value.to_integral() else f"{value.quantize(_MILLIONTH).normalize():f}"
    return value.isoformat() if isinstance(value, date) else value


def _manifest(report: Report, folder: Path) -> dict[str, Any]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        "format": 1,
        "engagement": report.reference,
        "pack": report.evidence.info["pack"],
        "book": report.evidence.info["book"]["digest"],
        "seed": report.evidence.seed,
        "files": {
            p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
        },
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _refuse_foreign(out: Path, languages: Sequence[str]) -> None:
    """What an engagement left may be replaced; what bears the same names by chance may not."""
    if out.exists() and not out.is_dir():
        raise SanchaError(f"`{out}` is a file", help="name a folder to write to", code="E0801")
    if (out / MANIFEST).is_file():
        return
    for name in (*_PRODUCTS, *languages[1:]):
        if (out / name).exists():
            raise SanchaError(
                f"`{out}` holds `{name}`, which no engagement left there",
                help="name another folder: only the output of an engagement is replaced",
                code="E0801",
            )


def _put(staged: Path, out: Path) -> None:
    """Give what was made its place in `out`. What stood there goes last, and comes back if that fails."""
    out.mkdir(exist_ok=True)
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    moved: list[Path] = []
    try:
        for name in (*_PRODUCTS, *LANGUAGES):
            if (out / name).exists() and ((staged / name).exists() or (out / MANIFEST).exists()):
                (out / name).rename(old / name)
        for made in sorted(staged.iterdir()):
            made.rename(out / made.name)
            moved.append(out / made.name)
    except BaseException:
        for path in moved:
            path.rename(staged / path.name)
        for path in old.iterdir():
            path.rename(out / path.name)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _summary(report: Report, lang: str, out: Path, reports: Sequence[Path], lists: int) -> str:
    """What was found and where it lies, for a terminal."""
    t = Texts(lang, report.pack.currency)
    levels = dict(report.opinion.levels)
    lines = [
        f"{t('conclusion')}: {t('conclusion.' + report.opinion.grade)}",
        f"{t('findings')}: {len(report.findings)} ({t('key.levels', **levels)})",
    ]
    for f in report.findings[:SUMMARY]:
        lines.append(f"  {f.code} {t('severity.' + f.severity.level):8}{headline(t, f)}")
    if len(report.findings) > SUMMARY:
        lines.append(f"  … +{len(report.findings) - SUMMARY}")
    lines.append(standing_line(report, t))
    lines += [str(path) for path in reports]
    lines.append(f"{out / 'lists'} ({lists})")
    return "\n".join(lines)
