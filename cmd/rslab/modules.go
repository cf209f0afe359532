package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// bootModules are what the guest needs before it can see the host's root: the port to the launcher first, so that
// everything after it can be complained about in words.
func bootModules() []string {
	return []string{"virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"}
}

// moduleIndex is what depmod knows of a kernel's modules, by normalised name.
type moduleIndex struct {
	file    map[string]string   // path below the release's folder
	needs   map[string][]string // paths in modules.dep's order: the last one is to be loaded first
	builtin map[string]bool
}

// parseModules reads the texts of modules.dep and modules.builtin (depmod(8)).
func parseModules(dep, builtin string) moduleIndex {
	x := moduleIndex{file: map[string]string{}, needs: map[string][]string{}, builtin: map[string]bool{}}
	for line := range strings.Lines(dep) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		x.file[moduleName(file)] = file
		x.needs[moduleName(file)] = strings.Fields(needs)
	}
	for line := range strings.Lines(builtin) {
		x.builtin[moduleName(strings.TrimSpace(line))] = true
	}
	return x
}

// loadOrder returns the files to load for the named modules, each after what it needs and none twice. A module that
// is built into the kernel needs nothing.
func (x moduleIndex) loadOrder(names ...string) ([]string, error) {
	var order []string
	seen := map[string]bool{}
	add := func(file string) {
		if !seen[file] {
			seen[file] = true
			order = append(order, file)
		}
	}
	for _, name := range names {
		name = moduleName(name)
		file, ok := x.file[name]
		if !ok {
			if x.builtin[name] {
				continue
			}
			return nil, fmt.Errorf("module %s is not in this kernel", name)
		}
		needs := x.needs[name]
		for i := range needs {
			add(needs[len(needs)-1-i])
		}
		add(file)
	}
	return order, nil
}

// moduleName is the name of the module in file: without folder and suffixes, and with the underscores that the
// kernel makes of hyphens.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// readModules reads the index below dir, a folder named by a kernel's release.
func readModules(dir string) (moduleIndex, error) {
	dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return moduleIndex{}, err
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return moduleIndex{}, err
	}
	return parseModules(string(dep), string(builtin)), nil
}
