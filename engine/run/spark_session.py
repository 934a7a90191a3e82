"""Sessions of Spark: how one is had, what the queries take for granted of it, and what its failures mean."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sancha.engine.diagnostics import SanchaError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: What the text of the queries takes for granted. All may be set in a session that runs.
SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
}

#: Seconds in which the place of a master or a server is to answer. Spark itself would try for many minutes.
_PATIENCE = 10.0
_CONNECT_PORT = 15002


def session(
    *, master: str | None = None, remote: str | None = None, memory: str | None = None
) -> SparkSession:
    """A Spark session: the one that runs, or a new one.

    `master` is a master's URL (`local[2]`, `spark://host:7077`, `yarn`), `remote` that of a Spark Connect server
    (`sc://host:15002`); without either Spark's own configuration decides, as under spark-submit, or this machine.
    `memory` is the driver's (`4g`). SanchaError where pyspark or Java is missing, or the cluster does not answer.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SanchaError(
            "Spark is not installed",
            help="install the extra: pip install 'sancha[spark]'; it needs Java 17 or 21",
        ) from error
    if master and remote:
        raise SanchaError("name a master or a Spark Connect server, not both")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("sancha replay")
    if remote:
        _answers(remote)
        builder = builder.remote(remote)
    else:
        if master and master.startswith("spark://"):
            _answers(master)
        if master or "SPARK_ENV_LOADED" not in os.environ:
            builder = builder.master(master or "local[*]")
        if (master or "local").startswith("local"):
            builder = builder.config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
            builder = builder.config("spark.ui.showConsoleProgress", "false")
            # What fails is told by the error; a cluster's log is a cluster's affair.
            builder = builder.config("spark.log.level", "FATAL")
            # Two hundred partitions, the default, are for a cluster.
            builder = builder.config("spark.sql.shuffle.partitions", "8")
        if memory:
            builder = builder.config("spark.driver.memory", memory)
    try:
        with quiet():
            return builder.getOrCreate()
    except Exception as error:
        raise SanchaError(
            f"no Spark session: {cause(error)}",
            help="Spark needs Java 17 or 21 (JAVA_HOME), and a cluster that answers at the given address",
        ) from error


def _answers(url: str) -> None:
    """SanchaError where nothing listens at any of the hosts of a URL: `sc://host:15002/;…`, `spark://a:7077,b:7077`."""
    scheme, _, rest = url.partition("://")
    for host in rest.split("/")[0].split(","):
        place = urlsplit(f"//{host}")
        try:
            with socket.create_connection((place.hostname or "", place.port or _CONNECT_PORT), _PATIENCE):
                return
        except (OSError, ValueError) as error:
            last = error
    raise SanchaError(
        f"no Spark session: nothing answers at `{url}`: {last}",
        help="a Connect server: sc://host:15002"
        if scheme == "sc"
        else "a standalone master: spark://host:7077",
    ) from last


def place(path: Path) -> str:
    """A path of this machine as Spark writes to it: its letters as they are."""
    return f"file://{path.absolute().as_posix()}"


def pattern(path: Path) -> str:
    """A path of this machine as Spark reads it, where some letters would be a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", place(path))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without pyspark's warnings of versions of pandas, which nothing here uses, and its log of errors, a page each."""
    log = logging.getLogger("SQLQueryContextLogger")
    level = log.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)


@contextlib.contextmanager
def settings(spark: SparkSession) -> Iterator[None]:
    """SETTINGS within the block; the session's own afterwards."""
    before = {name: spark.conf.get(name, None) for name in SETTINGS}
    try:
        for name, value in SETTINGS.items():
            spark.conf.set(name, value)
        with quiet():
            yield
    finally:
        # A session that was lost in the block has no settings.
        with contextlib.suppress(*failures()):
            for name, old in before.items():
                if old is None:
                    spark.conf.unset(name)
                else:
                    spark.conf.set(name, old)


# -- failures ---------------------------------------------------------------------------------------------------------

#: What the text of a failure tells, and what then is to be done.
_ADVICE = [
    (
        "No module named|ModuleNotFoundError|PYTHON_VERSION_MISMATCH|Cannot run program",
        "the workers need this Python with `sancha` and what it depends on: docs/scale.md, Packages",
    ),
    (
        "DATA_SOURCE_NOT_FOUND|FileSystem not found|No FileSystem for scheme|CATALOG_NOT_FOUND|ClassNotFoundException",
        "start Spark with the package that reads it, in a version made for this Spark: "
        "spark-submit --packages …, or spark.jars",
    ),
    (
        "OutOfMemory|Java heap space|GC overhead|exit code 137|ExecutorLost|MEMORY_",
        "give the executors more memory, or the book more partitions: docs/scale.md, Memory",
    ),
    (
        "Mkdirs failed|Permission denied|AccessControl|No space left|Read-only file system|_temporary",
        "the folder of the run must be there for driver and workers under the same path, with room, and be theirs "
        "to write",
    ),
    (
        "FAILED_READ_FILE|CANNOT_READ_FILE|PATH_NOT_FOUND|FileNotFound|is not a Parquet file",
        "the workers must see the book under the same path as the driver; a damaged file must be made again",
    ),
    (
        "UNAVAILABLE|Connection refused|Connection reset|failed to connect|SESSION_|SparkContext was shut down|stopped",
        "Spark went away while it judged: see why it ended, and run again",
    ),
]
_OTHERWISE = (
    "Spark's own log has the rest; on a book that one machine holds, `--engine columns` runs the same plan"
)
#: An exception's class before its message, and what Spark adds that does not help here: the settings are the plan's.
_CLASS = re.compile(r"^(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable)\b:? ?")
_STAGE = re.compile(r"^Job aborted due to stage failure: .*?\): ")
_ASIDE = re.compile(r" (?:Use `try_\w+` to tolerate|If necessary,? set \").*?(?=SQLSTATE|$)")


class Unreadable(SanchaError):
    """A file of a book that Spark could not read."""


def failures() -> tuple[type[Exception], ...]:
    """What Spark raises when it fails: through Java, through Connect, or when it is gone."""
    from pyspark.errors import PySparkException

    found: tuple[type[Exception], ...] = (PySparkException, ConnectionError)
    # A client of Connect alone comes without it.
    with contextlib.suppress(ImportError):
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]

        found += (Py4JError,)
    return found


def cause(error: BaseException) -> str:
    """The line of a failure of Spark, which itself is pages of Java or Python, that says what went wrong."""
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    if "Traceback (most recent call last):" in lines:
        # After the frames, which are indented, stands the exception.
        inner = text[text.rindex("Traceback (most recent call last):") :].splitlines()[1:]
        return next((line.strip() for line in inner if line.strip() and not line.startswith(" ")), lines[-1])
    told = [lines[1][2:] if len(lines) > 1 and lines[1].startswith(": ") else lines[0]]
    told += [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    plain = [_CLASS.sub("", _STAGE.sub("", _CLASS.sub("", line))) for line in told]
    # What Spark has a name for says more than what befell it there.
    named = [line for line in plain if line.startswith("[")]
    return _ASIDE.sub(" ", (named or plain)[-1]).strip().rstrip(".") or lines[0]


def failure(error: BaseException) -> SanchaError:
    """A failure of Spark as an error that says what to do."""
    text = str(error)
    help = next((advice for pattern, advice in _ADVICE if re.search(pattern, text)), _OTHERWISE)
    made = Unreadable if "_READ_FILE" in text else SanchaError
    return made(f"Spark could not judge the book: {cause(error)}", help=f"{help}; nothing was left behind")


@contextlib.contextmanager
def judging(spark: SparkSession) -> Iterator[None]:
    """The block's work on Spark: its failures are SanchaErrors, and when it is left early nothing of it runs on."""
    tag = f"sancha-{uuid.uuid4().hex[:8]}"
    spark.addTag(tag)
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(*failures()):
            spark.interruptTag(tag)
        if isinstance(error, failures()):
            raise failure(error) from error
        raise
    finally:
        with contextlib.suppress(*failures()):
            spark.removeTag(tag)
