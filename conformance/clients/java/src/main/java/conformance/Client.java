package conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's Java client against a broker: commands in, answers out (see conformance/README.md). */
public final class Client {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration WAIT = Duration.ofSeconds(60);
    private static final Duration POLL = Duration.ofMillis(500);

    private final String bootstrap;
    private final Map<String, Member> members = new HashMap<>();

    private Client(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws IOException {
        Client client = new Client(args[0]);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        Stream<String> lines = args.length > 1 ? Arrays.stream(args).skip(1) : input.lines();
        lines.forEachOrdered(line -> System.out.println(client.answer(line)));
        System.exit(0);
    }

    private ObjectNode answer(String line) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            JsonNode command = JSON.readTree(line);
            carryOut(command, answer);
            answer.put("ok", true);
        } catch (Exception raised) {
            Throwable cause = raised instanceof ExecutionException ? raised.getCause() : raised;
            answer.put("ok", false).put("error", cause.toString());
            if (cause instanceof ApiException) {
                answer.put("code", Errors.forException(cause).code());
            }
        }
        return answer;
    }

    private void carryOut(JsonNode command, ObjectNode answer) throws Exception {
        String name = command.get("do").asText();
        switch (name) {
            case "produce" -> produce(command, answer);
            case "consume" -> consume(command, answer);
            case "offsets" -> offsets(command, answer);
            case "create" -> create(command);
            case "delete" -> {
                try (Admin admin = admin()) {
                    admin.deleteTopics(List.of(topic(command))).all().get();
                }
            }
            case "metadata" -> metadata(answer);
            case "wake" -> wake(command, answer);
            case "join" -> {
                Member member = Member.join(topic(command), consumer(Member.config(command)));
                members.put(command.get("member").asText(), member);
            }
            case "leave" -> members.remove(command.get("member").asText()).leave();
            case "state" -> member(command).state(answer);
            case "pause" -> member(command).pause(command.get("partitions"));
            case "resume" -> member(command).resume(command.get("partitions"));
            case "seek" -> member(command).seek(partition(command), command.get("offset").asLong());
            case "commit" -> member(command).commit(command.get("offsets"));
            case "committed" -> committed(command, answer);
            default -> throw new IllegalArgumentException("unknown command: " + name);
        }
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(more);
        config.put("bootstrap.servers", bootstrap);
        config.put("linger.ms", 20);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of("enable.auto.commit", false, "auto.offset.reset", "none"));
        config.put("bootstrap.servers", bootstrap);
        config.putAll(more);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    private void produce(JsonNode command, ObjectNode answer) throws Exception {
        Map<String, Object> config = Map.of(
            "compression.type", command.path("compression").asText("none"),
            "acks", command.path("acks").asText("all"),
            "enable.idempotence", command.path("idempotence").asBoolean(false));
        try (var producer = producer(config); Stream<String> lines = Files.lines(records(command))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String line : (Iterable<String>) lines::iterator) {
                sent.add(producer.send(toRecord(command, JSON.readTree(line))));
            }
            producer.flush();
            ArrayNode offsets = answer.putArray("offsets");
            for (Future<RecordMetadata> each : sent) {
                offsets.add(each.get().offset());
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> toRecord(JsonNode command, JsonNode line) {
        List<Header> headers = new ArrayList<>();
        line.get("headers").forEach(pair -> headers.add(new RecordHeader(pair.get(0).asText(), unhex(pair.get(1)))));
        long timestamp = line.get("timestamp").asLong();
        return new ProducerRecord<>(
            topic(command), partition(command), timestamp, unhex(line.get("key")), unhex(line.get("value")), headers);
    }

    private static ObjectNode fromRecord(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode line = JSON.createObjectNode();
        line.put("offset", record.offset()).put("timestamp", record.timestamp());
        line.put("key", enhex(record.key())).put("value", enhex(record.value()));
        ArrayNode headers = line.putArray("headers");
        record.headers().forEach(each -> headers.addArray().add(each.key()).add(enhex(each.value())));
        return line;
    }

    private void consume(JsonNode command, ObjectNode answer) throws Exception {
        TopicPartition at = new TopicPartition(topic(command), partition(command));
        int count = command.get("count").asInt();
        List<String> got = new ArrayList<>();
        try (var consumer = consumer(Map.of("max.partition.fetch.bytes", 256 * 1024))) {
            consumer.assign(List.of(at));
            if (command.path("start").isInt()) {
                consumer.seek(at, command.get("start").asLong());
            } else {
                consumer.seekToBeginning(List.of(at));
            }
            long deadline = System.nanoTime() + WAIT.toNanos();
            while (got.size() < count && System.nanoTime() < deadline) {
                consumer.poll(POLL).forEach(record -> got.add(fromRecord(record).toString()));
            }
        }
        Files.write(records(command), got);
        answer.put("count", got.size());
    }

    private void offsets(JsonNode command, ObjectNode answer) {
        TopicPartition where = new TopicPartition(topic(command), partition(command));
        JsonNode at = command.get("at");
        try (var consumer = consumer(Map.of())) {
            if (at.asText().equals("earliest")) {
                answer.put("offset", consumer.beginningOffsets(List.of(where)).get(where));
            } else if (at.asText().equals("latest")) {
                answer.put("offset", consumer.endOffsets(List.of(where)).get(where));
            } else {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(where, at.asLong())).get(where);
                answer.put("offset", found == null ? -1 : found.offset());
                if (found != null) {
                    answer.put("timestamp", found.timestamp());
                }
            }
        }
    }

    private void create(JsonNode command) throws Exception {
        Map<String, String> configs = new HashMap<>();
        command.path("configs").fields().forEachRemaining(each -> configs.put(each.getKey(), each.getValue().asText()));
        Optional<Integer> partitions = Optional.of(command.path("partitions").asInt(1));
        NewTopic wanted = new NewTopic(topic(command), partitions, Optional.of((short) 1)).configs(configs);
        try (Admin admin = admin()) {
            admin.createTopics(List.of(wanted)).all().get();
        }
    }

    private void metadata(ObjectNode answer) throws Exception {
        try (Admin admin = admin(); var consumer = consumer(Map.of())) {
            ArrayNode brokers = answer.putArray("brokers");
            for (Node node : admin.describeCluster().nodes().get()) {
                brokers.addArray().add(node.id()).add(node.host()).add(node.port());
            }
            admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
            ObjectNode topics = answer.putObject("topics");
            consumer.listTopics().forEach((name, partitions) -> {
                ArrayNode list = topics.putArray(name);
                partitions.stream()
                    .sorted((a, b) -> a.partition() - b.partition())
                    .forEach(each -> list.addArray().add(each.partition()).add(each.leader().id()));
            });
        }
    }

    private Member member(JsonNode command) {
        return members.get(command.get("member").asText());
    }

    private void committed(JsonNode command, ObjectNode answer) throws Exception {
        ArrayNode offsets = answer.putArray("offsets");
        try (Admin admin = admin()) {
            admin.listConsumerGroupOffsets(command.get("group").asText()).partitionsToOffsetAndMetadata().get().entrySet().stream()
                .filter(each -> each.getKey().topic().equals(topic(command)))
                .sorted(Comparator.comparing(each -> each.getKey().partition()))
                .forEach(each -> offsets.addArray()
                    .add(each.getKey().partition()).add(each.getValue().offset()).add(each.getValue().metadata()));
        }
    }

    private void wake(JsonNode command, ObjectNode answer) throws Exception {
        TopicPartition at = new TopicPartition(topic(command), partition(command));
        byte[] value = "wake".getBytes();
        var consumer = consumer(Map.of("fetch.max.wait.ms", 10_000));
        // The consumer is closed without waiting for the fetch that it has begun after the record came.
        try (var producer = producer(Map.of()); AutoCloseable end = () -> consumer.close(Duration.ZERO)) {
            producer.send(new ProducerRecord<>(at.topic(), at.partition(), null, value)).get();
            consumer.assign(List.of(at));
            consumer.seekToEnd(List.of(at));
            consumer.position(at);
            long[] sent = new long[1];
            Thread later = new Thread(() -> {
                try {
                    Thread.sleep(1500);
                    sent[0] = System.nanoTime();
                    producer.send(new ProducerRecord<>(at.topic(), at.partition(), null, value)).get();
                } catch (Exception failed) {
                    failed.printStackTrace();
                }
            });
            later.start();
            int got = consumer.poll(Duration.ofSeconds(12)).count();
            long nanos = System.nanoTime() - sent[0];
            later.join();
            if (got != 1) {
                throw new IllegalStateException(got + " records instead of 1");
            }
            answer.put("ms", nanos / 1_000_000);
        }
    }

    private static String topic(JsonNode command) {
        return command.get("topic").asText();
    }

    private static int partition(JsonNode command) {
        return command.path("partition").asInt(0);
    }

    private static Path records(JsonNode command) {
        return Path.of(command.get("records").asText());
    }

    private static byte[] unhex(JsonNode text) {
        return text.isNull() ? null : HexFormat.of().parseHex(text.asText());
    }

    private static String enhex(byte[] data) {
        return data == null ? null : HexFormat.of().formatHex(data);
    }
}
