package audit

import "testing"

func TestOpenKnowsItsWays(t *testing.T) {
	t.Parallel()
	if s, err := Open(Options{Only: "kprobe"}); err == nil || err.Error() != "kprobe: no such source of writes" {
		t.Errorf("got %v, %v", s, err)
	}
}
