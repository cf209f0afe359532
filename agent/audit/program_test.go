package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
)

// The object that is committed was made from the source that is committed: a
// change of either needs "make generate".
func TestObjectIsOfThisSource(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile("bpf/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		want, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not what the object was generated from or with: run make generate", file)
		}
		got[file] = true
	}
	want := map[string]bool{"generate.go": true, "audit_bpfel.go": true, "audit_bpfel.o": true}
	sources, err := os.ReadDir("bpf")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sources {
		if f.Name() != "SHA256SUMS" {
			want["bpf/"+f.Name()] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files in bpf/SHA256SUMS (-want +got):\n%s", diff)
	}
}

// mustLoad returns the programs of the object by name.
func mustLoad(t *testing.T) map[string]*ebpf.ProgramSpec {
	t.Helper()
	spec, err := loadAudit()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Programs
}

// A sysctl program's verdict is what it returns: always 1, the write goes on. So
// each exit comes after that, and no jump leads past it.
func TestSysctlProgramsNeverVeto(t *testing.T) {
	t.Parallel()
	programs := mustLoad(t)
	for _, v := range variants {
		exits, jumps := map[asm.RawInstructionOffset]bool{}, map[asm.RawInstructionOffset]bool{}
		var before asm.Instruction
		for i := programs[v.program].Instructions.Iterate(); i.Next(); before = *i.Ins {
			switch op := i.Ins.OpCode.JumpOp(); {
			case op == asm.Exit:
				exits[i.Offset] = true
				if before.OpCode != asm.Mov.Op(asm.ImmSource) || before.Dst != asm.R0 || before.Constant != 1 {
					t.Errorf("%s: returns %v", v.program, before)
				}
			case op != asm.InvalidJumpOp && op != asm.Call:
				jumps[i.Offset+1+asm.RawInstructionOffset(i.Ins.Offset)] = true
			}
		}
		if len(exits) == 0 || len(jumps) == 0 {
			t.Errorf("%s: %d exits, %d jumps", v.program, len(exits), len(jumps))
		}
		for exit := range exits {
			if jumps[exit] {
				t.Errorf("%s: a jump leads past the verdict to the exit at %d", v.program, exit)
			}
		}
	}
}

// Nothing but these is called, above all not bpf_sysctl_set_new_value.
func TestProgramsOnlyLook(t *testing.T) {
	t.Parallel()
	write := []asm.BuiltinFunc{
		asm.FnSysctlGetName, asm.FnSysctlGetCurrentValue, asm.FnSysctlGetNewValue,
		asm.FnKtimeGetNs, asm.FnGetCurrentUidGid, asm.FnRingbufQuery, asm.FnRingbufOutput,
	}
	record := []asm.BuiltinFunc{
		asm.FnProbeReadKernel, asm.FnKtimeGetNs, asm.FnGetCurrentUidGid,
		asm.FnGetCurrentPidTgid, asm.FnGetCurrentComm, asm.FnMapUpdateElem,
	}
	want := map[string][]asm.BuiltinFunc{
		auditProgRsagentSysctl:        append([]asm.BuiltinFunc{asm.FnGetCurrentTask, asm.FnProbeReadKernel}, write...),
		auditProgRsagentSysctlHelpers: append([]asm.BuiltinFunc{asm.FnGetCurrentPidTgid, asm.FnGetCurrentComm}, write...),
		auditProgRsagentSysctlUser:    write,
		auditProgRsagentRequest:       record,
		auditProgRsagentLinkdown:      record,
	}
	for name, p := range mustLoad(t) {
		allowed, called := map[asm.BuiltinFunc]bool{}, map[asm.BuiltinFunc]bool{}
		for _, fn := range want[name] {
			allowed[fn] = true
		}
		for _, ins := range p.Instructions {
			if ins.IsBuiltinCall() {
				called[asm.BuiltinFunc(ins.Constant)] = true
			}
		}
		if diff := cmp.Diff(allowed, called); diff != "" {
			t.Errorf("%s calls (-want +got):\n%s", name, diff)
		}
	}
}

// Records of the same size on both sides, which a compiler could have padded.
func TestSizes(t *testing.T) {
	t.Parallel()
	spec, err := loadAudit()
	if err != nil {
		t.Fatal(err)
	}
	type sizes struct{ Key, Value uint32 }
	got := map[string]sizes{}
	for _, name := range []string{auditMapRequesters, auditMapLinkdown} {
		got[name] = sizes{spec.Maps[name].KeySize, spec.Maps[name].ValueSize}
	}
	if diff := cmp.Diff(map[string]sizes{"requesters": {8, 40}, "linkdown": {4, 40}}, got); diff != "" || recordLen != 232 {
		t.Errorf("record of %d bytes, maps (-want +got):\n%s", recordLen, diff)
	}
}
