// Package config turns a YAML file, or the addresses given as flags, into the
// effective configuration: typed values, every default filled in.
//
// It is strict. An unknown key, a value of the wrong type or out of range, a
// duplicate, an address that cannot be a VIP: each is a [Problem] that names
// file, line, column, key and what is allowed. All problems are reported at
// once, and a configuration with a problem yields no Config at all.
//
// Every scalar key is one row of the table in settings.go; reading, defaults,
// [Config.YAML] and [Example] follow from it.
package config
