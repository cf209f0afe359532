// Package health turns what is known about a real server into the answer that
// directors ask for: ready or not, for the host and for each VIP, with reasons.
//
//	Evaluate  pure: report, probes, services, drain and history become a Verdict
//	Health    holds what is known, is fed by the loop, and publishes Snapshots
//	Handler   answers over HTTP from the last Snapshot: no I/O, no long lock
//	ServeAgentCheck  says it in one line, for HAProxy
//
// Four rules keep the answer true. Nothing is ready before a pass has spoken of
// it. What is older than three intervals no longer counts; age is judged when
// the question comes, so a loop that hangs turns unready by itself. Only what
// breaks the path counts: no number of warnings takes a server out, and neither
// does an ARP leak, which a drain would not cure. A drain and a shutdown count
// at once, whatever the history.
//
// The package reads no kernel state and logs nothing.
package health
