"""confluent-kafka (the newest librdkafka) against a broker."""

import time

import driver
import groups
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic


class Client(groups.Groups):
    partition = staticmethod(TopicPartition)

    def __init__(self, bootstrap):
        super().__init__()
        self.bootstrap = bootstrap

    def producer(self, **config):
        return Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 20, **config})

    def consumer(self, **config):
        # librdkafka wants a group id even where none is used.
        fixed = {"group.id": "none", "enable.auto.commit": False, "check.crcs": True, "auto.offset.reset": "error"}
        return Consumer({"bootstrap.servers": self.bootstrap, **fixed, **config})

    def produce(self, topic, records, partition=0, compression="none", acks="all", idempotence=False):
        producer = self.producer(
            **{"compression.codec": compression, "acks": acks, "enable.idempotence": idempotence}
        )
        offsets, errors = [], []

        def delivered(error, message):
            errors.append(error) if error else offsets.append(message.offset())

        for key, value, headers, timestamp in driver.read_records(records):
            producer.produce(
                topic,
                value=value,
                key=key,
                partition=partition,
                on_delivery=delivered,
                timestamp=timestamp,
                headers=headers,
            )
        left = producer.flush(driver.WAIT_S)
        if left or errors:
            raise driver.Refused(errors[0].code() if errors else None, f"{left} not delivered, errors {errors[:3]}")
        return {"offsets": offsets}

    def consume(self, topic, count, records, partition=0, start="earliest"):
        consumer = self.consumer(**{"fetch.message.max.bytes": 256 * 1024})
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING if start == "earliest" else start)])
            got = []
            deadline = time.monotonic() + driver.WAIT_S
            while len(got) < count and time.monotonic() < deadline:
                for message in consumer.consume(count - len(got), 0.5):
                    if message.error():
                        raise KafkaException(message.error())
                    headers = message.headers() or []
                    got.append((message.offset(), message.timestamp()[1], message.key(), message.value(), headers))
            driver.write_records(records, got)
            return {"count": len(got)}
        finally:
            consumer.close()

    def offsets(self, topic, at, partition=0):
        consumer = self.consumer()
        try:
            where = TopicPartition(topic, partition)
            if at in ("earliest", "latest"):
                low, high = consumer.get_watermark_offsets(where, driver.WAIT_S, cached=False)
                return {"offset": low if at == "earliest" else high}
            [found] = consumer.offsets_for_times([TopicPartition(topic, partition, at)], driver.WAIT_S)
            return {"offset": found.offset}
        finally:
            consumer.close()

    def admin(self, act):
        try:
            return act(AdminClient({"bootstrap.servers": self.bootstrap}))
        except KafkaException as error:
            raise driver.Refused(error.args[0].code(), str(error)) from error

    def create(self, topic, partitions=1, configs=None):
        wanted = NewTopic(topic, partitions, 1, config=configs or {})
        self.admin(lambda admin: admin.create_topics([wanted])[topic].result(driver.WAIT_S))

    def delete(self, topic):
        self.admin(lambda admin: admin.delete_topics([topic])[topic].result(driver.WAIT_S))

    def metadata(self):
        found = self.admin(lambda admin: admin.list_topics(timeout=driver.WAIT_S))
        return {
            "brokers": [[b.id, b.host, b.port] for b in found.brokers.values()],
            "topics": {
                name: sorted([p.id, p.leader] for p in topic.partitions.values())
                for name, topic in found.topics.items()
            },
        }

    def enter(self, member, group, strategy, instance, reset, auto_commit, session_ms):
        consumer = self.consumer(
            **{
                "group.id": group,
                "partition.assignment.strategy": strategy,
                "auto.offset.reset": reset,
                "enable.auto.commit": auto_commit,
                "session.timeout.ms": session_ms,
                "heartbeat.interval.ms": 300,
            },
            **({"group.instance.id": instance} if instance else {}),
        )
        consumer.subscribe(
            [member.topic],
            on_assign=lambda _, partitions: member.on_partitions_assigned(partitions),
            on_revoke=lambda _, partitions: member.on_partitions_revoked(partitions),
            on_lost=lambda _, partitions: member.on_partitions_lost(partitions),
        )

        def poll():
            got = consumer.consume(100, 0.1)
            for message in got:
                if message.error():
                    raise KafkaException(message.error())
            return [(m.partition(), m.offset()) for m in got]

        member.start(consumer, poll)

    def hold(self, consumer, what, partitions):
        getattr(consumer, what)(partitions)

    def move(self, consumer, partition, offset):
        partition.offset = offset
        consumer.seek(partition)

    def commit_offsets(self, consumer, topic, offsets):
        wanted = [TopicPartition(topic, p, at, metadata=text) for p, at, text in offsets]
        consumer.commit(offsets=wanted, asynchronous=False)

    def committed(self, group, topic):
        asked = [ConsumerGroupTopicPartitions(group)]
        found = self.admin(lambda admin: admin.list_consumer_group_offsets(asked)[group].result(driver.WAIT_S))
        mine = [each for each in found.topic_partitions if each.topic == topic]
        return {"offsets": sorted([each.partition, each.offset, each.metadata or ""] for each in mine)}

    def wake(self, topic, partition=0):
        producer, consumer = self.producer(), self.consumer(**{"fetch.wait.max.ms": 10_000})

        def send():
            producer.produce(topic, b"wake", partition=partition)
            producer.flush(driver.WAIT_S)

        try:
            send()
            consumer.assign([TopicPartition(topic, partition, OFFSET_END)])
            return {"ms": driver.measure_wake(send, lambda: consumer.poll(12))}
        finally:
            consumer.close()


driver.run(Client)
