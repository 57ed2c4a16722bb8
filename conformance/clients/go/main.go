// franz-go and sarama against a broker: commands in, answers out (see conformance/README.md).
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const waitTime = 60 * time.Second

// Command is one line of input: what to do, and all that any command may need.
type Command struct {
	Do          string            `json:"do"`
	Topic       string            `json:"topic"`
	Partition   int32             `json:"partition"`
	Configs     map[string]string `json:"configs"`
	Records     string            `json:"records"`
	Compression string            `json:"compression"`
	Acks        string            `json:"acks"`
	Idempotence bool              `json:"idempotence"`
	Start       any               `json:"start"`
	At          any               `json:"at"`
	Count       int               `json:"count"`

	// A number for `create`, a list for `pause` and `resume`.
	Partitions json.RawMessage `json:"partitions"`

	Member     string      `json:"member"`
	Group      string      `json:"group"`
	Strategy   string      `json:"strategy"`
	Instance   string      `json:"instance"`
	Reset      string      `json:"reset"`
	AutoCommit bool        `json:"auto_commit"`
	SessionMs  int         `json:"session_ms"`
	Offset     int64       `json:"offset"`
	Offsets    []Committed `json:"offsets"`
}

// numbers is a list of partitions.
func (c Command) numbers() (numbers []int32, err error) {
	err = json.Unmarshal(c.Partitions, &numbers)
	return numbers, err
}

// number is a count of partitions.
func (c Command) number() (number int32, err error) {
	err = json.Unmarshal(c.Partitions, &number)
	return number, err
}

// Answer is one line of output.
type Answer map[string]any

// Commands are what a library can be told.
type Commands map[string]func(Command) (Answer, error)

// Refused is an error code of the broker.
type Refused struct {
	code int16
	text string
}

func (r Refused) Error() string { return r.text }

func main() {
	clients := map[string]func(string) Commands{"franz-go": franz, "sarama": saramaCommands}
	if len(os.Args) < 3 || clients[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: client franz-go|sarama ADDRESS [COMMAND ...]")
		os.Exit(2)
	}
	commands := clients[os.Args[1]](os.Args[2])
	for _, line := range os.Args[3:] {
		carryOut(commands, []byte(line))
	}
	if len(os.Args) > 3 {
		return
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		carryOut(commands, line)
	}
}

func carryOut(commands Commands, line []byte) {
	// What `conformance/README.md` gives as defaults.
	command := Command{
		Partitions: json.RawMessage("1"), Compression: "none", Acks: "all", Start: "earliest",
		Strategy: "range", Reset: "earliest", SessionMs: 6000,
	}
	answer, err := Answer(nil), json.Unmarshal(line, &command)
	if err == nil {
		if act := commands[command.Do]; act != nil {
			answer, err = act(command)
		} else {
			err = fmt.Errorf("unknown command: %q", command.Do)
		}
	}
	if answer == nil {
		answer = Answer{}
	}
	answer["ok"] = err == nil
	if err != nil {
		if unsupported := (Unsupported{}); errors.As(err, &unsupported) {
			answer["unsupported"] = unsupported.what
		}
		answer["error"], answer["code"] = err.Error(), nil
		if refused := (Refused{}); errors.As(err, &refused) {
			answer["code"] = refused.code
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

// measureWake gives the milliseconds from send to the end of receive, which waits already.
func measureWake(send func() error, receive func() error) (Answer, error) {
	var sent time.Time
	done := make(chan error, 1)
	go func() {
		time.Sleep(1500 * time.Millisecond)
		sent = time.Now()
		done <- send()
	}()
	if err := receive(); err != nil {
		return nil, err
	}
	got := time.Now()
	return Answer{"ms": got.Sub(sent).Milliseconds()}, <-done
}
