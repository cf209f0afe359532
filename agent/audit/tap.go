package audit

import (
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// A tap is a program that runs when a kernel function begins, and the map in
// which it remembers who made it run: the heads of records, by keys of 8 bytes.
type tap struct {
	program, places string // names of what is loaded
	function        string
	size            uint32 // of the map
	// body leaves for out unless the call is of interest. It puts the key onto
	// the stack, and into R3 where the pointer to the network namespace is.
	body func(l tapLayout) asm.Instructions
}

const (
	whoLen = atOld
	keyLen = 8
)

// Where the rest is on the stack, above the head of a record.
const (
	tapKey     = stack + whoLen
	tapPointer = tapKey + keyLen
	tapHeader  = tapPointer + 8
)

// A tapLayout is where the running kernel keeps what the taps look at.
type tapLayout struct {
	first, second           uint32 // the function's arguments, in the context
	cb, port, sk, net, inum uint32 // of a request
	flags, index, netns     uint32 // of a device
}

// A tapWay is a kind of program that runs when a kernel function begins.
type tapWay struct {
	kind   ebpf.ProgramType
	attach ebpf.AttachType
	args   func(*tapLayout) []field
}

func tapWays() map[string]tapWay {
	return map[string]tapWay{
		"fentry": {ebpf.Tracing, ebpf.AttachTraceFEntry, func(l *tapLayout) []field {
			l.first, l.second = 0, 8
			return nil
		}},
		"kprobe": {ebpf.Kprobe, ebpf.AttachNone, registers},
	}
}

// registers are those in which a function finds its arguments.
func registers(l *tapLayout) []field {
	if runtime.GOARCH == "arm64" {
		l.first, l.second = 0, 8 // struct pt_regs begins with x0, x1
		return nil
	}
	return []field{{&l.first, "pt_regs", []string{"di"}}, {&l.second, "pt_regs", []string{"si"}}}
}

func (w tapWay) layout() (tapLayout, error) {
	var l tapLayout
	err := locate(append(w.args(&l), []field{
		{&l.cb, "sk_buff", []string{"cb"}},
		{&l.sk, "sk_buff", []string{"sk"}},
		{&l.port, "netlink_skb_parms", []string{"portid"}},
		{&l.net, "sock", []string{"__sk_common", "skc_net", "net"}},
		{&l.flags, "net_device", []string{"flags"}},
		{&l.index, "net_device", []string{"ifindex"}},
		{&l.netns, "net_device", []string{"nd_net", "net"}},
		{&l.inum, "net", []string{"ns", "inum"}},
	}...))
	return l, err
}

// spec is what to load for the taps. Equal arguments give equal programs.
func (w tapWay) spec(l tapLayout, netns uint32, taps []tap) *ebpf.CollectionSpec {
	s := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}}
	for _, t := range taps {
		p := &ebpf.ProgramSpec{
			Name: t.program, Type: w.kind, AttachType: w.attach, License: "GPL",
			Instructions: concat(t.body(l), here(l, netns), t.remember(), asm.Instructions{
				asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
				asm.Return(),
			}),
		}
		if w.kind == ebpf.Tracing {
			p.AttachTo = t.function
		}
		s.Programs[t.program] = p
		s.Maps[t.places] = &ebpf.MapSpec{Name: t.places, Type: ebpf.LRUHash, KeySize: keyLen, ValueSize: whoLen, MaxEntries: t.size}
	}
	return s
}

// here leaves for out unless R3 is where the pointer to our network namespace
// is. It clears the record.
func here(l tapLayout, netns uint32) asm.Instructions {
	return concat(readKernel(tapPointer, 8), zero(stack, whoLen),
		follow(tapPointer, l.inum), readKernel(stack+atNetNS, 4),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, stack+atNetNS, asm.Word),
			asm.LoadImm(asm.R2, int64(netns), asm.DWord),
			asm.JNE.Reg(asm.R1, asm.R2, "out"),
		})
}

// remember puts who it is into the map, in the place of the oldest.
func (t tap) remember() asm.Instructions {
	return concat(
		asm.Instructions{
			asm.FnKtimeGetNs.Call(),
			asm.StoreMem(asm.RFP, stack+atTime, asm.R0, asm.DWord),
			asm.FnGetCurrentUidGid.Call(),
			asm.StoreMem(asm.RFP, stack+atUID, asm.R0, asm.Word),
		},
		byHelpers(),
		asm.Instructions{
			asm.LoadMapPtr(asm.R1, 0).WithReference(t.places),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, tapKey),
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, stack),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnMapUpdateElem.Call(),
		})
}

// asking sees who asks over rtnetlink for a change of an address or a link:
// int rtnetlink_rcv_msg(struct sk_buff *, struct nlmsghdr *, struct netlink_ext_ack *).
// The key is the port and the number of the request, the namespace that of the
// socket, which need not be the process's.
func asking() tap {
	const atType, atSeq = 4, 8 // in struct nlmsghdr
	return tap{"rsagent_asking", "rsagent_askers", "rtnetlink_rcv_msg", askers, func(l tapLayout) asm.Instructions {
		filter := concat(asm.Instructions{
			asm.LoadMem(asm.R7, asm.R1, int16(l.first), asm.DWord),
			asm.LoadMem(asm.R3, asm.R1, int16(l.second), asm.DWord),
		}, readKernel(tapHeader, unix.SizeofNlMsghdr), asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, tapHeader+atType, asm.Half),
		})
		for _, kind := range []int32{unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_SETLINK, unix.RTM_NEWADDR, unix.RTM_DELADDR} {
			filter = append(filter, asm.JEq.Imm(asm.R1, kind, "asked"))
		}
		return concat(filter, asm.Instructions{
			asm.Ja.Label("out"),
			asm.LoadMem(asm.R1, asm.RFP, tapHeader+atSeq, asm.Word).WithSymbol("asked"),
			asm.StoreMem(asm.RFP, tapKey+4, asm.R1, asm.Word),
		},
			at(asm.R7, l.cb+l.port), readKernel(tapKey, 4),
			at(asm.R7, l.sk), readKernel(tapPointer, 8), follow(tapPointer, l.net))
	}}
}

// downing sees who takes a device down that is up, over rtnetlink or by ioctl:
// int __dev_change_flags(struct net_device *, unsigned int, struct netlink_ext_ack *),
// which is asked after the permission was looked at. The key is the index.
func downing() tap {
	return tap{"rsagent_downing", "rsagent_downers", "__dev_change_flags", downers, func(l tapLayout) asm.Instructions {
		return concat(asm.Instructions{
			asm.LoadMem(asm.R7, asm.R1, int16(l.first), asm.DWord),
			asm.LoadMem(asm.R2, asm.R1, int16(l.second), asm.DWord),
			asm.And.Imm(asm.R2, unix.IFF_UP),
			asm.JNE.Imm(asm.R2, 0, "out"),
		},
			zero(tapKey, keyLen),
			at(asm.R7, l.flags), readKernel(tapKey, 4),
			asm.Instructions{
				asm.LoadMem(asm.R1, asm.RFP, tapKey, asm.Word),
				asm.And.Imm(asm.R1, unix.IFF_UP),
				asm.JEq.Imm(asm.R1, 0, "out"),
			},
			at(asm.R7, l.index), readKernel(tapKey, 4),
			at(asm.R7, l.netns))
	}}
}
