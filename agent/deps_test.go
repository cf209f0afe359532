package agent_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The house's imports point one way. Each row says what a package must not
// depend on, directly or not, and why.
var forbidden = []struct {
	pkg  string
	deps []string
	why  string
}{
	{"rsagent/agent", []string{
		"github.com/vishvananda/", "golang.org/x/sys/", "os/exec", "net/http", "github.com/coreos/", "go.yaml.in/",
		"github.com/sirupsen/", "github.com/cilium/", "rsagent/agent/", "rsagent/cmd/", "rsagent/health",
	}, "the core is pure"},
	{"rsagent/sysctl", []string{"rsagent/agent", "github.com/vishvananda/", "os/exec", "net/http"}, "sysctl is the bottom"},
	{"rsagent/agent/config", []string{"rsagent/agent/linux", "github.com/vishvananda/", "rsagent/cmd/"}, "a config is checked without a kernel"},
	{"rsagent/agent/packet", []string{"rsagent/", "github.com/", "golang.org/"}, "packets are bytes"},
	{"rsagent/agent/director", []string{"rsagent/agent", "rsagent/sysctl", "github.com/vishvananda/"}, "the director stands alone"},
	{"rsagent/cmd/rsagent", []string{"rsagent/agent/director", "github.com/cloudflare/ipvs", "github.com/mdlayher/"}, "rsagent links no IPVS library"},
	{"rsagent/health", []string{
		"rsagent/agent/linux", "rsagent/agent/config", "github.com/vishvananda/", "github.com/coreos/", "rsagent/cmd/",
	}, "readiness is judged from plain values"},
	{"rsagent/agent/audit", []string{"rsagent/", "github.com/vishvananda/"}, "the audit stands alone"},
	{"rsagent/agent/linux", []string{"rsagent/agent/config", "rsagent/cmd/", "go.yaml.in/", "github.com/sirupsen/"}, "the kernel side decides nothing"},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, row := range forbidden {
		for _, dep := range deps(t, "-deps", "-f", "{{.ImportPath}}", row.pkg) {
			for _, bad := range row.deps {
				if dep != row.pkg && strings.HasPrefix(dep+"/", strings.TrimSuffix(bad, "/")+"/") {
					t.Errorf("%s depends on %s: %s", row.pkg, dep, row.why)
				}
			}
		}
	}
}

// Some libraries have one door.
var doors = map[string]string{
	"github.com/vishvananda/netlink":    "rsagent/agent/linux",
	"github.com/google/nftables":        "rsagent/agent/linux",
	"github.com/cilium/ebpf":            "rsagent/agent/audit",
	"github.com/lorenzosaino/go-sysctl": "rsagent/sysctl",
	"github.com/coreos/go-systemd/v22":  "rsagent/cmd/rsagent",
	"go.yaml.in/yaml/v4":                "rsagent/agent/config",
	"github.com/cloudflare/ipvs":        "rsagent/agent/director",
}

func TestLibrariesHaveOneDoor(t *testing.T) {
	t.Parallel()
	for _, line := range deps(t, "-tags", "lab", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}`, "rsagent/...") {
		pkg, imports, _ := strings.Cut(line, " ")
		for _, imported := range strings.Fields(imports) {
			for library, door := range doors {
				if strings.HasPrefix(imported+"/", library+"/") && pkg != door {
					t.Errorf("%s imports %s, which only %s may", pkg, imported, door)
				}
			}
		}
	}
}

func deps(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
