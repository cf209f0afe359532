package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sampleDep = `kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/net/9p/9pnet.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/fs/over-lay.ko:

a line that is none
`

func TestLoadOrder(t *testing.T) {
	index := parseModules(sampleDep, "kernel/drivers/char/virtio_console.ko\n")
	for _, test := range []struct {
		name    string
		modules []string
		want    []string
		err     string
	}{
		{"nothing", nil, nil, ""},
		{"needs before what needs them", []string{"virtio_pci"}, []string{
			"kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko", "kernel/drivers/virtio/virtio_pci.ko",
		}, ""},
		{"none twice", []string{"virtio_ring", "9pnet_virtio", "virtio_ring"}, []string{
			"kernel/drivers/virtio/virtio.ko", "kernel/drivers/virtio/virtio_ring.ko",
			"kernel/net/9p/9pnet.ko.xz", "kernel/net/9p/9pnet_virtio.ko.xz",
		}, ""},
		{"built in", []string{"virtio_console"}, nil, ""},
		{"hyphens", []string{"over_lay", "over-lay"}, []string{"kernel/fs/over-lay.ko"}, ""},
		{"unknown", []string{"virtio_pci", "ipip"}, nil, "module ipip is not in this kernel"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := index.loadOrder(test.modules...)
			if text := errorText(err); text != test.err {
				t.Errorf("got error %q, want %q", text, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInitramfsHoldsModulesInOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/virtio.ko", "b/virtio_pci.ko.xz"} {
		writeFile(t, filepath.Join(dir, name), "code of "+name)
	}
	archive, err := packInitramfs([]byte("ELF"), dir, []string{"a/virtio.ko", "b/virtio_pci.ko.xz"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries := readCpio(t, string(archive))
	for _, want := range []string{
		"init 100755 0 0 ELF", "dev/console 20600 5 1 ", "rslab 100644 0 0 ",
		"modules/virtio.ko 100644 0 0 code of a/virtio.ko", "modules/virtio_pci.ko.xz 100644 0 0 code of b/virtio_pci.ko.xz",
		"modules/order 100644 0 0 virtio.ko\nvirtio_pci.ko.xz\n",
	} {
		if !contains(entries, want) {
			t.Errorf("no entry %q in %q", want, entries)
		}
	}
}

func TestDynamicBinaryIsRefused(t *testing.T) {
	const dynamic = "/bin/sh"
	if err := checkStatic(dynamic); err == nil {
		t.Skip("this host's sh is static")
	} else if want := "/bin/sh is not static and cannot be the machine's init: build it with CGO_ENABLED=0"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if err := checkStatic(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("got %v", err)
	}
}
