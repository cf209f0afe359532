package page

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"rsagent/agent"
)

// status is what a client of the host's /status reads.
func status(t *testing.T, h host) Status {
	t.Helper()
	b, err := json.Marshal(h.snapshot().JSON())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, h := range hosts() {
		var b bytes.Buffer
		if err := Text(&b, status(t, h), nil); err != nil {
			t.Fatal(err)
		}
		golden(t, "text-"+name+".txt", b.Bytes())
	}
}

func TestTextIsBounded(t *testing.T) {
	t.Parallel()
	all := make([]int, 3000)
	for i := range all {
		all[i] = i
	}
	var b bytes.Buffer
	if err := Text(&b, status(t, host{vips: 3000, missing: all}), nil); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines > 120 {
		t.Errorf("%d lines", lines)
	}
	if !strings.Contains(b.String(), "and 2,980 more, 2,980 of them not ready") {
		t.Errorf("the rest is not counted:\n%s", b.String())
	}
}

func TestTextIsPainted(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	paint := func(s agent.Severity, text string) string { return "<" + s.String() + ":" + text + ">" }
	if err := Text(&b, status(t, hosts()["red"]), paint); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<critical:2 critical>", "<critical:NOT READY>", "<critical:sysctl/net.ipv4.conf.all.rp_filter>", "<ok:link/tunl0/up>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

func TestDecodeRefusesWhatIsNoStatus(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "ok\n", "<html>", `{"state":"splendid"}`, `{"vips":3}`} {
		if _, err := Decode(strings.NewReader(body)); err == nil {
			t.Errorf("%q was taken", body)
		}
	}
}
