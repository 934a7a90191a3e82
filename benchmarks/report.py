"""How long the HTML report takes to open with 50,000 exceptions: from the start of navigation to its table.

    python benchmarks/report.py [--exceptions N] [--times N] [--run RUN --book BOOK --pack PACK]

Without --run it draws a run of 10,000 files by every rule of the demonstration pack. Prints the size of the
file, the time to write it, and the median, lowest and highest time to open it in headless Chromium.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from sancha.audit.evidence import Evidence, Scope
from sancha.audit.findings import Terms, derive_findings
from sancha.audit.opinion import form_opinion
from sancha.audit.report import Report, write_html
from sancha.engine.policy.pack import load_pack

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = "/usr/bin/chromium"
#: The time since the start of navigation at the first frame after the table has rows.
PAINTED = """() => new Promise((done) => {
  const look = () => document.querySelector('#table tbody tr.row')
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(look, 1);
  look();
})"""


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        page = write(options, Path(folder))
        times = [open_once(page, options.chromium) for _ in range(options.times)]
    middle = statistics.median(times)
    print(f"opened {len(times)} times: median {middle:.0f} ms, {min(times):.0f} to {max(times):.0f} ms")
    if middle >= 2_000:
        sys.exit("slower than 2 s")


def write(options: argparse.Namespace, folder: Path) -> Path:
    pack = load_pack(options.pack)
    if options.run:
        book, run = options.book, options.run
    else:
        sys.path.insert(0, str(ROOT / "tests"))
        from fixtures.audit_run import make_run

        book, run = make_run(folder, pack, loans=10_000, exceptions=options.exceptions)
    portfolio = [r.id for r in pack.rules.values() if r.kind == "portfolio"]
    evidence = Evidence(run, book, Scope(), branch=pack.branch, product=pack.product, portfolio=portfolio)
    terms = Terms(date(2025, 1, 20))
    findings = derive_findings(evidence, pack, terms)
    report = Report(
        title={"en": "Benchmark"},
        auditee={"en": "A made-up bank"},
        reference="B",
        authors=(),
        report_date=terms.report_date,
        statement={},
        pack=pack,
        evidence=evidence,
        terms=terms,
        findings=findings,
        opinion=form_opinion(evidence, pack, findings),
    )
    started = time.perf_counter()
    page = folder / "report.html"
    write_html(report, "en", page)
    size = page.stat().st_size / 1e6
    print(f"{evidence.exception_count():,} exceptions, {len(findings)} findings: {size:.1f} MB", end="")
    print(f", written in {time.perf_counter() - started:.1f} s")
    return page


def open_once(page: Path, chromium: str) -> float:
    """Milliseconds from the start of navigation to the first frame with the table; a browser each time."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=flags)
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.as_uri(), wait_until="commit")
        took = float(tab.evaluate(PAINTED))
        browser.close()
    return took


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--exceptions", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--pack", type=Path, default=ROOT / "rules")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--book", type=Path)
    parser.add_argument("--chromium", default=CHROMIUM)
    options = parser.parse_args()
    if bool(options.run) != bool(options.book):
        parser.error("--run and --book go together")
    return options


if __name__ == "__main__":
    main()
