package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// outputFlags are the flags of a Go test binary that name a file (or, last, a folder) to write. Those of the first
// group are taken relative to -test.outputdir.
func outputFlags() (profiles, others []string) {
	return []string{"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace"},
		[]string{"testlogfile", "gocoverdir"}
}

// testOutputs returns the absolute paths that a Go test binary called with args in dir would write: they are to be
// carried out of the guest, whose disk is gone afterwards. Args of any other command have none.
func testOutputs(args, env []string, dir string) []string {
	flags := testFlags(args)
	profileDir := dir
	if d := flags["outputdir"]; d != "" {
		profileDir = absolute(dir, d)
	}
	var out []string
	add := func(dir, path string) {
		if path == "" {
			return
		}
		if path = absolute(dir, path); !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	profiles, others := outputFlags()
	for _, name := range profiles {
		add(profileDir, flags[name])
	}
	for _, name := range others {
		add(dir, flags[name])
	}
	add(dir, envValue(env, "GOCOVERDIR"))
	return out
}

// testFlags reads the -test.* flags of a Go test binary's arguments, without their prefix. The last one counts, as it
// does for package flag.
func testFlags(args []string) map[string]string {
	flags := map[string]string{}
	for i, arg := range args {
		// One dash or two, as package flag has it.
		name, ok := strings.CutPrefix(arg, "-test.")
		if !ok {
			name, ok = strings.CutPrefix(arg, "--test.")
		}
		if !ok {
			continue
		}
		name, value, joined := strings.Cut(name, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		flags[name] = value
	}
	return flags
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
