package director

// RoundRobin hands out real servers in turn, as the scheduler rr does (net/netfilter/ipvs/ip_vs_rr.c): each with a
// weight above 0 once in a round, whatever its weight. The turn is that of the slice; IPVS itself goes from the server
// that was added last to the one that was added first. It is not safe for use by several goroutines.
type RoundRobin struct {
	servers []RealServer
	last    int
}

// NewRoundRobin starts a round. The slice is copied.
func NewRoundRobin(servers []RealServer) *RoundRobin {
	return &RoundRobin{servers: append([]RealServer(nil), servers...), last: -1}
}

// Next returns the server whose turn it is, and false if none has a weight above 0.
func (r *RoundRobin) Next() (RealServer, bool) {
	for range r.servers {
		r.last = (r.last + 1) % len(r.servers)
		if s := r.servers[r.last]; s.Weight > 0 {
			return s, true
		}
	}
	return RealServer{}, false
}

// WeightedRoundRobin hands out real servers in proportion to their weights, as the scheduler wrr does
// (net/netfilter/ipvs/ip_vs_wrr.c). A cycle is as many servers as the weights add up to after division by their
// greatest common divisor, and in every cycle each server comes up exactly its share of times; one with weight 0 never
// does. The turn is that of the slice, as in [RoundRobin]. It is not safe for use by several goroutines.
type WeightedRoundRobin struct {
	servers []RealServer
	last    int
	step    int // greatest common divisor of the weights
	highest int // where a cycle's threshold starts
	current int // weight that a server needs to be chosen in this pass; falls by step with every pass
}

// NewWeightedRoundRobin starts a cycle. The slice is copied; a weight below 0 counts as 0.
func NewWeightedRoundRobin(servers []RealServer) *WeightedRoundRobin {
	w := &WeightedRoundRobin{servers: append([]RealServer(nil), servers...), last: -1}
	for _, s := range w.servers {
		if s.Weight > 0 {
			w.step = gcd(s.Weight, w.step)
			w.highest = max(w.highest, s.Weight)
		}
	}
	w.current = w.highest
	return w
}

// Next returns the server whose turn it is, and false if none has a weight above 0.
func (w *WeightedRoundRobin) Next() (RealServer, bool) {
	if w.highest == 0 {
		return RealServer{}, false
	}
	for {
		if w.last++; w.last == len(w.servers) {
			w.last = 0
			if w.current -= w.step; w.current <= 0 {
				w.current = w.highest
			}
		}
		if s := w.servers[w.last]; s.Weight >= w.current {
			return s, true
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
