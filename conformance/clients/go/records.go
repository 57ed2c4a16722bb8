package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
)

// Record is a line of a file of records; bytes are in hex.
type Record struct {
	Offset    int64       `json:"offset"`
	Key       Hex         `json:"key"`
	Value     Hex         `json:"value"`
	Headers   []RecHeader `json:"headers"`
	Timestamp int64       `json:"timestamp"`
}

// RecHeader is a name and a value.
type RecHeader struct {
	Name  string
	Value Hex
}

// Hex is bytes as hex in JSON, nil as null.
type Hex []byte

func (h Hex) MarshalJSON() ([]byte, error) {
	if h == nil {
		return []byte("null"), nil
	}
	return json.Marshal(hex.EncodeToString(h))
}

func (h *Hex) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte("null")) {
		*h = nil
		return nil
	}
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	data, err := hex.DecodeString(digits)
	*h = data
	return err
}

func (h RecHeader) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

func (h *RecHeader) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}

func readRecords(path string) ([]Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var record Record
		if err := json.Unmarshal(line, &record); err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

func writeRecords(path string, records []Record) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buffered := bufio.NewWriter(file)
	lines := json.NewEncoder(buffered)
	for _, record := range records {
		if record.Headers == nil {
			record.Headers = []RecHeader{}
		}
		if err := lines.Encode(record); err != nil {
			return err
		}
	}
	return buffered.Flush()
}
