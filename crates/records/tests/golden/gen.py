# Makes kafka-python-3.0.12.txt: pip install kafka-python python-snappy lz4 zstandard.
from kafka.record.memory_records import MemoryRecordsBuilder
names=["none","gzip","snappy","lz4","zstd"]
print("# Made by PyPI's kafka-python 3.0.12 (python-snappy 0.7.3, lz4 4.4.5, zstandard 0.25.0). One batch a line: name, hex.")
for i,n in enumerate(names):
    for big in (0,1):
        if big and i==0: continue
        m=MemoryRecordsBuilder(2,i,1<<20,transactional=True,producer_id=4711,producer_epoch=3,base_sequence=17)
        t=1700000000000
        m.append(t,b"k0",b"K. arrived late in the evening",[("h1",b"v1"),("h2",None)])
        m.append(t+5,None,b"abc"*40,[])
        m.append(t+3,b"",None,[("",b"")])
        if big: m.append(t+4,b"big",b"z"*70000,[])
        m.close()
        print(n+("-big" if big else ""), bytes(m.buffer()).hex())
