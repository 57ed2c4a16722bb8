"""The load of the fault runs: librdkafka's idempotent producers and a consumer, through confluent-kafka.

    load.py ADDRESS TOPIC PARTITIONS PRODUCERS RATE HEALED_S

Writes to stdout what it did and saw, in the order in which its one thread lived it: the checker's events
(crates/checker), one a line in JSON, and two lines of its own: {"load": "end"}, all was acknowledged and the last read
begins; {"load": "done"}, it is complete. Every producer writes to every partition; its values there are numbered from 0.
A line "end" on stdin ends the producing; the end of stdin ends the process. After that, all must be acknowledged within
HEALED_S seconds, and then read within as many. Without producers there is only the last read.
"""

import json
import os
import random
import struct
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

# Values of a producer to a partition that wait for their acknowledgement at a time.
PENDING_MAX = 200
FOLLOWER, LAST_READER = 0, 1
FAST = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0}


def value_of(writer, part, number):
    """Sizes of all sorts, and bytes that depend on all three: another record's payload is noticed."""
    size = 4000 if number % 61 == 0 else number * 37 % 400
    return struct.pack(">II", writer, number) + bytes([1 + (7 * writer + 3 * part + number) % 251]) * size


def tell(event, **fields):
    print(json.dumps({"event": event} | fields, separators=(",", ":")))


def refused(what):
    tell("refused", what=what)


# What ended a producer; the rest is read and judged all the same.
FATAL = []


def give_up(error):
    if not FATAL:
        refused(f"a producer was told: {error.args[0].str()}")
    FATAL.append(error)


class Sending:
    """The values of one producer to one partition."""

    def __init__(self, writer, producer, topic, part):
        self.writer, self.producer, self.topic, self.part = writer, producer, topic, part
        self.sent = self.acked = 0
        # First number, count and first offset of acknowledgements that are one event.
        self.run = None

    def tell(self, event, first, count, **fields):
        tell(event, part=self.part, writer=self.writer, first=first, count=count, **fields)

    def send(self, count):
        first = self.sent
        for number in range(first, first + min(count, PENDING_MAX - (first - self.acked))):
            value = value_of(self.writer, self.part, number)
            try:
                self.producer.produce(self.topic, value, partition=self.part, on_delivery=self.delivered(number))
            except BufferError:
                break
            except KafkaException as error:
                give_up(error)
                break
            self.sent = number + 1
        # produce() only queues: nothing of it is answered before the next poll.
        if self.sent > first:
            self.tell("send_invoke", first, self.sent - first)

    def delivered(self, number):
        def callback(error, message):
            if error:
                what = f"{error.name()}: {error.str()}"
                refused(f"partition {self.part}: value {number} of {self.writer} was given up: {what}")
                return
            self.acked += 1
            if self.run and self.run[0] + self.run[1] == number and self.run[2] + self.run[1] == message.offset():
                self.run[1] += 1
            else:
                self.end_run()
                self.run = [number, 1, message.offset()]

        return callback

    def end_run(self):
        if self.run:
            first, count, offset = self.run
            self.tell("send_ok", first, count, offset=offset)
            self.run = None


class Reading:
    """A consumer of all partitions, from their start, without a group."""

    def __init__(self, number, address, topic, parts):
        config = {"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False, "check.crcs": True}
        config |= {"auto.offset.reset": "error", "fetch.error.backoff.ms": 20, "fetch.wait.max.ms": 100} | FAST
        self.number, self.consumer, self.topic = number, Consumer(config), topic
        self.next = {part: 0 for part in parts}
        self.consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in parts])

    def poll(self, wait_s):
        found = {}
        for message in self.consumer.consume(1000, wait_s):
            part, offset = message.partition(), message.offset()
            if message.error():
                refused(f"partition {part}: the consumer was told: {message.error().str()}")
                continue
            writer, number = struct.unpack_from(">II", message.value())
            if message.value() != value_of(writer, part, number):
                refused(f"partition {part}: offset {offset}: the value is not what was sent there")
            found.setdefault(part, []).append((offset, (writer, number)))
        for part, records in found.items():
            # What librdkafka heard last: with these records or later.
            _, high = self.consumer.get_watermark_offsets(TopicPartition(self.topic, part), cached=True)
            # An answer with an error, as while a shard loads, makes it -1 there: that is no watermark.
            self.tell(part, None if high < 0 else high, records)

    def tell(self, part, high, records):
        last = self.number == LAST_READER
        tell("poll", part=part, consumer=self.number, high_watermark=high, last=last, records=records)
        if records:
            self.next[part] = records[-1][0] + 1

    def end_of(self, part, deadline):
        """The high watermark as the broker says it now."""
        while True:
            try:
                return self.consumer.get_watermark_offsets(TopicPartition(self.topic, part), 3, cached=False)[1]
            except KafkaException as error:
                if time.monotonic() > deadline:
                    refused(f"partition {part}: its end is not told: {error}")
                    return -1

    def read_all(self, healed_s):
        deadline = time.monotonic() + healed_s
        ends = {part: self.end_of(part, deadline) for part in self.next}
        while any(self.next[part] < end for part, end in ends.items()) and time.monotonic() < deadline:
            self.poll(0.2)
        for part, end in ends.items():
            self.tell(part, end, [])


def create(address, topic, partitions):
    admin = AdminClient({"bootstrap.servers": address} | FAST)
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(20)


def read_stdin(commands):
    for line in sys.stdin:
        commands.append(line.strip())
    os._exit(0)


def step(producers, sendings, following):
    for producer in producers:
        try:
            producer.poll(0)
        except KafkaException as error:
            give_up(error)
    for each in sendings:
        each.end_run()
    following.poll(0.005)
    sys.stdout.flush()


def produce(commands, rate, sendings, step):
    """No more than `rate` a second, in uneven portions; a pause is not made up for."""
    began, sent = time.monotonic(), 0
    while "end" not in commands:
        if FATAL:
            time.sleep(0.05)
            step()
            continue
        due = (time.monotonic() - began) * rate - sent
        if due > rate:
            began, sent, due = time.monotonic(), 0, 1
        while due > 0:
            count = random.choice([1, 1, 2, 5, 20, 60])
            random.choice(sendings).send(count)
            due, sent = due - count, sent + count
        step()


def settle(healed_s, sendings, step):
    deadline = time.monotonic() + healed_s
    while left := not FATAL and sum(each.sent - each.acked for each in sendings):
        if time.monotonic() > deadline:
            refused(f"{left} values are not acknowledged {healed_s} s after the last fault")
            return
        step()


def write_and_follow(address, topic, partitions, producers, rate, healed_s, commands):
    create(address, topic, partitions)
    # Nothing is ever given up: what is not acknowledged in the end is a fault of the broker.
    config = {"bootstrap.servers": address, "enable.idempotence": True, "acks": "all", "message.timeout.ms": 0}
    config |= {"linger.ms": 2, "request.timeout.ms": 1500, "socket.timeout.ms": 3000} | FAST
    clients = [Producer(config) for _ in range(producers)]
    sendings = [
        Sending(writer, client, topic, part) for writer, client in enumerate(clients) for part in range(partitions)
    ]
    following = Reading(FOLLOWER, address, topic, range(partitions))

    def one_step():
        step(clients, sendings, following)

    produce(commands, rate, sendings, one_step)
    settle(healed_s, sendings, one_step)
    following.consumer.close()


def main(address, topic, partitions, producers, rate, healed_s):
    commands = []
    threading.Thread(target=read_stdin, args=[commands], daemon=True).start()
    if producers:
        write_and_follow(address, topic, partitions, producers, rate, healed_s, commands)
    print('{"load": "end"}')
    Reading(LAST_READER, address, topic, range(partitions)).read_all(healed_s)
    print('{"load": "done"}')
    sys.stdout.flush()
    os._exit(0)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7]))
