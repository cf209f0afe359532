//go:build lab && linux

package director

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// counters sends datagrams to the VIP, as many as make three whole cycles of the scheduler, and wants the kernel's
// counters of the service, and of each server, to come to that.
func counters(t *testing.T, scheduler string, weights []int, want []uint64) {
	d := openKernel(t)
	s := Service{VIP: vip, Port: 53, Protocol: UDP, Scheduler: scheduler}
	ok(t, d.AddService(s))
	sent := uint64(0)
	for i, weight := range weights {
		ok(t, d.AddRealServer(s, RealServer{RIP: netip.AddrFrom4([4]byte{172, 25, 84, byte(11 + i)}), Weight: weight}))
		sent += want[i]
	}
	sendFrom(t, int(sent))
	got := counted(t, d, Counters{Connections: sent, PacketsIn: sent, BytesIn: sent * (20 + 8 + 10)})
	if !slices.Equal(got, want) {
		t.Errorf("connections of the servers: want %v, got %v", want, got)
	}
	compareWithIpvsadm(t, d)
}

// sendFrom sends n datagrams of 10 bytes, each from a port of its own.
func sendFrom(t *testing.T, n int) {
	t.Helper()
	for range n {
		conn, err := net.Dial("udp4", "172.25.84.100:53")
		ok(t, err)
		defer conn.Close() // a port is not given out twice
		_, err = conn.Write([]byte("0123456789"))
		ok(t, err)
	}
}

// counted waits until the service's counters have come to that, and returns the servers' connections.
func counted(t *testing.T, d *Director, want Counters) []uint64 {
	t.Helper()
	list, err := d.List()
	for deadline := time.Now().Add(time.Minute); err == nil && list[0].Counters != want; list, err = d.List() {
		if time.Now().After(deadline) {
			t.Fatalf("counters: want %+v, got %+v", want, list)
		}
		time.Sleep(200 * time.Millisecond)
	}
	ok(t, err)
	var out []uint64
	for _, rs := range list[0].Servers {
		out = append(out, rs.Counters.Connections)
		if uint64(rs.InactiveConnections) != rs.Counters.Connections || rs.ActiveConnections != 0 {
			t.Errorf("%s: want %d inactive connections, got %+v", rs.RIP, rs.Counters.Connections, rs)
		}
	}
	return out
}
