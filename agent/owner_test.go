package agent_test

import (
	"slices"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Nobody is named without evidence, and who is comes with the setting that
// ends the fight.
func TestOwners(t *testing.T) {
	key := sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}
	filter := agent.Conflict{Fix: agent.SetSysctl{Key: key}}
	vip := agent.Conflict{Fix: agent.AddAddr{Device: "tunl0"}}
	line := agent.Replay{Key: key, Value: 1, File: "/etc/sysctl.d/50-x.conf", Line: 3}
	for _, tt := range []struct {
		name     string
		about    agent.Conflict
		evidence agent.Evidence
		want     []string // what each sentence holds
	}{
		{"nothing", filter, agent.Evidence{Devices: []string{"lo", "eth0", "tunl0", "xcali0"}}, nil},
		{"a line", filter, agent.Evidence{Opponent: line}, []string{"/etc/sysctl.d/50-x.conf:3 sets it to 1"}},
		{"Calico", vip, agent.Evidence{Devices: []string{"cali1234"}}, []string{"ipipMode: Never"}},
		{"Cilium and a setting", filter, agent.Evidence{Devices: []string{"cilium_host"}}, []string{"sysctlfix.enabled=false"}},
		{"Cilium and an address", vip, agent.Evidence{Devices: []string{"cilium_host"}}, nil},
		{"networkd and an address", vip, agent.Evidence{Networkd: true}, []string{"Unmanaged=yes for tunl0"}},
		{"networkd and a setting", filter, agent.Evidence{Networkd: true}, nil},
		{"NetworkManager", vip, agent.Evidence{NetworkManager: true}, []string{"unmanaged-devices"}},
		{"two", vip, agent.Evidence{Devices: []string{"kube-ipvs0"}, Networkd: true}, []string{"Kubernetes", "networkd"}},
	} {
		got := tt.evidence.Owners(tt.about, "tunl0")
		if !slices.EqualFunc(tt.want, got, func(want, got string) bool { return strings.Contains(got, want) }) {
			t.Errorf("%s: got %q, want what holds %q", tt.name, got, tt.want)
		}
	}
}
