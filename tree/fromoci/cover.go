package fromoci

import "imagetools/tree"

// cover is what upper layers have, by path, so that what they hide in lower ones need not be kept.
// It takes paths as they are: where links lead elsewhere it may be wrong, both ways.
type cover struct {
	paths pathMap[coverKind]
	meter meter
}

type coverKind uint8

const (
	coverName  coverKind = 1 << iota // the name: what a lower layer has there is replaced
	coverBelow                       // all below it
)

// release forgets all.
func (c *cover) release() {
	c.meter.release()
	c.paths = pathMap[coverKind]{}
}

func (c *cover) add(ch *change) {
	if ch.path == "" {
		return
	}
	switch ch.kind {
	case addNode:
		if ch.node.Mode.Type() == tree.TypeDir {
			*c.paths.at(ch.path, &c.meter) |= coverName
			return
		}
		*c.paths.at(ch.path, &c.meter) |= coverName | coverBelow
	case addLink, takeAway:
		*c.paths.at(ch.path, &c.meter) |= coverName | coverBelow
	case takeBelow:
		*c.paths.at(ch.path, &c.meter) |= coverBelow
	}
}

// hides tells whether a file of a lower layer cannot be seen.
func (c *cover) hides(path string) bool {
	for kind, rest := range c.paths.along(path) {
		if rest == "" {
			return kind&coverName != 0
		}
		if kind&coverBelow != 0 {
			return true
		}
	}
	return false
}
