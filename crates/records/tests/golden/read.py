# Reads lines of 'name hex' with kafka-python, checks each CRC and prints what they hold: read.py FILE.
from kafka.record.memory_records import MemoryRecords
import sys
for l in open(sys.argv[1]):
    n,h=l.split()
    m=MemoryRecords(bytes.fromhex(h)); b=m.next_batch(); assert b.validate_crc()
    print(n,b.base_offset,b.last_offset,b.timestamp_type,b.max_timestamp,b.producer_id,b.records_count,[(r.offset,r.timestamp,r.key,r.value if not r.value or len(r.value)<50 else (len(r.value),set(r.value)),r.headers) for r in b])
