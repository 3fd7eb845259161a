package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"imagetools/internal/cli"
	"imagetools/manifest"
)

// askManifest puts the questions of the classic tool whose answers nothing else gives. have
// is the manifest as it would be without them.
func askManifest(env *cli.Env, m *manifest.Options, have *manifest.Manifest) error {
	in := bufio.NewReader(env.Stdin)
	if _, ok := have.Tags["creator"]; !ok {
		answer, err := ask(env, in, "Enter your username")
		if err != nil {
			return err
		}
		m.Creator = answer
	}
	if m.Owner == "" && have.Owner == manifest.NoOwner {
		answer, err := ask(env, in, "Enter your user UUID (leave empty to create one)")
		if err != nil {
			return err
		}
		if answer == "" {
			answer = uuid.NewString()
			fmt.Fprintf(env.Stderr, "Your new user UUID is %s\n", answer)
		}
		m.Owner = answer
	}
	var err error
	if have.Description == "" {
		if m.Description, err = ask(env, in, "Enter description"); err != nil {
			return err
		}
	}
	if have.Homepage == "" {
		m.Homepage, err = ask(env, in, "Enter homepage")
	}
	return err
}

// confirm asks whether something is to be done; anything but yes is no.
func confirm(env *cli.Env, question string) (bool, error) {
	answer, err := ask(env, bufio.NewReader(env.Stdin), question+" [y/N]")
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
}

func ask(env *cli.Env, in *bufio.Reader, question string) (string, error) {
	fmt.Fprintf(env.Stderr, "%s: ", question)
	line, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if errors.Is(err, io.EOF) {
		fmt.Fprintln(env.Stderr)
	}
	return strings.TrimSpace(line), nil
}
