package audit

import (
	"encoding/binary"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The names of what is loaded.
const (
	programName = "rsagent_sysctl"
	eventsName  = "rsagent_events"
	missedName  = "rsagent_missed"
)

// Where things are: the record on the stack, below the frame pointer, and 8
// bytes of scratch below it.
const (
	stack   = -recordLen
	scratch = stack - 8
)

// specOf is everything to load: the program, its ring buffer and the count of
// the writes that found the ring full. Equal arguments give equal programs.
func specOf(who asm.Instructions, o Options) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			eventsName: {Name: eventsName, Type: ebpf.RingBuf, MaxEntries: uint32(o.Buffer)},
			missedName: {Name: missedName, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		},
		Programs: map[string]*ebpf.ProgramSpec{
			programName: {
				Name:       programName,
				Type:       ebpf.CGroupSysctl,
				AttachType: ebpf.AttachCGroupSysctl,
				License:    "GPL", // bpf_probe_read_kernel is for no other
				// Exactly one exit, and it returns 1: the program looks on and never refuses a write.
				Instructions: concat(ours(), values(), who, urgency(o), tell(), asm.Instructions{
					asm.Mov.Imm(asm.R0, 1).WithSymbol("out"),
					asm.Return(),
				}),
			},
		},
	}
}

// ours leaves for out unless it is a write to a watched key. The context, a
// struct bpf_sysctl {u32 write; u32 file_pos}, stays in R6.
func ours() asm.Instructions {
	const name = stack + atName
	return concat(asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R0, asm.R6, 0, asm.Word),
		asm.JEq.Imm(asm.R0, 0, "out"),
	}, zero(name, nameLen), asm.Instructions{ // without CAP_PERFMON the helper wants it so
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, name),
		asm.Mov.Imm(asm.R3, nameLen),
		asm.Mov.Imm(asm.R4, 0), // the whole path
		asm.FnSysctlGetName.Call(),
		asm.JSLT.Imm(asm.R0, 0, "out"),

		asm.LoadMem(asm.R1, asm.RFP, name, asm.DWord),
		asm.LoadImm(asm.R2, word("net/ipv4"), asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, "out"),
		asm.LoadMem(asm.R1, asm.RFP, name+8, asm.DWord),
		asm.LoadImm(asm.R2, word("/ip_forw"), asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R2, "forward"),
		asm.LoadImm(asm.R2, word("\xff\xff\xff\xff\xff\xff"), asm.DWord),
		asm.And.Reg(asm.R1, asm.R2),
		asm.LoadImm(asm.R2, word("/conf/"), asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R2, "ours"),
		asm.Ja.Label("out"),
		asm.LoadMem(asm.R1, asm.RFP, name+16, asm.Word).WithSymbol("forward"),
		asm.JNE.Imm(asm.R1, int32(binary.NativeEndian.Uint32([]byte("ard\x00"))), "out"),
	})
}

// values fills in the old and the new value, the time and the user. Both
// helpers leave zeros behind where there is no value.
func values() asm.Instructions {
	value := func(helper asm.BuiltinFunc, at int32) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, stack+at),
			asm.Mov.Imm(asm.R3, valueLen),
			helper.Call(),
		}
	}
	old := value(asm.FnSysctlGetCurrentValue, atOld)
	old[0] = old[0].WithSymbol("ours")
	return concat(old, value(asm.FnSysctlGetNewValue, atNew), zero(stack+atPID, atOld-atPID), asm.Instructions{
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.RFP, stack+atTime, asm.R0, asm.DWord),
		asm.FnGetCurrentUidGid.Call(),
		asm.StoreMem(asm.RFP, stack+atUID, asm.R0, asm.Word),
	})
}

// byTask names the writer by reading the kernel's own structures, since the
// helpers for that are closed to this kind of program before Linux 6.1, and
// none of them tells the network namespace.
func byTask(l layout) asm.Instructions {
	return concat(
		asm.Instructions{asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R7, asm.R0)},
		at(asm.R7, l.tgid), readKernel(stack+atPID, 4),
		at(asm.R7, l.comm), readKernel(stack+atComm, commLen),
		at(asm.R7, l.nsproxy), readKernel(scratch, 8),
		follow(scratch, l.netNS), readKernel(scratch, 8),
		follow(scratch, l.inum), readKernel(stack+atNetNS, 4),
	)
}

// at makes R3 point to a place in the struct that a register points to.
func at(base asm.Register, offset uint32) asm.Instructions {
	return asm.Instructions{asm.Mov.Reg(asm.R3, base), asm.Add.Imm(asm.R3, int32(offset))}
}

// follow is the same for a pointer on the stack. What cannot be read is read
// as zero, so that a null pointer leads to a namespace of 0.
func follow(pointer int16, offset uint32) asm.Instructions {
	return asm.Instructions{asm.LoadMem(asm.R3, asm.RFP, pointer, asm.DWord), asm.Add.Imm(asm.R3, int32(offset))}
}

// readKernel copies from where R3 points to onto the stack.
func readKernel(to, size int32) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, to),
		asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(),
	}
}

// byHelpers names the writer, but not its network namespace.
func byHelpers() asm.Instructions {
	return asm.Instructions{
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.RFP, stack+atPID, asm.R0, asm.Word),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, stack+atComm),
		asm.Mov.Imm(asm.R2, commLen),
		asm.FnGetCurrentComm.Call(),
	}
}

// Flags of the kernel's helpers (include/uapi/linux/bpf.h).
const (
	baseName    = 1 // BPF_F_SYSCTL_BASE_NAME
	noWakeup    = 1 // BPF_RB_NO_WAKEUP
	forceWakeup = 2 // BPF_RB_FORCE_WAKEUP: else only if nothing was waiting
	availData   = 0 // BPF_RB_AVAIL_DATA
)

// urgency leaves in R8 how to put the record into the ring. Nobody is woken for
// a write to rp_filter or forwarding if they can wait, but for every one when
// the ring is half full.
func urgency(o Options) asm.Instructions {
	if !o.Patient {
		return asm.Instructions{asm.Mov.Imm(asm.R8, 0)}
	}
	return concat(zero(scratch, 8), asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, scratch),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, baseName),
		asm.FnSysctlGetName.Call(),

		asm.Mov.Imm(asm.R8, noWakeup),
		asm.LoadMem(asm.R1, asm.RFP, scratch, asm.DWord),
		asm.LoadImm(asm.R2, word("rp_filt\x00"), asm.DWord), // as much as fits
		asm.JEq.Reg(asm.R1, asm.R2, "patient"),
		asm.LoadImm(asm.R2, word("forward\x00"), asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R2, "patient"),
		asm.Mov.Imm(asm.R8, forceWakeup),
		asm.Ja.Label("tell"),

		asm.LoadMapPtr(asm.R1, 0).WithReference(eventsName).WithSymbol("patient"),
		asm.Mov.Imm(asm.R2, availData),
		asm.FnRingbufQuery.Call(),
		asm.JLT.Imm(asm.R0, int32(o.Buffer/2), "tell"),
		asm.Mov.Imm(asm.R8, forceWakeup),
	})
}

// tell puts the record into the ring, or counts it if there is no room.
func tell() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, 0).WithReference(eventsName).WithSymbol("tell"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, stack),
		asm.Mov.Imm(asm.R3, recordLen),
		asm.Mov.Reg(asm.R4, asm.R8),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMapValue(asm.R1, 0, 0).WithReference(missedName),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
	}
}

// zero clears so many bytes, a multiple of 8, of the stack.
func zero(at, size int16) asm.Instructions {
	out := asm.Instructions{asm.Mov.Imm(asm.R0, 0)}
	for end := at + size; at < end; at += 8 {
		out = append(out, asm.StoreMem(asm.RFP, at, asm.R0, asm.DWord))
	}
	return out
}

// word is up to 8 bytes of memory as a register sees them.
func word(s string) int64 {
	var b [8]byte
	copy(b[:], s)
	return int64(binary.NativeEndian.Uint64(b[:]))
}

func concat(parts ...asm.Instructions) asm.Instructions {
	var all asm.Instructions
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
