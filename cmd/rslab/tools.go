package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// missingTools is the error of tools that are not installed. It is one line, and it says how to get them all.
type missingTools struct {
	names    []string
	packages []string
}

func (m missingTools) Error() string {
	verb := "is"
	if len(m.names) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%s %s missing: apt-get install %s", strings.Join(m.names, ", "), verb, strings.Join(m.packages, " "))
}

// debianPackage tells which package brings a tool.
func debianPackage(tool string) string {
	switch tool {
	case "apt-get", "apt-cache":
		return "apt"
	case "dpkg-deb":
		return "dpkg"
	case "mke2fs":
		return "e2fsprogs"
	case "depmod", "modprobe":
		return "kmod"
	case "unshare":
		return "util-linux"
	case "qemu-system-x86_64":
		return "qemu-system-x86"
	default:
		return tool
	}
}

// requireTools returns a missingTools that names every one of tools that lookPath does not find.
func requireTools(lookPath func(string) (string, error), tools ...string) error {
	var missing missingTools
	seen := map[string]bool{}
	for _, tool := range tools {
		if _, err := lookPath(tool); err == nil {
			continue
		}
		missing.names = append(missing.names, tool)
		if p := debianPackage(tool); !seen[p] {
			seen[p] = true
			missing.packages = append(missing.packages, p)
		}
	}
	if missing.names == nil {
		return nil
	}
	return missing
}

// findTool is exec.LookPath that also looks where a plain user's PATH does not: depmod and its like live in sbin.
func findTool(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range sbinDirs() {
		if err == nil {
			break
		}
		path, err = exec.LookPath(dir + "/" + name)
	}
	return path, err
}

func sbinDirs() []string { return []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} }
