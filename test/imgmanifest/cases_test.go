// SPDX-License-Identifier: MIT

package imgmanifest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A manifestCase is one manifest to compare opinions about.
type manifestCase struct {
	name  string
	field string // what was changed; where imgmanifest throws, our fault must name it
	text  []byte
}

const (
	someUUID  = `"01b2c898-945f-11e1-a523-af1afbe22822"`
	zeroUUID  = `"00000000-0000-0000-0000-000000000000"`
	someStamp = `"20141030T081701Z"`
	someFile  = `{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","size":20,"compression":"gzip"}`
)

// bases are the manifests to start from, each accepted by at least one reader.
var bases = map[string]string{
	"zone": `{"v":2,"uuid":` + someUUID + `,"owner":` + zeroUUID + `,"name":"base-64","version":"20.4.0",
		"description":"d","homepage":"https://example.org/","eula":"http://example.org/eula","urn":"sdc:sdc:base-64:20.4.0",
		"disabled":false,"activated":true,"state":"active","published_at":"2020-11-30T12:00:00.123Z","public":true,
		"type":"zone-dataset","os":"smartos","origin":` + someUUID + `,"error":{"message":"m"},"files":[` + someFile + `],
		"icon":false,"acl":[` + someUUID + `],
		"requirements":{"networks":[{"name":"net0","description":"public"}],"brand":"joyent","ssh_key":true,
			"min_ram":128,"max_ram":256,"min_platform":{"7.0":` + someStamp + `},"max_platform":{"7.0":` + someStamp + `}},
		"users":[{"name":"root"}],"billing_tags":["a"],"traits":{"a":true,"b":"c","d":["e"]},"tags":{"role":"os"},
		"generate_passwords":true,"inherited_directories":["/opt"]}`,
	"zvol": `{"v":2,"uuid":` + someUUID + `,"owner":` + zeroUUID + `,"name":"vm","version":"1","disabled":false,
		"activated":false,"state":"unactivated","public":false,"type":"zvol","os":"linux","files":[` + someFile + `],
		"requirements":{"brand":"bhyve","bootrom":"uefi"},
		"nic_driver":"virtio","disk_driver":"virtio","cpu_type":"host","image_size":10240}`,
	"lx":     `{"v":2,"uuid":` + someUUID + `,"name":"lx","version":"1","type":"lx-dataset","os":"linux","requirements":{"brand":"lx"}}`,
	"lxd":    `{"v":2,"uuid":` + someUUID + `,"name":"lxd","version":"1","type":"lxd","os":"linux","files":[` + someFile + `,` + someFile + `]}`,
	"docker": `{"v":2,"uuid":` + someUUID + `,"name":"docker-layer","version":"8ddc19f16526","type":"docker","os":"linux","tags":{"docker:id":"sha256:8ddc","docker:tag:latest":true}}`,
	"making": `{"v":2,"uuid":` + someUUID + `,"owner":` + zeroUUID + `,"name":"n","version":"1","disabled":false,
		"activated":false,"public":false,"state":"creating","type":"null","os":"null"}`,
}

var fields = []string{
	"v", "uuid", "owner", "name", "version", "description", "homepage", "eula", "urn", "disabled", "activated",
	"state", "published_at", "public", "type", "os", "origin", "error", "files", "icon", "acl", "requirements",
	"users", "billing_tags", "traits", "tags", "generate_passwords", "inherited_directories", "nic_driver",
	"disk_driver", "cpu_type", "image_size", "channels", "surprise", "hasOwnProperty", "__proto__", "0",
}

var requirements = []string{
	"networks", "brand", "ssh_key", "min_ram", "max_ram", "min_platform", "max_platform", "bootrom",
	"surprise", "__proto__",
}

// anyValues are given to every field, whatever its type.
var anyValues = []string{
	``, // the field is taken out
	`null`, `true`, `false`, `"true"`, `"false"`, `"True"`, `"null"`, `""`, `" "`, `"x"`, `"2"`, `"-1"`, `"1.5"`, `"0x10"`,
	`0`, `-0`, `1`, `2`, `-1`, `1.5`, `1e3`, `1e999`, `1e21`, `1e-7`, `123456789012345678901`,
	`[]`, `[null]`, `["x"]`, `["2"]`, `[[2]]`, `["a","b"]`, `[1]`, `[{}]`, `[[]]`, `[true]`,
	`{}`, `{"a":1}`, `{"a":null}`, `{"name":"n"}`, `{"toString":1}`, `{"valueOf":1}`, `{"length":99999}`, `{"length":"99999"}`,
	someUUID, `[` + someUUID + `]`, `"http://example.org/"`, `"2020-11-30T12:00:00Z"`, `["2020-11-30T12:00:00Z"]`,
	`"zvol"`, `["zvol"]`, `"toString"`, someStamp,
}

// special are the values that mean something to one field.
var special = map[string][]string{
	"v":    {`"0b11"`, `"0o7"`, `"Infinity"`, `"-Infinity"`, `"1_0"`, `"1e1"`, `"."`, `".5"`, `"5."`, `"\u00a02\ufeff"`, `"\t\n\r2\u000b\f"`, `"\u200a2\u200b"`, `"\u20282"`, `"nan"`, `"inf"`, `"0x1p4"`, `"+-1"`, `{"toString":"2"}`},
	"uuid": {`"01B2C898-945F-11E1-A523-AF1AFBE22822"`, `"01b2c898945f11e1a523af1afbe22822"`, `"01b2c898-945f-11e1-a523-af1afbe2282"`, `"01b2c898-945f-11e1-a523-af1afbe228222"`, `"01b2c898-945f-91e1-0523-af1afbe22822"`, `"01b2c898-945f-11e1-a523-af1afbe22822\n"`, `"g1b2c898-945f-11e1-a523-af1afbe22822"`},
	"name": {long("n", 1023), long("n", 1024), long("n", 1025), `"a b"`, `"a/b"`, `"a+b"`, `"a:b"`, `"a\tb"`, `"a\n"`, `"é"`, `"🙂"`, long("🙂", 600), `"_.-/"`,
		`{"length":1}`, `{"length":1025}`, `{"length":{"toString":1}}`, `["` + strings.Repeat("n", 1025) + `"]`},
	"version":      {long("1", 511), long("1", 512), long("1", 513), `"a b"`, `"1+2"`, `"1.0~rc1"`, `"1,0"`, `1e21`, `1e-8`, `0.000001`, `-0.1`, `20260101`},
	"description":  {long("d", 10239), long("d", 10240), long("d", 10241), long("é", 10240), long("🙂", 5120), long("🙂", 5121), `"\n\u0000"`},
	"homepage":     urls(),
	"eula":         urls(),
	"state":        {`"active"`, `"unactivated"`, `"disabled"`, `"creating"`, `"failed"`, `"Active"`, `["active"]`},
	"published_at": {`"2020-11-30T12:00:00.1Z"`, `"2020-11-30T12:00:00.12Z"`, `"2020-11-30T12:00:00.123Z"`, `"2020-11-30T12:00:00.1234Z"`, `"2020-11-30T12:00:00+00:00"`, `"2020-11-30T12:00:00z"`, `"2020-11-30 12:00:00Z"`, `"2020-99-99T99:99:99Z"`, `"2020-11-30T12:00Z"`, `"2020-11-30"`, `" 2020-11-30T12:00:00Z"`, `"2020-11-30T12:00:00Z\n"`, `"٢٠٢٠-11-30T12:00:00Z"`, `1606737600`},
	"type":         {`"zone-dataset"`, `"lx-dataset"`, `"docker"`, `"lxd"`, `"other"`, `"Zvol"`, `"hvm"`, `"__proto__"`, `"constructor"`, `[["zvol"]]`, `["null"]`, `[["zvol"],[]]`},
	"os":           {`"smartos"`, `"linux"`, `"windows"`, `"bsd"`, `"illumos"`, `"other"`, `"Linux"`, `"plan9"`, `"valueOf"`, `["linux"]`},
	"files": {`[` + someFile + `]`, `[` + someFile + `,` + someFile + `]`, `[` + someFile + `,` + someFile + `,` + someFile + `]`, `[` + someFile + `,null]`, `[5]`, `["file"]`,
		file("sha1", ``), file("sha1", `""`), file("sha1", `5`), file("sha1", `null`), file("size", ``), file("size", `0`), file("size", `"20"`), file("size", `"0"`), file("size", `""`), file("size", `-1`), file("size", `1e999`), file("size", `[]`),
		file("compression", ``), file("compression", `"none"`), file("compression", `"bzip2"`), file("compression", `"xz"`), file("compression", `"zstd"`), file("compression", `"GZIP"`), file("compression", `["gzip"]`), file("compression", `""`), file("compression", `{}`), file("compression", `{"toString":1}`),
		file("dataset_guid", `"1234"`), file("dataset_guid", `null`), file("surprise", `1`), file("digest", `"sha256:0"`), file("__proto__", `{"size":1}`), `[{"__proto__":` + someFile + `}]`},
	"acl":                   {`[` + someUUID + `,"x","y"]`, `["x",` + someUUID + `]`, `[[` + someUUID + `]]`, `[` + someUUID + `,` + someUUID + `]`, `[{"toString":1}]`},
	"users":                 {`[{"name":null}]`, `[{"name":"a","x":1}]`, `[{"name":"a"},{"name":"b"}]`, `[{"name":1},"b",{}]`, `["root"]`, `[{"name":"a"},null]`},
	"billing_tags":          {array(long("b", 127)), array(long("b", 128)), array(long("b", 129)), array(long("🙂", 64)), array(long("🙂", 65)), `["a",1,null]`, `[""]`},
	"traits":                {`{"a":1}`, `{"a":1,"b":2}`, `{"a":{}}`, `{"a":[{}]}`, `{"a":""}`, `["a",true,["b"]]`, `[null,1]`, `{"__proto__":1}`},
	"tags":                  tags(),
	"inherited_directories": {`["/a","/b"]`, `["/a",1,null]`},
	"nic_driver":            {`"e1000"`, `"ehci"`},
	"image_size":            {`10240`, `"10240"`, `"10.5"`, `"abc"`, `"1e3"`, `-5`, `9007199254740993`, `[10]`, `" "`, `"Infinity"`},
	"error":                 {`{"message":"m","code":"NotSupported","stack":"s"}`, `{"code":1}`},
	"channels":              {`["dev"]`, `["dev","release"]`},
	"requirements":          {`"ab"`, `"🙂"`, `[{"networks":1}]`, `{"x":1,"y":2}`, `{"bootrom":"uefi"}`, `{"__proto__":{"x":1}}`, `{"__proto__":{"brand":"bhyve"},"bootrom":"uefi"}`, `{"brand":null,"__proto__":{"brand":1}}`, `{"__proto__":[1]}`},
}

// specialRequirements are the same for the keys of requirements.
var specialRequirements = map[string][]string{
	"networks":     {`[{"name":"a","description":"b"},{"name":"","description":""}]`, `[{"name":"a"}]`, `[{"description":"a"}]`, `[{"name":"a","description":"b","x":1}]`, `[{"name":null,"description":null}]`, `["net0"]`, `[1,2]`, `[{"name":"a","description":"b"},null]`},
	"brand":        {`"bhyve"`, `"lx"`},
	"min_ram":      {`256`, `257`, `-5`, `128.0`, `128.5`, `1e400`, `"128"`},
	"max_ram":      {`128`, `127`, `-5`, `128.5`, `1e400`, `"128"`},
	"min_platform": platforms(),
	"max_platform": platforms(),
	"bootrom":      {`"bios"`, `"uefi"`, `"UEFI"`, `["bios"]`},
	"__proto__":    {`{"brand":1}`, `{"networks":{}}`, `{"min_ram":1.5,"surprise":1}`, `{"bootrom":"bios"}`, `{"min_platform":{}}`},
}

func long(s string, n int) string { return `"` + strings.Repeat(s, n) + `"` }

func array(elements ...string) string { return "[" + strings.Join(elements, ",") + "]" }

func file(key, value string) string {
	return array(string(change([]byte(someFile), value, key)))
}

func urls() []string {
	host := strings.Repeat("h", 255)
	urls := []string{
		"https://example.org", "HTTPS://EXAMPLE.org/", "http:", "http:x", "http:/x", "http:///x", "http://", "ftp://example.org/",
		"javascript:alert(1)", "mailto:a@b", "//example.org/", "example.org", "/path", " http://example.org ", "\u00a0http://x\ufeff",
		"\u2003http://x", "\u0085http://x", `http:\\example.org\x`, `\http://x`, "http ://x", "ht\ntp://x", "h+t.t-p:x", "h_p://x", ":x", "http://a:b:c/",
		"http://[::1]/", "http://[::1", "http://[::1]:80/", "http://[]/", "http://a]b/", "http://a[/", "http://a/]", "http://a?]", "http://a#]", "http://x]@a/", "http://a:]",
		"http:a]b", "HTTP:a]b", "HTTP:/a]b", `http:\\a]b`, `http:/\a]b`, "http:/\n/a]b", "http://a\t]b", "http://a b]", `http://a"]`, "http://a%]b",
		"http://%zz@a/", "http://%@a/", "http://%4@a/", "http://%41@a/", "http://%c3%bc@a/", "http://%c3@a/", "http://%ff@a/", "http://%zz/@a", "http://%zz?@a", "Http:%zz@a",
		"http://a:b@c@d/", "http://a:99999999/", "http://a..b/", "http://-a_/", "http://[a\x00b]/", "http://a\x00b/", "http://" + host + "h]/", "http://" + host[1:] + "]/",
		"http://x/" + strings.Repeat("p", 1024-9), "http://x/" + strings.Repeat("p", 1025-9), "http://x/" + strings.Repeat("🙂", (1024-9)/2+1), "  http://x/" + strings.Repeat("p", 1024-9),
	}
	for i, u := range urls {
		quoted, _ := json.Marshal(u)
		urls[i] = string(quoted)
	}
	return urls
}

func tags() []string {
	fill := func(n int) string { return `{"a":` + long("t", n-len(`{"a":""}`)) + `}` }
	const limit = 100 * 1024
	values := []string{
		fill(limit), fill(limit + 1), `{"a":{"b":[null,{"c":1.5}]}}`, `{"docker:tag:latest":true}`,
		`{ "a" : ` + long("t", limit-len(`{"a":""}`)) + ` }`,
	}
	// What JavaScript spells in its own way, and in how many characters.
	for tail, length := range map[string]int{
		`1e3`: 4, `1.0`: 1, `-0`: 1, `1e999`: 4, `1e21`: 5, `0.0000001`: 4, `0.000001`: 8, `123456789012345680001`: 21, `-1.50`: 4,
		`"\u0000"`: 8, `"\u001f"`: 8, `"\n\f\r\t"`: 10, `" "`: 3, `"\u2028"`: 3, `"\u000b\b\/\"\\"`: 15, `"é"`: 3, `"🙂"`: 4, `"\ud83d\ude42"`: 4, `"<>&"`: 5, `"\u007f"`: 3,
		`[]`: 2, `{}`: 2, `[1, 2]`: 5, `{"x" : 1, "y":[]}`: 14, `null`: 4, `true`: 4,
	} {
		for n := range 3 {
			fit := limit - len(`{"a":"","b":}`) - length
			values = append(values, `{"a":`+long("t", fit-1+n)+`,"b":`+tail+`}`)
		}
	}
	return values
}

func platforms() []string {
	stamps := []string{
		"20120101T000000Z", "20111231T235959Z", "20121301T000000Z", "20120001T000000Z", "20120132T000000Z", "20120100T000000Z",
		"20120231T000000Z", "20120101T240000Z", "20120101T230060Z", "20120101T236000Z", "20120101t000000Z", "20120101T000000z",
		"20120101T000000", "20120101T000000ZZ", "2012-01-01T00:00", "abcdefghTijklmnZ", "2012 1 1T 0 0 0Z", "0x7eabcdT      Z",
		"9e99-1-1T-1-1-1Z", "Infi0101T000000Z", "é0120101T000000Z", "🙂120101T000000Z", "2012010🙂000000Z", "", "30000101T000000Z",
	}
	values := []string{
		`{"7.0":` + someStamp + `,"6.5":"x"}`, `{"7.0":"x","6.5":"y"}`, `{"":` + someStamp + `}`, `{"7.0":null}`, `{"7.0":5}`,
		array(someStamp), `{"7.0":[` + strings.Repeat(`1,`, 15) + `1]}`, `{"7.0":{"length":16}}`, `{"7.0":{"length":"16"}}`, `{"7.0":[` + someStamp + `]}`,
		`{"__proto__":"x"}`, `{"__proto__":` + someStamp + `}`,
	}
	for _, s := range stamps {
		values = append(values, `{"7.0":"`+s+`"}`)
	}
	return values
}

// cases are all the manifests of the comparison.
func cases() []manifestCase {
	var all []manifestCase
	add := func(base, value string, path ...string) {
		name := fmt.Sprintf("%s/%s=%s", base, strings.Join(path, "."), value)
		if value == "" {
			name = fmt.Sprintf("%s/%s absent", base, strings.Join(path, "."))
		}
		if len(name) > 100 {
			name = name[:80] + "…" + strconv.Itoa(len(all))
		}
		all = append(all, manifestCase{name, path[0], change([]byte(bases[base]), value, path...)})
	}
	for base, text := range bases {
		all = append(all, manifestCase{base, "", []byte(text)})
	}
	for _, base := range []string{"zone", "zvol"} {
		for _, field := range fields {
			for _, value := range slices.Concat(anyValues, special[field]) {
				add(base, value, field)
			}
		}
		for _, key := range requirements {
			for _, value := range slices.Concat(anyValues, specialRequirements[key]) {
				add(base, value, "requirements", key)
			}
		}
	}
	// Where the outcome depends on type, state or activation.
	for _, base := range []string{"lx", "lxd", "docker", "making"} {
		for _, field := range []string{"type", "os", "state", "activated", "files", "nic_driver", "image_size", "inherited_directories", "published_at"} {
			for _, value := range slices.Concat(anyValues, special[field]) {
				add(base, value, field)
			}
		}
	}
	for _, text := range []string{`{}`, `[]`, `[1,2]`, `null`, `"manifest"`, `5`, `true`} {
		all = append(all, manifestCase{"whole/" + text, "", []byte(text)})
	}
	return all
}

// change returns the JSON text with one field set to value, or taken out if value is empty. It
// works on the text of the fields, so that numbers and keys stay as they are spelled.
func change(text []byte, value string, path ...string) []byte {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		panic(err)
	}
	if object == nil {
		object = map[string]json.RawMessage{}
	}
	switch {
	case len(path) > 1:
		object[path[0]] = change(object[path[0]], value, path[1:]...)
	case value == "":
		delete(object, path[0])
	default:
		object[path[0]] = json.RawMessage(value)
	}
	var b strings.Builder
	for i, key := range slices.Sorted(maps.Keys(object)) {
		quoted, _ := json.Marshal(key)
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.Write(quoted)
		b.WriteByte(':')
		b.Write(object[key])
	}
	if len(object) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return []byte(b.String())
}

func TestChange(t *testing.T) {
	t.Parallel()
	got := string(change([]byte(`{"b":{"x":1e0},"a":2}`), `"y"`, "b", "z"))
	if want := `{"a":2,"b":{"x":1e0,"z":"y"}}`; got != want {
		t.Errorf("change = %s, want %s", got, want)
	}
}
