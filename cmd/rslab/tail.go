package main

import (
	"io"
	"strings"
	"sync"
)

// tail keeps the last bytes written to it, and passes everything on when copy is set.
type tail struct {
	copy io.Writer
	keep int

	mu   sync.Mutex
	data []byte
}

// Write never fails: what a machine says on its console must not stop it.
func (t *tail) Write(p []byte) (int, error) {
	if t.copy != nil {
		_, _ = t.copy.Write(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - t.keep; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

// String returns what is kept, in lines that end in \n alone.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(string(t.data), "\r", "")
}

// find returns the first kept line that contains text, from text on.
func (t *tail) find(text string) (string, bool) {
	for line := range strings.Lines(t.String()) {
		if i := strings.Index(line, text); i >= 0 {
			return strings.TrimSpace(line[i:]), true
		}
	}
	return "", false
}
