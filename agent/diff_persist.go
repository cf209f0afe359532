package agent

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"rsagent/sysctl"
)

// persistFindings says what a replay of sysctl.d would break, and keeps our
// file in it. Neither is any matter in a network namespace that is not the
// host's.
func (d *differ) persistFindings() {
	if !d.got.Persisted.Known {
		return
	}
	d.persisted()
	for _, u := range d.undoings() {
		d.undoing(u)
	}
	for _, file := range d.got.Persisted.Unread {
		d.untold(path.Base(file), "readable", file+" is not readable, so it is not known what it sets when sysctl.d is read next.")
	}
	d.unclear()
}

// unclear reports the lines that may decide a setting and cannot be evaluated,
// those of files with the same name together. A file that is a finding already
// is no second one.
func (d *differ) unclear() {
	named := map[string]bool{path.Base(PersistPath): true}
	for _, file := range d.got.Persisted.Unread {
		named[path.Base(file)] = true
	}
	lines := map[string][]string{}
	for _, p := range d.got.Persisted.Unclear {
		if name := path.Base(p.File); !named[name] {
			lines[name] = append(lines[name], p.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		d.untold(name, "plain patterns and numbers", fmt.Sprintf("cannot evaluate %s, so it is not known what is set when sysctl.d is read next. "+
			"Braces, classes like [[:alpha:]], and numbers like 010 or 0x1 are not evaluated.", strings.Join(lines[name], ", ")))
	}
}

// untold reports that it is not known what a file sets.
func (d *differ) untold(name, want, why string) {
	d.add(Finding{
		Subject: Subject{Kind: KindPersistFile, Name: name}, Severity: Warning, Want: want, Got: "could not tell", Why: why,
		Row: &Row{"persist", name, want, "could not tell"},
	})
}

// persisted is about our own file.
func (d *differ) persisted() {
	name := path.Base(PersistPath)
	f := Finding{Subject: Subject{Kind: KindPersistFile, Name: name}, Severity: Warning, Row: &Row{Subject: "persist", Name: name}}
	got := settingsIn(d.got.Persisted.Content)
	if !d.want.Persist || d.want.Policy.ReportSysctl {
		if len(got) == 0 {
			return
		}
		f.Want, f.Got, f.Fix = "no settings", plural(len(got), "setting"), Unpersist{}
		f.Why = "persist is off or policy only reports settings, and a replay of sysctl.d would still set what was enforced once."
	} else {
		content := persistContent(d.enforced())
		want := settingsIn(content)
		if slices.Equal(want, got) {
			d.ok(f.Subject, "persist", name, "in step", "in step")
			return
		}
		f.Want, f.Got, f.Fix = strings.Join(want, " "), "absent", Persist{content}
		if len(got) > 0 {
			f.Got = strings.Join(got, " ")
		}
		f.Why = "a replay of sysctl.d, as udev makes one for a new device and sysctl --system for all, would not set what is enforced."
	}
	f.Row.Want, f.Row.Got = "in step", "not in step"
	if why := d.got.Persisted.Obstacle; why != "" {
		f.Fix = nil
		f.Why += fmt.Sprintf(" %s cannot be written: %s.", PersistPath, why)
	}
	d.add(f)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// enforced returns the settings to be kept through a replay, in their order:
// those of all and of the tunnel that are ours, and what a replay of the other
// files would set on a device so that we would have to repair it.
func (d *differ) enforced() []SetSysctl {
	keep := map[sysctl.Key]int{}
	for _, r := range d.want.Rules() {
		for _, key := range sysctl.Managed([]sysctl.Rule{r}, d.device) {
			keep[key] = r.Want
			if v, ok := d.got.Sysctls[key]; ok && slices.Contains(r.Good, v) {
				keep[key] = v
			}
		}
	}
	for _, reader := range readers(d.got.Persisted.Beneath) {
		after := d.settled()
		set := d.overlay(after, d.got.Persisted.Beneath, reader)
		maps.Copy(after, keep)
		d.eachDevice(func(r sysctl.Rule, dev string) {
			own := sysctl.Key{Scope: dev, Name: r.Name}
			all := sysctl.Key{Scope: sysctl.All, Name: r.Name}
			for _, scope := range r.Judge(dev, after[all], after[own]).Culprits {
				key := sysctl.Key{Scope: scope, Name: r.Name}
				if _, ours := keep[key]; !ours && set[key].File != "" {
					keep[key] = r.Want
				}
			}
		})
	}
	var out []SetSysctl
	for _, key := range slices.SortedFunc(maps.Keys(keep), sysctl.Compare) {
		out = append(out, SetSysctl{key, keep[key]})
	}
	return out
}

// settled returns the settings as they will be when this pass is done.
func (d *differ) settled() map[sysctl.Key]int {
	out := maps.Clone(d.got.Sysctls)
	if out == nil {
		out = map[sysctl.Key]int{}
	}
	d.eachDevice(func(r sysctl.Rule, dev string) {
		own := sysctl.Key{Scope: dev, Name: r.Name}
		all := sysctl.Key{Scope: sysctl.All, Name: r.Name}
		for _, scope := range r.Judge(dev, out[all], out[own]).Culprits {
			out[sysctl.Key{Scope: scope, Name: r.Name}] = r.Want
		}
	})
	return out
}

func (d *differ) eachDevice(visit func(r sysctl.Rule, dev string)) {
	for _, r := range d.want.Rules() {
		for _, dev := range d.devices(r) {
			visit(r, dev)
		}
	}
}
