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

// spare is how many threads may run Go besides those that the processors are
// for. What is announced and what is repaired then need not queue behind
// requests: the kernel, which knows who has waited, says who runs.
const spare = 2

// makeRoom returns the turns of readiness requests: for all processors but one,
// so that a host with two has one for its repairs.
func makeRoom() *health.Turns {
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors + spare)
	return health.NewTurns(processors - 1)
}
