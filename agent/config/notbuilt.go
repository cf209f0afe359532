package config

import "fmt"

// notBuilt names the keys whose effect this version does not have, each with
// the one value that is accepted; none is if that is empty. Absent, such a key
// has that value. To switch an effect on, delete its row: default, checks, the
// reference and the output then follow from the settings.
var notBuilt = map[string]string{
	"mss": "off",
}

// keyServices stands for vips[…].services in notBuilt.
const keyServices = "vips.services"

// refusal is the sentence about a value that asks for what is not built.
func refusal(got, only string) string {
	if only == "" {
		return got + " is not available in this version: leave the key out"
	}
	return fmt.Sprintf("%s is not available in this version: only %s is accepted", got, only)
}
