# Puts the rest of the world behind eth1: a client, and a director that tunnels to this host. "world.sh end" takes it
# away again.
set -e
if [ "${1-}" = end ]; then
	for name in client dir sw; do ip netns del $name; done
	exit
fi
ip neigh flush all # who was there in an earlier world had other hardware addresses
ip netns add sw
ip link set eth1 netns sw
ip -n sw link add br0 type bridge
ip -n sw link set br0 up
ip -n sw link set eth1 master br0 up
for host in client/84 dir/4; do
	name=${host%/*}
	ip netns add $name
	ip -n $name link add eth0 type veth peer name $name netns sw
	ip -n sw link set $name master br0 up
	ip -n $name addr add 172.25.84.${host#*/}/24 dev eth0
	ip -n $name link set lo up
	ip -n $name link set eth0 up
done
ip -n dir addr add 172.25.84.100/32 dev eth0
ip netns exec dir ipvsadm -A -t 172.25.84.100:80 -s rr
ip netns exec dir ipvsadm -a -t 172.25.84.100:80 -r 172.25.84.2 -i
