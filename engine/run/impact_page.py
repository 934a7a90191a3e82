"""The page of an impact: one HTML file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from sancha.engine.page import environment, page_css
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.impact_model import Impact, SeenFact
from sancha.engine.run.impact_text import Words, fact_label, files_line

#: Rules told of in detail, and branches or products listed; the Parquet files have all.
MOST_RULES = 200
MOST_ROWS = 40
MOST_ROWS_OF_A_RULE = 12
COLUMNS = ("breached", "relieved", "passed", "unknown", "applicable", "not_applicable", "other")


def write_page(found: Impact, lang: str, path: Path) -> None:
    """Write the comparison as one HTML file in a language, `en` or `zh`."""
    words = Words(lang, found.new.currency)
    templates = environment("sancha.engine.run")

    def label(fact: SeenFact) -> str:
        pack = found.new if fact.read[1] else found.old
        return fact_label(pack, fact.name, words)

    html = templates.get_template("impact.html.j2").render(
        w=words,
        lang="zh-CN" if lang == "zh" else "en",
        i=found,
        css=Markup(page_css() + _asset("impact.css")),
        columns=COLUMNS,
        outcomes=list(Outcome),
        rules=found.changed_rules[:MOST_RULES],
        further_rules=max(len(found.changed_rules) - MOST_RULES, 0),
        still=[rule for rule in found.rules if not rule.moves.changed.files],
        deciding=[d for d in found.differences if d.decides],
        wording=[d for d in found.differences if not d.decides],
        files_line=files_line(found, words),
        label=label,
        count=_counted(words),
        most=MOST_ROWS,
        most_of_rule=MOST_ROWS_OF_A_RULE,
    )
    path.write_text(html, encoding="utf-8")


def _counted(words: Words):  # type: ignore[no-untyped-def]
    def count(outcomes: Mapping[str, int]) -> str:
        shown = [f"{words.number(n)} {words(f'outcome.{name}')}" for name, n in sorted(outcomes.items())]
        return ("、" if words.lang == "zh" else ", ").join(shown) or words("none")

    return count


def _asset(name: str) -> str:
    return resources.files("sancha.engine.run").joinpath("templates", name).read_text(encoding="utf-8")
