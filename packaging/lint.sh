#!/bin/bash
# lint.sh: everything that has an opinion on bin/packages and what they are made
# of. Overrides, each with its reason, are in packaging/lint.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

shellcheck packaging/*.sh packaging/scripts/*
nft -c -f packaging/network/firewall.nft

# The unit, with the program where it is now.
sed "s#/usr/bin/rsagent#$PWD/bin/rsagent#" packaging/rsagent.service >"$work/rsagent.service"
systemd-analyze verify --recursive-errors=no --man=no "$work/rsagent.service"
systemd-analyze security --offline=yes --no-pager --threshold=20 "$work/rsagent.service" | tail -1

lintian --allow-root --fail-on error,warning,info bin/packages/*.deb

# Rpmlint unpacks with cpio, and nfpm's paths are absolute: as root that would
# be an installation.
printf '#!/bin/sh\nexec %s --no-absolute-filenames "$@"\n' "$(command -v cpio)" >"$work/cpio"
chmod +x "$work/cpio"
PATH=$work:$PATH rpmlint --strict --config packaging/lint/rpmlint.toml bin/packages/*.rpm
