//go:build lab

package linux_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/linux"
)

// A keeper is a loop at work on the machine's network, and what its passes did
// themselves.
type keeper struct {
	testing.TB
	agent.Kernel
	store   linux.FileStore
	applied []agent.Action
	said    chan keeping
}

type keeping struct {
	agent.Report
	applied []agent.Action
}

func (k *keeper) Apply(ctx context.Context, actions []agent.Action) []error {
	k.applied = append(k.applied, actions...)
	return k.Kernel.Apply(ctx, actions)
}

func keep(t testing.TB, want agent.Desired) *keeper {
	t.Helper()
	if os.Getenv("RSLAB") != "1" {
		t.Fatal("only in a disposable machine: go test -exec 'bin/rslab exec --'")
	}
	real, err := linux.New()
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{TB: t, Kernel: real, store: linux.FileStore{Dir: t.TempDir()}, said: make(chan keeping, 1000)}
	loop := agent.Loop{Kernel: k, Store: k.store.Cached(), Report: func(r agent.Report, err error) {
		if err != nil {
			t.Error(err)
		}
		k.said <- keeping{r, k.applied}
		k.applied = nil
	}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		loop.Run(ctx, agent.Order{Want: want.Normal(), Interval: time.Second}, nil)
	}()
	t.Cleanup(func() { cancel(); <-ended; real.Close() })
	k.rest()
	return k
}

// rest waits until nothing was done for a while.
func (k *keeper) rest() {
	k.Helper()
	deadline := time.After(time.Minute)
	for quiet := 0; quiet < 2; {
		select {
		case r := <-k.said:
			quiet++
			if len(r.Done) > 0 || r.Scope.Partial {
				quiet = 0
			}
		case <-deadline:
			k.Fatal("no rest")
		}
	}
}

// tamper types a command, and returns the report of its repair.
func (k *keeper) tamper(words ...string) keeping {
	k.Helper()
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		k.Fatalf("%v: %v %s", words, err, out)
	}
	deadline := time.After(30 * time.Second)
	for {
		select {
		case r := <-k.said:
			if len(r.Done) > 0 {
				return r
			}
		case <-deadline:
			k.Fatalf("%v: no repair", words)
		}
	}
}

// What is undone alone is repaired before any pass, on a real kernel too, and
// told about like any other repair; only while no other process is changing the
// host, and where the record is what it was.
func TestReflex(t *testing.T) {
	k := keep(t, agent.Desired{VIPs: vips(3)})
	for _, row := range []struct {
		id, repair string
		tamper     []string
	}{
		{"addr/tunl0/10.84.0.2", "ip addr add 10.84.0.2/32 dev tunl0 label tunl0:rs", []string{"ip", "addr", "del", "10.84.0.2/32", "dev", "tunl0"}},
		{"sysctl/net.ipv4.conf.all.rp_filter", "sysctl -w net.ipv4.conf.all.rp_filter=0", []string{"sysctl", "-w", "net.ipv4.conf.all.rp_filter=1"}},
		{"sysctl/net.ipv4.conf.tunl0.rp_filter", "sysctl -w net.ipv4.conf.tunl0.rp_filter=0", []string{"sysctl", "-w", "net.ipv4.conf.tunl0.rp_filter=2"}},
	} {
		const tries = 6
		atOnce := 0
		for range tries { // a pass that is just being made is no worse
			r := k.tamper(row.tamper...)
			if len(r.Done) != 1 || r.Done[0].Err != nil || r.Done[0].Action.String() != row.repair || len(agent.NotOK(r.Before)) == 0 {
				t.Errorf("%v: done %v, before %+v", row.tamper, r.Done, agent.NotOK(r.Before))
			}
			if before := agent.NotOK(r.Before); before[0].ID() != row.id || agent.Worst(r.After) > agent.Warning {
				t.Errorf("%v: before %+v, after %+v", row.tamper, before, agent.NotOK(r.After))
			}
			if len(r.applied) == 0 {
				atOnce++
			}
			k.rest()
		}
		t.Logf("%v: %d of %d at once", row.tamper, atOnce, tries)
		if atOnce < tries/2 {
			t.Errorf("%v: %d of %d at once", row.tamper, atOnce, tries)
		}
	}

	release, err := k.store.Cached().Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, release)
	if r := k.tamper("ip", "addr", "del", "10.84.0.2/32", "dev", "tunl0"); len(r.applied) == 0 {
		t.Error("repaired at once while another process was changing the host")
	}
	k.rest()
	base, err := k.store.Load()
	if err == nil {
		err = k.store.Save(base)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := k.tamper("ip", "addr", "del", "10.84.0.2/32", "dev", "tunl0"); len(r.applied) == 0 {
		t.Error("repaired at once although the record is not what it was")
	}
}
