package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Load is what wrk says of a run.
type Load struct {
	PerSecond float64
	P99       time.Duration
	Bad       int // answers other than 2xx and 3xx, and socket errors
}

// ParseLoad reads what `wrk --latency` prints.
func ParseLoad(text string) (Load, error) {
	var l Load
	found := 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		var err error
		switch {
		case fields[0] == "99%":
			l.P99, err = time.ParseDuration(fields[1]) // wrk's us, ms, s and m are Go's
			found++
		case fields[0] == "Requests/sec:":
			l.PerSecond, err = strconv.ParseFloat(fields[1], 64)
			found++
		case strings.HasPrefix(strings.TrimSpace(line), "Non-2xx"):
			err = l.addBad(fields[len(fields)-1:])
		case strings.HasPrefix(strings.TrimSpace(line), "Socket errors:"):
			err = l.addBad(fields[2:])
		}
		if err != nil {
			return l, fmt.Errorf("wrk: %q: %w", strings.TrimSpace(line), err)
		}
	}
	if found != 2 {
		return l, fmt.Errorf("wrk: no rate or no 99th percentile in %q", text)
	}
	return l, nil
}

// addBad adds up the numbers among words.
func (l *Load) addBad(words []string) error {
	numbers := 0
	for _, w := range words {
		if n, err := strconv.Atoi(strings.TrimSuffix(w, ",")); err == nil {
			l.Bad += n
			numbers++
		}
	}
	if numbers == 0 {
		return strconv.ErrSyntax
	}
	return nil
}
