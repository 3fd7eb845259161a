package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"imagetools/test/oracle"
	"imagetools/test/oracle/listing"
	"imagetools/test/reference"
	"imagetools/tree"
	"imagetools/zfs/objset"
	"imagetools/zfs/zvol"
)

// volumeLink is an increment on the volumes before it.
type volumeLink struct {
	stream string // file
	guid   uint64
	want   listing.Listing
}

// writeVolume writes the stream of a disk.
func writeVolume(t *testing.T, disk []byte, opts zvol.Options) volumeLink {
	t.Helper()
	f, err := tree.Bytes(disk).Open()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := zvol.NewPlan(t.Context(), f, int64(len(disk)), opts)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stream")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(plan.Write(t.Context(), out), out.Close()); err != nil {
		t.Fatal(err)
	}
	block := opts.BlockSize
	if opts.Origin != nil {
		block = opts.Origin.BlockSize
	} else if block == 0 {
		block = zvol.DefaultBlockSize
	}
	want := listing.Listing{Dataset: listing.Dataset{Size: plan.Size(), VolBlockSize: int64(block)}}
	raw := append(bytes.Clone(disk), make([]byte, plan.Size()-int64(len(disk)))...)
	if want.Dataset.SHA256, err = listing.Sum(bytes.NewReader(raw), plan.Size(), []listing.Extent{{Length: plan.Size()}}); err != nil {
		t.Fatal(err)
	}
	return volumeLink{path, plan.GUID(), want}
}

// lastVolume opens the volume of the last of several streams.
func lastVolume(t *testing.T, streams ...string) *zvol.Volume {
	t.Helper()
	o := open(t, streams...)
	v, err := o.Volume()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// changeDisk writes over ranges of a disk with noise and zeros, of all sizes.
func changeDisk(rng *rand.Rand, disk []byte) []byte {
	disk = bytes.Clone(disk)
	for i := range 40 {
		at := rng.IntN(len(disk))
		p := disk[at:min(len(disk), at+1+rng.IntN(1<<(4+i%16)))]
		if i%3 == 0 {
			clear(p)
			continue
		}
		for k := range p {
			p[k] = byte(rng.Uint32())
		}
	}
	return disk
}

// volumeChain is a volume with increments that change, free and grow it, or do nothing.
func volumeChain(t *testing.T, block int) []volumeLink {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(block)))
	disk := changeDisk(rng, make([]byte, 8<<20))
	links := []volumeLink{writeVolume(t, disk, zvol.Options{BlockSize: block})}
	for step := range 5 {
		switch step {
		case 1:
			disk = append(disk, make([]byte, 3<<20)...)
			copy(disk[len(disk)-7:], "the end")
		case 3: // as it was
		case 4: // nothing but zeros in the second half
			clear(disk[len(disk)/2:])
		default:
			disk = changeDisk(rng, disk)
		}
		links = append(links, writeVolume(t, disk, zvol.Options{Origin: lastVolume(t, paths(links)...)}))
	}
	return links
}

func paths(links []volumeLink) (all []string) {
	for _, l := range links {
		all = append(all, l.stream)
	}
	return all
}

// TestVolumeIncrements has OpenZFS's receive code take a chain of volumes, link by link.
func TestVolumeIncrements(t *testing.T) {
	t.Parallel()
	judge := oracle.RequireJudge(t)
	for _, block := range []int{4 << 10, 8 << 10, 128 << 10} {
		links := volumeChain(t, block)
		all, err := judge.Verdict(paths(links), oracle.JudgeOptions{Legacy: block == 8<<10})
		if err != nil || len(all) != len(links) {
			t.Fatalf("blocks of %d: %d snapshots, %v", block, len(all), err)
		}
		for i, l := range links {
			compare(t, l.want, all[i], listing.DiffOptions{})
			if guid := all[i].Dataset.GUID; guid != l.guid {
				t.Errorf("blocks of %d, link %d: guid %d, want %d", block, i, guid, l.guid)
			}
		}
	}
}

// TestVolumeOnReference builds increments on volumes that OpenZFS has sent, in whatever form.
func TestVolumeOnReference(t *testing.T) {
	t.Parallel()
	all, judge := reference.RequireOpenZFS(t), oracle.RequireJudge(t)
	rng := rand.New(rand.NewPCG(3, 3))
	built := 0
	for _, s := range all {
		o, err := openStreams(t, s.Files)
		if err != nil || !o.IsVolume() || len(o.Index.Packages()) > 0 {
			continue // an error is what TestOpenReference finds
		}
		v, err := o.Volume()
		if errors.Is(err, objset.ErrEncrypted) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			if err != nil {
				t.Fatal(err)
			}
			disk := make([]byte, v.Size)
			if _, err := v.ReadAt(disk, 0); err != nil {
				t.Fatal(err)
			}
			link := writeVolume(t, changeDisk(rng, disk), zvol.Options{Origin: v})
			got := judge.Receive(t, append(s.Files[:len(s.Files):len(s.Files)], link.stream), oracle.JudgeOptions{Foreign: true})
			compare(t, link.want, got, listing.DiffOptions{})
		})
		built++
	}
	t.Logf("increments on %d volumes", built)
	if built == 0 {
		t.Error("there is no volume among the streams")
	}
}

// volumeIncrementJob has the kernel receive a chain of volumes as clones of one another, which
// zfs receive finds by guid, and hash the devices.
func volumeIncrementJob(t *testing.T) guestJob {
	t.Helper()
	links := volumeChain(t, zvol.DefaultBlockSize)
	job := oracle.Job{Name: "volume-increments", Script: fmt.Sprintf(volumeIncrementScript, len(links)), Inputs: paths(links)}
	return guestJob{job, func(t *testing.T, res oracle.Result) {
		for i, l := range links {
			f, err := os.Open(filepath.Join(res.Out, fmt.Sprintf("%d.listing", i+1)))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := listing.Parse(f)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, l.want, got, listing.DiffOptions{})
			if got.Dataset.GUID != l.guid {
				t.Errorf("link %d: guid %d, want %d", i, got.Dataset.GUID, l.guid)
			}
		}
	}}
}

// No volume but the one that is looked at has a device, so that it is the only one.
const volumeIncrementScript = `
zfs set volmode=none zones
last=%d
for i in $(seq $last); do
	input $i | zfs receive zones/link$i
	[ $i = 1 ] || [ "$(zfs get -H -o value origin zones/link$i)" = zones/link$((i - 1))@final ]
done
for i in $(seq $last); do
	zfs set volmode=dev zones/link$i
	for wait in 1 2 3 4 5; do [ -e /dev/zd0 ] || sleep 1; done
	{
		printf '{"dataset":"link%%s","snapshot":"final","guid":"%%s","creation":0,"objset":"zvol",' $i "$(zfs get -Hp -o value guid zones/link$i@final)"
		lister /dev/zd0 | sed 's/^{//'
	} >$i.listing
	zfs set volmode=none zones/link$i
done
zfs destroy -R zones/link1
zfs inherit volmode zones
`
