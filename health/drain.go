package health

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a drain.
const (
	MaxDrain  = 30 * 24 * time.Hour // longer is a decommission, and has no end
	MaxReason = 200                 // characters
)

// A Drain takes the host out of service by hand. VIPs and tunnel stay up, so
// established connections finish. It is kept in a file, see [WriteDrain].
type Drain struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until undrained
	Reason string    `json:"reason,omitempty"`
}

// NewDrain returns a drain without an end. The reason may be empty.
func NewDrain(now time.Time, reason string) (Drain, error) {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n > MaxReason {
		return Drain{}, fmt.Errorf("reason of %d characters: want at most %d", n, MaxReason)
	}
	if !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Drain{}, errors.New("reason with a control character: want printable text on one line")
	}
	return Drain{Since: now.Truncate(time.Second), Reason: reason}, nil
}

// For returns d with an end, that long after now.
func (d Drain) For(now time.Time, limit time.Duration) (Drain, error) {
	if limit <= 0 || limit > MaxDrain {
		return Drain{}, fmt.Errorf("drain for %s: want more than 0 and at most %s (30 days)", limit, MaxDrain)
	}
	d.Until = now.Add(limit)
	return d, nil
}

// DrainState says whether the host is drained. The zero state is not.
type DrainState struct {
	Draining bool
	Drain
	// Corrupt says what is wrong with a file that cannot be read; empty if
	// nothing is.
	Corrupt string
}

// Sentence tells a person what the state is.
func (s DrainState) Sentence() string {
	if !s.Draining {
		return "not drained."
	}
	if s.Corrupt != "" {
		return "drained, because " + s.Reason + "."
	}
	text := "drained since " + s.Since.UTC().Format(time.RFC3339)
	if !s.Until.IsZero() {
		text += " until " + s.Until.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text + "."
}

// at returns the state at a later time: a drain ends by itself.
func (s DrainState) at(now time.Time) DrainState {
	if s.Draining && s.Corrupt == "" && s.expired(now) {
		return DrainState{}
	}
	return s
}

func (d Drain) expired(now time.Time) bool { return !d.Until.IsZero() && !now.Before(d.Until) }

// corrupt is drained: a file that somebody wrote to take the host out, and
// that says nothing any more, must not put it back in.
func corrupt(path, what string) DrainState {
	return DrainState{
		Draining: true, Corrupt: what,
		Drain: Drain{Reason: fmt.Sprintf("the drain file %s cannot be read: %s", path, what)},
	}
}
