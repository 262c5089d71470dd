#!/bin/sh
# Installs docxy as a systemd service, or takes it away again. Run it from where the unit files are (deploy/).
set -eu

usage() {
    cat <<'USAGE'
install.sh BINARY            installs a docxy that is here already
install.sh URL SHA256        downloads it, and installs it if its SHA-256 is the given one
install.sh --uninstall       takes away what this script has installed; settings and state stay
install.sh --uninstall --purge   takes these away, too

PREFIX (default /usr/local) is where the binary goes: PREFIX/bin/docxy. The units go to /etc/systemd/system, the settings
to /etc/docxy/docxy.env, which is never overwritten. There is no user to make: systemd gives the service one while it runs
(DynamicUser). With DESTDIR everything goes below that directory, no root is needed and systemd is not told.
USAGE
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
here=$(cd "$(dirname "$0")" && pwd)
binary=$destdir$prefix/bin/docxy
units=$destdir/etc/systemd/system
settings=$destdir/etc/docxy
state=$destdir/var/lib/docxy
scratch=

# Whether the systemd that runs here is the one to tell.
has_systemd() {
    [ -z "$destdir" ] && [ -d /run/systemd/system ]
}

download() {
    command -v curl >/dev/null || fail "curl is missing; install it, or download $1 yourself and give the file"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    curl --fail --silent --show-error --location --proto '=https,file' --output "$scratch/docxy" "$1" ||
        fail "$1 cannot be downloaded"
    echo "$2  $scratch/docxy" | sha256sum --check --status ||
        fail "the SHA-256 of $1 is $(sha256sum "$scratch/docxy" | cut -d ' ' -f 1), not $2; nothing was installed"
    chmod 0755 "$scratch/docxy"
}

install_all() {
    "$1" --version >/dev/null 2>&1 || fail "$1 does not run on this machine; take the build for $(uname -m)"
    install -D -m 0755 "$1" "$binary"
    for unit in docxy.service docxy.socket; do
        install -D -m 0644 "$here/$unit" "$units/$unit"
    done
    sed -i "s|^ExecStart=/usr/local/bin/docxy|ExecStart=$prefix/bin/docxy|" "$units/docxy.service"
    [ -e "$settings/docxy.env" ] || install -D -m 0600 "$here/docxy.env" "$settings/docxy.env"
    if has_systemd; then
        systemctl daemon-reload
    fi
    echo "installed $binary, $units/docxy.service, docxy.socket and $settings/docxy.env"
    echo "edit $settings/docxy.env, then: systemctl enable --now docxy.socket docxy.service"
}

uninstall() {
    if has_systemd; then
        systemctl disable --now docxy.socket docxy.service 2>/dev/null || true
    fi
    rm -f "$binary" "$units/docxy.service" "$units/docxy.socket"
    if has_systemd; then
        systemctl daemon-reload
    fi
    if [ "${1:-}" = --purge ]; then
        # With DynamicUser the state is in private/, and what lies beside it is a link.
        rm -rf "$settings" "$state" "$destdir/var/lib/private/docxy"
    else
        for kept in "$settings" "$state"; do
            [ ! -e "$kept" ] || echo "kept: $kept (--uninstall --purge takes it away)"
        done
    fi
}

case ${1:---help} in
    --help | -h)
        usage
        exit 0
        ;;
    --uninstall)
        if [ $# -gt 2 ] || [ "${2:---purge}" != --purge ]; then
            fail "--uninstall takes nothing but --purge"
        fi
        ;;
    http://*) fail "download it by https, not by http" ;;
    https://* | file://*)
        [ $# -eq 2 ] || fail "give the SHA-256 after the URL, as the release names it"
        ;;
    *)
        [ $# -eq 1 ] || fail "give one BINARY, or a URL and its SHA-256"
        [ -f "$1" ] || fail "there is no file $1"
        ;;
esac
if [ -z "$destdir" ] && [ "$(id -u)" -ne 0 ]; then
    fail "it writes to $prefix and /etc, which takes root; run it with sudo"
fi
case $1 in
    --uninstall) uninstall "${2:-}" ;;
    *://*)
        download "$1" "$2"
        install_all "$scratch/docxy"
        ;;
    */*) install_all "$1" ;;
    *) install_all "./$1" ;;
esac
