//go:build bench

package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"rsagent/agent/lab"
)

const (
	settling = 10 * time.Second
	watching = 20 * time.Second
)

// An idler is a program with nothing to do: a process, and its children.
type idler struct {
	pid               int
	memory, own, used float64
}

// idleRows watch two agents and two keepaliveds side by side, on hosts of their own.
func idleRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	for _, module := range []string{"ipip", "tun"} {
		if _, err := n.RS1.Run(ctx, "modprobe", module); err != nil {
			return s, err
		}
	}
	var ours, theirs [2]*idler
	for i, size := range []int{16, 1000} {
		a, err := runAgent(ctx, n.RealServers()[i], configOf(vips(size)))
		if err != nil {
			return s, err
		}
		k, err := runKeepalived(ctx, []*lab.Host{n.Director, n.Client}[i], vips(size), 51+i)
		if err != nil {
			return s, err
		}
		ours[i], theirs[i] = &idler{pid: a.pid}, &idler{pid: k.pid}
	}
	if err := watch(append(ours[:], theirs[:]...)); err != nil {
		return s, err
	}
	one := func(name string, v float64) Measure { return MedianOf(name, []float64{v}) }
	memory, own, share := []Goal{RatioAtMost(1), {}}, []Goal{{}, {}}, []Goal{AtMost(0.001), {}}
	for i, size := range []string{"16 VIPs", "1,000 VIPs"} {
		a, k := ours[i], theirs[i]
		s.Rows = append(s.Rows,
			Row{What: "resident memory, " + size, Unit: Bytes, Ours: one("", a.memory), Reference: one("keepalived", k.memory), Goal: memory[i]},
			Row{What: "its proportional share, " + size, Unit: Bytes, Ours: one("", a.own), Reference: one("keepalived", k.own), Goal: own[i]},
			Row{What: "idle processor time, " + size, Unit: Share, Ours: one("", a.used), Reference: one("keepalived", k.used), Goal: share[i]})
	}
	s.Note = fmt.Sprintf("All four side by side on hosts of their own, defaults of rsagent, VRRP with an advertisement a second; memory after %v, then processor time over %v, of one core. "+
		"keepalived is two processes, and both count; the proportional share (Pss) divides what they share.", settling, watching)
	return s, nil
}

func watch(all []*idler) error {
	time.Sleep(settling)
	before := make([]time.Duration, len(all))
	for i, p := range all {
		if err := p.weigh(); err != nil {
			return err
		}
		var err error
		if before[i], err = cpuOfAll(p.pid); err != nil {
			return err
		}
	}
	start := time.Now()
	time.Sleep(watching)
	for i, p := range all {
		after, err := cpuOfAll(p.pid)
		if err != nil {
			return err
		}
		p.used = (after - before[i]).Seconds() / time.Since(start).Seconds()
	}
	return nil
}

// weigh reads the memory of a process and its children.
func (p *idler) weigh() error {
	pids, err := family(p.pid)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			var kilobytes float64
			switch name, rest, _ := strings.Cut(line, ":"); name {
			case "Rss", "Pss":
				if _, err := fmt.Sscanf(rest, "%f kB", &kilobytes); err != nil {
					return fmt.Errorf("smaps_rollup: %q: %w", line, err)
				}
				if name == "Rss" {
					p.memory += kilobytes * 1024
				} else {
					p.own += kilobytes * 1024
				}
			}
		}
	}
	return nil
}

// family is a process and its children.
func family(pid int) ([]int, error) {
	pids := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	for _, word := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

func cpuOfAll(pid int) (time.Duration, error) {
	pids, err := family(pid)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range pids {
		used, err := cpu(pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}
