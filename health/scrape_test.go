package health

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkScrape tells what a scrape of /metrics costs: bytes, bytes on the
// wire, series, and those of our own besides the Go runtime's; with one service
// for each VIP and the probe on.
func BenchmarkScrape(b *testing.B) {
	for _, vips := range []int{1, 1000} {
		b.Run(fmt.Sprint("vips=", vips), func(b *testing.B) {
			handler := &Handler{Health: busy(vips)}
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body = get(handler, "GET", "/metrics").Body.Bytes()
			}
			wire := get(handler, "GET", "/metrics", "Accept-Encoding", "gzip").Body.Len()
			b.ReportMetric(float64(len(body)), "bytes")
			b.ReportMetric(float64(wire), "gzipped")
			b.ReportMetric(float64(bytes.Count(body, []byte("\n"))-bytes.Count(body, []byte("\n#"))-1), "series")
			b.ReportMetric(float64(bytes.Count(body, []byte("\nrsagent_"))), "own")
		})
	}
}

// busy is a host in order, with a service on each VIP.
func busy(vips int) *Health {
	cfg := testConfig()
	cfg.VIPs, cfg.Interval, cfg.ProbeInterval = nil, time.Hour, time.Second
	probes := map[netip.Addr]ProbeResult{}
	r := report()
	for i := range vips {
		vip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		cfg.VIPs = append(cfg.VIPs, vip)
		cfg.Services = append(cfg.Services, Service{VIP: vip, Port: 80})
		probes[vip] = ProbeResult{Outcome: Passed}
		r.After = append(r.After, seen(vip))
	}
	h := New(cfg)
	h.Report(r, nil)
	h.SetSources([]Source{{Name: "netlink"}, {Name: "bpf"}, {Name: "poll"}})
	for _, s := range cfg.Services {
		h.service(ServiceResult{Service: s, Up: true, Time: time.Now()})
	}
	h.Probes(probes)
	return h
}

// BenchmarkCheck is what one check by a director costs, in a connection of its
// own as keepalived makes them, both ends included.
func BenchmarkCheck(b *testing.B) {
	addr := serve(b, &Handler{Health: busy(1000)})
	for b.Loop() {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /readyz/10.0.1.1 HTTP/1.0\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !bytes.HasPrefix(answer, []byte("HTTP/1.0 200 ")) {
			b.Fatalf("%q", answer)
		}
	}
}
