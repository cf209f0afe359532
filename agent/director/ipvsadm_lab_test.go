//go:build lab && linux

package director

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// foreignEntries has ipvsadm make the table of the golden files, and reads it.
func foreignEntries(t *testing.T) {
	d := openKernel(t)
	rules, err := os.ReadFile("testdata/table.sn")
	ok(t, err)
	run(t, string(rules), "ipvsadm-restore")
	expect(t, d, foreignTable()...)
	compareWithIpvsadm(t, d)
	ok(t, d.Clear())
	expect(t, d)
	if left := run(t, "", "ipvsadm -Sn"); left != "" {
		t.Errorf("after Clear: want nothing, got\n%s", left)
	}
}

// compareWithIpvsadm holds our listing and our file against ipvsadm's.
func compareWithIpvsadm(t *testing.T, d *Director) {
	t.Helper()
	info, err := d.Info()
	ok(t, err)
	list, err := d.List()
	ok(t, err)
	var ln, sn strings.Builder
	ok(t, Render(&ln, info, list))
	ok(t, d.Save(&sn))
	if diff := cmp.Diff(run(t, "", "ipvsadm -Ln"), ln.String()); diff != "" {
		t.Errorf("ipvsadm -Ln (-theirs +ours):\n%s", diff)
	}
	if diff := cmp.Diff(run(t, "", "ipvsadm -Sn"), sn.String()); diff != "" {
		t.Errorf("ipvsadm -Sn (-theirs +ours):\n%s", diff)
	}
}

func asIpvsadm(t *testing.T) {
	d := openKernel(t)
	compareWithIpvsadm(t, d)
	port := uint16(1)
	for _, protocol := range []Protocol{TCP, UDP} {
		for _, scheduler := range []string{"rr", "wrr", "lc", "wlc", "sh", "mh"} {
			s := Service{VIP: vip, Port: port, Protocol: protocol, Scheduler: scheduler}
			port = port*3 + 1
			ok(t, d.AddService(s))
			ok(t, d.AddRealServer(s, RealServer{RIP: rs2, Weight: int(port)}))
			ok(t, d.AddRealServer(s, RealServer{RIP: rs1, Weight: 1}))
			ok(t, d.SetWeight(s, rs1, 0))
		}
	}
	compareWithIpvsadm(t, d)
}

func ipvsadmRestore(t *testing.T) {
	d := openKernel(t)
	ok(t, d.Restore(strings.NewReader(saved)))
	before, err := d.List()
	ok(t, err)
	var ours strings.Builder
	ok(t, d.Save(&ours))
	run(t, "", "ipvsadm -C")
	expect(t, d)
	run(t, ours.String(), "ipvsadm-restore")
	expect(t, d, before...)
	// And the other way: what ipvsadm-save writes, we read.
	theirs := run(t, "", "ipvsadm-save -n")
	ok(t, d.Clear())
	ok(t, d.Restore(strings.NewReader(theirs)))
	expect(t, d, before...)
}
