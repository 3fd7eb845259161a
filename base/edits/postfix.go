package edits

import (
	"slices"
	"strings"

	"imagetools/internal/lines"
)

// settings of postfix: mail of this host alone, kept in home directories, and nothing relayed.
// Continued lines begin with a blank.
const settings = `alias_database = hash:@/aliases
alias_maps = $alias_database
canonical_maps = hash:@/canonical
default_database_type = hash
home_mailbox = Maildir/
inet_interfaces = loopback-only
inet_protocols = all
mailbox_size_limit = 102400000
message_size_limit = 51200000
mynetworks = $myhostname, 127.0.0.0/8
owner_request_special = no
queue_minfree = 76800000
recipient_canonical_maps = hash:@/recipient_canonical
recipient_delimiter = +
sender_canonical_maps = hash:@/sender_canonical
smtpd_banner = $myhostname ESMTP
smtpd_client_restrictions =
 permit_mynetworks,
 permit_sasl_authenticated,
 reject_unknown_reverse_client_hostname
smtpd_data_restrictions =
 permit_mynetworks,
 reject_unauth_pipelining,
 permit_sasl_authenticated
smtpd_helo_required = yes
smtpd_helo_restrictions =
 permit_mynetworks,
 permit_sasl_authenticated,
 reject_invalid_helo_hostname,
 reject_non_fqdn_helo_hostname
smtpd_recipient_restrictions =
 permit_mynetworks,
 permit_sasl_authenticated,
 reject_unlisted_recipient,
 reject_non_fqdn_recipient,
 reject_unauth_destination,
 reject_unknown_recipient_domain,
 check_recipient_access hash:@/filtered_domains
smtpd_sender_restrictions =
 permit_mynetworks,
 permit_sasl_authenticated,
 reject_unlisted_sender,
 reject_non_fqdn_sender,
 reject_unknown_sender_domain
strict_rfc821_envelopes = yes
virtual_alias_maps = hash:@/virtual`

const settingsComment = "# Settings of the image"

// postfix sets what main.cf says, makes the maps that it names, and has mailx use postfix.
func (j *job) postfix() {
	const owner = "the package postfix"
	dir := j.sysconf("postfix")
	j.Edit(dir+"/main.cf", owner, func(t *lines.Text) {
		wanted := strings.Split(strings.ReplaceAll(settings, "@", dir), "\n")
		removeSettings(t, wanted)
		for t.Len() > 0 && strings.TrimSpace(t.Line(t.Len()-1)) == "" {
			t.Remove(t.Len()-1, t.Len())
		}
		if t.Len() > 0 {
			t.Append("")
		}
		t.Append(settingsComment)
		t.Append(wanted...)
	})
	for _, name := range strings.Fields("canonical filtered_domains maillists recipient_canonical sender_canonical transport virtual") {
		j.emptyMap(dir + "/" + name)
	}
	j.Edit("/etc/mail/mailx.rc", seed, func(t *lines.Text) {
		t.Put(lines.Matching(`^[ \t]*set[ \t]+sendmail=`), "set sendmail="+j.prefix()+"/sbin/sendmail")
	})
}

// removeSettings takes the parameters that are set by wanted out of t, with their continued
// lines. Empty lines and comments may stand between those (postconf(5)).
func removeSettings(t *lines.Text, wanted []string) {
	t.Delete(lines.Equal(settingsComment))
	var names []string
	for _, line := range wanted {
		names = append(names, settingName(line))
	}
	inside := false
	for i := 0; i < t.Len(); i++ {
		line := t.Line(i)
		switch text := strings.TrimSpace(line); {
		case text == "" || text[0] == '#':
			continue
		case line[0] != ' ' && line[0] != '\t':
			inside = slices.Contains(names, settingName(line))
		}
		if inside {
			t.Remove(i, i+1)
			i--
		}
	}
}

// settingName is the parameter that a line sets; a continued line sets the empty one.
func settingName(line string) string {
	name, _, _ := strings.Cut(line, "=")
	if line[0] == ' ' {
		return ""
	}
	return strings.TrimSpace(name)
}

// emptyMap makes a map without entries; the samples that postfix comes with have comments
// alone. One with entries stays.
func (j *job) emptyMap(path string) {
	j.Create(path, "")
	text := lines.Parse(j.Read(path, "step postfix"))
	entry := text.Find(lines.Matching(`^[^#]*[^# \t]`))
	if j.Err == nil && entry < 0 && text.Len() > 0 {
		j.Done(j.Root.WriteFile(path, nil, nil), path, "emptied")
	}
}
