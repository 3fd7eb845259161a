package prepare

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

func TestLocalHosts(t *testing.T) {
	const both = "::1\tlocalhost\n127.0.0.1\tlocalhost loghost\n"
	for in, want := range map[string]string{
		"":   both,
		both: both,
		"127.0.0.1 localhost localhost.local loghost # c\n::1 localhost\n": "127.0.0.1 localhost localhost.local loghost # c\n::1 localhost\n",
		"# c\n\n127.0.0.1 web localhost\n10.0.0.5 web\n::1 web":            "# c\n\n127.0.0.1\tlocalhost\n::1\tlocalhost\n",
		"127.0.1.1 web\nfe00::0 ip6-localnet\nnonsense\n# end":             "# end\n" + both,
	} {
		if got := string(localHosts([]byte(in))); got != want {
			t.Errorf("localHosts(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWithoutHost(t *testing.T) {
	const in = "127.0.0.1 localhost\n127.0.1.1\tb7.example.com b7\n10.0.0.5 b7.lan db # c\n10.0.0.6 b77 b7x.y\n# b7\nb7 b7\n"
	const want = "127.0.0.1 localhost\n10.0.0.5\tdb\n10.0.0.6 b77 b7x.y\n# b7\nb7 b7\n"
	for _, host := range []string{"b7", "b7.example.com"} {
		if got := string(withoutHost([]byte(in), host)); got != want {
			t.Errorf("withoutHost(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestSetPassword(t *testing.T) {
	const in = "root:x:1::\nrootx:y:1::\nroot\nroot:z"
	if got := string(setPassword([]byte(in), "root", "NP")); got != "root:NP:1::\nrootx:y:1::\nroot\nroot:z" {
		t.Errorf("setPassword = %q", got)
	}
}

func TestReplaceAddress(t *testing.T) {
	for _, test := range []struct{ address, in, want string }{
		{"10.0.0.1", "10.0.0.1", "@PRIVATE_IP@"},
		{"10.0.0.1", "a 10.0.0.1. 10.0.0.1/8,10.0.0.1:80;10.0.0.1\n", "a @PRIVATE_IP@. @PRIVATE_IP@/8,@PRIVATE_IP@:80;@PRIVATE_IP@\n"},
		{"10.0.0.1", "10.0.0.12 110.0.0.1 10.0.0.1.5 5.10.0.0.1 x.10.0.0.1", "10.0.0.12 110.0.0.1 10.0.0.1.5 5.10.0.0.1 x.@PRIVATE_IP@"},
		{"1.1.1.1", "1.1.1.1.1.1 1.1.1.1", "1.1.1.1.1.1 @PUBLIC_IP@"},
		{"172.16.0.1", "172.16.0.1", "@PRIVATE_IP@"},
		{"172.32.0.1", "172.32.0.1", "@PUBLIC_IP@"},
		{"169.254.1.1", "169.254.1.1", "@PRIVATE_IP@"},
		{"fd00::5", "[fd00::5]:80 fd00::5/64 fd00::5: fd00::55 fd00::5:1 afd00::5 1:fd00::5", "[@PRIVATE_IP@]:80 @PRIVATE_IP@/64 @PRIVATE_IP@: fd00::55 fd00::5:1 afd00::5 1:fd00::5"},
		{"1::", "1::1::\xa0 1:: [1::], 1::. :1:: 2::1::", "1::1::\xa0 @PUBLIC_IP@ [@PUBLIC_IP@], @PUBLIC_IP@. :@PUBLIC_IP@ 2::1::"},
		{"2001:db8::1", "host=2001:db8::1", "host=@PUBLIC_IP@"},
	} {
		if got := string(replaceAddress([]byte(test.in), netip.MustParseAddr(test.address))); got != test.want {
			t.Errorf("replaceAddress(%q, %s) = %q, want %q", test.in, test.address, got, test.want)
		}
	}
}

func TestInterfaceAddresses(t *testing.T) {
	got := interfaceAddresses("10.1.1.5 netmask 255.255.255.0 broadcast 10.1.1.255 up\naddif 10.2.2.2/24 destination 10.2.2.1 inet6 fd00::5/64\ndhcp")
	want := []netip.Addr{netip.MustParseAddr("10.1.1.5"), netip.MustParseAddr("10.2.2.2"), netip.MustParseAddr("fd00::5")}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Only the last name of a pattern for private files may have wildcards, or Leak would not know
// them.
func TestLeakPatterns(t *testing.T) {
	for _, l := range leaks {
		if strings.ContainsAny(strings.TrimSuffix(l.pattern, l.name), `*?[\`) || strings.HasSuffix(l.pattern, "/") {
			t.Errorf("pattern %q", l.pattern)
		}
	}
}

// An edit made twice is the same as made once, and leaves no trace of what it takes away.
func FuzzEdits(f *testing.F) {
	f.Add([]byte("127.0.0.1 localhost web\n10.0.0.1 web\n"), "web", "10.0.0.1")
	f.Add([]byte("web:$6$x:1::\nfd00::1 10.0.0.1.10.0.0.1"), "web", "fd00::1")
	f.Add([]byte("::1 localhost"), "a.b", "1.1.1.1")
	f.Fuzz(func(t *testing.T, data []byte, name, address string) {
		edits := map[string]func([]byte) []byte{
			"localHosts":  localHosts,
			"withoutHost": func(b []byte) []byte { return withoutHost(b, name) },
			"setPassword": func(b []byte) []byte { return setPassword(b, name, "NP") },
		}
		if a, err := ParseAddress(address); err == nil {
			edits["replaceAddress"] = func(b []byte) []byte { return replaceAddress(b, a) }
		}
		for what, edit := range edits {
			before := bytes.Clone(data)
			once := edit(data)
			if !bytes.Equal(before, data) {
				t.Fatalf("%s changed what it was given", what)
			}
			if twice := edit(bytes.Clone(once)); !bytes.Equal(once, twice) {
				t.Errorf("%s(%q) = %q, and of that %q", what, data, once, twice)
			}
		}
		interfaceAddresses(string(data))
		for line := range strings.Lines(string(localHosts(data))) {
			if addr, _ := hostsLine(line); addr.IsValid() && !addr.IsLoopback() {
				t.Errorf("localHosts(%q) leaves %q", data, line)
			}
		}
	})
}
