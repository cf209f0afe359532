package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
)

const (
	journalQueue = 1024        // lines that may wait for journald
	journalEnd   = time.Second // how long to wait for it at the end
)

// A record is a line for the journal.
type record struct {
	message  string
	priority journal.Priority
	fields   map[string]string
}

// A journaler is a logrus hook that sends every line to the journal with its
// fields, each as RSAGENT_ and its name in capitals, so that journalctl can
// filter by them. Sending waits for journald, so it is not done where the line
// is written: when journald does not read, lines are dropped, and counted.
type journaler struct {
	send func(message string, p journal.Priority, fields map[string]string) error
	last io.Writer // takes what cannot be sent

	mu      sync.Mutex
	ended   bool
	dropped int
	queue   chan record
	done    chan struct{}
}

// toJournal sends the log to the journal if that is where standard error goes.
// The log is there when flush returns, unless journald hangs.
func toJournal(log *logrus.Logger, stderr io.Writer) (flush func()) {
	if is, err := journal.StderrIsJournalStream(); err != nil || !is {
		return func() {}
	}
	j := newJournaler(journal.Send, stderr)
	log.SetOutput(io.Discard)
	log.AddHook(j)
	return j.end
}

func newJournaler(send func(string, journal.Priority, map[string]string) error, last io.Writer) *journaler {
	j := &journaler{send: send, last: last, queue: make(chan record, journalQueue), done: make(chan struct{})}
	go j.run()
	return j
}

// Levels implements logrus.Hook.
func (j *journaler) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook. It never waits.
func (j *journaler) Fire(e *logrus.Entry) error {
	text, err := e.Bytes()
	if err != nil {
		return err
	}
	r := record{string(bytes.TrimRight(text, "\n")), priority(e.Level), journalFields(e.Data)}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return nil
	}
	if j.dropped > 0 {
		r.fields["RSAGENT_DROPPED"] = fmt.Sprint(j.dropped)
		r.message += fmt.Sprintf(" (%d lines before this were dropped)", j.dropped)
	}
	select {
	case j.queue <- r:
		j.dropped = 0
	default:
		j.dropped++
	}
	return nil
}

func (j *journaler) run() {
	defer close(j.done)
	for r := range j.queue {
		if err := j.send(r.message, r.priority, r.fields); err != nil {
			fmt.Fprintln(j.last, r.message)
		}
	}
}

func (j *journaler) end() {
	j.mu.Lock()
	if !j.ended {
		j.ended = true
		close(j.queue)
	}
	j.mu.Unlock()
	select {
	case <-j.done:
	case <-time.After(journalEnd):
	}
}

func journalFields(data logrus.Fields) map[string]string {
	out := map[string]string{"SYSLOG_IDENTIFIER": "rsagent"}
	for name, value := range data {
		out[journalName(name)] = fmt.Sprint(value)
	}
	return out
}

// journalName makes the name of a field one that the journal accepts.
func journalName(name string) string {
	return "RSAGENT_" + strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

func priority(l logrus.Level) journal.Priority {
	switch l {
	case logrus.PanicLevel, logrus.FatalLevel:
		return journal.PriCrit
	case logrus.ErrorLevel:
		return journal.PriErr
	case logrus.WarnLevel:
		return journal.PriWarning
	case logrus.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}
