#!/usr/bin/env bash
# The transfer over UDP beside TCP, on a path that loses packets at random: prints a table.
#
#   cargo build --release -p forum-peer --examples
#   client/peer/examples/lossy.sh [-n RUNS] [-t TCP,...] [-d MS [-r MBIT] [-q KIB]] [LOSS_PER_MILLE:MEBIBYTES ...]
#
# The two ends are in two network namespaces. Without -d there is a veth pair with an MTU of 1,500 bytes between them.
# What arrives at either end is dropped by nftables, independently of all else: data and acknowledgements, of both
# transports alike. Offloads are off, or a drop would take 64 KiB of TCP or of UDP at once; the line before each table
# says how many packets there were, how many of them were dropped, and how many were longer than the MTU: none, if that
# worked. There is no latency but that of the machine.
#
# With -d the `shaper` is between them, in user space: a round trip of so many milliseconds, a rate (-r, 100 Mbit/s
# if it isn't said) and a queue (-q, as much as the path holds), and the same losses in each series.
# Needs root and iproute2; without -d nftables and ethtool as well.
set -euo pipefail

runs=3
tcp=cubic
round_trip= mbit=100 queue=
while getopts n:t:d:r:q: option; do
    case $option in
        n) runs=$OPTARG ;;
        t) tcp=$OPTARG ;;
        d) round_trip=$OPTARG ;;
        r) mbit=$OPTARG ;;
        q) queue=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
# The more is lost, the slower TCP: each of its runs should take seconds.
[ $# -gt 0 ] || set -- 0:1024 10:256 50:32 100:4

# Bytes a second times the round trip.
queue=${queue:-$((mbit * ${round_trip:-0} * 125 / 1024 + 1))}
example=${CARGO_TARGET_DIR:-target}/release/examples/udp_throughput
shaper=${CARGO_TARGET_DIR:-target}/release/examples/shaper
for program in "$example" "$shaper"; do
    [ -x "$program" ] || { echo "$program is not built" >&2; exit 2; }
done
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
    ip link add end netns "$sender" mtu $mtu type veth peer name end netns "$receiver" mtu $mtu
    ip -n "$sender" address add 192.0.2.1/30 dev end
    ip -n "$receiver" address add $receiver_address/30 dev end
    for netns in "$sender" "$receiver"; do
        ip netns exec "$netns" ethtool -K end tso off gso off gro off tx-udp-segmentation off
        ip -n "$netns" link set end up
    done
}

# shape PER_MILLE: puts a new shaper between the ends; it ends with its input.
shape() {
    coproc SHAPER { exec "$shaper" "shape-s$$" "shape-r$$" --round-trip-ms "$round_trip" --mbit "$mbit" \
        --queue-kib "$queue" --loss-per-mille "$1"; }
    read -r _ <&"${SHAPER[0]}"
    ip link set "shape-s$$" netns "$sender"
    ip link set "shape-r$$" netns "$receiver"
    ip -n "$sender" address add 192.0.2.1 peer $receiver_address dev "shape-s$$"
    ip -n "$receiver" address add $receiver_address peer 192.0.2.1 dev "shape-r$$"
    ip -n "$sender" link set "shape-s$$" mtu $mtu txqueuelen 1000 up
    ip -n "$receiver" link set "shape-r$$" mtu $mtu txqueuelen 1000 up
}

# What the shaper says of the packets when it ends.
end_shaping() {
    local output=${SHAPER[0]} input=${SHAPER[1]} said
    exec {input}>&-
    read -r said <&"$output"
    wait "$SHAPER_PID"
    echo "$said"
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

for netns in "$sender" "$receiver"; do
    ip netns add "$netns"
    ip -n "$netns" link set lo up
done
if [ -z "$round_trip" ]; then connect; fi
for row in "$@"; do
    per_mille=${row%:*} mebibytes=${row#*:}
    if [ -z "$round_trip" ]; then lose "$per_mille"; else shape "$per_mille"; fi
    table=$(timeout --foreground $seconds_max "$example" "$mebibytes" "$directory" --runs "$runs" --tcp "$tcp" \
        --netns "$sender" "$receiver" --address $receiver_address) || table="no result; $seconds_max s is all it gets"
    vacate
    if [ -z "$round_trip" ]; then
        what="$(counted dropped) of $(counted arrived) dropped, $(counted too_long) too long"
    else
        end_shaping >"$directory/said"
        what="$mbit Mbit/s, $round_trip ms, queue of $queue KiB, $(cat "$directory/said")"
    fi
    echo "$per_mille of 1,000 packets lost, $mebibytes MiB, median of $runs: $what"
    echo
    echo "$table"
    echo
done
