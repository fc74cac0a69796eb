# SPDX-License-Identifier: GPL-2.0
#
# Host side of the vehicles: the cache and the private apt configuration. Sourced by the make-* and run-* scripts.
#
# The cache holds what is expensive to make and does not depend on this tree: Debian packages, unpacked kernels and
# headers, User-Mode Linux builds, root images. Every entry is a directory named KIND-KEY-VERSION. It is made in a
# temporary directory beside its final place and renamed when complete, under a lock per KIND-KEY, so a half-made entry
# is never taken for a whole one and two makers do not collide. An entry is never changed afterwards.
#
# Kernels, headers and kernel sources come from Debian 12 and its backports through an apt configuration of our own
# (own sources, lists and state, all inside the cache). Nothing of it is installed and the machine's apt sources are
# left alone; the mirror is the one that the machine's own configuration names (or $BCACHEFS_MIRROR).

CACHE=${BCACHEFS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bcachefs-dm}
VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$VM_DIR/../.." && pwd)
OUT=${O:-$TOP/build}
[[ $OUT = /* ]] || OUT=$TOP/$OUT

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

say() {
	echo "${0##*/}: $*" >&2
}

# in_namespace COMMAND...: as root, or as one in a namespace of our own.
in_namespace() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		unshare --map-auto --map-root-user "$@"
	fi
}

# cache_find KIND-KEY: prints the newest complete entry, fails if there is none.
cache_find() {
	local entry
	entry=$(find "$CACHE" -mindepth 1 -maxdepth 1 -type d -name "$1-*" ! -name '*.part' 2>/dev/null |
		sort -V | tail -n 1)
	[ -n "$entry" ] && echo "$entry"
}

# cache_get KIND-KEY VERSION_COMMAND MAKE_COMMAND: prints the entry's path, making it first if it is missing.
# VERSION_COMMAND prints the version; MAKE_COMMAND gets the directory to fill and the version as arguments. It must be a
# program of its own (usually the calling script again), so that its "set -e" holds whatever called us.
cache_get() {
	local name=$1 version_command=$2 make_command=$3 version part
	cache_find "$name" && return
	mkdir -p "$CACHE"
	(
		flock 9
		cache_find "$name" && exit
		version=$($version_command) || exit
		part=$CACHE/$name-$version.part
		rm -rf "$part"
		mkdir "$part"
		if ! $make_command "$part" "$version" >&2 9>&-; then
			say "making $name-$version failed; leavings are in $part"
			exit 1
		fi
		mv -T "$part" "$CACHE/$name-$version"
		echo "$CACHE/$name-$version"
	) 9>"$CACHE/.lock-$name"
}

# debian_mirror [-security]: the machine's own mirror of Debian, or of its security updates.
debian_mirror() {
	local uri
	if [ -n "${BCACHEFS_MIRROR:-}" ]; then
		echo "${BCACHEFS_MIRROR%/}${1:-}"
		return
	fi
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v security="${1:-}" '
			$2 !~ /^(bookworm|trixie|oldstable|stable)/ { next }
			($2 ~ /-security$/) == (security != "") { print $1; exit }')
	[ -n "$uri" ] || die "no Debian mirror in this machine's apt sources; set BCACHEFS_MIRROR"
	echo "${uri%/}"
}

# private_apt COMMAND ARG...: apt-get or apt-cache over our own sources. The lists are fetched when older than a day.
# With APT_KIND=deb-src it is source packages.
private_apt() {
	local apt=$CACHE/apt${APT_KIND:+-src} command=$1
	shift
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	(
		flock 8
		if [ -z "$(find "$apt/fresh" -mmin -1440 2>/dev/null)" ]; then
			private_apt_configure "$apt"
			APT_CONFIG=$apt/apt.conf apt-get -qq update >&2
			touch "$apt/fresh"
		fi
	) 8>"$apt/lock" || return
	APT_CONFIG=$apt/apt.conf "$command" "$@"
}

private_apt_configure() {
	local apt=$1 mirror security suite
	mirror=$(debian_mirror) || return
	security=$(debian_mirror -security) || return
	{
		for suite in bookworm bookworm-updates bookworm-backports; do
			echo "${APT_KIND:-deb} [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
		done
		echo "${APT_KIND:-deb} [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security bookworm-security main"
	} >"$apt/sources.list"
	: >"$apt/status"
	cat >"$apt/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State::lists "$apt/lists";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt";
		Dir::Cache::archives "$apt/archives";
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
	CONF
}

# package_version PACKAGE [SUITE]: the newest version that the private sources offer.
package_version() {
	local version
	version=$(private_apt apt-cache madison "$1" | awk -F' *\\| *' -v suite="${2:-.}" \
		'index($3, suite) || suite == "." { print $2; exit }')
	[ -n "$version" ] || die "package $1 is not to be had from the configured Debian mirror"
	echo "$version"
}

# package_unpack DIR PACKAGE=VERSION...: downloads packages and unpacks them under DIR, installing nothing.
package_unpack() {
	local dir=$1 deb
	shift
	mkdir -p "$dir.debs"
	(cd "$dir.debs" && private_apt apt-get -qq download "$@") || return
	for deb in "$dir.debs"/*.deb; do
		dpkg-deb -x "$deb" "$dir" || return
	done
	rm -r "$dir.debs"
}

# parse_vehicle NAME: sets RUNNER, KERNEL and VARIANT for a vehicle's name, KIND[-KERNEL][-VARIANT].
parse_vehicle() {
	local kind rest
	IFS=- read -r kind rest <<<"$1"
	KERNEL=6.12 VARIANT=plain
	case $rest in
	6.1 | 6.12) KERNEL=$rest ;;
	6.1-* | 6.12-*) KERNEL=${rest%%-*} VARIANT=${rest#*-} ;;
	?*) VARIANT=$rest ;;
	esac
	case $kind in
	uml) RUNNER=run-uml ;;
	qemu) RUNNER=run-qemu ;;
	*) die "no vehicle $1; there are uml[-6.1][-debug|-kasan], qemu-6.1, qemu-6.12" ;;
	esac
}
