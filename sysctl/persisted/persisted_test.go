package persisted

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rsagent/sysctl"
)

// host makes a file system of paths and contents.
func host(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, content := range files {
		m[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

func key(t testing.TB, s string) sysctl.Key {
	t.Helper()
	k, err := sysctl.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// show is what a reader would set a key to: "value file:line" or "? file:line",
// or "-".
func show(s Snapshot, r Reader, k sysctl.Key) string {
	got, set := s.Program(r).Set(k)
	switch {
	case !set:
		return "-"
	case got.Unclear:
		return "? " + got.Place.String()
	}
	return fmt.Sprintf("%d %s", got.Value, got.Place)
}

const (
	all   = "net.ipv4.conf.all.rp_filter"
	tunl0 = "net.ipv4.conf.tunl0.rp_filter"
	vlan  = "net.ipv4.conf.eth0/100.rp_filter"
)

// contents are files, and what each reader sets a key to by them.
var contents = []struct {
	content, key    string
	systemd, procps string // value and line, "" for not set
}{
	{all + "=1", all, "1 1", "1 1"},
	{"\n  # x\n;y\n\t" + all + " = 2 \n", all, "2 4", "2 4"},
	{all + "=1\n" + all + "=2\n" + all + "=1", all, "1 3", "1 3"},
	{all + "=1\n" + all + "=1", all, "1 1", "1 2"}, // one of each for systemd
	{"-" + all + "=1", all, "1 1", "1 1"},
	{all + "=1\n-" + all, all, "", "1 1"}, // taken back, or only kept off globs
	{"-" + all + "\n" + all + "=1", all, "1 2", "1 2"},
	{"net/ipv4/conf/all/rp_filter=1", all, "1 1", "1 1"},
	{"/net/ipv4/conf/all/rp_filter=1", all, "1 1", "1 1"},
	{"net//ipv4/./conf/all/rp_filter=1", all, "1 1", "1 1"},
	{"net/ipv4/conf/x/../all/rp_filter=1", all, "", "1 1"},
	{all + "/=1", all, "", ""},
	{"net/ipv4/conf/all/rp_filter/=1", all, "1 1", ""},
	{"net.ipv4.conf.eth0/100.rp_filter=1", vlan, "1 1", "1 1"},
	{"net/ipv4/conf/eth0.100/rp_filter=1", vlan, "1 1", "1 1"},
	{"net.ipv4.conf.eth0.100.rp_filter=1", vlan, "", ""},
	{"net.ipv4.conf.*.rp_filter=1", vlan, "1 1", "1 1"},
	{"net.ipv4.conf.*.rp_filter=1", all, "1 1", "1 1"},
	{"net.ipv4.conf.*.rp_filter=1\n" + tunl0 + "=0\n", tunl0, "0 2", "0 2"},
	{tunl0 + "=0\nnet.ipv4.conf.*.rp_filter=1\n", tunl0, "0 1", "0 1"},
	{"net.ipv4.conf.*.rp_filter=1\n-" + tunl0 + "\n", tunl0, "", ""},
	{"-" + tunl0 + "\nnet.ipv4.conf.*.rp_filter=1\n", all, "1 2", "1 2"},
	{"net.ipv4.conf.*.rp_filter=1\nnet.ipv4.conf.t*.rp_filter=2\n", tunl0, "2 2", "2 2"},
	{"net.ipv4.conf.*.rp_filter=1\nnet.ipv4.conf.t*.rp_filter=2\nnet.ipv4.conf.*.rp_filter=1\n", tunl0, "2 2", "1 3"},
	{"net.*.*.tunl0.rp_filter=1", tunl0, "1 1", "1 1"},
	{"net.ipv4.*.rp_filter=1", tunl0, "", ""}, // a star stays in its name
	{"net.ipv4.conf.tunl?.rp_filter=1", tunl0, "1 1", "1 1"},
	{"net.ipv4.conf.tunl[0-9].rp_filter=1", tunl0, "1 1", "1 1"},
	{"net.ipv4.conf.tunl[!0].rp_filter=1", tunl0, "", ""},
	{"net.ipv4.conf.tunl[[:digit:]].rp_filter=1", tunl0, "? 1", "? 1"},
	{"net.ipv4.conf.{all,tunl0}.rp_filte?=1", tunl0, "? 1", ""},
	{"net.ipv4.conf.{all,tunl0}.rp_filter=1", tunl0, "", ""}, // braces alone are no pattern
	{"/net/ipv4/conf/all/rp_filter=0\nnet.ipv4.conf.*.rp_filter=1", all, "0 1", "1 2"},
	{"/net/ipv4/conf/*/rp_filter=2\n" + all + "=0\n/net/ipv4/conf/*/rp_filter=1", all, "0 2", "1 3"},
	{"net/ipv4/conf/*/rp_filter/=1", all, "1 1", ""},
	{"net.ipv4.conf.{all,tunl0}.forward*=1", tunl0, "", ""},
	{"kernel/{a/b*,x}=1", tunl0, "", ""},
	{"net/ipv4/conf/{tunl0/rp_filte?,x}=1", tunl0, "? 1", ""},
	{"net.ipv4.conf.{all,tunl0}.rp_filte?=1\n" + tunl0 + "=0", tunl0, "0 2", "0 2"}, // what is named is certain
	{"net.ipv4.conf.[[:alpha:]]*.rp_filter=1\nnet.ipv4.conf.*.rp_filter=2", tunl0, "2 2", "2 2"},
	{"net.ipv4.conf.*.rp_filter=2\nnet.ipv4.conf.[[:alpha:]]*.rp_filter=yes", tunl0, "2 1", "2 1"},
	{"net.ipv4.conf.[[:alpha:]]*.rp_filter=2", vlan, "? 1", "? 1"},
	{"net.ipv4.conf.tunl[^1].rp_filter=2", tunl0, "2 1", "2 1"},
	{"net.ipv4.conf.tunl[.rp_filter=2", tunl0, "? 1", "? 1"},
	{"net/ipv4/conf/t*/../*/rp_filter=2", tunl0, "? 1", "? 1"},
	{"net/ipv4/conf/eth0[.]100/rp_filter=2", vlan, "2 1", "2 1"},
	{"net/ipv4/conf/*/rp_filter=2", "net.ipv4.conf./x.rp_filter", "", ""}, // a dot first
	{"net/ipv6/conf/*/disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6", "1 1", "1 1"},
	{all + "=1x", all, "? 1", "? 1"},
	{all + "=-1", all, "-1 1", "-1 1"},
	{all + "=0x2", all, "? 1", "? 1"},
	{all + "=010", all, "? 1", "? 1"},
	{all + "=1 # loose", all, "1 1", "1 1"},
	{all + "=2\n" + all + "=yes", all, "", "2 1"}, // refused by the kernel
	{all + "=", all, "", ""},
	{all + "=4294967296", all, "? 1", "? 1"},
	{all, all, "", ""},
	{"=1", all, "", ""},
	{all + "=1\r\n" + tunl0 + "=0\r\n", tunl0, "0 2", "0 2"},
	{all + "=1\r" + tunl0 + "=0", tunl0, "0 2", ""},
	{"--" + all + "=1", all, "", "1 1"},
	{"- " + all + "=1", all, "1 1", ""},
}

func TestOneFile(t *testing.T) {
	for _, row := range contents {
		s := Read(host(map[string]string{"/etc/sysctl.d/50-x.conf": row.content}))
		for r, want := range map[Reader]string{Systemd: row.systemd, Procps: row.procps} {
			if value, line, set := strings.Cut(want, " "); set {
				want = value + " /etc/sysctl.d/50-x.conf:" + line
			} else {
				want = "-"
			}
			if got := show(s, r, key(t, row.key)); got != want {
				t.Errorf("%s, %q: %s: got %q, want %q", r, row.content, row.key, got, want)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	files := map[string]string{
		"/etc/sysctl.d/50-x.conf":             all + "=1",
		"/run/sysctl.d/50-x.conf":             all + "=2\n" + tunl0 + "=2",
		"/usr/local/lib/sysctl.d/60-y.conf":   tunl0 + "=1",
		"/usr/lib/sysctl.d/60-y.conf":         tunl0 + "=7",
		"/usr/lib/sysctl.d/40-z.conf":         tunl0 + "=8\n" + vlan + "=3",
		"/lib/sysctl.d/40-z.conf":             vlan + "=9",
		"/etc/sysctl.d/99-hidden":             all + "=9",
		"/etc/sysctl.d/.dot.conf":             vlan + "=4",
		"/etc/sysctl.d/90-folder.conf/x.conf": all + "=9",
		"/usr/lib/sysctl.d/90-folder.conf":    all + "=9",
	}
	check := func(r Reader, key string, want string) {
		t.Helper()
		if got := show(Read(host(files)), r, sysctl.Key{Scope: key, Name: "rp_filter"}); got != want {
			t.Errorf("%s: %s: got %q, want %q", r, key, got, want)
		}
	}
	for _, r := range []Reader{Systemd, Procps} {
		check(r, "all", "1 /etc/sysctl.d/50-x.conf:1")
		check(r, "tunl0", "1 /usr/local/lib/sysctl.d/60-y.conf:1")
		check(r, "eth0.100", "3 /usr/lib/sysctl.d/40-z.conf:2")
	}
	files["/etc/sysctl.conf"] = all + "=5"
	check(Systemd, "all", "1 /etc/sysctl.d/50-x.conf:1")
	check(Procps, "all", "5 /etc/sysctl.conf:1")
	files["/etc/sysctl.d/40-z.conf"] = ""
	check(Systemd, "eth0.100", "-")
	check(Procps, "eth0.100", "4 /etc/sysctl.d/.dot.conf:1")
}

// On a real file system, where there are links and closed files.
func TestLinks(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/sysctl.conf", all+"=1")
	write("etc/sysctl.d/10-a.conf", all+"=2")
	write("usr/lib/sysctl.d/50-default.conf", "net.ipv4.conf.*.rp_filter=2")
	write("usr/lib/sysctl.d/51-void.conf", "net.ipv4.conf.*.rp_filter=3")
	link("../sysctl.conf", "etc/sysctl.d/99-sysctl.conf")
	link("/dev/null", "etc/sysctl.d/50-default.conf")
	link("nowhere", "etc/sysctl.d/51-void.conf")
	s := Read(os.DirFS(root))
	got := []string{show(s, Systemd, key(t, all)), show(s, Systemd, key(t, tunl0)), show(s, Procps, key(t, all))}
	want := []string{"1 /etc/sysctl.d/99-sysctl.conf:1", "-", "1 /etc/sysctl.conf:1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// closed is a file system with a file that may not be read.
type closed struct{ fs.FS }

func (c closed) Open(name string) (fs.File, error) {
	if name == "etc/sysctl.d/50-secret.conf" {
		return nil, fs.ErrPermission
	}
	return c.FS.Open(name)
}

func (c closed) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(c.FS, name) }
func (c closed) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(c.FS, name) }

func TestUnread(t *testing.T) {
	s := Read(closed{host(map[string]string{"/etc/sysctl.d/50-secret.conf": all + "=1", "/usr/lib/sysctl.d/50-secret.conf": all + "=2"})})
	if diff := cmp.Diff([]string{"/etc/sysctl.d/50-secret.conf"}, s.Unread); diff != "" {
		t.Errorf("unread (-want +got):\n%s", diff)
	}
	if got := show(s, Systemd, key(t, all)); got != "-" {
		t.Errorf("got %s from what is hidden", got)
	}
}

func TestWithout(t *testing.T) {
	s := Read(host(map[string]string{"/etc/sysctl.d/50-x.conf": all + "=1", "/run/sysctl.d/99-y.conf": all + "=0"}))
	if got := show(s, Systemd, key(t, all)); got != "0 /run/sysctl.d/99-y.conf:1" {
		t.Errorf("got %s", got)
	}
	if got := show(s.Without("/run/sysctl.d/99-y.conf"), Systemd, key(t, all)); got != "1 /etc/sysctl.d/50-x.conf:1" {
		t.Errorf("without a file: got %s", got)
	}
	if content, ok := s.Content("/run/sysctl.d/99-y.conf"); !ok || content != all+"=0" {
		t.Errorf("content %q, %v", content, ok)
	}
}

// Whatever the files hold: no panic, and what is said can be pointed at.
func FuzzRead(f *testing.F) {
	f.Add("-net.ipv4.conf.*.rp_filter = 1\n", "net/ipv4/conf/{all,eth0.100}/rp_[!x]ilter=2")
	f.Add(all+"=1\x00\r\n-"+all, "[")
	f.Add("net.ipv4.conf.[[:digit:]", "{{{{,},},},}[a-Z]*=1")
	keys := []sysctl.Key{{Scope: "all", Name: "rp_filter"}, {Scope: "eth0.100", Name: "rp_filter"}, {Scope: "tunl0", Name: "arp_ignore"}}
	f.Fuzz(func(t *testing.T, a, b string) {
		files := map[string]string{"/etc/sysctl.d/1.conf": a, "/lib/sysctl.d/2.conf": b, "/etc/sysctl.conf": a}
		s := Read(host(files))
		for r := range map[Reader]bool{Systemd: true, Procps: true} {
			for _, k := range keys {
				got, set := s.Program(r).Set(k)
				if !set && got != (Setting{}) || set && !slices.Contains(slices.Collect(maps.Keys(files)), got.File) {
					t.Errorf("%s, %s: %+v, %v", r, k, got, set)
				}
				ends := strings.Count(files[got.File], "\n") + strings.Count(files[got.File], "\r") + strings.Count(files[got.File], "\x00")
				if set && (got.Line < 1 || got.Line > 1+ends) {
					t.Errorf("%s, %s: line %d of %d", r, k, got.Line, 1+ends)
				}
			}
		}
	})
}
