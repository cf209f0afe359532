#!/bin/sh
# version.sh DESCRIBED: the packages' version for what git describe says. With a
# tag: v1.2.3 is 1.2.3, and five commits on 1.2.3+5.g0123abc. Without one, the
# time of the last commit, so that later commits are later versions.
case $1 in
v[0-9]*.* | [0-9]*.*) echo "$1" | sed -e 's/^v//' -e 's/-/+/' -e 's/-/./g' ;;
*) echo "0~$(TZ=UTC git log -1 --date=format-local:%Y%m%d.%H%M%S --format=%cd).$(echo "$1" | tr - .)" ;;
esac
