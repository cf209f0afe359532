package probe

import (
	"fmt"
	"io"
	"strings"
)

// Render writes the result with the packet's way, a hop a line:
//
//	172.25.84.100:80  fail: rp_filter
//	  ok       packet in   protocol 4 from 172.25.84.4 to 172.25.84.2, through rsprobe0
//	  …
func Render(w io.Writer, r Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s", r.Target, r.Outcome)
	if r.Cause != "" {
		fmt.Fprintf(&b, ": %s", r.Cause)
	}
	if len(r.Way) == 0 && r.Why != "" {
		fmt.Fprintf(&b, ": %s", r.Why)
	}
	b.WriteByte('\n')
	for _, h := range r.Way {
		state := h.State.String()
		if h.State == HopFailed {
			state = "FAILED"
		}
		fmt.Fprintf(&b, "  %-8s %-11s %s\n", state, h.Name, h.Evidence)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
