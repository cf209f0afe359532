package health

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// nobody listens where time is not real: what is read from the kernel would hold it up.
func nobody(string) *drainNews { return deaf() }

// A drain is seen, and its end and removal too: where changes are heard of long before the next look, where they are
// not, and where the directory comes and goes.
func TestDrainIsSeen(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]func(string) *drainNews{"heard": hearDrains, "looked at": nobody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.StateDir, cfg.Interval = filepath.Join(t.TempDir(), "state"), time.Hour
			h := New(cfg)
			h.listen = listen
			h.Report(inOrder(), nil)
			run(t, h)
			drainAndBack(t, h, cfg)
			if err := os.RemoveAll(cfg.StateDir); err != nil {
				t.Fatal(err)
			}
			drainAndBack(t, h, cfg)
			if err := os.Rename(cfg.StateDir, cfg.StateDir+".old"); err != nil {
				t.Fatal(err)
			}
			drainAndBack(t, h, cfg)
		})
	}
}

func drainAndBack(t *testing.T, h *Health, cfg Config) {
	t.Helper()
	within := func(ready bool) {
		t.Helper()
		start := time.Now()
		for h.Ready() != ready {
			if time.Since(start) > drainLook/2 {
				t.Fatalf("still ready %v", !ready)
			}
			time.Sleep(time.Millisecond)
		}
		t.Logf("ready %v seen after %s", ready, time.Since(start))
	}
	d, _ := NewDrain(time.Now(), "disk")
	if err := WriteDrain(cfg.StateDir, d); err != nil {
		t.Fatal(err)
	}
	within(false)
	if again := New(cfg); !again.Snapshot().Drain.Draining {
		t.Error("a restart forgets the drain")
	}
	if err := ClearDrain(cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	within(true)
	d, _ = d.For(time.Now(), 300*time.Millisecond)
	if err := WriteDrain(cfg.StateDir, d); err != nil {
		t.Fatal(err)
	}
	within(false)
	within(true)
	for range 100 {
		if _, err := os.Stat(filepath.Join(cfg.StateDir, DrainFile)); os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the file of a drain that is over was left")
}

// Whatever is done to the file is heard, and so is the end of the directory.
func TestDrainNews(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	n := hearDrains(dir)
	defer n.close()
	if n.follow() {
		t.Error("a directory that is not there is listened to")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, DrainFile)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"made", func() error { return os.WriteFile(file, nil, 0o644) }},
		{"written", func() error { return os.WriteFile(file, []byte("{}"), 0o644) }},
		{"closed to us", func() error { return os.Chmod(file, 0) }},
		{"renamed", func() error { return os.Rename(file, file+".old") }},
		{"put in its place", func() error { return os.Rename(file+".old", file) }},
		{"removed", func() error { return os.Remove(file) }},
		{"gone with its directory", func() error { return os.Remove(dir) }},
	} {
		if !n.follow() {
			t.Fatalf("%s: the directory is not listened to", step.name)
		}
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		<-n.heard // a hang is a failure
		for n.quiet() {
		}
	}
	if n.follow() {
		t.Error("a directory that is gone is listened to")
	}
}

// quiet takes what was heard, if anything was.
func (n *drainNews) quiet() bool {
	select {
	case <-n.heard:
		return true
	default:
		return false
	}
}

func TestAboutDrain(t *testing.T) {
	t.Parallel()
	event := func(name string, padding int) []byte {
		b := make([]byte, syscall.SizeofInotifyEvent, 64)
		binary.NativeEndian.PutUint32(b[12:], uint32(len(name)+padding))
		return append(append(b, name...), make([]byte, padding)...)
	}
	ledger, drain := event("ledger-1.json", 3), event(DrainFile, 6)
	for name, row := range map[string]struct {
		events []byte
		want   bool
	}{
		"nothing":               {nil, false},
		"the ledger":            {ledger, false},
		"the drain":             {drain, true},
		"its temporary file":    {event(DrainFile+".1.tmp", 10), false},
		"the drain behind":      {append(append([]byte{}, ledger...), drain...), true},
		"the directory's fate":  {event("", 0), true},
		"what was cut in twain": {drain[:20], true},
	} {
		if got := aboutDrain(row.events); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

// Nobody looks more often than is promised to be needed.
func TestDrainIsLookedAtInTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ends := func(in time.Duration) DrainState {
		return DrainState{Draining: true, Drain: Drain{Since: now, Until: now.Add(in)}}
	}
	for name, row := range map[string]struct {
		w     drainWatch
		heard bool
		want  time.Duration
	}{
		"no directory":     {drainWatch{}, false, drainLook},
		"heard":            {drainWatch{dir: "/"}, true, drainLook},
		"not heard":        {drainWatch{dir: "/"}, false, drainPoll},
		"cannot be read":   {drainWatch{dir: "/", state: DrainState{Draining: true, Corrupt: "no"}}, true, drainPoll},
		"drained for good": {drainWatch{dir: "/", state: DrainState{Draining: true}}, true, drainLook},
		"ends soon":        {drainWatch{dir: "/", state: ends(time.Second)}, true, time.Second},
		"ends late":        {drainWatch{dir: "/", state: ends(time.Hour)}, true, drainLook},
	} {
		if got := row.w.next(now, row.heard).Sub(now); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

// Whatever makes a host ready, that it has become stale is told when it does, once.
func TestStaleIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.ProbeInterval, cfg.Rise = time.Second, 1
		h := New(cfg)
		run(t, h)
		for range 3 {
			h.Report(inOrder(), nil)
			time.Sleep(2 * time.Second)
			h.Probes(outcomes(Passed, Passed)) // ready, with what was seen two seconds ago
			synctest.Wait()
			<-h.Changed()
			if !h.Ready() {
				t.Fatal("not ready:", h.Snapshot().Verdict.Reasons)
			}
			start := time.Now()
			<-h.Changed()
			if took := time.Since(start); took != time.Second+1 || h.Ready() {
				t.Errorf("ready %v after %v", h.Ready(), took)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			select {
			case <-h.Changed():
				t.Error("told again")
			default:
			}
			h.Probes(outcomes(Failed, Failed))
			synctest.Wait()
			for len(h.Changed()) > 0 {
				<-h.Changed()
			}
		}
	})
}
