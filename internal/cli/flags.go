package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagGroup is flags of a command that belong together.
type FlagGroup struct {
	Title string // in help
	*pflag.FlagSet
}

// NewFlagGroup returns a group without flags.
func NewFlagGroup(title string) *FlagGroup {
	set := pflag.NewFlagSet(title, pflag.ContinueOnError)
	set.SortFlags = false
	return &FlagGroup{title, set}
}

// Given are those flags that were given, as "--name".
func (g *FlagGroup) Given() []string {
	var names []string
	g.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

const helpWidth = 100 // columns, as long texts of commands have

// GroupFlags gives cmd the flags of groups, which its help then shows under their titles and in
// the order in which they were defined.
func GroupFlags(cmd *cobra.Command, groups ...*FlagGroup) {
	for _, g := range groups {
		cmd.Flags().AddFlagSet(g.FlagSet)
	}
	cmd.SetUsageFunc(func(c *cobra.Command) error {
		w := c.OutOrStderr()
		fmt.Fprintf(w, "Usage:\n  %s\n\nExamples:\n%s\n", c.UseLine(), c.Example)
		rest := pflag.NewFlagSet("", pflag.ContinueOnError)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			for _, g := range groups {
				if g.Lookup(f.Name) != nil {
					return
				}
			}
			rest.AddFlag(f)
		})
		for _, g := range append(groups[:len(groups):len(groups)], &FlagGroup{"Help", rest}) {
			fmt.Fprintf(w, "\n%s:\n%s", g.Title, g.FlagUsagesWrapped(helpWidth))
		}
		return nil
	})
}
