package linux

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/sysctl"
)

// loadModule asks for the fallback device. The kernel then loads ipip by
// itself (alias rtnl-link-ipip), which needs no more than CAP_NET_ADMIN, and
// the module makes the device, so that the request itself ends in EEXIST. Where
// the kernel does not load modules by itself modprobe is tried, with -b, which
// respects a blacklist. Only the device being there counts.
func (k *Host) loadModule(ctx context.Context) error {
	err := k.createTunnel(ctx, agent.DefaultDevice)
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	if why := obstacle(); why != "" {
		return fmt.Errorf("modprobe ipip: %s", why)
	}
	if err := modprobe(ctx, "-b", "ipip"); err != nil {
		return err
	}
	return k.createTunnel(ctx, agent.DefaultDevice)
}

func (k *Host) createTunnel(ctx context.Context, device string) error {
	err := k.handle.LinkAdd(&netlink.Iptun{LinkAttrs: netlink.LinkAttrs{Name: device}})
	tunnel, found, lookErr := k.fallback()
	if lookErr != nil {
		return lookErr
	}
	if found {
		k.awaitUdev(ctx, tunnel.Index)
		return nil
	}
	if err == nil {
		err = unix.ENODEV
	}
	return fmt.Errorf("ip link add %s type ipip: %w", device, err)
}

func (k *Host) fallback() (agent.Link, bool, error) {
	links, err := k.links()
	if err != nil {
		return agent.Link{}, false, err
	}
	i := slices.IndexFunc(links, func(l link) bool { return l.Fallback() })
	if i < 0 {
		return agent.Link{}, false, nil
	}
	return links[i].Link, true, nil
}

func modprobe(ctx context.Context, args ...string) error {
	command := "modprobe " + strings.Join(args, " ")
	path, err := lookModprobe()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		text := strings.TrimSpace(string(out))
		if text == "" {
			text = err.Error()
		}
		return fmt.Errorf("%s: %s", command, text)
	}
	return nil
}

// lookModprobe finds modprobe even where PATH has no sbin.
func lookModprobe() (string, error) {
	for _, dir := range []string{"/sbin", "/usr/sbin"} {
		if path := filepath.Join(dir, "modprobe"); unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return exec.LookPath("modprobe")
}

func moduleLoaded() bool {
	_, err := os.Stat("/sys/module/ipip")
	return err == nil
}

// obstacle says why the kernel would not load ipip, or "" if nothing is in
// sight.
func obstacle() string {
	if v, err := sysctl.Get("kernel.modules_disabled"); err == nil && v == "1" {
		return "kernel.modules_disabled is 1, so no module can be loaded until the next boot"
	}
	for _, dir := range []string{"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"} {
		files, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				if why := forbidden(f, b); why != "" {
					return why
				}
			}
		}
	}
	if cmdline, err := os.ReadFile("/proc/cmdline"); err == nil {
		for _, word := range strings.Fields(string(cmdline)) {
			if list, ok := strings.CutPrefix(word, "module_blacklist="); ok && slices.Contains(strings.Split(list, ","), "ipip") {
				return "blacklisted by module_blacklist= on the kernel's command line"
			}
		}
	}
	return noModule()
}

// forbidden returns what a modprobe.d file has against ipip, with its place.
func forbidden(file string, content []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) >= 2 && words[0] == "blacklist" && words[1] == "ipip":
			return fmt.Sprintf("blacklisted in %s:%d", file, n)
		case len(words) >= 3 && words[0] == "install" && words[1] == "ipip":
			return fmt.Sprintf("replaced by \"install ipip %s\" in %s:%d", strings.Join(words[2:], " "), file, n)
		}
	}
	return ""
}

// noModule says whether the running kernel comes without ipip. A list of
// modules that cannot be read proves nothing.
func noModule() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	release := unix.ByteSliceToString(u.Release[:])
	dir := filepath.Join("/lib/modules", release)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("there is no %s, so this kernel (%s) has no modules to load", dir, release)
	}
	for _, list := range []string{"modules.dep", "modules.builtin"} {
		b, err := os.ReadFile(filepath.Join(dir, list))
		if err != nil || bytes.Contains(b, []byte("/ipip.ko")) {
			return ""
		}
	}
	return fmt.Sprintf("this kernel (%s) has no ipip module in %s; distributions keep it in a package like linux-modules-extra", release, dir)
}
