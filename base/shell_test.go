package base_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"imagetools/base"
	"imagetools/rootfs"
)

// onDisk lays the overlay of a base image over an empty folder.
func onDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := rootfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	apply(t, root, base.Standard.Image(zones[1].config))
	return dir
}

// shell runs a command with the words behind it as $1 and so on.
func shell(t *testing.T, name, command string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-c", command, name}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "LOGNAME=admin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// Every shell that reads a file of the overlay understands it.
func TestShellSyntax(t *testing.T) {
	dir := onDisk(t)
	for file, shells := range map[string]string{
		"etc/bash/bash_completion.d/pkg": "bash", "etc/rc2.d/S99net_tune": "sh bash", "etc/skel/.profile": "sh bash",
		"etc/skel/.bash_profile": "bash", "etc/skel/.bashrc": "bash", "etc/skel/.login": "sh",
		"root/customize/first": "bash", "root/customize/second": "bash", "root/customize/steps": "bash",
	} {
		for _, name := range strings.Fields(shells) {
			if out := shell(t, name, name+` -n "$1"`, filepath.Join(dir, file)); out != "" {
				t.Errorf("%s -n %s: %s", name, file, out)
			}
		}
	}
}

func TestProfile(t *testing.T) {
	file := filepath.Join(onDisk(t), "etc/skel/.profile")
	for _, name := range []string{"sh", "bash"} {
		got := shell(t, name, `set -eu; . "$1"; echo "$PATH|$MANPATH|$PAGER|$MAIL|$TERMINFO"`, file)
		const want = "/usr/local/sbin:/usr/local/bin:/opt/local/sbin:/opt/local/bin:/usr/sbin:/usr/bin:/sbin" +
			"|/opt/local/man:/usr/share/man|less|/var/mail/admin|/opt/local/share/lib/terminfo\n"
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	file := filepath.Join(onDisk(t), "etc/bash/bash_completion.d/pkg")
	const tools = `. "$1"; shift
pkgin() { case $1 in avail) echo 'vim-9 x'; echo 'vile-9 x' ;; list) echo 'vim-9 x' ;; esac; }
pkg_info() { echo 'vim-9 an editor'; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
`
	for _, tt := range []struct{ words, want string }{
		{"pkgin unk", "unkeep"},
		{"pkgin upg", "upgrade"},
		{"pkgin install vi", "vim-9 vile-9"},
		{"pkgin -y in vil", "vile-9"},
		{"pkgin remove v", "vim-9"},
		{"pkgin search vi", ""},
		{"pkgin x", ""},
	} {
		got := shell(t, "bash", tools+`_pkgin; echo "${COMPREPLY[@]}"`, append([]string{file}, strings.Fields(tt.words)...)...)
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("%s: %q, want %q", tt.words, got, tt.want)
		}
	}
	if got := shell(t, "bash", tools+`_pkg_installed; echo "${COMPREPLY[@]}"`, file, "pkg_info", "v"); got != "vim-9\n" {
		t.Errorf("pkg_info v: %q", got)
	}
}

func TestNetTune(t *testing.T) {
	dir := onDisk(t)
	for _, tt := range []struct{ name, ipadm, want string }{
		{"lower", `case $* in show-prop*send*) echo 49152 ;; show-prop*) echo 1048575 ;; *) echo "$@" >&2 ;; esac`,
			"set-prop -p send_maxbuf=128000 tcp\nset-prop -p recv_maxbuf=1048576 tcp\n"},
		{"as high", `case $* in show-prop*send*) echo 128000 ;; show-prop*) echo 1048576 ;; *) echo "$@" >&2 ;; esac`, ""},
		{"one lower", `case $* in show-prop*send*) echo 256000 ;; show-prop*) echo 65536 ;; *) echo "$@" >&2 ;; esac`,
			"set-prop -p recv_maxbuf=1048576 tcp\n"},
		{"no answer", `exit 1`, ""},
	} {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "ipadm"), []byte("#!/bin/sh\n"+tt.ipadm+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		got := shell(t, "sh", `PATH=$1:$PATH sh "$2"`, bin, filepath.Join(dir, "etc/rc2.d/S99net_tune"))
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
