#!/bin/bash
# stage.sh ARCH DIR: gathers what goes into the packages in DIR, with every
# time set to SOURCE_DATE_EPOCH, so that the same commit gives the same bytes.
set -euo pipefail
arch=$1 dir=$2
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
umask 022
rm -rf "$dir"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

cp -r packaging/. "$dir"
gzip -9n "$dir"/man/*

GOARCH=$arch CGO_ENABLED=0 go build -tags nethttpomithttp2 -trimpath -ldflags "-s -w -X main.version=$VERSION" -o "$dir/rsagent" ./cmd/rsagent

# The reference, as a file to begin with: no VIP, so that nothing runs, and every
# other key a comment, so that the defaults of later versions count.
bin/rsagent config example | awk '
	/^$/ && !said++ {print "#\n# The agent does not start before vips has an address. Keys after a # without a\n# space are not set."}
	/^vips:/ {print "vips: []"}
	/^ *[^ #]/ {print "#" $0; next}
	{print}' >"$dir/rsagent.yaml"

mkdir "$dir/completion"
for shell in bash zsh fish; do bin/rsagent completion "$shell" >"$dir/completion/$shell"; done

cat >"$dir/changelog.yaml" <<END
- semver: $PACKAGE_VERSION-1
  date: $(TZ=UTC date -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  packager: $MAINTAINER
  deb: {urgency: medium, distributions: [unstable]}
  changes:
    - note: "$(git log -1 --format=%h): the history is in the repository."
END

# What the licences of the linked libraries ask for: their text.
go version -m "$dir/rsagent" | awk '$1 == "dep" {print $2 "@" $3}' | while read -r module; do
	path=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	for text in "$path"/LICEN[CS]E* "$path"/NOTICE* "$path"/COPYING*; do
		test -f "$text" || continue
		printf '==== %s: %s\n\n' "$module" "${text##*/}"
		cat "$text"
		echo
	done
done | gzip -9n >"$dir/third-party.gz"

find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
