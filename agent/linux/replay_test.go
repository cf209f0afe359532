package linux

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/sysctl"
)

// hostAt returns the replays of a host with these files.
func hostAt(t *testing.T, files map[string]string) *replays {
	t.Helper()
	r := &replays{root: t.TempDir(), known: true}
	if err := os.Mkdir(filepath.Join(r.root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		r.put(t, name, content)
	}
	return r
}

func (r *replays) put(t *testing.T, name, content string) {
	t.Helper()
	name = filepath.Join(r.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r *replays) look() agent.Observed {
	got := agent.Observed{Links: []agent.Link{{Index: 1, Name: "eth0.100"}}}
	r.observe(agent.Desired{}.Normal(), &got)
	return got
}

// places is what is known of replays: reader, key, value and line.
func places(replays []agent.Replay) []string {
	var out []string
	for _, r := range replays {
		out = append(out, strings.Join([]string{r.Reader, r.Key.String(), string(rune('0' + r.Value)), r.Place()}, " "))
	}
	return out
}

func TestReplaysRead(t *testing.T) {
	r := hostAt(t, map[string]string{
		"/etc/sysctl.d/50-x.conf": "net.ipv4.conf.all.rp_filter=1\nnet.ipv4.conf.*.arp_ignore=2\n-net.ipv4.conf.all.arp_ignore\n-net.ipv4.conf.default.arp_ignore",
		"/etc/sysctl.conf":        "net.ipv4.conf.tunl0.rp_filter=1",
		agent.PersistPath:         "net.ipv4.conf.all.rp_filter=0\n",
	})
	got := r.look()
	want := []string{
		"systemd-sysctl net.ipv4.conf.all.rp_filter 0 /run/sysctl.d/99-zz-rsagent.conf:1",
		"systemd-sysctl net.ipv4.conf.eth0/100.arp_ignore 2 /etc/sysctl.d/50-x.conf:2",
		"systemd-sysctl net.ipv4.conf.tunl0.arp_ignore 2 /etc/sysctl.d/50-x.conf:2",
		"sysctl --system net.ipv4.conf.all.rp_filter 0 /run/sysctl.d/99-zz-rsagent.conf:1",
		"sysctl --system net.ipv4.conf.eth0/100.arp_ignore 2 /etc/sysctl.d/50-x.conf:2",
		"sysctl --system net.ipv4.conf.tunl0.arp_ignore 2 /etc/sysctl.d/50-x.conf:2",
		"sysctl --system net.ipv4.conf.tunl0.rp_filter 1 /etc/sysctl.conf:1",
	}
	if diff := cmp.Diff(want, places(got.Replays)); diff != "" {
		t.Errorf("replays (-want +got):\n%s", diff)
	}
	want[0] = "systemd-sysctl net.ipv4.conf.all.rp_filter 1 /etc/sysctl.d/50-x.conf:1"
	want[3] = "sysctl --system net.ipv4.conf.all.rp_filter 1 /etc/sysctl.d/50-x.conf:1"
	if diff := cmp.Diff(want, places(got.Persisted.Beneath)); diff != "" {
		t.Errorf("beneath ours (-want +got):\n%s", diff)
	}
	if p := got.Persisted; !p.Known || p.Content != "net.ipv4.conf.all.rp_filter=0\n" || p.Obstacle != "" {
		t.Errorf("persisted %+v", p)
	}
}

// Elsewhere nothing is read, and nothing can be written.
func TestReplaysElsewhere(t *testing.T) {
	r := hostAt(t, map[string]string{"/etc/sysctl.d/50-x.conf": "net.ipv4.conf.all.rp_filter=1"})
	r.known = false
	if got := r.look(); got.Persisted.Known || got.Replays != nil {
		t.Errorf("known %+v", got)
	}
	if r.write(agent.Persist{Content: "x"}) == nil || r.clear(agent.Unpersist{}) == nil {
		t.Error("written for a namespace that is not the host's")
	}
	if _, err := os.Stat(r.path()); err == nil {
		t.Error("the file is there")
	}
}

// What changes is seen within a second, what we write at once.
func TestReplaysFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}
		r := hostAt(t, map[string]string{"/etc/sysctl.d/50-x.conf": "net.ipv4.conf.all.rp_filter=1"})
		value := func() int {
			for _, set := range r.look().Replays {
				if set.Key == key {
					return set.Value
				}
			}
			return -1
		}
		steps := []struct {
			change string
			do     func()
			want   int
		}{
			{"none", func() {}, 1},
			{"a file changes", func() { r.put(t, "/etc/sysctl.d/50-x.conf", "net.ipv4.conf.all.rp_filter= 2") }, 2},
			{"a file comes", func() { r.put(t, "/etc/sysctl.d/60-y.conf", "net.ipv4.conf.all.rp_filter=3") }, 3},
			{"a file goes", func() { _ = os.Remove(filepath.Join(r.root, "/etc/sysctl.d/60-y.conf")) }, 2},
			{"a folder comes", func() { r.put(t, "/run/sysctl.d/60-y.conf", "net.ipv4.conf.all.rp_filter=4") }, 4},
		}
		for _, s := range steps {
			s.do()
			time.Sleep(restat)
			if got := value(); got != s.want {
				t.Errorf("%s: got %d, want %d", s.change, got, s.want)
			}
		}
		if err := r.write(agent.Persist{Content: "net.ipv4.conf.all.rp_filter=0\n"}); err != nil {
			t.Fatal(err)
		}
		if got := value(); got != 0 {
			t.Errorf("after our own write: got %d", got)
		}
	})
}

// A file of our own is replaced and removed; one that is lent to us stays the
// same file.
func TestPersistInPlace(t *testing.T) {
	for _, lent := range []bool{false, true} {
		r := hostAt(t, nil)
		if err := r.write(agent.Persist{Content: "a longer content\n"}); err != nil {
			t.Fatal(err)
		}
		if lent {
			lend(t, r.path())
		}
		before := inode(t, r.path())
		if err := r.write(agent.Persist{Content: "new\n"}); err != nil {
			t.Fatal(err)
		}
		if content, _ := os.ReadFile(r.path()); string(content) != "new\n" || (inode(t, r.path()) == before) != lent {
			t.Errorf("lent %v: content %q, the same file: %v", lent, content, inode(t, r.path()) == before)
		}
		for range 2 {
			if err := r.clear(agent.Unpersist{}); err != nil {
				t.Error(err)
			}
		}
		content, err := os.ReadFile(r.path())
		if len(content) > 0 || (err == nil) != lent {
			t.Errorf("lent %v: after clear %q, %v", lent, content, err)
		}
	}
}

// lend makes the file somebody else's, or, without the right to do so, its
// folder one that cannot be written.
func lend(t *testing.T, path string) {
	t.Helper()
	if os.Chown(path, 65534, 65534) == nil {
		return
	}
	if err := os.Chmod(filepath.Dir(path), 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o755) })
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}
