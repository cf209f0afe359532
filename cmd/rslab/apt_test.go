package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestParseKernelPackage(t *testing.T) {
	const record = `Package: linux-image-amd64
Source: linux-signed-amd64 (6.1.192+2)
Version: 6.1.192-2
Provides: linux-image-generic, linux-latest-modules-6.1.0-56-amd64
`
	for _, test := range []struct{ name, depends, pkg, version, err string }{
		{"bookworm", "Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)\n", "linux-image-6.1.0-56-amd64", "6.1.192-2", ""},
		{"others before", "Depends: linux-base, linux-image-6.12.117+deb13-amd64 (= 6.12.117-1)\n", "linux-image-6.12.117+deb13-amd64", "6.12.117-1", ""},
		{"no version", "Depends: linux-image-6.1.0-56-amd64\n", "", "", "apt-cache show linux-image-amd64: no dependency on a kernel package"},
		{"none", "", "", "", "apt-cache show linux-image-amd64: no dependency on a kernel package"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pkg, version, err := parseKernelPackage(record + test.depends + "Description: x\n")
			if pkg != test.pkg || version != test.version || errorText(err) != test.err {
				t.Errorf("got %q %q %v", pkg, version, err)
			}
		})
	}
}

func TestAptIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "apt")
	if _, err := newApt(dir, "trixie"); err != nil {
		t.Fatal(err)
	}
	const want = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n" +
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security trixie-security main\n"
	if got := readFile(t, filepath.Join(dir, "sources.list")); got != want {
		t.Errorf("sources.list: got %q, want %q", got, want)
	}
	conf := readFile(t, filepath.Join(dir, "apt.conf"))
	for _, want := range []string{
		`Dir::State "` + dir + `";`, `Dir::State::status "/dev/null";`, `Dir::Etc::sourceparts "/dev/null";`,
		"#clear APT::Update::Post-Invoke;",
	} {
		if !strings.Contains(conf, want) {
			t.Errorf("apt.conf has no %s", want)
		}
	}
}

func TestComplaintIsOneLine(t *testing.T) {
	for _, test := range []struct{ stderr, want string }{
		{"", ""},
		{"E: one\nE: two\n", ": E: one; E: two"},
		{"W: NO_PUBKEY 6ED0E7B82643E131\n", ": W: NO_PUBKEY 6ED0E7B82643E131; update the keys: apt-get install debian-archive-keyring"},
	} {
		if got := complaint(test.stderr); got != test.want {
			t.Errorf("complaint(%q) = %q, want %q", test.stderr, got, test.want)
		}
	}
}

func TestMissingTools(t *testing.T) {
	for _, test := range []struct {
		missing []string
		want    string
	}{
		{nil, ""},
		{[]string{"qemu-system-x86_64"}, "qemu-system-x86_64 is missing: apt-get install qemu-system-x86"},
		{[]string{"depmod", "modprobe"}, "depmod, modprobe are missing: apt-get install kmod"},
		{[]string{"qemu-system-x86_64", "dpkg-deb"}, "qemu-system-x86_64, dpkg-deb are missing: apt-get install qemu-system-x86 dpkg"},
	} {
		lookPath := func(name string) (string, error) {
			if contains(test.missing, name) {
				return "", filepath.ErrBadPattern
			}
			return "/bin/" + name, nil
		}
		err := requireTools(lookPath, "qemu-system-x86_64", "dpkg-deb", "apt-get", "depmod", "modprobe")
		if got := errorText(err); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
