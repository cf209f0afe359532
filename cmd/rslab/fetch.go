package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func newFetchCommand() *cobra.Command {
	version := defaultKernel
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Fetch a kernel into the cache, if it is not there yet",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := withSignals(cmd.Context())
			defer stop()
			c, err := newCache(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			k, err := c.kernel(ctx, version)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), k.release, filepath.Dir(k.image))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&version, "kernel", version, "5.10, 6.1 or 6.12")
	return cmd
}

// keyring holds the keys of every suite of suiteOf, from Debian 12's last point release on.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// metapackage depends on the current kernel of the generic flavour. The cloud flavour has no 9p.
const metapackage = "linux-image-amd64"

// fetchKernel downloads Debian's kernel package of suite through apt and unpacks it into dir. Signatures and
// checksums are apt's business; the machine's proxy settings hold, its apt state is neither read nor written.
func fetchKernel(ctx context.Context, version, suite, dir string) error {
	if err := requireTools(findTool, "apt-get", "apt-cache", "dpkg-deb", "depmod"); err != nil {
		return err
	}
	if _, err := os.Stat(keyring); err != nil {
		return fmt.Errorf("%s is missing: apt-get install debian-archive-keyring", keyring)
	}
	a, err := newApt(filepath.Join(dir, "apt"), suite)
	if err != nil {
		return err
	}
	deb, err := a.download(ctx)
	if err != nil {
		return err
	}
	unpacked := filepath.Join(dir, "unpacked")
	if err := runTool(ctx, dir, "dpkg-deb", "--extract", deb, unpacked); err != nil {
		return err
	}
	release, err := arrange(unpacked, dir, version)
	if err != nil {
		return err
	}
	if err := runTool(ctx, dir, "depmod", "-b", dir, release); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(a.dir), os.RemoveAll(unpacked))
}

// arrange moves what the lab needs of an unpacked package to where readKernel looks, and returns the kernel's release.
func arrange(unpacked, dir, version string) (string, error) {
	var modules []string
	// Debian 13 ships them below /usr.
	for _, lib := range []string{"lib", "usr/lib"} {
		found, err := filepath.Glob(filepath.Join(unpacked, lib, "modules", version+".*"))
		if err != nil {
			return "", err
		}
		modules = append(modules, found...)
	}
	if len(modules) != 1 {
		return "", fmt.Errorf("package of kernel %s has %d folders of modules", version, len(modules))
	}
	release := filepath.Base(modules[0])
	if err := os.MkdirAll(filepath.Join(dir, "lib", "modules"), 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(modules[0], filepath.Join(dir, "lib", "modules", release)); err != nil {
		return "", err
	}
	return release, os.Rename(filepath.Join(unpacked, "boot", "vmlinuz-"+release), filepath.Join(dir, "vmlinuz"))
}

// runTool runs a tool in dir. Its error says the command and what it complained about, in one line.
func runTool(ctx context.Context, dir, name string, args ...string) error {
	_, err := toolOutput(ctx, dir, name, args...)
	return err
}

func toolOutput(ctx context.Context, dir, name string, args ...string) (string, error) {
	path, err := findTool(name)
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%s: %w%s", name, err, complaint(stderr.String()))
	}
	return stdout.String(), nil
}

// complaint makes one line of a tool's stderr, to go behind an error.
func complaint(stderr string) string {
	lines := strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' })
	if len(lines) == 0 {
		return ""
	}
	if strings.Contains(stderr, "NO_PUBKEY") {
		lines = append(lines, "update the keys: apt-get install debian-archive-keyring")
	}
	return ": " + strings.Join(lines, "; ")
}
