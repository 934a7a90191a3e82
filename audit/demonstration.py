"""The whole way on made-up data: a synthetic book, synthetic answers, an engagement, and its report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

from sancha.audit.engagement import EngagementResult, run_engagement
from sancha.engine.book.synthesize import synthesize
from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.vocabulary import load_vocabulary
from sancha.surveys.instrument import load_instrument
from sancha.surveys.synthesize import synthesize_answers

#: People who answered, and people who were asked.
RESPONDENTS, INVITED = 320, 400
#: By which a folder is known to be an earlier demonstration.
ENGAGEMENT = "engagement.yaml"


def demonstrate(
    folder: Path,
    pack: Path,
    *,
    loans: int = 10_000,
    seed: int = 1,
    lang: str = "en",
    step: Callable[[str, int, int], None] | None = None,
) -> EngagementResult:
    """Writes the demonstration into `folder`: `book/`, `answers-synthetic.csv`, `engagement.yaml`, and what the
    engagement gives: `run/`, `questionnaire/`, `lists/`, `findings.json`, `report.html` and `report.pdf`. A folder with
    an earlier demonstration is brought up to date; any other that is not empty is refused.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ENGAGEMENT).is_file():
        raise SanchaError(f"`{folder}` is not empty and holds no demonstration", help="name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    book = synthesize(loans, seed, folder / "book", load_vocabulary(pack / "vocabulary.yaml"))
    with resources.as_file(resources.files("sancha.surveys") / "instrument.yaml") as instrument:
        answers = folder / "answers-synthetic.csv"
        synthesize_answers(
            load_instrument(instrument),
            answers,
            respondents=RESPONDENTS,
            seed=seed,
            lang="zh" if lang == "zh" else "en",
        )
        shutil.copyfile(instrument, folder / "instrument.yaml")
    text = engagement_text(pack.resolve(), book.as_of, lang)
    (folder / ENGAGEMENT).write_text(text, encoding="utf-8")
    return run_engagement(folder / ENGAGEMENT, folder, lang=lang, progress=step)


def engagement_text(pack: Path, as_of: date, lang: str) -> str:
    """The engagement file of the demonstration."""
    return f"""\
# The engagement of the demonstration. The loan files and the answers are synthetic.
engagement: DEMO-{as_of.year}
title: {{en: Small and micro enterprise lending, zh: 小微企业信贷三查执行情况专项审计}}
auditee: {{en: A demonstration bank with a synthetic book, zh: 示范银行（合成数据）}}
report date: {as_of + timedelta(days=90)}
languages: [{lang}]
pack: {pack}
book: book
questionnaire:
  instrument: instrument.yaml
  responses: answers-synthetic.csv
  invited: {INVITED}
distressed: {{fact: loan.grade, values: [substandard, doubtful, loss]}}
"""
