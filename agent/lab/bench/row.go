package bench

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Unit says what a number measures.
type Unit int

// The units of the table. A share is of one processor core, 1 being all of it.
const (
	Seconds Unit = iota
	Bytes
	BytesPerSecond
	PerSecond
	Share
)

// A Measure is what one side of a row came to: a value and how many measurements it is the median of.
type Measure struct {
	Name    string // of the reference; empty on our side
	Value   float64
	Samples int
}

// Median returns the median of durations as a measure in seconds. Without any it is a measure of no samples.
func Median(name string, samples []time.Duration) Measure {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = s.Seconds()
	}
	return MedianOf(name, values)
}

// MedianOf returns the median of values: of an even number, the mean of the two in the middle.
func MedianOf(name string, values []float64) Measure {
	m := Measure{Name: name, Samples: len(values)}
	if len(values) == 0 {
		return m
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	m.Value = sorted[middle]
	if len(sorted)%2 == 0 {
		m.Value = (sorted[middle-1] + sorted[middle]) / 2
	}
	return m
}

// A Goal bounds the ratio of a row, or our value itself.
type Goal struct {
	absolute, atLeast, set bool
	limit                  float64
}

// RatioAtMost is the goal that the ratio is no larger than limit.
func RatioAtMost(limit float64) Goal { return Goal{set: true, limit: limit} }

// RatioAtLeast is the goal that the ratio is no smaller than limit.
func RatioAtLeast(limit float64) Goal { return Goal{set: true, limit: limit, atLeast: true} }

// AtMost is the goal that our value, in the unit of its row, is no larger than limit.
func AtMost(limit float64) Goal { return Goal{set: true, limit: limit, absolute: true} }

// A Row compares one thing.
type Row struct {
	What      string
	Unit      Unit
	Ours      Measure
	Reference Measure
	Goal      Goal   // the zero Goal: none, the row is there to be known
	Missing   string // why it could not be measured; else empty
}

// Ratio returns ours divided by the reference, and false where there is none.
func (r Row) Ratio() (float64, bool) {
	if r.Missing != "" || r.Ours.Samples == 0 || r.Reference.Samples == 0 || r.Reference.Value == 0 {
		return 0, false
	}
	return r.Ours.Value / r.Reference.Value, true
}

// Verdict is met, not met, or not measurable with the reason; empty for a row without a goal.
func (r Row) Verdict() string {
	if r.Missing != "" {
		return "not measurable: " + r.Missing
	}
	if r.Ours.Samples == 0 {
		return "not measurable: no samples"
	}
	if !r.Goal.set {
		return ""
	}
	value := r.Ours.Value
	if !r.Goal.absolute {
		ratio, ok := r.Ratio()
		if !ok {
			return "not measurable: no reference"
		}
		value = ratio
	}
	if value == r.Goal.limit || value > r.Goal.limit == r.Goal.atLeast {
		return "met"
	}
	return "**not met**"
}

func (g Goal) text(u Unit) string {
	if !g.set {
		return ""
	}
	sign := "≤ "
	if g.atLeast {
		sign = "≥ "
	}
	if g.absolute {
		return sign + u.text(g.limit)
	}
	return sign + strconv.FormatFloat(g.limit, 'g', -1, 64) + "×"
}

func (u Unit) text(v float64) string {
	switch u {
	case Seconds:
		return secondsText(v)
	case Bytes:
		return significant(v/1e6) + " MB"
	case BytesPerSecond:
		return significant(v/1e6) + " MB/s"
	case PerSecond:
		return significant(v) + " /s"
	case Share:
		return significant(v*100) + " %"
	}
	return significant(v)
}

func secondsText(v float64) string {
	switch {
	case v < 1e-3:
		return significant(v*1e6) + " µs"
	case v < 1:
		return significant(v*1e3) + " ms"
	}
	return significant(v) + " s"
}

// significant prints three digits that count, and never an exponent.
func significant(v float64) string {
	decimals := 0
	for limit := 100.0; decimals < 4 && v != 0 && v < limit; limit /= 10 {
		decimals++
	}
	if v >= 1 && decimals > 2 {
		decimals = 2
	}
	return fmt.Sprintf("%.*f", decimals, v)
}
