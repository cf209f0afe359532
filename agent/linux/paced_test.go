package linux

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What is asked for is done at once, and then once a pace, and never forgotten.
func TestPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p paced
		p.soon() // nothing to call
		synctest.Wait()
		var count atomic.Int64
		p.set(func() { count.Add(1) })
		p.soon()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if calls := count.Load(); calls != 1 {
			t.Errorf("%d calls at once, want 1", calls)
		}
		for range 1000 {
			p.soon()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(pace)
		synctest.Wait()
		calls := count.Load()
		if want := 1 + int64(1000*time.Millisecond/pace); calls < want || calls > want+1 {
			t.Errorf("%d calls in a second of asking, want %d", calls, want)
		}
		time.Sleep(time.Hour)
		p.soon()
		p.set(nil)
		synctest.Wait()
		time.Sleep(pace)
		if more := count.Load() - calls; more > 0 {
			t.Errorf("%d calls of what was taken away", more)
		}
	})
}
