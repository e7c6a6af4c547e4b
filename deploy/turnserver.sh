#!/bin/sh
# Runs coturn with turnserver.conf of this folder; arguments are given on to it. The secret goes into a file of mode 0600, because
# `ps` shows everybody a command line.
#
# Environment: PARLEY_TURN_SECRET; TURN_PUBLIC_IP, the address that browsers reach; TURN_PRIVATE_IP, the address that this machine
# has itself, where a router or a cloud translates between them (default: the same).
set -eu
umask 077
: "${PARLEY_TURN_SECRET:?}" "${TURN_PUBLIC_IP:?}"
own=${TURN_PRIVATE_IP:-$TURN_PUBLIC_IP}
folder=$(mktemp -d "${TMPDIR:-/tmp}/turnserver.XXXXXX")
{
	cat "$(dirname "$0")/turnserver.conf"
	echo "static-auth-secret=$PARLEY_TURN_SECRET"
	echo "pidfile=$folder/pid"
	echo "userdb=$folder/users"
	# Not on the addresses of container networks, which coturn would find by itself.
	echo "listening-ip=$own"
	echo "relay-ip=$own"
	# Of two strangers both are relayed, so each one's peer is a port of this relay, which may have a private address.
	echo "allowed-peer-ip=$own"
	if [ "$own" != "$TURN_PUBLIC_IP" ]; then echo "external-ip=$TURN_PUBLIC_IP/$own"; fi
} >"$folder/conf"
exec turnserver -c "$folder/conf" "$@"
