package main

import (
	"context"
	"runtime"

	"rsagent/agent"
	"rsagent/health"
)

// ahead is the loop's kernel: from a pass's first look until the pass is over
// readiness answers wait for it. The loop alone uses it.
type ahead struct {
	agent.Kernel
	turns *health.Turns
	free  func() // nil between passes
}

func (k *ahead) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	if k.free == nil {
		k.free = k.turns.Hold()
	}
	return k.Kernel.Observe(ctx, want)
}

func (k *ahead) over() {
	if k.free != nil {
		k.free()
		k.free = nil
	}
}

// newTurns returns the turns of readiness requests: for all processors but one,
// so that one is left for the repairs.
func newTurns() *health.Turns { return health.NewTurns(runtime.GOMAXPROCS(0) - 1) }
