package audit

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
)

// variants are all programs that we may load.
func variants() map[string]asm.Instructions {
	program := func(who asm.Instructions) asm.Instructions {
		return specOf(who, Options{Buffer: ringBytes}).Programs[programName].Instructions
	}
	return map[string]asm.Instructions{
		"task":    program(byTask(layout{tgid: 2468, comm: 3008, nsproxy: 3088, netNS: 40, inum: 136})),
		"helpers": program(byHelpers()),
		"user":    program(nil),
	}
}

func TestProgramIsDeterministic(t *testing.T) {
	t.Parallel()
	again := variants()
	for name, program := range variants() {
		if diff := cmp.Diff(fmt.Sprint(program), fmt.Sprint(again[name])); diff != "" {
			t.Errorf("%s differs from itself:\n%s", name, diff)
		}
	}
}

// The verdict of a program is what it returns. Ours has one way out, and there
// it returns 1: the write may go on.
func TestProgramNeverVetoes(t *testing.T) {
	t.Parallel()
	for name, program := range variants() {
		for i, ins := range program {
			if ins.OpCode.JumpOp() != asm.Exit {
				continue
			}
			if i != len(program)-1 {
				t.Errorf("%s: an exit at %d of %d", name, i, len(program))
			}
			if verdict := program[i-1]; verdict.OpCode != asm.Mov.Op(asm.ImmSource) || verdict.Dst != asm.R0 || verdict.Constant != 1 {
				t.Errorf("%s: returns %v", name, verdict)
			}
		}
	}
}

// Nothing but these is called, above all not bpf_sysctl_set_new_value.
func TestProgramOnlyLooks(t *testing.T) {
	t.Parallel()
	common := []asm.BuiltinFunc{
		asm.FnSysctlGetName, asm.FnSysctlGetCurrentValue, asm.FnSysctlGetNewValue,
		asm.FnKtimeGetNs, asm.FnGetCurrentUidGid, asm.FnRingbufOutput,
	}
	more := map[string][]asm.BuiltinFunc{
		"task":    {asm.FnGetCurrentTask, asm.FnProbeReadKernel},
		"helpers": {asm.FnGetCurrentPidTgid, asm.FnGetCurrentComm},
	}
	for name, program := range variants() {
		want, got := map[asm.BuiltinFunc]bool{}, map[asm.BuiltinFunc]bool{}
		for _, fn := range append(more[name], common...) {
			want[fn] = true
		}
		for _, ins := range program {
			if ins.IsBuiltinCall() {
				got[asm.BuiltinFunc(ins.Constant)] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s calls (-want +got):\n%s", name, diff)
		}
	}
}

func TestProgramStaysOnItsStack(t *testing.T) {
	t.Parallel()
	if recordLen%8 != 0 || -scratch > 512 {
		t.Errorf("record of %d bytes, stack of %d", recordLen, -scratch)
	}
	for name, program := range variants() {
		for _, ins := range program {
			if ins.Dst == asm.RFP && (ins.Offset >= 0 || ins.Offset < scratch) {
				t.Errorf("%s: %v", name, ins)
			}
		}
	}
}
