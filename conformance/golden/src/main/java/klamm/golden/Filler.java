package klamm.golden;

import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ShareFetchResponseData;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.utils.ImplicitLinkedHashCollection;

/** Fills the fields that a version has, as its schema lists them, by reflection. */
final class Filler {
    /** What is put in. */
    enum Mode {
        /** Kafka's defaults. */
        DEFAULT,
        /** Smallest numbers, no elements, no text. */
        MIN,
        /** Largest numbers, long text, many elements. */
        MAX,
        /** Null wherever it is allowed, one element elsewhere. */
        NULL,
        /** Seeded random values of every kind. */
        RANDOM
    }

    private static final int LONG_TEXT = 300;

    private final Mode mode;
    private final Random random;
    private int depth = 0;

    Filler(Mode mode, long seed) {
        this.mode = mode;
        this.random = new Random(seed);
    }

    void fill(Message message, short version) throws ReflectiveOperationException {
        Schema schema = ((Schema[]) message.getClass().getField("SCHEMAS").get(null))[version];
        depth++;
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (var field : tagged.fields().values()) {
                    set(message, field.name, field.type, version);
                }
            } else {
                set(message, bound.def.name, bound.def.type, version);
            }
        }
        depth--;
    }

    private void set(Message message, String name, Type type, short version) throws ReflectiveOperationException {
        Field field = field(message.getClass(), name);
        field.setAccessible(true);
        if (mode == Mode.DEFAULT) {
            // The one default that cannot be written: records are null even where null is not allowed.
            if (BaseRecords.class.isAssignableFrom(field.getType()) && !nullable(field, type)) {
                field.set(message, MemoryRecords.EMPTY);
            }
            return;
        }
        boolean toNull = mode == Mode.NULL || mode == Mode.RANDOM && random.nextInt(4) == 0;
        if (nullable(field, type) && toNull) {
            field.set(message, null);
        } else {
            field.set(message, value(field, field.getType(), version));
        }
    }

    /** Schemas call all records nullable; those of ShareFetch are not, in the versions that exist. */
    private static boolean nullable(Field field, Type type) {
        boolean never = field.getDeclaringClass().getEnclosingClass() == ShareFetchResponseData.class
                && BaseRecords.class.isAssignableFrom(field.getType());
        return type.isNullable() && !never;
    }

    private static Field field(Class<?> type, String snake) {
        String wanted = snake.replace("_", "").toLowerCase(Locale.ROOT);
        for (Field field : type.getDeclaredFields()) {
            if (field.getName().toLowerCase(Locale.ROOT).equals(wanted)) {
                return field;
            }
        }
        throw new IllegalStateException(type.getName() + " has no field " + snake);
    }

    /** {@code field} tells what a list holds. */
    private Object value(Field field, Class<?> type, short version) throws ReflectiveOperationException {
        if (type == boolean.class || type == Boolean.class) {
            return pick(false, true, random.nextBoolean());
        } else if (type == byte.class || type == Byte.class) {
            return pick(Byte.MIN_VALUE, Byte.MAX_VALUE, (byte) random.nextInt());
        } else if (type == short.class || type == Short.class) {
            return pick(Short.MIN_VALUE, Short.MAX_VALUE, (short) random.nextInt());
        } else if (type == int.class || type == Integer.class) {
            // Unsigned 16-bit fields are ints too; they are all called port.
            boolean port = field.getName().equals("port") && isUnsigned(field, version);
            return port ? pick(0, 0xffff, random.nextInt(0x10000))
                    : pick(Integer.MIN_VALUE, Integer.MAX_VALUE, random.nextInt());
        } else if (type == long.class || type == Long.class) {
            return pick(Long.MIN_VALUE, Long.MAX_VALUE, random.nextLong());
        } else if (type == double.class || type == Double.class) {
            return pick(-Double.MAX_VALUE, Double.MAX_VALUE, random.nextGaussian());
        } else if (type == Uuid.class) {
            return pick(Uuid.ZERO_UUID, new Uuid(-1, -1), new Uuid(random.nextLong(), random.nextLong()));
        } else if (type == String.class) {
            return text();
        } else if (type == byte[].class) {
            return bytes();
        } else if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(bytes());
        } else if (BaseRecords.class.isAssignableFrom(type)) {
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        } else if (Collection.class.isAssignableFrom(type)) {
            return list(field, type, version);
        }
        Message inner = (Message) type.getDeclaredConstructor().newInstance();
        fill(inner, version);
        return inner;
    }

    private static boolean isUnsigned(Field field, short version) throws ReflectiveOperationException {
        Schema schema = ((Schema[]) field.getDeclaringClass().getField("SCHEMAS").get(null))[version];
        return schema.get("port").def.type == Type.UINT16;
    }

    private <T> T pick(T min, T max, T any) {
        return switch (mode) {
            case MIN -> min;
            case MAX -> max;
            default -> switch (random.nextInt(8)) {
                case 0 -> min;
                case 1 -> max;
                default -> any;
            };
        };
    }

    private int size(int max) {
        return switch (mode) {
            case MIN -> 0;
            case MAX -> max;
            case NULL -> 1;
            default -> random.nextInt(8) == 0 ? max : random.nextInt(Math.min(max, 12) + 1);
        };
    }

    private String text() {
        String[] letters = {"a", "Z", "0", ".", "-", "é", "漢", "😀"};
        StringBuilder text = new StringBuilder();
        for (int i = size(depth > 1 ? 140 : LONG_TEXT); i > 0; i--) {
            text.append(mode == Mode.MAX ? "x" : letters[random.nextInt(letters.length)]);
        }
        return text.toString();
    }

    private byte[] bytes() {
        byte[] bytes = new byte[size(LONG_TEXT)];
        if (mode == Mode.MAX) {
            Arrays.fill(bytes, (byte) -1);
        } else {
            random.nextBytes(bytes);
        }
        return bytes;
    }

    @SuppressWarnings("unchecked")
    private Collection<Object> list(Field field, Class<?> type, short version) throws ReflectiveOperationException {
        Collection<Object> list;
        Class<?> element;
        if (type == List.class) {
            list = new ArrayList<>();
            element = (Class<?>) ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
        } else if (ImplicitLinkedHashCollection.class.isAssignableFrom(type)) {
            list = (Collection<Object>) type.getDeclaredConstructor().newInstance();
            element = (Class<?>) ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0];
        } else {
            throw new IllegalStateException("cannot fill " + type);
        }
        // Lists of numbers may be long (two bytes of varint), lists of structs are short.
        int most = Message.class.isAssignableFrom(element) ? 2 : depth > 2 ? 3 : 130;
        for (int i = size(most); i > 0; i--) {
            list.add(value(field, element, version));
        }
        return list;
    }
}
