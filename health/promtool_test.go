//go:build promtool

package health

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// promtool runs it on stdin, and fails the test with what it says.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("apt-get install prometheus: %v", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// What Prometheus gets is as its conventions have it, in any state.
func TestPromtoolMetrics(t *testing.T) {
	t.Parallel()
	drained := fullHealth()
	drained.setDrain(DrainState{Drain: Drain{Since: time.Now(), Reason: "disk"}, Draining: true})
	for name, h := range map[string]*Health{"full": fullHealth(), "drained": drained, "new": New(testConfig())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promtool(t, get(&Handler{Health: h}, "GET", "/metrics").Body.String(), "check", "metrics")
		})
	}
}

// Every expression of the dashboard is PromQL.
func TestPromtoolDashboard(t *testing.T) {
	t.Parallel()
	var rules []map[string]string
	for i, expr := range dashboardExprs(t) {
		rules = append(rules, map[string]string{"record": fmt.Sprintf("expr:%d", i), "expr": variables.Replace(expr)})
	}
	file, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", path)
}
