package main

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// saramaMember is a member by sarama: the handler of its sessions.
type saramaMember struct {
	*Member
	group   sarama.ConsumerGroup
	cancel  context.CancelFunc
	ended   chan struct{}
	auto    bool
	guard   sync.Mutex
	session sarama.ConsumerGroupSession
}

func (s Sarama) enter(c Command, seen *Member) (Acting, error) {
	config := s.config()
	own := &config.Consumer
	own.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{map[string]func() sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin,
		"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
	}[c.Strategy]()}
	own.Group.Session.Timeout = time.Duration(c.SessionMs) * time.Millisecond
	own.Group.Heartbeat.Interval, own.MaxWaitTime = heartbeat, pollAtMost
	own.Group.InstanceId = c.Instance
	own.Offsets.Initial = map[string]int64{"earliest": sarama.OffsetOldest, "latest": sarama.OffsetNewest}[c.Reset]
	own.Offsets.AutoCommit.Enable, own.Offsets.AutoCommit.Interval = c.AutoCommit, commitEvery
	group, err := sarama.NewConsumerGroup(s.bootstrap, c.Group, config)
	if err != nil {
		return nil, coded(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	member := &saramaMember{Member: seen, group: group, cancel: cancel, ended: make(chan struct{}), auto: c.AutoCommit}
	go member.run(ctx)
	return member, nil
}

func (m *saramaMember) run(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.topic}, m); err != nil {
			m.failed(err)
			return
		}
	}
}

// Setup keeps the session: commits go through it.
func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.guard.Lock()
	defer m.guard.Unlock()
	m.session = session
	return nil
}

// Cleanup has nothing to do: each claim tells its own end.
func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim reads one partition as long as it is the member's.
func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.saw("assigned", claim.Partition())
	defer m.saw("revoked", claim.Partition())
	for message := range claim.Messages() {
		m.read(message.Partition, message.Offset)
		if m.auto {
			session.MarkMessage(message, "")
		}
	}
	return nil
}

func (m *saramaMember) seen() *Member { return m.Member }

func (m *saramaMember) leave() error {
	m.cancel()
	err := m.group.Close()
	<-m.ended
	return coded(err)
}

func (m *saramaMember) hold(pause bool, partitions []int32) error {
	where := map[string][]int32{m.topic: partitions}
	if pause {
		m.group.Pause(where)
	} else {
		m.group.Resume(where)
	}
	return nil
}

func (m *saramaMember) seek(int32, int64) error {
	return Unsupported{"sarama moves a member's offset for its next session only"}
}

func (m *saramaMember) commit(offsets []Committed) error {
	m.guard.Lock()
	defer m.guard.Unlock()
	if m.session == nil {
		return errors.New("not joined yet")
	}
	for _, each := range offsets {
		m.session.MarkOffset(m.topic, each.Partition, each.Offset, each.Metadata)
	}
	m.session.Commit()
	return nil
}

func (s Sarama) committed(c Command) (answer Answer, err error) {
	err = s.admin(func(admin sarama.ClusterAdmin) error {
		found, err := admin.ListConsumerGroupOffsets(c.Group, nil)
		if err != nil {
			return err
		}
		offsets := []Committed{}
		for _, group := range found.Groups {
			for partition, at := range group.Blocks[c.Topic] {
				offsets = append(offsets, Committed{partition, at.Offset, at.Metadata})
			}
		}
		sort.Slice(offsets, func(i, j int) bool { return offsets[i].Partition < offsets[j].Partition })
		answer = Answer{"offsets": offsets}
		return nil
	})
	return answer, err
}
