//go:build bench

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent/lab"
)

const (
	stormRate   = 10000
	stormLength = 5 * time.Second
	fightRate   = 100
	fightLength = 8 * time.Second
)

// stormRows have somebody else be busy on the same host: with things that are not ours, and with one that is.
func stormRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	for _, command := range []string{"modprobe ipip", "ip link add foreign0 type dummy", "ip link set dev foreign0 up"} {
		words := strings.Fields(command)
		if _, err := n.RS1.Run(ctx, words[0], words[1:]...); err != nil {
			return s, err
		}
	}
	text, err := n.RS1.Run(ctx, "ip", "-o", "link", "show", "dev", "foreign0")
	if err != nil {
		return s, err
	}
	index, err := parseIndex(text)
	if err != nil {
		return s, err
	}
	for _, act := range []struct {
		what string
		args []string
		goal Goal
	}{
		{"a storm of foreign addresses", []string{"storm", strconv.Itoa(index)}, Goal{}},
		{"a fight over all.rp_filter", []string{"fight"}, AtMost(0.10)},
	} {
		row, err := disturbed(ctx, n.RS1, act.what, act.args)
		if err != nil {
			return s, err
		}
		row.Goal = act.goal
		s.Rows = append(s.Rows, row)
	}
	s.Note = fmt.Sprintf("16 VIPs. The storm adds and deletes addresses of a foreign device, %d events a second if it gets that far, for %v; the fight writes 1 to all.rp_filter %d times a second for %v. "+
		"The reference is what the one who does it uses of a core.", stormRate, stormLength, fightRate, fightLength)
	return s, nil
}

// disturbed runs a disturbance beside a fresh agent, and returns what both used of a core meanwhile.
func disturbed(ctx context.Context, h *lab.Host, what string, args []string) (Row, error) {
	a, err := runAgent(ctx, h, configOf(vips(16)))
	if err != nil {
		return Row{}, err
	}
	defer a.end()
	before, err := resting(a.pid)
	if err != nil {
		return Row{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return Row{}, err
	}
	var cmd *exec.Cmd
	var text []byte
	err = h.Do(func() (err error) {
		cmd = exec.CommandContext(ctx, self, args...)
		text, err = cmd.Output()
		return err
	})
	if err != nil {
		return Row{}, fmt.Errorf("%s: %w", what, err)
	}
	after, err := cpu(a.pid)
	if err != nil {
		return Row{}, err
	}
	length := time.Since(before.at).Seconds()
	theirs := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return Row{
		What: fmt.Sprintf("%s, %s", what, strings.TrimSpace(string(text))), Unit: Share,
		Ours:      MedianOf("", []float64{(after - before.clock).Seconds() / length}),
		Reference: MedianOf("the one who does it", []float64{theirs.Seconds() / length}),
	}, nil
}

// paced calls f at a rate, in bursts a hundredth of a second apart, and prints the rate that came of it.
func paced(rate int, length time.Duration, f func(i int) error) error {
	const bursts = 100
	start := time.Now()
	count := 0
	for time.Since(start) < length {
		due := int(time.Since(start).Seconds()*bursts) + 1
		for count < due*rate/bursts && time.Since(start) < length {
			if err := f(count); err != nil {
				return err
			}
			count++
		}
		time.Sleep(time.Until(start.Add(time.Duration(due) * time.Second / bursts)))
	}
	fmt.Printf("%.0f a second\n", float64(count)/time.Since(start).Seconds())
	return nil
}

// storm adds and deletes addresses of a foreign device. Its argument is the device's number.
func storm(args []string) error {
	index, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fd, err := route(time.Second)
	if err != nil {
		return err
	}
	addr := netip.MustParseAddr("198.51.100.7")
	add := addrMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE, index, addr, "")
	del := addrMessage(unix.RTM_DELADDR, 0, index, addr, "")
	return paced(stormRate, stormLength, func(i int) error { return send(fd, [][]byte{add, del}[i%2]) })
}

// fight writes 1 to all.rp_filter again and again.
func fight([]string) error {
	file, err := os.OpenFile("/proc/sys/net/ipv4/conf/all/rp_filter", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return paced(fightRate, fightLength, func(int) error { _, err := file.WriteAt([]byte("1"), 0); return err })
}
