#!/bin/bash
# package.sh STAGE OUT: the deb and the rpm of $ARCH into OUT, by way of
# STAGE/$ARCH.
set -euo pipefail
stage=$1/$ARCH out=$2
mkdir -p "$out"
packaging/stage.sh "$ARCH" "$stage"
out=$(cd "$out" && pwd)
cd "$stage"
# shellcheck disable=SC2086 # it is a command with arguments
for format in deb rpm; do
	$NFPM package --config nfpm.yaml --packager "$format" --target "$out/" >/dev/null
done
