package director

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func commands(ops []op) []string {
	var out []string
	for _, o := range ops {
		out = append(out, strings.TrimPrefix(o.String(), "ipvsadm "))
	}
	return out
}

func TestPlanService(t *testing.T) {
	persistent := ServiceStatus{Service: web("sh"), Persistence: time.Minute, SchedulerFlags: 1}
	for _, c := range []struct {
		name    string
		current []ServiceStatus
		want    []string
	}{
		{"absent", nil, []string{"-A -t 172.25.84.100:80 -s rr"}},
		{"the same", []ServiceStatus{{Service: web("rr"), OnePacket: true}}, nil},
		{"another scheduler", []ServiceStatus{{Service: web("wlc")}}, []string{"-E -t 172.25.84.100:80 -s rr"}},
		{"foreign properties", []ServiceStatus{persistent}, []string{"-E -t 172.25.84.100:80 -s rr -p 60"}},
	} {
		if diff := cmp.Diff(c.want, commands(planService(c.current, web("rr")))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestPlanServer(t *testing.T) {
	limited, routed, mapped := tunnel(rs1, 80, 3), tunnel(rs1, 80, 3), tunnel(rs1, 8080, 3)
	limited.UpperThreshold, limited.ActiveConnections = 9, 5
	routed.Forward = Route
	gre := tunnel(rs1, 80, 3)
	gre.Encapsulation.Kind = GRE
	edit := []string{"-e -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 3 --tun-type ipip"}
	add := []string{"-a -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 3 --tun-type ipip"}
	for _, c := range []struct {
		name    string
		current []ServerStatus
		want    []string
	}{
		{"absent", nil, add},
		{"another RIP", []ServerStatus{tunnel(rs2, 80, 3)}, add},
		{"another port", []ServerStatus{mapped}, add},
		{"the same", []ServerStatus{tunnel(rs1, 80, 3)}, nil},
		{"the same, busy, with a threshold", []ServerStatus{limited}, nil},
		{"another weight", []ServerStatus{tunnel(rs1, 80, 0)}, edit},
		{"another method", []ServerStatus{routed}, edit},
		{"another encapsulation", []ServerStatus{gre}, edit},
	} {
		got := planServer(ServiceStatus{Service: web("rr"), Servers: c.current}, RealServer{RIP: rs1, Weight: 3})
		if diff := cmp.Diff(c.want, commands(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestPlanRestore(t *testing.T) {
	want, err := parseRules(strings.NewReader(saved))
	ok(t, err)
	current := []ServiceStatus{
		{Service: web("wlc"), Servers: []ServerStatus{tunnel(rs1, 80, 5), tunnel(rs2, 80, 0)}},
		{Service: Service{VIP: vip, Port: 443, Protocol: TCP, Scheduler: "rr"}},
	}
	if diff := cmp.Diff([]string{
		"-E -t 172.25.84.100:80 -s rr",
		"-e -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 1 --tun-type ipip",
		"-A -u 172.25.84.100:53 -s mh",
		"-a -u 172.25.84.100:53 -r 172.25.84.2:53 -i -w 65535 --tun-type ipip",
	}, commands(planRestore(current, want))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
