package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
)

// tapPrograms are all programs that listen to requests, in both ways.
func tapPrograms() map[string]*ebpf.ProgramSpec {
	l := tapLayout{first: 112, second: 104, cb: 40, port: 12, sk: 24, net: 48, inum: 136, flags: 176, index: 224, netns: 264}
	all := map[string]*ebpf.ProgramSpec{}
	for name, way := range tapWays() {
		for program, p := range way.spec(l, 4026531840, []tap{asking(), downing()}).Programs {
			all[name+" "+program] = p
		}
	}
	return all
}

func TestTapsAreDeterministic(t *testing.T) {
	t.Parallel()
	again := tapPrograms()
	for name, p := range tapPrograms() {
		if diff := cmp.Diff(fmt.Sprint(p.Instructions), fmt.Sprint(again[name].Instructions)); diff != "" {
			t.Errorf("%s differs from itself:\n%s", name, diff)
		}
	}
}

// Nothing but these is called, and only the stack and the own map are written.
func TestTapsOnlyLook(t *testing.T) {
	t.Parallel()
	want := map[asm.BuiltinFunc]bool{
		asm.FnProbeReadKernel: true, asm.FnKtimeGetNs: true, asm.FnGetCurrentUidGid: true,
		asm.FnGetCurrentPidTgid: true, asm.FnGetCurrentComm: true, asm.FnMapUpdateElem: true,
	}
	for name, p := range tapPrograms() {
		got := map[asm.BuiltinFunc]bool{}
		for _, ins := range p.Instructions {
			if ins.IsBuiltinCall() {
				got[asm.BuiltinFunc(ins.Constant)] = true
			}
			if ins.OpCode.Class().IsStore() && (ins.Dst != asm.RFP || ins.Offset >= 0 || ins.Offset < scratch) {
				t.Errorf("%s writes: %v", name, ins)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s calls (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeWho(t *testing.T) {
	t.Parallel()
	want := Who{Time: time.Unix(1700000000, 5), PID: 4321, UID: 1000, Comm: "sysctl", NetNS: 4026531840}
	if diff := cmp.Diff(want, decodeWho(sample().bytes(t)[:whoLen], uptime)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Requests that are closed, or that were asked for by the kernel, are nobody's.
func TestNobody(t *testing.T) {
	t.Parallel()
	r := &Requests{closed: true}
	if w, ok := r.Who(1, 1); ok {
		t.Errorf("closed: got %+v", w)
	}
	if w, ok := r.Down(1); ok {
		t.Errorf("closed: got %+v", w)
	}
	if w, ok := new(Requests).Who(0, 1); ok {
		t.Errorf("port 0: got %+v", w)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
