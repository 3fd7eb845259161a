package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"imagetools/fault"
	"imagetools/tree"
)

// Names resolves names of users and groups by the tree's own etc/passwd and etc/group, or
// those below root/ where the tree is a whole dataset; never by the host's. If these files
// do not say otherwise, user root and groups root and wheel are 0. The files are read when
// the first name is asked for. Not safe for concurrent use.
type Names struct {
	tree          *tree.Tree
	users, groups map[string]uint32
}

// NewNames returns a resolver for t, which must have its etc/passwd by the time the first
// name is looked up.
func NewNames(t *tree.Tree) *Names { return &Names{tree: t} }

// User returns the uid of a name.
func (n *Names) User(name string) (uint32, error) {
	if n.users == nil {
		users, err := n.read("passwd")
		if err != nil {
			return 0, err
		}
		if _, ok := users["root"]; !ok {
			users["root"] = 0
		}
		n.users = users
	}
	return find(n.users, name, "user", "passwd")
}

// Group returns the gid of a name.
func (n *Names) Group(name string) (uint32, error) {
	if n.groups == nil {
		groups, err := n.read("group")
		if err != nil {
			return 0, err
		}
		for _, zero := range []string{"root", "wheel"} {
			if _, ok := groups[zero]; !ok {
				groups[zero] = 0
			}
		}
		n.groups = groups
	}
	return find(n.groups, name, "group", "group")
}

func find(m map[string]uint32, name, kind, file string) (uint32, error) {
	if id, ok := m[name]; ok {
		return id, nil
	}
	return 0, fault.WithHint(fmt.Errorf("unknown %s %q", kind, name),
		fmt.Sprintf("add the name to etc/%s in the tree, or give its number", file))
}

// maxNames bounds etc/passwd and etc/group.
const maxNames = 16 << 20

// read collects name → number of a file in the form name:password:number:…. Lines of any
// other form (comments, NIS includes) name nobody.
func (n *Names) read(name string) (_ map[string]uint32, err error) {
	ids := make(map[string]uint32)
	var node *tree.Node
	path := "etc/" + name
	if node = n.tree.Lookup(path); node == nil {
		path = "root/etc/" + name
		node = n.tree.Lookup(path)
	}
	if node == nil || node.Mode.Type() != tree.TypeFile || node.Content == nil {
		return ids, nil
	}
	if node.Size > maxNames {
		return nil, fmt.Errorf("%q: %d bytes, the limit is %d", path, node.Size, maxNames)
	}
	f, err := node.Content.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(io.NewSectionReader(f, 0, node.Size))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 4)
		if len(fields) < 3 || fields[0] == "" {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			continue
		}
		if _, ok := ids[fields[0]]; !ok { // as getpwnam(3): the first line counts
			ids[fields[0]] = uint32(id)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return ids, nil
}
