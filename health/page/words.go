package page

import (
	"fmt"
	"strings"
	"time"
)

// A State is what a hop, a VIP or the host is in. The zero State is Unknown:
// nothing is green by omission.
type State int

// The states, in no order of badness; see worse.
const (
	Unknown State = iota
	Good
	Warn
	Bad
)

// String returns the name used for classes and icons.
func (s State) String() string {
	return [...]string{"unknown", "good", "warn", "bad"}[s&3]
}

// Word is what stands beside the icon.
func (s State) Word() string {
	return [...]string{"not observed", "in order", "warning", "critical"}[s&3]
}

// ago says how long d is, in the largest unit that fits twice.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

// span is a duration for reading, not for calculating: one unit, and two
// digits below ten.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(d)/1e6), ".0") + " ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// count writes a number with its thousands apart.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// scaled writes a rate with three digits at most: 950, 12.4 k, 3.1 M.
func scaled(v float64, unit string) string {
	prefix := ""
	for _, p := range []string{"k", "M", "G", "T"} {
		if v < 999.5 {
			break
		}
		v, prefix = v/1000, p
	}
	if v < 99.95 && v != float64(int64(v)) {
		return fmt.Sprintf("%.1f %s%s", v, prefix, unit)
	}
	return fmt.Sprintf("%.0f %s%s", v, prefix, unit)
}

// capital makes a sentence of what may be one already.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// clip bounds what a table cell or an explanation holds.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// by returns who did it, or nothing if nobody knows.
func by(who string) string {
	if who == "" || who == "unknown" {
		return ""
	}
	return who
}
