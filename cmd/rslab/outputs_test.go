package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTestOutputs(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		env  []string
		want []string
	}{
		{"no test", []string{"./demo", "--out", "x"}, nil, nil},
		{"as go test gives them",
			[]string{"/tmp/b/x.test", "-test.testlogfile=/tmp/b/testlog.txt", "-test.paniconexit0", "-test.timeout=10m0s", "-test.coverprofile=/tmp/b/_cover_.out", "-test.gocoverdir=/tmp/b/gocoverdir"}, nil,
			[]string{"/tmp/b/_cover_.out", "/tmp/b/testlog.txt", "/tmp/b/gocoverdir"}},
		{"relative to outputdir, but not the log",
			[]string{"x.test", "-test.outputdir=../out", "-test.cpuprofile=cpu", "-test.memprofile=/abs/mem", "-test.testlogfile=log"}, nil,
			[]string{"/src/out/cpu", "/abs/mem", "/src/pkg/log"}},
		{"two dashes, apart, the last one counts",
			[]string{"x.test", "--test.trace", "one", "-test.trace", "two"}, nil, []string{"/src/pkg/two"}},
		{"named twice, carried once",
			[]string{"x.test", "-test.cpuprofile=p", "-test.memprofile=p"}, nil, []string{"/src/pkg/p"}},
		{"covered binary", []string{"rsagent", "check"}, []string{"GOCOVERDIR=cov"}, []string{"/src/pkg/cov"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := testOutputs(test.args, test.env, "/src/pkg")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitFor(t *testing.T) {
	for _, test := range []struct {
		args []string
		want time.Duration
	}{
		{[]string{"make"}, 10 * time.Minute},
		{[]string{"x.test", "-test.timeout=20m0s"}, 21 * time.Minute},
		{[]string{"x.test", "-test.timeout=0"}, 10 * time.Minute},
	} {
		if got := limitFor(test.args, 10*time.Minute); got != test.want {
			t.Errorf("limitFor(%q) = %v, want %v", test.args, got, test.want)
		}
	}
}

func TestLabEnv(t *testing.T) {
	got := labEnv([]string{"PATH=/old", "HOME=/root", "RSLAB=no", "PATH=/usr/local/go/bin:/usr/sbin"})
	want := []string{"HOME=/root", "PATH=/usr/local/go/bin:/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/bin", "RSLAB=1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if got := envValue(labEnv(nil), "PATH"); got != "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin" {
		t.Errorf("PATH of nothing: %q", got)
	}
}
