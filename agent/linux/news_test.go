package linux

import (
	"testing"
	"time"
)

// Single news are heard at once, a hundred a second too; a storm is listened to
// less often, and it is over a moment after its end.
func TestStormPause(t *testing.T) {
	now := time.Unix(1e9, 0)
	var s storm
	listen := func(heard int, every, long time.Duration) (pauses, times int) {
		for end := now.Add(long); now.Before(end); now = now.Add(every) {
			times++
			if s.pause(heard, now) > 0 {
				pauses++
			}
		}
		return pauses, times
	}
	for _, row := range []struct {
		name        string
		heard       int
		every, long time.Duration
		least, most float64 // share of pauses
	}{
		{"a fight", 2, 10 * time.Millisecond, 5 * time.Second, 0, 0},
		{"an event now and then", 4, time.Second, time.Minute, 0, 0},
		{"a storm", 1, 100 * time.Microsecond, time.Second, 0.85, 1},
		{"a storm, paced", 50, stormPause, time.Second, 0.95, 1},
		{"a fight after it", 2, 10 * time.Millisecond, 5 * time.Second, 0, 0.03},
		{"ten thousand VIPs in a minute, one by one", 2, 6 * time.Millisecond, time.Minute, 0, 0},
	} {
		pauses, times := listen(row.heard, row.every, row.long)
		if share := float64(pauses) / float64(times); share < row.least || share > row.most {
			t.Errorf("%s: %d pauses in %d times, want %v to %v of them", row.name, pauses, times, row.least, row.most)
		}
	}
}
