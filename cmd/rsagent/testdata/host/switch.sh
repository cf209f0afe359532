# switch.sh networkd|NetworkManager|ifupdown: who configures eth0 from the next boot on.
set -e
interfaces=/etc/network/interfaces
[ ! -e $interfaces ] || mv $interfaces $interfaces.off
systemctl -q mask systemd-networkd.service systemd-networkd.socket NetworkManager.service networking.service
case $1 in
networkd) unit=systemd-networkd.service ;;
NetworkManager) unit=NetworkManager.service ;;
ifupdown)
	unit=networking.service
	mv $interfaces.off $interfaces
	;;
esac
systemctl -q unmask $unit
systemctl -q enable $unit
