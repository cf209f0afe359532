# dump.sh FILE: everything of the network that can be undone, in lines that can be compared. What a link that has been
# up keeps for good is left out: its queueing discipline and its IPv6 side.
{
	{ ip -d -o link; ip -o addr; } | sed -E 's/^[0-9]+: //; s/ (qdisc|addrgenmode) [^ ]+//g'
	ip -4 route show table all
	ip -4 rule
	sysctl -a 2>/dev/null | grep '^net\.'
} >"$1"
