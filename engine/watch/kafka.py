"""Events from a Kafka topic (docs/live.md, "Kafka"): offsets are committed after the store, never before.

A message is read again where the process ends, or loses its partition, between the commit of the store and that of the
offset; the store knows events by their ids, so that it is taken in once.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.watch.events import MOST_BYTES
from sancha.engine.watch.sources import IDLE

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

#: Messages of a batch, at most.
MOST_MESSAGES = 1_000
#: Seconds that a broker has to answer.
PATIENCE = 10.0
#: What the source rests on. A file of settings has no say in it.
_OURS = {
    "enable.auto.commit": "offsets are committed after the store",
    "enable.auto.offset.store": "offsets are committed after the store",
    "enable.partition.eof": "the end of a partition is asked for by the source",
    "bootstrap.servers": "name the brokers on the command line",
    "group.id": "name the group on the command line",
}


@dataclass(frozen=True, slots=True)
class Offset:
    """Where a message stands in a topic."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


def read_settings(path: Path) -> dict[str, str]:
    """Settings of librdkafka from a file of lines `name=value` (security.protocol, sasl.mechanism, ssl.ca.location, …).

    Empty lines and those that begin with `#` are passed over. Raises SanchaError.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SanchaError(f"cannot read the settings of Kafka: {error}", where=path) from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, sign, value = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        where = f"{path}:{number}"
        if not sign:
            raise SanchaError(f"`{name}` has no value", where=where, help="a setting is a line `name=value`")
        if name in _OURS:
            raise SanchaError(f"`{name}` cannot be set here", where=where, help=_OURS[name])
        found[name] = value
    return found


class KafkaSource:
    """The messages of a topic, read by a group from where it stopped, or from the first that the topic holds.

    Iterating gives batches of (place, bytes); an empty one where nothing came for a while. A message without a value
    gives no bytes. `commit` is told the place up to which the store has all. With `to_end` the iteration stops at the
    ends of the partitions, else never. Raises SanchaError where the brokers do not answer at the start, where there is
    no such topic, and for what they do not allow; brokers that are away for a time are waited for.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        *,
        group: str = "sancha",
        settings: Mapping[str, str] | None = None,
        to_end: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            raise SanchaError(
                "the client of Kafka is not installed",
                help="install the extra: pip install 'sancha[kafka]'",
            ) from error
        self._kafka = confluent_kafka
        self.brokers, self.topic, self.group, self.to_end = brokers, topic, group, to_end
        self._tell = tell or _to_stderr
        self._away = True  # Until there is a first answer, the error tells it.
        self._fatal: KafkaError | None = None
        #: What was last told of a connection.
        self._last: KafkaError | None = None
        self._assigned: set[int] = set()
        self._ended: set[int] = set()
        #: What was given and is not committed, in the order in which it was given.
        self._given: deque[Offset] = deque()
        config: dict[str, Any] = {
            "client.id": "sancha",
            "auto.offset.reset": "earliest",
            # 16 MiB wait in memory, not the 64 that would be a week of events.
            "queued.max.messages.kbytes": 16_384,
            **(settings or {}),
            "bootstrap.servers": brokers,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": to_end,
            "error_cb": self._on_error,
            "logger": _log(),
        }
        try:
            self._consumer: Consumer = confluent_kafka.Consumer(config)
        except confluent_kafka.KafkaException as error:
            self._refuse(error, settings or {})
        try:
            self._reach()
            self._consumer.subscribe(
                [topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
        except BaseException:
            self.close()
            raise
        self._away = False

    def __iter__(self) -> Iterator[list[tuple[Offset, bytes]]]:
        while True:
            batch = self._batch()
            if batch or not self.to_end:
                yield batch
            elif self._assigned and self._assigned <= self._ended:
                return

    def commit(self, place: Offset) -> None:
        """Offsets up to a place of a batch are committed, in all partitions."""
        if place not in self._given:
            return  # Its partition went to another member meanwhile, which reads it again.
        next_offsets: dict[int, int] = {}
        for given in self._given:
            next_offsets[given.partition] = given.offset + 1
            if given == place:
                break
        offsets = [self._kafka.TopicPartition(self.topic, n, at) for n, at in next_offsets.items()]
        try:
            results = self._consumer.commit(offsets=offsets, asynchronous=False) or ()
            failed = next((part.error for part in results if part.error), None)
        except self._kafka.KafkaException as error:
            failed = error.args[0]
        if failed is not None:
            # What is not committed is read again, and known by its ids: nothing is lost by going on.
            self._check(failed)
            self._tell(f"Kafka did not take the offsets: {failed.str()}; these events may come again")
        while self._given.popleft() != place:
            pass

    def close(self) -> None:
        """Leaves the group. What was not committed is read again."""
        self._consumer.close()

    # -- messages ---------------------------------------------------------------------------------------------------

    def _batch(self) -> list[tuple[Offset, bytes]]:
        """What is there: waits for the first message alone, lest a lone event wait for company."""
        first = self._consumer.poll(IDLE)
        if self._fatal is not None:
            self._stop(self._fatal)
        if first is None:
            return []
        rest = self._consumer.consume(MOST_MESSAGES - 1, timeout=0)
        batch = []
        for message in (first, *rest):
            found = self._read(message)
            if found is not None:
                batch.append(found)
                self._given.append(found[0])
        return batch

    def _read(self, message: Message) -> tuple[Offset, bytes] | None:
        error = message.error()
        partition = message.partition()
        if error is not None:
            if error.code() == self._kafka.KafkaError._PARTITION_EOF and partition is not None:
                self._ended.add(partition)
            else:
                self._check(error)
            return None
        offset = message.offset()
        assert partition is not None and offset is not None
        self._away = False
        self._ended.discard(partition)
        # Of a message larger than an event may be, enough is given to be refused.
        return Offset(self.topic, partition, offset), (message.value() or b"")[: MOST_BYTES + 1]

    # -- brokers and partitions -------------------------------------------------------------------------------------

    def _reach(self) -> None:
        """SanchaError where no broker answers, or there is no such topic."""
        try:
            metadata = self._consumer.list_topics(self.topic, timeout=PATIENCE)
        except self._kafka.KafkaException as error:
            # Why is told by callbacks, which are called in here.
            for _ in range(10):
                self._consumer.poll(0.01)
            if self._fatal is not None:
                self._stop(self._fatal)
            why = self._last or error.args[0]
            raise SanchaError(
                f"no broker answers at `{self.brokers}`: {why.str()}",
                help="brokers are named as host:port, several by commas; how to connect is told by "
                "--kafka-settings FILE: security.protocol, sasl.mechanism, …",
            ) from error
        refused = metadata.topics[self.topic].error
        if refused is not None:
            self._stop(refused)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = {part.partition for part in partitions}
        self._ended = set()
        try:
            of = len(self._consumer.list_topics(self.topic, timeout=PATIENCE).topics[self.topic].partitions)
            committed = consumer.committed(partitions, timeout=PATIENCE)
            for part in committed:
                low, _ = consumer.get_watermark_offsets(part, timeout=PATIENCE)
                if 0 <= part.offset < low:
                    self._tell(
                        f"Kafka no longer holds {self.topic}[{part.partition}]@{part.offset} to @{low - 1}: "
                        "they were deleted before they were read"
                    )
        except (self._kafka.KafkaException, TypeError):
            return  # A broker that is away is told of elsewhere.
        if len(self._assigned) < of:
            self._tell(
                f"the group `{self.group}` has other members: this one reads {len(self._assigned)} of {of} partitions. "
                "All events of a loan belong into one store"
            )

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {part.partition for part in partitions}
        self._assigned -= gone
        self._given = deque(place for place in self._given if place.partition not in gone)

    def _on_error(self, error: KafkaError) -> None:
        """What the client tells of its connections; it goes on trying by itself."""
        if error.fatal() or error.code() in self._refused():
            self._fatal = error
        if error.code() != self._kafka.KafkaError._ALL_BROKERS_DOWN:
            self._last = error
        elif not self._away:
            self._away = True
            self._tell(f"no broker of Kafka answers at {self.brokers}: waiting for them")

    def _check(self, error: KafkaError) -> None:
        """SanchaError for what no waiting mends."""
        if error.fatal() or error.code() in self._refused() or error.code() in self._no_topic():
            self._stop(error)

    def _refused(self) -> tuple[int, ...]:
        codes = self._kafka.KafkaError
        return (
            codes._AUTHENTICATION,
            codes.TOPIC_AUTHORIZATION_FAILED,
            codes.GROUP_AUTHORIZATION_FAILED,
            codes.CLUSTER_AUTHORIZATION_FAILED,
            codes.SASL_AUTHENTICATION_FAILED,
        )

    def _no_topic(self) -> tuple[int, ...]:
        codes = self._kafka.KafkaError
        return (codes.UNKNOWN_TOPIC_OR_PART, codes._UNKNOWN_TOPIC, codes._UNKNOWN_PARTITION)

    def _stop(self, error: KafkaError) -> NoReturn:
        if error.code() in self._no_topic():
            raise SanchaError(f"Kafka at `{self.brokers}` has no topic `{self.topic}`")
        raise SanchaError(
            f"Kafka at `{self.brokers}` does not let us read `{self.topic}`: {error.str()}",
            help="how to connect is told by --kafka-settings FILE: security.protocol, sasl.mechanism, …"
            if error.code() in self._refused()
            else None,
        )

    def _refuse(self, error: KafkaException, settings: Mapping[str, str]) -> NoReturn:
        """SanchaError for settings that the client does not take."""
        found = error.args[0]
        name = next((n for n in settings if f'"{n}"' in found.str()), None)
        help_ = did_you_mean(name, _SETTINGS) if name else None
        raise SanchaError(f"Kafka's client does not take the settings: {found.str()}", help=help_) from error


#: Settings that a bank's brokers ask for, for help with misspelt ones.
_SETTINGS = (
    "security.protocol",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "sasl.kerberos.service.name",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "session.timeout.ms",
    "max.poll.interval.ms",
    "auto.offset.reset",
    "isolation.level",
)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _log() -> logging.Logger:
    """librdkafka's own log is for those who debug it; what an operator has to know is told by the source."""
    log = logging.getLogger("sancha.kafka")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return log
