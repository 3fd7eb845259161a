package prepare

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"imagetools/rootfs"
	"imagetools/tree"
)

// ParseAddress reads an address that a zone can have.
func ParseAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	addr = addr.Unmap()
	switch {
	case err != nil || addr.Zone() != "":
		return netip.Addr{}, fmt.Errorf("address %q: 10.0.0.5 or fd00::5 is the form of one", s)
	case !isOwn(addr):
		return netip.Addr{}, fmt.Errorf("address %q: no zone has it as its own", s)
	}
	return addr, nil
}

// isOwn tells whether an address may be one of a zone's.
func isOwn(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// maxAddresses bounds what a file of the zone may have us look for.
const maxAddresses = 1000

// addresses are those that are given, and those that the files of the zone tell: the settings
// of its interfaces, and what /etc/hosts says of its name.
func (f *finder) addresses() []netip.Addr {
	var list []netip.Addr
	add := func(a netip.Addr) {
		if a = a.WithZone("").Unmap(); isOwn(a) && len(list) < maxAddresses {
			list = append(list, a)
		}
	}
	for _, a := range f.opts.Addresses {
		add(a)
	}
	for _, pattern := range []string{"/etc/hostname.net*", "/etc/hostname6.net*"} {
		for _, p := range f.glob(pattern) {
			text, err := optional(f.fs, p)
			f.fault(p, err)
			for _, a := range interfaceAddresses(text) {
				add(a)
			}
		}
	}
	name, err := optional(f.fs, "/etc/nodename")
	f.fault("/etc/nodename", err)
	name = strings.TrimSpace(name)
	hosts, err := optional(f.fs, "/etc/hosts")
	f.fault("/etc/hosts", err)
	for line := range strings.Lines(hosts) {
		a, names := hostsLine(line)
		if name != "" && name != "unknown" && slices.ContainsFunc(names, func(n string) bool { return n == name || strings.HasPrefix(n, name+".") }) {
			add(a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// interfaceAddresses reads a file of the form of ifconfig(8)'s arguments, which is that of
// /etc/hostname.INTERFACE.
func interfaceAddresses(text string) (list []netip.Addr) {
	before := ""
	for word := range strings.FieldsSeq(text) {
		host, _, _ := strings.Cut(word, "/")
		if a, err := netip.ParseAddr(host); err == nil && before != "netmask" && before != "broadcast" && before != "destination" {
			list = append(list, a)
		}
		before = word
	}
	return list
}

// placeholder is what zoneinit fills in for an address.
func placeholder(a netip.Addr) string {
	if a.IsPrivate() || a.IsLinkLocalUnicast() {
		return "@PRIVATE_IP@"
	}
	return "@PUBLIC_IP@"
}

// sysconf are the directories in which addresses are looked for.
var sysconf = []string{"/etc/", "/opt/local/etc/"}

// placeholders plans that the addresses become placeholders.
func (f *finder) placeholders(addresses []netip.Addr) {
	if len(addresses) == 0 {
		return
	}
	for _, dir := range sysconf {
		err := f.fs.Walk(dir, func(p string, info rootfs.Info) error {
			if err := f.ctx.Err(); err != nil {
				return err
			}
			if info.Mode.Type() == tree.TypeFile && !f.isClaimed(p) {
				f.searchFile(p, info, addresses)
			}
			return nil
		})
		if !missing(err) {
			f.fault(dir, err)
		}
	}
}

// searchFile plans the change of a file that holds addresses.
func (f *finder) searchFile(p string, info rootfs.Info, addresses []netip.Addr) {
	if info.Size > maxFile {
		f.note("%q was not searched for addresses: it has %d bytes", p, info.Size)
		return
	}
	data, err := f.fs.ReadFile(p, maxFile)
	if err != nil {
		f.fault(p, err)
		return
	}
	for _, a := range addresses {
		edit := func(data []byte) []byte { return replaceAddress(data, a) }
		switch {
		case bytes.Equal(data, edit(data)):
		case bytes.IndexByte(data, 0) >= 0:
			f.note("%q holds the address %s and stays as it is, for it is no text", p, a)
		default:
			f.change(p, Rewrite, fmt.Sprintf("it holds the address %s of this machine", a), rewrite(edit))
		}
	}
}

// replaceAddress puts its placeholder in the place of an address, but not of a longer one that
// holds it.
func replaceAddress(data []byte, a netip.Addr) []byte {
	text := []byte(a.String())
	var out []byte
	done := 0 // up to there data is in out
	for from := 0; ; {
		i := bytes.Index(data[from:], text)
		if i < 0 {
			break
		}
		start := from + i
		end := start + len(text)
		if partOfOther(data, start, end, a) {
			from = start + 1
			continue
		}
		out = append(append(out, data[done:start]...), placeholder(a)...)
		done, from = end, end
	}
	if done == 0 {
		return data
	}
	return append(out, data[done:]...)
}

// partOfOther tells whether the address in data[start:end] is only a part of a longer one.
func partOfOther(data []byte, start, end int, a netip.Addr) bool {
	digits, all := "0123456789", "0123456789."
	if a.Is6() {
		digits, all = "0123456789abcdefABCDEF", "0123456789abcdefABCDEF:."
	}
	in := func(set string, i int) bool { return i >= 0 && i < len(data) && strings.IndexByte(set, data[i]) >= 0 }
	if in(digits, start-1) || in(digits, end) {
		return true
	}
	if a.Is4() {
		return in(".", start-1) && in(digits, start-2) || in(".", end) && in(digits, end+1)
	}
	const longest = 45 // of an address
	from, to := start, end
	for in(all, from-1) && start-from < longest {
		from--
	}
	for in(all, to) && to-end < longest {
		to++
	}
	around := string(data[from:to])
	if other, err := netip.ParseAddr(around); err == nil {
		return other != a
	}
	// Punctuation may touch an address; what else makes it none is part of something else.
	const punctuation = ":."
	return strings.Trim(around, punctuation) != strings.Trim(string(data[start:end]), punctuation)
}
