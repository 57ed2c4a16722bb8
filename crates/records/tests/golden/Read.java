// Reads lines of 'name hex' with Java's kafka-clients, checks each CRC and prints what they hold: java -cp 'lib/*' Read.java FILE.
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.header.*;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.utils.Utils;
public class Read {
  static String s(ByteBuffer b){ if(b==null) return "null"; byte[] a=Utils.toArray(b); return a.length>40? a.length+"#"+Arrays.hashCode(a) : "'"+new String(a)+"'"; }
  public static void main(String[] a) throws Exception {
    for (String line : Files.readAllLines(Path.of(a[0]))) {
      if (line.startsWith("#")) continue;
      String[] p=line.split(" ");
      MemoryRecords r=MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(p[1])));
      for (MutableRecordBatch b : r.batches()) {
        b.ensureValid();
        System.out.println(p[0]+" base="+b.baseOffset()+" last="+b.lastOffset()+" epoch="+b.partitionLeaderEpoch()+" "+b.compressionType()+" "+b.timestampType()+" max="+b.maxTimestamp()+" pid="+b.producerId()+"/"+b.producerEpoch()+"/"+b.baseSequence()+"-"+b.lastSequence()+" txn="+b.isTransactional()+" ctl="+b.isControlBatch()+" horizon="+b.deleteHorizonMs()+" count="+b.countOrNull()+" maxAt="+b.offsetOfMaxTimestamp());
        for (org.apache.kafka.common.record.Record x : b) { x.ensureValid(); StringBuilder h=new StringBuilder(); for (Header q : x.headers()) h.append(q.key()+"="+(q.value()==null?"null":new String(q.value()))+";");
          System.out.println("  "+x.offset()+" t="+x.timestamp()+" seq="+x.sequence()+" "+s(x.key())+" "+s(x.value())+" "+h
            + (b.isControlBatch()? " "+ControlRecordType.parse(x.key())+" "+EndTransactionMarker.deserialize(x).coordinatorEpoch():"")); }
      }
    }
  }
}
