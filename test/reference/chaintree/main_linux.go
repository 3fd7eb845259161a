// Chaintree makes what the streams of chains are made of: a few files each of which changes in a
// way of its own from snapshot to snapshot. It runs in the guest, so it is built without cgo.
//
//	chaintree remove ROUND DIRECTORY   free objects, for others to take their numbers
//	chaintree add ROUND DIRECTORY      make the files of the first round, or change them
//
// Rounds count from 1, which removes nothing. The same arguments do the same anywhere.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: chaintree remove|add ROUND DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "chaintree:", err)
		os.Exit(1)
	}
}

func run(verb, number, root string) error {
	round, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	c := &changer{root: root, round: round}
	switch verb {
	case "remove":
		c.remove()
	case "add":
		c.contents()
		c.attributes()
		c.directories()
		c.replaced()
	default:
		return errors.New("no such verb: " + verb)
	}
	return c.err
}

// changer changes the files below root. The first error stays.
type changer struct {
	root  string
	round int
	err   error
}

func (c *changer) path(name string) string { return c.root + "/" + name }

func (c *changer) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// pick is the value for the present round.
func pick[T any](c *changer, each ...T) T { return each[min(c.round, len(each))-1] }

// mixed are n bytes, half of which cannot be compressed.
func mixed(name string, n int) []byte {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(h.Sum64(), 7))
	p := bytes.Repeat([]byte(name+" "), n/(len(name)+1)+1)[:n]
	for at := 0; at < n; at += 32 {
		for i, v := 0, r.Uint64(); i < 16 && at+i < n; i, v = i+1, v>>4 {
			p[at+i] = byte(v) ^ byte(r.Uint32())
		}
	}
	return p
}

func (c *changer) write(name string, off int64, data []byte, flags int) {
	f, err := os.OpenFile(c.path(name), os.O_RDWR|os.O_CREATE|flags, 0o644)
	if err == nil {
		_, err = f.WriteAt(data, off)
		err = errors.Join(err, f.Close())
	}
	c.fail(err)
}

func (c *changer) truncate(name string, size int64) { c.fail(os.Truncate(c.path(name), size)) }

// unit makes sizes: the largest files have two records of 256 KiB, in streams four of 128 KiB.
const unit = 300

// contents makes files that grow, shrink, are filled again, or stay as they are.
func (c *changer) contents() {
	text := func(name string, n int) []byte { return mixed(fmt.Sprint(name, c.round), n) }
	c.write("grows", 0, text("grows", pick(c, 3000, 200*unit, 1300*unit)), 0)
	c.write("grows-on", int64(pick(c, 0, 300*unit, 1400*unit)), text("grows-on", pick(c, 300*unit, 1100*unit, 100)), 0)
	c.write("from-nothing", 0, text("from-nothing", pick(c, 0, 600*unit, 5)), 0)
	c.write("filled-again", 0, text("filled-again", pick(c, 1300*unit, 500*unit, 10)), os.O_TRUNC)
	c.write("block", 0, text("block", pick(c, 100*unit, 128*unit, 129*unit)), 0)
	c.write("phrase", 0, bytes.Repeat([]byte{byte('a' + c.round)}, pick(c, 4096, 4096, 200*unit)), 0)
	repeats := bytes.Repeat([]byte{byte('r' + c.round)}, pick(c, 1500*unit, 700*unit, 900*unit)) // zstd embeds such large blocks
	c.write("repeats", int64(pick(c, 0, 600*unit, 1200*unit)), repeats, 0)
	c.write("middle", int64(pick(c, 0, 1100*unit, 500*unit)), text("middle", pick(c, 1500*unit, 200, 70*unit)), 0)
	c.write("sparse", int64(pick(c, 1500*unit, 2*1024*unit+7, 100)), text("sparse", 50*unit), 0)
	if c.round == 1 {
		c.write("shrinks", 0, text("shrinks", 1300*unit), 0)
		c.write("quiet", 0, text("quiet", 1100*unit), 0)
		c.write("noted", 0, text("noted", 1100*unit), 0)
		c.write("punched", 0, text("punched", 1300*unit), 0)
		return
	}
	c.truncate("shrinks", int64(pick(c, 0, 300*unit, 100)))
	c.truncate("sparse", int64(pick(c, 0, 2500*unit, 1024*unit)))
	c.fail(unix.Chmod(c.path("noted"), uint32(pick(c, 0, 0o600, 0o755)))) // its OBJECT is sent, and no data
	f, err := os.OpenFile(c.path("punched"), os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE,
			int64(pick(c, 0, 128*unit, 1000)), int64(pick(c, 0, 256*unit, 1200*unit))), f.Close())
	}
	c.fail(err)
}

// attributes makes files whose extended attributes lie in the bonus buffer, in the spill block, in
// neither, and move between them.
func (c *changer) attributes() {
	for _, file := range []struct {
		name  string
		sizes [3]int // of all attributes, by round; -1 leaves them alone
	}{
		{"bonus-spill-bonus", [3]int{30, 800, 20}},
		{"spill-none-spill", [3]int{600, 0, 500}},
		{"spill-spill", [3]int{600, 700, 9000}},
		{"spill-quiet-none", [3]int{400, -1, 0}},
		{"none-bonus-spill", [3]int{0, 40, 300}},
	} {
		if c.round == 1 {
			c.write(file.name, 0, []byte(file.name), 0)
		} else {
			c.fail(unix.Chmod(c.path(file.name), uint32(0o640+c.round)))
		}
		size := file.sizes[min(c.round, 3)-1]
		for i := range 3 {
			name := fmt.Sprint("user.attribute-", i)
			if size > 0 {
				c.fail(unix.Lsetxattr(c.path(file.name), name, mixed(file.name, size/3), 0))
			} else if err := unix.Lremovexattr(c.path(file.name), name); size == 0 && err != nil && !errors.Is(err, unix.ENODATA) {
				c.fail(err)
			}
		}
	}
}

// directories makes some that become larger and smaller, and others of another kind.
func (c *changer) directories() {
	for _, dir := range []struct {
		name   string
		prefix string
		counts [3]int
	}{
		{"micro", "", [3]int{3, 40, 5}},
		{"fat", strings.Repeat("long name ", 6), [3]int{2, 30, 10}},
		{"becomes-fat", "", [3]int{5, 8, 9}},
	} {
		if c.round == 1 {
			c.fail(os.Mkdir(c.path(dir.name), 0o755))
		}
		now := dir.counts[min(c.round, 3)-1]
		for i := range 40 {
			name := fmt.Sprintf("%s/%s%d", dir.name, dir.prefix, i)
			if _, err := os.Lstat(c.path(name)); err == nil && i >= now {
				c.fail(os.Remove(c.path(name)))
			} else if err != nil && i < now {
				c.fail(os.Symlink("x", c.path(name)))
			}
		}
	}
	if c.round == 2 {
		c.fail(os.Symlink("y", c.path("becomes-fat/"+strings.Repeat("n", 100))))
	}
}

// kinds are the forms that what has a number may take when another takes it.
const kinds = 6

// replaced makes things of all kinds, whose numbers the next round gives to other kinds.
func (c *changer) replaced() {
	for i := range 2 * kinds {
		name := fmt.Sprintf("round-%d-%d", c.round, i)
		switch (i + c.round) % kinds {
		case 0:
			c.write(name, 0, mixed(name, 700*unit), 0)
		case 1:
			c.write(name, 0, mixed(name, 100), 0)
		case 2:
			c.fail(os.Mkdir(c.path(name), 0o700))
		case 3:
			c.fail(os.Symlink(strings.Repeat("t", 250), c.path(name)))
		case 4:
			c.write(name, 300*unit, mixed(name, 1000), 0) // a hole before it
		case 5:
			c.write(name, 0, []byte(name), 0)
			c.fail(unix.Lsetxattr(c.path(name), "user.spilled", mixed(name, 500), 0))
		}
	}
}

// remove removes what the round before has made, but for two, and a file that comes again.
func (c *changer) remove() {
	if c.round == 1 {
		return
	}
	for i := range 2*kinds - 2 {
		c.fail(os.Remove(c.path(fmt.Sprintf("round-%d-%d", c.round-1, i))))
	}
	c.fail(os.Remove(c.path("grows")))
}
