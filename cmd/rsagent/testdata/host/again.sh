# again.sh COMMAND...: runs a command that undoes things, and says how long after its end everything is right again.
"$@" >/dev/null || exit

# A shell reads byte by byte, and these files give one byte, then their end: read is content only with a newline.
value() {
	got=
	read -r got <"/proc/sys/net/ipv4/conf/$1"
	[ "$got" = "$2" ]
}

right() {
	value all/rp_filter 0 && value tunl0/rp_filter 0 && value all/arp_ignore 1 && value all/arp_announce 2 &&
		ip -o addr show up | grep -q '172.25.84.100/32 .*tunl0:rs'
}

# now is in hundredths of a second.
now() {
	read -r up rest </proc/uptime
	now=${up%.*}${up#*.}
}

now
start=$now
until right 2>/dev/null; do
	now
	if [ $((now - start)) -gt 2000 ]; then
		echo "not right after 20 s"
		exit 1
	fi
done
now
echo "right again $(((now - start) * 10)) ms after: $*"
