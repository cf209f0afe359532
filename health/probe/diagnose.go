package probe

// Diagnose says what became of the packets, and why: the outcome, the cause
// and its sentence, and the way with every hop that was passed. It is pure and
// total.
//
// Where silence is no proof the outcome is CouldNotTell: a host that answers
// no echo, an echo that came out of the tunnel (many firewalls drop those
// alone), a sender that the firewall need not let in. A cause that the reading
// itself shows is never hidden by that.
func Diagnose(e Evidence) (Outcome, Cause, string, []Hop) {
	way, cause, why := e.walk()
	switch {
	case e.Accepted:
		return Pass, "", "", way
	case e.Refused:
		return Refused, cause, why, way
	case cause != Firewall:
		return Fail, cause, why, way
	}
	if doubt := e.doubt(); doubt != "" {
		return CouldNotTell, "", doubt, doubtful(way, doubt)
	}
	return Fail, cause, why, way
}

// doubt says why a silence that only a firewall explains proves nothing.
func (e Evidence) doubt() string {
	_, loud := e.rejected()
	switch blind := e.Sent == 0; {
	case e.Unheard && !e.arrived():
		return "no director's address could be used as sender, and a firewall may be right to drop another"
	case e.Target.Port != 0:
		return ""
	case e.EchoIgnored && (e.arrived() || blind):
		return "net.ipv4.icmp_echo_ignore_all is 1, so echo requests are not answered; name a service of the VIP, and it is asked instead"
	case loud || e.arrived() || blind:
		return "the echo request came out of the tunnel and was not answered, which a firewall may do to echo alone; name a service of the VIP, and it is asked instead"
	}
	return ""
}

// doubtful turns the failed hop into one that nobody knows about.
func doubtful(way []Hop, doubt string) []Hop {
	for i := range way {
		if way[i].State == HopFailed {
			way[i] = Hop{way[i].Name, HopUnknown, doubt}
		}
	}
	return way
}
