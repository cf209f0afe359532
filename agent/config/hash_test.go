package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, file string) Config {
	t.Helper()
	c, problems := Parse("rsagent.yaml", []byte(file))
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, file)
	}
	return c
}

// A fleet is compared by its hashes: those of these files stay as they are,
// whatever keys a version adds.
func TestHashesStay(t *testing.T) {
	t.Parallel()
	const vip = "vips: [172.25.84.100]\n"
	for _, row := range []struct{ file, hash, canonical string }{
		{vip, "197426c80e94", "vips:\n  - 172.25.84.100\n"},
		{
			vip + "directors: [172.25.84.4]\n", "6af4030d2f19",
			"vips:\n  - 172.25.84.100\ndirectors:\n  - 172.25.84.4\n",
		}, {
			"vips: [172.25.84.101, 172.25.84.100]\n", "6500ccf21e9f",
			"vips:\n  - 172.25.84.100\n  - 172.25.84.101\n",
		}, {
			"vips: [{address: 172.25.84.100, services: [{port: 443}, {port: 80, http: /}]}]\n", "e9121c0bfe47",
			"vips:\n  - address: 172.25.84.100\n    services:\n      - {port: 80, http: \"/\"}\n      - {port: 443}\n",
		}, {
			vip + "tunnel: {device: tunl1}\nrp_filter: 2\n", "89041eeb0f56",
			"vips:\n  - 172.25.84.100\nrp_filter: 2\ntunnel.device: tunl1\n",
		}, {
			vip + "policy: {sysctl: report}\nhealth: {listen: off}\n", "be93fa03d38f",
			"vips:\n  - 172.25.84.100\nhealth.listen: off\npolicy.sysctl: report\n",
		},
		{"vips: []\nallow_empty: true\n", "a245eabeb772", "vips: []\nallow_empty: true\n"},
	} {
		c := parsed(t, row.file)
		if diff := cmp.Diff(row.canonical, string(c.canonical())); diff != "" || c.Hash() != row.hash {
			t.Errorf("%s: got %s, want %s (-want +got):\n%s", row.file, c.Hash(), row.hash, diff)
		}
	}
}

// Configs that ask for the same have the same hash: in whatever order and form
// it is written, with defaults written out, and from flags.
func TestHashOfTheSame(t *testing.T) {
	t.Parallel()
	flags, err := FromVIPs([]string{"172.25.84.101/32", "172.25.84.100"})
	if err != nil {
		t.Fatal(err)
	}
	plain := parsed(t, "vips: [172.25.84.100, 172.25.84.101]\n")
	want := plain.Hash()
	if len(want) != 12 || flags.Hash() != want {
		t.Errorf("flags: got %s, want %s", flags.Hash(), want)
	}
	for _, file := range []string{
		"vips:\n  - {services: [], address: 172.25.84.101}\n  - \"172.25.84.100/32\"\n",
		string(plain.YAML()),
		"interval: 1000ms\nvips: [172.25.84.101, 172.25.84.100]\nprobe: {interval: 0m5s}\nmss: false\n",
	} {
		if got := parsed(t, file).Hash(); got != want {
			t.Errorf("got %s, want %s\n%s", got, want, file)
		}
	}
	for _, c := range []Config{parsed(t, full), parsed(t, string(Example()))} {
		if got := parsed(t, string(c.YAML())).Hash(); got != c.Hash() {
			t.Errorf("written out: got %s, want %s", got, c.Hash())
		}
	}
}

// Each key that has an effect changes the hash, each in its own way; at its
// default it changes nothing.
func TestHashOfEachKey(t *testing.T) {
	t.Parallel()
	const vips = "vips: [172.25.84.100, 172.25.84.101]\n"
	seen := map[string]string{parsed(t, vips).Hash(): "the defaults"}
	differs := func(what, file string) {
		t.Helper()
		hash := parsed(t, file).Hash()
		if other, dup := seen[hash]; dup {
			t.Errorf("%s: the same hash as with %s", what, other)
		}
		seen[hash] = what
	}
	differs("one VIP", "vips: [172.25.84.100]\n")
	differs("another VIP", "vips: [172.25.84.100, 172.25.84.102]\n")
	differs("directors", vips+"directors: [172.25.84.4]\n")
	differs("two directors", vips+"directors: [172.25.84.4, 172.25.84.5]\n")
	differs("a service", "vips: [{address: 172.25.84.100, services: [{port: 80}]}, 172.25.84.101]\n")
	differs("its path", "vips: [{address: 172.25.84.100, services: [{port: 80, http: /}]}, 172.25.84.101]\n")
	differs("its VIP", "vips: [172.25.84.100, {address: 172.25.84.101, services: [{port: 80}]}]\n")
	other := parsed(t, full)
	for _, s := range settings {
		line := func(value string) string {
			section, name, nested := strings.Cut(s.name, ".")
			if !nested {
				return s.name + ": " + value + "\n"
			}
			return section + ": {" + name + ": " + value + "}\n"
		}
		if got, want := parsed(t, vips+line(s.show(defaults()))).Hash(), parsed(t, vips).Hash(); got != want {
			t.Errorf("%s at its default: got %s, want %s", s.name, got, want)
		}
		if s.name == "mss" {
			continue // has one value
		}
		differs(s.name, vips+line(s.show(other)))
	}
}
