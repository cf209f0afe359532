package linux

import (
	"os"
	"reflect"
	"testing"

	"rsagent/agent"
	"rsagent/agent/audit"
	"rsagent/sysctl"
)

func TestWritten(t *testing.T) {
	const here, elsewhere = 7, 8
	dotted := sysctl.Key{Scope: "eth0.100", Name: sysctl.ARPIgnore}
	all := sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}
	for _, tt := range []struct {
		name  string
		write audit.Write
		want  agent.Hint
		ours  bool
	}{
		{
			"known", audit.Write{Key: "net/ipv4/conf/eth0.100/arp_ignore", Old: "1", New: "0", Actor: audit.Actor{PID: 1, Comm: "sysctl", NetNS: here}},
			agent.Hint{Keys: []sysctl.Key{dotted}, Audit: []agent.AuditRecord{{
				Subject: agent.SubjectOf(dotted), Old: "1", New: "0", By: agent.Actor{PID: 1, Comm: "sysctl"},
			}}}, true,
		},
		{"another namespace", audit.Write{Key: "net/ipv4/conf/all/rp_filter", Actor: audit.Actor{PID: 1, NetNS: elsewhere}}, agent.Hint{Keys: []sysctl.Key{all}}, true},
		{"namespace not known", audit.Write{Key: "net/ipv4/conf/all/rp_filter", Actor: audit.Actor{PID: 1}}, agent.Hint{Keys: []sysctl.Key{all}}, true},
		{"our own", audit.Write{Key: "net/ipv4/conf/all/rp_filter", Actor: audit.Actor{PID: os.Getpid(), NetNS: here}}, agent.Hint{}, false},
		{"another setting", audit.Write{Key: "net/ipv4/conf/all/accept_local", Actor: audit.Actor{PID: 1, NetNS: here}}, agent.Hint{}, false},
		{"not under conf", audit.Write{Key: "net/ipv4/ip_forward", Actor: audit.Actor{PID: 1, NetNS: here}}, agent.Hint{}, false},
	} {
		got, ours := written(tt.write, here)
		if ours != tt.ours || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v %v, want %+v %v", tt.name, got, ours, tt.want, tt.ours)
		}
	}
}
