package director

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/cloudflare/ipvs"
)

// Open returns a Director for the network namespace of the calling thread, and stays with that namespace. (A goroutine
// that enters another one must be locked to its thread.)
//
// To ask for IPVS makes the kernel load it where it may. A kernel such as 5.10, whose ip_vs has no alias for the
// question, does not know what to load; therefore modprobe is run if there is no IPVS yet, as ipvsadm does. A blacklist
// is respected both ways. If there still is none, the error is [ErrNoIPVS]. Without root or CAP_NET_ADMIN it is
// fs.ErrPermission.
func Open() (*Director, error) {
	table, err := openTable()
	if errors.Is(err, syscall.ENOENT) && modprobe("ip_vs") == nil {
		table, err = openTable()
	}
	if err != nil {
		return nil, fmt.Errorf("ipvs: %w", explainRead(err))
	}
	return &Director{table: table}, nil
}

func openTable() (kernelTable, error) {
	client, err := ipvs.New()
	if err != nil {
		return kernelTable{}, err
	}
	t := kernelTable{client: client}
	// Any user may look the family up; the first command shows whether the privilege is there.
	if _, err := t.info(); err != nil {
		return kernelTable{}, errors.Join(err, t.close())
	}
	return t, nil
}

// modprobeTimeout is generous: modprobe waits for another one that is loading the same module.
const modprobeTimeout = 30 * time.Second

// modprobe loads a module, unless it is blacklisted; then it does nothing and reports nothing (-b in modprobe(8)).
func modprobe(module string) error {
	ctx, cancel := context.WithTimeout(context.Background(), modprobeTimeout)
	defer cancel()
	return exec.CommandContext(ctx, "modprobe", "-b", module).Run()
}
