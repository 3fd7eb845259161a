# Shared by install and prepare: where the cache is, and a private apt.
# The machine's own apt configuration, lists and packages are read, never changed.

set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${IMAGETOOLS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/imagetools}/oracle

say() { echo "oracle: $*" >&2; }
die() { say "$*"; exit 1; }

# sources_hash FILE... prints a short hash over names and contents.
sources_hash() {
	(cd "$here" && for f in "$@"; do echo "$f"; cat "$f"; done) | sha256sum | cut -c1-12
}

# private_sources writes the machine's Debian sources, plus component contrib,
# into the file $1. Sources of other origins are left out.
private_sources() {
	local out=$1 codename f
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || die "this is no Debian release with a code name"
	: >"$out.list"
	: >"$out.sources"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] || continue
		awk -v suite="$codename" '
			/^deb[ \t]/ && index($0, " " suite) && / main/ {
				sub(/#.*/, "")
				print / contrib/ ? $0 : $0 " contrib"
			}' "$f" >>"$out.list"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		awk -v suite="$codename" '
			function flush() { if (ok && deb) print stanza; stanza = ""; ok = deb = 0 }
			/^[ \t]*$/ { flush(); next }
			/^#/ { next }
			/^Suites:/ && index($0, suite) { ok = 1 }
			/^Types:.*deb( |$)/ { deb = 1 }
			/^Components:/ && !/ contrib/ { $0 = $0 " contrib" }
			{ stanza = stanza $0 "\n" }
			END { flush() }' "$f" >>"$out.sources"
	done
	[ -s "$out.list" ] || [ -s "$out.sources" ] || die "no Debian $codename source found in /etc/apt"
}

# private_apt sets up (or refreshes, when older than 12 hours or asked to by
# $1 = fresh) package lists of our own. Call it with the cache lock held.
private_apt() {
	local dir=$cache/apt
	apt_conf=$dir/apt.conf
	mkdir -p "$dir/sources.list.d" "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/log"
	cat >"$apt_conf" <<-CONF
		Dir::Etc::SourceList "/dev/null";
		Dir::Etc::SourceParts "$dir/sources.list.d";
		Dir::State "$dir";
		Dir::State::Lists "$dir/lists";
		Dir::State::Status "/var/lib/dpkg/status";
		Dir::Cache "$dir/cache";
		Dir::Log "$dir/log";
		APT::Sandbox::User "root";
		APT::Get::Assume-Yes "true";
		APT::Install-Recommends "false";
		Acquire::Languages "none";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear Acquire::IndexTargets::deb::DEP-11;
	CONF
	private_sources "$dir/sources.list.d/debian"
	if [ "${1:-}" != fresh ] && [ -n "$(find "$dir/updated" -mmin -720 2>/dev/null)" ]; then
		return
	fi
	say "fetching package lists"
	apt-get -qq -c "$apt_conf" update >&2 || die "apt-get update failed"
	touch "$dir/updated"
}

# locked FILE COMMAND... runs the command, which prepares something, while no other process holds
# the lock.
locked() {
	local file=$1
	[ -z "${IMAGETOOLS_PREPARED_ONLY:-}" ] || die "not prepared: run make oracles"
	shift
	mkdir -p "$(dirname "$file")"
	exec 9>"$file"
	flock 9
	"$@"
	exec 9>&-
}

# newest PATTERN prints the newest finished folder of the cache that matches.
newest() {
	local found
	found=$(ls -1dt "$cache"/$1 2>/dev/null | head -n1) || true
	[ -n "$found" ] && echo "$found"
}

# fetch_packages DIR PACKAGE... unpacks packages into the new folder DIR.
# A file DIR/.packages keeps their names and versions.
fetch_packages() {
	local dir=$1 debs deb
	shift
	debs=$(mktemp -d "$cache/tmp.XXXXXX")
	(cd "$debs" && apt-get -qq -c "$apt_conf" download "$@" >&2) || {
		rm -rf "$debs"
		return 1
	}
	mkdir -p "$dir"
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$dir"
		dpkg-deb -f "$deb" Package Version | sed 's/^[^:]*: //' | paste -sd' ' >>"$dir/.packages"
	done
	rm -rf "$debs"
}

# candidate PACKAGE prints the version that apt would fetch.
candidate() {
	apt-cache -c "$apt_conf" policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}
