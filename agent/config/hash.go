package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Hash returns twelve hexadecimal digits that are equal for configs which ask
// for the same, wherever they come from and whatever is written out in them:
// they are the beginning of the SHA-256 of [Config.YAML] without the keys that
// have their default, sorted by name. So a new version that knows more keys
// has the same hash for a config without them.
func (c Config) Hash() string {
	sum := sha256.Sum256(c.canonical())
	return hex.EncodeToString(sum[:6])
}

// canonical is what the hash is of. Its form must not change.
func (c Config) canonical() []byte {
	var b strings.Builder
	c.writeLists(&b)
	d := defaults()
	sorted := slices.Clone(settings)
	slices.SortFunc(sorted, func(a, b setting) int { return cmp.Compare(a.name, b.name) })
	for _, s := range sorted {
		if s.show(c) != s.show(d) {
			fmt.Fprintf(&b, "%s: %s\n", s.name, s.show(c))
		}
	}
	return []byte(b.String())
}
