package sysctl

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func rule(t *testing.T, rpFilter int, name string) Rule {
	t.Helper()
	rules := Profile(rpFilter)
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no rule for %s", name)
	}
	return rules[i]
}

func TestJudge(t *testing.T) {
	rows := []struct {
		rpFilter      int
		name          string
		all, own      int
		culprits      []string // nil: good
		wantsCritical bool
	}{
		{0, ARPIgnore, 1, 0, nil, false},
		{0, ARPIgnore, 0, 2, nil, false},
		{0, ARPIgnore, 0, 0, []string{"all"}, true},
		{0, ARPIgnore, 1, 3, []string{"dev"}, true},
		{0, ARPIgnore, 8, 1, []string{"all"}, true},
		{0, ARPIgnore, 8, 8, []string{"all", "dev"}, true},
		{0, ARPIgnore, -1, 0, []string{"all"}, true},
		{0, ARPAnnounce, 2, 0, nil, false},
		{0, ARPAnnounce, 1, 1, []string{"all"}, true},
		{0, ARPAnnounce, 2, 3, []string{"dev"}, true},
		{0, RPFilter, 0, 0, nil, false},
		{0, RPFilter, 1, 0, []string{"all"}, true},
		{0, RPFilter, 0, 1, []string{"dev"}, true},
		{0, RPFilter, 2, 1, []string{"all", "dev"}, false},
		{2, RPFilter, 1, 2, nil, false},
		{2, RPFilter, 1, 0, []string{"dev"}, true},
		{2, RPFilter, 0, 0, []string{"dev"}, false},
		{2, RPFilter, 3, 2, []string{"all"}, true},
		{7, RPFilter, 0, 0, nil, false}, // every other value is treated as 0
	}
	for _, row := range rows {
		j := rule(t, row.rpFilter, row.name).Judge("dev", row.all, row.own)
		if j.Good != (row.culprits == nil) || j.Critical != row.wantsCritical || j.Effective != max(row.all, row.own) {
			t.Errorf("%s(%d): all %d, dev %d: got %+v, want culprits %v, critical %v", row.name, row.rpFilter, row.all, row.own, j, row.culprits, row.wantsCritical)
		}
		if diff := cmp.Diff(row.culprits, j.Culprits); diff != "" {
			t.Errorf("%s(%d): all %d, dev %d: culprits (-want +got):\n%s", row.name, row.rpFilter, row.all, row.own, diff)
		}
	}
}

// Whatever the values are: changing the culprits, and nothing else, makes the
// effective value good, and each of them was needed.
func TestChangingTheCulpritsIsEnough(t *testing.T) {
	for _, rpFilter := range []int{0, 2} {
		for _, r := range Profile(rpFilter) {
			for all := -2; all < 10; all++ {
				for own := -2; own < 10; own++ {
					checkCulprits(t, r, all, own)
				}
			}
		}
	}
}

func checkCulprits(t *testing.T, r Rule, all, own int) {
	t.Helper()
	j := r.Judge("dev", all, own)
	if j.Good {
		if len(j.Culprits) > 0 || j.Why != "" || j.Critical {
			t.Errorf("%s: all %d, dev %d: good, and yet %+v", r.Name, all, own, j)
		}
		return
	}
	if j.Why == "" {
		t.Errorf("%s: all %d, dev %d: no reason", r.Name, all, own)
	}
	change := func(scopes []string) Judgement {
		a, o := all, own
		if slices.Contains(scopes, All) {
			a = r.Want
		}
		if slices.Contains(scopes, "dev") {
			o = r.Want
		}
		return r.Judge("dev", a, o)
	}
	if !change(j.Culprits).Good {
		t.Errorf("%s: all %d, dev %d: changing %v does not help", r.Name, all, own, j.Culprits)
	}
	for i := range j.Culprits {
		rest := slices.Delete(slices.Clone(j.Culprits), i, i+1)
		if change(rest).Good {
			t.Errorf("%s: all %d, dev %d: changing %v is enough, want %v", r.Name, all, own, rest, j.Culprits)
		}
	}
}

func TestProfileHasReasons(t *testing.T) {
	for _, rpFilter := range []int{0, 2} {
		names := []string{}
		for _, r := range Profile(rpFilter) {
			names = append(names, r.Name)
			if r.Why == "" || !slices.Contains(r.Good, r.Want) {
				t.Errorf("%s: why %q, want %d of %v", r.Name, r.Why, r.Want, r.Good)
			}
		}
		if diff := cmp.Diff([]string{"arp_ignore", "arp_announce", "rp_filter"}, names); diff != "" {
			t.Errorf("rules (-want +got):\n%s", diff)
		}
	}
}

func TestManaged(t *testing.T) {
	arp := []Key{{Scope: All, Name: ARPIgnore}, {Scope: "tunl0", Name: ARPIgnore}, {Scope: All, Name: ARPAnnounce}, {Scope: "tunl0", Name: ARPAnnounce}}
	rows := map[int][]Key{
		0: {{Scope: All, Name: RPFilter}, {Scope: "tunl0", Name: RPFilter}},
		2: {{Scope: "tunl0", Name: RPFilter}}, // what hardening wants of all stays
	}
	for rpFilter, filter := range rows {
		if diff := cmp.Diff(append(slices.Clone(arp), filter...), Managed(Profile(rpFilter), "tunl0")); diff != "" {
			t.Errorf("rp_filter %d (-want +got):\n%s", rpFilter, diff)
		}
	}
}

func TestEffective(t *testing.T) {
	for all := range 4 {
		for own := range 4 {
			want := all
			if own > all {
				want = own
			}
			if got := Effective(all, own); got != want {
				t.Errorf("all %d, device %d: got %d, want %d", all, own, got, want)
			}
		}
	}
}
