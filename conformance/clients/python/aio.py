"""aiokafka against a broker. Its loop runs in a thread of its own, so that what is begun goes on between commands."""

import asyncio
import threading
import time

import driver
import groups
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import for_code

STRATEGIES = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


class Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self.member = member

    async def on_partitions_assigned(self, assigned):
        self.member.on_partitions_assigned(assigned)

    async def on_partitions_revoked(self, revoked):
        self.member.on_partitions_revoked(revoked)


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.members = {}

    def producer(self, **config):
        return AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=20, **config)

    def consumer(self, **config):
        return AIOKafkaConsumer(bootstrap_servers=self.bootstrap, check_crcs=True, **{"enable_auto_commit": False, **config})

    async def produce(self, topic, records, partition=0, compression="none", acks="all", idempotence=False):
        producer = self.producer(
            compression_type=None if compression == "none" else compression,
            acks=acks if acks == "all" else int(acks),
            enable_idempotence=idempotence,
        )
        async with producer:
            sent = [
                await producer.send(topic, value, key, partition, timestamp, headers)
                for key, value, headers, timestamp in driver.read_records(records)
            ]
            done = await asyncio.wait_for(asyncio.gather(*sent), driver.WAIT_S)
            return {"offsets": [each.offset if each else -1 for each in done]}

    async def consume(self, topic, count, records, partition=0, start="earliest"):
        async with self.consumer(max_partition_fetch_bytes=256 * 1024) as consumer:
            at = TopicPartition(topic, partition)
            consumer.assign([at])
            if start == "earliest":
                await consumer.seek_to_beginning(at)
            else:
                consumer.seek(at, start)
            got = []
            deadline = time.monotonic() + driver.WAIT_S
            while len(got) < count and time.monotonic() < deadline:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    got.extend((r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch)
            driver.write_records(records, got)
            return {"count": len(got)}

    async def offsets(self, topic, at, partition=0):
        async with self.consumer() as consumer:
            where = TopicPartition(topic, partition)
            if at == "earliest":
                return {"offset": (await consumer.beginning_offsets([where]))[where]}
            if at == "latest":
                return {"offset": (await consumer.end_offsets([where]))[where]}
            found = (await consumer.offsets_for_times({where: at}))[where]
            return {"offset": -1} if found is None else {"offset": found.offset, "timestamp": found.timestamp}

    async def admin(self, act):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return await act(admin)
        finally:
            await admin.close()

    def refuse(self, results):
        """aiokafka gives the broker's codes as they came: (name, code, ...) each."""
        for _, code, *_ in results:
            if code:
                raise driver.Refused(code, str(for_code(code)))

    async def create(self, topic, partitions=1, configs=None):
        wanted = NewTopic(topic, partitions, 1, topic_configs=configs or {})
        answer = await self.admin(lambda admin: admin.create_topics([wanted]))
        self.refuse(answer.topic_errors)

    async def delete(self, topic):
        answer = await self.admin(lambda admin: admin.delete_topics([topic]))
        self.refuse(answer.topic_error_codes)

    async def metadata(self):
        async def act(admin):
            topics = await admin.describe_topics()
            return {
                "brokers": [
                    [b["node_id"], b["host"], b["port"]] for b in (await admin.describe_cluster())["brokers"]
                ],
                "topics": {
                    t["topic"]: sorted([p["partition"], p["leader"]] for p in t["partitions"]) for t in topics
                },
            }

        return await self.admin(act)

    async def join(
        self,
        member,
        group,
        topic,
        strategy="range",
        instance=None,
        reset="earliest",
        auto_commit=False,
        session_ms=6000,
    ):
        if strategy not in STRATEGIES:
            groups.unsupported("aiokafka", strategy)
        self.members[member] = entered = groups.Member(topic)
        entered.consumer = self.consumer(
            group_id=group,
            group_instance_id=instance,
            partition_assignment_strategy=[STRATEGIES[strategy]],
            auto_offset_reset=reset,
            enable_auto_commit=auto_commit,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=300,
        )
        entered.consumer.subscribe([topic], listener=Listener(entered))

        async def poll():
            await entered.consumer.start()
            while True:
                for batch in (await entered.consumer.getmany(timeout_ms=100)).values():
                    entered.records.extend((r.partition, r.offset) for r in batch)

        entered.task = asyncio.ensure_future(poll())

    async def state(self, member):
        entered = self.members[member]
        if entered.task.done():
            entered.error = repr(entered.task.exception())
        return entered.state()

    async def leave(self, member):
        entered = self.members.pop(member)
        entered.task.cancel()
        await entered.consumer.stop()

    async def pause(self, member, partitions):
        entered = self.members[member]
        entered.consumer.pause(*(TopicPartition(entered.topic, each) for each in partitions))

    async def resume(self, member, partitions):
        entered = self.members[member]
        entered.consumer.resume(*(TopicPartition(entered.topic, each) for each in partitions))

    async def seek(self, member, partition, offset):
        entered = self.members[member]
        entered.consumer.seek(TopicPartition(entered.topic, partition), offset)

    async def commit(self, member, offsets):
        entered = self.members[member]
        await entered.consumer.commit({TopicPartition(entered.topic, p): (at, text) for p, at, text in offsets})

    async def committed(self, group, topic):
        found = await self.admin(lambda admin: admin.list_consumer_group_offsets(group))
        return {"offsets": sorted([p.partition, at.offset, at.metadata] for p, at in found.items() if p.topic == topic)}

    async def wake(self, topic, partition=0):
        async with self.producer() as producer, self.consumer(fetch_max_wait_ms=10_000) as consumer:
            await producer.send_and_wait(topic, b"first", partition=partition)
            at = TopicPartition(topic, partition)
            consumer.assign([at])
            await consumer.seek_to_end(at)
            await consumer.position(at)

            async def send():
                await asyncio.sleep(1.5)
                sent = time.monotonic()
                await producer.send_and_wait(topic, b"wake", partition=partition)
                return sent

            sending = asyncio.ensure_future(send())
            await asyncio.wait_for(consumer.getone(), driver.WAIT_S)
            got = time.monotonic()
            return {"ms": int((got - await sending) * 1000)}


class Blocking:
    """The commands of `Client`, each waited for."""

    def __init__(self, bootstrap):
        self.client = Client(bootstrap)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def __getattr__(self, name):
        command = getattr(self.client, name)
        return lambda **fields: asyncio.run_coroutine_threadsafe(command(**fields), self.loop).result()


driver.run(Blocking)
