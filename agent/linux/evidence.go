package linux

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"rsagent/agent"
)

// Owner says who may be fighting with us, see agent.Evidence. It reads, and
// changes nothing.
func (k *Host) Owner(ctx context.Context, want agent.Desired, c agent.Conflict) []string {
	got, err := k.Observe(ctx, want)
	if err != nil {
		return nil
	}
	e := got.Gather(c)
	tunnel, found := got.Tunnel()
	if !found || !k.replay.known {
		return e.Owners(c, want.Device)
	}
	// Both keep a file for each device in the host's namespace.
	e.Networkd = says(fmt.Sprintf("/run/systemd/netif/links/%d", tunnel.Index), "ADMIN_STATE=config")
	e.NetworkManager = says(fmt.Sprintf("/run/NetworkManager/devices/%d", tunnel.Index), "managed=full")
	return e.Owners(c, tunnel.Name)
}

func says(file, text string) bool {
	b, err := os.ReadFile(file)
	return err == nil && bytes.Contains(b, []byte(text))
}
