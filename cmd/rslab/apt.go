package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// apt is a private apt state with the sources of one suite.
type apt struct{ dir string }

// newApt lays out dir, which must not exist yet.
func newApt(dir, suite string) (*apt, error) {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	a := &apt{dir: dir}
	for name, text := range map[string]string{"apt.conf": aptConfig(dir), "sources.list": aptSources(suite)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// aptConfig is read after the machine's own configuration, whose proxy, certificates and the like stay in force.
func aptConfig(dir string) string {
	return fmt.Sprintf(`Dir::State "%[1]s";
Dir::State::lists "%[1]s/lists";
Dir::State::status "/dev/null";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`, dir)
}

func aptSources(suite string) string {
	const line = "deb [signed-by=%s] http://deb.debian.org/%s %s main\n"
	return fmt.Sprintf(line, keyring, "debian", suite) + fmt.Sprintf(line, keyring, "debian-security", suite+"-security")
}

// download returns the file of the kernel package that the metapackage stands for today.
func (a *apt) download(ctx context.Context) (string, error) {
	conf := filepath.Join(a.dir, "apt.conf")
	if err := runTool(ctx, a.dir, "apt-get", "-c", conf, "-qq", "update"); err != nil {
		return "", err
	}
	record, err := toolOutput(ctx, a.dir, "apt-cache", "-c", conf, "show", "--no-all-versions", metapackage)
	if err != nil {
		return "", err
	}
	name, version, err := parseKernelPackage(record)
	if err != nil {
		return "", err
	}
	if err := runTool(ctx, a.dir, "apt-get", "-c", conf, "-qq", "download", name+"="+version); err != nil {
		return "", err
	}
	return a.downloaded(name)
}

func (a *apt) downloaded(name string) (string, error) {
	debs, err := filepath.Glob(filepath.Join(a.dir, name+"_*.deb"))
	if err != nil {
		return "", err
	}
	if len(debs) != 1 {
		return "", fmt.Errorf("apt-get download %s: %d files", name, len(debs))
	}
	return debs[0], nil
}

// parseKernelPackage reads from the metapackage's record which package, in which version, it depends on.
func parseKernelPackage(record string) (name, version string, err error) {
	for line := range strings.Lines(record) {
		depends, ok := strings.CutPrefix(line, "Depends:")
		if !ok {
			continue
		}
		for dependency := range strings.SplitSeq(depends, ",") {
			name, constraint, _ := strings.Cut(strings.TrimSpace(dependency), " ")
			version, ok := strings.CutPrefix(strings.Trim(constraint, "()"), "= ")
			if ok && strings.HasPrefix(name, "linux-image-") {
				return name, version, nil
			}
		}
	}
	return "", "", fmt.Errorf("apt-cache show %s: no dependency on a kernel package", metapackage)
}
