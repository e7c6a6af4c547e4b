#!/bin/sh
# Prints a .env with new secrets for docker-compose.yml, which has no passwords of its own:
#
#   (umask 077; set -C; sh deploy/env.sh 203.0.113.7 > .env)
#
# The argument is the address under which browsers reach this machine's relay; a second one is the address that the machine has
# itself, where a router or a cloud translates between them. `set -C` keeps a .env that is there: its secrets are your database's.
set -eu
address=${1:?"usage: deploy/env.sh PUBLIC_IP [PRIVATE_IP]"}
random() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

cat <<END
# Signs tokens and derives every other key. Several, comma-separated, rotate: see .env.example.
PARLEY_SECRETS=k$(random 4):$(head -c 32 /dev/urandom | base64)
# Shared with the relay.
PARLEY_TURN_SECRET=$(random 32)
PARLEY_ICE_URLS=stun:$address:3478,turn:$address:3478?transport=udp,turn:$address:3478?transport=tcp
TURN_PUBLIC_IP=$address
TURN_PRIVATE_IP=${2:-$address}
POSTGRES_PASSWORD=$(random 24)
BUS_PASSWORD=$(random 24)
# Origins of front ends on other hosts than this one: https://app.example.org,https://www.example.org
PARLEY_ALLOWED_ORIGINS=
# A folder of PEM files, each a certificate chain and its key, that UID 99 can read. Empty: plain HTTP.
PROXY_CERTIFICATES=
PROXY_HTTP_PORT=80
PROXY_HTTPS_PORT=443
# Networks, separated by spaces, of another proxy in front of ours, which then tells where clients come from.
PROXY_TRUSTED=
END
