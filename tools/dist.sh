#!/usr/bin/env bash
# make dist: the zip of a release, as PGXN takes it; prints where it lies.
#
#   tools/dist.sh [-w] [FOLDER]	by default into build/dist
#
# It holds what is committed, in one folder named after the version; with -w,
# the files as they are in the checkout. The scripts that are installed are not
# in it: make assembles them from sql/parts with awk, so that make and
# make install work in the unpacked zip as they do here, without git.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

as_is=
while getopts w opt; do
	case $opt in
		w) as_is=1 ;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

cd "$TOP"
[ -e .git ] || die "a zip is made of a git checkout, and this is none"
mkdir -p "${1:-$TOP/build/dist}"
folder=$(cd "${1:-$TOP/build/dist}" && pwd -P)
tree=HEAD
if [ -n "$as_is" ]; then
	# An index of its own, so that what the user has staged stays.
	scratch=$(mktemp -d)
	at_exit "rm -rf '$scratch'"
	export GIT_INDEX_FILE=$scratch/index
	git add --all
	tree=$(git write-tree)
elif [ -n "$(git status --porcelain)" ]; then
	say "dist: what is not committed is left out"
fi
name=vector-$(git show "$tree:vector.control" | sed -n "s/^default_version = '\(.*\)'/\1/p")
git archive --format=zip --prefix="$name/" -o "$folder/$name.zip" "$tree"
echo "$folder/$name.zip"
