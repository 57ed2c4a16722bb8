// Makes java-kafka-clients-4.1.0.txt: java -cp 'lib/*' Gen.java, with org.apache.kafka:kafka-clients and its codecs in lib/.
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.compress.*;
import org.apache.kafka.common.header.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
public class Gen {
  static byte[] b(String s){ return s==null?null:s.getBytes(java.nio.charset.StandardCharsets.UTF_8); }
  static String hex(ByteBuffer buf){ StringBuilder s=new StringBuilder(); ByteBuffer d=buf.duplicate(); while(d.hasRemaining()) s.append(String.format("%02x", d.get())); return s.toString(); }
  static void fill(MemoryRecordsBuilder m, boolean big){
    long t=1700000000000L;
    m.append(t, b("k0"), b("K. arrived late in the evening"), new Header[]{new RecordHeader("h1", b("v1")), new RecordHeader("h2", null)});
    m.append(t+5, null, b("abc".repeat(40)), new Header[0]);
    m.append(t+3, b(""), null, new Header[]{new RecordHeader("", b(""))});
    if(big){ byte[] v=new byte[70000]; Arrays.fill(v,(byte)'z'); m.append(t+4, b("big"), v); }
  }
  static Compression of(CompressionType t){ return Compression.of(t).build(); }
  public static void main(String[] a){
    System.out.println("# Made by Java's org.apache.kafka:kafka-clients:4.1.0, MemoryRecordsBuilder, default levels. One batch a line: name, hex.");
    for (CompressionType t : CompressionType.values()) {
      for (boolean big : new boolean[]{false,true}) {
        if (big && (t==CompressionType.NONE)) continue;
        MemoryRecordsBuilder m = new MemoryRecordsBuilder(ByteBuffer.allocate(1024), (byte)2, of(t), TimestampType.CREATE_TIME, 0L, -1L, 4711L, (short)3, 17, true, false, -1, 1<<20);
        fill(m,big);
        System.out.println(t.name+(big?"-big":"")+" "+hex(m.build().buffer()));
      }
    }
    MemoryRecordsBuilder m = new MemoryRecordsBuilder(ByteBuffer.allocate(1024), (byte)2, of(CompressionType.NONE), TimestampType.LOG_APPEND_TIME, 1234567890123L, 1700000009999L, -1L, (short)-1, -1, false, false, 42, 1<<20);
    fill(m,false);
    System.out.println("append-time "+hex(m.build().buffer()));
    for (ControlRecordType c : new ControlRecordType[]{ControlRecordType.COMMIT, ControlRecordType.ABORT})
      System.out.println("marker-"+c.name().toLowerCase()+" "+hex(MemoryRecords.withEndTransactionMarker(100L, 1700000000000L, 6, 4711L, (short)3, new EndTransactionMarker(c, 77)).buffer()));
    ByteBuffer e = ByteBuffer.allocate(61);
    DefaultRecordBatch.writeEmptyHeader(e,(byte)2,4711L,(short)3,17,500L,509L,6,TimestampType.CREATE_TIME,1700000000000L,true,false); e.flip();
    System.out.println("empty "+hex(e));
  }
}
