package bundle

import (
	"errors"
	"fmt"
	"strings"

	"imagetools/smf"
)

// fmri is what an FMRI of a service names.
type fmri struct {
	scope, service, instance string
	group                    bool // it goes on to a property group
}

// parseFMRI reads an FMRI of a service, such as "svc:/system/cron:default",
// "svc://localhost/system/cron" or "system/cron" (scf_parse_svc_fmri).
func parseFMRI(s string) (f fmri, err error) {
	s = strings.TrimPrefix(s, "svc:")
	f.scope = "localhost"
	if rest, ok := strings.CutPrefix(s, "//"); ok {
		scope, path, _ := strings.Cut(rest, "/")
		if scope = strings.TrimSuffix(scope, "@localhost"); scope != "" {
			f.scope = scope
			if strings.Contains(scope, ",") || !smf.IsName(scope) {
				return f, fmt.Errorf("host %q: %s", clip(scope), nameForm)
			}
		}
		if s = path; s == "" {
			return f, nil
		}
	}
	if s == "" {
		return f, nil
	}
	s = strings.TrimPrefix(s, "/")
	s, path, ok := strings.Cut(s, "/:properties/")
	if ok {
		f.group = true
		group, property, ok := strings.Cut(path, "/")
		if err := checkName(group); err != nil {
			return f, fmt.Errorf("property group %q: %w", clip(group), err)
		}
		if ok {
			if err := checkName(property); err != nil {
				return f, fmt.Errorf("property %q: %w", clip(property), err)
			}
		}
	}
	f.service, f.instance, ok = strings.Cut(s, ":")
	if err := checkPath(f.service); err != nil {
		return f, fmt.Errorf("service %q: %w", clip(f.service), err)
	}
	if ok {
		if err := checkName(f.instance); err != nil {
			return f, fmt.Errorf("instance %q: %w", clip(f.instance), err)
		}
	}
	return f, nil
}

// checkFMRI checks the FMRI of a service or file (scf_parse_fmri).
func checkFMRI(s string) error {
	path, ok := strings.CutPrefix(s, "file:")
	if !ok {
		_, err := parseFMRI(s)
		return err
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		var host string
		host, path, ok = strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return fmt.Errorf("host %q: only \"localhost\" has files", clip(host))
		}
		if path = "/" + path; !ok {
			path = ""
		}
	}
	if len(path) < 2 || path[0] != '/' {
		return errors.New("an absolute path is expected")
	}
	return nil
}
