#!/usr/bin/env bash
# Installs the peers that benches/peers.sh measures, those that are missing.
#   benches/peers/install.sh FOLDER PEER...      gawk mawk rg goaccess rhit ag duckdb chdb halog
# Debian's tools are installed system-wide if we are root, all else goes below FOLDER. For a peer that cannot be had
# FOLDER/PEER.why says why.
set -uo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift

debian() {
    local command=$1 package=${2:-$1}
    command -v "$command" >/dev/null && return
    [ "$(id -u)" = 0 ] || { echo "package $package is missing, and we are not root"; return 1; }
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"
}

crate() {
    local command=$1 crate=${2:-$1}
    [ -x "$folder/bin/$command" ] ||
        CARGO_TARGET_DIR=$folder/target cargo install --quiet --locked --root "$folder" "$crate"
}

python() {
    [ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv" || return
    "$folder/venv/bin/python" -c "import $1" 2>/dev/null || "$folder/venv/bin/pip" install --quiet "$1"
}

# HAProxy's package without the service: only unpacked.
halog() {
    [ -x "$folder/usr/bin/halog" ] || (cd "$folder" && apt-get download -qq haproxy && dpkg -x haproxy_*.deb .)
}

for peer in "$@"; do
    case $peer in
    rg) install=(debian rg ripgrep) ;;
    gawk | mawk | goaccess) install=(debian "$peer") ;;
    rhit) install=(crate rhit) ;;
    ag) install=(crate agrind ag) ;;
    duckdb | chdb) install=(python "$peer") ;;
    halog) install=(halog) ;;
    *) continue ;;
    esac
    rm -f "$folder/$peer.why"
    if ! "${install[@]}" >"$folder/$peer.log" 2>&1; then
        tail -n 1 "$folder/$peer.log" >"$folder/$peer.why"
    fi
done
