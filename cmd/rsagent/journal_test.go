package main

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"

	"github.com/sirupsen/logrus"
)

// sent are the lines that a journal has taken.
type sent struct {
	mu      sync.Mutex
	records []record
}

func (s *sent) send(message string, p journal.Priority, fields map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, record{message, p, fields})
	return nil
}

// Every line goes to the journal as it would be on standard error, with its
// fields by names that the journal accepts.
func TestJournalFields(t *testing.T) {
	t.Parallel()
	log, out := testLog()
	var got sent
	j := newJournaler(got.send, out)
	log.AddHook(j)
	log.WithFields(logrus.Fields{"id": rpFilter, "odd.näme": 7, "by": "sysctl[4711] uid 0"}).Error("drift")
	j.end()
	j.end()
	log.Info("too late")
	want := record{
		message:  strings.SplitAfter(out.String(), "\n")[0],
		priority: journal.PriErr,
		fields: map[string]string{
			"SYSLOG_IDENTIFIER": "rsagent", "RSAGENT_ID": rpFilter, "RSAGENT_ODD_N_ME": "7", "RSAGENT_BY": "sysctl[4711] uid 0",
		},
	}
	want.message = strings.TrimSuffix(want.message, "\n")
	if diff := cmp.Diff([]record{want}, got.records, cmp.AllowUnexported(record{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A journald that hangs keeps nobody waiting, and what is lost is counted.
func TestJournalThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, out := testLog()
		var got sent
		stuck := make(chan struct{})
		j := newJournaler(func(m string, p journal.Priority, f map[string]string) error { <-stuck; return got.send(m, p, f) }, out)
		log.AddHook(j)
		start := time.Now()
		log.Info("stuck")
		synctest.Wait()
		for range journalQueue + 7 {
			log.Info("waiting")
		}
		j.end()
		if took := time.Since(start); took != journalEnd {
			t.Errorf("the end came after %s", took)
		}
		close(stuck)
		<-j.done
		if len(got.records) != journalQueue+1 {
			t.Errorf("%d lines sent", len(got.records))
		}
	})
}

// Lost lines are told of with the next one, and where there is no journal any
// more the lines are on standard error.
func TestJournalTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	log, out := testLog()
	var got sent
	j := newJournaler(got.send, out)
	j.dropped = 3
	log.AddHook(j)
	log.Info("next")
	j.end()
	if r := got.records[0]; r.fields["RSAGENT_DROPPED"] != "3" || !strings.Contains(r.message, "3 lines before this were dropped") {
		t.Errorf("%+v", r)
	}
	last := &lockedLog{}
	j = newJournaler(func(string, journal.Priority, map[string]string) error { return errors.New("no journal") }, last)
	if err := j.Fire(logrus.NewEntry(log)); err != nil {
		t.Error(err)
	}
	j.end()
	if last.String() == "" {
		t.Error("a line is lost")
	}
}
