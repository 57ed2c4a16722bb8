package main

import (
	"context"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franzMember is a member by franz-go.
type franzMember struct {
	*Member
	client *kgo.Client
	ended  chan struct{}
}

func (f Franz) enter(c Command, seen *Member) (Acting, error) {
	saw := func(what string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			seen.saw(what, partitions[c.Topic]...)
		}
	}
	balancer := map[string]func() kgo.GroupBalancer{
		"range": kgo.RangeBalancer, "roundrobin": kgo.RoundRobinBalancer, "cooperative-sticky": kgo.CooperativeStickyBalancer,
	}[c.Strategy]
	reset := kgo.NewOffset().AtStart()
	if c.Reset == "latest" {
		reset = kgo.NewOffset().AtEnd()
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Topic), kgo.Balancers(balancer()), kgo.ConsumeResetOffset(reset),
		kgo.SessionTimeout(time.Duration(c.SessionMs) * time.Millisecond), kgo.HeartbeatInterval(heartbeat),
		kgo.OnPartitionsAssigned(saw("assigned")), kgo.OnPartitionsRevoked(saw("revoked")), kgo.OnPartitionsLost(saw("lost")),
		kgo.FetchMaxWait(pollAtMost), kgo.BlockRebalanceOnPoll(),
	}
	if c.Instance != "" {
		options = append(options, kgo.InstanceID(c.Instance))
	}
	if c.AutoCommit {
		options = append(options, kgo.AutoCommitInterval(commitEvery))
	} else {
		options = append(options, kgo.DisableAutoCommit())
	}
	client, err := f.client(options...)
	if err != nil {
		return nil, err
	}
	member := &franzMember{seen, client, make(chan struct{})}
	go member.run()
	return member, nil
}

func (m *franzMember) run() {
	defer close(m.ended)
	for {
		fetches := m.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) { m.failed(err) })
		fetches.EachRecord(func(r *kgo.Record) { m.read(r.Partition, r.Offset) })
		m.client.AllowRebalance()
	}
}

func (m *franzMember) seen() *Member { return m.Member }

func (m *franzMember) leave() error {
	m.client.CloseAllowingRebalance()
	<-m.ended
	return nil
}

func (m *franzMember) hold(pause bool, partitions []int32) error {
	where := map[string][]int32{m.topic: partitions}
	if pause {
		m.client.PauseFetchPartitions(where)
	} else {
		m.client.ResumeFetchPartitions(where)
	}
	return nil
}

func (m *franzMember) seek(partition int32, offset int64) error {
	m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{m.topic: {partition: {Epoch: -1, Offset: offset}}})
	return nil
}

func (m *franzMember) commit(offsets []Committed) error {
	at, texts := map[int32]kgo.EpochOffset{}, map[int32]*string{}
	for _, each := range offsets {
		at[each.Partition], texts[each.Partition] = kgo.EpochOffset{Epoch: -1, Offset: each.Offset}, &each.Metadata
	}
	ctx := kgo.PreCommitFnContext(context.Background(), func(request *kmsg.OffsetCommitRequest) error {
		for t := range request.Topics {
			for p := range request.Topics[t].Partitions {
				partition := &request.Topics[t].Partitions[p]
				partition.Metadata = texts[partition.Partition]
			}
		}
		return nil
	})
	var failed error
	done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
		failed = err
	}
	m.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.topic: at}, done)
	return failed
}

func (f Franz) committed(c Command) (answer Answer, err error) {
	err = f.admin(func(ctx context.Context, admin *kadm.Client) error {
		found, err := admin.FetchOffsets(ctx, c.Group)
		offsets := []Committed{}
		for partition, at := range found[c.Topic] {
			offsets = append(offsets, Committed{partition, at.At, at.Metadata})
		}
		sort.Slice(offsets, func(i, j int) bool { return offsets[i].Partition < offsets[j].Partition })
		answer = Answer{"offsets": offsets}
		return err
	})
	return answer, err
}
