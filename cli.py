"""`sancha`: the command line. Thin: every command is one call into a package."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from sancha import __version__
from sancha.engine.diagnostics import SanchaError, did_you_mean, explanation, known_codes

if TYPE_CHECKING:
    from sancha.engine.book.store import Book

app = typer.Typer(
    help="Credit policy as rules: check them, test them, replay loan files against them, audit what is found.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
survey = typer.Typer(help="The staff questionnaire.", no_args_is_help=True)
audit = typer.Typer(help="Internal audit engagements.", no_args_is_help=True)
app.add_typer(survey, name="survey")
app.add_typer(audit, name="audit")
dmn = typer.Typer(
    help="DMN models: run, check, import, export, and the standard's conformance kit.", no_args_is_help=True
)
app.add_typer(dmn, name="dmn")

out = Console()
err = Console(stderr=True)

#: The demonstration pack, beside this file in a checkout and in an installed package alike.
DEMONSTRATION_PACK = Path(__file__).resolve().parent / "rules"
PackOption = Annotated[
    Path, typer.Option("--pack", help="Folder of the policy pack.", show_default="the demonstration pack")
]
#: Exit status after an interruption, as shells have it.
INTERRUPTED = 130


def main() -> None:
    """Runs the command line. Exit status: 0 done, 1 something was found, 2 the input cannot be worked with."""
    try:
        app()
    except SanchaError as error:
        fail(error)
    except KeyboardInterrupt:
        interrupted()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what typer makes of an interruption
            interrupted()
        raise
    except RuntimeError as error:
        if "interrupted" not in str(error).lower():  # what DuckDB makes of an interruption
            raise
        interrupted()
    except OSError as error:
        if error.errno == errno.EPIPE:
            sys.exit(0)
        help = (
            "free some space and run it again; nothing was left half-written"
            if error.errno == errno.ENOSPC
            else None
        )
        fail(SanchaError((error.strerror or str(error)).lower(), where=error.filename, help=help))


def interrupted() -> None:
    err.print("interrupted; nothing was left half-written", highlight=False)
    sys.exit(INTERRUPTED)


def fail(error: SanchaError) -> None:
    err.print(error.render(), markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


def version_wanted(wanted: bool) -> None:
    if wanted:
        out.print(f"sancha {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=version_wanted, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


# -- writing policy -----------------------------------------------------------------------------------------------


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")]) -> None:
    """Copy the demonstration pack, with its scenarios, into FOLDER: a pack to start from.

    Settings for VS Code stand beside it, so that the editor completes and checks while you type.
    """
    from sancha.engine.files import new_folder
    from sancha.engine.policy.json_schema import write_settings
    from sancha.engine.policy.pack import load_pack

    ignore = shutil.ignore_patterns("__pycache__", "*.py")
    with new_folder(folder) as beside:
        shutil.copytree(DEMONSTRATION_PACK, beside, ignore=ignore, dirs_exist_ok=True)
        shutil.copytree(DEMONSTRATION_PACK.parent / "features", beside / "features", ignore=ignore)
        write_settings(beside, other_files(), load_pack(DEMONSTRATION_PACK))
    out.print(
        f"{folder} holds a policy pack. Next: sancha check {folder}; sancha test {folder}", highlight=False
    )


@app.command()
def check(
    pack: Annotated[Path, typer.Argument(help="Folder of the policy pack.")] = DEMONSTRATION_PACK,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Tell rule by rule what durable_rules decides and what its guard computes."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With `--live`: print JSON.")] = False,
) -> None:
    """Check a pack: every defect in one pass, each with its place and a help line."""
    from sancha.engine.policy.lower import lower
    from sancha.engine.policy.pack import load_pack

    if as_json and not live:
        raise SanchaError("`--json` belongs to `--live`")
    loaded = load_pack(pack)
    if live:
        from sancha.engine.run.live import LiveJudge
        from sancha.engine.run.live_text import placement

        found = placement(loaded)
        # The engine takes the rulesets, in a process of its own: that is what the check is about.
        LiveJudge(loaded, rulesets=found.rulesets).close()
        if as_json:
            typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
        else:
            out.print(found.as_table())
        return
    lower(loaded)
    kinds = {
        kind: sum(r.kind == kind for r in loaded.rules.values()) for kind in ("check", "trigger", "portfolio")
    }
    out.print(
        f"{loaded.name} {loaded.version}: {len(loaded.rules)} rules "
        f"({', '.join(f'{n} {kind}' for kind, n in kinds.items())}), {len(loaded.decisions)} decisions and tables, "
        f"{len(loaded.parameters)} parameters, {len(loaded.clauses)} clauses, {len(loaded.waivers)} waivers: no errors",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def test(
    pack: Annotated[Path, typer.Argument(help="Folder of the policy pack.")] = DEMONSTRATION_PACK,
    only: Annotated[str | None, typer.Option("-k", help="Only scenarios whose name holds this.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name each scenario.")] = False,
) -> None:
    """Run the scenarios of a pack."""
    from sancha.features.run import run_scenarios

    raise typer.Exit(run_scenarios(pack, only, verbose))


@app.command()
def fmt(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders.", show_default="the pack as a whole")
    ] = None,
    pack: Annotated[
        Path | None, typer.Option("--pack", help="Folder of the policy pack.", show_default="this folder")
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; name the files that would change, exit with 1.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change, exit with 1.")
    ] = False,
) -> None:
    """Format the YAML files and tables of a pack. What they say stays the same, and every comment stays."""
    from sancha.engine.diagnostics import PackError
    from sancha.engine.policy.format import format_paths

    if not paths and pack is None and not Path("pack.yaml").is_file():
        raise SanchaError(
            "no files are named, and this folder is no policy pack", help="give PATHS or --pack"
        )
    done, defects = format_paths(paths or [pack or Path()])
    changed = [file for file in done if file.changed]
    for file in changed:
        if show:
            typer.echo(file.diff(), nl=False)
        elif check_only:
            typer.echo(f"would format {file.path}")
        else:
            file.write()
            typer.echo(f"formatted {file.path}")
    if defects:
        raise PackError(defects)
    verb = "would change" if show or check_only else "formatted"
    err.print(f"{len(changed)} of {len(done)} files {verb}", highlight=False)
    if changed and (show or check_only):
        raise typer.Exit(1)


@app.command()
def schema(
    folder: Annotated[Path, typer.Option("--out", help="Folder of the schemas.")] = Path("schemas"),
    pack: Annotated[
        Path | None, typer.Option("--pack", help="Offer the clauses, sources, causes and facts of this pack.")
    ] = None,
) -> None:
    """Write a JSON Schema for each kind of YAML file, for editors that complete and check while you type."""
    from sancha.engine.policy.json_schema import write_schemas
    from sancha.engine.policy.pack import load_pack

    for file in write_schemas(folder, other_files(), load_pack(pack) if pack is not None else None):
        typer.echo(str(file))


def other_files() -> dict[str, Any]:
    """The models of YAML files besides those of a pack."""
    from sancha.audit.engagement_file import EngagementFile, RepliesFile
    from sancha.surveys.instrument import Instrument

    return {"engagement": EngagementFile, "responses": RepliesFile, "instrument": Instrument}


@app.command()
def explain(code: Annotated[str, typer.Argument(help="An error code, such as E0201.")]) -> None:
    """Explain an error code."""
    page = explanation(code)
    if page is None:
        help = did_you_mean(code.upper(), known_codes()) or f"codes are {', '.join(known_codes())}"
        raise SanchaError(f"there is no error code `{code}`", help=help)
    out.print(Markdown(page))


@app.command()
def feel(
    expression: Annotated[
        str | None,
        typer.Argument(help="An expression of the policy language.", show_default="a dialogue"),
    ] = None,
    context: Annotated[Path | None, typer.Option("--context", help="JSON file with the facts.")] = None,
    pack: Annotated[
        Path | None, typer.Option("--pack", help="Read the context as a loan file of this pack's vocabulary.")
    ] = None,
    dmn: Annotated[bool, typer.Option("--dmn", help="The full language, as DMN models have it.")] = False,
) -> None:
    """Evaluate one expression: its value, or `unknown` and what is missing. Without one, a dialogue."""
    if dmn and pack is not None:
        raise SanchaError(
            "`--dmn` and `--pack` exclude each other", help="packs are written in the strict language"
        )
    if expression is None or dmn:
        from sancha.engine.run.repl import parted, run
        from sancha.engine.run.session import FullSession, StrictSession

        session = FullSession.of_file(context) if dmn else StrictSession.of_files(pack, context)
        if expression is not None:
            value, warnings = parted(session.answer(expression))
            typer.echo(value)
            if warnings:
                typer.echo(warnings, err=True)
            return
        language = "the full language of DMN" if dmn else "the policy language"
        if not run(session, f"sancha {__version__}, {language}; :help tells more"):
            raise typer.Exit(2)
        return
    from sancha.engine.run.single import evaluate

    answer = evaluate(expression, context, pack)
    if answer.text is not None:
        out.print(answer.text, markup=False, highlight=False, soft_wrap=True)
    else:
        missing = f": missing {', '.join(answer.missing)}" if answer.missing else ""
        out.print(f"unknown{missing}", markup=False, highlight=False, soft_wrap=True)


# -- loan files ---------------------------------------------------------------------------------------------------


@app.command()
def synth(
    folder: Annotated[Path, typer.Option("--out", help="Folder of the book.")],
    loans: Annotated[int, typer.Option(min=200, max=9_000_000, help="Number of loan files.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    as_of: Annotated[
        datetime,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the book.", show_default="2024-12-31"),
    ] = datetime(2024, 12, 31),
) -> None:
    """Make a synthetic book with seeded faults."""
    from sancha.engine.book.synthesize import synthesize
    from sancha.engine.policy.vocabulary import load_vocabulary

    vocabulary = load_vocabulary(DEMONSTRATION_PACK / "vocabulary.yaml")
    with progress("synthetic book", loans) as step:
        book = synthesize(loans, seed, folder, vocabulary, as_of=as_of.date(), progress=step)
    out.print(
        f"{folder}: {book.loans} loan files as of {book.as_of}; seeded faults in faults.json", highlight=False
    )


@app.command("import")
def import_(
    mapping: Annotated[Path, typer.Option("--mapping", help="YAML file that maps columns to facts.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder of the book.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            help="CSV, XLSX, Parquet or DuckDB file, or the folder of the files and datasets that the mapping names; "
            "none for databases alone.",
            show_default=False,
        ),
    ] = None,
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            "--vocabulary",
            help="A vocabulary.yaml.",
            show_default="the mapping's, or the demonstration pack's",
        ),
    ] = None,
) -> None:
    """Import an extract onto a vocabulary. What cannot be read is rejected, counted and kept."""
    from sancha.engine.book.intake import import_extract
    from sancha.engine.book.mapping import mapped_vocabulary
    from sancha.engine.policy.vocabulary import load_vocabulary

    path = vocabulary or mapped_vocabulary(mapping) or DEMONSTRATION_PACK / "vocabulary.yaml"
    with progress("import") as bar:
        result = import_extract(source, mapping, load_vocabulary(path), folder, progress=bar, note=bar.note)
    rules = rules_unknown(path.parent, result.book) if result.absent else None
    out.print(result.text(rules), highlight=False, markup=False, soft_wrap=not out.is_terminal)


def rules_unknown(pack: Path, book: Book) -> dict[str, list[str]] | None:
    """The rules that read a list which the book does not have, by list, where the vocabulary is that of a pack."""
    from sancha.engine.policy.lower import lower
    from sancha.engine.policy.pack import load_pack
    from sancha.engine.run.replay import rules_without_lists

    try:
        return rules_without_lists(lower(load_pack(pack)), book)
    except SanchaError:  # no pack, or one in error, is no matter of an import
        return None


@app.command()
def rejects(
    book: Annotated[Path, typer.Argument(help="Folder of an imported book.", show_default=False)],
    source: Annotated[str | None, typer.Option(help="Only of this source of the mapping.")] = None,
    fact: Annotated[str | None, typer.Option(help="Only of this fact or field.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all of them as CSV.")] = None,
    most: Annotated[int, typer.Option(help="Lines to show.", min=1)] = 20,
) -> None:
    """List what an import could not read: row, column, value and reason."""
    from sancha.engine.book.rejects import list_rejects, write_rejects

    if csv is not None:
        count = write_rejects(book, csv, source=source, fact=fact)
        out.print(f"{csv}: {count:,} rejects", markup=False, highlight=False, soft_wrap=True)
        return
    rows, total = list_rejects(book, source=source, fact=fact, most=most)
    shown = Table(box=None, pad_edge=False)
    for column in rows.column_names:
        shown.add_column(column, overflow="fold")
    for row in rows.to_pylist():
        shown.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    out.print(shown)
    if total > rows.num_rows:
        out.print(f"{rows.num_rows} of {total:,}; --csv FILE writes all", highlight=False)


@app.command()
def replay(
    book: Annotated[
        str,
        typer.Argument(
            help="Folder of the book; of `--engine spark` also a URL, or `table:` and a database."
        ),
    ],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results.", show_default=False)
    ] = None,
    pack: PackOption = DEMONSTRATION_PACK,
    engine: Annotated[str, typer.Option(help="`columns` (DuckDB), `row` or `spark`.")] = "columns",
    hindsight: Annotated[
        bool, typer.Option("--with-hindsight/--as-decided", help="See facts that became known later.")
    ] = False,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the book.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="First read the whole book against its digest.")
    ] = False,
    master: Annotated[
        str | None, typer.Option(help="Of `--engine spark`: a master, such as `spark://host:7077` or `yarn`.")
    ] = None,
    remote: Annotated[
        str | None,
        typer.Option(help="Of `--engine spark`: a Spark Connect server, such as `sc://host:15002`."),
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="One loan file instead, event by event as things became known.")
    ] = False,
    loan: Annotated[str | None, typer.Option("--loan", help="Of `--timeline`: the loan file.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Of `--timeline`: write it as a page, with a picture.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Of `--timeline`: write it as JSON.")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="Of `--timeline`: its language, en or zh.")] = "en",
) -> None:
    """Judge every file of a book by every rule, or tell the timeline of one file."""
    if timeline:
        if loan is None:
            raise SanchaError("`--timeline` is that of one loan file", help="name it: `--loan ID`")
        if folder is not None or engine == "spark" or master or remote:
            wrong = "--out" if folder is not None else "--engine spark"
            raise SanchaError(
                f"`{wrong}` belongs to a replay of the whole book, not to `--timeline`",
                help="`--html FILE` and `--json FILE` write a timeline",
            )
        from sancha.engine.run.timeline_text import tell

        options = {"as_of": as_of and as_of.date(), "hindsight": hindsight, "verify": verify}
        out.print(tell(Path(book), pack, loan, lang, html=html, json_file=json_file, **options))
        return
    for option, given in (("--loan", loan), ("--html", html), ("--json", json_file)):
        if given is not None:
            raise SanchaError(
                f"`{option}` belongs to `--timeline`", help="`sancha decide FILE` judges one loan file"
            )
    if folder is None:
        raise SanchaError("a replay writes its results to a folder", help="name it: `--out FOLDER`")
    if engine == "spark":
        if verify:
            raise SanchaError("`--verify` belongs to the engines `columns` and `row`")
        from sancha.engine.run.spark import replay_on_spark

        found = replay_on_spark(
            book,
            pack,
            folder,
            master=master,
            remote=remote,
            hindsight=hindsight,
            as_of=as_of and as_of.date(),
            progress=True,
        )
        print_run(found.info, folder)
        return
    if master or remote:
        raise SanchaError("`--master` and `--remote` belong to `--engine spark`")
    from sancha.engine.run.replay import replay as run_replay

    day = as_of and as_of.date()
    run = run_replay(
        Path(book), pack, folder, engine=engine, hindsight=hindsight, as_of=day, progress=True, verify=verify
    )
    print_run(run.info, folder)


@app.command()
def impact(
    old: Annotated[Path, typer.Argument(help="Folder of the policy pack as it is.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Folder of the pack as it would be.", show_default=False)],
    book: Annotated[Path, typer.Argument(help="Folder of the book.", show_default=False)],
    folder: Annotated[Path, typer.Option("--out", help="Folder of the comparison.")] = Path("impact"),
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule; may be repeated.")] = None,
    as_if: Annotated[
        str | None,
        typer.Option(
            "--as-if",
            metavar="DAY|last",
            help="Hold what NEW has in force on this day, or after its last change, to have been so always.",
        ),
    ] = None,
    old_as_if: Annotated[
        str | None, typer.Option("--old-as-if", metavar="DAY|last", help="The same for OLD.")
    ] = None,
    old_run: Annotated[
        Path | None, typer.Option("--old-run", help="A run of OLD on this book, which spares one replay.")
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the book.")
    ] = None,
    hindsight: Annotated[bool, typer.Option("--with-hindsight/--as-decided")] = False,
    lang: Annotated[str, typer.Option("--lang", help="Language of the table and the page, en or zh.")] = "en",
) -> None:
    """What a change of policy would do: the same book under two packs, by rule, branch, product and exposure."""
    from sancha.engine.run.impact import impact as run_impact
    from sancha.engine.run.impact_text import in_table

    found = run_impact(
        old,
        new,
        book,
        folder,
        rules=rule,
        as_if=as_if,
        old_as_if=old_as_if,
        as_of=None if as_of is None else as_of.date(),
        hindsight=hindsight,
        old_run=old_run,
        lang=lang,
    )
    out.print(in_table(found, lang), highlight=False)
    out.print(f"{folder}: impact.html, impact.json, changes.parquet, summary.parquet", highlight=False)


@app.command()
def decide(
    file: Annotated[Path, typer.Argument(help="A loan file as JSON.")],
    pack: PackOption = DEMONSTRATION_PACK,
    why: Annotated[bool, typer.Option("--explain", help="Give the reasons in words.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule; may be repeated.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the book.")
    ] = None,
    hindsight: Annotated[bool, typer.Option("--with-hindsight/--as-decided")] = False,
    lang: Annotated[str, typer.Option("--lang", help="Language of titles and reasons.")] = "en",
) -> None:
    """Judge one loan file by all rules of a pack."""
    from sancha.engine.run.single import decide as run_decide

    day = None if as_of is None else as_of.date()
    decided = run_decide(file, pack, rules=rule, as_of=day, hindsight=hindsight, lang=lang)
    if as_json:
        typer.echo(json.dumps(decided.as_json(), ensure_ascii=False, indent=2, default=_plain))
    else:
        out.print(decided.as_table())
        if why:
            out.print(decided.in_words(), markup=False, highlight=False, soft_wrap=True)


# -- events as they arrive ----------------------------------------------------------------------------------------


@app.command()
def watch(
    store: Annotated[Path, typer.Option("--store", help="File that the watcher keeps its state in.")],
    events: Annotated[
        list[str] | None,
        typer.Argument(help="Files of events, JSON lines; `-` is standard input.", show_default="-"),
    ] = None,
    pack: PackOption = DEMONSTRATION_PACK,
    alerts: Annotated[
        Path | None,
        typer.Option("--alerts", help="File of alerts, JSON lines.", show_default="standard output"),
    ] = None,
    engine: Annotated[str, typer.Option(help="`row`, or `live` (durable_rules beside it).")] = "row",
    workers: Annotated[int, typer.Option(min=1, help="Processes of `--engine live`.")] = 1,
    tick: Annotated[
        str, typer.Option(help="When time is looked at: daily, weekly, monthly, or none: by events `tick`.")
    ] = "daily",
    book: Annotated[Path | None, typer.Option("--book", help="First take in the files of this book.")] = None,
    files: Annotated[
        int, typer.Option(min=1, help="Files that are kept in memory, some 40 kB each.")
    ] = 4_000,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more at the end of the last file.")
    ] = False,
    kafka: Annotated[str | None, typer.Option("--kafka", help="Brokers of Kafka, host:port.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Of `--kafka`: the topic.")] = None,
    group: Annotated[str, typer.Option("--group", help="Of `--kafka`: the consumer group.")] = "sancha",
    kafka_settings: Annotated[
        Path | None, typer.Option("--kafka-settings", help="Of `--kafka`: lines name=value of librdkafka.")
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="List what could not be used, and end.")
    ] = False,
    lang: Annotated[str, typer.Option("--lang", help="Language of titles and explanations.")] = "en",
) -> None:
    """Judge loan files as events arrive, and raise alerts. Ends with its input, at Ctrl-C or SIGTERM."""
    if dead_letters:
        from sancha.engine.watch.letters import letters_table

        out.print(letters_table(store))
        return
    if (kafka is None) != (topic is None):
        raise SanchaError("`--kafka` and `--topic` belong together")
    from sancha.engine.watch.session import sources_of
    from sancha.engine.watch.session import watch as run_watch

    done = run_watch(
        pack,
        store,
        sources_of(
            events or [],
            book=book,
            follow=follow,
            kafka=kafka,
            topic=topic,
            group=group,
            settings=kafka_settings,
            tell=tell,
        ),
        stream=sys.stdout.buffer,
        today=date.today,
        alerts=alerts,
        engine=engine,
        workers=workers,
        tick=tick,
        lang=lang,
        files=files,
        tell=tell,
    )
    tell(done.text())


def tell(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command("events")
def events_(
    book: Annotated[Path, typer.Argument(help="Folder of the book.", show_default=False)],
    file: Annotated[Path, typer.Option("--out", help="File of events to write, JSON lines.")],
    pack: PackOption = DEMONSTRATION_PACK,
) -> None:
    """Write a book as the events by which its files became known, in the order of their times."""
    from sancha.engine.policy.pack import load_pack
    from sancha.engine.watch.book_events import write_events

    with progress("events") as bar:
        count = write_events(book, load_pack(pack).vocabulary, file, step=bar)
    out.print(f"{file}: {count:,} events", markup=False, highlight=False, soft_wrap=True)


# -- questionnaire and audit --------------------------------------------------------------------------------------


@survey.command()
def tabulate(
    instrument: Annotated[Path, typer.Argument(help="The instrument, a YAML file.")],
    responses: Annotated[Path, typer.Argument(help="Responses, CSV or XLSX.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder of the tables.")],
    run: Annotated[Path | None, typer.Option("--run", help="A replay to compare the answers with.")] = None,
    invited: Annotated[
        int | None, typer.Option("--invited", min=1, help="People asked, for the response rate.")
    ] = None,
    lang: Annotated[str, typer.Option("--lang")] = "en",
) -> None:
    """Tabulate responses; with --run, set them beside what the loan files show."""
    from sancha.surveys.tabulate import tabulate as run_tabulate

    run_tabulate(instrument, responses, folder, run=run, invited=invited, lang=lang)
    out.print(f"{folder} holds the tables: report.html, tables.xlsx, tabulation.json", highlight=False)


@audit.command("run")
def audit_run(
    engagement: Annotated[Path, typer.Argument(help="The engagement, a YAML file.")],
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the results.", show_default="beside the engagement"),
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", help="en or zh.", show_default="the engagement's")
    ] = None,
) -> None:
    """Do an engagement: replay, questionnaire, findings, and the report as HTML, PDF, XLSX and CSV."""
    from sancha.audit.engagement import run_engagement

    with progress("engagement") as bar:
        result = run_engagement(
            engagement, folder or engagement.with_suffix(""), lang=lang, progress=bar.step
        )
    print_findings(result)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder of the demonstration.")] = Path("demo"),
    loans: Annotated[int, typer.Option(min=200, help="Number of loan files.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same book.")] = 1,
    lang: Annotated[str, typer.Option("--lang", help="en or zh.")] = "en",
) -> None:
    """The whole way on a synthetic book: book, questionnaire, replay, findings, HTML and PDF."""
    from sancha.audit.demonstration import demonstrate

    with progress("demonstration") as bar:
        result = demonstrate(folder, DEMONSTRATION_PACK, loans=loans, seed=seed, lang=lang, step=bar.step)
    print_findings(result)
    print_recall(folder / "book", result.run)
    for name in ("book", "answers-synthetic.csv", "run", "questionnaire"):
        out.print(f"  {folder / name}", highlight=False, soft_wrap=True)


# -- printing -----------------------------------------------------------------------------------------------------


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A table of the pack.", show_default=False)],
    file: Annotated[Path, typer.Option("--out", help="The workbook to write (XLSX).", show_default=False)],
    pack: PackOption = DEMONSTRATION_PACK,
    on: Annotated[
        datetime | None,
        typer.Option("--on", formats=["%Y-%m-%d"], help="The version of this day.", show_default="the last"),
    ] = None,
) -> None:
    """Write a decision table as a workbook, to edit in Excel: a pack reads it with `rows: FILE.xlsx`."""
    from sancha.engine.policy.pack import load_pack
    from sancha.engine.policy.spreadsheet import export_table

    export_table(load_pack(pack), name, file, on.date() if on else None)
    out.print(f"{file} holds the table {name}", markup=False, highlight=False, soft_wrap=True)


# -- DMN models ---------------------------------------------------------------------------------------------------

ModelArgument = Annotated[Path, typer.Argument(help="A DMN model (XML).", show_default=False)]


@dmn.command("run")
def dmn_run(
    model: ModelArgument,
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="JSON object with the inputs by name; `-` reads standard input."),
    ] = None,
    decision: Annotated[
        list[str] | None, typer.Option("--decision", help="Only this decision; may be repeated.")
    ] = None,
) -> None:
    """Evaluate the decisions of a DMN model: values as JSON, warnings on standard error."""
    from sancha.engine.dmn.run import evaluate_file, json_text, to_json

    loaded, found = evaluate_file(model, inputs, decision)
    sys.stdout.write(json_text({name: to_json(value) for name, value in found.values.items()}) + "\n")
    texts = [f"{d.place or model}: {d.message}" for d in loaded.defects]
    texts += [f"{loaded.place_of(w) or w.place or model}: {w.message}" for w in found.warnings]
    for text, times in Counter(texts).items():
        again = f" ({times} times)" if times > 1 else ""
        err.print(f"warning: {text}{again}", markup=False, highlight=False, soft_wrap=True)


@dmn.command("check")
def dmn_check(model: ModelArgument) -> None:
    """Check a DMN model without running it: every defect with its line in the XML."""
    from sancha.engine.diagnostics import PackError
    from sancha.engine.dmn.check import check_model
    from sancha.engine.dmn.run import load

    if defects := check_model(model):
        raise PackError(defects)
    loaded = load(model)
    out.print(
        f"{loaded.definitions.name}: {len(loaded.decisions)} decisions, {len(loaded.inputs)} inputs: no errors",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@dmn.command("import")
def dmn_import(
    model: ModelArgument,
    folder: Annotated[Path, typer.Option("--out", help="Folder of the pack to write; must not exist yet.")],
) -> None:
    """Carry the tables and decisions of a DMN model over into a policy pack, and tell what could not be."""
    from sancha.engine.dmn.import_model import import_model

    sys.stdout.write(import_model(model, folder).text() + "\n")


@dmn.command("export")
def dmn_export(
    pack: Annotated[Path, typer.Argument(help="Folder of the policy pack.")] = DEMONSTRATION_PACK,
    target: Annotated[str, typer.Option("--target", help="dmn15 or camunda8.")] = "dmn15",
    file: Annotated[
        Path, typer.Option("--out", help="The model to write; its losses stand beside it.")
    ] = Path("model.dmn"),
    on: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Only what is in force on this day.")
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="The conditions of checks as decisions too.")
    ] = False,
) -> None:
    """Write the tables, parameters and decisions of a pack as a DMN model with a diagram, and a loss report."""
    from sancha.engine.dmn.export import export_pack

    report = export_pack(pack, target, file, on=on.date() if on else None, rules=rules)
    sys.stdout.write(report.text() + "\n")


@dmn.command("tck")
def dmn_tck(
    folder: Annotated[Path, typer.Argument(help="A folder tree of the DMN TCK.", show_default=False)],
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write a line for each case, as vendors submit them.")
    ] = None,
) -> None:
    """Run the standard's conformance kit. Exit status 1 if a case fails."""
    from sancha.engine.dmn.tck import run_tck

    report = run_tck(folder, csv)
    sys.stdout.write(report.text() + "\n")
    if report.failures:
        raise typer.Exit(1)


def print_run(info: Mapping[str, Any], folder: Path) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("outcome")
    table.add_column("rules × files", justify="right")
    for outcome, count in info["outcomes"].items():
        table.add_row(outcome, f"{count:,}")
    out.print(table)
    out.print(
        f"{info['files']:,} files × {info['rules']} rules in {info['seconds']:.1f} s: {folder}",
        highlight=False,
    )


def print_findings(result: Any) -> None:
    out.print(result.summary(), highlight=False, markup=False, soft_wrap=True)


def print_recall(book: Path, run: Path) -> None:
    """How many of the seeded faults the rules meant to find them have found."""
    from sancha.audit.recall import recall

    found = recall(book, run)
    out.print(
        f"seeded faults found: {sum(f.found == f.seeded for f in found)} of {len(found)} "
        f"({sum(f.found for f in found)} of {sum(f.seeded for f in found)} loan files); "
        f"breaches of those rules on files without a fault: {sum(f.others for f in found)}",
        highlight=False,
        soft_wrap=True,
    )


class progress:
    """A progress bar; silent where nobody looks."""

    def __init__(self, label: str, total: int | None = None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.label, self.total = label, total
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=err,
            disable=not err.is_terminal,
            transient=True,
        )

    def __enter__(self) -> progress:
        self.bar.start()
        self.task = self.bar.add_task(self.label, total=self.total, note="")
        return self

    def __call__(self, done: int, total: int | None = None) -> None:
        """So many of so many are done."""
        self.bar.update(self.task, completed=done, total=total or self.total)

    def note(self, text: str) -> None:
        """What is being done, told behind the bar."""
        self.bar.update(self.task, note=text)

    def step(self, name: str, number: int, total: int) -> None:
        """The step `name` begins, the `number`th of `total`."""
        self.bar.update(self.task, description=name, completed=number, total=total)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


if __name__ == "__main__":
    main()
