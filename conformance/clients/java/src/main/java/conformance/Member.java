package conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** A member of a group that polls in a thread of its own, and what it saw. All is done under its lock. */
final class Member implements ConsumerRebalanceListener {
    private static final Map<String, String> STRATEGIES = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private record Event(String what, List<Integer> partitions) {}

    private final String topic;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread thread = new Thread(this::run);
    private final List<Event> events = new ArrayList<>();
    private final List<long[]> records = new ArrayList<>();
    private Exception failed;
    private volatile boolean leaving;

    private Member(String topic, KafkaConsumer<byte[], byte[]> consumer) {
        this.topic = topic;
        this.consumer = consumer;
    }

    /** What the consumer of a `join` is made with. */
    static Map<String, Object> config(JsonNode command) {
        Map<String, Object> config = new HashMap<>(Map.of(
            "group.id", command.get("group").asText(),
            "partition.assignment.strategy", STRATEGIES.get(command.path("strategy").asText("range")),
            "auto.offset.reset", command.path("reset").asText("earliest"),
            "enable.auto.commit", command.path("auto_commit").asBoolean(false),
            "auto.commit.interval.ms", 500,
            "session.timeout.ms", command.path("session_ms").asInt(6000),
            "heartbeat.interval.ms", 300));
        if (command.hasNonNull("instance")) {
            config.put("group.instance.id", command.get("instance").asText());
        }
        return config;
    }

    static Member join(String topic, KafkaConsumer<byte[], byte[]> consumer) {
        Member member = new Member(topic, consumer);
        consumer.subscribe(List.of(topic), member);
        member.thread.setDaemon(true);
        member.thread.start();
        return member;
    }

    private void run() {
        while (!leaving) {
            synchronized (this) {
                try {
                    consumer.poll(Duration.ofMillis(100)).forEach(each -> records.add(new long[] {each.partition(), each.offset()}));
                } catch (Exception raised) {
                    failed = raised;
                    return;
                }
            }
            try {
                Thread.sleep(5); // else a command might wait for the lock for ever
            } catch (InterruptedException stopped) {
                return;
            }
        }
    }

    /** Ends its polling, then leaves the group as a consumer that is closed does. */
    void leave() throws InterruptedException {
        leaving = true;
        thread.join();
        consumer.close();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        saw("assigned", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        saw("revoked", partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        saw("lost", partitions);
    }

    private void saw(String what, Collection<TopicPartition> partitions) {
        events.add(new Event(what, partitions.stream().map(TopicPartition::partition).sorted().toList()));
    }

    synchronized void state(ObjectNode answer) {
        ArrayNode assigned = answer.putArray("assigned");
        consumer.assignment().stream().map(TopicPartition::partition).sorted().forEach(assigned::add);
        ArrayNode seen = answer.putArray("events");
        for (Event event : events) {
            ArrayNode partitions = seen.addArray().add(event.what()).addArray();
            event.partitions().forEach(partitions::add);
        }
        ArrayNode read = answer.putArray("records");
        records.forEach(each -> read.addArray().add(each[0]).add(each[1]));
        answer.put("error", failed == null ? null : failed.toString());
    }

    synchronized void pause(JsonNode partitions) {
        consumer.pause(all(partitions));
    }

    synchronized void resume(JsonNode partitions) {
        consumer.resume(all(partitions));
    }

    synchronized void seek(int partition, long offset) {
        consumer.seek(new TopicPartition(topic, partition), offset);
    }

    synchronized void commit(JsonNode offsets) {
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        Consumer<JsonNode> add = each -> wanted.put(
            new TopicPartition(topic, each.get(0).asInt()), new OffsetAndMetadata(each.get(1).asLong(), each.get(2).asText()));
        offsets.forEach(add);
        consumer.commitSync(wanted);
    }

    private List<TopicPartition> all(JsonNode partitions) {
        List<TopicPartition> named = new ArrayList<>();
        partitions.forEach(each -> named.add(new TopicPartition(topic, each.asInt())));
        return named;
    }
}
