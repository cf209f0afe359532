/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What audit.c needs of the kernel's types: fixed-size integers and constants of
 * the UAPI, which never change, and a few structures of the kernel itself, which
 * differ between builds. Of those only the fields that are read are declared;
 * the loader moves each access to where the running kernel has the field
 * (preserve_access_index: CO-RE, from /sys/kernel/btf/vmlinux).
 */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
/* Only for the prototypes in bpf_helper_defs.h. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

typedef _Bool bool;
enum { false, true };

/* linux/bpf.h */
enum { BPF_ANY = 0 };
enum { BPF_MAP_TYPE_LRU_HASH = 9, BPF_MAP_TYPE_RINGBUF = 27 };
enum { BPF_F_SYSCTL_BASE_NAME = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 }; /* flags of bpf_ringbuf_output */
enum { BPF_RB_AVAIL_DATA = 0 };                         /* flag of bpf_ringbuf_query */

/* The context of a cgroup/sysctl program. */
struct bpf_sysctl {
	__u32 write; /* 0: a read */
	__u32 file_pos;
};

/* linux/netlink.h, linux/rtnetlink.h, linux/if.h */
struct nlmsghdr {
	__u32 nlmsg_len;
	__u16 nlmsg_type;
	__u16 nlmsg_flags;
	__u32 nlmsg_seq;
	__u32 nlmsg_pid;
};

enum { RTM_NEWLINK = 16, RTM_DELLINK = 17, RTM_SETLINK = 19, RTM_NEWADDR = 20, RTM_DELADDR = 21 };
enum { IFF_UP = 1 };

#define __core __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
} __core;

struct net {
	struct ns_common ns;
} __core;

typedef struct {
	struct net *net;
} __core possible_net_t;

struct nsproxy {
	struct net *net_ns;
} __core;

struct task_struct {
	int tgid;
	char comm[16];
	struct nsproxy *nsproxy;
} __core;

struct sock_common {
	possible_net_t skc_net;
} __core;

struct sock {
	struct sock_common __sk_common;
} __core;

struct sk_buff {
	struct sock *sk;
	char cb[48];
} __core;

/* What is in sk_buff.cb of a netlink message. */
struct netlink_skb_parms {
	__u32 portid;
} __core;

struct net_device {
	unsigned int flags;
	int ifindex;
	possible_net_t nd_net;
} __core;

#endif
