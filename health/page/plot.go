package page

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The plot's box and what it stands for. A point is the mean of five seconds,
// and begins at a multiple of five, so that the curve moves without changing
// its shape.
const (
	plotWidth  = 600
	plotHeight = 120
	plotBin    = 5 * time.Second
)

// A Plot is the traffic of the last ten minutes, drawn.
type Plot struct {
	Measured bool     // false: there is nothing to draw
	Lines    []string // points of polylines, apart where nothing is known
	Areas    []string // what is below them
	Top      string   // the scale's upper end
	Now      string
	Peak     string // empty without traffic
	Text     string // for those who cannot see it
	Width    int
	Height   int
}

type bin struct {
	sum float64
	n   int
}

// NewPlot draws the rates as of now. It is pure.
func NewPlot(rates []Rate, now time.Time) Plot {
	p := Plot{Width: plotWidth, Height: plotHeight}
	bins := make([]bin, int(trafficKept/plotBin)+1)
	end := now.Truncate(plotBin)
	peak := 0.0
	for _, r := range rates {
		i := len(bins) - 1 - int(end.Sub(r.At.Truncate(plotBin))/plotBin)
		if !r.OK || i < 0 || i >= len(bins) {
			continue
		}
		bins[i].sum += r.Bits
		bins[i].n++
		peak = max(peak, r.Bits)
	}
	highest := 0.0
	for _, b := range bins {
		if b.n > 0 {
			p.Measured = true
			highest = max(highest, b.sum/float64(b.n))
		}
	}
	top := ceiling(highest)
	p.draw(bins, top)
	p.Top = scaled(top, "bit/s")
	p.words(latest(rates, now), peak)
	return p
}

func (p *Plot) words(now Rate, peak float64) {
	p.Now = "not measured"
	if now.OK {
		p.Now = scaled(now.Bits, "bit/s") + ", " + scaled(now.Packets, "packets/s")
		if now.Packets == 0 {
			p.Now = "no traffic"
		}
	}
	p.Text = fmt.Sprintf("Traffic through the tunnel in the last ten minutes. Now: %s.", p.Now)
	if peak > 0 {
		p.Peak = scaled(peak, "bit/s")
		p.Text += " Peak: " + p.Peak + "."
	}
}

// draw makes a line of each run of bins about which something is known.
func (p *Plot) draw(bins []bin, top float64) {
	var line []string
	x := func(i int) float64 { return float64(i) * plotWidth / float64(len(bins)-1) }
	flush := func(until int) {
		if n := len(line); n > 0 {
			if n == 1 {
				line = append(line, line[0])
			}
			points := strings.Join(line, " ")
			p.Lines = append(p.Lines, points)
			p.Areas = append(p.Areas, fmt.Sprintf("%.1f,%d %s %.1f,%d", x(until-n), plotHeight, points, x(until-1), plotHeight))
		}
		line = nil
	}
	for i, b := range bins {
		if b.n == 0 {
			flush(i)
			continue
		}
		y := plotHeight * (1 - b.sum/float64(b.n)/top)
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(i), y))
	}
	flush(len(bins))
}

// ceiling returns a round number that is not below v; 1000 at least.
func ceiling(v float64) float64 {
	if v <= 1000 {
		return 1000
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

// latest returns the mean of the last ten seconds.
func latest(rates []Rate, now time.Time) Rate {
	out, n := Rate{At: now}, 0.0
	for _, r := range rates {
		if r.OK && now.Sub(r.At) <= 10*time.Second && !r.At.After(now) {
			out.Bits += r.Bits
			out.Packets += r.Packets
			n++
		}
	}
	if n > 0 {
		out.Bits, out.Packets, out.OK = out.Bits/n, out.Packets/n, true
	}
	return out
}
