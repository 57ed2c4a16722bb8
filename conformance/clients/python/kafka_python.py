"""kafka-python against a broker."""

import time

import driver
import groups
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import BrokerResponseError


STRATEGIES = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}


class Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self.on_partitions_assigned = member.on_partitions_assigned
        self.on_partitions_revoked = member.on_partitions_revoked
        self.on_partitions_lost = member.on_partitions_lost

    def on_partitions_assigned(self, assigned):
        """The base class asks for it; the member's own is called."""

    def on_partitions_revoked(self, revoked):
        """The same."""


class Client(groups.Groups):
    partition = staticmethod(TopicPartition)

    def __init__(self, bootstrap):
        super().__init__()
        self.bootstrap = bootstrap

    def producer(self, **config):
        return KafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=20, **config)

    def consumer(self, **config):
        return KafkaConsumer(bootstrap_servers=self.bootstrap, check_crcs=True, **config)

    def produce(self, topic, records, partition=0, compression="none", acks="all", idempotence=False):
        producer = self.producer(
            compression_type=None if compression == "none" else compression,
            acks=acks if acks == "all" else int(acks),
            enable_idempotence=idempotence,
        )
        try:
            sent = [
                producer.send(topic, value, key, headers, partition, timestamp)
                for key, value, headers, timestamp in driver.read_records(records)
            ]
            producer.flush(driver.WAIT_S)
            return {"offsets": [each.get(driver.WAIT_S).offset for each in sent]}
        finally:
            producer.close(5)

    def consume(self, topic, count, records, partition=0, start="earliest"):
        consumer = self.consumer(max_partition_fetch_bytes=256 * 1024)
        try:
            at = TopicPartition(topic, partition)
            consumer.assign([at])
            if start == "earliest":
                consumer.seek_to_beginning(at)
            else:
                consumer.seek(at, start)
            got = []
            deadline = time.monotonic() + driver.WAIT_S
            while len(got) < count and time.monotonic() < deadline:
                for batch in consumer.poll(timeout_ms=500).values():
                    got.extend((r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch)
            driver.write_records(records, got)
            return {"count": len(got)}
        finally:
            consumer.close()

    def offsets(self, topic, at, partition=0):
        consumer = self.consumer()
        try:
            where = TopicPartition(topic, partition)
            if at == "earliest":
                return {"offset": consumer.beginning_offsets([where])[where]}
            if at == "latest":
                return {"offset": consumer.end_offsets([where])[where]}
            found = consumer.offsets_for_times({where: at})[where]
            return {"offset": -1} if found is None else {"offset": found.offset, "timestamp": found.timestamp}
        finally:
            consumer.close()

    def admin(self, act):
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            return act(admin)
        except BrokerResponseError as error:
            raise driver.Refused(error.errno, str(error)) from error
        finally:
            admin.close()

    def create(self, topic, partitions=1, configs=None):
        wanted = {"num_partitions": partitions, "replication_factor": 1, "configs": configs or {}}
        self.admin(lambda admin: admin.create_topics({topic: wanted}))

    def delete(self, topic):
        self.admin(lambda admin: admin.delete_topics([topic]))

    def metadata(self):
        def act(admin):
            topics = admin.describe_topics()
            return {
                "brokers": [[b["broker_id"], b["host"], b["port"]] for b in admin.describe_cluster()["brokers"]],
                "topics": {
                    t["name"]: sorted([p["partition_index"], p["leader_id"]] for p in t["partitions"]) for t in topics
                },
            }

        return self.admin(act)

    def enter(self, member, group, strategy, instance, reset, auto_commit, session_ms):
        consumer = self.consumer(
            group_id=group,
            group_instance_id=instance,
            partition_assignment_strategy=[STRATEGIES[strategy]],
            auto_offset_reset=reset,
            enable_auto_commit=auto_commit,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=300,
        )
        consumer.subscribe([member.topic], listener=Listener(member))

        # A second, for this library loses its assignment for good when a poll ends in the middle of a join.
        def poll():
            return [(r.partition, r.offset) for batch in consumer.poll(timeout_ms=1000).values() for r in batch]

        member.start(consumer, poll)

    def hold(self, consumer, what, partitions):
        getattr(consumer, what)(*partitions)

    def move(self, consumer, partition, offset):
        consumer.seek(partition, offset)

    def commit_offsets(self, consumer, topic, offsets):
        consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(at, text, -1) for p, at, text in offsets})

    def committed(self, group, topic):
        found = self.admin(lambda admin: admin.list_group_offsets({group: None}))[group]
        return {"offsets": sorted([p.partition, at.offset, at.metadata] for p, at in found.items() if p.topic == topic)}

    def wake(self, topic, partition=0):
        producer, consumer = self.producer(), self.consumer(fetch_max_wait_ms=10_000)
        try:
            producer.send(topic, b"first", partition=partition).get(driver.WAIT_S)
            at = TopicPartition(topic, partition)
            consumer.assign([at])
            consumer.seek_to_end(at)
            consumer.position(at)
            send = lambda: producer.send(topic, b"wake", partition=partition).get(driver.WAIT_S)
            return {"ms": driver.measure_wake(send, lambda: consumer.poll(timeout_ms=12_000))}
        finally:
            producer.close(5)
            consumer.close()


driver.run(Client)
