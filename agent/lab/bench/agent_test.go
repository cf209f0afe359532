//go:build bench

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent/lab"
)

// vips returns n addresses, one after the other.
func vips(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	addr := netip.MustParseAddr("100.64.0.1")
	for i := range out {
		out[i] = addr
		addr = addr.Next()
	}
	return out
}

// configOf is a config for these VIPs; more is what else it says.
func configOf(vips []netip.Addr, more ...string) string {
	var text strings.Builder
	text.WriteString("vips:\n")
	for _, vip := range vips {
		fmt.Fprintf(&text, "  - %s\n", vip)
	}
	text.WriteString("directors: [" + lab.DirectorAddr + "]\n" + strings.Join(more, "\n") + "\n")
	return text.String()
}

// An agentProcess is a running rsagent, past its first verified pass.
type agentProcess struct {
	*lab.Daemon
	pid    int
	config string        // its file
	dir    string        // of its own, with the state
	took   time.Duration // from exec to READY=1
}

// runAgent starts rsagent run on a host, with a fresh state, and waits until it has told its service manager that it
// is ready.
func runAgent(ctx context.Context, h *lab.Host, config string) (*agentProcess, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	a := &agentProcess{dir: dir, config: filepath.Join(dir, "rsagent.yaml")}
	if err := os.WriteFile(a.config, []byte(config), 0o644); err != nil {
		return nil, err
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	cmd := exec.CommandContext(ctx, *rsagent, "run", "--config", a.config, "--state-dir", filepath.Join(dir, "state"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	start := time.Now()
	// Started from a thread in the namespace, and not by ip netns exec, which would be in the time.
	if err := h.Do(func() (err error) { a.Daemon, err = h.Start(cmd); return err }); err != nil {
		return nil, err
	}
	a.pid = cmd.Process.Pid
	if err := ready(socket); err != nil {
		_ = a.Stop()
		return nil, fmt.Errorf("%s: rsagent run is not ready: %w\n%s", h.Name, err, a.Output())
	}
	a.took = time.Since(start)
	return a, nil
}

func ready(socket *net.UnixConn) error {
	buf := make([]byte, 4096)
	_ = socket.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		n, err := socket.Read(buf)
		if err != nil {
			return err
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return nil
		}
	}
}

// end stops the agent and removes what it kept; the VIPs stay.
func (a *agentProcess) end() error {
	return errors.Join(a.Stop(), os.RemoveAll(a.dir))
}

// cpu is what all threads of a process have used of the processors until now, also those that are gone. It is the
// kernel's own clock of the process (clock_getcpuclockid(3)): nanoseconds, and not ticks.
func cpu(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("processor time of %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// A rest is a process between two bursts of work.
type rest struct {
	at    time.Time
	clock time.Duration
	share float64 // of a core, that it uses even so
}

// resting waits until a process uses less than a sixth of a core over a tenth of a second: what the agent does by its
// own timers stays below that, also under emulation.
func resting(pid int) (rest, error) {
	const window, limit = 100 * time.Millisecond, 1.0 / 6
	for deadline := time.Now().Add(patience); ; {
		start := time.Now()
		before, err := cpu(pid)
		if err != nil {
			return rest{}, err
		}
		time.Sleep(window)
		after, err := cpu(pid)
		if err != nil {
			return rest{}, err
		}
		now := time.Now()
		if share := (after - before).Seconds() / now.Sub(start).Seconds(); share < limit {
			return rest{now, after, share}, nil
		}
		if now.After(deadline) {
			return rest{}, fmt.Errorf("process %d does not come to rest within %v", pid, patience)
		}
	}
}

// since is what was used between two rests on top of what resting takes.
func (r rest) since(before rest) time.Duration {
	idle := (r.share + before.share) / 2 * r.at.Sub(before.at).Seconds()
	return max(0, r.clock-before.clock-time.Duration(idle*float64(time.Second)))
}
