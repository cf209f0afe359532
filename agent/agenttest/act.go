package agenttest

import (
	"errors"
	"syscall"

	"rsagent/agent"
)

// act carries out one action on the model, forgiving what is so already, as
// agent.Kernel promises.
func (f *Fake) act(a agent.Action) error {
	h := f.host
	switch a := a.(type) {
	case agent.LoadModule:
		if !h.loaded {
			if err := h.load(); err != nil {
				return err
			}
		}
		return h.createTunnel(agent.DefaultDevice)
	case agent.CreateTunnel:
		return h.createTunnel(a.Device)
	case agent.SetSysctl:
		return h.write(a.Key, a.Value)
	case agent.RestoreSysctl:
		return h.write(a.Key, a.Value)
	case agent.LinkUp:
		return h.setLink(a.Device, true)
	case agent.LinkDown:
		return h.setLink(a.Device, false)
	case agent.AddAddr:
		return h.ensureAddr(a)
	case agent.DelAddr:
		return h.ensureNoAddr(a)
	case agent.Relabel:
		if err := h.ensureNoAddr(agent.DelAddr{Device: a.Device, Prefix: a.Prefix}); err != nil {
			return err
		}
		add := a.Add()
		if err := f.fail[add.String()]; err != nil {
			return err
		}
		return h.ensureAddr(add)
	case agent.DeleteTunnel:
		if _, err := h.device(a.Device); err != nil {
			return err
		}
		return h.deleteDevice(a.Device)
	case agent.Persist, agent.Unpersist:
		return h.persist(a)
	case agent.UnloadModule:
		h.unload()
		return nil
	}
	return errors.ErrUnsupported
}

func (h *host) setLink(name string, up bool) error {
	d, err := h.device(name)
	if err == nil {
		h.setUp(d, up)
	}
	return err
}

func (h *host) ensureAddr(a agent.AddAddr) error {
	d, err := h.device(a.Device)
	if err != nil {
		return err
	}
	if err := h.addAddr(d, address{prefix: a.Prefix, label: a.Label}); !errors.Is(err, syscall.EEXIST) {
		return err
	}
	return nil
}

func (h *host) ensureNoAddr(a agent.DelAddr) error {
	d, err := h.device(a.Device)
	if err != nil {
		return nil // gone with its device
	}
	if err := h.deleteAddr(d, a.Prefix); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return err
	}
	return nil
}
