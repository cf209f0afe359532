package config

import "strings"

// A Key describes one key of the file, for a reference other than [Example].
type Key struct {
	Name    string // with what it stands in: probe.interval, vips[].services
	Type    string // list, mapping, string, integer, boolean, duration
	About   string // what it does; sentences
	Allowed string
	Default string // as written in a file; empty if there is none
	Example string // one line of a file
}

// Reference returns every key, in the order of [Example].
func Reference() []Key {
	keys := lists()
	c := defaults()
	for _, s := range settings {
		k := Key{
			Name: s.name, Type: s.kind(c), About: strings.ReplaceAll(s.about, "\n", " "),
			Allowed: s.want, Default: s.show(c),
		}
		k.Example = k.Name + ": " + k.Default
		if section, name, nested := strings.Cut(s.name, "."); nested {
			k.Example = section + ": {" + name + ": " + k.Default + "}"
		}
		keys = append(keys, k)
	}
	return keys
}

// kind is the type of a setting: what YAML takes its default for, unless
// numbers mean something else in it.
func (s setting) kind(c Config) string {
	tag := resolve(s.show(c)).tag
	switch {
	case strings.Contains(s.want, "duration"):
		return "duration"
	case s.list != nil:
		return "list of strings"
	case tag == "!!str" && strings.Contains(s.want, "a number"):
		return "string or integer"
	case tag == "!!int":
		return "integer"
	case tag == "!!bool" && strings.Contains(s.want, "true"):
		return "boolean"
	}
	return "string"
}

// lists are the keys that are no settings.
func lists() []Key {
	return []Key{{
		Name: "vips", Type: "list of strings and mappings",
		About:   "The virtual addresses that this real server answers for, each put on the tunnel device as a /32. Required, at least one.",
		Allowed: "IPv4 unicast addresses, written as 172.25.84.100 or 172.25.84.100/32, or as a mapping with the keys address and services",
		Example: "vips: [172.25.84.100, 172.25.84.101]",
	}, {
		Name: "vips[].address", Type: "string",
		About:   "The VIP, where it is written as a mapping.",
		Allowed: "an IPv4 unicast address",
		Example: "vips: [{address: 172.25.84.100}]",
	}, {
		Name: "vips[].services", Type: "list of mappings",
		About:   "What must answer here for this VIP to be ready.",
		Allowed: "a port from 1 to 65535, and the path of an HTTP request, or else a TCP connect",
		Default: "nothing",
		Example: "vips: [{address: 172.25.84.100, services: [{port: 80, http: /}, {port: 443}]}]",
	}, {
		Name: "directors", Type: "list of strings",
		About:   "The directors, who may tunnel to us and must not be our gateway.",
		Allowed: "a list of at least one IPv4 unicast address, none of them a VIP",
		Default: "absent, which means anyone; check warns about that",
		Example: "directors: [172.25.84.4]",
	}}
}
