package main

import (
	"bytes"
	"sync"

	"github.com/sirupsen/logrus"
)

// lockedLog may be read while it is written.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// testLog is a log of every level, and what is written to it without what varies.
func testLog() (*logrus.Logger, *lockedLog) {
	log, out := logrus.New(), &lockedLog{}
	log.SetOutput(out)
	log.SetLevel(logrus.DebugLevel)
	log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true, DisableColors: true})
	return log, out
}
