from hashlib import sha256

import pytest

from rialto.adapters.kafka import KafkaEvents
from rialto.errors import BadInput, BadRow, EngineBusy, EngineLost
from rialto.testing.events import EventLogExam, event

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("kafka")]


def _topic(folder):
    return "t" + sha256(str(folder).encode()).hexdigest()[:20]


class TestKafkaEvents(EventLogExam):
    examples = 15

    @pytest.fixture(autouse=True)
    def _address(self, kafka_address):
        self.address = kafka_address

    def open(self, folder):
        return KafkaEvents(self.address, _topic(folder))


def test_a_url_names_brokers_and_topic(kafka_address, tmp_path):
    log = KafkaEvents.open(f"kafka://{kafka_address}/{_topic(tmp_path)}")
    assert log.append([event(0)]).tolist() == [0]
    log.close()


@pytest.mark.parametrize("url", ["kafka://", "kafka://host:9092", "kafka://host:9092/a/b", "redis://host:1/a"])
def test_a_url_of_another_form_is_refused(url):
    with pytest.raises(BadInput, match="wanted kafka://host:port/topic"):
        KafkaEvents.open(url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(BadInput) as caught:
        KafkaEvents.open("kafka://ann:secret@host:9092/orders")
    assert "secret" not in str(caught.value)


def test_a_broker_that_is_not_there_is_busy_and_named():
    with pytest.raises(EngineBusy, match=r"127\.0\.0\.1:1, topic 'orders'.*see that one runs there"):
        KafkaEvents("127.0.0.1:1", "orders", timeout_s=0.5)


def test_settings_without_sense_are_refused():
    for brokers, topic, timeout_s in [("", "t", 1.0), ("h:1", "", 1.0), ("h:1", "t", 0.0), ("h:1", "t", float("nan"))]:
        with pytest.raises(BadInput, match="wanted host:port"):
            KafkaEvents(brokers, topic, timeout_s=timeout_s)


def test_a_topic_of_several_partitions_is_refused(kafka_address, tmp_path):
    from confluent_kafka.admin import AdminClient, NewTopic

    topic = _topic(tmp_path)
    admin = AdminClient({"bootstrap.servers": kafka_address})
    admin.create_topics([NewTopic(topic, 3)])[topic].result(10)
    with pytest.raises(EngineLost, match="has 3 partitions; wanted 1"):
        KafkaEvents(kafka_address, topic)


def test_a_topic_name_that_kafka_refuses_is_said_to_be_wrong(kafka_address):
    with pytest.raises(EngineLost, match="topic 'no spaces'"):
        KafkaEvents(kafka_address, "no spaces")


def test_an_event_larger_than_kafka_takes_is_refused_with_its_batch(kafka_address, tmp_path):
    log = KafkaEvents(kafka_address, _topic(tmp_path))
    with pytest.raises(BadRow, match=r"row 2, field 'body'.*message\.max\.bytes"):
        log.append([event(0), event(1, body=b"x" * 1_100_000)])
    assert log.end() == 0
    assert log.read() == []
    offsets = log.append([event(2)])
    assert log.read() == [(int(offsets[0]), event(2))]
    log.close()


def test_a_message_of_somebody_else_is_reported_with_its_offset(kafka_address, tmp_path):
    from confluent_kafka import Producer

    log = KafkaEvents(kafka_address, _topic(tmp_path))
    log.append([event(0)])
    stranger = Producer({"bootstrap.servers": kafka_address})
    stranger.produce(_topic(tmp_path), b"hello")
    stranger.flush(10)
    with pytest.raises(EngineLost, match="the message at offset 2 of Kafka topic"):
        log.read()
    assert log.read(0, 1) == [(0, event(0))]
    log.close()


def test_a_writer_of_the_same_name_takes_the_place_of_the_one_before(kafka_address, tmp_path):
    first, second = (KafkaEvents(kafka_address, _topic(tmp_path), writer=tmp_path.name) for _ in range(2))
    first.append([event(0)])
    second.append([event(1)])
    with pytest.raises(EngineLost, match="other writers"):
        first.append([event(2)])
    assert [e for _, e in second.read()] == [event(0), event(1)]
    first.close()
    second.close()


def test_a_batch_larger_than_the_clients_queue_arrives_whole(kafka_address, tmp_path):
    log = KafkaEvents(kafka_address, _topic(tmp_path), settings={"queue.buffering.max.messages": "100"})
    offsets = log.append([event(i) for i in range(1000)])
    assert offsets.tolist() == list(range(1000))
    assert [e.time_s for _, e in log.read(0, 5000)] == list(range(1000))
    log.close()
