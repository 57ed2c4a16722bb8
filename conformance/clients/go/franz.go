package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Franz is franz-go.
type Franz struct{ bootstrap string }

func franz(bootstrap string) Commands {
	f := Franz{bootstrap}
	return grouped(Commands{
		"produce": f.produce, "consume": f.consume, "offsets": f.offsets,
		"create": f.create, "delete": f.delete, "metadata": f.metadata, "wake": f.wake, "committed": f.committed,
	}, f.enter)
}

func (f Franz) client(more ...kgo.Opt) (*kgo.Client, error) {
	fixed := []kgo.Opt{kgo.SeedBrokers(f.bootstrap), kgo.AllowAutoTopicCreation(), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	return kgo.NewClient(append(fixed, more...)...)
}

// admin gives act an admin client, and makes the broker's code out of its error.
func (f Franz) admin(act func(context.Context, *kadm.Client) error) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitTime)
	defer cancel()
	err = act(ctx, kadm.NewClient(client))
	if code := (*kerr.Error)(nil); errors.As(err, &code) {
		return Refused{code.Code, code.Error()}
	}
	return err
}

func (f Franz) produce(c Command) (Answer, error) {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[c.Compression]
	acks := map[string]kgo.Acks{"all": kgo.AllISRAcks(), "1": kgo.LeaderAck(), "0": kgo.NoAck()}[c.Acks]
	options := []kgo.Opt{kgo.ProducerBatchCompression(codec), kgo.RequiredAcks(acks), kgo.ProducerLinger(20 * time.Millisecond)}
	if !c.Idempotence {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	records, err := readRecords(c.Records)
	if err != nil {
		return nil, err
	}
	client, err := f.client(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var all []*kgo.Record
	for _, r := range records {
		record := &kgo.Record{Topic: c.Topic, Partition: c.Partition, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp)}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		all = append(all, record)
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitTime)
	defer cancel()
	if err := client.ProduceSync(ctx, all...).FirstErr(); err != nil {
		return nil, err
	}
	offsets := make([]int64, len(all))
	for i, record := range all {
		offsets[i] = record.Offset
	}
	return Answer{"offsets": offsets}, nil
}

func (f Franz) consume(c Command) (Answer, error) {
	from := kgo.NewOffset().AtStart()
	if offset, ok := c.Start.(float64); ok {
		from = kgo.NewOffset().At(int64(offset))
	}
	client, err := f.reader(c, from, kgo.FetchMaxPartitionBytes(256<<10))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitTime)
	defer cancel()
	var got []Record
	for len(got) < c.Count && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			record := Record{Offset: r.Offset, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp.UnixMilli()}
			for _, h := range r.Headers {
				record.Headers = append(record.Headers, RecHeader{h.Key, h.Value})
			}
			got = append(got, record)
		})
	}
	return Answer{"count": len(got)}, writeRecords(c.Records, got)
}

// reader is a client that reads one partition.
func (f Franz) reader(c Command, from kgo.Offset, more ...kgo.Opt) (*kgo.Client, error) {
	where := map[string]map[int32]kgo.Offset{c.Topic: {c.Partition: from}}
	return f.client(append(more, kgo.ConsumePartitions(where))...)
}

func (f Franz) offsets(c Command) (answer Answer, err error) {
	err = f.admin(func(ctx context.Context, admin *kadm.Client) error {
		var listed kadm.ListedOffsets
		var err error
		switch at := c.At.(type) {
		case float64:
			listed, err = admin.ListOffsetsAfterMilli(ctx, int64(at), c.Topic)
		default:
			if at == "earliest" {
				listed, err = admin.ListStartOffsets(ctx, c.Topic)
			} else {
				listed, err = admin.ListEndOffsets(ctx, c.Topic)
			}
		}
		if err != nil {
			return err
		}
		found, _ := listed.Lookup(c.Topic, c.Partition)
		answer = Answer{"offset": found.Offset}
		return found.Err
	})
	return answer, err
}

func (f Franz) create(c Command) (Answer, error) {
	count, err := c.number()
	if err != nil {
		return nil, err
	}
	configs := map[string]*string{}
	for name, value := range c.Configs {
		configs[name] = &value
	}
	return nil, f.admin(func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.CreateTopic(ctx, count, 1, configs, c.Topic)
		return err
	})
}

func (f Franz) delete(c Command) (Answer, error) {
	return nil, f.admin(func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.DeleteTopic(ctx, c.Topic)
		return err
	})
}

func (f Franz) metadata(Command) (answer Answer, err error) {
	err = f.admin(func(ctx context.Context, admin *kadm.Client) error {
		found, err := admin.Metadata(ctx)
		if err != nil {
			return err
		}
		brokers, topics := [][]any{}, map[string][][2]int32{}
		for _, b := range found.Brokers {
			brokers = append(brokers, []any{b.NodeID, b.Host, b.Port})
		}
		for name, topic := range found.Topics {
			for _, p := range topic.Partitions {
				topics[name] = append(topics[name], [2]int32{p.Partition, p.Leader})
			}
			sort.Slice(topics[name], func(i, j int) bool { return topics[name][i][0] < topics[name][j][0] })
		}
		answer = Answer{"brokers": brokers, "topics": topics}
		return nil
	})
	return answer, err
}

func (f Franz) wake(c Command) (Answer, error) {
	producer, err := f.client()
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitTime)
	defer cancel()
	send := func() error {
		record := &kgo.Record{Topic: c.Topic, Partition: c.Partition, Value: []byte("wake")}
		return producer.ProduceSync(ctx, record).FirstErr()
	}
	if err := send(); err != nil {
		return nil, err
	}
	consumer, err := f.reader(c, kgo.NewOffset().AtEnd(), kgo.FetchMaxWait(10*time.Second))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	return measureWake(send, func() error {
		fetches := consumer.PollFetches(ctx)
		if n := fetches.NumRecords(); n != 1 {
			return fmt.Errorf("%s records instead of 1: %w", strconv.Itoa(n), fetches.Err0())
		}
		return nil
	})
}
