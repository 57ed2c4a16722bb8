package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"sync"
	"time"
)

// Unsupported says what a library does not have.
type Unsupported struct{ what string }

func (u Unsupported) Error() string { return u.what }

const (
	heartbeat   = 300 * time.Millisecond
	pollAtMost  = 100 * time.Millisecond
	commitEvery = 500 * time.Millisecond
)

// Member is what a member of a group saw.
type Member struct {
	topic    string
	lock     sync.Mutex
	assigned map[int32]bool
	events   [][]any
	records  [][2]int64
	err      error
}

// Acting is a member that can be told things.
type Acting interface {
	leave() error
	hold(pause bool, partitions []int32) error
	seek(partition int32, offset int64) error
	commit(offsets []Committed) error
	seen() *Member
}

// Committed is the offset of a partition, with its metadata.
type Committed struct {
	Partition int32
	Offset    int64
	Metadata  string
}

func (c Committed) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{c.Partition, c.Offset, c.Metadata})
}

func (c *Committed) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&c.Partition, &c.Offset, &c.Metadata})
}

func (m *Member) saw(what string, partitions ...int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, partition := range partitions {
		if what == "assigned" {
			m.assigned[partition] = true
		} else {
			delete(m.assigned, partition)
		}
	}
	m.events = append(m.events, []any{what, partitions})
}

func (m *Member) read(partition int32, offset int64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.records = append(m.records, [2]int64{int64(partition), offset})
}

func (m *Member) failed(err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.err = err
}

func (m *Member) state() Answer {
	m.lock.Lock()
	defer m.lock.Unlock()
	assigned := []int32{}
	for partition := range m.assigned {
		assigned = append(assigned, partition)
	}
	sort.Slice(assigned, func(i, j int) bool { return assigned[i] < assigned[j] })
	answer := Answer{"assigned": assigned, "events": m.events, "records": m.records, "error": nil}
	if m.err != nil {
		answer["error"] = m.err.Error()
	}
	return answer
}

// grouped adds the commands to members; enter makes a member.
func grouped(commands Commands, enter func(Command, *Member) (Acting, error)) Commands {
	members := map[string]Acting{}
	commands["join"] = func(c Command) (Answer, error) {
		member, err := enter(c, &Member{topic: c.Topic, assigned: map[int32]bool{}})
		if err == nil {
			members[c.Member] = member
		}
		return nil, err
	}
	// to makes a command of what a member does.
	to := func(act func(Acting, Command) error) func(Command) (Answer, error) {
		return func(c Command) (Answer, error) {
			member := members[c.Member]
			if member == nil {
				return nil, fmt.Errorf("no member %q", c.Member)
			}
			return nil, act(member, c)
		}
	}
	commands["state"] = func(c Command) (Answer, error) { return members[c.Member].seen().state(), nil }
	commands["leave"] = to(func(m Acting, c Command) error {
		delete(members, c.Member)
		return m.leave()
	})
	hold := func(pause bool) func(Command) (Answer, error) {
		return to(func(m Acting, c Command) error {
			numbers, err := c.numbers()
			if err != nil {
				return err
			}
			return m.hold(pause, numbers)
		})
	}
	commands["pause"], commands["resume"] = hold(true), hold(false)
	commands["seek"] = to(func(m Acting, c Command) error { return m.seek(c.Partition, c.Offset) })
	commands["commit"] = to(func(m Acting, c Command) error { return m.commit(c.Offsets) })
	return commands
}
