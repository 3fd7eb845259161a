package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"imagetools/internal/cli"
)

func TestMain(m *testing.M) {
	as := func(name string) func() {
		return func() { os.Exit(run(context.Background(), cli.NewEnv(), name, os.Args[1:])) }
	}
	testscript.Main(m, map[string]func(){
		"imagetools":         func() { main() },
		"create-base-images": as("create-base-images"),
		"create-image":       as("create-image"),
		"create-seed":        as("create-seed"),
		"create-smf-repo":    as("create-smf-repo"),
		"install-base":       as("install-base"),
		"install-image":      as("install-image"),
	})
}

// TestScript runs the command line as users do; see testdata/script.
func TestScript(t *testing.T) {
	live, err := filepath.Abs("../../doc/smartos-live")
	if err != nil {
		t.Fatal(err)
	}
	if signal.Ignored(syscall.SIGHUP) {
		// The scripts hang up on programs, which would inherit that nohup lets them go on; what
		// is handled here is back at its default in them.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SOURCE_DATE_EPOCH", "")
			env.Setenv("SMARTOS_LIVE", live)
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
			return os.Mkdir(filepath.Join(env.WorkDir, "tmp"), 0o777)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"makerepositories": makeRepositories},
		Condition: func(cond string) (bool, error) {
			return cond == "root" && os.Geteuid() == 0, nil
		},
	})
}
