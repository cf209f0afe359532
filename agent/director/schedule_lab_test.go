//go:build lab && linux

package director

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// firstRIP is the last byte of the first server's RIP in schedule.
const firstRIP = 11

// schedule sends datagrams to the VIP and holds the kernel's choices against our scheduler's, over whole cycles. Where
// in its cycle the kernel begins depends on how the servers were added.
func schedule(t *testing.T, scheduler string, servers []RealServer, cycle int) {
	d := openKernel(t)
	s := Service{VIP: vip, Port: 53, Protocol: UDP, Scheduler: scheduler}
	for i := range servers {
		servers[i].RIP = netip.AddrFrom4([4]byte{172, 25, 84, byte(firstRIP + i)})
	}
	ok(t, d.AddVIP("dir0", vip))
	ok(t, d.AddService(s))
	for _, rs := range slices.Backward(servers) { // the kernel goes from the last one added to the first
		ok(t, d.AddRealServer(s, rs))
	}
	sent := 3 * cycle
	got := chosen(t, sendFrom(t, sent))

	var next func() (RealServer, bool)
	if next = NewRoundRobin(servers).Next; scheduler == "wrr" {
		next = NewWeightedRoundRobin(servers).Next
	}
	want := take(next, sent+cycle)
	found := false
	for i := range cycle {
		found = found || slices.Equal(want[i:i+sent], got)
	}
	if !found {
		t.Errorf("want the kernel's choices somewhere in our cycle:\n ours %v\nkernel %v", want, got)
	}
	if served := counted(t, d, sent); !slices.Equal(served, tally(got, len(servers))) {
		t.Errorf("connections of the servers: want %v, got %v", tally(got, len(servers)), served)
	}
	compareWithIpvsadm(t, d)
}

// sendFrom sends n datagrams of 10 bytes, each from a port of its own, and returns the ports.
func sendFrom(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		conn, err := net.Dial("udp4", "172.25.84.100:53")
		ok(t, err)
		_, err = conn.Write([]byte("0123456789"))
		ok(t, err)
		ports = append(ports, conn.LocalAddr().(*net.UDPAddr).Port)
		defer conn.Close() // a port is not given out twice
	}
	return ports
}

// chosen reads from the kernel's connection table which server each port was sent to, by the last byte of its RIP.
func chosen(t *testing.T, ports []int) []int {
	t.Helper()
	byPort := make(map[int]int)
	for _, line := range strings.Split(run(t, "", "cat /proc/net/ip_vs_conn"), "\n")[1:] {
		words := strings.Fields(line) // protocol, client, its port, VIP, its port, RIP, its port, ..., all in hex
		if len(words) < 7 {
			continue
		}
		port, err := strconv.ParseUint(words[2], 16, 16)
		ok(t, err)
		rip, err := strconv.ParseUint(words[5], 16, 32)
		ok(t, err)
		byPort[int(port)] = int(rip & 0xff)
	}
	var out []int
	for _, p := range ports {
		out = append(out, byPort[p])
	}
	return out
}

func tally(choices []int, servers int) []int {
	out := make([]int, servers)
	for _, c := range choices {
		if i := c - firstRIP; i >= 0 && i < servers {
			out[i]++
		}
	}
	return out
}

// counted waits until the service's counters have come up with what was sent, and returns the servers' connections.
func counted(t *testing.T, d *Director, sent int) []int {
	t.Helper()
	want := Counters{Connections: uint64(sent), PacketsIn: uint64(sent), BytesIn: uint64(sent * (20 + 8 + 10))}
	var list []ServiceStatus
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		var err error
		list, err = d.List()
		ok(t, err)
		if len(list) == 1 && list[0].Counters == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("counters: want %+v, got %+v", want, list)
		}
	}
	out := make([]int, len(list[0].Servers))
	for i, rs := range list[0].Servers {
		out[i] = int(rs.Counters.Connections)
		if rs.InactiveConnections != uint32(out[i]) || rs.ActiveConnections != 0 {
			t.Errorf("%s: want %d inactive connections, got %+v", rs.RIP, out[i], rs)
		}
	}
	return out
}
