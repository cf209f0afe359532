package director

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// pool returns servers 10.0.0.1, 10.0.0.2 and so on with these weights.
func pool(weights ...int) []RealServer {
	var servers []RealServer
	for i, w := range weights {
		servers = append(servers, RealServer{RIP: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), Weight: w})
	}
	return servers
}

// take draws n times and returns the last bytes of the RIPs; 0 is none.
func take(next func() (RealServer, bool), n int) []int {
	out := make([]int, 0, n)
	for range n {
		s, found := next()
		if !found {
			out = append(out, 0)
			continue
		}
		out = append(out, int(s.RIP.As4()[3]))
	}
	return out
}

func TestRoundRobin(t *testing.T) {
	for _, c := range []struct{ weights, want []int }{
		{nil, []int{0, 0}},
		{[]int{0, 0}, []int{0, 0}},
		{[]int{1}, []int{1, 1, 1}},
		{[]int{1, 1}, []int{1, 2, 1, 2}},
		{[]int{5, 0, 1}, []int{1, 3, 1, 3}},
		{[]int{0, 9}, []int{2, 2}},
	} {
		if got := take(NewRoundRobin(pool(c.weights...)).Next, len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("weights %v: want %v, got %v", c.weights, c.want, got)
		}
	}
}

func TestWeightedRoundRobin(t *testing.T) {
	for _, c := range []struct{ weights, want []int }{
		{nil, []int{0}},
		{[]int{0, 0}, []int{0, 0}},
		{[]int{-1, 1}, []int{2, 2}},
		{[]int{1, 1}, []int{1, 2, 1, 2}},
		{[]int{4, 3, 2}, []int{1, 1, 2, 1, 2, 3, 1, 2, 3}}, // the example of the LVS documentation: A A B A B C A B C
		{[]int{400, 300, 200}, []int{1, 1, 2, 1, 2, 3, 1, 2, 3}},
		{[]int{2, 0, 4}, []int{3, 1, 3, 3, 1, 3}},
		{[]int{65535, 0}, []int{1, 1}},
	} {
		if got := take(NewWeightedRoundRobin(pool(c.weights...)).Next, len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("weights %v: want %v, got %v", c.weights, c.want, got)
		}
	}
}

func randomWeights() (weights []int, sum int) {
	weights = make([]int, 1+rand.IntN(8))
	for i := range weights {
		weights[i] = max(0, rand.IntN(40)-10)
		sum += weights[i]
	}
	return weights, sum
}

// Any whole number of cycles, started anywhere, gives every server exactly its share, and a server of weight 0 nothing.
func TestSharesAreExact(t *testing.T) {
	for range 2000 {
		weights, sum := randomWeights()
		w := NewWeightedRoundRobin(pool(weights...))
		take(w.Next, rand.IntN(50))
		counts := make([]int, len(weights)+1)
		for _, i := range take(w.Next, sum) { // the weights' sum is a whole number of cycles
			counts[i]++
		}
		if sum > 0 && !slices.Equal(counts[1:], weights) {
			t.Fatalf("weights %v: want shares %v, got %v", weights, weights, counts[1:])
		}
	}
}

// In a round every server with a weight comes once, whatever its weight.
func TestRoundsAreEven(t *testing.T) {
	for range 2000 {
		weights, _ := randomWeights()
		able := 0
		for _, w := range weights {
			able += min(w, 1)
		}
		r := NewRoundRobin(pool(weights...))
		take(r.Next, rand.IntN(20))
		counts := make([]int, len(weights)+1)
		for _, i := range take(r.Next, 3*able) {
			counts[i]++
		}
		for i, w := range weights {
			if counts[i+1] != 3*min(w, 1) {
				t.Fatalf("weights %v: want 3 rounds, got %v", weights, counts[1:])
			}
		}
	}
}

func TestSchedulersKeepTheirOwnCopy(t *testing.T) {
	servers := pool(1, 1)
	r, w := NewRoundRobin(servers), NewWeightedRoundRobin(servers)
	servers[0] = RealServer{}
	if got := append(take(r.Next, 2), take(w.Next, 2)...); !slices.Equal(got, []int{1, 2, 1, 2}) {
		t.Errorf("want 1 2 1 2, got %v", got)
	}
}
