#!/bin/busybox sh
# shellcheck shell=dash
# The only program of a replica. NAME, ADDRESSES and GATEWAYS are of the kernel's command line, which gives what it does
# not know to the environment of its first process. Who asks for / by HTTP is told who this is and as whom it sees them;
# who asks for /cgi-bin/index.cgi?URL has it ask there.
export PATH=/bin
# With -T, wget of Debian 12 ends by a signal.
if [ -n "$GATEWAY_INTERFACE" ]; then
  printf 'Content-Type: application/json\r\n\r\n'
  [ -z "$QUERY_STRING" ] || exec timeout 20 wget -q -O - "$QUERY_STRING"
  client=${REMOTE_ADDR#[}
  client=${client#::ffff:}
  printf '{"host": "%s", "client": "%s"}' "$NAME" "${client%]}"
  exit
fi
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done
# Its addresses work at once, and are announced.
cd /proc/sys/net/ipv6/conf/eth0 || exit
echo 0 >accept_dad
echo 0 >accept_ra
echo 1 >ndisc_notify
echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify
ip link set lo up
for address in $ADDRESSES; do ip address add "$address" dev eth0; done
ip link set eth0 up
for gateway in $GATEWAYS; do
  case $gateway in *:*) family=-6 ;; *) family=-4 ;; esac
  ip $family route add default via "$gateway" dev eth0
done
echo "$NAME is up"
mkdir -p /www/cgi-bin
ln -s /init /www/cgi-bin/index.cgi
exec httpd -f -p 80 -h /www
