package block

// A block of zle is a row of runs. A byte n below 64 is followed by n+1 literals; others stand
// for n-63 zeros (zle.c; 64 is the level in zio_compress_table).
const (
	zleLiterals = 64
	zleZeros    = 256 - zleLiterals
)

func decodeZLE(dst, src []byte) *FormatError {
	d, s := 0, 0
	for d < len(dst) {
		if s == len(src) {
			return short(s, dst, d)
		}
		n := int(src[s]) + 1
		zeros := n > zleLiterals
		if zeros {
			n -= zleLiterals
		}
		if n > len(dst)-d {
			return long(s, dst)
		}
		s++
		if zeros {
			clear(dst[d : d+n])
		} else {
			if n > len(src)-s {
				return cut(src)
			}
			copy(dst[d:d+n], src[s:])
			s += n
		}
		d += n
	}
	return nil
}

func encodeZLE(dst, src []byte) []byte {
	for at := 0; at < len(src); {
		run := src[at:]
		n := 0
		if run[0] == 0 {
			for n < min(len(run), zleZeros) && run[n] == 0 {
				n++
			}
			dst = append(dst, byte(n-1+zleLiterals))
		} else {
			// A single zero among literals costs less as one of them.
			for n < min(len(run), zleLiterals) && (run[n] != 0 || n+1 < len(run) && run[n+1] != 0) {
				n++
			}
			dst = append(dst, byte(n-1))
			dst = append(dst, run[:n]...)
		}
		at += n
	}
	return dst
}
