package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// manyVIPs is a file with n VIPs, each with two services.
func manyVIPs(n int) []byte {
	var b bytes.Buffer
	b.WriteString("vips:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - address: 10.%d.%d.%d\n    services: [{port: 80, http: /}, {port: 443}]\n", i>>16, i>>8&255, i&255)
	}
	return b.Bytes()
}

func TestTenThousandVIPs(t *testing.T) {
	t.Parallel()
	data := manyVIPs(10_000)
	if len(data) > MaxSize {
		t.Fatalf("%d bytes do not fit into a file of %d", len(data), MaxSize)
	}
	c, problems := Parse("rsagent.yaml", data)
	if len(problems) > 0 || len(c.Desired.VIPs) != 10_000 || len(c.Services) != 20_000 {
		t.Fatalf("got %d problems, %d VIPs, %d services", len(problems), len(c.Desired.VIPs), len(c.Services))
	}
	again, problems := Parse("rsagent.yaml", c.YAML())
	if len(problems) > 0 || !bytes.Equal(c.YAML(), again.YAML()) {
		t.Errorf("%d problems or a difference after a round trip", len(problems))
	}
}

func BenchmarkTenThousandVIPs(b *testing.B) {
	var file bytes.Buffer
	file.WriteString("vips:\n")
	for i := range 10_000 {
		fmt.Fprintf(&file, "  - 10.0.%d.%d\n", i>>8, i&255)
	}
	for name, data := range map[string][]byte{"plain": file.Bytes(), "services": manyVIPs(10_000)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, problems := Parse("rsagent.yaml", data); len(problems) > 0 {
					b.Fatal(problems)
				}
			}
		})
	}
}

// The time is bounded also for files that were made to take long. The limit is
// far above what they take, and far below what they would take unbounded.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("vips:\n  - address: 10.0.0.1\n    services: &s [{port: 1}")
	for port := range 9_999 {
		fmt.Fprintf(&bomb, ", {port: %d}", port+2)
	}
	bomb.WriteString("]\n")
	for i := range 10_000 { // a hundred million services
		fmt.Fprintf(&bomb, "  - {address: 10.1.%d.%d, services: *s}\n", i>>8, i&255)
	}
	for name, file := range map[string]string{
		"aliases": bomb.String(),
		"nested":  strings.Repeat("[", MaxSize),
		"keys":    strings.Repeat("? ", MaxSize/2),
		"many":    strings.Repeat("vips: 1\n", MaxSize/32),
		"long":    "vips: " + strings.Repeat("x", MaxSize-6),
		"anchors": "vips:" + strings.Repeat(" &a", MaxSize/3-2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, problems := Parse("rsagent.yaml", []byte(file))
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Logf("%d problems in %v, the last: %.200v", len(problems), took, problems[len(problems)-1])
			}
		})
	}
}

// Aliases are what tools write for values that occur twice; they are followed.
func TestAliases(t *testing.T) {
	t.Parallel()
	c, problems := Parse("rsagent.yaml", []byte(`
vips:
  - address: 172.25.84.100
    services: &id001 [{port: 80, http: &path /}, {port: 81, http: *path}]
  - address: 172.25.84.101
    services: *id001
`))
	if len(problems) > 0 || len(c.Services) != 4 || c.Services[3].HTTP != "/" {
		t.Errorf("got %+v, %v", c, problems)
	}
}

func TestExample(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/example.yaml", string(Example()))
	c, problems := Parse("example.yaml", Example())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	golden(t, "testdata/effective.yaml", string(c.YAML()))
	for _, s := range settings {
		leaf := s.name[strings.LastIndex(s.name, ".")+1:]
		for _, text := range []string{"\n" + leaf + ": ", s.want, s.about} {
			lines := strings.NewReplacer("\n  # ", "\n", "\n# ", "\n", "\n  ", "\n").Replace(string(Example()))
			if !strings.Contains(lines, text) {
				t.Errorf("%s: the reference lacks %q", s.name, text)
			}
		}
	}
}

// The defaults that the reference states are those of a file without the key.
func TestExampleStatesDefaults(t *testing.T) {
	t.Parallel()
	want := defaults()
	got, problems := Parse("example.yaml", Example())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want.Desired, want.Services = got.Desired, got.Services
	if diff := cmp.Diff(want, got, addrs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever the input, there is either a problem, each on one line and with a
// position, or a config that survives a round trip.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(Example())
	f.Add([]byte(full))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Parse("f", data)
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Message == "" || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		if len(c.Desired.VIPs) == 0 && !c.AllowEmpty {
			t.Error("no VIPs and no problem")
		}
		again, problems := Parse("f", c.YAML())
		if diff := cmp.Diff(c, again, addrs); diff != "" || len(problems) > 0 {
			t.Errorf("%v (-want +got):\n%s\n%s", problems, diff, c.YAML())
		}
	})
}
