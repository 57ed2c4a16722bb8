package klamm.golden;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ConsumerProtocolAssignment;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Writes what Kafka's own Java library makes of each message, in each of its versions: one line a message,
 * {@code message TAB version TAB case TAB hex TAB json}. The cases are in {@link Filler}.
 */
public final class Golden {
    private static final int RANDOM_CASES = 4;

    private final PrintWriter out;
    private int lines = 0;

    private Golden(PrintWriter out) {
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        Path file = Path.of(args[0]);
        Files.createDirectories(file.getParent());
        try (var gzip = new GZIPOutputStream(Files.newOutputStream(file));
                var out = new PrintWriter(new OutputStreamWriter(gzip, StandardCharsets.UTF_8))) {
            Golden golden = new Golden(out);
            golden.all();
            System.out.println(golden.lines + " messages");
        }
    }

    private void all() throws Exception {
        for (ApiMessageType api : ApiMessageType.values()) {
            if (api.listeners().contains(ApiMessageType.ListenerType.BROKER)) {
                versions(api.newRequest());
                versions(api.newResponse());
            }
        }
        for (Message message : List.of(new RequestHeaderData(), new ResponseHeaderData(),
                new ConsumerProtocolSubscription(), new ConsumerProtocolAssignment())) {
            versions(message);
        }
    }

    private void versions(Message empty) throws Exception {
        for (short v = empty.lowestSupportedVersion(); v <= empty.highestSupportedVersion(); v++) {
            for (Filler.Mode mode : Filler.Mode.values()) {
                int cases = mode == Filler.Mode.RANDOM ? RANDOM_CASES : 1;
                for (int i = 0; i < cases; i++) {
                    String name = empty.getClass().getSimpleName().replaceFirst("Data$", "");
                    long seed = name.hashCode() * 31L * 31L + v * 31L + i;
                    Message message = empty.getClass().getDeclaredConstructor().newInstance();
                    new Filler(mode, seed).fill(message, v);
                    write(name, v, mode.name().toLowerCase() + (cases > 1 ? i : ""), message);
                }
            }
        }
    }

    private void write(String name, short version, String kind, Message message) throws Exception {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(bytes), cache, version);
        if (bytes.hasRemaining()) {
            throw new IllegalStateException(name + " v" + version + ": its size is not what it wrote");
        }
        Class<?> converter = Class.forName(message.getClass().getName() + "JsonConverter");
        JsonNode json = (JsonNode) converter.getMethod("write", message.getClass(), short.class, boolean.class)
                .invoke(null, message, version, false);
        String hex = HexFormat.of().formatHex(bytes.array());
        out.println(String.join("\t", name, Short.toString(version), kind, hex, json.toString()));
        lines++;
    }
}
