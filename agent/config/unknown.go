package config

import (
	"slices"
	"strings"
)

// childrenOf returns the keys below path, in the order of the reference. It is
// empty for a key that has none.
func childrenOf(path string) []string {
	var names []string
	if path == "" {
		names = append(names, "vips", "directors")
	}
	for _, s := range settings {
		rest := s.name
		if path != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(s.name, path+"."); !ok {
				continue
			}
		}
		name, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// unknown is the sentence about a key that does not exist where it stands: what
// may have been meant, or else what there is.
func unknown(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "unknown key: did you mean " + near + "?"
	}
	for _, s := range settings {
		if strings.HasSuffix(s.name, "."+name) {
			return "unknown key here: did you mean " + s.name + "?"
		}
	}
	return "unknown key: want " + oneOf(known)
}

// oneOf lists the keys of a mapping.
func oneOf(known []string) string {
	if len(known) == 1 {
		return "the key " + known[0]
	}
	return "the keys " + strings.Join(known, ", ")
}

// nearest returns the word that name is a slip of the pen from, or nothing.
func nearest(name string, words []string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	best, distance := "", 3
	for _, w := range words {
		limit := min(distance, max(2, len(w)/3+1))
		if abs(len(name)-len(w)) < limit {
			if d := edits(name, w); d < limit {
				best, distance = w, d
			}
		}
	}
	return best
}

// edits is the Levenshtein distance of two words, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
