import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's own tools, many runs in one JVM, as a client that takes commands: {"do": "tool", "tool": NAME, "args": [...], "input": TEXT}
 * is answered by {"ok": true, "exit": CODE, "out": TEXT}, with what the tool printed on both of its streams.
 */
public final class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final String PACKAGE = "org.apache.kafka.tools.";
    private static final Map<String, String> TOOLS = Map.ofEntries(
        Map.entry("topics", PACKAGE + "TopicCommand"),
        Map.entry("configs", "kafka.admin.ConfigCommand"),
        Map.entry("groups", PACKAGE + "consumer.group.ConsumerGroupCommand"),
        Map.entry("get-offsets", PACKAGE + "GetOffsetShell"),
        Map.entry("delete-records", PACKAGE + "DeleteRecordsCommand"),
        Map.entry("log-dirs", PACKAGE + "LogDirsCommand"),
        Map.entry("api-versions", PACKAGE + "BrokerApiVersionsCommand"),
        Map.entry("console-producer", PACKAGE + "ConsoleProducer"),
        Map.entry("console-consumer", PACKAGE + "consumer.ConsoleConsumer"),
        Map.entry("verifiable-producer", PACKAGE + "VerifiableProducer"),
        Map.entry("verifiable-consumer", PACKAGE + "VerifiableConsumer"));

    /** A tool wants to end the process. */
    private static final class Ended extends RuntimeException {
        private final int code;

        Ended(int code) {
            this.code = code;
        }
    }

    public static void main(String[] args) throws IOException {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream caught = new PrintStream(printed, true);
        // Set once: Scala's println keeps the stream that it finds first.
        System.setOut(caught);
        System.setErr(caught);
        List<Runnable> hooks = new ArrayList<>();
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code);
        });
        Exit.setHaltProcedure((code, message) -> {
            throw new Ended(code);
        });
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode command = JSON.readTree(line);
            System.setIn(new ByteArrayInputStream(command.path("input").asText("").getBytes(StandardCharsets.UTF_8)));
            int code = run(args[0], command);
            hooks.forEach(Runnable::run);
            hooks.clear();
            // What a tool's threads still print at their end would be the next one's.
            System.out.flush();
            caught.flush();
            var answer = JSON.createObjectNode().put("ok", true).put("exit", code).put("out", printed.toString(StandardCharsets.UTF_8));
            printed.reset();
            answers.println(answer);
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(String bootstrap, JsonNode command) {
        List<String> arguments = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        command.get("args").forEach(each -> arguments.add(each.asText()));
        try {
            Class.forName(TOOLS.get(command.get("tool").asText()))
                .getMethod("main", String[].class)
                .invoke(null, (Object) arguments.toArray(String[]::new));
            return 0;
        } catch (InvocationTargetException raised) {
            if (raised.getCause() instanceof Ended ended) {
                return ended.code;
            }
            raised.getCause().printStackTrace();
            return 1;
        } catch (ReflectiveOperationException noTool) {
            throw new IllegalArgumentException(noTool);
        }
    }
}
