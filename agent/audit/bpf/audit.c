/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who changed what. These programs only look: they refuse nothing, change
 * nothing, and what they found is in three maps, for agent/audit to read.
 * "make generate" compiles them into audit_bpfel.o, which is committed.
 *
 * They have to load on Linux 5.10 and later, so they keep to the helpers and the
 * instructions (-mcpu=v1) of that time.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* bpf_probe_read_kernel and the fentry programs are for no other licence. */
char LICENSE[] SEC("license") = "GPL";

/* A process, at the moment when it did something. */
struct actor {
	__u64 time;     /* CLOCK_MONOTONIC, ns */
	__u32 pid;      /* the process (tgid) in the first PID namespace; 0: not known */
	__u32 uid;      /* the real user, in the first user namespace */
	__u64 netns;    /* inode of the network namespace; 0: not known */
	__u8 comm[16];  /* the name of the thread */
};

/* ------------------------------------------------------------- sysctl writes */

/*
 * One write to a sysctl. 64 bytes have room for the longest key: the name of a
 * device, 15 bytes, and drop_unicast_in_l2_multicast included.
 */
struct sysctl_write {
	struct actor by;
	__u8 old[64];
	__u8 new[64];
	__u8 key[64]; /* below /proc/sys, with slashes */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10); /* a thousand writes */
	__type(value, struct sysctl_write);
} writes SEC(".maps");

/* How many writes found the ring full. */
__u64 lost;

/*
 * How many bytes may wait in the ring without a wake-up of the reader, if they
 * are of a kind that can wait; 0: each record wakes it.
 */
const volatile __u32 batch_bytes;

/* The first 8 bytes as a number, the first one lowest; of a constant, a constant. */
static __always_inline __u64 word(const void *s)
{
	__u64 w;

	__builtin_memcpy(&w, s, sizeof(w));
	return w;
}

/*
 * The filter is here, as every sysctl access of the host comes by. It compares
 * words: there is no memcmp, and bpf_strncmp only since Linux 5.17.
 */
static __always_inline bool is_watched(const __u8 *key)
{
	__u64 second = word(key + 8), third = word(key + 16);

	if (word(key) != word("net/ipv4"))
		return false;
	if ((second & ~0ULL >> 16) == word("/conf/\0"))
		return true;
	return second == word("/ip_forw") && third == word("ard\0\0\0\0");
}

/* Whether the kernel announces writes to the key with this last part itself. */
static __always_inline bool is_announced(const __u8 *name)
{
	__u64 first = word(name), rest = word(name + 8);

	return (first == word("rp_filte") && rest == word("r\0\0\0\0\0\0")) ||
	       (first == word("forwardi") && rest == word("ng\0\0\0\0\0"));
}

/*
 * How to put the record into the ring. The kernel announces writes to rp_filter
 * and forwarding over netlink anyway, so that these may wait until the reader
 * asks, another write comes, or many are there: to wake up for each of a hundred
 * writes a second costs more than everything else together. The others force a
 * wake-up, which by default comes only if the reader had read everything.
 */
static __always_inline __u64 wakeup(struct bpf_sysctl *ctx)
{
	__u8 name[16] = {};

	if (!batch_bytes)
		return 0;
	bpf_sysctl_get_name(ctx, (char *)name, sizeof(name), BPF_F_SYSCTL_BASE_NAME);
	if (!is_announced(name) || bpf_ringbuf_query(&writes, BPF_RB_AVAIL_DATA) >= batch_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void set_time_and_user(struct actor *a)
{
	a->time = bpf_ktime_get_ns();
	a->uid = bpf_get_current_uid_gid();
}

/* Not for a sysctl program before Linux 6.1. */
static __always_inline void set_process(struct actor *a)
{
	a->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(a->comm, sizeof(a->comm));
}

/*
 * The same from the kernel's own structures, for a sysctl program on any kernel,
 * and the network namespace besides, for which there is no helper. What cannot
 * be read is read as zero, so that a task on its way out has namespace 0.
 */
static __always_inline void set_process_by_task(struct actor *a)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	a->pid = BPF_CORE_READ(task, tgid);
	bpf_core_read(a->comm, sizeof(a->comm), &task->comm);
	a->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
}

enum writer { BY_TASK, BY_HELPERS, USER_ONLY };

/* Always returns 1: the write goes on. It runs just before the write happens. */
static __always_inline int record_write(struct bpf_sysctl *ctx, enum writer how)
{
	/* Cleared: without CAP_PERFMON the helpers refuse stack that was never written. */
	struct sysctl_write w = {};

	if (!ctx->write)
		return 1;
	if (bpf_sysctl_get_name(ctx, (char *)w.key, sizeof(w.key), 0) < 0 || !is_watched(w.key))
		return 1;
	/* Where there is no value, both leave zeros. */
	bpf_sysctl_get_current_value(ctx, (char *)w.old, sizeof(w.old));
	bpf_sysctl_get_new_value(ctx, (char *)w.new, sizeof(w.new));
	set_time_and_user(&w.by);
	if (how == BY_TASK)
		set_process_by_task(&w.by);
	else if (how == BY_HELPERS)
		set_process(&w.by);
	if (bpf_ringbuf_output(&writes, &w, sizeof(w), wakeup(ctx)))
		__sync_fetch_and_add(&lost, 1);
	return 1;
}

/*
 * Three programs, of which one is loaded, the first that may be: naming the
 * writer by its task takes CAP_PERFMON and a kernel that knows its own types;
 * by helpers, Linux 6.1; its user is known always.
 */
SEC("cgroup/sysctl")
int rsagent_sysctl(struct bpf_sysctl *ctx)
{
	return record_write(ctx, BY_TASK);
}

SEC("cgroup/sysctl")
int rsagent_sysctl_helpers(struct bpf_sysctl *ctx)
{
	return record_write(ctx, BY_HELPERS);
}

SEC("cgroup/sysctl")
int rsagent_sysctl_user(struct bpf_sysctl *ctx)
{
	return record_write(ctx, USER_ONLY);
}

/* ---------------------------------------------------------------- requesters */

/* What the kernel puts into the header of the announcement that follows. */
struct request {
	__u32 port;
	__u32 seq;
};

/* Both maps forget the oldest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct request);
	__type(value, struct actor);
} requesters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u32); /* the device's index */
	__type(value, struct actor);
} linkdown SEC(".maps");

/* Inode of the network namespace whose requests are recorded. */
const volatile __u32 netns;

static __always_inline void record(void *map, const void *key)
{
	struct actor a = {.netns = netns};

	set_time_and_user(&a);
	set_process(&a);
	bpf_map_update_elem(map, key, &a, BPF_ANY);
}

/*
 * Who asks for a change of an address or a link. The namespace is that of the
 * socket, which need not be the process's; the port is the socket's, as the
 * header may name any other.
 */
SEC("fentry/rtnetlink_rcv_msg")
int BPF_PROG(rsagent_request, struct sk_buff *skb, struct nlmsghdr *nlh)
{
	struct netlink_skb_parms *parms = (void *)&skb->cb;
	struct request key = {};
	struct nlmsghdr h = {};

	bpf_probe_read_kernel(&h, sizeof(h), nlh);
	switch (h.nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_SETLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
		break;
	default:
		return 0;
	}
	if (BPF_CORE_READ(skb, sk, __sk_common.skc_net.net, ns.inum) != netns)
		return 0;
	key.port = BPF_CORE_READ(parms, portid);
	key.seq = h.nlmsg_seq;
	record(&requesters, &key);
	return 0;
}

/*
 * Who takes a device down that is up, by netlink or by ioctl: what both call once
 * they know that it is permitted. The announcement of that has no port.
 */
SEC("fentry/__dev_change_flags")
int BPF_PROG(rsagent_linkdown, struct net_device *dev, unsigned int flags)
{
	__u32 index;

	if (flags & IFF_UP || !(BPF_CORE_READ(dev, flags) & IFF_UP))
		return 0;
	if (BPF_CORE_READ(dev, nd_net.net, ns.inum) != netns)
		return 0;
	index = BPF_CORE_READ(dev, ifindex);
	record(&linkdown, &index);
	return 0;
}
