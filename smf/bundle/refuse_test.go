package bundle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"imagetools/fault"

	"imagetools/smf/bundle"
)

const (
	header  = `<?xml version="1.0"?>` + "\n" + doctype + "\n"
	doctype = `<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">`
)

// Where the body of a test stands, and in which line it begins.
var (
	document = frame{"", ""}
	inBundle = frame{header + "<service_bundle type='manifest' name='x'>\n", "\n</service_bundle>"} // 4
	inSvc    = inBundle.in("<service name='test/svc' type='service' version='1'>", "</service>")    // 5
	inInst   = inSvc.in("<instance name='i' enabled='true'>", "</instance>")                        // 6
	inGroup  = inSvc.in("<property_group name='g' type='application'>", "</property_group>")        // 6
	inTmpl   = inSvc.in("<template><common_name><loctext xml:lang='C'>x</loctext></common_name>", "</template>")
	inPg     = inTmpl.in("<pg_pattern name='p' type='t'>", "</pg_pattern>")         // 7
	inProp   = inPg.in("<prop_pattern name='q' type='astring'>", "</prop_pattern>") // 8
	inNotify = inSvc.in("<notification_parameters>", "</notification_parameters>")  // 6
	inMethod = inSvc.in("<exec_method type='method' name='start' exec=':true' timeout_seconds='1'>", "</exec_method>")
)

type frame struct{ before, after string }

func (f frame) in(start, end string) frame {
	return frame{f.before + start + "\n", "\n" + end + f.after}
}

const (
	dependency = `<dependency name='d' grouping='require_all' restart_on='none' type='service'>`
	dependent  = `<dependent name='d' grouping='require_all' restart_on='none'>`
)

const badDeclaration = `not well-formed: <?xml has a version, then it can have encoding and standalone, all as NAME="VALUE"`

// long is a string of n bytes.
func long(n int) string { return strings.Repeat("x", n) }

var refused = []struct {
	name string
	in   frame
	body string
	want string // lines of "LINE: text"
}{
	// Not well-formed.
	{"empty", document, ``, `1: not well-formed: there is no element`},
	{"no XML", document, "hello\n", `1: not well-formed: text outside of the root element`},
	{"zeros", document, "\x00\x00\x00\x00", `1: not well-formed: illegal character code U+0000`},
	{"cut in a tag", document, header + "<service_bundle type='manifest' na", `3: not well-formed: unexpected EOF`},
	{"cut between tags", document, header + "<service_bundle type='manifest' name='x'>\n\n", `5: not well-formed: the file ends in <service_bundle> of line 3`},
	{"cut in a comment", inBundle, "<!-- ", `5: not well-formed: unexpected EOF`},
	{"wrong end", inBundle, "<service name='a' type='service' version='1'>\n</serwice>", `5: not well-formed: </serwice> ends <service> of line 4`},
	{"end without start", document, header + "</service_bundle>", `3: not well-formed: </service_bundle> without <service_bundle>`},
	{"second root", document, header + "<service_bundle type='manifest' name='x'/>\n<service_bundle type='manifest' name='x'/>", `4: not well-formed: <service_bundle> after the end of the root element`},
	{"text after the root", document, header + "<service_bundle type='manifest' name='x'/>\nx", `4: not well-formed: text outside of the root element`},
	{"attribute twice", inBundle, "<service name='a'\n name='b' type='service' version='1'/>", `5: not well-formed: attribute "name" of <service> is there twice`},
	{"attributes stuck together", inBundle, "<service name='a'type='service' version='1'/>", `4: not well-formed: attributes of <service>: they are given as NAME="VALUE", with blanks between them`},
	{"attribute without quotes", inBundle, "<service name=a type='service' version='1'/>", `4: not well-formed: unquoted or missing attribute value in element`},
	{"attribute without value", inBundle, "<service name type='service' version='1'/>", `4: not well-formed: attribute name without = in element`},
	{"< in a value", inBundle, "<service name='a<b' type='service' version='1'/>", `4: not well-formed: unescaped < inside quoted string`},
	{"lone &", inBundle, "<service name='a & b' type='service' version='1'/>", `4: not well-formed: invalid character entity & (no semicolon)`},
	{"reference to a control character", inGroup, "<propval name='p' type='astring' value='&#1;'/>", `6: not well-formed: illegal character code U+0001`},
	{"reference to NUL", inGroup, "<propval name='p' type='astring' value='&#0;'/>", `6: not well-formed: illegal character code U+0000`},
	{"reference beyond Unicode", inGroup, "<propval name='p' type='astring' value='&#x110000;'/>", `6: not well-formed: invalid character entity &#x110000;`},
	{"control character", inGroup, "<propval name='p' type='astring' value='\x01'/>", `6: not well-formed: illegal character code U+0001`},
	{"-- in a comment", inBundle, "<!-- a -- b -->", `4: not well-formed: invalid sequence "--" not allowed in comments`},
	{"]]> in text", inBundle, "]]>", `4: not well-formed: unescaped ]]> not in CDATA section`},
	{"half of a character", inGroup, "<propval name='p' type='astring' value='&#xD800;'/>", `6: not well-formed: &#xD800; is no character`},
	{"half of a character in text", inTmpl, "<description><loctext xml:lang='C'>&#57343;</loctext></description>", `6: not well-formed: &#57343; is no character`},
	{"reference before the root", document, header + "&#32;", `2: not well-formed: a reference outside of the root element`},
	{"reference after the root", document, header + "<service_bundle type='manifest' name='x'/>&#10;", `3: not well-formed: a reference outside of the root element`},
	{"NUL in a comment", inBundle, "<!--\n\x00 -->", `5: not well-formed: illegal character code U+0000`},
	{"escape in a comment", inBundle, "<!-- \x1b[31m -->", `4: not well-formed: illegal character code U+001B`},
	{"U+FFFE in a comment", inBundle, "<!-- \ufffe -->", `4: not well-formed: illegal character code U+FFFE`},
	{"half of a character in a comment", inBundle, "<!-- \xed\xa0\x80 -->", `4: not well-formed: invalid UTF-8`},
	{"escape in a processing instruction", inBundle, "<?pi \x1b?>", `4: not well-formed: illegal character code U+001B`},
	{"declaration without a version", document, "<?xml encoding='KOI8-R'?>\n" + doctype, `1: ` + badDeclaration},
	{"declaration of nothing", document, "<?xml?>\n" + doctype, `1: ` + badDeclaration},
	{"declaration without quotes", document, "<?xml version=1.0?>\n" + doctype, `1: ` + badDeclaration},
	{"declaration with more", document, "<?xml version='1.0' name='x'?>\n" + doctype, `1: ` + badDeclaration},
	{"declaration upside down", document, "<?xml version='1.0' standalone='yes' encoding='UTF-8'?>\n" + doctype, `1: ` + badDeclaration},
	{"late declaration", document, "\n" + header, `2: not well-formed: <?xml is not at the very beginning`},
	{"XML 1.1", document, `<?xml version="1.1"?>`, `1: not well-formed: xml: unsupported version "1.1"; only version 1.0 is supported`},

	// Encodings.
	{"no UTF-8", inGroup, "<propval name='p' type='ustring' value='gr\xfc\xdfe'/>", `6: not well-formed: invalid UTF-8`},
	{"UTF-16", document, "\xff\xfe<\x00?\x00", `1: the encoding UTF-16 is not supported`},
	{"UTF-16 without a mark", document, "<\x00?\x00x\x00", `1: the encoding UTF-16 is not supported`},
	{"EBCDIC", document, `<?xml version="1.0" encoding="EBCDIC-CP-US"?>`, `1: the encoding "EBCDIC-CP-US" is not supported`},
	{"ASCII that is none", document, "<?xml version='1.0' encoding='US-ASCII'?>\n<!-- \xe4 -->", `2: byte 0xe4 in a file that says it is US-ASCII`},

	// The DOCTYPE, and what comes from outside.
	{"no DOCTYPE", document, "<?xml version='1.0'?>\n<service_bundle type='manifest' name='x'/>", `2: there is no DOCTYPE`},
	{"DOCTYPE of nothing", document, "<!DOCTYPE service_bundle>", `1: DOCTYPE: the DTD is "": "/usr/share/lib/xml/dtd/service_bundle.dtd.1" is expected`},
	{"DOCTYPE of another DTD", document, `<!DOCTYPE service_bundle SYSTEM "service_bundle.dtd">`, `1: DOCTYPE: the DTD is "service_bundle.dtd": "/usr/share/lib/xml/dtd/service_bundle.dtd.1" is expected`},
	{"DOCTYPE of another document", document, `<!DOCTYPE html SYSTEM "x">`, `1: DOCTYPE "html": "service_bundle" is expected`},
	{"DOCTYPE of no form", document, `<!DOCTYPE service_bundle SYSTEM>`, `1: not well-formed: <!DOCTYPE is wrong, or not allowed here`},
	{"DOCTYPE with a comment", document, `<!DOCTYPE service_bundle <!-- x --> SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">`, `1: not well-formed: <!DOCTYPE is wrong, or not allowed here`},
	{"public name of other characters", document, `<!DOCTYPE service_bundle PUBLIC "a<b" "/usr/share/lib/xml/dtd/service_bundle.dtd.1">`, `1: not well-formed: <!DOCTYPE is wrong, or not allowed here`},
	{"DOCTYPE with an odd blank", document, strings.TrimSuffix(doctype, ">") + "[\u0085]>", `1: DOCTYPE: entities and other declarations of its own are refused`},
	{"processing instruction without a blank", inBundle, "<?pi'x'?>", `4: not well-formed: no blank behind <?pi`},
	{"declaration of no name", document, "<!\u009b31m>", `1: not well-formed: <! is wrong, or not allowed here`},
	{"DOCTYPE twice", document, header + doctype, `3: not well-formed: <!DOCTYPE is wrong, or not allowed here`},
	{"DOCTYPE after the root", document, header + "<service_bundle type='manifest' name='x'>\n" + doctype, `4: not well-formed: <!DOCTYPE is wrong, or not allowed here`},
	{"a declaration", document, "<!ELEMENT service_bundle ANY>", `1: not well-formed: <!ELEMENT is wrong, or not allowed here`},
	{"entity bomb", document, `<?xml version="1.0"?>
<!DOCTYPE service_bundle [ <!ENTITY a "aaaaaaaaaa"> <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"> <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"> ]>
<service_bundle type="manifest" name="&c;"/>`, `2: DOCTYPE: entities and other declarations of its own are refused`},
	{"external entity", document, strings.TrimSuffix(doctype, ">") + ` [<!ENTITY e SYSTEM "file:///etc/shadow">]>`, `1: DOCTYPE: entities and other declarations of its own are refused`},
	{"parameter entity", document, strings.TrimSuffix(doctype, ">") + "\n[<!ENTITY % manifest 'IGNORE'>]>", `1: DOCTYPE: entities and other declarations of its own are refused`},
	{"unknown entity", inBundle, "<service name='&e;' type='service' version='1'/>", `4: not well-formed: invalid character entity &e;`},
	{"XInclude", inBundle, "<xi:include href='other.xml'><xi:fallback/></xi:include>", `4: xi:include: other files are not read`},
	{"XInclude with a namespace", document, header + "<service_bundle type='manifest' name='x'\n xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='a'/></service_bundle>", "4: <service_bundle> has no attribute \"xmlns:xi\"\n4: xi:include: other files are not read"},
	{"CDATA", inTmpl, "<description><loctext xml:lang='C'><![CDATA[x]]></loctext></description>", `6: a CDATA section: svccfg does not take any`},
	{"processing instruction", inSvc, "<?php x ?>", `5: processing instruction "php" in <service>`},

	// Size.
	{"too long", document, header + "<!--" + long(4<<20) + "-->", `1: manifest of 4194412 bytes: the limit is 4194304`},
	{"too many elements", inGroup, strings.Repeat("<stability/>", 100_000), `6: more than 100000 elements`},
	{"too deep", document, header + strings.Repeat("<service_bundle type='manifest' name='x'>\n", 1000), `259: elements are nested more than 256 deep`},
	{"huge attribute", inGroup, "<propval name='p' type='astring' value='" + long(1<<20) + "'/>", `6: service "test/svc": property "g/p": a value of 1048576 bytes: the limit is 4095`},
	{"too many groups", inSvc, groups(1200) + instances(1000), `4: 1201000 property groups in all instances, those of their services included: the limit is 65536`},

	// The DTD: elements and their order.
	{"unknown element", inSvc, "<stabilty value='Unstable'/>", `5: <stabilty> is no element of a manifest`},
	{"unknown root", document, header + "<service/>", `3: the root element is <service>: <service_bundle> is expected`},
	{"misplaced element", inSvc, "<propval name='a' type='astring' value='b'/>", `5: <propval> does not belong into <service>`},
	{"services and bundles", inBundle, "<service_bundle type='manifest' name='y'/>\n<service name='s' type='service' version='1'/>", `5: <service> does not belong into <service_bundle> with <service_bundle>`},
	{"order in a service", inSvc, "<stability value='Unstable'/>\n<single_instance/>\n<create_default_instance enabled='true'/>",
		"6: <single_instance> must stand before <stability>\n7: <create_default_instance> must stand before <stability>"},
	{"order in an instance", inInst, "<property_group name='g' type='a'/>\n<exec_method type='method' name='m' exec='x' timeout_seconds='1'/>", `7: <exec_method> must stand before <property_group>`},
	{"order in a property group", inGroup, "<propval name='a' type='astring' value='b'/>\n<stability value='Stable'/>", `7: <stability> must stand before <propval>`},
	{"order in a prop_pattern", inProp, "<cardinality/><visibility value='hidden'/>", `8: <visibility> must stand before <cardinality>`},
	{"instance with a stability", inInst, "<stability value='Unstable'/>", `6: <stability> does not belong into <instance>`},
	{"second single_instance", inSvc, "<single_instance/>\n<single_instance/>", "6: a second <single_instance> in <service>\n6: service \"test/svc\": property \"general/single_instance\" is defined twice, first in line 5"},
	{"profile and credential", inMethod, "<method_context><method_profile name='a'/><method_credential user='b'/></method_context>",
		"6: <method_credential> beside <method_profile> in <method_context>: one of them is allowed\n6: service \"test/svc\": property \"start/use_profile\" is defined twice, first in line 6"},
	{"two lists", inGroup, "<property name='p' type='count'><count_list><value_node value='1'/></count_list><count_list><value_node value='1'/></count_list></property>",
		`6: a second <count_list> in <property>`},
	{"dependent of nothing", inSvc, dependent + "</dependent>", `5: <dependent> lacks a <service_fmri>`},
	{"template without a name", inSvc, "<template/>", `5: <template> lacks a <common_name>`},
	{"environment without variables", inMethod, "<method_context><method_environment/></method_context>", `6: <method_environment> lacks a <envvar>`},
	{"list without values", inGroup, "<property name='p' type='count'><count_list/></property>", `6: <count_list> lacks a <value_node>`},
	{"event without types", inNotify, "<event value='online'/>", `5: <notification_parameters> lacks a <type>`},
	{"text in a service", inSvc, "\n  enabled\n", `6: text "enabled" in <service>, which holds elements`},
	{"blank in an empty element", inSvc, "<single_instance> </single_instance>", `5: <single_instance> must be empty; not even blanks or a comment may be in it`},
	{"comment in an empty element", inSvc, "<single_instance><!-- x --></single_instance>", `5: <single_instance> must be empty; not even blanks or a comment may be in it`},
	{"element in an empty element", inSvc, "<stability value='Stable'><stability value='Stable'/></stability>", `5: <stability> must be empty; not even blanks or a comment may be in it`},
	{"element in text", inTmpl, "<description><loctext xml:lang='C'>a <b>b</b></loctext></description>", `6: <b> in <loctext>, which holds text alone`},

	// The DTD: attributes.
	{"service without anything", inBundle, "<service/>", "4: <service> lacks the attribute \"name\"\n4: <service> lacks the attribute \"version\"\n4: <service> lacks the attribute \"type\""},
	{"unknown attribute", inBundle, "<service name='s' type='service' version='1'\n enabled='true'/>", `5: <service> has no attribute "enabled"`},
	{"unknown type of service", inBundle, "<service name='s' type='daemon' version='1'/>", `4: <service>: attribute "type" is "daemon": it can be service, restarter or milestone`},
	{"unknown stability", inSvc, "<stability value='Committed'/>", `5: <stability>: attribute "value" is "Committed": it can be Standard, Stable, Evolving, Unstable, External or Obsolete`},
	{"enabled is yes", inSvc, "<create_default_instance enabled='yes'/>", `5: <create_default_instance>: attribute "enabled" is "yes": it can be true or false`},
	{"enabled is missing", inSvc, "<instance name='i'/>", `5: <instance> lacks the attribute "enabled"`},
	{"unknown grouping", inSvc, "<dependency name='d' grouping='all'\n restart_on='never' type='service'/>", "5: <dependency>: attribute \"grouping\" is \"all\": it can be require_all, require_any, exclude_all or optional_all\n" +
		`6: <dependency>: attribute "restart_on" is "never": it can be error, restart, refresh or none`},
	{"unknown type of value", inGroup, "<propval name='p' type='string' value='x'/>", `6: <propval>: attribute "type" is "string": it can be count, integer, opaque, host, hostname, net_address, net_address_v4, net_address_v6, time, astring, ustring, boolean, fmri or uri`},
	{"propval without a type", inGroup, "<propval name='p' value='x'/>", `6: <propval> lacks the attribute "type"`},
	{"lang without xml:", inTmpl, "<description><loctext lang='C'>x</loctext></description>", "6: <loctext> has no attribute \"lang\"\n6: <loctext> lacks the attribute \"xml:lang\""},

	// Bundles.
	{"profile", document, header + "<service_bundle type='profile' name='generic'/>", `3: service_bundle "generic" is of type "profile": only manifests can be imported`},
	{"archive", document, header + "<service_bundle type='archive' name='all'/>", `3: service_bundle "all" is of type "archive": only manifests can be imported`},
	{"bundle of no known type", document, header + "<service_bundle type='Manifest' name='x'/>", `3: service_bundle "x" is of type "Manifest": "manifest" is expected`},
	{"profile in a manifest", inBundle, "<service_bundle type='profile' name='y'/>", `4: service_bundle "y" is of type "profile": only manifests can be imported`},
	{"bundle without a name", document, header + "<service_bundle type='manifest' name=''/>", `3: service_bundle has an empty name`},

	// Names.
	{"service without a name", inBundle, "<service name='' type='service' version='1'/>", `4: service "": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"service as an FMRI", inBundle, "<service name='svc:/a' type='service' version='1'/>", `4: service "svc:/a": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"service with an instance", inBundle, "<service name='system/cron:default' type='service' version='1'/>", `4: service "system/cron:default": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"service with two slashes", inBundle, "<service name='system//cron' type='service' version='1'/>", `4: service "system//cron": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"part of one letter", inBundle, "<service name='system/x/cron' type='service' version='1'/>", `4: service "system/x/cron": svccfg refuses parts of one letter, such as "x", before a slash`},
	{"long name of a service", inBundle, "<service name='" + long(115) + "' type='service' version='1'/>", "4: service \"" + long(115) + "\": a name of 115 bytes: the limit is 114"},
	{"instance that is a number", inSvc, "<instance name='1' enabled='true'/>", `5: service "test/svc": instance "1": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"property group with a dot", inSvc, "<property_group name='a.b' type='c'/>", `5: service "test/svc": property group "a.b": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"property group of no type", inSvc, "<property_group name='a' type=''/>", `5: service "test/svc": property group "a": type "": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"long name of a property", inGroup, "<propval name='" + long(120) + "' type='astring' value=''/>", "6: service \"test/svc\": property \"g/" + long(120) + "\": a name of 120 bytes: the limit is 119"},
	{"two commas in a property", inGroup, "<propval name='a,b,c' type='astring' value=''/>", `6: service "test/svc": property "g/a,b,c": letters, digits, - and _ are expected, first a letter; one comma may be in it`},

	// Twice.
	{"service twice", inBundle, "<service name='s' type='service' version='1'/>\n<service name='s' type='service' version='1'/>", `5: service "s" is defined twice, first in line 4`},
	{"service twice in two bundles", inBundle, "<service_bundle type='manifest' name='y'><service name='s' type='service' version='1'/></service_bundle>\n" +
		"<service_bundle type='manifest' name='z'><service name='s' type='service' version='1'/></service_bundle>", `5: service "s" is defined twice, first in line 4`},
	{"instance twice", inSvc, "<create_default_instance enabled='true'/>\n<instance name='default' enabled='true'/>", `6: instance "test/svc:default" is defined twice, first in line 5`},
	{"property twice", inGroup, "<propval name='p' type='astring' value='a'/>\n<propval name='p' type='count' value='1'/>", `7: service "test/svc": property "g/p" is defined twice, first in line 6`},
	{"enabled twice", inInst, "<property_group name='general' type='framework'>\n<propval name='enabled' type='boolean' value='true'/></property_group>", `7: instance "test/svc:i": property "general/enabled" is defined twice, first in line 5`},
	{"method twice", inSvc, "<exec_method type='method' name='m' exec='x' timeout_seconds='1'/>\n<exec_method type='method' name='m' exec='x' timeout_seconds='1'/>",
		"6: service \"test/svc\": property \"m/type\" is defined twice, first in line 5\n6: service \"test/svc\": property \"m/exec\" is defined twice, first in line 5\n" +
			`6: service "test/svc": property "m/timeout_seconds" is defined twice, first in line 5`},
	{"group of two types", inSvc, "<property_group name='a' type='b'/>\n<property_group name='a' type='c'/>", `6: service "test/svc": property group "a" is of type "c", and of type "b" before`},
	{"dependent twice", inSvc, dependent + "<service_fmri value='svc:/s'/></dependent>\n" + dependent + "<service_fmri value='svc:/t'/></dependent>", `6: service "test/svc": dependent "d" is defined twice, first in line 5`},
	{"dependent and dependency", inSvc, dependency + "</dependency>\n" + dependent + "<service_fmri value='svc:/s'/></dependent>", `6: service "test/svc": dependent "d": there is a property group of that name`},
	{"dependent and property group", inSvc, dependent + "<service_fmri value='svc:/s'/></dependent>\n<property_group name='d' type='a'/>", `5: service "test/svc": dependent "d": there is a property group of that name`},
	{"external twice", inSvc, dependent + "<service_fmri value='svc:/s'/>\n<propval name='external' type='boolean' value='true'/></dependent>", `6: service "test/svc": property "d/external" is defined twice, first in line 5`},

	// Values.
	{"list of another type", inGroup, "<property name='p' type='count'><integer_list><value_node value='1'/></integer_list></property>", `6: service "test/svc": property "g/p": <integer_list> in it: <count_list> is expected`},
	{"count of no digits", inGroup, "<propval name='p' type='count' value=''/>", `6: service "test/svc": property "g/p": "": a number is expected`},
	{"count with a unit", inGroup, "<propval name='p' type='count' value='5s'/>", `6: service "test/svc": property "g/p": "5s": a number is expected`},
	{"count of 65 bits", inGroup, "<propval name='p' type='count' value='18446744073709551616'/>", `6: service "test/svc": property "g/p": "18446744073709551616": a number of at most 64 bits is expected`},
	{"hexadecimal count", inGroup, "<propval name='p' type='count' value='0x10'/>", `6: service "test/svc": property "g/p": "0x10": a number is expected`},
	{"count with two signs", inGroup, "<propval name='p' type='count' value='-+1'/>", `6: service "test/svc": property "g/p": "-+1": a number is expected`},
	{"integer of 64 bits and a sign", inGroup, "<property name='p' type='integer'><integer_list><value_node value='-9223372036854775808'/>\n<value_node value='9223372036854775808'/></integer_list></property>",
		`7: service "test/svc": property "g/p": "9223372036854775808": a number of at most 64 bits with its sign is expected`},
	{"boolean 1", inGroup, "<propval name='p' type='boolean' value='1'/>", `6: service "test/svc": property "g/p": "1": true or false is expected`},
	{"half a byte", inGroup, "<propval name='p' type='opaque' value='abc'/>", `6: service "test/svc": property "g/p": "abc": an even number of hexadecimal digits is expected`},
	{"time of ten digits", inGroup, "<propval name='p' type='time' value='1.0000000001'/>", `6: service "test/svc": property "g/p": "1.0000000001": a fraction of one to nine digits is expected`},
	{"time without seconds", inGroup, "<propval name='p' type='time' value='.5'/>", `6: service "test/svc": property "g/p": ".5": seconds are expected, with or without a fraction`},
	{"URI without a path", inGroup, "<propval name='p' type='uri' value='http://example.com'/>", `6: service "test/svc": property "g/p": "http://example.com": a URI with a path is expected`},
	{"FMRI", inGroup, "<propval name='p' type='fmri' value='svc:/a b'/>", `6: service "test/svc": property "g/p": "svc:/a b": service "a b": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"FMRI of a bad instance", inGroup, "<propval name='p' type='fmri' value='svc:/a:'/>", `6: service "test/svc": property "g/p": "svc:/a:": instance "": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"FMRI of a bad provider", inGroup, "<propval name='p' type='fmri' value='svc:/1,a'/>", `6: service "test/svc": property "g/p": "svc:/1,a": service "1,a": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"FMRI of a bad property group", inGroup, "<propval name='p' type='fmri' value='svc:/a/:properties/'/>", `6: service "test/svc": property "g/p": "svc:/a/:properties/": property group "": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"long FMRI", inGroup, "<propval name='p' type='fmri' value='file:/" + long(4090) + "'/>", `6: service "test/svc": property "g/p": a value of 4096 bytes: the limit is 4095`},
	{"host alone", inSvc, dependent + "<service_fmri value='svc://localhost'/></dependent>", `5: service "test/svc": dependent "d": "svc://localhost": a service or instance is expected`},
	{"file of a host alone", inSvc, dependency + "<service_fmri value='file://localhost'/></dependency>", `5: service "test/svc": property "d/entities": "file://localhost": an absolute path is expected`},
	{"dependent of a long name", inSvc, dependent + "<service_fmri value='svc:/aa/" + long(117) + "'/></dependent>", "5: service \"test/svc\": dependent \"d\": \"svc:/aa/" + long(117) + "\": a name of 120 bytes: the limit is 119"},
	{"FMRI of a bad property", inGroup, "<propval name='p' type='fmri' value='svc:/a/:properties/b/c.d'/>", `6: service "test/svc": property "g/p": "svc:/a/:properties/b/c.d": property "c.d": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"FMRI of a bad host", inGroup, "<propval name='p' type='fmri' value='svc://a.b/c'/>", `6: service "test/svc": property "g/p": "svc://a.b/c": host "a.b": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"relative file", inSvc, dependency + "\n<service_fmri value='file:etc/passwd'/></dependency>", `6: service "test/svc": property "d/entities": "file:etc/passwd": an absolute path is expected`},
	{"file of another host", inSvc, dependency + "\n<service_fmri value='file://remote/etc/passwd'/></dependency>", `6: service "test/svc": property "d/entities": "file://remote/etc/passwd": host "remote": only "localhost" has files`},
	{"restarter", inSvc, "<restarter><service_fmri value='inetd!'/></restarter>", `5: service "test/svc": property "general/restarter": "inetd!": service "inetd!": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"dependent of a file", inSvc, dependent + "<service_fmri value='file:///etc/passwd'/></dependent>", `5: service "test/svc": dependent "d": "file:///etc/passwd": a service or instance is expected`},
	{"dependent of no service", inSvc, dependent + "<service_fmri value='svc:'/></dependent>", `5: service "test/svc": dependent "d": "svc:": a service or instance is expected`},
	{"dependent of a property group", inSvc, dependent + "<service_fmri value='svc:/a/:properties/b'/></dependent>", `5: service "test/svc": dependent "d": "svc:/a/:properties/b": a service or instance is expected`},
	{"dependent elsewhere", inSvc, dependent + "<service_fmri value='svc://remote/a'/></dependent>", `5: service "test/svc": dependent "d": "svc://remote/a": host "remote": only "localhost" has services`},
	{"timeout", inSvc, "<exec_method type='method' name='m' exec='x' timeout_seconds='1m'/>", `5: service "test/svc": method "m": timeout_seconds "1m": a number is expected`},
	{"long value", inMethod, "<propval name='p' type='ustring' value='" + long(4096) + "'/>", `6: service "test/svc": property "start/p": a value of 4096 bytes: the limit is 4095`},
	{"variable without a name", inMethod, "<method_context><method_environment><envvar name='' value='x'/></method_environment></method_context>", `6: service "test/svc": environment variable "": a name without = is expected`},
	{"variable with =", inMethod, "<method_context><method_environment><envvar name='A=B' value='x'/></method_environment></method_context>", `6: service "test/svc": environment variable "A=B": a name without = is expected`},
	{"variable SMF_", inMethod, "<method_context><method_environment><envvar name='SMF_FMRI' value='x'/></method_environment></method_context>", `6: service "test/svc": environment variable "SMF_FMRI": names in SMF_ are reserved`},

	// Notification.
	{"unknown event", inNotify, "<event value='to-online,to-heaven'/><type name='smtp'/>", `6: service "test/svc": unknown event "to-heaven"`},
	{"no event", inNotify, "<event value=','/><type name='smtp'/>", `6: service "test/svc": 0 events: 1 to 64 are expected`},
	{"many events", inNotify, "<event value='" + strings.Repeat("online,", 65) + "'/><type name='smtp'/>", `6: service "test/svc": 65 events: 1 to 64 are expected`},
	{"events of faults", inNotify, "<event value='problem-diagnosed'/><type name='smtp'/>", `6: service "test/svc": events of faults belong into "svc:/system/fm/notify-params:default"`},
	{"events mixed", inNotify, "<event value='list.suspect,online'/><type name='smtp'/>", `6: service "test/svc": events of states and of faults in one list`},
	{"events of all", inBundle, "<service name='system/svc/global' type='service' version='1'>\n<notification_parameters><event value='all'/><type name='smtp'/></notification_parameters></service>", `5: service "system/svc/global": it can have no events of states`},
	{"empty parameter", inNotify, "<event value='to-online'/><type name='smtp'>\n<paramval name='to' value=''/></type>", `7: service "test/svc": property "to-online/smtp,to": its value is empty`},
	{"parameter active", inNotify, "<event value='to-online'/><type name='smtp'>\n<paramval name='active' value='x'/></type>", `6: service "test/svc": property "to-online/smtp,active" is defined twice, first in line 7`},
	{"type without a name", inNotify, "<event value='to-online'/><type name=''/>", `6: service "test/svc": <type> has an empty name`},

	// Templates.
	{"empty text", inTmpl, "<description><loctext xml:lang='C'/></description>", `6: service "test/svc": <loctext> of <description> is empty`},
	{"text twice", inTmpl, "<description><loctext xml:lang='C'>a</loctext><loctext xml:lang='C'>b</loctext></description>", `6: service "test/svc": property "tm_description/C" is defined twice, first in line 6`},
	{"language that is a number", inTmpl, "<description><loctext xml:lang='1'>a</loctext></description>", `6: service "test/svc": property "tm_description/1": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"pattern twice", inTmpl, "<pg_pattern/><pg_pattern/>", `6: service "test/svc": property group "tm_pgpat_" is defined twice`},
	{"pattern of a bad name", inTmpl, "<pg_pattern name='a b'/>", `6: service "test/svc": pg_pattern "a b": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"pattern for delegates", inTmpl, "<pg_pattern target='delegate'/>", `6: service "test/svc": pg_pattern "": target "delegate": only a service of type restarter can have it`},
	{"pattern for all", inTmpl, "<pg_pattern target='all'/>", `6: service "test/svc": pg_pattern "": target "all": only "svc:/system/svc/global" can have it`},
	{"pattern for instances", inInst, "<template><common_name><loctext xml:lang='C'>x</loctext></common_name><pg_pattern target='instance'/></template>", `6: instance "test/svc:i": pg_pattern "": target "instance": only a service can have it`},
	{"property pattern without a name", inPg, "<prop_pattern name=''/>", `7: service "test/svc": prop_pattern "": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"property pattern twice", inPg, "<prop_pattern name='a'/><prop_pattern name='a'/>", `7: service "test/svc": property group "tm_proppat_nt_p_a" is defined twice`},
	{"pattern of a long name", inPg, "<prop_pattern name='" + long(104) + "'/>", "7: service \"test/svc\": property group \"tm_proppat_nt_p_" + long(104) + "\": a name of 120 bytes: the limit is 119"},
	{"negative cardinality", inProp, "<cardinality min='-1'/>", `8: service "test/svc": cardinality of "tm_proppat_nt_p_q": min "-1": a number without a sign is expected`},
	{"cardinality upside down", inProp, "<cardinality min='2' max='1'/>", `8: service "test/svc": cardinality of "tm_proppat_nt_p_q": at least 2 and at most 1`},
	{"no separators", inProp, "<internal_separators/>", `8: service "test/svc": internal_separators of "tm_proppat_nt_p_q" are empty`},
	{"range of words", inProp, "<constraints><range min='few' max='many'/></constraints>", `8: service "test/svc": range of "tm_proppat_nt_p_q": min "few": a number is expected`},
	{"range without an end", inProp, "<constraints><range min='1' max=''/></constraints>", `8: service "test/svc": range of "tm_proppat_nt_p_q": max "": a number is expected`},
	{"range upside down", inProp, "<constraints><range min='1' max='-1'/></constraints>", `8: service "test/svc": range of "tm_proppat_nt_p_q": max "-1" is less than min "1"`},
	{"value twice", inProp, "<values><value name='a'><common_name><loctext xml:lang='C'>a</loctext></common_name></value></values>\n<choices><value name='a'><common_name><loctext xml:lang='C'>a</loctext></common_name></value></choices>",
		`9: service "test/svc": property "tm_proppat_nt_p_q/value_ME------_common_name_C" is defined twice, first in line 8`},
	{"long name of a value", inProp, "<values><value name='" + long(61) + "'/></values>", `8: service "test/svc": value of "tm_proppat_nt_p_q": a name of 61 bytes: the limit is 60`},
	{"manual page twice", inTmpl, "<documentation><manpage title='a' section='1'/>\n<manpage title='a' section='1'/></documentation>",
		"7: service \"test/svc\": property \"tm_man_a1/title\" is defined twice, first in line 6\n7: service \"test/svc\": property \"tm_man_a1/section\" is defined twice, first in line 6\n" +
			`7: service "test/svc": property "tm_man_a1/manpath" is defined twice, first in line 6`},
	{"long name of a document", inTmpl, "<documentation><doc_link name='" + long(232) + "' uri='x'/></documentation>", `6: service "test/svc": <doc_link>: a name of 239 bytes: the limit is 238`},

	// All at once, in order.
	{"many faults", inSvc, "<stability value='New'/>\n<single_instance/>\n<create_default_instance enabled='maybe'/>\n" + dependency + "<service_fmri value='!'/></dependency>",
		`5: <stability>: attribute "value" is "New": it can be Standard, Stable, Evolving, Unstable, External or Obsolete
6: <single_instance> must stand before <stability>
7: <create_default_instance> must stand before <stability>
7: <create_default_instance>: attribute "enabled" is "maybe": it can be true or false
8: <dependency> must stand before <stability>
8: service "test/svc": property "d/entities": "!": service "!": letters, digits, - and _ are expected, first a letter; one comma may be in it`},
	{"huge names", inSvc, "<property_group name='" + long(1<<20) + "' type='a'><propval name='" + long(1<<20) + "' type='astring' value=''/></property_group>",
		"5: service \"test/svc\": property group \"" + long(119) + "...\": a name of 1048576 bytes: the limit is 119\n" +
			"5: service \"test/svc\": property \"" + long(119) + "...\": a name of 1048576 bytes: the limit is 119"},
}

func groups(n int) string {
	var b strings.Builder
	for k := range n {
		fmt.Fprintf(&b, "<property_group name='g%d' type='a'/>", k)
	}
	return b.String()
}

func instances(n int) string {
	var b strings.Builder
	for k := range n {
		fmt.Fprintf(&b, "<instance name='i%d' enabled='true'/>", k)
	}
	return b.String()
}

func TestRefused(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			b, err := bundle.Parse("m.xml", []byte(tt.in.before+tt.body+tt.in.after))
			got := strings.ReplaceAll(fmt.Sprint(err), "m.xml:", "")
			if err == nil || b != nil || got != tt.want {
				t.Errorf("Parse = %v\n got %s\nwant %s", b, got, tt.want)
			}
		})
	}
}

// TestFaultCount has more faults than anybody wants to read.
func TestFaultCount(t *testing.T) {
	body := strings.Repeat("<propval name='a' type='count' value='x'/>\n", 200)
	_, err := bundle.Parse("m.xml", []byte(inGroup.before+body+inGroup.after))
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 101 || !strings.HasSuffix(fmt.Sprint(err), "and 299 more of this kind") {
		t.Errorf("%d lines for 399 faults: %v", n, err)
	}
}

func TestHints(t *testing.T) {
	for body, want := range map[string]string{
		"<service_bundle type='manifest' name='x'/>":                "put <!DOCTYPE",
		"<?xml version='1.0' encoding='KOI8-R'?>":                   "convert it to UTF-8",
		inBundle.before + "<xi:include href='a'/>" + inBundle.after: "put its content",
	} {
		_, err := bundle.Parse("m.xml", []byte(body))
		if hint, ok := errors.AsType[*fault.HintError](err); !ok || !strings.HasPrefix(hint.Hint(), want) {
			t.Errorf("Parse(%q) = %v, want a hint %q", body, err, want)
		}
	}
}
