package deflate

import "encoding/binary"

// A bitWriter packs bits into bytes, lowest bit first (RFC 1951, section 3.1.1). The buffer is
// grown by reserve alone.
type bitWriter struct {
	out   []byte // len is what is written
	acc   uint64
	count uint // bits in acc; at most 7 after flush
}

// reserve makes room for n bytes and the bits still held.
func (w *bitWriter) reserve(n int) {
	if n += 16; cap(w.out)-len(w.out) < n {
		grown := make([]byte, len(w.out), 2*cap(w.out)+n)
		copy(grown, w.out)
		w.out = grown
	}
}

// write adds n bits and flushes.
func (w *bitWriter) write(value uint64, n uint) {
	w.acc |= value << w.count
	w.count += n
	w.flush()
}

// flush moves whole bytes out. Up to 56 bits may be added before the next flush.
func (w *bitWriter) flush() {
	n := len(w.out)
	binary.LittleEndian.PutUint64(w.out[n:n+8], w.acc)
	w.out = w.out[:n+int(w.count>>3)]
	w.acc >>= w.count &^ 7
	w.count &= 7
}

// align fills the last byte with zeros.
func (w *bitWriter) align() {
	w.count = (w.count + 7) &^ 7
	w.flush()
}
