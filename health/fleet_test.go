package health

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	dashboardFile = "../packaging/grafana/rsagent.json"
	alertsFile    = "../packaging/prometheus/alerts.yml"
	alertTests    = "../packaging/prometheus/alerts_test.yml"
	rulesFile     = "../packaging/prometheus/rules.yml"
)

// variables stand in the dashboard's expressions.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$job", "rsagent", "$instance", "rs1")

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dashboardExprs returns every PromQL expression of the dashboard.
func dashboardExprs(t *testing.T) []string {
	t.Helper()
	var dashboard struct {
		SchemaVersion int
		Panels        []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.SchemaVersion < 39 {
		t.Errorf("schemaVersion %d: want 39 or later", dashboard.SchemaVersion)
	}
	var exprs []string
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	return exprs
}

// exported returns the names of all metrics there are: those of /metrics, and
// those that the rules record.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	body := get(&Handler{Health: fullHealth()}, "GET", "/metrics").Body.String()
	for _, m := range regexp.MustCompile(`(?m)^(\w+)[{ ]`).FindAllStringSubmatch(body, -1) {
		out[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`record: (\S+)`).FindAllStringSubmatch(read(t, rulesFile), -1) {
		out[m[1]] = true
	}
	return out
}

// Rules, alerts and dashboard ask for metrics that there are.
func TestFleetUsesMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := exported(t)
	name := regexp.MustCompile(`\b(?:[a-z]+:)?(?:rsagent|process|go)_[a-z0-9_]+(?::[a-z0-9]+)?\b`)
	for _, path := range []string{dashboardFile, alertsFile, alertTests, rulesFile} {
		names := name.FindAllString(read(t, path), -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing", path)
		}
		slices.Sort(names)
		for _, n := range slices.Compact(names) {
			if !known[n] {
				t.Errorf("%s: there is no metric %s", path, n)
			}
		}
	}
}

// Whoever is woken reads what it is, what it means and what to run; and every
// alert is seen to fire in a test.
func TestAlertsAreComplete(t *testing.T) {
	t.Parallel()
	tests := read(t, alertTests)
	alerts := strings.Split(read(t, alertsFile), "- alert: ")[1:]
	if len(alerts) < 8 {
		t.Errorf("%d alerts", len(alerts))
	}
	for _, alert := range alerts {
		name, _, _ := strings.Cut(alert, "\n")
		for _, need := range []string{"expr: ", "for: ", "severity: ", "summary: ", "description: ", "runbook: ", "rsagent check"} {
			if !strings.Contains(alert, need) {
				t.Errorf("%s has no %q", name, need)
			}
		}
		if !strings.Contains(tests, `alertname="`+name+`", alertstate="firing", severity=`) {
			t.Errorf("no test has %s firing", name)
		}
	}
}

// The dashboard names no data source of somebody's own, and no variable that it
// does not have.
func TestDashboardStandsAlone(t *testing.T) {
	t.Parallel()
	exprs := dashboardExprs(t)
	if len(exprs) < 30 {
		t.Errorf("%d expressions", len(exprs))
	}
	for _, expr := range exprs {
		if rest := variables.Replace(expr); strings.Contains(rest, "$") {
			t.Errorf("unknown variable: %s", rest)
		}
	}
	for _, m := range regexp.MustCompile(`"uid": "([^"]*)"`).FindAllStringSubmatch(read(t, dashboardFile), -1) {
		if m[1] != "${datasource}" && m[1] != "rsagent" {
			t.Errorf("the data source %s is not a variable", m[1])
		}
	}
}
