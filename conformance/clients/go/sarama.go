package main

import (
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// Sarama is sarama.
type Sarama struct{ bootstrap []string }

func saramaCommands(bootstrap string) Commands {
	s := Sarama{[]string{bootstrap}}
	return grouped(Commands{
		"produce": s.produce, "consume": s.consume, "offsets": s.offsets,
		"create": s.create, "delete": s.delete, "metadata": s.metadata, "wake": s.wake, "committed": s.committed,
	}, s.enter)
}

func (s Sarama) config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_2_0_0
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	config.Consumer.Fetch.Default = 256 << 10
	return config
}

// coded makes the broker's code out of an error.
func coded(err error) error {
	if code := sarama.KError(0); errors.As(err, &code) {
		return Refused{int16(code), err.Error()}
	}
	return err
}

func (s Sarama) admin(act func(sarama.ClusterAdmin) error) error {
	config := s.config()
	config.Admin.Retry.Max = 0
	admin, err := sarama.NewClusterAdmin(s.bootstrap, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return coded(act(admin))
}

func (s Sarama) produce(c Command) (Answer, error) {
	config := s.config()
	if err := config.Producer.Compression.UnmarshalText([]byte(c.Compression)); err != nil {
		return nil, err
	}
	config.Producer.RequiredAcks = map[string]sarama.RequiredAcks{"all": sarama.WaitForAll, "1": sarama.WaitForLocal, "0": sarama.NoResponse}[c.Acks]
	if c.Idempotence {
		config.Producer.Idempotent, config.Net.MaxOpenRequests = true, 1
	}
	records, err := readRecords(c.Records)
	if err != nil {
		return nil, err
	}
	producer, err := sarama.NewSyncProducer(s.bootstrap, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var all []*sarama.ProducerMessage
	for _, r := range records {
		message := &sarama.ProducerMessage{Topic: c.Topic, Partition: c.Partition, Timestamp: time.UnixMilli(r.Timestamp)}
		if r.Key != nil {
			message.Key = sarama.ByteEncoder(r.Key)
		}
		if r.Value != nil {
			message.Value = sarama.ByteEncoder(r.Value)
		}
		for _, h := range r.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
		}
		all = append(all, message)
	}
	if err := producer.SendMessages(all); err != nil {
		return nil, coded(err)
	}
	offsets := make([]int64, len(all))
	for i, message := range all {
		offsets[i] = message.Offset
	}
	return Answer{"offsets": offsets}, nil
}

func (s Sarama) consume(c Command) (Answer, error) {
	from := sarama.OffsetOldest
	if offset, ok := c.Start.(float64); ok {
		from = int64(offset)
	}
	var got []Record
	err := s.reading(c, s.config(), from, func(messages <-chan *sarama.ConsumerMessage) error {
		deadline := time.After(waitTime)
		for len(got) < c.Count {
			select {
			case m := <-messages:
				record := Record{Offset: m.Offset, Key: m.Key, Value: m.Value, Timestamp: m.Timestamp.UnixMilli()}
				for _, h := range m.Headers {
					record.Headers = append(record.Headers, RecHeader{string(h.Key), h.Value})
				}
				got = append(got, record)
			case <-deadline:
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return Answer{"count": len(got)}, writeRecords(c.Records, got)
}

// reading gives act what comes from one partition.
func (s Sarama) reading(c Command, config *sarama.Config, from int64, act func(<-chan *sarama.ConsumerMessage) error) error {
	consumer, err := sarama.NewConsumer(s.bootstrap, config)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(c.Topic, c.Partition, from)
	if err != nil {
		return coded(err)
	}
	defer partition.AsyncClose()
	return act(partition.Messages())
}

func (s Sarama) offsets(c Command) (Answer, error) {
	client, err := sarama.NewClient(s.bootstrap, s.config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	at := sarama.OffsetNewest
	if time, ok := c.At.(float64); ok {
		at = int64(time)
	} else if c.At == "earliest" {
		at = sarama.OffsetOldest
	}
	offset, err := client.GetOffset(c.Topic, c.Partition, at)
	return Answer{"offset": offset}, coded(err)
}

func (s Sarama) create(c Command) (Answer, error) {
	count, err := c.number()
	if err != nil {
		return nil, err
	}
	configs := map[string]*string{}
	for name, value := range c.Configs {
		configs[name] = &value
	}
	return nil, s.admin(func(admin sarama.ClusterAdmin) error {
		detail := sarama.TopicDetail{NumPartitions: count, ReplicationFactor: 1, ConfigEntries: configs}
		return admin.CreateTopic(c.Topic, &detail, false)
	})
}

func (s Sarama) delete(c Command) (Answer, error) {
	return nil, s.admin(func(admin sarama.ClusterAdmin) error { return admin.DeleteTopic(c.Topic) })
}

func (s Sarama) metadata(Command) (answer Answer, err error) {
	err = s.admin(func(admin sarama.ClusterAdmin) error {
		found, _, err := admin.DescribeCluster()
		if err != nil {
			return err
		}
		brokers, topics := [][]any{}, map[string][][2]int32{}
		for _, broker := range found {
			host, text, err := net.SplitHostPort(broker.Addr())
			if err != nil {
				return err
			}
			port, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			brokers = append(brokers, []any{broker.ID(), host, port})
		}
		listed, err := admin.ListTopics()
		if err != nil {
			return err
		}
		var names []string
		for name := range listed {
			names = append(names, name)
		}
		described, err := admin.DescribeTopics(names)
		for _, topic := range described {
			for _, p := range topic.Partitions {
				topics[topic.Name] = append(topics[topic.Name], [2]int32{p.ID, p.Leader})
			}
			sort.Slice(topics[topic.Name], func(i, j int) bool { return topics[topic.Name][i][0] < topics[topic.Name][j][0] })
		}
		answer = Answer{"brokers": brokers, "topics": topics}
		return err
	})
	return answer, err
}

func (s Sarama) wake(c Command) (answer Answer, err error) {
	config := s.config()
	config.Consumer.MaxWaitTime = 10 * time.Second
	producer, err := sarama.NewSyncProducer(s.bootstrap, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	send := func() error {
		message := &sarama.ProducerMessage{Topic: c.Topic, Partition: c.Partition, Value: sarama.StringEncoder("wake")}
		_, _, err := producer.SendMessage(message)
		return err
	}
	if err := send(); err != nil {
		return nil, coded(err)
	}
	err = s.reading(c, config, sarama.OffsetNewest, func(messages <-chan *sarama.ConsumerMessage) error {
		answer, err = measureWake(send, func() error {
			select {
			case <-messages:
				return nil
			case <-time.After(12 * time.Second):
				return fmt.Errorf("no record arrived")
			}
		})
		return err
	})
	return answer, err
}
