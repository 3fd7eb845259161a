package prepare

import (
	"net/netip"
	"slices"
	"strings"
)

// localNames are the names that every machine gives itself.
var localNames = map[string]bool{
	"localhost": true, "loghost": true, "localhost.local": true, "localhost.localdomain": true,
	"localhost4": true, "localhost4.localdomain4": true, "localhost6": true, "localhost6.localdomain6": true,
	"ip6-localhost": true, "ip6-loopback": true,
}

// hostsLine splits a line of hosts(5): the address and the names before a comment. What is no
// entry has no address.
func hostsLine(line string) (addr netip.Addr, names []string) {
	text, _, _ := strings.Cut(line, "#")
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(fields[0])
	if err != nil {
		return netip.Addr{}, nil
	}
	return addr, fields[1:]
}

// localHosts leaves the comments of a hosts file, and of its entries those of localhost, with
// the names that every machine has. The two that are needed are added.
func localHosts(data []byte) []byte {
	var out strings.Builder
	have := map[netip.Addr]bool{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") || strings.TrimSpace(line) == "" {
			out.WriteString(line)
			continue
		}
		addr, names := hostsLine(line)
		local := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !localNames[name] })
		if !addr.IsLoopback() || !slices.Contains(local, "localhost") {
			continue
		}
		have[addr] = true
		if len(local) == len(names) {
			out.WriteString(line)
		} else {
			out.WriteString(addr.String() + "\t" + strings.Join(local, " ") + "\n")
		}
	}
	for _, entry := range []string{"::1\tlocalhost\n", "127.0.0.1\tlocalhost loghost\n"} {
		if addr, _ := hostsLine(entry); !have[addr] {
			if s := out.String(); s != "" && !strings.HasSuffix(s, "\n") {
				out.WriteByte('\n')
			}
			out.WriteString(entry)
		}
	}
	return []byte(out.String())
}

// withoutHost takes the name of a machine, alone or with a domain, out of a hosts file.
func withoutHost(data []byte, host string) []byte {
	short, _, _ := strings.Cut(host, ".")
	isHost := func(name string) bool {
		return name == host || name == short || strings.HasPrefix(name, short+".")
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		addr, names := hostsLine(line)
		others := slices.DeleteFunc(slices.Clone(names), isHost)
		switch {
		case len(others) == len(names):
			out.WriteString(line)
		case len(others) > 0:
			out.WriteString(addr.String() + "\t" + strings.Join(others, " ") + "\n")
		}
	}
	return []byte(out.String())
}

// passwords plans that users have none: their field in shadow(5) becomes value. It tells of the
// others who have one.
func (f *finder) passwords(users []string, value string) {
	const shadow = "/etc/shadow"
	text, err := optional(f.fs, shadow)
	if err != nil {
		f.fault(shadow, err)
		return
	}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(fields) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		user, password := fields[0], fields[1]
		switch {
		case !slices.Contains(users, user):
			if password == "" {
				f.note("user %q stays as it is, and needs no password", user)
			} else if !noPassword[password] {
				f.note("the password of user %q stays", user)
			}
		case password != value && (f.plan.OS == SmartOS || !noPassword[password]):
			f.edit(shadow, "the password of "+user, func(data []byte) []byte { return setPassword(data, user, value) })
		}
	}
}

// noPassword are values of shadow(5) that no password fits.
var noPassword = map[string]bool{"*": true, "!": true, "!!": true, "!*": true, "x": true, "NP": true, "*NP*": true, "*LK*": true, "UP": true}

// setPassword sets the second field in the lines of a user.
func setPassword(data []byte, user, value string) []byte {
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, user+":"); ok {
			_, after, more := strings.Cut(rest, ":")
			if more {
				line = user + ":" + value + ":" + after
			}
		}
		out.WriteString(line)
	}
	return []byte(out.String())
}
