package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hostSuite is the Debian that a host runs, whatever its kernel.
const hostSuite = "bookworm"

// hostPackages are what a host has beside Debian's essential packages.
func hostPackages() []string {
	return []string{
		"systemd-sysv", "udev", "kmod", "dbus", "iproute2", "procps", "nftables", "ipvsadm",
		"network-manager", "ifupdown",
	}
}

// diskScript makes a host of a plain Debian root, its first argument.
//
//go:embed disk.sh
var diskScript string

// diskName is another one whenever the disk would be.
func diskName() string {
	recipe := strings.Join(append(hostPackages(), hostSuite, aptSources(hostSuite), diskScript), "\n")
	sum := sha256.Sum256([]byte(recipe))
	return fmt.Sprintf("host-%x.ext4", sum[:6])
}

// disk returns the image of a host's root, and makes it at most once, however many runs ask at the same time.
func (c *cache) disk(ctx context.Context) (string, error) {
	file := filepath.Join(c.dir, diskName())
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	unlock, err := lockFile(ctx, filepath.Join(c.dir, "host.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	// Whoever held the lock before may have made it.
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := c.makeDisk(ctx, file); err != nil {
		return "", fmt.Errorf("host's disk: %w", err)
	}
	return file, nil
}

// makeDisk makes the image and clears away its predecessors. A host that runs from one of them keeps it open.
func (c *cache) makeDisk(ctx context.Context, file string) error {
	if os.Geteuid() != 0 {
		return errors.New("making it needs root, once")
	}
	if err := requireTools(findTool, "mmdebstrap", "mke2fs", "unshare"); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(c.dir, "host-*"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp(c.dir, "host-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	fmt.Fprintf(c.notes, "rslab: making a host's disk, Debian %s, in %s, once\n", hostSuite, c.dir)
	image, err := buildDisk(ctx, tmp)
	if err != nil {
		return err
	}
	return os.Rename(image, file)
}

// buildDisk builds the image in the empty folder dir.
func buildDisk(ctx context.Context, dir string) (string, error) {
	sources, script := filepath.Join(dir, "sources.list"), filepath.Join(dir, "disk.sh")
	if err := os.WriteFile(sources, []byte(aptSources(hostSuite)), 0o644); err != nil {
		return "", err
	}
	if err := os.WriteFile(script, []byte(diskScript), 0o755); err != nil {
		return "", err
	}
	root, image := filepath.Join(dir, "root"), filepath.Join(dir, "image")
	// In a mount namespace of its own: what it mounts below root is gone with it, however it ends.
	err := runTool(ctx, dir, "unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--include="+strings.Join(hostPackages(), ","), "--customize-hook="+script, hostSuite, root, sources)
	if err != nil {
		return "", err
	}
	// 2 GiB, most of it holes.
	return image, runTool(ctx, dir, "mke2fs", "-q", "-t", "ext4", "-d", root, image, "2G")
}
