#!/bin/sh
# Makes a real server of a plain Debian root, $1: eth0 is 172.25.84.2/24 by whichever of networkd, NetworkManager and
# ifupdown is enabled, and eth1 is nobody's. networkd is enabled.
set -eu
root=$1

echo rs1 >"$root/etc/hostname"
echo '127.0.0.1 localhost rs1' >"$root/etc/hosts"
# No progress bars, and no questions that nobody would answer.
echo 'Dpkg::Use-Pty "0";' >"$root/etc/apt/apt.conf.d/lab"
rm -f "$root/etc/apt/apt.conf.d/70debconf"
# Known from the start, so that no boot is a first boot.
echo 5253000000000000000000000000002a >"$root/etc/machine-id"

cat >"$root/etc/systemd/network/10-eth0.network" <<'END'
[Match]
Name=eth0

[Network]
Address=172.25.84.2/24
Gateway=172.25.84.254
LinkLocalAddressing=no
IPv6AcceptRA=no
END

cat >"$root/etc/NetworkManager/conf.d/lab.conf" <<'END'
[main]
no-auto-default=*
END
cat >"$root/etc/NetworkManager/system-connections/eth0.nmconnection" <<'END'
[connection]
id=eth0
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=172.25.84.2/24,172.25.84.254

[ipv6]
method=disabled
END
chmod 600 "$root/etc/NetworkManager/system-connections/eth0.nmconnection"

cat >"$root/etc/network/interfaces" <<'END'
auto lo eth0
iface lo inet loopback
iface eth0 inet static
    address 172.25.84.2/24
    gateway 172.25.84.254
END

# NetworkManager leaves alone what ifupdown has, even when ifupdown is off.
mv "$root/etc/network/interfaces" "$root/etc/network/interfaces.off"

# The package's own choice is all of them at once.
for unit in networking NetworkManager NetworkManager-wait-online; do
    systemctl --root="$root" --quiet mask "$unit.service"
done
systemctl --root="$root" --quiet enable systemd-networkd.service
# Nobody's machine for longer than minutes.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-networkd-wait-online.service; do
    systemctl --root="$root" --quiet mask "$unit"
done
