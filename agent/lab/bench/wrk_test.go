package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const wrkSays = `Running 3s test @ http://172.25.84.2:9811/readyz
  2 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.61ms    2.21ms  41.29ms   92.01%
    Req/Sec    10.33k     1.02k   12.53k    70.00%
  Latency Distribution
     50%    2.08ms
     75%    2.93ms
     90%    4.37ms
     99%   11.90ms
  61721 requests in 3.01s, 7.12MB read
  Socket errors: connect 0, read 3, write 1, timeout 2
  Non-2xx or 3xx responses: 7
Requests/sec:  20488.21
Transfer/sec:      2.36MB
`

func TestParseLoad(t *testing.T) {
	t.Parallel()
	got, err := ParseLoad(wrkSays)
	if err != nil {
		t.Fatal(err)
	}
	want := Load{PerSecond: 20488.21, P99: 11900 * time.Microsecond, Requests: 61721, Refused: 7, Errors: 6}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("load (-want +got):\n%s", diff)
	}
}

// What cannot be read must never be a number in the table.
func TestParseLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, cut := range []string{"99%   11.90ms", "11.90ms", "Requests/sec:  20488.21", "20488.21", "61721", "  61721 requests in 3.01s, 7.12MB read", "connect 0, read 3, write 1, timeout 2"} {
		if l, err := ParseLoad(strings.Replace(wrkSays, cut, "", 1)); err == nil {
			t.Errorf("without %q: %+v", cut, l)
		}
	}
	if l, err := ParseLoad("unable to connect to 172.25.84.2:9811 Connection refused\n"); err == nil {
		t.Errorf("got %+v", l)
	}
}
