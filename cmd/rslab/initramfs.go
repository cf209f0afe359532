package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Where the guest finds its own things before it has the host's root.
const (
	initramfsMarker  = "/rslab" // only in the guest
	initramfsModules = "/modules"
	initramfsOrder   = "/modules/order" // names in initramfsModules, one a line, in the order to load them
)

// errand is what the guest's first process is there for.
type errand struct {
	modules []string // to be loaded before anything else
	note    []byte   // what initramfsMarker says
}

// buildInitramfs returns the guest's first root file system: this very binary as /init and the modules that it needs
// to reach its second one. It is not compressed: an emulated processor unpacks more slowly than it reads.
func buildInitramfs(self, modulesDir string, e errand) ([]byte, error) {
	if err := checkStatic(self); err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		return nil, err
	}
	index, err := readModules(modulesDir)
	if err != nil {
		return nil, err
	}
	order, err := index.loadOrder(e.modules...)
	if err != nil {
		return nil, err
	}
	return packInitramfs(binary, modulesDir, order, e.note)
}

func packInitramfs(binary []byte, modulesDir string, order []string, note []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(binary) + 8<<20)
	archive := newCpioWriter(&out)
	for _, dir := range []string{"dev", "proc", "sys", "host", "upper", "root", initramfsModules[1:]} {
		archive.dir(dir)
	}
	archive.charDevice("dev/console", 5, 1)
	archive.file(initramfsMarker[1:], 0o644, note)
	archive.file("init", 0o755, binary)
	var names strings.Builder
	for _, file := range order {
		data, err := os.ReadFile(filepath.Join(modulesDir, file))
		if err != nil {
			return nil, err
		}
		name := filepath.Base(file)
		archive.file(initramfsModules[1:]+"/"+name, 0o644, data)
		names.WriteString(name + "\n")
	}
	archive.file(initramfsOrder[1:], 0o644, []byte(names.String()))
	if err := archive.close(); err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	return out.Bytes(), nil
}

// checkStatic refuses a binary that could not start where there is no C library.
func checkStatic(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not static and cannot be the machine's init: build it with CGO_ENABLED=0", file)
		}
	}
	return nil
}
