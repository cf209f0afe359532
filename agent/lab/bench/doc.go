// Package bench is the table that `make bench` prints: what rsagent takes, beside what something else takes for the
// same on the same kernel in the same run. The package itself is the table and its arithmetic; the measuring is done by
// its tests with the build tag bench, in the network of package lab.
//
// Each row is the median of measurements taken in turns, ours and the reference's, so that whatever else the machine
// is doing falls on both. A row whose goal is missed says so, and so does one that could not be measured.
package bench
