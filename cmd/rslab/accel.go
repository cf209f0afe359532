package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// bootMachine boots a machine. One that dies before it was given its job is booted once more: emulated processors have
// bad days, and nothing has been done twice. With the accelerator auto, the first try is KVM's.
func bootMachine(ctx context.Context, cacheDir string, k kernel, h hardware, e errand, stderr io.Writer) (*machine, error) {
	path, err := self()
	if err != nil {
		return nil, err
	}
	initramfs, err := buildInitramfs(path, k.modules, e)
	if err != nil {
		return nil, err
	}
	console := &tail{keep: 64 << 10}
	if h.verbose {
		console.copy = stderr
	}
	if h.accel == "auto" {
		h.accel = "tcg"
		if m, err := tryKVM(ctx, cacheDir, k, h, initramfs, console); m != nil || err != nil {
			return m, err
		}
	}
	m, err := boot(ctx, k, h, initramfs, console, bootLimit)
	var failed *machineFailure
	if errors.As(err, &failed) && ctx.Err() == nil {
		fmt.Fprintf(console, "\nrslab: %v; booting once more\n", err)
		m, err = boot(ctx, k, h, initramfs, console, bootLimit)
	}
	return m, err
}

// tryKVM returns a machine under KVM, or nil where KVM is not there or does not deliver: a /dev/kvm that can be
// opened is no promise that a guest gets past its BIOS. The answer no is remembered until the host is booted again.
func tryKVM(ctx context.Context, cacheDir string, k kernel, h hardware, initramfs []byte, console *tail) (*machine, error) {
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	useless := filepath.Join(cacheDir, "kvm-useless")
	if known, err := os.ReadFile(useless); err == nil && string(known) == string(bootID) {
		return nil, nil
	}
	h.accel = "kvm"
	if m, err := boot(ctx, k, h, initramfs, console, kvmLimit); err == nil {
		return m, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	fmt.Fprintf(console, "\nrslab: no use of KVM in boot %s\n", strings.TrimSpace(string(bootID)))
	return nil, os.WriteFile(useless, bootID, 0o644)
}
