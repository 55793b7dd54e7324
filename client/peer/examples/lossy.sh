#!/usr/bin/env bash
# The transfer over UDP beside TCP, on a path that loses packets at random: prints a table.
#
#   cargo build --release -p forum-peer --example udp_throughput
#   client/peer/examples/lossy.sh [-n RUNS] [-t TCP,...] [LOSS_PER_MILLE:MEBIBYTES ...]
#
# The two ends are in two network namespaces, between them a veth pair with an MTU of 1,500 bytes. What arrives at
# either end is dropped by nftables, independently of all else: data and acknowledgements, of both transports alike.
# Offloads are off, or a drop would take 64 KiB of TCP or of UDP at once; the line before each table says how many
# packets there were, how many of them were dropped, and how many were longer than the MTU: none, if that worked.
# There is no latency but that of the machine. Needs root, iproute2, nftables, ethtool.
set -euo pipefail

runs=3
tcp=cubic
while getopts n:t: option; do
    case $option in
        n) runs=$OPTARG ;;
        t) tcp=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
# The more is lost, the slower TCP: each of its runs should take seconds.
[ $# -gt 0 ] || set -- 0:1024 10:256 50:32 100:4

example=${CARGO_TARGET_DIR:-target}/release/examples/udp_throughput
[ -x "$example" ] || { echo "$example is not built" >&2; exit 2; }
# All runs at one loss end after so long, whatever has arrived.
seconds_max=900
mtu=1500
sender=lossy-s$$
receiver=lossy-r$$
receiver_address=192.0.2.2 # of TEST-NET-1, RFC 5737

directory=$(mktemp -d -p /dev/shm)

# Ends what is left of a transfer.
vacate() {
    for netns in "$sender" "$receiver"; do
        ip netns pids "$netns" 2>/dev/null | xargs -r kill || true
    done
}

cleanup() {
    vacate
    rm -rf "$directory"
    ip netns delete "$sender" 2>/dev/null || true
    ip netns delete "$receiver" 2>/dev/null || true
}
trap cleanup EXIT

connect() {
    ip netns add "$sender"
    ip netns add "$receiver"
    ip link add end netns "$sender" mtu $mtu type veth peer name end netns "$receiver" mtu $mtu
    ip -n "$sender" address add 192.0.2.1/30 dev end
    ip -n "$receiver" address add $receiver_address/30 dev end
    for netns in "$sender" "$receiver"; do
        ip netns exec "$netns" ethtool -K end tso off gso off gro off tx-udp-segmentation off
        ip -n "$netns" link set lo up
        ip -n "$netns" link set end up
    done
}

# lose PER_MILLE: of what arrives at either end. Counts from zero.
lose() {
    for netns in "$sender" "$receiver"; do
        ip netns exec "$netns" nft -f - <<NFT
table netdev loss
delete table netdev loss
table netdev loss {
    counter arrived {}
    counter too_long {}
    counter dropped {}
    chain arrivals {
        type filter hook ingress device "end" priority 0;
        meta protocol != ip accept
        counter name arrived
        meta length > $mtu counter name too_long
        numgen random mod 1000 < $1 counter name dropped drop
    }
}
NFT
    done
}

# counted NAME: packets, both ends together.
counted() {
    for netns in "$sender" "$receiver"; do
        ip netns exec "$netns" nft list counter netdev loss "$1"
    done | awk '$1 == "packets" { sum += $2 } END { print sum }'
}

connect
for row in "$@"; do
    per_mille=${row%:*} mebibytes=${row#*:}
    lose "$per_mille"
    table=$(timeout --foreground $seconds_max "$example" "$mebibytes" "$directory" --runs "$runs" --tcp "$tcp" \
        --netns "$sender" "$receiver" --address $receiver_address) || table="no result; $seconds_max s is all it gets"
    vacate
    echo "$per_mille of 1,000 packets lost, $mebibytes MiB, median of $runs:" \
        "$(counted dropped) of $(counted arrived) dropped, $(counted too_long) too long"
    echo
    echo "$table"
    echo
done
