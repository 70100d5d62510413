# shellcheck shell=bash
# Roots: complete Debian installations in a folder. Sourced after lib.sh, not
# run; needs root.
#
# What runs in one has its own mounts and processes, which end with it, so there
# is never anything to unmount.

# in_root ROOT COMMAND...
in_root()
{
	local root=$1
	shift
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child --propagation private bash -c '
		set -e
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mkdir -p "$root/dev/shm"
		mount -t tmpfs tmpfs "$root/dev/shm"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
	' in_root "$root" "$@"
}

# bare_root ROOT RELEASE: a small Debian, in which the installation of a server
# makes no cluster.
bare_root()
{
	local root=$1 release=$2 mirror

	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets 'Created-By: Packages' 'Label: Debian' --format '$(REPO_URI)' |
		head -n 1)
	rm -rf "$root" &&
		debootstrap --variant=minbase --include=ca-certificates "$release" "$root" "$mirror" &&
		in_root "$root" apt-get install -y -q --no-install-recommends postgresql-common || return
	mkdir -p "$root/etc/postgresql-common/createcluster.d"
	echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.d/none.conf"
}
