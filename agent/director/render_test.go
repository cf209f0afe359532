package director

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		ok(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	ok(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func rendered(t *testing.T, list []ServiceStatus) string {
	t.Helper()
	var b strings.Builder
	ok(t, Render(&b, Info{Version: [3]int{1, 2, 1}, ConnectionTable: 4096}, list))
	return b.String()
}

func TestRenderAsIpvsadmLists(t *testing.T) {
	golden(t, "testdata/table.ln", rendered(t, foreignTable()))
}

func TestWriteRulesAsIpvsadmSaves(t *testing.T) {
	var b strings.Builder
	ok(t, writeRules(&b, foreignTable()))
	golden(t, "testdata/table.sn", b.String())
}

func TestRenderConnections(t *testing.T) {
	busy := tunnel(rs1, 80, 1)
	busy.ActiveConnections, busy.InactiveConnections = 1234567890, 42
	got := rendered(t, []ServiceStatus{{Service: web("rr"), Servers: []ServerStatus{busy}}})
	want := "TCP  172.25.84.100:80 rr\n  -> 172.25.84.2:80               Tunnel  1      1234567890 42        \n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("want it to end in\n%q, got\n%q", want, got)
	}
	if got := (Forward(4)).String(); got != "?" {
		t.Errorf(`forward 4: want "?", got %q`, got)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrors(t *testing.T) {
	d, _ := openFake(t)
	refused(t, d.Save(brokenWriter{}), nil, "ipvs table: save: disk full")
	refused(t, Render(brokenWriter{}, Info{}, nil), nil, "disk full")
}

// The kernel gives its table out in the order of a hash: a list is the same whatever that was.
func TestOrderDependsOnContentOnly(t *testing.T) {
	want := foreignTable()
	for range 200 {
		got := foreignTable()
		shuffle(got)
		for _, s := range got {
			shuffle(s.Servers)
		}
		sortStatus(got)
		if diff := cmp.Diff(want, got, netipEqual, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("table (-want +got):\n%s", diff)
		}
	}
}

func shuffle[T any](s []T) { rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] }) }
