package compress_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"imagetools/compress"
)

// xzProgram packs data by xz(1).
func xzProgram(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("xz")
	if err != nil {
		t.Skip("there is no xz(1)")
	}
	cmd := exec.Command(path, append([]string{"-c", "-T1"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("xz %q: %v: %s", args, err, &stderr)
	}
	return out
}

// machineCode is data in which filters for machines find jumps of all kinds: opcodes of each machine
// among addresses nearby and far away.
func machineCode(n int) []byte {
	data := random(n)
	for i := 0; i+16 < n; i += 3 + int(data[i])%29 {
		switch data[i+1] % 9 {
		case 0, 1:
			data[i] = 0xe8 | data[i+1]>>7
			data[i+4] = -(data[i+2] & 1)
		case 2:
			j := i &^ 3
			data[j], data[j+3] = data[j]&3|0x48, data[j+3]&^3|1 // PowerPC
		case 3:
			data[i|3] = 0xeb // ARM
		case 4:
			j := i &^ 1
			data[j+1], data[j+3] = data[j+1]&7|0xf0, data[j+3]&7|0xf8 // Thumb
		case 5:
			j := i &^ 3
			data[j], data[j+1] = 0x40, data[j+1]&0x3f // SPARC
		case 6:
			j := i &^ 3
			data[j+3] = data[j+3]&3 | 0x94 // ARM64: BL
		case 7:
			j := i &^ 3
			data[j+3], data[j+2] = data[j+3]&0x60|0x90, data[j+2]&3 // ADRP
		case 8:
			j := i &^ 15
			data[j] = data[j]&^0x1f | 0x16 // IA-64: three branches
		}
	}
	return data
}

// TestXZFilters: what xz(1) packs with any filter is what xz(1) has unpacked.
func TestXZFilters(t *testing.T) {
	t.Parallel()
	const lzma = "--lzma2=preset=1"
	data := machineCode(100_007)
	for name, args := range map[string][]string{
		"x86": {"--x86", lzma}, "PowerPC": {"--powerpc", lzma}, "IA-64": {"--ia64", lzma}, "ARM": {"--arm", lzma}, "Thumb": {"--armthumb", lzma},
		"SPARC": {"--sparc", lzma}, "ARM64": {"--arm64", lzma}, "delta": {"--delta=dist=4", lzma}, "longest delta": {"--delta=dist=256", lzma},
		"three": {"--x86", "--delta=dist=3", "--arm", lzma}, "start": {"--arm=start=4096", lzma}, "x86 start": {"--x86=start=65536", lzma},
		"preset 0": {"-0"}, "preset 9e": {"-9e"}, "literal bits": {"--lzma2=lc=0,lp=4,pb=0"}, "other literal bits": {"--lzma2=lc=1,lp=3,pb=4"},
		"no check": {"--check=none"}, "CRC32": {"--check=crc32"}, "SHA-256": {"--check=sha256"}, "blocks": {"-0", "--block-size=70000"},
		"small dictionary": {"--lzma2=dict=4KiB"}, "large dictionary": {"--lzma2=preset=1,dict=128MiB"}, "threads": {"-0", "-T2", "--block-size=300000"},
	} {
		for _, in := range [][]byte{data, data[:5], nil, slices.Concat(zeros(300_000), text(30_000), zeros(100))} {
			packed := xzProgram(t, in, args...)
			if got, format, err := unpack(packed, 1); err != nil || format != compress.XZ || !bytes.Equal(got, in) {
				t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(in))
				continue
			}
			twice := slices.Concat(packed, zeros(8), packed)
			if got, _, err := unpack(twice, 1); err != nil || !bytes.Equal(got, append(bytes.Clone(in), in...)) {
				t.Errorf("%s, two streams: %d bytes, %v", name, len(got), err)
			}
		}
	}
}

// TestXZDamage: no flipped bit and no cut goes unnoticed.
func TestXZDamage(t *testing.T) {
	t.Parallel()
	data := text(30_000)
	for _, packed := range [][]byte{pack(t, compress.XZ, 1, data, nil), xzProgram(t, data, "--x86", "--lzma2", "--block-size=10000")} {
		for i := range 100 {
			at := i * 7919 % len(packed)
			damaged := bytes.Clone(packed)
			damaged[at] ^= 1 << (i % 8)
			if got, format, err := unpack(damaged, 1); err == nil && format == compress.XZ {
				t.Errorf("bit %d of byte %d: %d bytes and no error", i%8, at, len(got))
			}
			if at < 10 {
				continue
			}
			if _, _, err := unpack(packed[:at], 1); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at byte %d of %d: %v", at, len(packed), err)
			}
		}
	}
}

// TestXZDictionaryCostsWhatItHolds: a small file that asks for any dictionary is read, and takes
// memory for its contents alone.
func TestXZDictionaryCostsWhatItHolds(t *testing.T) {
	data := text(300_000)
	packed := pack(t, compress.XZ, 1, data, nil)
	var before, after runtime.MemStats
	for _, property := range []byte{29, 34, 40} {
		huge := hugeXZ(packed, property)
		runtime.ReadMemStats(&before)
		got, _, err := unpack(huge, 1)
		runtime.ReadMemStats(&after)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("property %d: %d bytes, %v", property, len(got), err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("property %d: %d bytes of memory for %d", property, used, len(data))
		}
	}
}
