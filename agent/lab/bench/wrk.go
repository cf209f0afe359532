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
	Requests  int
	Refused   int // answers other than 2xx and 3xx
	Errors    int // of sockets, time-outs among them
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
		case fields[1] == "requests":
			l.Requests, err = strconv.Atoi(fields[0])
			found++
		case fields[0] == "Non-2xx":
			l.Refused, err = strconv.Atoi(fields[len(fields)-1])
		case fields[0] == "Socket" && fields[1] == "errors:":
			l.Errors, err = sum(fields[2:])
		}
		if err != nil {
			return l, fmt.Errorf("wrk: %q: %w", strings.TrimSpace(line), err)
		}
	}
	if found != 3 {
		return l, fmt.Errorf("wrk: no rate, no count or no 99th percentile in %q", text)
	}
	return l, nil
}

// sum adds up the numbers among words.
func sum(words []string) (int, error) {
	total, numbers := 0, 0
	for _, w := range words {
		if n, err := strconv.Atoi(strings.TrimSuffix(w, ",")); err == nil {
			total += n
			numbers++
		}
	}
	if numbers == 0 {
		return 0, strconv.ErrSyntax
	}
	return total, nil
}
